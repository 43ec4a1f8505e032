/** Protobuf fields written by hand, so that tests can send what no codec would. */
export type Part = Uint8Array | readonly number[]

export const bytesOf = (...parts: readonly Part[]): Uint8Array => Uint8Array.from(parts.flatMap((part) => [...part]))

export const varint = (value: bigint | number): Uint8Array => {
  const out: number[] = []
  let rest = BigInt(value)
  for (; rest >= 0x80n; rest >>= 7n) out.push(Number(rest & 0x7fn) | 0x80)
  return Uint8Array.from([...out, Number(rest)])
}
/** The same number in `length` bytes, longer than it need be. */
export const longVarint = (value: number, length: number): Uint8Array => {
  const out = new Uint8Array(length).fill(0x80)
  out.set(varint(value).map((byte) => byte | 0x80))
  out[length - 1]! &= 0x7f
  return out
}
export const key = (field: number, wire: number): Uint8Array => varint((BigInt(field) << 3n) | BigInt(wire))
export const uint = (field: number, value: bigint | number): Uint8Array => bytesOf(key(field, 0), varint(value))
export const len = (field: number, ...content: readonly Part[]): Uint8Array => {
  const body = bytesOf(...content)
  return bytesOf(key(field, 2), varint(body.length), body)
}
