// Group orders, big-endian: SEC 2 v2, sections 2.4.1 (secp256k1) and 2.4.2 (secp256r1, which is P-256).
const order = (hex: string): Uint8Array => Uint8Array.from(hex.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16))
export const SECP256K1_ORDER = order('fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141')
export const P256_ORDER = order('ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551')

/** Whether a < b, both 32 bytes, big-endian, without a branch that depends on their bytes. */
const lessThan = (a: Uint8Array, b: Uint8Array): boolean => {
  let borrow = 0
  for (let index = 31; index >= 0; index--) borrow = ((a[index]! - b[index]! - borrow) >> 8) & 1
  return borrow === 1
}

/** Whether `bytes` are 32 and, as a big-endian number, in [1, order). */
export const isScalar = (bytes: Uint8Array, order: Uint8Array): boolean => {
  if (bytes.length !== 32) return false
  let any = 0
  for (const byte of bytes) any |= byte
  return any !== 0 && lessThan(bytes, order)
}

/** `digest` mod `order`. One subtraction is enough: both orders exceed 2^255. */
export const reduceDigest = (digest: Uint8Array, order: Uint8Array): Uint8Array => {
  if (lessThan(digest, order)) return digest
  const out = new Uint8Array(32)
  let borrow = 0
  for (let index = 31; index >= 0; index--) {
    const difference = digest[index]! - order[index]! - borrow
    out[index] = difference & 0xff
    borrow = (difference >> 8) & 1
  }
  return out
}
