import { createHash } from 'node:crypto'
import {
  type Binding,
  clusterSignedBytes,
  decodeStrict,
  ED25519_SIGNATURE_BYTES,
  EVIDENCE_LIMIT_BYTES,
  equals,
  exactly,
  HASH_BYTES,
  MalformedError,
  type MessageShape,
  utf8,
  verifyEd25519,
} from '../wire/index.ts'
import {
  ANCHOR_PROOF_LIMIT_BYTES,
  FILE_NETWORK,
  GENESIS_RECORD_LIMIT_BYTES,
  GENESIS_VERSION,
  POLICY_LIMIT_BYTES,
  SUITE,
} from './constants.ts'
import { GenesisBundle as BundleMessage, GenesisRecord as RecordMessage } from './genesis.pb.ts'

/** What the first TD fixes about a cluster for good. */
export interface GenesisRecord {
  /** 32 bytes: SHA-256 of the Stellar network's passphrase; or the four bytes `file`. */
  network: Uint8Array
  /** ed25519, 32 bytes; the cluster id. */
  clusterPublicKey: Uint8Array
  /** secp256k1, 33 bytes SEC1 compressed. */
  k256RootPublicKey: Uint8Array
  /** P-256, 33 bytes SEC1 compressed. */
  caRootPublicKey: Uint8Array
  /** SHA-256 of the policy's canonical form. */
  policyHash: Uint8Array
  /** Unix milliseconds. */
  createdAt: number
}

/** Record, signature, policy and evidence; immutable, kept by every member. All as bytes. */
export interface GenesisBundle {
  record: Uint8Array
  signature: Uint8Array
  policy: Uint8Array
  evidence: Uint8Array
  /** That the record is public; not covered by its hash, and for its anchor to check. A longer one may take its place. */
  anchorProof?: Uint8Array
}

const recordShape: MessageShape = {
  1: { name: 'version', type: 'uint', max: 0xffff_ffffn },
  2: { name: 'suite', type: 'text', min: 1, max: 64, repeated: { max: 8 } },
  3: { name: 'network', type: 'bytes', min: FILE_NETWORK.length, max: HASH_BYTES },
  4: { name: 'cluster_public_key', ...exactly(32) },
  5: { name: 'k256_root_public_key', ...exactly(33) },
  6: { name: 'ca_root_public_key', ...exactly(33) },
  7: { name: 'policy_hash', ...exactly(HASH_BYTES) },
  8: { name: 'created_at', type: 'uint' },
}
const bundleShape: MessageShape = {
  1: { name: 'record', type: 'bytes', min: 1, max: GENESIS_RECORD_LIMIT_BYTES },
  2: { name: 'signature', ...exactly(ED25519_SIGNATURE_BYTES) },
  3: { name: 'policy', type: 'bytes', min: 2, max: POLICY_LIMIT_BYTES },
  4: { name: 'evidence', type: 'bytes', min: 1, max: EVIDENCE_LIMIT_BYTES },
  5: { name: 'anchor_proof', type: 'bytes', min: 1, max: ANCHOR_PROOF_LIMIT_BYTES, optional: true },
}

/** A genesis of another version or suite: not ours to judge. */
export class UnsupportedError extends Error {
  override readonly name = 'UnsupportedError'
  readonly code = 'unsupported'
}

export const encodeGenesisRecord = (record: GenesisRecord): Uint8Array =>
  RecordMessage.encode({ ...record, version: GENESIS_VERSION, suite: [...SUITE] })

/** Throws MalformedError, or UnsupportedError for a version or suite that this code does not know. */
export const decodeGenesisRecord = (bytes: Uint8Array): GenesisRecord => {
  const { version, suite, ...record } = decodeStrict('GenesisRecord', RecordMessage, recordShape, bytes)
  if (version !== GENESIS_VERSION) throw new UnsupportedError(`genesis version ${version}, known is ${GENESIS_VERSION}`)
  if (suite.length !== SUITE.length || SUITE.some((name, index) => suite[index] !== name)) {
    throw new UnsupportedError(`genesis suite [${suite.join(', ')}], known is [${SUITE.join(', ')}]`)
  }
  if (record.network.length !== HASH_BYTES && !equals(record.network, utf8(FILE_NETWORK))) {
    throw new MalformedError('GenesisRecord.network: neither a hash nor "file"')
  }
  return record
}

/** SHA-256 of the record's bytes: what the anchor publishes. */
export const genesisHash = (record: Uint8Array): Uint8Array => Uint8Array.from(createHash('sha256').update(record).digest())

/** What the genesis quote binds. */
export const genesisBinding = (record: Uint8Array): Binding => ({ context: 'genesis/1', fields: [record] })

export const encodeGenesisBundle = (bundle: GenesisBundle): Uint8Array => BundleMessage.encode(bundle)

/** Throws MalformedError. */
export const decodeGenesisBundle = (bytes: Uint8Array): GenesisBundle =>
  decodeStrict('GenesisBundle', BundleMessage, bundleShape, bytes)

/** The record of a bundle whose signature holds under the record's own cluster key; undefined when it does not. */
export const verifyGenesisSignature = (bundle: GenesisBundle): GenesisRecord | undefined => {
  const record = decodeGenesisRecord(bundle.record)
  const signed = clusterSignedBytes('genesis', bundle.record)
  return verifyEd25519(record.clusterPublicKey, signed, bundle.signature) ? record : undefined
}
