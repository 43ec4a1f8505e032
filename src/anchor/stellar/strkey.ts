import { fromString } from 'uint8arrays/from-string'

// SEP-23: version ‖ 32 bytes ‖ CRC16, in base32. Accounts (G…) are cluster ids, in protocols/wire.

const VERSION_CONTRACT = 2 << 3
const CONTRACT = /^C[A-Z2-7]{55}$/

/** CRC16-XMODEM, as SEP-23 asks. */
export const crc16 = (bytes: Uint8Array): number => {
  let crc = 0
  for (const byte of bytes) {
    crc ^= byte << 8
    for (let bit = 0; bit < 8; bit++) crc = ((crc << 1) ^ (crc & 0x8000 ? 0x1021 : 0)) & 0xffff
  }
  return crc
}

/** The 32 bytes of `C…`, or undefined when it is not one. */
export const parseContract = (text: string): Uint8Array | undefined => {
  if (!CONTRACT.test(text)) return undefined
  const raw = fromString(text, 'base32upper')
  const sum = crc16(raw.subarray(0, 33))
  return raw[0] === VERSION_CONTRACT && raw[33] === (sum & 0xff) && raw[34] === sum >> 8 ? raw.slice(1, 33) : undefined
}
