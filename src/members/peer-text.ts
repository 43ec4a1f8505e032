import { fromString } from 'uint8arrays/from-string'
import { toString as bytesToString } from 'uint8arrays/to-string'

/** Peers whose text form is remembered: as many as a table holds. Base 58 costs more than all else that a tick does. */
const REMEMBERED_MAX = 10_000
const texts = new Map<string, string>()

/** A peer id's text form from its multihash bytes. */
export const peerText = (peerId: Uint8Array): string => {
  const name = Buffer.from(peerId.buffer, peerId.byteOffset, peerId.length).toString('latin1')
  const known = texts.get(name)
  if (known !== undefined) return known
  const text = bytesToString(peerId, 'base58btc')
  if (texts.size >= REMEMBERED_MAX) texts.delete(texts.keys().next().value!)
  texts.set(name, text)
  return text
}

/** A peer id's multihash bytes from its text form. */
export const peerOfText = (text: string): Uint8Array => fromString(text, 'base58btc')
