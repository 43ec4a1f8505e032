/** A member record as it comes from outside: opened, then judged on its own, before any table is asked. */
import { hash } from 'node:crypto'
import {
  type CredentialBody,
  type CredentialExpectation,
  type CredentialFault,
  decodeCredential,
  type MemberRecord,
  openMemberRecord,
  signatureFault,
  timeFault,
} from '../records/index.ts'
import { equals, MalformedError } from '../wire/index.ts'
import { MEMBERS_MAX, SENT_AHEAD_MAX_MS } from './constants.ts'
import { peerKey } from './peer-map.ts'

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
  /** Rows 7 to 11 of the specification ("What a reader checks"). `peerId`: whom it must be about. Throws MalformedError. */
  verify(credential: Uint8Array, peerId: Uint8Array, nowMs: number): CheckedCredential
}
export type CheckedCredential =
  | { body: CredentialBody; fault?: undefined }
  | { body?: undefined; fault: 'credential_of_another' | CredentialFault }

/** With the cluster's keys and policy. */
export const recordRules = (
  rules: Pick<RecordRules, 'clusterId' | 'self'> & Pick<CredentialExpectation, 'signingPublicKey' | 'lifetimeMs'>,
): RecordRules => {
  // Of each peer the last credential whose signatures hold, by its SHA-256: a member says the same one in each of its records. One
  // for each, so that nobody's many push out others'.
  const held = new Map<string, { name: string; body: CredentialBody }>()
  return {
    clusterId: rules.clusterId,
    self: rules.self,
    verify: (credential, peerId, nowMs) => {
      const name = hash('sha256', credential)
      const subject = peerKey(peerId)
      const last = held.get(subject)
      const known = last?.name === name ? last.body : undefined
      const { body, message } = known === undefined ? decodeCredential(credential) : { body: known }
      if (!equals(body.peerId, peerId)) return { fault: 'credential_of_another' }
      const expected = { ...rules, nowMs }
      const fault = timeFault(body, expected) ?? (message === undefined ? undefined : signatureFault(body, message, expected))
      if (fault !== undefined) return { fault }
      if (known !== undefined) return { body }
      held.delete(subject)
      if (held.size >= MEMBERS_MAX) held.delete(held.keys().next().value!)
      held.set(subject, { name, body })
      return { body }
    },
  }
}

/** Why a record is not taken, whatever the table holds. */
export type RecordFault =
  | 'malformed'
  | 'own'
  | 'wrong_cluster'
  | 'sent_in_the_future'
  | 'credential_of_another'
  | Exclude<CredentialFault, 'wrong_cluster'>

/** Throws MalformedError. */
export const openRecord = async (bytes: Uint8Array): Promise<OpenedRecord> => {
  // A copy: what is kept of a record are views of it, and of what it came in it may be a thousandth part.
  const envelope = Uint8Array.from(bytes)
  const record = await openMemberRecord(envelope)
  return { record, envelope, hash: Uint8Array.from(hash('sha256', envelope, 'buffer')) }
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
    const { credential, peerId } = opened.record
    const { body, fault } = rules.verify(credential, peerId, nowMs)
    if (body === undefined) return { fault }
    return { judged: { ...opened, credential: body, issuedHere: equals(body.issuer, rules.self) } }
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
    const { issuedAt } = decodeCredential(record.credential).body
    return rules.verify(record.credential, record.peerId, issuedAt).fault === undefined
  } catch (error) {
    if (error instanceof MalformedError) return false
    throw error
  }
}
