import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { GenesisRecord as RecordMessage } from '../../../protocols/records/genesis.pb.ts'
import {
  ANCHOR_PROOF_LIMIT_BYTES,
  decodeGenesisBundle,
  decodeGenesisRecord,
  encodeGenesisBundle,
  encodeGenesisRecord,
  type GenesisRecord,
  genesisBinding,
  genesisHash,
  SUITE,
  UnsupportedError,
  verifyGenesisSignature,
} from '../../../protocols/records/index.ts'
import { MalformedError, utf8 } from '../../../protocols/wire/index.ts'
import { Keyring } from '../../../src/keys/index.ts'
import { bytes } from '../../attest/support.ts'
import { flipped, NOW_MS } from '../support.ts'
import { bytesOf, uint } from '../wire/protobuf.ts'

const keyring = Keyring.fromSecrets([{ epoch: 0, secret: bytes(32, 3) }])
const record: GenesisRecord = {
  network: utf8('file'),
  clusterPublicKey: keyring.clusterId,
  k256RootPublicKey: keyring.publicKeys().k256Root,
  caRootPublicKey: keyring.publicKeys().caRoot,
  policyHash: bytes(32, 4),
  createdAt: NOW_MS,
}
const encoded = encodeGenesisRecord(record)
const bundle = {
  record: encoded,
  signature: keyring.signAsCluster('genesis', encoded),
  policy: utf8('{}'),
  evidence: bytes(9, 9),
}
const raw = { ...record, version: 1, suite: [...SUITE] }

describe('a genesis record', () => {
  it('comes back as it was written, for a file and for a network', () => {
    assert.deepEqual(decodeGenesisRecord(encoded), record)
    const onNetwork = { ...record, network: bytes(32, 8) }
    assert.deepEqual(decodeGenesisRecord(encodeGenesisRecord(onNetwork)), onNetwork)
  })

  it('is named by the SHA-256 of its bytes, and bound by a quote as they are', () => {
    assert.deepEqual(Buffer.from(genesisHash(encoded)), createHash('sha256').update(encoded).digest())
    assert.deepEqual(genesisBinding(encoded), { context: 'genesis/1', fields: [encoded] })
  })

  it('of another version or suite is not judged', () => {
    const others = [
      { version: 0 },
      { version: 2 },
      { suite: [] },
      { suite: SUITE.slice(1) },
      { suite: [...SUITE, 'more'] },
      { suite: [...SUITE].reverse() },
    ]
    for (const other of others)
      assert.throws(() => decodeGenesisRecord(RecordMessage.encode({ ...raw, ...other })), UnsupportedError)
  })

  it('with a field that is missing, twice or of a wrong length is malformed', () => {
    const short = {
      network: bytes(31, 1),
      clusterPublicKey: bytes(31, 1),
      k256RootPublicKey: bytes(32, 1),
      caRootPublicKey: bytes(65, 1),
      policyHash: bytes(33, 1),
    }
    for (const [name, value] of Object.entries(short)) {
      assert.throws(() => decodeGenesisRecord(RecordMessage.encode({ ...raw, [name]: value })), MalformedError, name)
      assert.throws(() => decodeGenesisRecord(RecordMessage.encode({ ...raw, [name]: new Uint8Array(0) })), MalformedError, name)
    }
    assert.throws(() => decodeGenesisRecord(RecordMessage.encode({ ...raw, network: utf8('fire') })), MalformedError)
    assert.throws(() => decodeGenesisRecord(bytesOf(encoded, uint(8, NOW_MS))), MalformedError)
    for (let length = 0; length < encoded.length; length++) {
      // Cut between two fields it may lack no more than its time, which proto3 leaves out when it is zero.
      if (length !== encoded.length - 7)
        assert.throws(() => decodeGenesisRecord(encoded.subarray(0, length)), `cut after ${length}`)
    }
  })
})

describe('a genesis bundle', () => {
  it('comes back as it was written, and is signed by the key that its record names', () => {
    assert.deepEqual(decodeGenesisBundle(encodeGenesisBundle(bundle)), bundle)
    assert.deepEqual(verifyGenesisSignature(bundle), record)
  })

  it('carries a proof of its anchor or none, never an empty or an endless one', () => {
    const proven = { ...bundle, anchorProof: bytes(ANCHOR_PROOF_LIMIT_BYTES, 5) }
    assert.deepEqual(decodeGenesisBundle(encodeGenesisBundle(proven)), proven)
    for (const length of [0, ANCHOR_PROOF_LIMIT_BYTES + 1]) {
      const other = encodeGenesisBundle({ ...bundle, anchorProof: new Uint8Array(length) })
      assert.throws(() => decodeGenesisBundle(other), MalformedError, `${length} bytes`)
    }
  })

  it('is not believed when signature, record or context is another', () => {
    assert.equal(verifyGenesisSignature({ ...bundle, signature: flipped(bundle.signature) }), undefined)
    assert.equal(verifyGenesisSignature({ ...bundle, signature: keyring.signAsCluster('credential', encoded) }), undefined)
    const other = encodeGenesisRecord({ ...record, createdAt: NOW_MS + 1 })
    assert.equal(verifyGenesisSignature({ ...bundle, record: other }), undefined)
    const stranger = Keyring.fromSecrets([{ epoch: 0, secret: bytes(32, 5) }])
    assert.equal(verifyGenesisSignature({ ...bundle, signature: stranger.signAsCluster('genesis', encoded) }), undefined)
  })

  it('with a part that is missing or too large is malformed', () => {
    for (const [name, size] of [
      ['record', 1025],
      ['signature', 65],
      ['policy', 65_537],
      ['evidence', 262_145],
    ] as const) {
      assert.throws(() => decodeGenesisBundle(encodeGenesisBundle({ ...bundle, [name]: new Uint8Array(size) })), MalformedError)
      assert.throws(() => decodeGenesisBundle(encodeGenesisBundle({ ...bundle, [name]: new Uint8Array(0) })), MalformedError)
    }
  })
})
