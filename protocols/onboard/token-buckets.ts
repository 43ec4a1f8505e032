/** How often each of many may ask: a bucket of tokens for each key, filled at a steady rate. No clock in here: the caller says when. */

export interface BucketRate {
  /** Tokens in a full bucket: how many may be taken at once. */
  burst: number
  /** Milliseconds in which one token comes back. */
  refillMs: number
  /** Keys that are remembered at most. */
  maxKeys: number
}

/**
 * A full bucket is the same as none, so only those are kept that somebody took from lately. Of each it suffices to know when it
 * will be full again (the generic cell rate algorithm, ITU-T I.371): one number.
 */
export class TokenBuckets {
  readonly #rate: BucketRate
  /** Monotonic milliseconds at which the bucket is full again; whoever took last is last. */
  readonly #fullAt = new Map<string, number>()

  constructor(rate: BucketRate) {
    this.#rate = rate
  }

  /** Keys that are remembered. */
  get size(): number {
    return this.#fullAt.size
  }

  /**
   * Takes a token of `key`.
   * @returns 0 when there was one, else in how many milliseconds there will be; then nothing is taken
   */
  take(key: string, nowMs: number): number {
    const { burst, refillMs, maxKeys } = this.#rate
    const full = Math.max(this.#fullAt.get(key) ?? nowMs, nowMs) + refillMs
    const waitMs = full - nowMs - burst * refillMs
    if (waitMs > 0) return waitMs
    this.#fullAt.delete(key)
    this.#forgetFull(nowMs)
    // Whoever can be this many could have had as many fresh buckets anyway: to forget the one that waited longest gives him
    // nothing, to turn away new keys would shut out those who are one only.
    if (this.#fullAt.size >= maxKeys) this.#fullAt.delete(this.#fullAt.keys().next().value!)
    this.#fullAt.set(key, full)
    return 0
  }

  /** Those at the front took longest ago, so they are full first or soon. */
  #forgetFull(nowMs: number): void {
    for (const [key, fullAt] of this.#fullAt) {
      if (fullAt > nowMs) return
      this.#fullAt.delete(key)
    }
  }
}
