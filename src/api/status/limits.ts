/** What askers may take of the process: it is there for its cluster and its apps. */
export interface StatusLimits {
  /** A request's line and headers together. */
  headerBytes: number
  connections: number
  headersTimeoutMs: number
  requestTimeoutMs: number
  /** A connection on which nothing moves: longer than any answer takes to be made. */
  idleTimeoutMs: number
  /** Event streams at once; further ones are told to ask for `/view` now and then. */
  streams: number
  /** A stream that does not take what it was sent is ended after this. */
  streamStuckMs: number
  /** The least time between two views on a stream. */
  viewPauseMs: number
  /** How often a view is made although nothing was told to have happened. */
  viewEveryMs: number
  /** The node's time on a stream without news. */
  heartbeatMs: number
}

export const STATUS_LIMITS: Readonly<StatusLimits> = {
  headerBytes: 8 * 1024,
  connections: 512,
  headersTimeoutMs: 5_000,
  requestTimeoutMs: 10_000,
  idleTimeoutMs: 40_000,
  streams: 128,
  streamStuckMs: 30_000,
  viewPauseMs: 250,
  viewEveryMs: 2_000,
  heartbeatMs: 5_000,
}
