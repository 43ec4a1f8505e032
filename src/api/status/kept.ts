import type { Clock } from '../../base/index.ts'

/** A text that is costly to make, made anew only when it is older than `ms`: however many ask, they cannot keep us busy. */
export class KeptText {
  #text: string | undefined
  #madeMs = 0
  readonly #make: () => unknown
  readonly #clock: Pick<Clock, 'monotonicMs'>
  readonly #ms: number

  /** @param make - gives what is written as JSON */
  constructor(make: () => unknown, clock: Pick<Clock, 'monotonicMs'>, ms: number) {
    this.#make = make
    this.#clock = clock
    this.#ms = ms
  }

  get(): string {
    const nowMs = this.#clock.monotonicMs()
    if (this.#text === undefined || nowMs - this.#madeMs >= this.#ms) {
      this.#text = JSON.stringify(this.#make())
      this.#madeMs = nowMs
    }
    return this.#text
  }
}
