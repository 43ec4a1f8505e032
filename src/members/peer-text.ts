import { fromString } from 'uint8arrays/from-string'
import { toString as bytesToString } from 'uint8arrays/to-string'

/** Peers whose two forms are remembered: as many as a table holds. Base 58 costs more than all else that a tick does. */
const REMEMBERED_MAX = 10_000
const texts = new Map<string, string>()
const ids = new Map<string, Uint8Array>()

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

/** A peer id's multihash bytes from its text form; not to be written to. */
export const peerOfText = (text: string): Uint8Array => {
  const known = ids.get(text)
  if (known !== undefined) return known
  const peerId = fromString(text, 'base58btc')
  if (ids.size >= REMEMBERED_MAX) ids.delete(ids.keys().next().value!)
  ids.set(text, peerId)
  return peerId
}
