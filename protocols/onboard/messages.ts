import { ANCHOR_PROOF_LIMIT_BYTES, CREDENTIAL_LIMIT_BYTES, POLICY_LIMIT_BYTES } from '../records/index.ts'
import {
  CLUSTER_ID_BYTES,
  concat,
  decodeRefusal,
  decodeStrict,
  ED25519_SIGNATURE_BYTES,
  EVIDENCE_LIMIT_BYTES,
  encodeRefusal,
  exactly,
  HASH_BYTES,
  MalformedError,
  type MessageShape,
  NONCE_BYTES,
  type Refusal,
  RefusalError,
  secretCopy,
} from '../wire/index.ts'
import {
  AEAD_TAG_BYTES,
  CHALLENGE_LIMIT_BYTES,
  GRANT_LIMIT_BYTES,
  KEM_ENC_BYTES,
  KEM_PUBLIC_KEY_BYTES,
  KEYRING_EPOCHS_MAX,
  SECRET_BYTES,
} from './constants.ts'
import {
  type Challenge,
  FromJoiner,
  FromOnboarder,
  type Grant,
  GrantPlaintext as GrantPlaintextMessage,
  type Hello,
  type Request,
} from './onboard.pb.ts'

export type { Challenge, Grant, Hello, Request }

export interface EpochSecret {
  epoch: number
  /** 32 bytes. */
  secret: Uint8Array
}

/** What a grant carries. `credential`, `genesis` and so on are encoded records. */
export interface GrantPlaintext {
  keyring: EpochSecret[]
  credential: Uint8Array
  genesis: Uint8Array
  onboarderCredential: Uint8Array
  onboarderEvidence: Uint8Array
}

const oneof = 'message'
const helloShape: MessageShape = {
  1: { name: 'cluster_id', ...exactly(CLUSTER_ID_BYTES) },
  2: { name: 'joiner_nonce', ...exactly(NONCE_BYTES) },
}
const requestShape: MessageShape = {
  1: { name: 'kem_public_key', ...exactly(KEM_PUBLIC_KEY_BYTES) },
  2: { name: 'evidence', type: 'bytes', min: 1, max: EVIDENCE_LIMIT_BYTES },
}
const challengeShape: MessageShape = {
  1: { name: 'onboarder_nonce', ...exactly(NONCE_BYTES) },
  2: { name: 'genesis_hash', ...exactly(HASH_BYTES) },
  3: { name: 'signature', ...exactly(ED25519_SIGNATURE_BYTES) },
}
const grantShape: MessageShape = {
  1: { name: 'enc', ...exactly(KEM_ENC_BYTES) },
  2: { name: 'ciphertext', type: 'bytes', min: AEAD_TAG_BYTES + 1, max: GRANT_LIMIT_BYTES },
}
const fromJoiner: MessageShape = {
  1: { name: 'hello', type: 'message', shape: helloShape, oneof },
  2: { name: 'request', type: 'message', shape: requestShape, oneof },
  3: { name: 'done', type: 'message', shape: {}, oneof },
}
const fromOnboarder: MessageShape = {
  1: { name: 'challenge', type: 'message', shape: challengeShape, oneof },
  2: { name: 'grant', type: 'message', shape: grantShape, oneof },
  3: { name: 'refusal', type: 'bytes', min: 1, max: CHALLENGE_LIMIT_BYTES, oneof },
}
const plaintextShape: MessageShape = {
  1: {
    name: 'keyring',
    type: 'message',
    repeated: { max: KEYRING_EPOCHS_MAX },
    shape: { 1: { name: 'epoch', type: 'uint', max: 0xffff_ffffn }, 2: { name: 'secret', ...exactly(SECRET_BYTES) } },
  },
  2: { name: 'credential', type: 'bytes', min: 1, max: CREDENTIAL_LIMIT_BYTES },
  3: { name: 'genesis', type: 'bytes', min: 1, max: EVIDENCE_LIMIT_BYTES + POLICY_LIMIT_BYTES + ANCHOR_PROOF_LIMIT_BYTES + 4096 },
  4: { name: 'onboarder_credential', type: 'bytes', min: 1, max: CREDENTIAL_LIMIT_BYTES },
  5: { name: 'onboarder_evidence', type: 'bytes', min: 1, max: EVIDENCE_LIMIT_BYTES },
}

export const encodeHello = (hello: Hello): Uint8Array => FromJoiner.encode({ hello })
export const encodeRequest = (request: Request): Uint8Array => FromJoiner.encode({ request })
export const encodeDone = (): Uint8Array => FromJoiner.encode({ done: {} })
export const encodeChallenge = (challenge: Challenge): Uint8Array => FromOnboarder.encode({ challenge })
export const encodeGrant = (grant: Grant): Uint8Array => FromOnboarder.encode({ grant })
export const encodeRefusalMessage = (refusal: Refusal): Uint8Array => FromOnboarder.encode({ refusal: encodeRefusal(refusal) })

const wanted = <T>(name: string, value: T | undefined): T => {
  if (value === undefined) throw new MalformedError(`expected ${name}, got another message`)
  return value
}

export const decodeHello = (bytes: Uint8Array): Hello =>
  wanted('Hello', decodeStrict('FromJoiner', FromJoiner, fromJoiner, bytes).hello)
export const decodeRequest = (bytes: Uint8Array): Request =>
  wanted('Request', decodeStrict('FromJoiner', FromJoiner, fromJoiner, bytes).request)
export const decodeDone = (bytes: Uint8Array): void => {
  wanted('Done', decodeStrict('FromJoiner', FromJoiner, fromJoiner, bytes).done)
}

/** Throws RefusalError when the onboarder said no. */
const decodeFromOnboarder = (bytes: Uint8Array): FromOnboarder => {
  const message = decodeStrict('FromOnboarder', FromOnboarder, fromOnboarder, bytes)
  if (message.refusal !== undefined) throw new RefusalError(decodeRefusal(message.refusal))
  return message
}
export const decodeChallenge = (bytes: Uint8Array): Challenge => wanted('Challenge', decodeFromOnboarder(bytes).challenge)
export const decodeGrant = (bytes: Uint8Array): Grant => wanted('Grant', decodeFromOnboarder(bytes).grant)

const varint = (value: number): number[] => {
  const out: number[] = []
  for (; value >= 0x80; value = Math.floor(value / 0x80)) out.push((value & 0x7f) | 0x80)
  return [...out, value]
}
const lengthField = (number: number, ...content: Uint8Array[]): Uint8Array[] => {
  const length = content.reduce((sum, part) => sum + part.length, 0)
  return [Uint8Array.from([(number << 3) | 2, ...varint(length)]), ...content]
}

/**
 * Written by hand, not by the codec: the codec's writer works in a pool that it shares with everything else, where the
 * secrets would stay after the caller has wiped the result.
 */
export const encodeGrantPlaintext = (plaintext: GrantPlaintext): Uint8Array =>
  concat([
    ...plaintext.keyring.flatMap(({ epoch, secret }) =>
      lengthField(1, ...(epoch > 0 ? [Uint8Array.from([1 << 3, ...varint(epoch)])] : []), ...lengthField(2, secret)),
    ),
    ...lengthField(2, plaintext.credential),
    ...lengthField(3, plaintext.genesis),
    ...lengthField(4, plaintext.onboarderCredential),
    ...lengthField(5, plaintext.onboarderEvidence),
  ])

/** Everything in the result is a copy, so `bytes` can be wiped at once; the caller wipes the keyring's secrets. */
export const decodeGrantPlaintext = (bytes: Uint8Array): GrantPlaintext => {
  const message = decodeStrict('GrantPlaintext', GrantPlaintextMessage, plaintextShape, bytes)
  return {
    keyring: message.keyring.map(({ epoch, secret }) => ({ epoch, secret: secretCopy(secret) })),
    credential: message.credential.slice(),
    genesis: message.genesis.slice(),
    onboarderCredential: message.onboarderCredential.slice(),
    onboarderEvidence: message.onboarderEvidence.slice(),
  }
}
