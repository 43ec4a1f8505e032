/** A member record as it comes from outside: opened, then judged on its own, before any table is asked. */
import { createHash } from 'node:crypto'
import {
  type CredentialBody,
  type CredentialExpectation,
  type CredentialFault,
  decodeCredential,
  type MemberRecord,
  openMemberRecord,
  verifyCredential,
} from '../records/index.ts'
import { equals, MalformedError } from '../wire/index.ts'
import { SENT_AHEAD_MAX_MS } from './constants.ts'

/** Both clocks at one moment. */
export interface Instant {
  /** Unix milliseconds; a host can set it to anything. */
  wallMs: number
  /** Milliseconds since an arbitrary start, never going back. */
  monotonicMs: number
}

/** A record whose envelope holds: its signer is the peer that it is about. Nothing else is known yet. */
export interface OpenedRecord {
  record: MemberRecord
  envelope: Uint8Array
  /** SHA-256 of the envelope. */
  hash: Uint8Array
}

/** A record whose credential holds as well, whoever issued it. */
export interface JudgedRecord extends OpenedRecord {
  credential: CredentialBody
  /** By the reader itself: no table need say that it may issue. */
  issuedHere: boolean
}

/** What a reader holds records against. */
export interface RecordRules {
  /** 32 bytes. */
  clusterId: Uint8Array
  /** The reader's own peer id, multihash bytes. */
  self: Uint8Array
  /** {@link verifyCredential} with the cluster's keys and policy; see {@link recordRules}. */
  verify(credential: Uint8Array, nowMs: number): ReturnType<typeof verifyCredential>
}

export const recordRules = (
  rules: Pick<RecordRules, 'clusterId' | 'self'> & Pick<CredentialExpectation, 'signingPublicKey' | 'lifetimeMs'>,
): RecordRules => ({
  clusterId: rules.clusterId,
  self: rules.self,
  verify: (credential, nowMs) => verifyCredential(credential, { ...rules, nowMs }),
})

/** Why a record is not taken, whatever the table holds. */
export type RecordFault =
  | 'malformed'
  | 'own'
  | 'wrong_cluster'
  | 'sent_in_the_future'
  | 'credential_of_another'
  | Exclude<CredentialFault, 'wrong_cluster'>

/** Throws MalformedError. */
export const openRecord = async (envelope: Uint8Array): Promise<OpenedRecord> => {
  const record = await openMemberRecord(envelope)
  return { record, envelope, hash: Uint8Array.from(createHash('sha256').update(envelope).digest()) }
}

/** What can be said before a signature of the credential is looked at. */
export const cheapFault = ({ record }: OpenedRecord, nowMs: number, rules: RecordRules): RecordFault | undefined => {
  if (!equals(record.clusterId, rules.clusterId)) return 'wrong_cluster'
  if (equals(record.peerId, rules.self)) return 'own'
  if (record.sentAt > nowMs + SENT_AHEAD_MAX_MS) return 'sent_in_the_future'
  return undefined
}

/** Checks in the order of the specification ("What a reader checks"), all that needs no table. Pure. */
export const judgeRecord = (
  opened: OpenedRecord,
  nowMs: number,
  rules: RecordRules,
): { judged: JudgedRecord; fault?: undefined } | { judged?: undefined; fault: RecordFault } => {
  const fault = cheapFault(opened, nowMs, rules)
  if (fault !== undefined) return { fault }
  try {
    const { record } = opened
    if (!equals(decodeCredential(record.credential).body.peerId, record.peerId)) return { fault: 'credential_of_another' }
    const verified = rules.verify(record.credential, nowMs)
    if (!verified.ok) return { fault: verified.fault }
    return { judged: { ...opened, credential: verified.body, issuedHere: equals(verified.body.issuer, rules.self) } }
  } catch (error) {
    if (error instanceof MalformedError) return { fault: 'malformed' }
    throw error
  }
}

/**
 * Whether the credential in a record held when it was issued: it may have run out since, or our clock be wrong, but
 * members of this cluster made it.
 */
export const onceHeld = ({ record }: OpenedRecord, rules: RecordRules): boolean => {
  try {
    const { body } = decodeCredential(record.credential)
    return equals(body.peerId, record.peerId) && rules.verify(record.credential, body.issuedAt).ok
  } catch (error) {
    if (error instanceof MalformedError) return false
    throw error
  }
}
