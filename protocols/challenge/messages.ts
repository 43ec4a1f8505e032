import { CREDENTIAL_LIMIT_BYTES } from '../records/index.ts'
import {
  CLUSTER_ID_BYTES,
  decodeRefusal,
  decodeStrict,
  ED25519_SIGNATURE_BYTES,
  EVIDENCE_LIMIT_BYTES,
  encodeRefusal,
  exactly,
  MalformedError,
  type MessageShape,
  NONCE_BYTES,
  PEER_ID_BYTES,
  type Refusal,
  RefusalError,
} from '../wire/index.ts'
import {
  type Answer,
  type Ask,
  type Challenge,
  ChallengeMessage,
  type Revocation,
  Revocation as RevocationMessage,
  type Verdict,
} from './challenge.pb.ts'
import { ANSWER_LIMIT_BYTES, CHALLENGE_LIMIT_BYTES, REVOCATION_LIMIT_BYTES } from './constants.ts'

export type { Answer, Ask, Challenge, Revocation, Verdict }

const REFUSAL_LIMIT_BYTES = 4096
const oneof = 'message'
const epoch = { name: 'epoch', type: 'uint', max: 0xffff_ffffn } as const
const shape: MessageShape = {
  1: {
    name: 'challenge',
    type: 'message',
    oneof,
    shape: {
      1: { name: 'cluster_id', ...exactly(CLUSTER_ID_BYTES) },
      2: { name: 'verifier_nonce', ...exactly(NONCE_BYTES) },
      3: epoch,
    },
  },
  2: {
    name: 'answer',
    type: 'message',
    oneof,
    shape: {
      1: { name: 'evidence', type: 'bytes', min: 1, max: EVIDENCE_LIMIT_BYTES },
      2: { name: 'signature', ...exactly(ED25519_SIGNATURE_BYTES) },
    },
  },
  3: {
    name: 'verdict',
    type: 'message',
    oneof,
    shape: { 1: { name: 'credential', type: 'bytes', min: 1, max: CREDENTIAL_LIMIT_BYTES } },
  },
  4: { name: 'refusal', type: 'bytes', min: 1, max: REFUSAL_LIMIT_BYTES, oneof },
  5: { name: 'ask', type: 'message', oneof, shape: { 1: { name: 'cluster_id', ...exactly(CLUSTER_ID_BYTES) } } },
}
const revocationShape: MessageShape = {
  1: { name: 'cluster_id', ...exactly(CLUSTER_ID_BYTES) },
  2: epoch,
  3: { name: 'challenge', type: 'bytes', min: 1, max: CHALLENGE_LIMIT_BYTES },
  4: { name: 'answer', type: 'bytes', min: 1, max: ANSWER_LIMIT_BYTES },
  5: { name: 'member', ...exactly(PEER_ID_BYTES) },
  6: { name: 'verifier', ...exactly(PEER_ID_BYTES) },
}

export const encodeChallenge = (challenge: Challenge): Uint8Array => ChallengeMessage.encode({ challenge })
export const encodeAnswer = (answer: Answer): Uint8Array => ChallengeMessage.encode({ answer })
export const encodeVerdict = (verdict: Verdict): Uint8Array => ChallengeMessage.encode({ verdict })
export const encodeAsk = (ask: Ask): Uint8Array => ChallengeMessage.encode({ ask })
export const encodeRefusalMessage = (refusal: Refusal): Uint8Array => ChallengeMessage.encode({ refusal: encodeRefusal(refusal) })
export const encodeRevocation = (revocation: Revocation): Uint8Array => RevocationMessage.encode(revocation)

/** Throws RefusalError when the other side said no, MalformedError. */
const decode = (bytes: Uint8Array): ChallengeMessage => {
  const message = decodeStrict('ChallengeMessage', ChallengeMessage, shape, bytes)
  if (message.refusal !== undefined) throw new RefusalError(decodeRefusal(message.refusal))
  return message
}
const wanted = <T>(name: string, value: T | undefined): T => {
  if (value === undefined) throw new MalformedError(`expected ${name}, got another message`)
  return value
}

export const decodeChallenge = (bytes: Uint8Array): Challenge => wanted('Challenge', decode(bytes).challenge)
export const decodeAnswer = (bytes: Uint8Array): Answer => wanted('Answer', decode(bytes).answer)
export const decodeVerdict = (bytes: Uint8Array): Verdict => wanted('Verdict', decode(bytes).verdict)

/** The first message of a stream: V's Challenge, or M's Ask for one. */
export const decodeOpening = (bytes: Uint8Array): { challenge: Challenge } | { ask: Ask } => {
  const { challenge, ask } = decode(bytes)
  return challenge !== undefined ? { challenge } : { ask: wanted('Challenge or Ask', ask) }
}

/** Throws MalformedError. Nothing of the result is to be believed before `judgeRevocation`. */
export const decodeRevocation = (bytes: Uint8Array): Revocation => {
  if (bytes.length > REVOCATION_LIMIT_BYTES)
    throw new MalformedError(`Revocation: ${bytes.length} bytes, at most ${REVOCATION_LIMIT_BYTES}`)
  return decodeStrict('Revocation', RevocationMessage, revocationShape, bytes)
}
