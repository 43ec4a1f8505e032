import type { Clock } from '../../src/index.ts'

/** Addresses remembered at once; beyond them the longest unseen is forgotten, and starts with a full bucket again. */
const ADDRESSES_MAX = 10_000

/** A bucket of tokens for each address: `burst` at once, `perSecond` in the long run. */
export class Rate {
  readonly #buckets = new Map<string, { tokens: number; at: number }>()

  constructor(
    readonly clock: Clock,
    readonly perSecond: number,
    readonly burst: number,
  ) {}

  /** Takes a token; where there is none, the seconds until there is one. */
  take(address: string): number | undefined {
    const now = this.clock.monotonicMs()
    const { tokens, at } = this.#buckets.get(address) ?? { tokens: this.burst, at: now }
    const left = Math.min(this.burst, tokens + ((now - at) / 1000) * this.perSecond)
    const granted = left >= 1
    // Last in the map = last seen.
    this.#buckets.delete(address)
    this.#buckets.set(address, { tokens: granted ? left - 1 : left, at: now })
    if (this.#buckets.size > ADDRESSES_MAX) this.#buckets.delete(this.#buckets.keys().next().value!)
    return granted ? undefined : Math.ceil((1 - left) / this.perSecond)
  }
}
