const BUCKETS = 256

/** Key of a peer in maps: its multihash bytes in hex. */
export const peerKey = ({ buffer, byteOffset, length }: Uint8Array): string =>
  Buffer.from(buffer, byteOffset, length).toString('hex')

/**
 * A map that never changes: `set` and `delete` give another one, which shares all but one of its 256 buckets. So merging is a
 * pure function at any size of table, and an old table can still be looked at.
 */
export class PeerMap<V> {
  static readonly #none: readonly ReadonlyMap<string, never>[] = Array.from({ length: BUCKETS }, () => new Map<string, never>())
  readonly #buckets: readonly ReadonlyMap<string, V>[]
  /** Of a map that is looked through more than once, as most are. */
  #values: readonly V[] | undefined
  readonly size: number

  private constructor(buckets: readonly ReadonlyMap<string, V>[], size: number) {
    this.#buckets = buckets
    this.size = size
  }

  static empty<V>(): PeerMap<V> {
    return new PeerMap<V>(PeerMap.#none, 0)
  }

  get(key: string): V | undefined {
    return this.#buckets[bucketOf(key)]!.get(key)
  }

  set(key: string, value: V): PeerMap<V> {
    const bucket = this.#buckets[bucketOf(key)]!
    return this.#with(key, new Map(bucket).set(key, value), this.size + (bucket.has(key) ? 0 : 1))
  }

  delete(key: string): PeerMap<V> {
    const bucket = new Map(this.#buckets[bucketOf(key)]!)
    return bucket.delete(key) ? this.#with(key, bucket, this.size - 1) : this
  }

  values(): readonly V[] {
    this.#values ??= this.#buckets.flatMap((bucket) => (bucket.size > 0 ? [...bucket.values()] : []))
    return this.#values
  }

  #with(key: string, bucket: ReadonlyMap<string, V>, size: number): PeerMap<V> {
    const buckets = [...this.#buckets]
    buckets[bucketOf(key)] = bucket
    return new PeerMap(buckets, size)
  }
}

/** The last byte of a public key: evenly spread. */
const bucketOf = (key: string): number => Number.parseInt(key.slice(-2), 16) & (BUCKETS - 1)
