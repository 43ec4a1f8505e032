/** The topic: its name, and what a member makes of a message before it relays it. */
import { createHash } from 'node:crypto'
import { equals, MalformedError } from '../wire/index.ts'
import { HINT_AGE_MAX_MS, SENT_AHEAD_MAX_MS, TOPIC_HASH_DIGITS } from './constants.ts'
import { type Effect, isStale, type MergeFault, merge, type RevokedMember, revocationId, revoke } from './merge.ts'
import { decodeGossip, type Unreachable } from './messages.ts'
import {
  cheapFault,
  type Instant,
  judgeRecord,
  type OpenedRecord,
  openRecord,
  type RecordFault,
  type RecordRules,
} from './record.ts'
import { entryOf, isActive, type Table } from './table.ts'

/** The cluster's gossip topic. */
export const membersTopic = (clusterId: Uint8Array): string =>
  `/dstack/${createHash('sha256').update(clusterId).digest('hex').slice(0, TOPIC_HASH_DIGITS)}/members/1.0.0`

/**
 * What a receiver makes of a revocation: challenge's `judgeRevocation`. `wrong_cluster`, `unproven` and `sound` say that whoever
 * made it lies; the others, that we cannot tell. Throws MalformedError.
 * @param options.seed - from our onboarder in our first exchange: it counts also about peers that are not in our table
 */
export type JudgeRevocation = (
  revocation: Uint8Array,
  options?: { seed?: boolean },
) =>
  | ({ counts: true } & RevokedMember)
  | {
      counts: false
      fault: 'wrong_cluster' | 'unknown_epoch' | 'unknown_peer' | 'unproven' | 'sound' | 'inconclusive'
    }

/** Gossipsub's three verdicts: only `accept` is relayed, only `reject` costs the sender score. */
export type GossipVerdict =
  | { verdict: 'accept'; fault?: undefined }
  | { verdict: 'ignore'; fault: GossipIgnored }
  | { verdict: 'reject'; fault: GossipRejected }

const REJECTED = [
  'malformed',
  'not_its_author',
  'wrong_cluster',
  'credential_of_another',
  'lifetime_too_long',
  'bad_cluster_signature',
  'bad_issuer_signature',
  'unproven_revocation',
  'accuses_itself',
] as const
export type GossipRejected = (typeof REJECTED)[number]
/** What an honest member may have relayed: we know better, know less, or a clock is wrong. */
export type GossipIgnored =
  | Exclude<RecordFault | MergeFault, GossipRejected>
  | 'unknown_author'
  | 'unknown_member'
  | 'old_hint'
  | 'inconclusive_revocation'
  | 'too_many_revocations'

/** A gossip message as far as it can be checked without a table. */
export type OpenedGossip =
  | { kind: 'record'; opened: OpenedRecord }
  | { kind: 'revocation'; revocation: Uint8Array }
  | { kind: 'unreachable'; hint: Unreachable }

/** Throws MalformedError, which is a `reject`. */
export const openGossip = async (data: Uint8Array): Promise<OpenedGossip> => {
  const message = decodeGossip(data)
  return message.kind === 'record' ? { kind: 'record', opened: await openRecord(message.envelope) } : message
}

/** What the table becomes, and what to do; a `hint` is for the failure detector. */
export type JudgedGossip = GossipVerdict & {
  table: Table
  effects: (Effect | { kind: 'hint'; author: Uint8Array; hint: Unreachable })[]
  /** Of a record: how far its author's clock is ahead of ours, as far as this message tells. */
  skewMs?: number | undefined
}

/** No honest member has it in its table, or relays it. */
export const isRejected = (fault: GossipIgnored | GossipRejected): fault is GossipRejected =>
  REJECTED.some((rejected) => rejected === fault)

const verdictOf = (fault: GossipIgnored | GossipRejected | undefined): GossipVerdict => {
  if (fault === undefined) return { verdict: 'accept' }
  return isRejected(fault) ? { verdict: 'reject', fault } : { verdict: 'ignore', fault }
}

/**
 * The validator, pure: everything is verified before anything is relayed.
 * @param author - peer id (multihash bytes) whose gossipsub signature the message carries
 * @param judgeRevocation - undefined when the author has sent as many as are judged for one
 */
export const judgeGossip = (
  message: OpenedGossip,
  author: Uint8Array,
  table: Table,
  now: Instant,
  rules: RecordRules,
  judgeRevocation: JudgeRevocation | undefined,
): JudgedGossip => {
  const not = (fault: GossipIgnored | GossipRejected): JudgedGossip => ({ ...verdictOf(fault), table, effects: [] })
  switch (message.kind) {
    case 'record': {
      const { opened } = message
      if (!equals(author, opened.record.peerId)) return not('not_its_author')
      const skewMs = opened.record.sentAt - now.wallMs
      const early = cheapFault(opened, now.wallMs, rules)
      if (early !== undefined) return { ...not(early), skewMs }
      // Before its signatures: a replay costs the receiver one, not three.
      if (isStale(table, opened)) return not('stale')
      const { judged, fault } = judgeRecord(opened, now.wallMs, rules)
      if (judged === undefined) return { ...not(fault), skewMs }
      const merged = merge(table, judged, now)
      return { ...verdictOf(merged.fault), table: merged.table, effects: merged.effects, skewMs }
    }
    case 'revocation': {
      if (!isActive(table, entryOf(table, author), now)) return not('unknown_author')
      if (table.proofs.has(revocationId(message.revocation))) return not('stale')
      if (judgeRevocation === undefined) return not('too_many_revocations')
      const judgement = tryJudge(judgeRevocation, message.revocation)
      if (judgement === undefined) return not('malformed')
      if (!judgement.counts) return not(REVOCATION_FAULTS[judgement.fault])
      const revoked = revoke(table, judgement, message.revocation, now)
      return { ...verdictOf(revoked.fault), table: revoked.table, effects: revoked.effects }
    }
    case 'unreachable': {
      const fault = hintFault(message.hint, author, table, now, rules)
      if (fault !== undefined) return not(fault)
      return { verdict: 'accept', table, effects: [{ kind: 'hint', author, hint: message.hint }] }
    }
  }
}

const REVOCATION_FAULTS = {
  wrong_cluster: 'wrong_cluster',
  unproven: 'unproven_revocation',
  sound: 'unproven_revocation',
  unknown_epoch: 'unknown_epoch',
  unknown_peer: 'unknown_member',
  inconclusive: 'inconclusive_revocation',
} as const

export const tryJudge = (
  judge: JudgeRevocation,
  revocation: Uint8Array,
  options?: { seed?: boolean },
): ReturnType<JudgeRevocation> | undefined => {
  try {
    return judge(revocation, options)
  } catch (error) {
    if (error instanceof MalformedError) return undefined
    throw error
  }
}

const hintFault = (
  hint: Unreachable,
  author: Uint8Array,
  table: Table,
  now: Instant,
  rules: RecordRules,
): GossipIgnored | GossipRejected | undefined => {
  if (equals(author, hint.peerId)) return 'accuses_itself'
  if (hint.sentAt > now.wallMs + SENT_AHEAD_MAX_MS) return 'sent_in_the_future'
  if (hint.sentAt < now.wallMs - HINT_AGE_MAX_MS) return 'old_hint'
  if (!isActive(table, entryOf(table, author), now)) return 'unknown_author'
  // A hint about ourselves is the one that only we can answer, by a newer record.
  if (equals(hint.peerId, rules.self)) return undefined
  const accused = entryOf(table, hint.peerId)
  if (accused === undefined || !isActive(table, accused, now)) return 'unknown_member'
  // It has spoken since. A newer record alone does not say so: not everybody has heard every record.
  const spoken = accused.newest?.record
  return spoken !== undefined && spoken.sequence > hint.sequence && spoken.sentAt >= hint.sentAt ? 'stale' : undefined
}
