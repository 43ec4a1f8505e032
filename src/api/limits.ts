import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Clock } from '../base/index.ts'
import { RETRY_AFTER_MS, StatusError } from './errors.ts'

/** What one app may ask of the process: it shares it with the other apps and with the cluster. */
export interface ApiLimits {
  /** A request's body. */
  bodyBytes: number
  /** A request's line and headers together. */
  headerBytes: number
  connections: number
  /** From a request's first byte to the end of its headers, and of its body. */
  headersTimeoutMs: number
  requestTimeoutMs: number
  /** A connection on which nothing moves; longer than any handler takes. */
  idleTimeoutMs: number
  /** Quotes and certificates under way at once; more are told to come back. */
  slowRequests: number
  /** All bodies under way together. */
  bodiesBytes: number
  slowTimeoutMs: number
  /** How long {@link AppServer.stop} waits for answers under way. */
  stopGraceMs: number
}

export const API_LIMITS: Readonly<ApiLimits> = {
  bodyBytes: 10 * 1024 * 1024,
  headerBytes: 16 * 1024,
  connections: 512,
  headersTimeoutMs: 5_000,
  requestTimeoutMs: 10_000,
  idleTimeoutMs: 65_000,
  slowRequests: 64,
  bodiesBytes: 64 * 1024 * 1024,
  slowTimeoutMs: 30_000,
  stopGraceMs: 5_000,
}

/** Bodies up to this are not counted. */
const SMALL_BODY_BYTES = 64 * 1024

/** Bounds what the bodies of all connections may take together: each alone may take {@link ApiLimits.bodyBytes}. */
export class LargeBodies {
  #bytes = 0
  readonly #limits: ApiLimits

  constructor(limits: ApiLimits) {
    this.#limits = limits
  }

  /** Undefined, or why the request cannot be taken now. */
  admit({ headers }: FastifyRequest, reply: FastifyReply): StatusError | undefined {
    const { bodyBytes, bodiesBytes } = this.#limits
    const bytes = headers['transfer-encoding'] === undefined ? Number(headers['content-length'] ?? 0) : bodyBytes
    if (bytes <= SMALL_BODY_BYTES) return undefined
    // Answered before the body is read; node then lets the rest pass by, so that a client which first sends gets to read.
    if (bytes > bodyBytes) return new StatusError({ status: 413, message: 'payload too large' })
    if (this.#bytes + bytes > bodiesBytes) {
      return new StatusError({ status: 503, message: 'too many large requests at once', retryAfterMs: RETRY_AFTER_MS })
    }
    this.#bytes += bytes
    reply.raw.once('close', () => {
      this.#bytes -= bytes
    })
    return undefined
  }
}

/** Bounds how many requests wait for hardware at once, and how long, and drops those whose asker is gone. */
export class SlowRequests {
  #running = 0
  readonly #clock: Clock
  readonly #limits: ApiLimits

  constructor(clock: Clock, limits: ApiLimits) {
    this.#clock = clock
    this.#limits = limits
  }

  async run<T>(request: FastifyRequest, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    if (this.#running >= this.#limits.slowRequests) {
      throw new StatusError({
        status: 503,
        message: 'too many requests for quotes and certificates',
        retryAfterMs: RETRY_AFTER_MS,
      })
    }
    const gone = new AbortController()
    const onClose = () => gone.abort(new Error('the client is gone'))
    using deadline = this.#clock.deadline(this.#limits.slowTimeoutMs, gone.signal)
    const { socket } = request.raw
    socket.once('close', onClose)
    this.#running++
    try {
      return await untilAborted(work(deadline.signal), deadline.signal)
    } finally {
      this.#running--
      socket.removeListener('close', onClose)
    }
  }
}

/** Settles when the work does, or the signal aborts: whoever does the work may be slow to hear of it. */
const untilAborted = async <T>(work: Promise<T>, signal: AbortSignal): Promise<T> => {
  const { promise, reject } = Promise.withResolvers<never>()
  const onAbort = () => reject(signal.reason)
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    return await Promise.race([work, promise])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}
