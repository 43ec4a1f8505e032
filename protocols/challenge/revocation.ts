/** Proof that a member answered badly, for those who were not there (specification, "Revocation"). */
import { decodeEvidence, type Evidence, type Expectation, type Refused } from '../records/index.ts'
import { equals, MalformedError, RefusalError, reportData } from '../wire/index.ts'
import { PROVING_CODES, type ProvingCode } from './constants.ts'
import { challengeBinding, judgeAnswer, type Parties } from './exchange.ts'
import { type Challenge, decodeAnswer, decodeChallenge, decodeRevocation, encodeRevocation, type Revocation } from './messages.ts'

export const isProving = (code: string): code is ProvingCode => (PROVING_CODES as readonly string[]).includes(code)

/** Both messages as they were on the stream. */
export const makeRevocation = (
  parties: Parties,
  challenge: { message: Uint8Array; decoded: Challenge },
  answer: Uint8Array,
): Uint8Array =>
  encodeRevocation({
    clusterId: parties.clusterId,
    epoch: challenge.decoded.epoch,
    challenge: challenge.message,
    answer,
    member: parties.member,
    verifier: parties.verifier,
  })

export interface RevocationReader {
  /** 32 bytes. */
  clusterId: Uint8Array
  knowsEpoch(epoch: number): boolean
  /**
   * Whether this peer (multihash bytes) is or lately was a member here and is not yet out. Anybody can make keys and sign bad
   * answers with them: what is said about peers that nobody knows must cost neither work nor memory.
   */
  isKnown(peerId: Uint8Array): boolean
  judge(evidence: Evidence, expected: Expectation): { accepted: true } | Refused
  /** What a quote's bytes say, not verified: SHA-384 of the TD body, and its report data. Undefined when they cannot be read. */
  readTd(quote: Uint8Array): { tdDigest: Uint8Array; reportData: Uint8Array } | undefined
}

/**
 * - `wrong_cluster`, `unknown_epoch`, `unknown_peer`: not for us to judge.
 * - `unproven`: not the member's own answer to this challenge. Whoever made the revocation lies.
 * - `sound`: we accept the answer. Whoever made the revocation lies.
 * - `inconclusive`: refused here too, but for what depends on time or collateral, or because we cannot read it.
 */
export type RevocationFault = 'wrong_cluster' | 'unknown_epoch' | 'unknown_peer' | 'unproven' | 'sound' | 'inconclusive'

export type RevocationVerdict =
  | {
      counts: true
      code: ProvingCode
      reasons: string[]
      /** Out for good. */
      peerId: Uint8Array
      /**
       * Out for good. Absent when the quote is not about the member: then it may be somebody else's, whom the member would
       * take along.
       */
      tdDigest?: Uint8Array
    }
  | { counts: false; fault: RevocationFault; reasons: string[] }

/** Judges what is gossiped as proof, cheapest check first. Throws MalformedError. */
export const judgeRevocation = (bytes: Uint8Array, reader: RevocationReader): RevocationVerdict => {
  try {
    return judge(bytes, reader)
  } catch (error) {
    // One of the two messages inside is a refusal.
    if (error instanceof RefusalError) throw new MalformedError('Revocation: shows a refusal')
    throw error
  }
}

const judge = (bytes: Uint8Array, reader: RevocationReader): RevocationVerdict => {
  const not = (fault: RevocationFault, ...reasons: string[]): RevocationVerdict => ({ counts: false, fault, reasons })
  const revocation = decodeRevocation(bytes)
  const { clusterId, member, verifier } = revocation
  if (!equals(clusterId, reader.clusterId)) return not('wrong_cluster', 'about another cluster')
  if (!reader.knowsEpoch(revocation.epoch)) return not('unknown_epoch', `epoch ${revocation.epoch} is not known here`)
  if (!reader.isKnown(member)) return not('unknown_peer', 'about a peer that is no member here')
  const decoded = decodeChallenge(revocation.challenge)
  decodeAnswer(revocation.answer)
  if (!equals(decoded.clusterId, clusterId) || decoded.epoch !== revocation.epoch || equals(member, verifier)) {
    return not('unproven', 'the challenge is not the one that the revocation tells of')
  }

  const parties = { clusterId, member, verifier }
  const verdict = judgeAnswer(parties, { message: revocation.challenge, decoded }, revocation.answer, reader.judge)
  if (verdict.accepted) return not('sound', 'the answer is good')
  const { code, reasons } = verdict
  if (code === 'bad_signature') return not('unproven', ...reasons)
  if (!isProving(code)) return not('inconclusive', ...reasons)
  const tdDigest = ownTdDigest(parties, decoded, revocation, reader)
  return { counts: true, code, reasons, peerId: member.slice(), ...(tdDigest !== undefined && { tdDigest }) }
}

/** Of a quote whose report data names the member: nobody else's quote has it. */
const ownTdDigest = (
  parties: Parties,
  challenge: Challenge,
  revocation: Revocation,
  reader: RevocationReader,
): Uint8Array | undefined => {
  const { quote } = decodeEvidence(decodeAnswer(revocation.answer).evidence)
  const td = reader.readTd(quote)
  return td !== undefined && equals(td.reportData, reportData(challengeBinding(parties, challenge))) ? td.tdDigest : undefined
}
