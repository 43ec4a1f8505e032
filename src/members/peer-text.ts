import { fromString } from 'uint8arrays/from-string'
import { toString as bytesToString } from 'uint8arrays/to-string'

/** A peer id's text form from its multihash bytes. */
export const peerText = (peerId: Uint8Array): string => bytesToString(peerId, 'base58btc')

/** A peer id's multihash bytes from its text form. */
export const peerOfText = (text: string): Uint8Array => fromString(text, 'base58btc')
