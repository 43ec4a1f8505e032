/** Counts what came of seeds, and tells how far it is. */
import type { Outcome } from './world.ts'

const HOUR_MS = 3_600_000
/** Between two lines of progress: on a terminal one that is written over, in a log one more. */
const TERMINAL_MS = 1_000
const LOG_MS = 60_000

export interface TallyInit {
  from: number
  seeds: number
  /** The counts as one line of JSON instead of words, and no progress. */
  json: boolean
}

export class Tally {
  violations = 0
  readonly #init: TallyInit
  readonly #sinceMs = performance.now()
  /** Of those that are done, by seed: in order, whichever process did them. */
  readonly #traces = new Map<number, string>()
  /** By process. */
  readonly #cpuMs = new Map<number, number>()
  #simulatedMs = 0
  #checks = 0
  /** The longest that any seed took to heal. */
  #healedMs = 0
  #toldMs = performance.now()

  constructor(init: TallyInit) {
    this.#init = init
  }

  add(outcome: Outcome, job: number, cpuMs: number): void {
    this.#traces.set(outcome.seed, outcome.traceHash)
    this.#cpuMs.set(job, cpuMs)
    this.#simulatedMs += outcome.simulatedMs
    this.#checks += outcome.checks
    this.#healedMs = Math.max(this.#healedMs, outcome.healedMs)
    if (outcome.violation !== undefined) {
      this.violations++
      const { seed, violation, faults } = outcome
      this.#say(`seed ${seed}: ${violation}\n  faults: ${faults.join(', ')}\n  again: npm run sim -- --seed ${seed}\n`)
    }
    this.#progress()
  }

  end(interrupted: boolean): void {
    const { from, seeds, json } = this.#init
    const cpuMs = [...this.#cpuMs.values()].reduce((sum, ms) => sum + ms, 0)
    const counts = {
      seeds: this.#traces.size,
      simulatedMs: this.#simulatedMs,
      checks: this.#checks,
      violations: this.violations,
      cpuMs,
      healedMs: this.#healedMs,
    }
    if (json) {
      const traces = [...this.#traces].sort(([a], [b]) => a - b).map(([, hash]) => hash)
      console.log(JSON.stringify({ ...counts, traces: traces.join('') }))
      return
    }
    this.#say('')
    console.log(
      `${counts.seeds} seeds, ${(counts.simulatedMs / HOUR_MS).toFixed(1)} hours simulated, ${counts.checks} checks, ` +
        `${counts.violations} violations; all healed within ${(counts.healedMs / 1000).toFixed(0)} s; ` +
        `took ${(this.#elapsedMs() / 1000).toFixed(0)} s, ${(cpuMs / 1000).toFixed(0)} s of one core`,
    )
    if (!interrupted) return
    let next = from
    while (this.#traces.has(next)) next++
    console.log(`interrupted; to go on: npm run sim -- --from ${next} --seeds ${from + seeds - next}`)
  }

  #elapsedMs(): number {
    return performance.now() - this.#sinceMs
  }

  #progress(): void {
    const { seeds, json } = this.#init
    const terminal = process.stderr.isTTY === true
    const nowMs = performance.now()
    if (json || nowMs - this.#toldMs < (terminal ? TERMINAL_MS : LOG_MS)) return
    this.#toldMs = nowMs
    const done = this.#traces.size
    const perSecond = (done * 1000) / this.#elapsedMs()
    const leftMinutes = Math.ceil((seeds - done) / perSecond / 60)
    const line = `${done} of ${seeds} seeds, ${perSecond.toFixed(1)} a second, ${leftMinutes} min left, ${this.violations} violations`
    process.stderr.write(terminal ? `\r\x1b[K${line}` : `${line}\n`)
  }

  /** Over the line of progress, where there is one. */
  #say(text: string): void {
    process.stderr.write(process.stderr.isTTY === true && !this.#init.json ? `\r\x1b[K${text}` : text)
  }
}
