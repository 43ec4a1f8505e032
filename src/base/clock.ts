/**
 * Time. Nothing else in `src/` reads the machine's clock or sets a timer, so every rule about time can be tested
 * without waiting: a test hands in {@link Clock} of its own.
 */
export interface Clock {
  /** Wall-clock time in Unix milliseconds. A host can set it to anything. */
  now(): number
  /** Milliseconds since an arbitrary start, never going back. */
  monotonicMs(): number
  /** Resolves after `ms`; rejects with the signal's reason when it aborts first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
  /** A signal that aborts after `ms`, or when `parent` does. Clear it when the work is done. */
  deadline(ms: number, parent?: AbortSignal): Deadline
}

export interface Deadline extends Disposable {
  readonly signal: AbortSignal
  clear(): void
}

/** What a {@link Deadline} aborts with. */
export class DeadlineError extends Error {
  override readonly name = 'DeadlineError'
  readonly code = 'deadline'
  constructor(readonly afterMs: number) {
    super(`no answer within ${afterMs} ms`)
  }
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonicMs: () => performance.now(),
  sleep(ms, signal) {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason)
      const onAbort = () => {
        clearTimeout(timer)
        reject(signal?.reason)
      }
      const timer = setTimeout(() => {
        signal?.removeEventListener('abort', onAbort)
        resolve()
      }, ms)
      signal?.addEventListener('abort', onAbort, { once: true })
    })
  },
  deadline(ms, parent) {
    const controller = new AbortController()
    const onParent = () => {
      clear()
      controller.abort(parent?.reason)
    }
    // Not unref'd: a pending deadline is work that must end, not something to forget at exit.
    const timer = setTimeout(() => {
      parent?.removeEventListener('abort', onParent)
      controller.abort(new DeadlineError(ms))
    }, ms)
    const clear = () => {
      clearTimeout(timer)
      parent?.removeEventListener('abort', onParent)
    }
    if (parent?.aborted) onParent()
    else parent?.addEventListener('abort', onParent, { once: true })
    return { signal: controller.signal, clear, [Symbol.dispose]: clear }
  },
}
