/** The steps of the exchange, pure: no stream, no clock. Numbers refer to the steps of the specification (README.md). */
import {
  type Accepted,
  type CredentialBody,
  type CredentialExpectation,
  decodeEvidence,
  type Evidence,
  type Expectation,
  encodeEvidence,
  type Refused,
  verifyCredential,
} from '../records/index.ts'
import {
  type Binding,
  equals,
  fieldList,
  MalformedError,
  peerPublicKey,
  peerSignedBytes,
  u32be,
  verifyEd25519,
} from '../wire/index.ts'
import { type Challenge, decodeAnswer, decodeVerdict, encodeAnswer } from './messages.ts'

/** Who is asked by whom, about which cluster; both peer ids as authenticated by the connection. */
export interface Parties {
  /** 32 bytes. */
  clusterId: Uint8Array
  /** Multihash bytes. */
  member: Uint8Array
  verifier: Uint8Array
}

/** What M's quote binds. */
export const challengeBinding = (parties: Parties, { verifierNonce, epoch }: Challenge): Binding => ({
  context: 'challenge/1',
  fields: [parties.clusterId, parties.member, parties.verifier, verifierNonce, u32be(epoch)],
})

/** What everybody holds M's evidence against: M before it signs, V, and whoever is shown a revocation. */
export const answerExpectation = (parties: Parties, challenge: Challenge): Expectation => ({
  contexts: ['challenge/1'],
  clusterId: parties.clusterId,
  peerId: parties.member,
  fields: challengeBinding(parties, challenge).fields,
})

/**
 * What M's peer key signs, context `challenge-answer`. With both peer ids: the challenge alone does not say who asked, and
 * without that a good answer to one verifier would be a bad one to any other.
 * @param challenge - the message as V sent it
 */
export const answerSigned = (
  parties: Pick<Parties, 'member' | 'verifier'>,
  challenge: Uint8Array,
  evidence: Uint8Array,
): Uint8Array => fieldList([parties.member, parties.verifier, challenge, evidence])

type Judge<A> = (evidence: Evidence, expected: Expectation) => A | Refused

/** M's own judge does not accept what M would say: M says nothing. */
export class SelfRefusedError extends Error {
  override readonly name = 'SelfRefusedError'
  constructor(
    readonly code: Refused['code'],
    readonly reasons: readonly string[],
  ) {
    super(`our own evidence is refused (${code}): ${reasons.join('; ')}`)
  }
}

/**
 * Step 2, M. Judges the very bytes that it then signs: a signature under bad evidence would throw M out of the cluster.
 * Throws SelfRefusedError; MalformedError when its own evidence does not fit into a message.
 */
export const answer = (
  parties: Parties,
  challenge: { message: Uint8Array; decoded: Challenge },
  own: { evidence: Evidence; judge: Judge<Accepted>; sign(context: 'challenge-answer', bytes: Uint8Array): Uint8Array },
): { message: Uint8Array; evidence: Evidence; tdDigest: Uint8Array } => {
  const bytes = encodeEvidence(own.evidence)
  const evidence = decodeEvidence(bytes)
  const verdict = own.judge(evidence, answerExpectation(parties, challenge.decoded))
  if (!verdict.accepted) throw new SelfRefusedError(verdict.code, verdict.reasons)
  const signature = own.sign('challenge-answer', answerSigned(parties, challenge.message, bytes))
  return { message: encodeAnswer({ evidence: bytes, signature }), evidence, tdDigest: verdict.judged.tdDigest }
}

/**
 * Step 3, V, and anybody who is shown the two messages; cheapest first. `malformed` and `bad_signature` say nothing about M
 * to anybody who did not read them off M's own connection. Throws RefusalError where M refused instead of answering.
 */
export const judgeAnswer = <A extends { accepted: true }>(
  parties: Parties,
  challenge: { message: Uint8Array; decoded: Challenge },
  message: Uint8Array,
  judge: Judge<A>,
): (A & { evidence: Evidence }) | Refused => {
  const refused = (code: Refused['code'], reason: string): Refused => ({ accepted: false, code, reasons: [reason] })
  try {
    const received = decodeAnswer(message)
    const key = peerPublicKey(parties.member)
    const signed = peerSignedBytes('challenge-answer', answerSigned(parties, challenge.message, received.evidence))
    if (key === undefined || !verifyEd25519(key, signed, received.signature)) {
      return refused('bad_signature', 'the answer is not signed by the member for this challenge')
    }
    const evidence = decodeEvidence(received.evidence)
    const verdict = judge(evidence, answerExpectation(parties, challenge.decoded))
    return verdict.accepted ? { ...verdict, evidence } : verdict
  } catch (error) {
    if (error instanceof MalformedError) return refused('malformed', error.message)
    throw error
  }
}

/** V issued something that is no credential for M's answer: nobody is renewed by it. */
export class FalseVerdictError extends Error {
  override readonly name = 'FalseVerdictError'
  readonly code = 'false_verdict'
}

/** Step 4, M. Throws RefusalError, MalformedError, FalseVerdictError. */
export const checkVerdict = (
  parties: Parties,
  message: Uint8Array,
  expected: CredentialExpectation & { tdDigest: Uint8Array },
): { credential: Uint8Array; body: CredentialBody } => {
  const { credential } = decodeVerdict(message)
  const checked = verifyCredential(credential, expected)
  const demand = (holds: boolean, otherwise: string): void => {
    if (!holds) throw new FalseVerdictError(`the verifier's credential ${otherwise}`)
  }
  if (!checked.ok) throw new FalseVerdictError(`the verifier's credential does not hold: ${checked.fault}`)
  const { body } = checked
  demand(equals(body.peerId, parties.member), 'names another peer')
  demand(equals(body.issuer, parties.verifier), 'was issued by somebody else')
  demand(equals(body.tdDigest, expected.tdDigest), 'is about another quote')
  return { credential: credential.slice(), body }
}

/**
 * Which of two valid credentials of its own a member keeps: the one that ends last. But one that another member issued before
 * any that it issued itself, however long that one lasts: by its own alone it is nobody's member.
 */
export const keepsNew = (
  current: { expiresAt: number; selfIssued: boolean },
  fresh: { expiresAt: number },
  nowMs: number,
): boolean => current.selfIssued || current.expiresAt <= nowMs || fresh.expiresAt > current.expiresAt
