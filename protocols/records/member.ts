import type { PrivateKey } from '@libp2p/interface'
import { RecordEnvelope } from '@libp2p/peer-record'
import { multiaddr } from '@multiformats/multiaddr'
import {
  CLUSTER_ID_BYTES,
  decodeStrict,
  ED25519_SIGNATURE_BYTES,
  equals,
  exactly,
  MalformedError,
  type MessageShape,
  PEER_ID_BYTES,
  utf8,
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

/** libp2p's signed envelope (RFC 0002) by an ed25519 key, whose protobuf form is 36 bytes. */
const envelopeShape: MessageShape = {
  1: { name: 'public_key', ...exactly(36) },
  2: { name: 'payload_type', ...exactly(MEMBER_ENVELOPE_TYPE.length) },
  3: { name: 'payload', type: 'bytes', min: 1, max: MEMBER_RECORD_LIMIT_BYTES },
  5: { name: 'signature', ...exactly(ED25519_SIGNATURE_BYTES) },
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
 * Opens an envelope: domain, payload type and signature hold, and the signer is the peer that the record is about.
 * The credential inside is not judged here. Throws MalformedError.
 */
export const openMemberRecord = async (envelope: Uint8Array): Promise<MemberRecord> => {
  if (envelope.length > MEMBER_RECORD_LIMIT_BYTES) throw new MalformedError(`member record of ${envelope.length} bytes`)
  // Before the library's lenient decoder, and before a signature of a kind that is dear to verify.
  decodeStrict('Envelope', { decode: () => undefined }, envelopeShape, envelope)
  let opened: RecordEnvelope
  try {
    opened = await RecordEnvelope.openAndCertify(envelope, MEMBER_ENVELOPE_DOMAIN)
  } catch (cause) {
    // The library throws many types for malformed input; to us they are one.
    throw new MalformedError(`member record: the envelope does not hold (${cause instanceof Error ? cause.message : 'unknown'})`)
  }
  // The signature covers neither the key's encoding nor what else the envelope holds: only one form of it is a record.
  if (!equals(opened.marshal(), envelope)) throw new MalformedError('member record: the envelope is not in its one form')
  // openAndCertify does not look at the payload type.
  if (!equals(opened.payloadType, utf8(MEMBER_ENVELOPE_TYPE))) throw new MalformedError('member record: another payload type')
  const message = decodeStrict('MemberRecord', MemberMessage, shape, opened.payload)
  if (!equals(opened.publicKey.toMultihash().bytes, message.peerId))
    throw new MalformedError('member record: signed by another peer')
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
