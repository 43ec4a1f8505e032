import { decodeCredential, type MemberRecord } from '../../protocols/records/index.ts'
import { equals } from '../../protocols/wire/index.ts'

/** More at once than would ever wait to be made whole; whoever came first is forgotten first. */
const MET_MAX = 256

/** Somebody who showed a credential that once held, or that nobody here vouches for, and waits to be challenged. */
export interface MetPeer {
  /** Multihash bytes. */
  peerId: Uint8Array
  standing: 'self_issued' | 'lapsed'
  /** Its credential's `issued_at`, Unix milliseconds. */
  judgedAtMs: number
  addresses: readonly string[]
  metMonotonicMs: number
}

/** Peers met at the gate (protocols/membership, "challenge") that are no active members. By text form of the peer id. */
export class MetPeers {
  readonly #peers = new Map<string, MetPeer>()

  note(peer: string, record: MemberRecord, monotonicMs: number): void {
    // The gate has decoded it before it let the peer be challenged.
    const { body } = decodeCredential(record.credential)
    const standing = equals(body.issuer, body.peerId) ? 'self_issued' : 'lapsed'
    this.#peers.delete(peer)
    if (this.#peers.size >= MET_MAX) this.#peers.delete(this.#peers.keys().next().value!)
    this.#peers.set(peer, {
      peerId: record.peerId,
      standing,
      judgedAtMs: body.issuedAt,
      addresses: record.addresses,
      metMonotonicMs: monotonicMs,
    })
  }

  get(peer: string): MetPeer | undefined {
    return this.#peers.get(peer)
  }

  forget(peer: string): void {
    this.#peers.delete(peer)
  }

  forgetOlder(thanMonotonicMs: number): void {
    for (const [peer, { metMonotonicMs }] of this.#peers) if (metMonotonicMs < thanMonotonicMs) this.#peers.delete(peer)
  }

  entries(): IterableIterator<[string, MetPeer]> {
    return this.#peers.entries()
  }
}
