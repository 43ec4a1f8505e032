import { type Clock, type Deadline, systemClock } from '../../../src/base/index.ts'

interface Sleeper {
  atMs: number
  wake(): void
}

/** Time that passes when the test says so. Deadlines are real, and short where the test wants to see them pass. */
export class ManualClock implements Clock {
  deadlineMs: number | undefined
  #monotonicMs = 1_000_000
  readonly #sleepers = new Set<Sleeper>()
  #onSleep: (() => void)[] = []
  constructor(private nowMs: number) {}

  now(): number {
    return this.nowMs
  }
  monotonicMs(): number {
    return this.#monotonicMs
  }
  deadline(ms: number, parent?: AbortSignal): Deadline {
    return systemClock.deadline(this.deadlineMs ?? ms, parent)
  }
  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason)
      const sleeper: Sleeper = {
        atMs: this.#monotonicMs + ms,
        wake: () => {
          this.#sleepers.delete(sleeper)
          resolve()
        },
      }
      this.#sleepers.add(sleeper)
      signal?.addEventListener('abort', () => {
        this.#sleepers.delete(sleeper)
        reject(signal.reason)
      })
      for (const wake of this.#onSleep.splice(0)) wake()
    })
  }

  /** Resolves when somebody sleeps, with how long they still will. */
  async sleeping(): Promise<number> {
    while (this.#sleepers.size === 0) await new Promise<void>((resolve) => this.#onSleep.push(resolve))
    return Math.min(...[...this.#sleepers].map(({ atMs }) => atMs)) - this.#monotonicMs
  }
  /** Lets time pass. */
  pass(ms: number): void {
    this.nowMs += ms
    this.#monotonicMs += ms
    for (const sleeper of [...this.#sleepers]) if (sleeper.atMs <= this.#monotonicMs) sleeper.wake()
  }
  /** What a host can do: set the clock. */
  set(nowMs: number): void {
    this.nowMs = nowMs
  }
  get sleepers(): number {
    return this.#sleepers.size
  }
}
