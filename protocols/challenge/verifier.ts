import type { Stream } from '@libp2p/interface'
import type { Evidence, Expectation, Refused } from '../records/index.ts'
import {
  asError,
  endStream,
  equals,
  lastWord,
  MalformedError,
  type Messages,
  NONCE_BYTES,
  type RefusalCode,
  RefusalError,
} from '../wire/index.ts'
import { ANSWER_LIMIT_BYTES, type ProvingCode, QUOTE_TIMEOUT_MS } from './constants.ts'
import { judgeAnswer, type Parties } from './exchange.ts'
import { encodeChallenge, encodeRefusalMessage, encodeVerdict } from './messages.ts'
import { isProving, makeRevocation } from './revocation.ts'

/** Why a node may not issue right now. `busy`: it does not trust its own clock, and judges nobody until it does. */
export type Standing = 'active' | 'busy' | 'lapsed' | 'not_member'

/** What a member brings to the challenges that it makes. */
export interface VerifierRole {
  /** Whether this node may issue right now; asked at the start and again at the moment of issuing. */
  standing(): Standing
  /** The newest epoch held. */
  epoch(): number
  /** Whether this peer (multihash bytes), which asks to be challenged, is one to be challenged: a member, also a lapsed one. */
  isChallengeable(peerId: Uint8Array): boolean
  /** An accepted member can be issued a credential; encoded. */
  judge(evidence: Evidence, expected: Expectation): { accepted: true; issue(): Uint8Array } | Refused
}

/** How a challenge ended for V. Only the last says anything against M. */
export type ChallengeOutcome =
  | { outcome: 'renewed'; credential: Uint8Array; evidence: Evidence }
  /** M did not answer: gone, silent, too slow, or it refused with `code`. */
  | { outcome: 'no_answer'; code?: RefusalCode; error: Error }
  /** M answered, and gets no credential for it from us now; proves nothing to others. */
  | { outcome: 'withheld'; code: RefusalCode; reasons: readonly string[] }
  /** M answered what no member may accept; `revocation` proves it, encoded. */
  | { outcome: 'bad_answer'; code: ProvingCode; reasons: readonly string[]; revocation: Uint8Array }

/** The messages of one stream, and until when they may take. */
export interface ChallengeStream {
  stream: Stream
  messages: Messages
  signal: AbortSignal
  stepTimeoutMs: number
}

/** V's side, over a stream that V opened or on which M has asked; V's standing has been looked at. Resolves however it ends. */
export const challengeOver = async (
  { stream, messages, signal, stepTimeoutMs }: ChallengeStream,
  parties: Parties,
  role: VerifierRole,
  random: { bytes(length: number): Uint8Array },
): Promise<ChallengeOutcome> => {
  const decoded = { clusterId: parties.clusterId, verifierNonce: random.bytes(NONCE_BYTES), epoch: role.epoch() }
  const challenge = { message: encodeChallenge(decoded), decoded }
  const unanswered = (error: unknown): ChallengeOutcome => {
    stream.abort(asError(error))
    return { outcome: 'no_answer', ...(error instanceof RefusalError && { code: error.code }), error: asError(error) }
  }
  const withhold = async (code: RefusalCode, reasons: readonly string[]): Promise<ChallengeOutcome> => {
    await lastWord(stream, messages, encodeRefusalMessage({ code }), signal)
    return { outcome: 'withheld', code, reasons }
  }

  // 1. V→M Challenge
  // 2. M→V Answer, after M has made its quote
  let message: Uint8Array
  let verdict: ReturnType<typeof judgeAnswer<{ accepted: true; issue(): Uint8Array }>>
  try {
    await messages.write(challenge.message)
    message = await messages.read(ANSWER_LIMIT_BYTES, QUOTE_TIMEOUT_MS + stepTimeoutMs)
    verdict = judgeAnswer(parties, challenge, message, (evidence, expected) => role.judge(evidence, expected))
  } catch (error) {
    return error instanceof MalformedError ? withhold('malformed', [error.message]) : unanswered(error)
  }

  // 3. V→M Verdict or Refusal
  if (!verdict.accepted) {
    const { code, reasons } = verdict
    const withheld = await withhold(code, reasons)
    if (!isProving(code)) return withheld
    return { outcome: 'bad_answer', code, reasons, revocation: makeRevocation(parties, challenge, message) }
  }
  const standing = role.standing()
  if (standing !== 'active') return withhold(standing, ['this node may not issue any more'])
  try {
    const credential = verdict.issue()
    await messages.write(encodeVerdict({ credential }))
    await endStream(stream, signal)
    return { outcome: 'renewed', credential, evidence: verdict.evidence }
  } catch (error) {
    return unanswered(error)
  }
}

/** Step 0, V: whether M's Ask is to be followed by a challenge; otherwise what M is refused with. */
export const checkAsk = (
  parties: Parties,
  asked: { clusterId: Uint8Array },
  role: VerifierRole | undefined,
): RefusalCode | undefined => {
  if (!equals(asked.clusterId, parties.clusterId)) return 'wrong_cluster'
  if (equals(parties.member, parties.verifier)) return 'malformed'
  if (role === undefined || !role.isChallengeable(parties.member)) return 'not_member'
  const standing = role.standing()
  return standing === 'active' ? undefined : standing
}
