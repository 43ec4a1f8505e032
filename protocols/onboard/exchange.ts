/** The steps of the exchange, pure: no stream, no clock. Numbers refer to the steps of the specification (README.md). */
import { createHash } from 'node:crypto'
import type { Expectation } from '../records/index.ts'
import { type Binding, clusterSignedBytes, equals, fieldList, verifyEd25519 } from '../wire/index.ts'
import { type Challenge, decodeChallenge, encodeChallenge, encodeHello, type Hello } from './messages.ts'

/** Who talks to whom about which cluster; both peer ids as authenticated by the connection. */
export interface Parties {
  /** 32 bytes. */
  clusterId: Uint8Array
  /** Multihash bytes. */
  joiner: Uint8Array
  onboarder: Uint8Array
}

/** Why a joiner believes nothing of what a peer said. */
export type FalseOnboarderFault =
  | 'challenge_signature'
  | 'genesis_not_anchored'
  | 'grant_not_for_us'
  | 'secret_is_not_the_clusters'
  | 'genesis_invalid'
  | 'genesis_unsupported'
  | 'policy_mismatch'
  | 'genesis_evidence'
  | 'credential_invalid'
  | 'onboarder_credential'
  | 'onboarder_evidence'

/** The peer is no member, or a false one: wipe, report, next peer. */
export class FalseOnboarderError extends Error {
  override readonly name = 'FalseOnboarderError'
  readonly code: FalseOnboarderFault
  constructor(fault: FalseOnboarderFault, detail: string) {
    super(detail)
    this.code = fault
  }
}

/** The cluster's policy does not admit this very TD: no other peer will either. */
export class SelfRefusedError extends Error {
  override readonly name = 'SelfRefusedError'
  readonly code = 'policy_refuses_self'
  constructor(
    readonly refusal: string,
    readonly reasons: readonly string[],
  ) {
    super(`the cluster's policy does not admit this TD (${refusal}): ${reasons.join('; ')}`)
  }
}

/** Step 1. */
export const hello = (parties: Parties, joinerNonce: Uint8Array): Uint8Array =>
  encodeHello({ clusterId: parties.clusterId, joinerNonce })

/** What the cluster key signs in step 2, context `onboard-challenge`. */
const challengeFields = (
  parties: Parties,
  joinerNonce: Uint8Array,
  onboarderNonce: Uint8Array,
  genesisHash: Uint8Array,
): Uint8Array => fieldList([parties.clusterId, parties.joiner, parties.onboarder, joinerNonce, onboarderNonce, genesisHash])

/** Step 2, onboarder. */
export const challenge = (
  parties: Parties,
  received: Hello,
  own: { nonce: Uint8Array; genesisHash: Uint8Array; signAsCluster(context: 'onboard-challenge', bytes: Uint8Array): Uint8Array },
): Uint8Array =>
  encodeChallenge({
    onboarderNonce: own.nonce,
    genesisHash: own.genesisHash,
    signature: own.signAsCluster('onboard-challenge', challengeFields(parties, received.joinerNonce, own.nonce, own.genesisHash)),
  })

/**
 * Step 2, joiner: the peer holds the cluster key, and its genesis is the anchored one (where the anchor could be read).
 * Comes before any quote is made. Throws RefusalError, MalformedError, FalseOnboarderError.
 */
export const checkChallenge = (
  parties: Parties,
  joinerNonce: Uint8Array,
  message: Uint8Array,
  anchoredGenesisHash: Uint8Array | undefined,
): Challenge => {
  const received = decodeChallenge(message)
  const fields = challengeFields(parties, joinerNonce, received.onboarderNonce, received.genesisHash)
  if (!verifyEd25519(parties.clusterId, clusterSignedBytes('onboard-challenge', fields), received.signature)) {
    throw new FalseOnboarderError('challenge_signature', 'the peer does not hold the key of this cluster')
  }
  if (anchoredGenesisHash !== undefined && !equals(received.genesisHash, anchoredGenesisHash)) {
    throw new FalseOnboarderError('genesis_not_anchored', 'the peer names another genesis than the anchor does')
  }
  return received
}

/** What the joiner's quote binds in step 3. */
export const onboardBinding = (
  parties: Parties,
  joinerNonce: Uint8Array,
  onboarderNonce: Uint8Array,
  kemPublicKey: Uint8Array,
): Binding => ({
  context: 'onboard/1',
  fields: [parties.clusterId, parties.joiner, parties.onboarder, joinerNonce, onboarderNonce, kemPublicKey],
})

/** What either side holds the joiner's evidence against. */
export const joinerExpectation = (parties: Parties, binding: Binding): Expectation => ({
  contexts: ['onboard/1'],
  clusterId: parties.clusterId,
  peerId: parties.joiner,
  fields: binding.fields,
})

/** HPKE's `aad` of step 4: SHA-256 of the list (message 1, message 2, message 3), each as sent. */
export const transcriptHash = (hello: Uint8Array, challenge: Uint8Array, request: Uint8Array): Uint8Array =>
  Uint8Array.from(
    createHash('sha256')
      .update(fieldList([hello, challenge, request]))
      .digest(),
  )

/**
 * Names one exchange in the logs of both sides, from Hello on; says nothing about either. A joiner that sends a nonce twice
 * mixes up its own lines only: nobody else's nonce is known to it.
 */
export const joinId = (joinerNonce: Uint8Array): string => createHash('sha256').update(joinerNonce).digest('hex').slice(0, 12)
