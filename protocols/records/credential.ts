import {
  CLUSTER_ID_BYTES,
  clusterSignedBytes,
  decodeStrict,
  ED25519_SIGNATURE_BYTES,
  equals,
  exactly,
  type MessageShape,
  PEER_ID_BYTES,
  peerPublicKey,
  peerSignedBytes,
  verifyEd25519,
} from '../wire/index.ts'
import {
  APP_ID_BYTES,
  APPS_MAX,
  CREDENTIAL_LIMIT_BYTES,
  ISSUED_AHEAD_MAX_MS,
  MEASUREMENT_BYTES,
  PLATFORM_ID_BYTES,
  TD_DIGEST_BYTES,
} from './constants.ts'
import { CredentialBody as BodyMessage, Credential as CredentialMessage, type Judged } from './credential.pb.ts'

export type { Judged }

/** What a credential states. Times are Unix milliseconds, peer ids multihash bytes. */
export interface CredentialBody {
  clusterId: Uint8Array
  peerId: Uint8Array
  epoch: number
  /** SHA-384 of the TD body that was judged. */
  tdDigest: Uint8Array
  judged: Judged
  /** Equal to `peerId`: self-issued. */
  issuer: Uint8Array
  issuedAt: number
  expiresAt: number
}

const judgedShape: MessageShape = {
  1: { name: 'mr_td', ...exactly(MEASUREMENT_BYTES) },
  2: { name: 'rtmr', ...exactly(MEASUREMENT_BYTES), repeated: { max: 4 } },
  3: { name: 'mr_config_id', ...exactly(MEASUREMENT_BYTES) },
  4: { name: 'mr_owner', ...exactly(MEASUREMENT_BYTES) },
  5: { name: 'mr_owner_config', ...exactly(MEASUREMENT_BYTES) },
  6: { name: 'app_ids', ...exactly(APP_ID_BYTES), repeated: { max: APPS_MAX } },
  7: { name: 'platform_id', ...exactly(PLATFORM_ID_BYTES) },
  8: { name: 'tcb_status', type: 'text', min: 1, max: 64 },
  9: { name: 'tcb_evaluation_data_number', type: 'uint', max: 0xffff_ffffn },
}
const bodyShape: MessageShape = {
  1: { name: 'cluster_id', ...exactly(CLUSTER_ID_BYTES) },
  2: { name: 'peer_id', ...exactly(PEER_ID_BYTES) },
  3: { name: 'epoch', type: 'uint', max: 0xffff_ffffn },
  4: { name: 'td_digest', ...exactly(TD_DIGEST_BYTES) },
  5: { name: 'judged', type: 'message', shape: judgedShape },
  6: { name: 'issuer', ...exactly(PEER_ID_BYTES) },
  7: { name: 'issued_at', type: 'uint' },
  8: { name: 'expires_at', type: 'uint' },
}
const credentialShape: MessageShape = {
  1: { name: 'body', type: 'bytes', min: 1, max: CREDENTIAL_LIMIT_BYTES },
  2: { name: 'cluster_signature', ...exactly(ED25519_SIGNATURE_BYTES) },
  3: { name: 'issuer_signature', ...exactly(ED25519_SIGNATURE_BYTES) },
}

/** Encodes and signs, both as the cluster (key of `body.epoch`) and as the issuer. */
export const issueCredential = (
  body: CredentialBody,
  sign: {
    asCluster(context: 'credential', bytes: Uint8Array, epoch: number): Uint8Array
    asPeer(context: 'credential', bytes: Uint8Array): Uint8Array
  },
): Uint8Array => {
  const bytes = BodyMessage.encode(body)
  return CredentialMessage.encode({
    body: bytes,
    clusterSignature: sign.asCluster('credential', bytes, body.epoch),
    issuerSignature: sign.asPeer('credential', bytes),
  })
}

export type CredentialFault =
  | 'wrong_cluster'
  | 'unknown_epoch'
  | 'bad_cluster_signature'
  | 'bad_issuer_signature'
  | 'issued_in_the_future'
  | 'lifetime_too_long'
  | 'expired'

/** What a reader holds a credential against. */
export interface CredentialExpectation {
  clusterId: Uint8Array
  /** The cluster's signing key of an epoch, or undefined for an epoch that is not known. */
  signingPublicKey(epoch: number): Uint8Array | undefined
  /** The policy's, in milliseconds. */
  lifetimeMs: number
  nowMs: number
}

/** Throws MalformedError. Decodes only: nothing of the result is to be believed before {@link verifyCredential}. */
export const decodeCredential = (bytes: Uint8Array): { body: CredentialBody; message: CredentialMessage } => {
  const message = decodeStrict('Credential', CredentialMessage, credentialShape, bytes)
  const { judged, ...body } = decodeStrict('CredentialBody', BodyMessage, bodyShape, message.body)
  return { body: { ...body, judged: judged! }, message }
}

/**
 * Both signatures, cluster, epoch, and times. Whether the *issuer* may issue is for the reader's table to say
 * (spec: records, "Credential"). Throws MalformedError; a well-formed credential that does not hold gives its fault.
 */
export const verifyCredential = (
  bytes: Uint8Array,
  expected: CredentialExpectation,
): { ok: true; body: CredentialBody } | { ok: false; fault: CredentialFault; body: CredentialBody } => {
  const { body, message } = decodeCredential(bytes)
  const fault = timeFault(body, expected) ?? signatureFault(body, message, expected)
  return fault === undefined ? { ok: true, body } : { ok: false, fault, body }
}

/** Of {@link verifyCredential}, what may change as time goes by, and cluster. */
export const timeFault = (body: CredentialBody, expected: CredentialExpectation): CredentialFault | undefined => {
  if (!equals(body.clusterId, expected.clusterId)) return 'wrong_cluster'
  if (body.issuedAt > expected.nowMs + ISSUED_AHEAD_MAX_MS) return 'issued_in_the_future'
  if (body.expiresAt <= body.issuedAt || body.expiresAt - body.issuedAt > expected.lifetimeMs) return 'lifetime_too_long'
  if (body.expiresAt <= expected.nowMs) return 'expired'
  return undefined
}

/** Of {@link verifyCredential}, what holds for good once it holds. */
export const signatureFault = (
  body: CredentialBody,
  message: CredentialMessage,
  expected: CredentialExpectation,
): CredentialFault | undefined => {
  const clusterKey = expected.signingPublicKey(body.epoch)
  if (clusterKey === undefined) return 'unknown_epoch'
  if (!verifyEd25519(clusterKey, clusterSignedBytes('credential', message.body), message.clusterSignature))
    return 'bad_cluster_signature'
  const issuerKey = peerPublicKey(body.issuer)
  if (
    issuerKey === undefined ||
    !verifyEd25519(issuerKey, peerSignedBytes('credential', message.body), message.issuerSignature)
  ) {
    return 'bad_issuer_signature'
  }
  return undefined
}
