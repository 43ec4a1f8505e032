import { fromString } from 'uint8arrays/from-string'
import { toString as bytesToString } from 'uint8arrays/to-string'
import { CLUSTER_ID_BYTES } from './constants.ts'

// A cluster id is written as a Stellar account address: base32(version ‖ 32 bytes ‖ CRC16) without padding (SEP-23).
const VERSION_ACCOUNT = 6 << 3
const ADDRESS_LENGTH = 56

/** CRC16-XMODEM, as SEP-23 asks. */
const crc16 = (bytes: Uint8Array): number => {
  let crc = 0
  for (const byte of bytes) {
    crc ^= byte << 8
    for (let bit = 0; bit < 8; bit++) crc = ((crc << 1) ^ (crc & 0x8000 ? 0x1021 : 0)) & 0xffff
  }
  return crc
}

/** The cluster id (32 bytes, an ed25519 public key) as people write it: `G…`, 56 characters. */
export const formatClusterId = (id: Uint8Array): string => {
  if (id.length !== CLUSTER_ID_BYTES) throw new RangeError(`a cluster id has ${CLUSTER_ID_BYTES} bytes, not ${id.length}`)
  const out = new Uint8Array(1 + CLUSTER_ID_BYTES + 2)
  out[0] = VERSION_ACCOUNT
  out.set(id, 1)
  new DataView(out.buffer).setUint16(1 + CLUSTER_ID_BYTES, crc16(out.subarray(0, 1 + CLUSTER_ID_BYTES)), true)
  return bytesToString(out, 'base32upper')
}

/** The 32 bytes of `G…`, or undefined when it is not one. */
export const parseClusterId = (text: string): Uint8Array | undefined => {
  if (text.length !== ADDRESS_LENGTH || !/^G[A-Z2-7]+$/.test(text)) return undefined
  const bytes = fromString(text, 'base32upper')
  const id = bytes.slice(1, 1 + CLUSTER_ID_BYTES)
  // Writing it again must give the same text: one spelling for one id, checksum included.
  return id.length === CLUSTER_ID_BYTES && formatClusterId(id) === text ? id : undefined
}
