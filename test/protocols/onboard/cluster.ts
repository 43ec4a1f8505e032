import { createHash } from 'node:crypto'
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import type { PrivateKey } from '@libp2p/interface'
import type { Allowance } from '../../../protocols/onboard/admission.ts'
import { onboardBinding, type Parties, transcriptHash } from '../../../protocols/onboard/exchange.ts'
import {
  hpkeSealer,
  type JoinerRole,
  type JoinerStep,
  type OnboarderRole,
  type OnboarderStep,
  type Sealer,
  type SealingKey,
} from '../../../protocols/onboard/index.ts'
import type { JoinerTools } from '../../../protocols/onboard/joiner.ts'
import {
  type Challenge,
  decodeChallenge,
  decodeRequest,
  encodeChallenge,
  encodeGrant,
  encodeGrantPlaintext,
  encodeHello,
  encodeRequest,
  type Grant,
  type GrantPlaintext,
} from '../../../protocols/onboard/messages.ts'
import {
  type CredentialBody,
  decodeEvidence,
  type Evidence,
  type Expectation,
  encodeEvidence,
  encodeGenesisBundle,
  encodeGenesisRecord,
  type GenesisBundle,
  type GenesisRecord,
  genesisBinding,
  genesisHash,
  issueCredential,
} from '../../../protocols/records/index.ts'
import { type Binding, fieldList, peerSignedBytes, u32be, u64be, utf8 } from '../../../protocols/wire/index.ts'
import { canonicalPolicy, createVerifier, type JudgedTd, type Policy, parseQuote } from '../../../src/attest/index.ts'
import type { Clock } from '../../../src/base/index.ts'
import { Keyring } from '../../../src/keys/index.ts'
import { type NodePolicy, nodePolicy, openNodePolicy } from '../../../src/node/cluster-policy.ts'
import { bytes, type EmulatedNode, emulatedNode, policyFor, sharedPki } from '../../attest/support.ts'
import { FakeClock, type HandPeer, NOW_MS, seededRandom } from '../support.ts'

export const SECRET = bytes(32, 0x5e)
export const LIFETIME_MS = 3_600_000

export interface Peer {
  key: PrivateKey
  /** Multihash bytes. */
  id: Uint8Array
}
export const peerOf = async (seed: number): Promise<Peer> => {
  const key = await generateKeyPairFromSeed('Ed25519', bytes(32, seed))
  return { key, id: key.publicKey.toMultihash().bytes }
}

/** A cluster of one member P, and one J that wants to join: everything in it is sound. */
export interface TestCluster {
  keyring: Keyring
  clusterId: Uint8Array
  document: Policy
  record: GenesisRecord
  genesis: GenesisBundle
  genesisHash: Uint8Array
  onboarder: Peer & { node: EmulatedNode; evidence: Evidence; credential: Uint8Array }
  joiner: Peer & { node: EmulatedNode }
  parties: Parties
  stranger: Peer
}

export const policyOf = (document: Policy, clock: Clock): NodePolicy =>
  nodePolicy(document, (policy) => createVerifier({ policy, clock }))

const judgedBy = (policy: NodePolicy, evidence: Evidence, expected: Expectation): JudgedTd => {
  const verdict = policy.judge(evidence, expected)
  if (!verdict.accepted) throw new Error(`the sound evidence of a test is refused: ${verdict.reasons.join('; ')}`)
  return verdict.judged
}

/** A credential as `issuer` issues it, but for what `changes` says. */
export const credentialFor = (
  cluster: Pick<TestCluster, 'keyring' | 'clusterId'>,
  subject: Uint8Array,
  issuer: Peer,
  td: { tdDigest: Uint8Array },
  changes: Partial<CredentialBody> & { signedBy?: Peer; clusterKey?: Keyring } = {},
): Uint8Array => {
  const { signedBy = issuer, clusterKey = cluster.keyring, ...body } = changes
  return issueCredential(
    {
      clusterId: cluster.clusterId,
      peerId: subject,
      epoch: 0,
      tdDigest: td.tdDigest,
      judged: {
        mrTd: bytes(48, 1),
        rtmr: [bytes(48, 2), bytes(48, 3), bytes(48, 4), bytes(48, 5)],
        mrConfigId: bytes(48, 0),
        mrOwner: bytes(48, 0),
        mrOwnerConfig: bytes(48, 0),
        appIds: [bytes(20, 6)],
        platformId: bytes(32, 7),
        tcbStatus: 'UpToDate',
        tcbEvaluationDataNumber: 17,
      },
      issuer: issuer.id,
      issuedAt: NOW_MS,
      expiresAt: NOW_MS + LIFETIME_MS,
      ...body,
    },
    {
      asCluster: (context, signed) => clusterKey.signAsCluster(context, signed),
      asPeer: (context, signed) => signedBy.key.sign(peerSignedBytes(context, signed)) as Uint8Array,
    },
  )
}

export const memberBinding = (clusterId: Uint8Array, peerId: Uint8Array, issuedAt = NOW_MS): Binding => ({
  context: 'member/1',
  fields: [clusterId, peerId, u32be(0), u64be(issuedAt)],
})

/** Record and bundle of a genesis over these keys and this policy, with a quote of `node`. */
export const makeGenesis = async (
  keyring: Keyring,
  document: Policy,
  node: EmulatedNode,
  changes: Partial<GenesisRecord> = {},
): Promise<{ record: GenesisRecord; bundle: GenesisBundle }> => {
  const keys = keyring.publicKeys()
  const record = {
    network: utf8('file'),
    clusterPublicKey: keys.cluster,
    k256RootPublicKey: keys.k256Root,
    caRootPublicKey: keys.caRoot,
    policyHash: policyOf(document, new FakeClock()).hash,
    createdAt: NOW_MS,
    ...changes,
  }
  const bytes = encodeGenesisRecord(record)
  const bundle = {
    record: bytes,
    signature: keyring.signAsCluster('genesis', bytes),
    policy: utf8(canonicalPolicy(document)),
    evidence: encodeEvidence(await node.evidence(genesisBinding(bytes))),
  }
  return { record, bundle }
}

let made: Promise<TestCluster> | undefined
/** The same one for all tests: they change copies. */
export const testCluster = (): Promise<TestCluster> => {
  made ??= makeCluster()
  return made
}

const makeCluster = async (): Promise<TestCluster> => {
  const keyring = Keyring.fromSecrets([{ epoch: 0, secret: SECRET }])
  const { clusterId } = keyring
  const document = policyFor(sharedPki())
  const [p, j, stranger] = await Promise.all([peerOf(1), peerOf(2), peerOf(3)])
  const [pNode, jNode] = [await emulatedNode({ clusterId }), await emulatedNode({ clusterId })]
  const { record, bundle } = await makeGenesis(keyring, document, pNode)

  const binding = memberBinding(clusterId, p.id)
  const evidence = await pNode.evidence(binding)
  const judged = judgedBy(policyOf(document, new FakeClock()), evidence, { contexts: ['member/1'], clusterId, peerId: p.id })
  return {
    keyring,
    clusterId,
    document,
    record,
    genesis: bundle,
    genesisHash: genesisHash(bundle.record),
    onboarder: { ...p, node: pNode, evidence, credential: credentialFor({ keyring, clusterId }, p.id, p, judged) },
    joiner: { ...j, node: jNode },
    parties: { clusterId, joiner: j.id, onboarder: p.id },
    stranger,
  }
}

/** HPKE as it is, but remembers what passed through it, to look at afterwards. */
export class SpySealer implements Sealer {
  readonly #sealer: Sealer
  /** The very buffers, which their owners must have wiped. */
  readonly plaintexts: Uint8Array[] = []
  readonly keys: SealingKey[] = []
  wiped = 0
  seals = 0
  constructor(label: string) {
    this.#sealer = hpkeSealer(seededRandom(label))
  }
  async generate(): Promise<SealingKey> {
    const key = await this.#sealer.generate()
    this.keys.push(key)
    return {
      publicKey: key.publicKey,
      open: async (enc, ciphertext, aad) => {
        const plaintext = await key.open(enc, ciphertext, aad)
        this.plaintexts.push(plaintext)
        return plaintext
      },
      wipe: () => {
        this.wiped++
        key.wipe()
      },
    }
  }
  seal(publicKey: Uint8Array, plaintext: Uint8Array, aad: Uint8Array) {
    this.seals++
    this.plaintexts.push(plaintext)
    return this.#sealer.seal(publicKey, plaintext, aad)
  }
  get allWiped(): boolean {
    return this.plaintexts.every((plaintext) => plaintext.every((byte) => byte === 0))
  }
}

/** Longer than either side's longest step, so that a test can let each pass by itself. */
export const EXCHANGE_MS = 60_000
export const STEP_MS = 10_000

/** Lets everything happen at once. */
export const unlimited: Allowance = {
  pay: () => 0,
  inTurn: (_signal, work) => work(),
  retryAfterMs: () => 1_000,
}

export const toolsOf = (clock: FakeClock, label: string): JoinerTools & { sealer: SpySealer; allowance: Allowance } => ({
  allowance: unlimited,
  timer: clock,
  random: seededRandom(label),
  sealer: new SpySealer(label),
  stepTimeoutMs: STEP_MS,
  exchangeTimeoutMs: EXCHANGE_MS,
})

/** P as a member brings itself to an exchange; remembers what it was asked to do. */
export const onboarderRole = (cluster: TestCluster, clock: FakeClock, changes: Partial<OnboarderRole> = {}) => {
  const policy = policyOf(cluster.document, clock)
  const admitted: { peerId: Uint8Array; credential: Uint8Array }[] = []
  const steps: OnboarderStep[] = []
  const judgements: { code?: string }[] = []
  const role: OnboarderRole = {
    genesisHash: cluster.genesisHash,
    genesis: encodeGenesisBundle(cluster.genesis),
    standing: () => 'active',
    signAsCluster: (context, signed) => cluster.keyring.signAsCluster(context, signed),
    judge(evidence, expected) {
      const verdict = policy.judge(evidence, expected)
      judgements.push(verdict.accepted ? {} : { code: verdict.code })
      if (!verdict.accepted) return verdict
      const issuedAt = clock.now()
      const times = { issuedAt, expiresAt: issuedAt + LIFETIME_MS }
      return {
        accepted: true,
        issue: () => credentialFor(cluster, expected.peerId!, cluster.onboarder, verdict.judged, times),
      }
    },
    standingProof: () => ({ credential: cluster.onboarder.credential, evidence: encodeEvidence(cluster.onboarder.evidence) }),
    withSecrets: (use) => cluster.keyring.withSecrets(use),
    admit: (peerId, credential) => admitted.push({ peerId, credential }),
    publicAddresses: () => [],
    onStep: (step) => steps.push(step),
    ...changes,
  }
  return { role, admitted, steps, judgements }
}

/** J; remembers the quotes that it made and the keyrings that it adopted. */
export const joinerRole = (cluster: TestCluster, clock: FakeClock, changes: Partial<JoinerRole<Keyring, NodePolicy>> = {}) => {
  const attested: Binding[] = []
  const adopted: Keyring[] = []
  const lent: Uint8Array[] = []
  const steps: JoinerStep[] = []
  const role: JoinerRole<Keyring, NodePolicy> = {
    anchoredGenesisHash: cluster.genesisHash,
    async attest(binding) {
      attested.push(binding)
      return cluster.joiner.node.evidence(binding)
    },
    adopt(entries) {
      lent.push(...entries.map(({ secret }) => secret))
      const keyring = Keyring.fromSecrets(entries)
      adopted.push(keyring)
      return keyring
    },
    openPolicy: (canonical) => openNodePolicy(canonical, (policy) => createVerifier({ policy, clock })),
    onStep: (step) => steps.push(step),
    ...changes,
  }
  return { role, attested, adopted, lent, steps }
}

/** Hello by hand, up to P's challenge. */
export const greet = async (cluster: TestCluster, hand: HandPeer, joinerNonce = bytes(32, 0x11), parties = cluster.parties) => {
  const message1 = encodeHello({ clusterId: parties.clusterId, joinerNonce })
  hand.send(message1)
  const message2 = await hand.read()
  return { message1, message2, joinerNonce, challenge: decodeChallenge(message2) }
}
export type Greeting = Awaited<ReturnType<typeof greet>>

/** What an honest J's quote binds after this greeting. */
export const bindingAfter = (cluster: TestCluster, { joinerNonce, challenge }: Greeting, kemPublicKey: Uint8Array): Binding =>
  onboardBinding(cluster.parties, joinerNonce, challenge.onboarderNonce, kemPublicKey)

export const requestOf = (kemPublicKey: Uint8Array, evidence: Evidence): Uint8Array =>
  encodeRequest({ kemPublicKey, evidence: encodeEvidence(evidence) })

/** What a P that is played by hand does otherwise than an honest one. */
export interface Deviations {
  genesisHash?: Uint8Array
  challenge?: (honest: Challenge, hello: { joinerNonce: Uint8Array }) => Challenge
  /** Instead of message 2, as bytes. */
  message2?: (honest: Uint8Array) => Uint8Array
  plaintext?: (honest: GrantPlaintext, tdDigest: Uint8Array) => GrantPlaintext | Promise<GrantPlaintext>
  /** Instead of the encoded plaintext. */
  plaintextBytes?: (honest: Uint8Array) => Uint8Array
  aad?: (honest: Uint8Array) => Uint8Array
  grant?: (honest: Grant) => Grant
  /** Instead of message 4, as bytes. */
  message4?: (honest: Uint8Array) => Uint8Array
}

export const signChallenge = (
  keyring: Keyring,
  parties: Parties,
  joinerNonce: Uint8Array,
  challenge: Omit<Challenge, 'signature'>,
) =>
  keyring.signAsCluster(
    'onboard-challenge',
    fieldList([
      parties.clusterId,
      parties.joiner,
      parties.onboarder,
      joinerNonce,
      challenge.onboarderNonce,
      challenge.genesisHash,
    ]),
  )

/** P by hand, honest but for `deviations`; resolves when message 4 is sent. */
export const serveByHand = async (cluster: TestCluster, hand: HandPeer, clock: FakeClock, deviations: Deviations = {}) => {
  const { parties, keyring } = cluster
  const message1 = await hand.read()
  const joinerNonce = message1.slice(-32)
  const unsigned = { onboarderNonce: bytes(32, 0x22), genesisHash: deviations.genesisHash ?? cluster.genesisHash }
  const honest = { ...unsigned, signature: signChallenge(keyring, parties, joinerNonce, unsigned) }
  const encoded = encodeChallenge(deviations.challenge?.(honest, { joinerNonce }) ?? honest)
  const message2 = deviations.message2?.(encoded) ?? encoded
  hand.send(message2)

  const message3 = await hand.read()
  const request = decodeRequest(message3)
  // A false P does not judge; it needs what an honest one would have found.
  const { td } = parseQuote(decodeEvidence(request.evidence).quote)
  const tdDigest = Uint8Array.from(createHash('sha384').update(td.bytes).digest())
  const issuedAt = clock.now()
  const plaintext: GrantPlaintext = {
    keyring: [{ epoch: 0, secret: Uint8Array.from(SECRET) }],
    credential: credentialFor(
      cluster,
      cluster.joiner.id,
      cluster.onboarder,
      { tdDigest },
      { issuedAt, expiresAt: issuedAt + LIFETIME_MS },
    ),
    genesis: encodeGenesisBundle(cluster.genesis),
    onboarderCredential: cluster.onboarder.credential,
    onboarderEvidence: encodeEvidence(cluster.onboarder.evidence),
  }
  const sent = (await deviations.plaintext?.(plaintext, tdDigest)) ?? plaintext
  const sentBytes = encodeGrantPlaintext(sent)
  const aad = transcriptHash(message1, message2, message3)
  const sealed = await hpkeSealer(seededRandom('P by hand')).seal(
    request.kemPublicKey,
    deviations.plaintextBytes?.(sentBytes) ?? sentBytes,
    deviations.aad?.(aad) ?? aad,
  )
  const message4 = encodeGrant(deviations.grant?.(sealed) ?? sealed)
  hand.send(deviations.message4?.(message4) ?? message4)
  return { message1, message2, message3, message4 }
}
