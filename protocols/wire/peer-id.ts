import { PEER_ID_BYTES } from './constants.ts'

// An ed25519 peer id is the identity multihash (0x00, length 36) of the protobuf public key { type: 1, data: 32 bytes }
// (libp2p peer-ids specification), so it carries the key that its owner signs with.
const HEAD = Uint8Array.of(0x00, 0x24, 0x08, 0x01, 0x12, 0x20)

/** The ed25519 public key (32 bytes) inside a peer id's multihash bytes, or undefined for any other kind of peer id. */
export const peerPublicKey = (peerId: Uint8Array): Uint8Array | undefined =>
  peerId.length === PEER_ID_BYTES && HEAD.every((byte, index) => peerId[index] === byte)
    ? peerId.subarray(HEAD.length)
    : undefined
