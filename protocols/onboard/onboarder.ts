import type { Stream } from '@libp2p/interface'
import { decodeEvidence, type Evidence, type Expectation, type Refused } from '../records/index.ts'
import {
  asError,
  EXCHANGE_TIMEOUT_MS,
  endStream,
  equals,
  lastWord,
  MalformedError,
  messagesOf,
  NONCE_BYTES,
  type Refusal,
  type RefusalCode,
  STEP_TIMEOUT_MS,
  type Timer,
} from '../wire/index.ts'
import type { Allowance } from './admission.ts'
import { DONE_LIMIT_BYTES, HELLO_LIMIT_BYTES, QUOTE_TIMEOUT_MS, REQUEST_LIMIT_BYTES } from './constants.ts'
import { challenge, joinerExpectation, joinId, onboardBinding, type Parties, transcriptHash } from './exchange.ts'
import {
  decodeDone,
  decodeHello,
  decodeRequest,
  type EpochSecret,
  encodeGrant,
  encodeGrantPlaintext,
  encodeRefusalMessage,
} from './messages.ts'
import type { Sealer } from './sealer.ts'
import { OverloadError } from './turns.ts'

/** What a member brings to an exchange. */
export interface OnboarderRole {
  readonly genesisHash: Uint8Array
  /** Encoded GenesisBundle. */
  readonly genesis: Uint8Array
  /** Whether this node may issue right now; asked at the start and again at the moment of sealing. */
  standing(): 'active' | 'lapsed' | 'not_member'
  signAsCluster(context: 'onboard-challenge', bytes: Uint8Array): Uint8Array
  /** Judges a joiner's evidence. An accepted one can be issued a credential; encoded. */
  judge(evidence: Evidence, expected: Expectation): { accepted: true; issue(): Uint8Array } | Refused
  /** Own credential and the evidence that it was issued for; both encoded. */
  standingProof(): { credential: Uint8Array; evidence: Uint8Array }
  withSecrets<T>(use: (entries: readonly EpochSecret[]) => T): T
  /** The joiner said Done: it is a member from now on. */
  admit(peerId: Uint8Array, credential: Uint8Array, evidence: Evidence): void
  /** Where else a joiner may try: up to 8 text multiaddrs of other members that may be told to strangers, others each time. */
  publicAddresses(): string[]
  /** Told of each step as it is reached. */
  onStep?(step: OnboarderStep, joinId: string): void
}
export type OnboarderStep = 'challenged' | 'judged' | 'sealed' | 'admitted'

export interface OnboarderTools {
  timer: Timer
  random: { bytes(length: number): Uint8Array }
  sealer: Sealer
  allowance: Allowance
  stepTimeoutMs?: number | undefined
  exchangeTimeoutMs?: number | undefined
  /** Told by which name the exchange goes from Hello on, however it ends. */
  onJoinId?(joinId: string): void
}

/** Why an exchange ended without a new member; `detail` is for the local log only. */
export class RefusedJoin extends Error {
  override readonly name = 'RefusedJoin'
  readonly code: RefusalCode
  constructor(
    readonly refusal: Refusal,
    readonly reasons: readonly string[],
  ) {
    super(reasons.join('; '))
    this.code = refusal.code
  }
}

/**
 * The onboarder's side over one inbound stream. Resolves when the joiner is admitted; throws {@link RefusedJoin} after the
 * refusal has been sent, or the stream's or deadline's error. Cheapest check first (specification, "Order of work").
 */
export const onboardOver = async (
  stream: Stream,
  peers: { joiner: Uint8Array; onboarder: Uint8Array; clusterId: Uint8Array },
  role: OnboarderRole | undefined,
  tools: OnboarderTools,
  parent?: AbortSignal,
): Promise<{ joinId: string }> => {
  const exchange = tools.timer.deadline(tools.exchangeTimeoutMs ?? EXCHANGE_TIMEOUT_MS, parent)
  const stepTimeoutMs = tools.stepTimeoutMs ?? STEP_TIMEOUT_MS
  const messages = messagesOf(stream, {
    maxBytes: REQUEST_LIMIT_BYTES,
    stepTimeoutMs,
    timer: tools.timer,
    signal: exchange.signal,
  })
  try {
    // 1. J→P Hello
    const message1 = await messages.read(HELLO_LIMIT_BYTES)
    const hello = decodeHello(message1)
    const id = joinId(hello.joinerNonce)
    tools.onJoinId?.(id)
    if (!equals(hello.clusterId, peers.clusterId)) throw new RefusedJoin({ code: 'wrong_cluster' }, ['asks for another cluster'])
    if (equals(peers.joiner, peers.onboarder)) throw new RefusedJoin({ code: 'malformed' }, ['joins itself'])
    const member = demandStanding(role)
    const parties: Parties = peers
    const retryAfterMs = tools.allowance.pay()
    if (retryAfterMs > 0) throw turnedAway('rate_limited', 'asks too often', retryAfterMs, role)

    // 2. P→J Challenge
    const onboarderNonce = tools.random.bytes(NONCE_BYTES)
    const message2 = challenge(parties, hello, {
      nonce: onboarderNonce,
      genesisHash: member.genesisHash,
      signAsCluster: member.signAsCluster,
    })
    await messages.write(message2)
    member.onStep?.('challenged', id)

    // 3. J→P Request; J makes its quote first
    const message3 = await messages.read(REQUEST_LIMIT_BYTES, QUOTE_TIMEOUT_MS + stepTimeoutMs)
    const request = decodeRequest(message3)
    const evidence = decodeEvidence(request.evidence)
    const binding = onboardBinding(parties, hello.joinerNonce, onboarderNonce, request.kemPublicKey)
    const { sealed, credential } = await tools.allowance.inTurn(exchange.signal, async () => {
      if (stream.status !== 'open') throw new Error('the joiner went away before its turn')
      const verdict = member.judge(evidence, joinerExpectation(parties, binding))
      if (!verdict.accepted) throw new RefusedJoin({ code: verdict.code }, verdict.reasons)
      member.onStep?.('judged', id!)

      // 4. P→J Grant; P must be an active member at the moment of sealing
      demandStanding(role)
      const credential = verdict.issue()
      const transcript = transcriptHash(message1, message2, message3)
      return { credential, sealed: await seal(tools.sealer, member, request.kemPublicKey, credential, transcript) }
    })
    await messages.write(encodeGrant(sealed))
    member.onStep?.('sealed', id)

    // 5. J→P Done
    decodeDone(await messages.read(DONE_LIMIT_BYTES))
    member.admit(peers.joiner, credential, evidence)
    member.onStep?.('admitted', id)
    await endStream(stream, exchange.signal)
    return { joinId: id }
  } catch (error) {
    const refused =
      error instanceof OverloadError ? turnedAway('busy', error.message, tools.allowance.retryAfterMs(), role) : asRefused(error)
    if (refused !== undefined) {
      await lastWord(stream, messages, encodeRefusalMessage(refused.refusal), exchange.signal)
      throw refused
    }
    stream.abort(asError(error))
    throw error
  } finally {
    exchange.clear()
  }
}

const demandStanding = (role: OnboarderRole | undefined): OnboarderRole => {
  const standing = role?.standing() ?? 'not_member'
  if (role === undefined || standing === 'not_member')
    throw new RefusedJoin({ code: 'not_member' }, ['this node is no member yet'])
  if (standing === 'lapsed') throw new RefusedJoin({ code: 'lapsed' }, ["this node's credential ran out"])
  return role
}

const asRefused = (error: unknown): RefusedJoin | undefined => {
  if (error instanceof RefusedJoin) return error
  if (error instanceof MalformedError) return new RefusedJoin({ code: 'malformed' }, [error.message])
  return undefined
}

/** Come back later, or try elsewhere. */
export const turnedAway = (
  code: 'busy' | 'rate_limited',
  reason: string,
  retryAfterMs: number,
  role: OnboarderRole | undefined,
): RefusedJoin => {
  const addresses = role?.publicAddresses() ?? []
  return new RefusedJoin({ code, retryAfterMs, ...(addresses.length > 0 && { addresses }) }, [reason])
}

const seal = async (sealer: Sealer, member: OnboarderRole, kemPublicKey: Uint8Array, credential: Uint8Array, aad: Uint8Array) => {
  const proof = member.standingProof()
  const plaintext = member.withSecrets((keyring) =>
    encodeGrantPlaintext({
      keyring: [...keyring],
      credential,
      genesis: member.genesis,
      onboarderCredential: proof.credential,
      onboarderEvidence: proof.evidence,
    }),
  )
  try {
    return await sealer.seal(kemPublicKey, plaintext, aad)
  } catch {
    // The only input of the sealer that comes from outside is the key.
    throw new MalformedError('Request.kem_public_key: not a key that anything can be sealed to')
  } finally {
    plaintext.fill(0)
  }
}
