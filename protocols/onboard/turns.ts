import { type Timer, within } from '../wire/index.ts'

/** What an onboarder needs of time: deadlines, and a clock that never goes back. */
export interface OnboardTimer extends Timer {
  monotonicMs(): number
}

export interface TurnsInit {
  timer: OnboardTimer
  /** Pieces of work under way at once. */
  atOnce: number
  /** Pieces that wait. */
  maxWaiting: number
  /** How long one waits, in milliseconds. */
  maxWaitMs: number
  /** How long one may take; then its place is given to the next. */
  maxWorkMs: number
}

/** There is too much before it: it was not begun. */
export class OverloadError extends Error {
  override readonly name = 'OverloadError'
}

/** Of the newest pieces of work, each counts an eighth. */
const NEWEST_COUNTS = 1 / 8

/** Dear work, a few pieces at a time, first come first served; what would wait too long is not taken on. */
export class Turns {
  readonly #init: TurnsInit
  /** In the order in which they came. */
  readonly #waiting = new Set<() => void>()
  #running = 0
  #meanMs = 0

  constructor(init: TurnsInit) {
    this.#init = init
  }

  get waiting(): number {
    return this.#waiting.size
  }
  get running(): number {
    return this.#running
  }
  /** Milliseconds until what waits now will have been done, as fast as it went lately. */
  get backlogMs(): number {
    return ((this.#waiting.size + this.#running) * this.#meanMs) / this.#init.atOnce
  }

  /** Throws {@link OverloadError} where it is not begun, the signal's reason, or what `work` throws. */
  async run<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    const { timer, maxWorkMs } = this.#init
    await this.#turn(signal)
    const beganMs = timer.monotonicMs()
    try {
      return await within(timer, maxWorkMs, signal, work)
    } finally {
      this.#meanMs += (timer.monotonicMs() - beganMs - this.#meanMs) * NEWEST_COUNTS
      this.#next()
    }
  }

  async #turn(signal: AbortSignal): Promise<void> {
    const { timer, atOnce, maxWaiting, maxWaitMs } = this.#init
    signal.throwIfAborted()
    if (this.#running < atOnce) {
      this.#running++
      return
    }
    if (this.#waiting.size >= maxWaiting) throw new OverloadError('too many wait')
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const deadline = timer.deadline(maxWaitMs, signal)
    this.#waiting.add(resolve)
    deadline.signal.addEventListener(
      'abort',
      () => {
        // Whose turn has come already keeps it, or the place would be lost.
        if (this.#waiting.delete(resolve)) reject(signal.aborted ? signal.reason : new OverloadError('waited too long'))
      },
      { once: true },
    )
    try {
      await promise
    } finally {
      deadline.clear()
    }
  }

  /** Gives a place that became free to whoever came first. */
  #next(): void {
    const [first] = this.#waiting
    if (first === undefined) {
      this.#running--
      return
    }
    this.#waiting.delete(first)
    // Not at once: between two pieces of work the rest of the node has its turn, pings and gossip first of all.
    setImmediate(first)
  }
}
