/** Step 5: the joiner opened the grant and believes nothing yet. On failure it wipes the secrets. */
import {
  type Accepted,
  type CredentialExpectation,
  decodeEvidence,
  decodeGenesisBundle,
  type Evidence,
  type EvidenceJudge,
  type GenesisBundle,
  type GenesisRecord,
  genesisHash,
  UnsupportedError,
  verifyCredential,
  verifyGenesisSignature,
} from '../records/index.ts'
import { type Binding, equals } from '../wire/index.ts'
import { FalseOnboarderError, type FalseOnboarderFault, joinerExpectation, type Parties, SelfRefusedError } from './exchange.ts'
import type { EpochSecret, GrantPlaintext } from './messages.ts'

/** The secrets of a grant, adopted by whoever owns secrets in the joiner; it copies them. */
export interface AdoptedKeyring {
  publicKeys(): { cluster: Uint8Array; k256Root: Uint8Array; caRoot: Uint8Array }
  /** Of an epoch that it was adopted with. */
  signingPublicKey(epoch: number): Uint8Array | undefined
  wipe(): void
}

/** A cluster's policy, as far as an exchange needs it. */
export interface ClusterPolicy extends EvidenceJudge {
  /** SHA-256 of the canonical form. */
  readonly hash: Uint8Array
  readonly credentialLifetimeMs: number
}

export interface GrantContext<K extends AdoptedKeyring, P extends ClusterPolicy> {
  parties: Parties
  /** As the challenge named it; already compared with the anchor. */
  genesisHash: Uint8Array
  /** Policy hash that the joiner's operator insists on. */
  policyHash?: Uint8Array | undefined
  /** The evidence that the joiner sent, and what it binds. */
  evidence: Evidence
  binding: Binding
  nowMs: number
  /** Throws when the entries are no keyring (twice the same epoch, no epoch 0). */
  adopt(entries: readonly EpochSecret[]): K
  /** Throws when the bytes are no policy. */
  openPolicy(canonical: Uint8Array): P
  /**
   * When the genesis became public (Unix milliseconds), by a witness that the joiner believes; undefined: there is none, and
   * the genesis' own word counts. Throws FalseOnboarderError when the proof in the bundle does not hold.
   */
  genesisTime?(genesis: GenesisBundle, record: GenesisRecord): Promise<number | undefined>
}

/** All that a joiner has after a join. */
export interface Joined<K extends AdoptedKeyring, P extends ClusterPolicy> {
  keyring: K
  policy: P
  genesis: GenesisBundle
  genesisRecord: GenesisRecord
  credential: Uint8Array
  /** What the joiner's credential was issued for. */
  evidence: Evidence
  onboarder: { peerId: Uint8Array; credential: Uint8Array; evidence: Evidence }
}

/** Report data under which an onboarder may have been judged last. */
const MEMBER_CONTEXTS = ['onboard/1', 'member/1', 'challenge/1'] as const

/** Throws FalseOnboarderError, SelfRefusedError or MalformedError; then every secret has been wiped. */
export const checkGrant = async <K extends AdoptedKeyring, P extends ClusterPolicy>(
  plaintext: GrantPlaintext,
  context: GrantContext<K, P>,
): Promise<Joined<K, P>> => {
  let keyring: K
  try {
    keyring = context.adopt(plaintext.keyring)
  } catch {
    throw new FalseOnboarderError('secret_is_not_the_clusters', 'the grant holds no usable keyring')
  } finally {
    for (const { secret } of plaintext.keyring) secret.fill(0)
  }
  try {
    const { genesis, record, policy } = await checkGenesis(plaintext, keyring, context)
    checkOwnStanding(plaintext, keyring, policy, context)
    const onboarderEvidence = checkOnboarder(plaintext, keyring, policy, context)
    return {
      keyring,
      policy,
      genesis,
      genesisRecord: record,
      credential: plaintext.credential,
      evidence: context.evidence,
      onboarder: { peerId: context.parties.onboarder, credential: plaintext.onboarderCredential, evidence: onboarderEvidence },
    }
  } catch (error) {
    keyring.wipe()
    throw error
  }
}

const demand: (holds: boolean, fault: FalseOnboarderFault, otherwise: string) => asserts holds = (holds, fault, otherwise) => {
  if (!holds) throw new FalseOnboarderError(fault, otherwise)
}

const checkGenesis = async <K extends AdoptedKeyring, P extends ClusterPolicy>(
  plaintext: GrantPlaintext,
  keyring: K,
  context: GrantContext<K, P>,
) => {
  const keys = keyring.publicKeys()
  const { clusterId } = context.parties
  demand(equals(keys.cluster, clusterId), 'secret_is_not_the_clusters', 'the secret of epoch 0 does not give the cluster id')

  const genesis = decodeGenesisBundle(plaintext.genesis)
  demand(
    equals(genesisHash(genesis.record), context.genesisHash),
    'genesis_invalid',
    'the genesis is not the one of the challenge',
  )
  const record = readGenesis(genesis)
  demand(
    equals(record.clusterPublicKey, clusterId) &&
      equals(record.k256RootPublicKey, keys.k256Root) &&
      equals(record.caRootPublicKey, keys.caRoot),
    'genesis_invalid',
    'a key of the genesis does not follow from the secret',
  )

  const policy = readPolicy(genesis, context)
  demand(equals(policy.hash, record.policyHash), 'policy_mismatch', 'the policy is not the one that the genesis names')
  demand(
    context.policyHash === undefined || equals(policy.hash, context.policyHash),
    'policy_mismatch',
    "the cluster's policy is not the one that this node was told to insist on",
  )

  const verdict = policy.judge(
    decodeEvidence(genesis.evidence),
    { contexts: ['genesis/1'], clusterId, fields: [genesis.record] },
    { atMs: (await context.genesisTime?.(genesis, record)) ?? record.createdAt },
  )
  demand(verdict.accepted, 'genesis_evidence', `the genesis' evidence: ${verdict.accepted ? '' : verdict.reasons.join('; ')}`)
  return { genesis, record, policy }
}

const readGenesis = (genesis: GenesisBundle): GenesisRecord => {
  try {
    const record = verifyGenesisSignature(genesis)
    demand(record !== undefined, 'genesis_invalid', 'the genesis is not signed by the cluster')
    return record
  } catch (error) {
    if (error instanceof UnsupportedError) throw new FalseOnboarderError('genesis_unsupported', error.message)
    throw error
  }
}

const readPolicy = <K extends AdoptedKeyring, P extends ClusterPolicy>(
  genesis: GenesisBundle,
  context: GrantContext<K, P>,
): P => {
  try {
    return context.openPolicy(genesis.policy)
  } catch (error) {
    throw new FalseOnboarderError(
      'policy_mismatch',
      `the policy cannot be read: ${error instanceof Error ? error.message : error}`,
    )
  }
}

const checkOwnStanding = <K extends AdoptedKeyring, P extends ClusterPolicy>(
  plaintext: GrantPlaintext,
  keyring: K,
  policy: P,
  context: GrantContext<K, P>,
): void => {
  const { parties } = context
  const own = policy.judge(context.evidence, joinerExpectation(parties, context.binding))
  if (!own.accepted) throw new SelfRefusedError(own.code, own.reasons)

  const credential = verifyCredential(plaintext.credential, expectation(plaintext, keyring, policy, context))
  demand(credential.ok, 'credential_invalid', `our credential: ${whyNot(credential, context)}`)
  const { body } = credential
  demand(equals(body.peerId, parties.joiner), 'credential_invalid', 'our credential names another peer')
  demand(equals(body.issuer, parties.onboarder), 'credential_invalid', 'our credential was issued by somebody else')
  demand(equals(body.tdDigest, own.judged.tdDigest), 'credential_invalid', 'our credential is about another TD')
}

/** More often than not it is the reader's own clock that makes a credential untimely. */
const whyNot = (checked: ReturnType<typeof verifyCredential>, { nowMs }: { nowMs: number }): string => {
  if (checked.ok) return ''
  const { fault } = checked
  const untimely = fault === 'expired' || fault === 'issued_in_the_future'
  return untimely ? `${fault}, by this node's clock, which says ${new Date(nowMs).toISOString()}` : fault
}

const checkOnboarder = <K extends AdoptedKeyring, P extends ClusterPolicy>(
  plaintext: GrantPlaintext,
  keyring: K,
  policy: P,
  context: GrantContext<K, P>,
): Evidence => {
  const { parties } = context
  const credential = verifyCredential(plaintext.onboarderCredential, expectation(plaintext, keyring, policy, context))
  demand(credential.ok, 'onboarder_credential', `the onboarder's credential: ${whyNot(credential, context)}`)
  demand(
    equals(credential.body.peerId, parties.onboarder),
    'onboarder_credential',
    "the onboarder shows another peer's credential",
  )

  const evidence = decodeEvidence(plaintext.onboarderEvidence)
  const verdict: Accepted | { accepted: false; reasons: string[] } = policy.judge(evidence, {
    contexts: MEMBER_CONTEXTS,
    clusterId: parties.clusterId,
    peerId: parties.onboarder,
  })
  if (!verdict.accepted)
    throw new FalseOnboarderError('onboarder_evidence', `the onboarder's evidence: ${verdict.reasons.join('; ')}`)
  demand(
    equals(credential.body.tdDigest, verdict.judged.tdDigest),
    'onboarder_evidence',
    "the onboarder's evidence is not what its credential was issued for",
  )
  return evidence
}

const expectation = <K extends AdoptedKeyring, P extends ClusterPolicy>(
  { keyring: entries }: GrantPlaintext,
  keyring: K,
  policy: P,
  { parties, nowMs }: GrantContext<K, P>,
): CredentialExpectation => ({
  clusterId: parties.clusterId,
  signingPublicKey: (wanted) => (entries.some(({ epoch }) => epoch === wanted) ? keyring.signingPublicKey(wanted) : undefined),
  lifetimeMs: policy.credentialLifetimeMs,
  nowMs,
})
