import type { PrivateKey } from '@libp2p/interface'
import { RecordEnvelope } from '@libp2p/peer-record'
import { multiaddr } from '@multiformats/multiaddr'
import {
  CLUSTER_ID_BYTES,
  concat,
  decodeStrict,
  ED25519_SIGNATURE_BYTES,
  equals,
  exactly,
  MalformedError,
  type MessageShape,
  PEER_ID_BYTES,
  peerPublicKey,
  utf8,
  verifyEd25519,
} from '../wire/index.ts'
import {
  CREDENTIAL_LIMIT_BYTES,
  MEMBER_ADDRESS_BYTES_MAX,
  MEMBER_ADDRESSES_MAX,
  MEMBER_ENVELOPE_DOMAIN,
  MEMBER_ENVELOPE_TYPE,
  MEMBER_RECORD_LIMIT_BYTES,
} from './constants.ts'
import { MemberRecord as MemberMessage, MemberState } from './member.pb.ts'

/** What a member says about itself. Times are Unix milliseconds. */
export interface MemberRecord {
  clusterId: Uint8Array
  peerId: Uint8Array
  /** Text multiaddrs, without `/p2p/`. */
  addresses: string[]
  /** Whether the addresses may be told to strangers. */
  public: boolean
  epoch: number
  /** Grows with every record of one peer; the newest wins. */
  sequence: bigint
  state: 'active' | 'leaving'
  /** Credential bytes. */
  credential: Uint8Array
  sentAt: number
}

const shape: MessageShape = {
  1: { name: 'cluster_id', ...exactly(CLUSTER_ID_BYTES) },
  2: { name: 'peer_id', ...exactly(PEER_ID_BYTES) },
  3: { name: 'addresses', type: 'bytes', min: 1, max: MEMBER_ADDRESS_BYTES_MAX, repeated: { max: MEMBER_ADDRESSES_MAX } },
  4: { name: 'public', type: 'uint', max: 1n },
  5: { name: 'epoch', type: 'uint', max: 0xffff_ffffn },
  6: { name: 'sequence', type: 'uint', max: 0xffff_ffff_ffff_ffffn },
  7: { name: 'state', type: 'uint', max: 2n },
  8: { name: 'credential', type: 'bytes', min: 1, max: CREDENTIAL_LIMIT_BYTES },
  9: { name: 'sent_at', type: 'uint' },
}

const payloadType = utf8(MEMBER_ENVELOPE_TYPE)
/** Field 1, 36 bytes: an ed25519 key in its protobuf form. */
const KEY_HEAD = Uint8Array.of(0x0a, 36, 0x08, 1, 0x12, 32)
const KEY_END = KEY_HEAD.length + 32
/** Field 2, and the key of field 3, the payload. */
const PAYLOAD_HEAD = concat([Uint8Array.of(0x12, payloadType.length), payloadType, Uint8Array.of(0x1a)])
/** The key of field 5, and its length. */
const SIGNATURE_HEAD = Uint8Array.of(0x2a, ED25519_SIGNATURE_BYTES)
const DOMAIN = utf8(MEMBER_ENVELOPE_DOMAIN)

/** Up to 16,383, which is more than an envelope may have. */
const varint = (length: number): Uint8Array =>
  length < 0x80 ? Uint8Array.of(length) : Uint8Array.of((length & 0x7f) | 0x80, length >> 7)

/** What an envelope's signature covers (RFC 0002): domain, payload type and payload, each after its length. */
const signedBytes = (payload: Uint8Array): Uint8Array =>
  concat([varint(DOMAIN.length), DOMAIN, varint(payloadType.length), payloadType, varint(payload.length), payload])

/**
 * The parts of a libp2p signed envelope (RFC 0002) by an ed25519 key, taken from where its one form has them; undefined unless
 * they make that envelope again. The signature covers neither the key's encoding nor what else an envelope might hold, so any
 * other form is no record. The library's reader costs as much again as the signature: it makes a new key of each.
 */
const readEnvelope = (
  envelope: Uint8Array,
): { publicKey: Uint8Array; payload: Uint8Array; signature: Uint8Array } | undefined => {
  const publicKey = envelope.subarray(KEY_HEAD.length, KEY_END)
  const signature = envelope.subarray(-ED25519_SIGNATURE_BYTES)
  for (const lengthBytes of [2, 1]) {
    const payload = envelope.subarray(
      KEY_END + PAYLOAD_HEAD.length + lengthBytes,
      -SIGNATURE_HEAD.length - ED25519_SIGNATURE_BYTES,
    )
    const again = concat([KEY_HEAD, publicKey, PAYLOAD_HEAD, varint(payload.length), payload, SIGNATURE_HEAD, signature])
    if (equals(again, envelope)) return { publicKey, payload, signature }
  }
  return undefined
}

/** The record in a libp2p signed envelope by the member's peer key. */
export const sealMemberRecord = async (record: MemberRecord, peerKey: PrivateKey): Promise<Uint8Array> => {
  const bytes = MemberMessage.encode({
    ...record,
    addresses: record.addresses.map((address) => multiaddr(address).bytes),
    state: MemberState[record.state],
  })
  const envelope = await RecordEnvelope.seal(
    { domain: MEMBER_ENVELOPE_DOMAIN, codec: utf8(MEMBER_ENVELOPE_TYPE), marshal: () => bytes, equals: () => false },
    peerKey,
  )
  return envelope.marshal()
}

/**
 * Opens an envelope: its form, domain, payload type and signature hold, and the signer is the peer that the record is about.
 * The credential inside is not judged here. Throws MalformedError.
 */
export const openMemberRecord = async (envelope: Uint8Array): Promise<MemberRecord> => {
  if (envelope.length > MEMBER_RECORD_LIMIT_BYTES) throw new MalformedError(`member record of ${envelope.length} bytes`)
  const parts = readEnvelope(envelope)
  if (parts === undefined) throw new MalformedError('member record: the envelope is not in its one form')
  const { publicKey, payload, signature } = parts
  if (!verifyEd25519(publicKey, signedBytes(payload), signature)) {
    throw new MalformedError('member record: the envelope does not hold')
  }
  const message = decodeStrict('MemberRecord', MemberMessage, shape, payload)
  if (!equals(peerPublicKey(message.peerId) ?? new Uint8Array(), publicKey)) {
    throw new MalformedError('member record: signed by another peer')
  }
  if (message.state === MemberState.unspecified) throw new MalformedError('MemberRecord.state: unspecified')
  return { ...message, addresses: message.addresses.map(readAddress), state: message.state }
}

const readAddress = (bytes: Uint8Array): string => {
  try {
    return multiaddr(bytes).toString()
  } catch {
    throw new MalformedError('MemberRecord.addresses: not a multiaddr')
  }
}
