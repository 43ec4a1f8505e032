import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { type Clock, TransientError, UsageError } from '../../base/index.ts'
import { type FileOutcome, type FileWork, STOP } from './file-work.ts'

/** Callers that may wait for the thread. With a second a quote, whoever comes after so many had better try elsewhere. */
const WAITING_MAX = 64
/** How long stopping waits for the thread. */
const STOP_TIMEOUT_MS = 2_000

interface Job {
  work: FileWork
  settle(result: FileOutcome | Error): void
}

/**
 * One thread that does file work, one piece at a time. It is started by the first piece of work and keeps the process alive
 * only while it works.
 */
export class FileQueue {
  readonly #clock: Clock
  readonly #waiting: Job[] = []
  #running: Job | undefined
  #worker: Worker | undefined
  #stopped = false

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /**
   * Resolves with the outcome of `work`. When `signal` aborts it rejects at once with the signal's reason; work that the thread
   * has begun goes on there, since a read inside the kernel cannot be called back, and its outcome is dropped.
   * Rejects with {@link TransientError} `tdx_busy` or `tdx_thread_lost`, or {@link UsageError} `tdx_stopped`.
   */
  run(work: FileWork, signal?: AbortSignal): Promise<FileOutcome> {
    if (this.#stopped) return Promise.reject(stopped())
    if (signal?.aborted) return Promise.reject(signal.reason)
    if (this.#waiting.length >= WAITING_MAX) {
      return Promise.reject(
        new TransientError('tdx_busy', `${WAITING_MAX} callers are already waiting for quotes, which are made one at a time`, {
          next: 'Try again later, or ask another member.',
        }),
      )
    }
    return new Promise((resolve, reject) => {
      const job: Job = {
        work,
        settle: (result) => {
          signal?.removeEventListener('abort', onAbort)
          if (result instanceof Error) reject(result)
          else resolve(result)
        },
      }
      const onAbort = () => {
        const at = this.#waiting.indexOf(job)
        if (at >= 0) this.#waiting.splice(at, 1)
        reject(signal?.reason)
      }
      signal?.addEventListener('abort', onAbort, { once: true })
      this.#waiting.push(job)
      this.#next()
    })
  }

  /**
   * Rejects whoever still waits, and ends the thread when it has done what it is doing, so that it leaves no entry behind. A read
   * inside the kernel cannot be called back: after two seconds this no longer waits for it.
   */
  async stop(): Promise<void> {
    this.#stopped = true
    for (const job of this.#waiting.splice(0)) job.settle(stopped())
    this.#running?.settle(stopped())
    const worker = this.#worker
    this.#worker = undefined
    if (worker === undefined) return
    worker.unref()
    const deadline = this.#clock.deadline(STOP_TIMEOUT_MS)
    try {
      const exited = once(worker, 'exit', { signal: deadline.signal })
      worker.postMessage(STOP)
      await exited
    } catch {
      // Too late, or the thread failed: either way nobody waits for it any more.
    } finally {
      deadline.clear()
    }
  }

  #next(): void {
    if (this.#running !== undefined) return
    const job = this.#waiting.shift()
    if (job === undefined) {
      this.#worker?.unref()
      return
    }
    this.#running = job
    this.#worker ??= this.#start()
    this.#worker.ref()
    this.#worker.postMessage(job.work)
  }

  #start(): Worker {
    // The compiler rewrites import specifiers, not URLs.
    const file = import.meta.url.endsWith('.ts') ? './file-thread.ts' : './file-thread.js'
    const worker = new Worker(new URL(file, import.meta.url), { name: 'tdx-files' })
    worker.on('message', (outcome: FileOutcome) => this.#done(outcome))
    // 'exit' follows 'error'; the next piece of work starts another thread.
    worker.on('error', (error) => this.#lost(worker, error))
    worker.on('exit', () => this.#lost(worker))
    return worker
  }

  #lost(worker: Worker, cause?: unknown): void {
    if (this.#worker !== worker) return
    this.#worker = undefined
    worker.removeAllListeners()
    // A late 'error' must not become an uncaught exception.
    worker.on('error', () => {})
    this.#done(new TransientError('tdx_thread_lost', 'the thread that talks to the TDX driver ended by itself', { cause }))
  }

  #done(result: FileOutcome | Error): void {
    const job = this.#running
    this.#running = undefined
    job?.settle(result)
    this.#next()
  }
}

const stopped = (): UsageError => new UsageError('tdx_stopped', 'the attester is stopped')
