/** Which records two members have to send each other: pure. */
import { fromString } from 'uint8arrays/from-string'
import { PAGE_ENTRIES_MAX, RECORDS_PER_MESSAGE_MAX, SYNC_LIMIT_BYTES } from './constants.ts'
import type { Digest, Sync } from './messages.ts'
import { peerKey } from './peer-map.ts'
import type { Instant } from './record.ts'
import { digestOf, type Table, tellable } from './table.ts'

export interface Difference {
  /** Envelopes of which the other side has none, an older one, or one of the same sequence. */
  send: Uint8Array[]
  /** Whose records the other side has and we have not, or only an older one. */
  want: Uint8Array[]
}

/**
 * @param theirs - the other side's digests, each peer once
 * @param parties - peer ids of the two: what they say of themselves they have said already
 */
export const difference = (table: Table, theirs: readonly Digest[], now: Instant, parties: readonly Uint8Array[]): Difference => {
  const unmatched = new Map(theirs.map((digest) => [peerKey(digest.peerId), digest]))
  for (const party of parties) unmatched.delete(peerKey(party))
  const difference: Difference = { send: [], want: [] }
  for (const entry of tellable(table, now, parties)) {
    const key = peerKey(entry.peerId)
    const ours = digestOf(entry)
    const their = unmatched.get(key)
    unmatched.delete(key)
    if (their === undefined || their.sequence < ours.sequence) difference.send.push(entry.newest.envelope)
    else if (their.sequence > ours.sequence) difference.want.push(entry.peerId)
    else if (peerKey(their.hash) !== peerKey(ours.hash)) {
      // Two records of one sequence: which of them wins, only who has both can tell.
      difference.send.push(entry.newest.envelope)
      difference.want.push(entry.peerId)
    }
  }
  for (const [key, digest] of unmatched) {
    const newest = table.entries.get(key)?.newest
    // Ended here by our clock, or out for good: having it again would change nothing.
    if (table.revoked.has(key) || (newest !== undefined && newest.record.sequence >= digest.sequence)) continue
    difference.want.push(digest.peerId)
  }
  return difference
}

const pages = <T>(all: readonly T[]): T[][] =>
  Array.from({ length: Math.max(1, Math.ceil(all.length / PAGE_ENTRIES_MAX)) }, (_, page) =>
    all.slice(page * PAGE_ENTRIES_MAX, (page + 1) * PAGE_ENTRIES_MAX),
  )

/** Our digests; the last page also names the revocations that we keep. */
export const digestPages = (table: Table, now: Instant, parties: readonly Uint8Array[]): Sync[] =>
  pages(tellable(table, now, parties).map(digestOf)).map((digests, index, { length }) => {
    const more = index < length - 1
    return { kind: 'digests', digests, revocations: more ? [] : [...table.proofs.keys()].map(unhex), more }
  })

/** What we want of the other side; always at least one page, since it also ends our turn. */
export const wantPages = (peerIds: readonly Uint8Array[], revocations: readonly Uint8Array[]): Sync[] =>
  pages(peerIds).map((page, index, { length }) => {
    const more = index < length - 1
    return { kind: 'want', peerIds: page, revocations: more ? [] : [...revocations], more }
  })

/** As many envelopes in a message as its limit holds. */
export const recordMessages = (envelopes: readonly Uint8Array[]): Sync[] => {
  const messages: { kind: 'records'; envelopes: Uint8Array[] }[] = []
  let room = 0
  for (const envelope of envelopes) {
    const size = envelope.length + FIELD_OVERHEAD_BYTES
    const last = messages.at(-1)
    if (last === undefined || size > room || last.envelopes.length >= RECORDS_PER_MESSAGE_MAX) {
      messages.push({ kind: 'records', envelopes: [envelope] })
      room = SYNC_LIMIT_BYTES - FIELD_OVERHEAD_BYTES - size
    } else {
      last.envelopes.push(envelope)
      room -= size
    }
  }
  return messages
}
/** A field's key and a length of up to 64 KiB. */
const FIELD_OVERHEAD_BYTES = 4

/** What one side has to tell of revocations: those kept here that `known` does not name, and those named that we lack. */
export const revocationDifference = (table: Table, known: readonly Uint8Array[]): { send: Uint8Array[]; want: Uint8Array[] } => {
  const theirs = new Set(known.map(peerKey))
  return {
    send: [...table.proofs].filter(([id]) => !theirs.has(id)).map(([, proof]) => proof),
    want: known.filter((id) => !table.proofs.has(peerKey(id))),
  }
}

const unhex = (text: string): Uint8Array => fromString(text, 'hex')
