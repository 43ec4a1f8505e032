/** What becomes of a table. Pure: no clock, no stream; the order in which records arrive never matters. */
import { hash } from 'node:crypto'
import type { CredentialBody, MemberRecord } from '../records/index.ts'
import { equals } from '../wire/index.ts'
import { MEMBERS_MAX, REVOCATION_PROOFS_MAX, REVOKED_MAX } from './constants.ts'
import { peerKey } from './peer-map.ts'
import type { Instant, JudgedRecord } from './record.ts'
import { addressesOf, type Entry, entryOf, isActive, isRevoked, type Lease, leaseHolds, leaseOf, type Table } from './table.ts'

/** What the owner of a table has to do, or may want to, after a step. Peer ids are multihash bytes. */
export type Effect =
  /** An active member that was none before. */
  | { kind: 'joined'; peerId: Uint8Array }
  /** A newer record of an active member. */
  | { kind: 'updated'; peerId: Uint8Array; addressesChanged: boolean }
  /** It says that it is leaving. */
  | { kind: 'left'; peerId: Uint8Array }
  /** Out for good. `issued`: members whose credentials it issued; they stay, and ought to be challenged before others. */
  | { kind: 'revoked'; peerId: Uint8Array; issued: Uint8Array[] }
  /** A credential by a peer that is no active member here: somebody knows more than we do. */
  | { kind: 'sync'; peerId: Uint8Array; issuer: Uint8Array }
  /** It is at the other end of a stream, and what it has entitles it to be challenged. */
  | { kind: 'challenge'; peerId: Uint8Array; record: MemberRecord }

export interface Step {
  table: Table
  effects: Effect[]
}

/** Why a record that holds on its own changes nothing here. */
export type MergeFault = 'revoked' | 'stale' | 'self_issued' | 'unknown_issuer' | 'full'
export type Merged = Step & { fault?: MergeFault | undefined }

const unchanged = (table: Table, fault: MergeFault, effects: Effect[] = []): Merged => ({ table, effects, fault })

/** Unsigned comparison, byte by byte. */
const compareBytes = (a: Uint8Array, b: Uint8Array): number => {
  for (let at = 0; at < a.length && at < b.length; at++) if (a[at] !== b[at]) return a[at]! - b[at]!
  return a.length - b.length
}

/**
 * Positive when `a` wins: the newest sequence; of equal sequence leaving over active, then the greater SHA-256. Zero only for
 * the same record.
 */
export const compareRecords = (a: Comparable, b: Comparable): number => {
  if (a.record.sequence !== b.record.sequence) return a.record.sequence > b.record.sequence ? 1 : -1
  if (a.record.state !== b.record.state) return a.record.state === 'leaving' ? 1 : -1
  return compareBytes(a.hash, b.hash)
}
export type Comparable = Pick<JudgedRecord, 'hash'> & { record: Pick<JudgedRecord['record'], 'sequence' | 'state'> }

/** Whether the table has this record, or one that wins over it. */
export const isStale = (table: Table, record: Comparable & { record: { peerId: Uint8Array } }): boolean => {
  const newest = entryOf(table, record.record.peerId)?.newest
  return newest !== undefined && compareRecords(record, newest) <= 0
}

/**
 * Takes a record that was judged on its own into the table, or says why not.
 * @param options.seed - a joiner's first exchange with its onboarder, whom it has just attested: any issuer counts
 */
export const merge = (table: Table, judged: JudgedRecord, now: Instant, options: { seed?: boolean } = {}): Merged => {
  const { record, credential } = judged
  if (isRevoked(table, record.peerId, credential.tdDigest)) return unchanged(table, 'revoked')
  if (isStale(table, judged)) return unchanged(table, 'stale')
  const known = entryOf(table, record.peerId)
  if (options.seed !== true) {
    const fault = issuerFault(table, judged, known, now)
    if (fault === 'unknown_issuer') {
      return unchanged(table, fault, [{ kind: 'sync', peerId: record.peerId, issuer: credential.issuer }])
    }
    if (fault !== undefined) return unchanged(table, fault)
  }
  const roomy = known === undefined ? withRoom(table, now) : table
  if (roomy === undefined) return unchanged(table, 'full')
  const entry: Entry = {
    ...known,
    peerId: record.peerId,
    newest: { ...judged, endsMonotonicMs: endOf(judged, known, now) },
    touchedMonotonicMs: now.monotonicMs,
  }
  const next = { ...roomy, entries: roomy.entries.set(peerKey(record.peerId), entry) }
  return { table: next, effects: change(table, known, next, entry, now) }
}

/** The credential rule (specification, "Who may issue"). */
const issuerFault = (table: Table, judged: JudgedRecord, known: Entry | undefined, now: Instant): MergeFault | undefined => {
  const { credential } = judged
  // The very credential that is in the table: whatever let it in then, it is still the same statement.
  if (known?.newest !== undefined && equals(known.newest.record.credential, judged.record.credential)) return undefined
  if (equals(credential.issuer, credential.peerId)) return 'self_issued'
  if (judged.issuedHere) return undefined
  const issuer = entryOf(table, credential.issuer)
  if (issuer === undefined) return 'unknown_issuer'
  if (isActive(table, issuer, now)) return undefined
  return issuedBeforeLeaving(table, issuer, credential, now) ? undefined : 'unknown_issuer'
}

/**
 * A member that has left was an active one until then. Without this, whoever hears of its leaving before he hears of whom it
 * let in would know another cluster than the others.
 */
const issuedBeforeLeaving = (table: Table, { peerId, newest }: Entry, credential: CredentialBody, now: Instant): boolean =>
  newest?.record.state === 'leaving' &&
  leaseHolds(newest, now) &&
  credential.issuedAt <= newest.record.sentAt &&
  !isRevoked(table, peerId, newest.credential.tdDigest)

/** The monotonic end: its remaining life when it came, never more than its lifetime, and not longer for coming again. */
const endOf = (judged: JudgedRecord, known: Entry | undefined, now: Instant): number => {
  if (known?.newest !== undefined && equals(known.newest.record.credential, judged.record.credential)) {
    return known.newest.endsMonotonicMs
  }
  return leaseEnd(judged.credential, now)
}
const leaseEnd = ({ expiresAt, issuedAt }: CredentialBody, now: Instant): number =>
  now.monotonicMs + Math.min(expiresAt - now.wallMs, expiresAt - issuedAt)

const change = (before: Table, old: Entry | undefined, after: Table, entry: Entry, now: Instant): Effect[] => {
  const { peerId } = entry
  const was = isActive(before, old, now)
  if (!isActive(after, entry, now)) return was ? [{ kind: 'left', peerId }] : []
  if (!was) return [{ kind: 'joined', peerId }]
  const [from, to] = [addressesOf(old), addressesOf(entry)]
  return [{ kind: 'updated', peerId, addressesChanged: from.length !== to.length || from.some((each, at) => each !== to[at]) }]
}

/** Room for one more: in a full table the one that ended longest ago makes it, an active member never. */
const withRoom = (table: Table, now: Instant): Table | undefined => {
  if (table.entries.size < MEMBERS_MAX) return table
  let oldest: Entry | undefined
  for (const entry of table.entries.values()) {
    if (leaseHolds(leaseOf(entry), now)) continue
    if (oldest === undefined || entry.touchedMonotonicMs < oldest.touchedMonotonicMs) oldest = entry
  }
  return oldest === undefined ? undefined : { ...table, entries: table.entries.delete(peerKey(oldest.peerId)) }
}

/** This node admitted a peer, or was admitted by it: it has judged its evidence itself. The credential that ends last stays. */
export const admit = (
  table: Table,
  admitted: { credential: CredentialBody; addresses: readonly string[] },
  now: Instant,
): Merged => {
  const { credential, addresses } = admitted
  const { peerId } = credential
  if (isRevoked(table, peerId, credential.tdDigest)) return unchanged(table, 'revoked')
  const known = entryOf(table, peerId)
  const lease: Lease = { credential, endsMonotonicMs: leaseEnd(credential, now) }
  if (known?.admitted !== undefined && known.admitted.endsMonotonicMs > lease.endsMonotonicMs) return unchanged(table, 'stale')
  const roomy = known === undefined ? withRoom(table, now) : table
  if (roomy === undefined) return unchanged(table, 'full')
  const entry: Entry = { ...known, peerId, admitted: { ...lease, addresses }, touchedMonotonicMs: now.monotonicMs }
  const next = { ...roomy, entries: roomy.entries.set(peerKey(peerId), entry) }
  return { table: next, effects: change(table, known, next, entry, now).filter(({ kind }) => kind === 'joined') }
}

/** Forgets members whose credentials ended more than `keepMs` ago and of whom nothing came since; by the monotonic clock alone. */
export const forgetEnded = (table: Table, now: Instant, keepMs: number): Table => {
  let { entries } = table
  for (const entry of table.entries.values()) {
    const endedMs = Math.max(leaseOf(entry)?.endsMonotonicMs ?? 0, entry.touchedMonotonicMs)
    if (now.monotonicMs - endedMs > keepMs) entries = entries.delete(peerKey(entry.peerId))
  }
  return entries === table.entries ? table : { ...table, entries }
}

/** What is out for good, by a proof that this node has judged itself. */
export interface RevokedMember {
  peerId: Uint8Array
  /** Of its own quote; absent when the quote in the proof may be another's. */
  tdDigest?: Uint8Array | undefined
}

export const revocationId = (revocation: Uint8Array): string => hash('sha256', revocation)

/**
 * Takes a member out for good, and keeps the proof for others. `peerId` being in the table is for the judge to demand.
 * @param proof - the revocation's bytes
 */
export const revoke = (table: Table, member: RevokedMember, proof: Uint8Array, now: Instant): Merged => {
  const key = peerKey(member.peerId)
  if (table.revoked.has(key)) return unchanged(table, 'stale')
  const tdDigest = member.tdDigest === undefined ? undefined : peerKey(member.tdDigest)
  const revoked = new Map(table.revoked).set(key, { peerId: member.peerId, tdDigest })
  if (revoked.size > REVOKED_MAX) revoked.delete(revoked.keys().next().value!)
  const proofs = new Map(table.proofs).set(revocationId(proof), proof)
  if (proofs.size > REVOCATION_PROOFS_MAX) proofs.delete(proofs.keys().next().value!)
  const revokedTds = new Set([...revoked.values()].flatMap(({ tdDigest: td }) => td ?? []))
  const issued = table.entries
    .values()
    .filter((entry) => isActive(table, entry, now) && equals(leaseOf(entry)!.credential.issuer, member.peerId))
    .map(({ peerId }) => peerId)
    .filter((peerId) => !equals(peerId, member.peerId))
  return { table: { ...table, revoked, revokedTds, proofs }, effects: [{ kind: 'revoked', peerId: member.peerId, issued }] }
}
