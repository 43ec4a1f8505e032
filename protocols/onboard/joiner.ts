import type { Stream } from '@libp2p/interface'
import { type Evidence, encodeEvidence } from '../records/index.ts'
import {
  asError,
  type Binding,
  EXCHANGE_TIMEOUT_MS,
  messagesOf,
  NONCE_BYTES,
  STEP_TIMEOUT_MS,
  type Timer,
  within,
} from '../wire/index.ts'
import { type AdoptedKeyring, type ClusterPolicy, checkGrant, type GrantContext, type Joined } from './check-grant.ts'
import { CHALLENGE_LIMIT_BYTES, GRANT_LIMIT_BYTES, QUOTE_TIMEOUT_MS } from './constants.ts'
import { checkChallenge, FalseOnboarderError, hello, joinId, onboardBinding, type Parties, transcriptHash } from './exchange.ts'
import { decodeGrant, decodeGrantPlaintext, type EpochSecret, encodeDone, encodeRequest, type Grant } from './messages.ts'
import type { Sealer, SealingKey } from './sealer.ts'

/** What a joiner brings to an exchange. */
export interface JoinerRole<K extends AdoptedKeyring, P extends ClusterPolicy> {
  /** The genesis hash that the anchor publishes, where it could be read. */
  anchoredGenesisHash?: Uint8Array | undefined
  /** Policy hash that the joiner's operator insists on. */
  policyHash?: Uint8Array | undefined
  /** A quote over this binding, with all it takes to judge it. Only called after the peer has proven the cluster's key. */
  attest(binding: Binding, signal: AbortSignal): Promise<Evidence>
  adopt(entries: readonly EpochSecret[]): K
  openPolicy(canonical: Uint8Array): P
  /** As in {@link GrantContext}. */
  genesisTime?: GrantContext<K, P>['genesisTime']
  /** Told of each step as it is reached. */
  onStep?(step: JoinerStep, joinId: string): void
}
export type JoinerStep = 'asked' | 'challenged' | 'quoted' | 'requested' | 'granted' | 'opened'

export interface JoinerTools {
  timer: Timer
  random: { bytes(length: number): Uint8Array }
  sealer: Sealer
  stepTimeoutMs?: number | undefined
  exchangeTimeoutMs?: number | undefined
}

/**
 * The joiner's side over one stream; steps as in the specification. Resolves only when everything of step 5 holds.
 * Throws RefusalError (the peer said no), FalseOnboarderError, SelfRefusedError, MalformedError, or the deadline's error.
 */
export const joinOver = async <K extends AdoptedKeyring, P extends ClusterPolicy>(
  stream: Stream,
  parties: Parties,
  role: JoinerRole<K, P>,
  tools: JoinerTools,
  parent?: AbortSignal,
): Promise<Joined<K, P>> => {
  const exchange = tools.timer.deadline(tools.exchangeTimeoutMs ?? EXCHANGE_TIMEOUT_MS, parent)
  let key: SealingKey | undefined
  try {
    const messages = messagesOf(stream, {
      maxBytes: GRANT_LIMIT_BYTES,
      stepTimeoutMs: tools.stepTimeoutMs ?? STEP_TIMEOUT_MS,
      timer: tools.timer,
      signal: exchange.signal,
    })

    // 1. J→P Hello
    const joinerNonce = tools.random.bytes(NONCE_BYTES)
    const message1 = hello(parties, joinerNonce)
    const id = joinId(joinerNonce)
    await messages.write(message1)
    role.onStep?.('asked', id)

    // 2. P→J Challenge: verified before a quote is made
    const message2 = await messages.read(CHALLENGE_LIMIT_BYTES)
    const challenge = checkChallenge(parties, joinerNonce, message2, role.anchoredGenesisHash)
    role.onStep?.('challenged', id)

    // 3. J→P Request
    key = await tools.sealer.generate()
    const binding = onboardBinding(parties, joinerNonce, challenge.onboarderNonce, key.publicKey)
    const evidence = await within(tools.timer, QUOTE_TIMEOUT_MS, exchange.signal, (signal) => role.attest(binding, signal))
    role.onStep?.('quoted', id)
    const message3 = encodeRequest({ kemPublicKey: key.publicKey, evidence: encodeEvidence(evidence) })
    await messages.write(message3)
    role.onStep?.('requested', id)

    // 4. P→J Grant or Refusal
    const grant = decodeGrant(await messages.read(GRANT_LIMIT_BYTES))
    role.onStep?.('granted', id)

    // 5. J believes nothing yet
    const plaintext = await open(key, grant, transcriptHash(message1, message2, message3))
    const joined = await readPlaintext(plaintext, (decoded) =>
      checkGrant(decoded, {
        parties,
        genesisHash: challenge.genesisHash,
        policyHash: role.policyHash,
        evidence,
        binding,
        nowMs: tools.timer.now(),
        adopt: role.adopt,
        openPolicy: role.openPolicy,
        ...(role.genesisTime !== undefined && { genesisTime: role.genesisTime }),
      }),
    )
    role.onStep?.('opened', id)
    try {
      await messages.write(encodeDone())
      await stream.close({ signal: exchange.signal })
    } catch (error) {
      joined.keyring.wipe()
      throw error
    }
    return joined
  } catch (error) {
    stream.abort(asError(error))
    throw error
  } finally {
    key?.wipe()
    exchange.clear()
  }
}

const open = async (key: SealingKey, grant: Grant, aad: Uint8Array): Promise<Uint8Array> => {
  try {
    return await key.open(grant.enc, grant.ciphertext, aad)
  } catch {
    throw new FalseOnboarderError('grant_not_for_us', 'the grant is not sealed to our key and this exchange')
  }
}

/** Decodes, wipes the plaintext, then hands on. */
const readPlaintext = <T>(plaintext: Uint8Array, use: (decoded: ReturnType<typeof decodeGrantPlaintext>) => T): T => {
  let decoded: ReturnType<typeof decodeGrantPlaintext>
  try {
    decoded = decodeGrantPlaintext(plaintext)
  } finally {
    plaintext.fill(0)
  }
  return use(decoded)
}
