import type { Accepted, CredentialBody, Evidence, Expectation, Refused } from '../records/index.ts'
import {
  asError,
  type Binding,
  endStream,
  equals,
  lastWord,
  MalformedError,
  type Refusal,
  type RefusalCode,
  RefusalError,
  within,
} from '../wire/index.ts'
import { ANSWER_SHARE, PAUSE_MS, PAUSES_MAX, QUOTE_TIMEOUT_MS, VERDICT_LIMIT_BYTES } from './constants.ts'
import { answer, challengeBinding, checkVerdict, keepsNew, type Parties, SelfRefusedError } from './exchange.ts'
import { type Challenge, decodeChallenge, encodeRefusalMessage } from './messages.ts'
import { Pauses } from './pauses.ts'
import type { ChallengeTimer } from './timer.ts'
import type { ChallengeStream } from './verifier.ts'

/** What a member brings to the challenges that it answers. */
export interface MemberRole {
  /** The policy's, in milliseconds. */
  readonly credentialLifetimeMs: number
  /** Whether this peer (multihash bytes) is a member to this node: nobody else can make it quote. */
  isMember(peerId: Uint8Array): boolean
  /** The cluster's signing key of an epoch that this node holds. */
  signingPublicKey(epoch: number): Uint8Array | undefined
  /** A quote over this binding, with all it takes to judge it. */
  attest(binding: Binding, signal: AbortSignal): Promise<Evidence>
  /** The same judge as for everybody else. */
  judge(evidence: Evidence, expected: Expectation): Accepted | Refused
  signAsPeer(context: 'challenge-answer', bytes: Uint8Array): Uint8Array
  /** What is known of the credential that this node has now. */
  current(): { expiresAt: number; selfIssued: boolean }
  /** From now on this node shows this credential, which was issued for this evidence. */
  keep(standing: { credential: Uint8Array; body: CredentialBody; evidence: Evidence }): void
}

/** How a challenge ended for M. */
export type AnswerOutcome =
  /** `kept` is false when the credential that M has ends later than the new one. */
  | { outcome: 'renewed'; kept: boolean }
  /** M itself refused to be challenged by this V now. */
  | { outcome: 'declined'; code: RefusalCode }
  /** M could not make evidence, or would not accept what it made. */
  | { outcome: 'silent'; code?: RefusalCode; error: Error }
  /** V refused, before or after it judged. */
  | { outcome: 'refused'; refusal: Refusal; judged: boolean }
  /** V went away, was too slow, or issued what is no credential of M's. */
  | { outcome: 'no_verdict'; error: Error }

/** M answers one at a time, and each verifier at most once in a quarter of a lease. */
export class AnswerLimit {
  readonly #pauses = new Pauses(PAUSES_MAX)
  #busy = false

  /** Undefined when M may answer now; then {@link AnswerLimit.end} must follow. */
  begin(verifier: string, nowMs: number): Refusal | undefined {
    const retryAfterMs = this.#pauses.waitMs(verifier, nowMs)
    if (retryAfterMs > 0) return { code: 'rate_limited', retryAfterMs: Math.ceil(retryAfterMs) }
    if (this.#busy) return { code: 'busy', retryAfterMs: PAUSE_MS }
    this.#busy = true
    return undefined
  }
  end(verifier: string, nowMs: number, answered: { lifetimeMs: number } | undefined): void {
    this.#busy = false
    this.#pauses.pause(verifier, nowMs + (answered === undefined ? PAUSE_MS : answered.lifetimeMs * ANSWER_SHARE))
  }
}

/** Step 1, M, cheapest first; undefined when nothing but its limit is in the way. */
const decline = (parties: Parties, challenge: Challenge, role: MemberRole | undefined): Refusal | undefined => {
  if (!equals(challenge.clusterId, parties.clusterId)) return { code: 'wrong_cluster' }
  if (equals(parties.member, parties.verifier)) return { code: 'malformed' }
  if (role?.isMember(parties.verifier) !== true) return { code: 'not_member' }
  if (role.signingPublicKey(challenge.epoch) === undefined) return { code: 'stale_epoch' }
  return undefined
}

/** M's side, from the message on in which V's Challenge must be. Resolves however it ends. */
export const answerOver = async (
  channel: ChallengeStream,
  parties: Parties,
  role: MemberRole | undefined,
  tools: { timer: ChallengeTimer; limit: AnswerLimit },
  message: Uint8Array,
): Promise<AnswerOutcome> => {
  const { stream, messages, signal } = channel
  const declined = async (refusal: Refusal): Promise<AnswerOutcome> => {
    await lastWord(stream, messages, encodeRefusalMessage(refusal), signal)
    return { outcome: 'declined', code: refusal.code }
  }
  // 1. V→M Challenge
  let decoded: Challenge
  try {
    decoded = decodeChallenge(message)
  } catch (error) {
    if (error instanceof MalformedError) return declined({ code: 'malformed' })
    if (!(error instanceof RefusalError)) throw error
    stream.abort(error)
    return { outcome: 'refused', refusal: error.refusal, judged: false }
  }
  const verifier = Buffer.from(parties.verifier).toString('base64')
  const no = decline(parties, decoded, role) ?? tools.limit.begin(verifier, tools.timer.monotonicMs())
  if (role === undefined || no !== undefined) return declined(no ?? { code: 'not_member' })

  let answered = false
  try {
    // 2. M→V Answer
    const challenge = { message, decoded }
    const own = await makeAnswer(parties, challenge, role, tools.timer, signal)
    if ('outcome' in own) {
      stream.abort(own.error)
      return own
    }
    answered = true
    await messages.write(own.message)
    // 3. V→M Verdict or Refusal; 4. M checks it
    const verdict = await messages.read(VERDICT_LIMIT_BYTES)
    const nowMs = tools.timer.now()
    const { credential, body } = checkVerdict(parties, verdict, {
      clusterId: parties.clusterId,
      signingPublicKey: (epoch) => role.signingPublicKey(epoch),
      lifetimeMs: role.credentialLifetimeMs,
      nowMs,
      tdDigest: own.tdDigest,
    })
    const kept = keepsNew(role.current(), body, nowMs)
    if (kept) role.keep({ credential, body, evidence: own.evidence })
    await endStream(stream, signal)
    return { outcome: 'renewed', kept }
  } catch (error) {
    stream.abort(asError(error))
    if (error instanceof RefusalError) return { outcome: 'refused', refusal: error.refusal, judged: true }
    return { outcome: 'no_verdict', error: asError(error) }
  } finally {
    tools.limit.end(verifier, tools.timer.monotonicMs(), answered ? { lifetimeMs: role.credentialLifetimeMs } : undefined)
  }
}

/** Quotes and judges itself; whatever fails in that, M stays silent. */
const makeAnswer = async (
  parties: Parties,
  challenge: { message: Uint8Array; decoded: Challenge },
  role: MemberRole,
  timer: ChallengeTimer,
  signal: AbortSignal,
): Promise<ReturnType<typeof answer> | (AnswerOutcome & { outcome: 'silent' })> => {
  try {
    const binding = challengeBinding(parties, challenge.decoded)
    const evidence = await within(timer, QUOTE_TIMEOUT_MS, signal, (aborted) => role.attest(binding, aborted))
    return answer(parties, challenge, {
      evidence,
      judge: (made, expected) => role.judge(made, expected),
      sign: (context, bytes) => role.signAsPeer(context, bytes),
    })
  } catch (error) {
    return { outcome: 'silent', ...(error instanceof SelfRefusedError && { code: error.code }), error: asError(error) }
  }
}
