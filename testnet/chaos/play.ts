import { messageOf, systemClock } from '../../src/index.ts'
import { Lab } from './lab/index.ts'
import type { Scenario } from './scenario.ts'
import { STEPS } from './steps/index.ts'
import { type Finding, World } from './world.ts'

/** Of a whole scenario: the waits in it have limits of their own. */
const LIMIT_MS = { short: 180_000, long: 1_200_000 }

export interface Outcome {
  readonly scenario: Scenario
  readonly ok: boolean
  readonly ms: number
  readonly findings: readonly Finding[]
  /** Frames that the switch passed, lost by chance and cut. */
  readonly frames: { readonly passed: number; readonly lost: number; readonly cut: number } | undefined
  /** Where it failed: the last lines of each node's log. */
  readonly logs: Readonly<Record<string, string>>
}

/** Plays steps until one expected something else than it saw. */
const playSteps = async (scenario: Scenario, world: World, signal: AbortSignal): Promise<void> => {
  for (const [index, { kind, args }] of scenario.steps.entries()) {
    if (signal.aborted) return
    try {
      await STEPS[kind]!.play(args as never, world)
    } catch (error) {
      world.found(`step ${index + 1} (${kind}) can be done`, messageOf(error), false)
    }
    if (world.findings.some(({ ok }) => !ok)) return
  }
  await world.endBackground()
}

/** Plays a scenario in a lab of its own, of which nothing is left. Throws only where no lab can be made. */
export const play = async (scenario: Scenario): Promise<Outcome> => {
  const start = systemClock.monotonicMs()
  const lab = await Lab.open(scenario.hosts)
  try {
    const world = new World(lab)
    using deadline = systemClock.deadline(LIMIT_MS[scenario.run])
    const late = new Promise<void>((resolve) => {
      deadline.signal.addEventListener('abort', () => {
        world.found(`it ends within ${LIMIT_MS[scenario.run] / 1_000} s`, 'it does not', false)
        resolve()
      })
    })
    await Promise.race([playSteps(scenario, world, deadline.signal), late])
    const ok = world.findings.every((finding) => finding.ok)
    return {
      scenario,
      ok,
      ms: systemClock.monotonicMs() - start,
      findings: [...world.findings],
      frames: await lab.counts().catch(() => undefined),
      logs: ok ? {} : Object.fromEntries([...lab.nodes].map(([name, node]) => [name, node.lastLines])),
    }
  } finally {
    await lab.close()
  }
}
