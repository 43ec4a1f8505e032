import type { Args, Fields } from './fields.ts'
import type { World } from './world.ts'

/** A kind of step: what it does in a sentence, its fields, and how it is played. */
export interface StepKind {
  readonly about: string
  readonly fields: Fields
  play(args: never, world: World): Promise<void>
}

/** Gives `play` the types that `fields` say. */
export const step = <const F extends Fields>(kind: {
  about: string
  fields: F
  play(args: Args<F>, world: World): Promise<void>
}): StepKind => kind
