// Writes vectors.json of protocols/{wire,records,onboard,membership,challenge,evidence}: messages, whole and broken, with what an implementation must make of
// them. The same on every machine. `--check` compares instead of writing.
import { createHash, createPrivateKey, sign } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import { RecordEnvelope } from '@libp2p/peer-record'
import {
  type Digest,
  digestPages,
  emptyTable,
  encodeGossip,
  judgeRecord,
  membersTopic,
  merge,
  openRecord,
  recordRules,
  republishIntervalMs,
  SEQUENCE_MAX,
  syncIntervalMs,
  wantPages,
} from '../protocols/membership/index.ts'
import { encodeSync, encodeSyncRefusal } from '../protocols/membership/messages.ts'
import { challenge, onboardBinding, transcriptHash } from '../protocols/onboard/exchange.ts'
import { HPKE_INFO, hpkeSealer } from '../protocols/onboard/index.ts'
import {
  decodeChallenge,
  decodeHello,
  encodeDone,
  encodeGrant,
  encodeGrantPlaintext,
  encodeHello,
  encodeRefusalMessage,
  encodeRequest,
} from '../protocols/onboard/messages.ts'
import { Credential as CredentialMessage } from '../protocols/records/credential.pb.ts'
import { GenesisRecord as GenesisRecordMessage } from '../protocols/records/genesis.pb.ts'
import {
  type CredentialBody,
  encodeEvidence,
  encodeGenesisBundle,
  encodeGenesisRecord,
  genesisBinding,
  genesisHash,
  ISSUED_AHEAD_MAX_MS,
  issueCredential,
  type MemberRecord,
  SUITE,
  sealMemberRecord,
} from '../protocols/records/index.ts'
import { MemberRecord as MemberMessage, MemberState } from '../protocols/records/member.pb.ts'
import {
  type Binding,
  clusterSignedBytes,
  concat,
  encodeRefusal,
  fieldList,
  formatClusterId,
  peerSignedBytes,
  REFUSAL_CODES,
  REPORT_DATA_CONTEXTS,
  reportData,
  u32be,
  u64be,
  utf8,
} from '../protocols/wire/index.ts'
import { Keyring } from '../src/keys/index.ts'
import { challengeVectors } from './challenge-vectors.ts'
import { evidenceVectors } from './evidence-vectors.ts'

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
const unhex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'hex'))
const sha256 = (...parts: (string | Uint8Array)[]): Uint8Array => {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return Uint8Array.from(hash.digest())
}
/** Bytes that nobody chose: SHA-256 of a label, repeated with a counter. */
const filler = (label: string, length: number): Uint8Array =>
  concat(Array.from({ length: Math.ceil(length / 32) }, (_, index) => sha256(`dstack-mesh vectors/${label}/${index}`))).slice(
    0,
    length,
  )
const flipped = (bytes: Uint8Array, index: number): Uint8Array =>
  bytes.map((byte, at) => (at === (index + bytes.length) % bytes.length ? byte ^ 1 : byte))

// Protobuf by hand, for what no codec writes.
const varint = (value: number): Uint8Array =>
  value < 0x80 ? Uint8Array.of(value) : concat([Uint8Array.of((value & 0x7f) | 0x80), varint(Math.floor(value / 0x80))])
const len = (field: number, ...content: Uint8Array[]): Uint8Array => {
  const body = concat(content)
  return concat([varint(field * 8 + 2), varint(body.length), body])
}
const uint = (field: number, value: number): Uint8Array => concat([varint(field * 8), varint(value)])

const NOW_MS = Date.UTC(2026, 5, 1, 12)
const LIFETIME_MS = 3_600_000
const SECRET = filler('root secret', 32)

const keyring = Keyring.fromSecrets([{ epoch: 0, secret: SECRET }])
const otherKeyring = Keyring.fromSecrets([{ epoch: 0, secret: filler('another root secret', 32) }])
const { clusterId } = keyring

const peer = async (label: string) => {
  const seed = filler(`peer key ${label}`, 32)
  const key = await generateKeyPairFromSeed('Ed25519', seed)
  return { seed, key, id: key.publicKey.toMultihash().bytes }
}
type Peer = Awaited<ReturnType<typeof peer>>
const [joiner, onboarder, stranger] = await Promise.all(
  ['joiner', 'onboarder', 'stranger'].map(peer) as [Promise<Peer>, Promise<Peer>, Promise<Peer>],
)

const signWithSeed = (seed: Uint8Array, bytes: Uint8Array): Uint8Array => {
  const der = concat([unhex('302e020100300506032b657004220420'), seed])
  return Uint8Array.from(sign(null, bytes, createPrivateKey({ key: Buffer.from(der), format: 'der', type: 'pkcs8' })))
}

const wireVectors = () => {
  const text = formatClusterId(clusterId)
  const bytes = utf8('what is signed')
  const clusterSigned = clusterSignedBytes('genesis', bytes)
  const peerSigned = peerSignedBytes('credential', bytes)
  const byCluster = keyring.signAsCluster('genesis', bytes)
  const byPeer = signWithSeed(joiner.seed, peerSigned)
  const peerKey = joiner.id.slice(6)
  const order = 2n ** 252n + 27742317777372353535851937790883648493n
  const s = BigInt(`0x${hex(byPeer.slice(32).reverse())}`) + order
  const beyond = concat([byPeer.slice(0, 32), unhex(s.toString(16).padStart(64, '0')).reverse()])
  const busy = {
    code: 'busy' as const,
    retryAfterMs: 1500,
    addresses: ['/ip4/192.0.2.1/tcp/4001', '/dns4/node.example/tcp/4001'],
  }
  const address = len(3, utf8('/ip4/192.0.2.1/tcp/4001'))
  const message = filler('message', 130)
  const prefixed = concat([varint(130), message])
  return {
    clusterIds: {
      valid: [clusterId, new Uint8Array(32), new Uint8Array(32).fill(255)].map((id) => ({
        bytes: hex(id),
        text: formatClusterId(id),
      })),
      invalid: [
        { why: 'lower case', text: text.toLowerCase() },
        {
          why: 'a letter changed: the checksum does not fit',
          text: `${text.slice(0, 9)}${text[9] === 'A' ? 'B' : 'A'}${text.slice(10)}`,
        },
        { why: 'a secret seed', text: `S${text.slice(1)}` },
        { why: 'too short', text: text.slice(0, -1) },
        { why: 'padded', text: `${text}=` },
        { why: 'empty', text: '' },
      ],
    },
    fieldLists: [
      [],
      [new Uint8Array(0)],
      [unhex('aabb'), new Uint8Array(0), unhex('cc')],
      [unhex('aa'), unhex('bb')],
      [unhex('aabb')],
    ].map((fields) => ({
      fields: fields.map(hex),
      bytes: hex(fieldList(fields)),
    })),
    numbers: [
      { u32: 0, bytes: hex(u32be(0)) },
      { u32: 0xffff_ffff, bytes: hex(u32be(0xffff_ffff)) },
      { u64: `${NOW_MS}`, bytes: hex(u64be(NOW_MS)) },
    ],
    reportData: [
      ...REPORT_DATA_CONTEXTS.map((context) => ({ context, fields: [clusterId, joiner.id] })),
      { context: 'member/1', fields: [] },
    ].map(({ context, fields }) => ({ context, fields: fields.map(hex), reportData: hex(reportData({ context, fields })) })),
    peerIds: [
      { peerId: hex(joiner.id), publicKey: hex(peerKey) },
      { why: 'a secp256k1 key', peerId: `0025080212210${hex(filler('point', 33)).slice(1)}`, publicKey: null },
      { why: 'another hash function', peerId: `12${hex(joiner.id).slice(2)}`, publicKey: null },
      { why: 'a byte too many', peerId: `${hex(joiner.id)}00`, publicKey: null },
    ],
    signatures: [
      {
        by: 'cluster',
        context: 'genesis',
        publicKey: clusterId,
        bytes,
        signed: clusterSigned,
        signature: byCluster,
        valid: true,
      },
      { by: 'peer', context: 'credential', publicKey: peerKey, bytes, signed: peerSigned, signature: byPeer, valid: true },
      {
        why: 'another context',
        by: 'cluster',
        context: 'credential',
        publicKey: clusterId,
        bytes,
        signed: clusterSignedBytes('credential', bytes),
        signature: byCluster,
        valid: false,
      },
      {
        why: 'another domain',
        by: 'peer',
        context: 'credential',
        publicKey: peerKey,
        bytes,
        signed: peerSigned,
        signature: signWithSeed(joiner.seed, clusterSignedBytes('credential', bytes)),
        valid: false,
      },
      {
        why: 'another key',
        by: 'peer',
        context: 'credential',
        publicKey: onboarder.id.slice(6),
        bytes,
        signed: peerSigned,
        signature: byPeer,
        valid: false,
      },
      {
        why: 'a bit of R changed',
        by: 'peer',
        context: 'credential',
        publicKey: peerKey,
        bytes,
        signed: peerSigned,
        signature: flipped(byPeer, 0),
        valid: false,
      },
      {
        why: 'S beyond the order of the group',
        by: 'peer',
        context: 'credential',
        publicKey: peerKey,
        bytes,
        signed: peerSigned,
        signature: beyond,
        valid: false,
      },
      {
        why: 'a public key of order 1',
        by: 'peer',
        context: 'credential',
        publicKey: concat([Uint8Array.of(1), new Uint8Array(31)]),
        bytes,
        signed: peerSigned,
        signature: concat([Uint8Array.of(1), new Uint8Array(63)]),
        valid: false,
      },
    ].map(({ publicKey, bytes: content, signed, signature, ...rest }) => ({
      ...rest,
      publicKey: hex(publicKey),
      bytes: hex(content),
      signed: hex(signed),
      signature: hex(signature),
    })),
    refusals: {
      valid: [...REFUSAL_CODES.map((code) => ({ code })), busy].map((refusal) => ({
        message: hex(encodeRefusal(refusal)),
        refusal,
      })),
      tolerated: [
        {
          why: 'unknown fields are skipped',
          message: hex(concat([uint(1, 4), len(99, utf8('x')), uint(100, 7)])),
          refusal: { code: 'busy' },
        },
        {
          why: 'a retry-after of more than ten minutes counts as ten',
          message: hex(concat([uint(1, 4), uint(2, 0xffff_ffff)])),
          refusal: { code: 'busy', retryAfterMs: 600_000 },
        },
      ],
      malformed: [
        { why: 'no code', message: '' },
        { why: 'code 0', message: hex(uint(1, 0)) },
        { why: 'an unknown code', message: hex(uint(1, REFUSAL_CODES.length + 1)) },
        { why: 'the code twice', message: hex(concat([uint(1, 4), uint(1, 4)])) },
        { why: 'the code as a length-delimited field', message: hex(len(1, Uint8Array.of(4))) },
        { why: 'nine addresses', message: hex(concat([uint(1, 4), ...Array.from({ length: 9 }, () => address)])) },
        { why: 'an empty address', message: hex(concat([uint(1, 4), len(3)])) },
        { why: 'an address of 257 bytes', message: hex(concat([uint(1, 4), len(3, new Uint8Array(257).fill(0x61))])) },
        { why: 'an address that is not UTF-8', message: hex(concat([uint(1, 4), len(3, unhex('c080'))])) },
        { why: 'a field cut off', message: hex(concat([uint(1, 4), address]).slice(0, -1)) },
        { why: 'a varint longer than it need be', message: '088400' },
        { why: 'a field key longer than it need be', message: '88800004' },
        { why: 'a varint of eleven bytes', message: `08${'80'.repeat(10)}01` },
        { why: 'a varint of more than 64 bits', message: `9806${'ff'.repeat(9)}02${hex(uint(1, 4))}` },
        { why: 'a group', message: `${hex(uint(1, 4))}9b069c06` },
        { why: 'field number 0', message: `${hex(uint(1, 4))}0001` },
      ],
    },
    frames: [
      { limit: 130, stream: prefixed, messages: [message] },
      { limit: 130, stream: concat([prefixed, Uint8Array.of(1, 7)]), messages: [message, Uint8Array.of(7)] },
      { why: 'one byte above the limit', limit: 129, stream: prefixed, outcome: 'malformed' },
      { why: 'empty', limit: 130, stream: Uint8Array.of(0), outcome: 'malformed' },
      { why: 'a length longer than it need be', limit: 130, stream: Uint8Array.of(0x81, 0x00, 0x07), outcome: 'malformed' },
      {
        why: 'a length of more than four bytes',
        limit: 130,
        stream: Uint8Array.of(0x80, 0x80, 0x80, 0x80, 0x01),
        outcome: 'malformed',
      },
      { why: 'the stream ends within a message', limit: 130, stream: prefixed.slice(0, 100), outcome: 'eof' },
      { why: 'the stream ends within a length', limit: 130, stream: Uint8Array.of(0x82), outcome: 'eof' },
    ].map(({ stream, messages, ...rest }) => ({
      ...rest,
      stream: hex(stream),
      ...(messages !== undefined && { outcome: 'messages', messages: messages.map(hex) }),
    })),
  }
}

// Records.

const policy = utf8('{"measurements":[{"any":true}],"roots":["intel"],"tee":["tdx"],"version":1}')
const publicKeys = keyring.publicKeys()
const genesisRecord = {
  network: utf8('file'),
  clusterPublicKey: publicKeys.cluster,
  k256RootPublicKey: publicKeys.k256Root,
  caRootPublicKey: publicKeys.caRoot,
  policyHash: sha256(policy),
  createdAt: NOW_MS,
}
const genesisBytes = encodeGenesisRecord(genesisRecord)
/** Of the right form, but no quote: no judge accepts it. */
const evidenceOver = (label: string, binding: Binding): Uint8Array =>
  encodeEvidence({
    quote: filler(`quote ${label}`, 64),
    eventLog: [
      { name: 'app-id', payload: filler('app', 32).slice(0, 20) },
      { name: 'compose-hash', payload: filler('app', 32) },
      { name: 'instance-id', payload: new Uint8Array(0) },
      { name: 'key-provider', payload: clusterId },
    ],
    binding,
  })
const genesisBundle = {
  record: genesisBytes,
  signature: keyring.signAsCluster('genesis', genesisBytes),
  policy,
  evidence: evidenceOver('genesis', genesisBinding(genesisBytes)),
}

const tdDigests = { joiner: filler('TD of the joiner', 48), onboarder: filler('TD of the onboarder', 48) }
const bodyOf = (subject: Uint8Array, issuer: Uint8Array, tdDigest: Uint8Array): CredentialBody => ({
  clusterId,
  peerId: subject,
  epoch: 0,
  tdDigest,
  judged: {
    mrTd: filler('mrTd', 48),
    rtmr: [0, 1, 2, 3].map((index) => filler(`rtmr${index}`, 48)),
    mrConfigId: new Uint8Array(48),
    mrOwner: new Uint8Array(48),
    mrOwnerConfig: new Uint8Array(48),
    appIds: [filler('app', 32).slice(0, 20)],
    platformId: filler('platform', 32),
    tcbStatus: 'UpToDate',
    tcbEvaluationDataNumber: 17,
  },
  issuer,
  issuedAt: NOW_MS,
  expiresAt: NOW_MS + LIFETIME_MS,
})
const credential = (body: CredentialBody, issuer: Peer, ring = keyring): Uint8Array =>
  issueCredential(body, {
    asCluster: (context, bytes) => ring.signAsCluster(context, bytes),
    asPeer: (context, bytes) => signWithSeed(issuer.seed, peerSignedBytes(context, bytes)),
  })
const joinerBody = bodyOf(joiner.id, onboarder.id, tdDigests.joiner)
const joinerCredential = credential(joinerBody, onboarder)
const onboarderCredential = credential(bodyOf(onboarder.id, onboarder.id, tdDigests.onboarder), onboarder)

const credentialCases = () => {
  const message = CredentialMessage.decode(joinerCredential)
  const changed = (changes: Partial<CredentialBody>) => credential({ ...joinerBody, ...changes }, onboarder)
  return [
    { outcome: 'holds', bytes: joinerCredential },
    { outcome: 'holds', why: 'self-issued', bytes: onboarderCredential },
    { outcome: 'holds', why: 'issued two minutes ahead', bytes: changed({ issuedAt: NOW_MS + ISSUED_AHEAD_MAX_MS }) },
    { outcome: 'wrong_cluster', bytes: changed({ clusterId: otherKeyring.clusterId }) },
    { outcome: 'unknown_epoch', bytes: changed({ epoch: 1 }) },
    {
      outcome: 'bad_cluster_signature',
      why: 'signed by another cluster',
      bytes: credential(joinerBody, onboarder, otherKeyring),
    },
    {
      outcome: 'bad_cluster_signature',
      why: 'signed in another context',
      bytes: CredentialMessage.encode({ ...message, clusterSignature: keyring.signAsCluster('genesis', message.body) }),
    },
    { outcome: 'bad_issuer_signature', why: 'signed by another peer than its issuer', bytes: credential(joinerBody, stranger) },
    {
      outcome: 'bad_issuer_signature',
      why: 'an issuer that is no ed25519 peer id',
      bytes: changed({ issuer: new Uint8Array(38) }),
    },
    { outcome: 'issued_in_the_future', bytes: changed({ issuedAt: NOW_MS + ISSUED_AHEAD_MAX_MS + 1 }) },
    { outcome: 'lifetime_too_long', bytes: changed({ expiresAt: NOW_MS + LIFETIME_MS + 1 }) },
    { outcome: 'lifetime_too_long', why: 'it ends before it begins', bytes: changed({ expiresAt: NOW_MS - 1 }) },
    { outcome: 'expired', bytes: changed({ issuedAt: NOW_MS - LIFETIME_MS, expiresAt: NOW_MS }) },
    { outcome: 'malformed', why: 'cut off', bytes: joinerCredential.slice(0, -1) },
    { outcome: 'malformed', why: 'the body twice', bytes: concat([joinerCredential, len(1, message.body)]) },
    { outcome: 'malformed', why: 'a TD digest of 32 bytes', bytes: changed({ tdDigest: filler('short', 32) }) },
    { outcome: 'malformed', why: 'no issuer', bytes: changed({ issuer: new Uint8Array(0) }) },
    {
      outcome: 'malformed',
      why: 'a signature of 63 bytes',
      bytes: CredentialMessage.encode({ ...message, issuerSignature: new Uint8Array(63) }),
    },
  ].map(({ bytes, ...rest }) => ({ ...rest, bytes: hex(bytes) }))
}

const memberCases = async () => {
  const record: MemberRecord = {
    clusterId,
    peerId: joiner.id,
    addresses: ['/ip4/192.0.2.1/tcp/4001', '/dns4/node.example/tcp/4001'],
    public: true,
    epoch: 0,
    sequence: 42n,
    state: 'active',
    credential: joinerCredential,
    sentAt: NOW_MS,
  }
  const sealed = await sealMemberRecord(record, joiner.key)
  const message = { ...record, addresses: [], state: MemberState.active }
  const seal = async (payload: Uint8Array, domain = 'dstack-mesh/member-record/1', type = '/dstack/member-record/1') => {
    const content = { domain, codec: utf8(type), marshal: () => payload, equals: () => false }
    return (await RecordEnvelope.seal(content, joiner.key)).marshal()
  }
  const payload = MemberMessage.encode(message)
  const cases = [
    { outcome: 'opens', bytes: sealed },
    {
      outcome: 'opens',
      why: 'leaving, without addresses',
      bytes: await sealMemberRecord({ ...record, addresses: [], public: false, state: 'leaving' }, joiner.key),
    },
    { outcome: 'malformed', why: 'signed by another peer', bytes: await sealMemberRecord(record, onboarder.key) },
    { outcome: 'malformed', why: 'another domain', bytes: await seal(payload, 'libp2p-peer-record') },
    { outcome: 'malformed', why: 'another payload type', bytes: await seal(payload, undefined, '/dstack/member-record/2') },
    {
      outcome: 'malformed',
      why: 'state 0',
      bytes: await seal(MemberMessage.encode({ ...message, state: MemberState.unspecified })),
    },
    {
      outcome: 'malformed',
      why: 'an address that is no multiaddr',
      bytes: await seal(MemberMessage.encode({ ...message, addresses: [unhex('ffffffff')] })),
    },
    { outcome: 'malformed', why: 'a bit of the signature changed', bytes: flipped(sealed, -1) },
    { outcome: 'malformed', why: 'the key in another encoding, which no signature covers', bytes: flipped(sealed, 2) },
    { outcome: 'malformed', why: 'an unknown field in the envelope', bytes: concat([sealed, len(99)]) },
    { outcome: 'malformed', why: 'a second signature', bytes: concat([sealed, len(5, new Uint8Array(64))]) },
    { outcome: 'malformed', why: 'cut off', bytes: sealed.slice(0, -1) },
  ]
  const { clusterId: id, peerId, sequence, credential: bytes, ...plain } = record
  return {
    record: { ...plain, clusterId: hex(id), peerId: hex(peerId), sequence: `${sequence}`, credential: hex(bytes) },
    cases: cases.map(({ bytes: envelope, ...rest }) => ({ ...rest, bytes: hex(envelope) })),
  }
}

const genesisCases = () => {
  const raw = { ...genesisRecord, version: 1, suite: [...SUITE] as string[] }
  const encode = (changes: Partial<typeof raw>) => GenesisRecordMessage.encode({ ...raw, ...changes })
  return {
    records: [
      { outcome: 'decodes', bytes: genesisBytes, hash: hex(genesisHash(genesisBytes)) },
      {
        outcome: 'decodes',
        why: 'anchored on a network',
        bytes: encode({ network: sha256('Test SDF Network ; September 2015') }),
      },
      { outcome: 'unsupported', why: 'version 2', bytes: encode({ version: 2 }) },
      { outcome: 'unsupported', why: 'no version', bytes: encode({ version: 0 }) },
      { outcome: 'unsupported', why: 'a name too many in the suite', bytes: encode({ suite: [...SUITE, 'more'] }) },
      { outcome: 'unsupported', why: 'the suite in another order', bytes: encode({ suite: [...SUITE].reverse() }) },
      { outcome: 'malformed', why: 'a network that is neither a hash nor "file"', bytes: encode({ network: utf8('fire') }) },
      { outcome: 'malformed', why: 'an uncompressed secp256k1 key', bytes: encode({ k256RootPublicKey: filler('point', 65) }) },
      { outcome: 'malformed', why: 'no policy hash', bytes: encode({ policyHash: new Uint8Array(0) }) },
      { outcome: 'malformed', why: 'created twice', bytes: concat([genesisBytes, uint(8, 1)]) },
    ].map(({ bytes, ...rest }) => ({ ...rest, bytes: hex(bytes) })),
    bundles: [
      { outcome: 'holds', bytes: encodeGenesisBundle(genesisBundle) },
      {
        outcome: 'bad_signature',
        why: 'a bit changed',
        bytes: encodeGenesisBundle({ ...genesisBundle, signature: flipped(genesisBundle.signature, 0) }),
      },
      {
        outcome: 'bad_signature',
        why: 'signed by another cluster',
        bytes: encodeGenesisBundle({ ...genesisBundle, signature: otherKeyring.signAsCluster('genesis', genesisBytes) }),
      },
      {
        outcome: 'bad_signature',
        why: 'signed in another context',
        bytes: encodeGenesisBundle({ ...genesisBundle, signature: keyring.signAsCluster('credential', genesisBytes) }),
      },
      { outcome: 'malformed', why: 'no evidence', bytes: encodeGenesisBundle({ ...genesisBundle, evidence: new Uint8Array(0) }) },
      { outcome: 'malformed', why: 'cut off', bytes: encodeGenesisBundle(genesisBundle).slice(0, -1) },
    ].map(({ bytes, ...rest }) => ({ ...rest, bytes: hex(bytes) })),
  }
}

const evidenceCases = () => {
  const binding = { context: 'member/1', fields: [clusterId, joiner.id, u32be(0), u64be(NOW_MS)] }
  const good = evidenceOver('member', binding)
  return [
    { outcome: 'decodes', bytes: good },
    { outcome: 'malformed', why: 'no quote', bytes: len(4, len(1, utf8('member/1'))) },
    { outcome: 'malformed', why: 'no binding', bytes: len(1, filler('quote', 64)) },
    { outcome: 'malformed', why: 'two bindings', bytes: concat([good, len(4, len(1, utf8('member/1')))]) },
    {
      outcome: 'malformed',
      why: 'nine fields',
      bytes: evidenceOver('member', { ...binding, fields: Array.from({ length: 9 }, () => clusterId) }),
    },
    { outcome: 'malformed', why: 'collateral without its parts', bytes: concat([good, len(2)]) },
    { outcome: 'malformed', why: 'cut off', bytes: good.slice(0, -1) },
  ].map(({ bytes, ...rest }) => ({ ...rest, bytes: hex(bytes) }))
}

const recordVectors = async () => ({
  cluster: {
    rootSecret: hex(SECRET),
    clusterId: hex(clusterId),
    k256RootPublicKey: hex(publicKeys.k256Root),
    caRootPublicKey: hex(publicKeys.caRoot),
  },
  peers: Object.fromEntries(
    Object.entries({ joiner, onboarder, stranger }).map(([name, { seed, id }]) => [name, { seed: hex(seed), peerId: hex(id) }]),
  ),
  genesis: {
    ...genesisCases(),
    reportData: hex(reportData(genesisBinding(genesisBytes))),
    policy: hex(policy),
    policyHash: hex(sha256(policy)),
  },
  credentials: { nowMs: NOW_MS, lifetimeMs: LIFETIME_MS, signingPublicKeys: { 0: hex(clusterId) }, cases: credentialCases() },
  memberRecords: await memberCases(),
  evidence: evidenceCases(),
})

// The onboard exchange, every random draw given.

const onboardVectors = async () => {
  const parties = { clusterId, joiner: joiner.id, onboarder: onboarder.id }
  const draws = {
    joinerNonce: filler('joiner nonce', 32),
    kemSeed: filler('KEM seed', 32),
    onboarderNonce: filler('onboarder nonce', 32),
    encapsulation: filler('encapsulation randomness', 64),
  }
  const sealer = (...values: Uint8Array[]) => hpkeSealer({ bytes: () => Uint8Array.from(values.shift()!) })

  const message1 = encodeHello({ clusterId, joinerNonce: draws.joinerNonce })
  const challengeSigned = fieldList([
    clusterId,
    joiner.id,
    onboarder.id,
    draws.joinerNonce,
    draws.onboarderNonce,
    genesisHash(genesisBytes),
  ])
  const message2 = challenge(parties, decodeHello(message1), {
    nonce: draws.onboarderNonce,
    genesisHash: genesisHash(genesisBytes),
    signAsCluster: (context, bytes) => keyring.signAsCluster(context, bytes),
  })
  const key = await sealer(draws.kemSeed).generate()
  const binding = onboardBinding(parties, draws.joinerNonce, draws.onboarderNonce, key.publicKey)
  const message3 = encodeRequest({ kemPublicKey: key.publicKey, evidence: evidenceOver('joiner', binding) })
  const aad = transcriptHash(message1, message2, message3)
  const memberBinding = { context: 'member/1', fields: [clusterId, onboarder.id, u32be(0), u64be(NOW_MS)] }
  const plaintext = encodeGrantPlaintext({
    keyring: [{ epoch: 0, secret: SECRET }],
    credential: joinerCredential,
    genesis: encodeGenesisBundle(genesisBundle),
    onboarderCredential,
    onboarderEvidence: evidenceOver('onboarder', memberBinding),
  })
  const sealed = await sealer(draws.encapsulation).seal(key.publicKey, plaintext, aad)
  const message4 = encodeGrant(sealed)
  const message5 = encodeDone()

  const hello = decodeHello(message1)
  const { onboarderNonce, genesisHash: hash, signature } = decodeChallenge(message2)
  const cid = len(1, clusterId)
  const from = (
    sender: 'FromJoiner' | 'FromOnboarder',
    expects: string,
    cases: { why?: string; outcome: string; bytes: Uint8Array }[],
  ) =>
    cases.map(({ why, outcome, bytes }) => ({ sender, expects, ...(why !== undefined && { why }), outcome, bytes: hex(bytes) }))
  return {
    parties: { clusterId: hex(clusterId), joiner: hex(joiner.id), onboarder: hex(onboarder.id) },
    nowMs: NOW_MS,
    credentialLifetimeMs: LIFETIME_MS,
    tdDigests: { joiner: hex(tdDigests.joiner), onboarder: hex(tdDigests.onboarder) },
    exchange: {
      draws: Object.fromEntries(Object.entries(draws).map(([name, value]) => [name, hex(value)])),
      rootSecret: hex(SECRET),
      genesisHash: hex(genesisHash(genesisBytes)),
      challengeSigned: hex(clusterSignedBytes('onboard-challenge', challengeSigned)),
      kemDecapsulationKey: createHash('shake256', { outputLength: 32 }).update(draws.kemSeed).digest('hex'),
      kemPublicKey: hex(key.publicKey),
      binding: { context: binding.context, fields: binding.fields.map(hex) },
      reportData: hex(reportData(binding)),
      messages: [message1, message2, message3, message4, message5].map(hex),
      info: hex(utf8(HPKE_INFO)),
      aad: hex(aad),
      plaintext: hex(plaintext),
      enc: hex(sealed.enc),
      ciphertext: hex(sealed.ciphertext),
    },
    messages: [
      ...from('FromJoiner', 'hello', [
        { outcome: 'decodes', bytes: message1 },
        { outcome: 'decodes', why: 'with an unknown field', bytes: concat([message1, len(99)]) },
        { outcome: 'malformed', why: 'another message', bytes: message5 },
        { outcome: 'malformed', why: 'no nonce', bytes: len(1, cid) },
        { outcome: 'malformed', why: 'a nonce of 31 bytes', bytes: len(1, cid, len(2, hello.joinerNonce.slice(1))) },
        { outcome: 'malformed', why: 'the cluster id twice', bytes: len(1, cid, cid, len(2, hello.joinerNonce)) },
        { outcome: 'malformed', why: 'two members of the oneof', bytes: concat([message1, message5]) },
        { outcome: 'malformed', why: 'no member of the oneof', bytes: len(99) },
        { outcome: 'malformed', why: 'cut off', bytes: message1.slice(0, -1) },
      ]),
      ...from('FromOnboarder', 'challenge', [
        { outcome: 'decodes', bytes: message2 },
        { outcome: 'malformed', why: 'another message', bytes: message4 },
        { outcome: 'malformed', why: 'no signature', bytes: len(1, len(1, onboarderNonce), len(2, hash)) },
        {
          outcome: 'malformed',
          why: 'a signature of 65 bytes',
          bytes: len(1, len(1, onboarderNonce), len(2, hash), len(3, signature, Uint8Array.of(0))),
        },
        ...REFUSAL_CODES.map((code) => ({ outcome: `refused: ${code}`, bytes: encodeRefusalMessage({ code }) })),
        { outcome: 'malformed', why: 'a refusal without a code', bytes: len(3, uint(2, 5)) },
        {
          outcome: 'malformed',
          why: 'a refusal beside a challenge',
          bytes: concat([message2, encodeRefusalMessage({ code: 'busy' })]),
        },
      ]),
      ...from('FromJoiner', 'request', [
        { outcome: 'decodes', bytes: message3 },
        { outcome: 'malformed', why: 'the Hello again', bytes: message1 },
        { outcome: 'malformed', why: 'no evidence', bytes: len(2, len(1, key.publicKey)) },
        {
          outcome: 'malformed',
          why: 'a KEM key of 1,215 bytes',
          bytes: len(2, len(1, key.publicKey.slice(1)), len(2, filler('evidence', 64))),
        },
      ]),
      ...from('FromOnboarder', 'grant', [
        { outcome: 'decodes', bytes: message4 },
        { outcome: 'refused: bad_binding', bytes: encodeRefusalMessage({ code: 'bad_binding' }) },
        { outcome: 'malformed', why: 'the challenge again', bytes: message2 },
        {
          outcome: 'malformed',
          why: 'an encapsulation of 1,119 bytes',
          bytes: len(2, len(1, sealed.enc.slice(1)), len(2, sealed.ciphertext)),
        },
        {
          outcome: 'malformed',
          why: 'a ciphertext that is nothing but a tag',
          bytes: len(2, len(1, sealed.enc), len(2, sealed.ciphertext.slice(-16))),
        },
      ]),
      ...from('FromJoiner', 'done', [
        { outcome: 'decodes', bytes: message5 },
        { outcome: 'malformed', why: 'another message', bytes: message1 },
        { outcome: 'malformed', why: 'empty', bytes: new Uint8Array(0) },
      ]),
    ],
    // The grant above with the lowest bit of one byte turned (negative: from the end).
    unopened: [
      { part: 'aad', at: 0 },
      { part: 'ciphertext', at: 0 },
      { why: 'the tag', part: 'ciphertext', at: -1 },
      { why: "ML-KEM's ciphertext", part: 'enc', at: 0 },
      { why: "X25519's public key", part: 'enc', at: 1088 },
    ].map((each) => ({ ...each, outcome: 'grant_not_for_us' })),
    // The KEM key above with some bytes replaced.
    unsealable: [
      ...[
        '0000000000000000000000000000000000000000000000000000000000000000',
        '0100000000000000000000000000000000000000000000000000000000000000',
        'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
        '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157',
        'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
        'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
        'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
      ].map((point) => ({ why: 'an X25519 key of low order', outcome: 'malformed', at: 1184, bytes: point })),
      { why: 'an ML-KEM coefficient beyond the modulus', outcome: 'malformed', at: 0, bytes: 'ffffff' },
    ],
  }
}

// Membership: the reader is the onboarder, whose table has the joiner by a credential that it issued itself.

const membershipVectors = async () => {
  const reader = onboarder
  const member = joiner
  const now = { wallMs: NOW_MS, monotonicMs: 0 }
  const rules = recordRules({
    clusterId,
    self: reader.id,
    lifetimeMs: LIFETIME_MS,
    signingPublicKey: (epoch) => (epoch === 0 ? clusterId : undefined),
  })
  const strangerTd = filler('TD of the stranger', 48)
  const body = bodyOf(stranger.id, member.id, strangerTd)
  const envelope = (subject: Peer, credentialBytes: Uint8Array, changes: Partial<MemberRecord> = {}, sealedBy = subject) =>
    sealMemberRecord(
      {
        clusterId,
        peerId: subject.id,
        addresses: ['/ip4/192.0.2.1/tcp/4001'],
        public: false,
        epoch: 0,
        sequence: 1n,
        state: 'active',
        credential: credentialBytes,
        sentAt: NOW_MS,
        ...changes,
      },
      sealedBy.key,
    )
  const known = await envelope(member, joinerCredential, { sequence: 5n })
  const opened = await openRecord(known)
  const { table } = merge(emptyTable, judgeRecord(opened, NOW_MS, rules).judged!, now)

  // What a gate and a validator make of a record, in the table above.
  const of = (changes: Partial<CredentialBody>, by = member, ring = keyring) => credential({ ...body, ...changes }, by, ring)
  const expired = { issuedAt: NOW_MS - LIFETIME_MS, expiresAt: NOW_MS }
  const sound = await envelope(stranger, of({}))
  const records: { why: string; peer: Peer; bytes: Uint8Array; gossip: string; gate: string }[] = [
    { why: 'sound', peer: stranger, bytes: sound, gossip: 'accept', gate: 'member' },
    {
      why: 'the last sequence',
      peer: stranger,
      bytes: await envelope(stranger, of({}), { sequence: SEQUENCE_MAX }),
      gossip: 'accept',
      gate: 'member',
    },
    {
      why: 'leaving',
      peer: stranger,
      bytes: await envelope(stranger, of({}), { state: 'leaving' }),
      gossip: 'accept',
      gate: 'not_member',
    },
    { why: 'the one that the table has', peer: member, bytes: known, gossip: 'ignore: stale', gate: 'member' },
    {
      why: 'older than what the table has',
      peer: member,
      bytes: await envelope(member, joinerCredential, { sequence: 4n }),
      gossip: 'ignore: stale',
      gate: 'member',
    },
    { why: 'by another peer', peer: member, bytes: sound, gossip: 'reject: not_its_author', gate: 'malformed' },
    {
      why: 'of another cluster',
      peer: stranger,
      bytes: await envelope(stranger, of({}), { clusterId: otherKeyring.clusterId }),
      gossip: 'reject: wrong_cluster',
      gate: 'not_member',
    },
    {
      why: 'with the credential of another',
      peer: stranger,
      bytes: await envelope(stranger, joinerCredential),
      gossip: 'reject: credential_of_another',
      gate: 'not_member',
    },
    {
      why: 'with a credential by another cluster',
      peer: stranger,
      bytes: await envelope(stranger, of({}, member, otherKeyring)),
      gossip: 'reject: bad_cluster_signature',
      gate: 'not_member',
    },
    {
      why: 'with a credential that its issuer did not sign',
      peer: stranger,
      bytes: await envelope(stranger, of({}, stranger)),
      gossip: 'reject: bad_issuer_signature',
      gate: 'not_member',
    },
    {
      why: 'with a credential of more than a lifetime',
      peer: stranger,
      bytes: await envelope(stranger, of({ expiresAt: NOW_MS + LIFETIME_MS + 1 })),
      gossip: 'reject: lifetime_too_long',
      gate: 'not_member',
    },
    {
      why: 'with a credential of another epoch',
      peer: stranger,
      bytes: await envelope(stranger, of({ epoch: 1 })),
      gossip: 'ignore: unknown_epoch',
      gate: 'not_member',
    },
    {
      why: 'with a credential that ran out',
      peer: stranger,
      bytes: await envelope(stranger, of(expired)),
      gossip: 'ignore: expired',
      gate: 'lapsed',
    },
    {
      why: 'with a credential that ran out and was by another cluster',
      peer: stranger,
      bytes: await envelope(stranger, of(expired, member, otherKeyring)),
      gossip: 'ignore: expired',
      gate: 'not_member',
    },
    {
      why: 'with a credential of the future',
      peer: stranger,
      bytes: await envelope(stranger, of({ issuedAt: NOW_MS + ISSUED_AHEAD_MAX_MS + 1 })),
      gossip: 'ignore: issued_in_the_future',
      gate: 'lapsed',
    },
    {
      why: 'sent in the future',
      peer: stranger,
      bytes: await envelope(stranger, of({}), { sentAt: NOW_MS + ISSUED_AHEAD_MAX_MS + 1 }),
      gossip: 'ignore: sent_in_the_future',
      gate: 'lapsed',
    },
    {
      why: 'self-issued',
      peer: stranger,
      bytes: await envelope(stranger, of({ issuer: stranger.id }, stranger)),
      gossip: 'ignore: self_issued',
      gate: 'lapsed',
    },
    {
      why: 'of the reader',
      peer: reader,
      bytes: await envelope(reader, onboarderCredential),
      gossip: 'ignore: own',
      gate: 'malformed',
    },
  ]

  const digest: Digest = { peerId: member.id, sequence: 5n, hash: opened.hash.slice(0, 8) }
  const packed = concat([digest.peerId, u64be(digest.sequence), digest.hash])
  const hint = { peerId: member.id, sequence: 5n, sentAt: NOW_MS }
  const [digests] = digestPages(table, now, [])
  const [want] = wantPages([member.id], [])
  const ends = { end: encodeSync({ kind: 'end' }), next: encodeSync({ kind: 'next' }) }
  return {
    topic: { clusterId: hex(clusterId), topic: membersTopic(clusterId) },
    nowMs: NOW_MS,
    lifetimeMs: LIFETIME_MS,
    reader: hex(reader.id),
    table: [hex(known)],
    records: records.map(({ peer, bytes, ...rest }) => ({ ...rest, peer: hex(peer.id), bytes: hex(bytes) })),
    gossip: [
      { outcome: 'record', bytes: encodeGossip({ kind: 'record', envelope: known }) },
      { outcome: 'revocation', bytes: encodeGossip({ kind: 'revocation', revocation: filler('revocation', 40) }) },
      { outcome: 'unreachable', bytes: encodeGossip({ kind: 'unreachable', hint }) },
      { outcome: 'malformed', why: 'empty', bytes: new Uint8Array(0) },
      { outcome: 'malformed', why: 'two members of the oneof', bytes: concat([len(1, known), len(2, filler('revocation', 40))]) },
      { outcome: 'malformed', why: 'a record of more than 8,192 bytes', bytes: len(1, new Uint8Array(8193)) },
      { outcome: 'malformed', why: 'an envelope that does not hold', bytes: len(1, flipped(known, -1)) },
      { outcome: 'malformed', why: 'a hint without a peer', bytes: len(3, uint(2, 5)) },
      { outcome: 'malformed', why: 'a peer id of 37 bytes', bytes: len(3, len(1, member.id.slice(1))) },
    ].map(({ bytes, ...rest }) => ({ ...rest, bytes: hex(bytes) })),
    sync: [
      { outcome: 'hello', bytes: encodeSync({ kind: 'hello', envelope: known }) },
      { outcome: 'digests', bytes: encodeSync(digests!) },
      { outcome: 'digests', why: 'none', bytes: len(3) },
      { outcome: 'records', bytes: encodeSync({ kind: 'records', envelopes: [known] }) },
      { outcome: 'want', bytes: encodeSync(want!) },
      { outcome: 'revocation', bytes: encodeSync({ kind: 'revocation', revocation: filler('revocation', 40) }) },
      { outcome: 'end', bytes: ends.end },
      { outcome: 'next', bytes: ends.next },
      { outcome: 'probe', bytes: encodeSync({ kind: 'probe', peerId: member.id }) },
      { outcome: 'probed', bytes: encodeSync({ kind: 'probed', reached: true }) },
      { outcome: 'refused: lapsed', bytes: encodeSyncRefusal({ code: 'lapsed' }) },
      { outcome: 'malformed', why: 'empty', bytes: new Uint8Array(0) },
      { outcome: 'malformed', why: 'two members of the oneof', bytes: concat([ends.end, ends.next]) },
      { outcome: 'malformed', why: 'a digest of 53 bytes', bytes: len(3, len(1, packed.slice(1))) },
      { outcome: 'malformed', why: '17 revocations', bytes: len(3, len(2, new Uint8Array(17 * 32))) },
      { outcome: 'malformed', why: '65 records', bytes: len(4, ...Array.from({ length: 65 }, () => len(1, known.slice(0, 9)))) },
      { outcome: 'malformed', why: 'a wanted peer id of 37 bytes', bytes: len(5, len(1, member.id.slice(1))) },
      { outcome: 'malformed', why: 'a probe of nobody', bytes: len(8) },
    ].map(({ bytes, ...rest }) => ({ ...rest, bytes: hex(bytes) })),
    intervals: [1, 5, 6, 25, 60, 61, 1_000, 10_000].map((members) => ({
      members,
      republishMs: republishIntervalMs(members),
      syncMs: syncIntervalMs(members),
    })),
  }
}

const files = {
  'protocols/wire/vectors.json': wireVectors(),
  'protocols/records/vectors.json': await recordVectors(),
  'protocols/onboard/vectors.json': await onboardVectors(),
  'protocols/membership/vectors.json': await membershipVectors(),
  'protocols/challenge/vectors.json': challengeVectors({
    clusterId,
    nowMs: NOW_MS,
    lifetimeMs: LIFETIME_MS,
    verifier: onboarder,
    member: joiner,
    stranger,
    evidenceOver,
    credential: joinerCredential,
    tdDigest: tdDigests.joiner,
    filler,
    flipped,
    hex,
    len,
    signWithSeed,
  }),
  'protocols/evidence/vectors.json': evidenceVectors({ clusterId, peerId: onboarder.id, filler, flipped, hex }),
}
const check = process.argv.includes('--check')
let stale = 0
for (const [path, vectors] of Object.entries(files)) {
  const text = `${JSON.stringify(vectors, null, 1)}\n`
  if (!check) writeFileSync(path, text)
  else if (readFileSync(path, 'utf8') !== text) {
    stale++
    console.error(`${path} is not what scripts/vectors.ts writes: run npm run vectors`)
  }
}
process.exitCode = stale > 0 ? 1 : 0
