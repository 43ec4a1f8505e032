import { fromString } from 'uint8arrays/from-string'
import { toString as bytesToString } from 'uint8arrays/to-string'
import { remembered } from '../base/index.ts'

/** Peers whose two forms are remembered: as many as a table holds. Base 58 costs more than all else that a tick does. */
const REMEMBERED_MAX = 10_000
const textOf = remembered(REMEMBERED_MAX, (latin1) => bytesToString(Buffer.from(latin1, 'latin1'), 'base58btc'))

/** A peer id's text form from its multihash bytes. */
export const peerText = ({ buffer, byteOffset, length }: Uint8Array): string =>
  textOf(Buffer.from(buffer, byteOffset, length).toString('latin1'))

/** A peer id's multihash bytes from its text form; not to be written to. */
export const peerOfText = remembered(REMEMBERED_MAX, (text) => fromString(text, 'base58btc'))
