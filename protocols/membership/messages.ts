import { MEMBER_RECORD_LIMIT_BYTES } from '../records/index.ts'
import {
  concat,
  decodeRefusal,
  decodeStrict,
  encodeRefusal,
  exactly,
  HASH_BYTES,
  MalformedError,
  type MessageShape,
  PEER_ID_BYTES,
  type Refusal,
  RefusalError,
  u64be,
} from '../wire/index.ts'
import {
  DIGEST_BYTES,
  DIGEST_HASH_BYTES,
  PAGE_ENTRIES_MAX,
  RECORDS_PER_MESSAGE_MAX,
  REVOCATION_BYTES_MAX,
  REVOCATION_PROOFS_MAX,
  SEQUENCE_MAX,
} from './constants.ts'
import { Gossip as GossipMessage, Sync as SyncMessage } from './membership.pb.ts'

/** The author could not reach this member, itself nor through others. */
export interface Unreachable {
  /** Multihash bytes. */
  peerId: Uint8Array
  /** Of the member's newest record that the author has. */
  sequence: bigint
  /** Unix milliseconds. */
  sentAt: number
}

export type Gossip =
  /** An envelope: the author's own member record. */
  | { kind: 'record'; envelope: Uint8Array }
  /** challenge's Revocation, encoded. */
  | { kind: 'revocation'; revocation: Uint8Array }
  | { kind: 'unreachable'; hint: Unreachable }

/** What two tables are compared by. */
export interface Digest {
  peerId: Uint8Array
  sequence: bigint
  /** The first 8 bytes of the envelope's SHA-256. */
  hash: Uint8Array
}

/** One message of /dstack/membership/1.0.0; a refusal is thrown by {@link decodeSync}. */
export type Sync =
  | { kind: 'hello'; envelope: Uint8Array }
  | { kind: 'digests'; digests: Digest[]; revocations: Uint8Array[]; more: boolean }
  | { kind: 'records'; envelopes: Uint8Array[] }
  | { kind: 'want'; peerIds: Uint8Array[]; revocations: Uint8Array[]; more: boolean }
  | { kind: 'revocation'; revocation: Uint8Array }
  | { kind: 'end' }
  | { kind: 'probe'; peerId: Uint8Array }
  | { kind: 'probed'; reached: boolean }
  | { kind: 'next' }

const oneof = 'message'
const packed = (bytes: number, max: number): { type: 'bytes'; min: number; max: number; optional: true } => ({
  type: 'bytes',
  min: bytes,
  max: bytes * max,
  optional: true,
})
const revocation = { name: 'revocation', type: 'bytes', min: 1, max: REVOCATION_BYTES_MAX, oneof } as const
const more = { name: 'more', type: 'uint', max: 1n } as const
const peerId = { name: 'peer_id', ...exactly(PEER_ID_BYTES) } as const

const gossipShape: MessageShape = {
  1: { name: 'record', type: 'bytes', min: 1, max: MEMBER_RECORD_LIMIT_BYTES, oneof },
  2: revocation,
  3: {
    name: 'unreachable',
    type: 'message',
    oneof,
    shape: { 1: peerId, 2: { name: 'sequence', type: 'uint', max: SEQUENCE_MAX }, 3: { name: 'sent_at', type: 'uint' } },
  },
}
const syncShape: MessageShape = {
  1: { name: 'hello', type: 'bytes', min: 1, max: MEMBER_RECORD_LIMIT_BYTES, oneof },
  2: { name: 'refusal', type: 'bytes', min: 1, max: 4096, oneof },
  3: {
    name: 'digests',
    type: 'message',
    oneof,
    shape: {
      1: { name: 'entries', ...packed(DIGEST_BYTES, PAGE_ENTRIES_MAX) },
      2: { name: 'revocations', ...packed(HASH_BYTES, REVOCATION_PROOFS_MAX) },
      3: more,
    },
  },
  4: {
    name: 'records',
    type: 'message',
    oneof,
    shape: {
      1: {
        name: 'envelopes',
        type: 'bytes',
        min: 1,
        max: MEMBER_RECORD_LIMIT_BYTES,
        repeated: { max: RECORDS_PER_MESSAGE_MAX },
      },
    },
  },
  5: {
    name: 'want',
    type: 'message',
    oneof,
    shape: {
      1: { name: 'peer_ids', ...packed(PEER_ID_BYTES, PAGE_ENTRIES_MAX) },
      2: { name: 'revocations', ...packed(HASH_BYTES, REVOCATION_PROOFS_MAX) },
      3: more,
    },
  },
  6: revocation,
  7: { name: 'end', type: 'message', shape: {}, oneof },
  8: { name: 'probe', type: 'message', oneof, shape: { 1: peerId } },
  9: { name: 'probed', type: 'message', oneof, shape: { 1: { name: 'reached', type: 'uint', max: 1n } } },
  10: { name: 'next', type: 'message', shape: {}, oneof },
}

export const encodeGossip = (message: Gossip): Uint8Array => {
  switch (message.kind) {
    case 'record':
      return GossipMessage.encode({ record: message.envelope })
    case 'revocation':
      return GossipMessage.encode({ revocation: message.revocation })
    case 'unreachable':
      return GossipMessage.encode({ unreachable: message.hint })
  }
}

/** Throws MalformedError. Decodes only: nothing in the result has been verified. */
export const decodeGossip = (bytes: Uint8Array): Gossip => {
  const message = decodeStrict('Gossip', GossipMessage, gossipShape, bytes)
  if (message.record !== undefined) return { kind: 'record', envelope: message.record }
  if (message.revocation !== undefined) return { kind: 'revocation', revocation: message.revocation }
  return { kind: 'unreachable', hint: message.unreachable! }
}

/** Cuts packed values of `size` bytes apart. */
const unpack = (name: string, bytes: Uint8Array, size: number): Uint8Array[] => {
  if (bytes.length % size !== 0) throw new MalformedError(`${name}: ${bytes.length} bytes, expected a multiple of ${size}`)
  return Array.from({ length: bytes.length / size }, (_, index) => bytes.subarray(index * size, (index + 1) * size))
}

const packDigest = (digest: Digest): Uint8Array => concat([digest.peerId, u64be(digest.sequence), digest.hash])
const readDigest = (bytes: Uint8Array): Digest => ({
  peerId: bytes.subarray(0, PEER_ID_BYTES),
  sequence: new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(PEER_ID_BYTES),
  hash: bytes.subarray(DIGEST_BYTES - DIGEST_HASH_BYTES),
})

export const encodeSync = (message: Sync): Uint8Array => {
  switch (message.kind) {
    case 'hello':
      return SyncMessage.encode({ hello: message.envelope })
    case 'digests':
      return SyncMessage.encode({
        digests: {
          entries: concat(message.digests.map(packDigest)),
          revocations: concat(message.revocations),
          more: message.more,
        },
      })
    case 'records':
      return SyncMessage.encode({ records: { envelopes: message.envelopes } })
    case 'want':
      return SyncMessage.encode({
        want: { peerIds: concat(message.peerIds), revocations: concat(message.revocations), more: message.more },
      })
    case 'revocation':
      return SyncMessage.encode({ revocation: message.revocation })
    case 'end':
      return SyncMessage.encode({ end: {} })
    case 'probe':
      return SyncMessage.encode({ probe: { peerId: message.peerId } })
    case 'probed':
      return SyncMessage.encode({ probed: { reached: message.reached } })
    case 'next':
      return SyncMessage.encode({ next: {} })
  }
}

export const encodeSyncRefusal = (refusal: Refusal): Uint8Array => SyncMessage.encode({ refusal: encodeRefusal(refusal) })

/** Throws RefusalError when the other side said no, else MalformedError. */
export const decodeSync = (bytes: Uint8Array): Sync => {
  const message = decodeStrict('Sync', SyncMessage, syncShape, bytes)
  if (message.refusal !== undefined) throw new RefusalError(decodeRefusal(message.refusal))
  if (message.hello !== undefined) return { kind: 'hello', envelope: message.hello }
  if (message.digests !== undefined) {
    const { entries, revocations, more } = message.digests
    return {
      kind: 'digests',
      digests: unpack('Digests.entries', entries, DIGEST_BYTES).map(readDigest),
      revocations: unpack('Digests.revocations', revocations, HASH_BYTES),
      more,
    }
  }
  if (message.records !== undefined) return { kind: 'records', envelopes: message.records.envelopes }
  if (message.want !== undefined) {
    const { peerIds, revocations, more } = message.want
    return {
      kind: 'want',
      peerIds: unpack('Want.peer_ids', peerIds, PEER_ID_BYTES),
      revocations: unpack('Want.revocations', revocations, HASH_BYTES),
      more,
    }
  }
  if (message.revocation !== undefined) return { kind: 'revocation', revocation: message.revocation }
  if (message.probe !== undefined) return { kind: 'probe', peerId: message.probe.peerId }
  if (message.probed !== undefined) return { kind: 'probed', reached: message.probed.reached }
  return message.next === undefined ? { kind: 'end' } : { kind: 'next' }
}
