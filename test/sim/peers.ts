/** Peers with keys of their own: the same ones in every simulation, since making a key costs more than a seed. */
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import type { PeerId, PrivateKey } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { type PeerSignatureContext, peerSignedBytes } from '../../protocols/wire/index.ts'

export interface SimPeer {
  key: PrivateKey
  /** Multihash bytes. */
  id: Uint8Array
  text: string
  peerId: PeerId
  sign(context: PeerSignatureContext, bytes: Uint8Array): Uint8Array
}

const made: SimPeer[] = []

/** The peer of that number. All that a simulation uses are to be made before it begins. */
export const peerOf = (number: number): SimPeer => {
  const peer = made[number]
  if (peer === undefined) throw new RangeError(`peer ${number} of ${made.length}`)
  return peer
}

export const makePeers = async (count: number): Promise<void> => {
  for (let number = made.length; number < count; number++) {
    const seed = new Uint8Array(32).fill(7)
    new DataView(seed.buffer).setUint32(0, number)
    const key = await generateKeyPairFromSeed('Ed25519', seed)
    const peerId = peerIdFromPrivateKey(key)
    made.push({
      key,
      id: peerId.toMultihash().bytes,
      text: peerId.toString(),
      peerId,
      sign: (context, bytes) => key.sign(peerSignedBytes(context, bytes)) as Uint8Array,
    })
  }
}
