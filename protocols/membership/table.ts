/** Who is in, as one node knows it: a value that never changes; merge.ts makes the next one. */
import type { CredentialBody } from '../records/index.ts'
import { equals } from '../wire/index.ts'
import { DIGEST_HASH_BYTES } from './constants.ts'
import type { Digest } from './messages.ts'
import { PeerMap, peerKey } from './peer-map.ts'
import type { Instant, JudgedRecord } from './record.ts'

/** A credential and when it ends here. */
export interface Lease {
  credential: CredentialBody
  /** It also ends then, by the monotonic clock: a host that stops the wall clock gains nothing. */
  endsMonotonicMs: number
}

export interface Entry {
  /** Multihash bytes. */
  peerId: Uint8Array
  /** The newest record that was accepted, and the lease of the credential in it. */
  newest?: JudgedRecord & Lease
  /** What this node saw before any record: it admitted the peer, or was admitted by it. */
  admitted?: Lease & { addresses: readonly string[] }
  /** When anything about it was accepted last. */
  touchedMonotonicMs: number
}

export interface Revoked {
  peerId: Uint8Array
  /** Hex. */
  tdDigest: string | undefined
}

export interface Table {
  /** By {@link peerKey}. */
  entries: PeerMap<Entry>
  /** Out for good, by {@link peerKey}. */
  revoked: ReadonlyMap<string, Revoked>
  /** Their TDs, by hex of the digest. */
  revokedTds: ReadonlySet<string>
  /** Revocations as they came, newest last, by hex of their SHA-256: shown to those who have not seen them. */
  proofs: ReadonlyMap<string, Uint8Array>
}

export const emptyTable: Table = {
  entries: PeerMap.empty(),
  revoked: new Map(),
  revokedTds: new Set(),
  proofs: new Map(),
}

export const entryOf = (table: Table, peerId: Uint8Array): Entry | undefined => table.entries.get(peerKey(peerId))

/**
 * Of what an entry knows, the credential that ends last. By the monotonic clock: one that this node issued while its wall clock
 * was far ahead would stand before all others until that day.
 */
export const leaseOf = ({ newest, admitted }: Entry): Lease | undefined => {
  if (newest === undefined || admitted === undefined) return newest ?? admitted
  return admitted.endsMonotonicMs > newest.endsMonotonicMs ? admitted : newest
}

export const leaseHolds = (lease: Lease | undefined, now: Instant): boolean =>
  lease !== undefined && lease.credential.expiresAt > now.wallMs && lease.endsMonotonicMs > now.monotonicMs

export const isRevoked = (table: Table, peerId: Uint8Array, tdDigest?: Uint8Array): boolean =>
  // In most clusters nobody ever is.
  table.revoked.size > 0 &&
  (table.revoked.has(peerKey(peerId)) || (tdDigest !== undefined && table.revokedTds.has(peerKey(tdDigest))))

/** Its credential holds, it is not leaving, and nobody proved anything against it. */
export const isActive = (table: Table, entry: Entry | undefined, now: Instant): entry is Entry => {
  if (entry === undefined || entry.newest?.record.state === 'leaving') return false
  const lease = leaseOf(entry)
  return leaseHolds(lease, now) && !isRevoked(table, entry.peerId, lease?.credential.tdDigest)
}

/** Active members, without the reader itself. */
export const activeEntries = (table: Table, now: Instant): Entry[] =>
  table.entries.values().filter((entry) => isActive(table, entry, now))

/** Text multiaddrs, the member's own words before what this node saw of it. */
export const addressesOf = ({ newest, admitted }: Entry): readonly string[] =>
  newest === undefined ? (admitted?.addresses ?? []) : newest.record.addresses

/**
 * Records worth telling others: those whose credential holds, also of members that are leaving, so that an older record does
 * not bring them back.
 * @param without - peer ids of whoever tells and whoever listens: each has the other's record already
 */
export const tellable = (
  table: Table,
  now: Instant,
  without: readonly Uint8Array[],
): (Entry & Required<Pick<Entry, 'newest'>>)[] =>
  table.entries
    .values()
    .filter(
      (entry): entry is Entry & Required<Pick<Entry, 'newest'>> =>
        entry.newest !== undefined &&
        leaseHolds(entry.newest, now) &&
        !isRevoked(table, entry.peerId, entry.newest.credential.tdDigest) &&
        !without.some((peerId) => equals(peerId, entry.peerId)),
    )

export const digestOf = (entry: Required<Pick<Entry, 'peerId' | 'newest'>>): Digest => ({
  peerId: entry.peerId,
  sequence: entry.newest.record.sequence,
  hash: entry.newest.hash.subarray(0, DIGEST_HASH_BYTES),
})
