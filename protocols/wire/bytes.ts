import { concat } from 'uint8arrays/concat'
import { fromString } from 'uint8arrays/from-string'

/** UTF-8 bytes of a string constant. */
export const utf8 = (text: string): Uint8Array => fromString(text, 'utf8')

export const u32be = (value: number): Uint8Array => {
  if (!Number.isInteger(value) || value < 0 || value > 0xffff_ffff) throw new RangeError(`not a u32: ${value}`)
  const out = new Uint8Array(4)
  new DataView(out.buffer).setUint32(0, value)
  return out
}

/** Times are Unix milliseconds, so that a number holds them exactly. */
export const u64be = (value: number | bigint): Uint8Array => {
  const big = BigInt(value)
  if (big < 0n || big > 0xffff_ffff_ffff_ffffn) throw new RangeError(`not a u64: ${value}`)
  const out = new Uint8Array(8)
  new DataView(out.buffer).setBigUint64(0, big)
  return out
}

/** A list of fields inside hashes and signatures: for each, u32be(length) ‖ bytes. */
export const fieldList = (fields: readonly Uint8Array[]): Uint8Array =>
  concat(fields.flatMap((field) => [u32be(field.length), field]))

/** Equality of public values; secrets are compared with `timingSafeEqual`. */
export { equals } from 'uint8arrays/equals'
export { concat }

/**
 * A copy that can be wiped. V8 keeps short arrays inside its heap, and its collector copies them about without clearing where
 * they were; the bytes of an ArrayBuffer stay in one place outside.
 */
export const secretCopy = (bytes: Uint8Array): Uint8Array => {
  const copy = new Uint8Array(new ArrayBuffer(bytes.length))
  copy.set(bytes)
  return copy
}
