import { type Clock, type Log, messageOf } from '../base/index.ts'

/** A stop waits no longer than this for a start under way, for a renewal, and for connections to end. */
const STOP_TIMEOUT_MS = 3_000

/** What has to be closed when a node stops, the newest first. */
export class Cleanups {
  readonly #clock: Clock
  readonly #log: Log
  readonly #pending: (() => Promise<void>)[] = []

  constructor(clock: Clock, log: Log) {
    this.#clock = clock
    this.#log = log
  }

  add(cleanup: () => Promise<void>): void {
    this.#pending.push(cleanup)
  }

  /** One that depends on others' answers, and is waited for {@link briefly}. */
  addBrief(cleanup: () => Promise<void>): void {
    this.add(() => this.briefly(cleanup()))
  }

  /** Does what is pending; what fails is logged and keeps nothing else from being closed. */
  async run(): Promise<void> {
    for (let cleanup = this.#pending.pop(); cleanup !== undefined; cleanup = this.#pending.pop()) {
      try {
        await cleanup()
      } catch (error) {
        this.#log.error('node.stop_failed', { reason: messageOf(error) })
      }
    }
  }

  /** Waits for `work`, but not for long. */
  async briefly(work: Promise<unknown>): Promise<void> {
    using deadline = this.#clock.deadline(STOP_TIMEOUT_MS)
    await Promise.race([
      work,
      new Promise<void>((resolve) => deadline.signal.addEventListener('abort', () => resolve(), { once: true })),
    ])
  }
}
