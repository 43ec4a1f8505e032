import type { Clock } from '../base/index.ts'

/**
 * "Now" for judging (policy-and-anchor.md, "Now"): the latest of the local clock, the newest verified collateral's issue date,
 * and start time plus monotonic time since. A host that sets the clock back cannot bring expired collateral back to life.
 */
export class JudgingTime {
  readonly #clock: Clock
  readonly #startedMs: number
  readonly #startedMonotonicMs: number
  #issuedMs = 0

  constructor(clock: Clock) {
    this.#clock = clock
    this.#startedMs = clock.now()
    this.#startedMonotonicMs = clock.monotonicMs()
  }

  /** Unix milliseconds. */
  now(): number {
    const elapsedMs = this.#clock.monotonicMs() - this.#startedMonotonicMs
    return Math.max(this.#clock.now(), this.#startedMs + elapsedMs, this.#issuedMs)
  }

  /** Something was issued then, by a signature that holds: it is not earlier now. */
  notBefore(issuedMs: number): void {
    this.#issuedMs = Math.max(this.#issuedMs, issuedMs)
  }
}
