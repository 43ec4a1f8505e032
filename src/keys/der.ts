import { isIPv4 } from 'node:net'
import { concat } from '../../protocols/wire/bytes.ts'

// DER (X.690), writing only: what certificates and requests of ours are made of. Reading is left to a library.

/** One element. */
export const element = (tag: number, ...parts: readonly Uint8Array[]): Uint8Array => {
  const length = parts.reduce((sum, part) => sum + part.length, 0)
  if (length < 0x80) return concat([Uint8Array.of(tag, length), ...parts])
  const bytes: number[] = []
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) bytes.unshift(rest % 256)
  return concat([Uint8Array.of(tag, 0x80 | bytes.length, ...bytes), ...parts])
}

export const sequence = (...parts: readonly Uint8Array[]): Uint8Array => element(0x30, ...parts)
export const set = (...parts: readonly Uint8Array[]): Uint8Array => element(0x31, ...parts)
export const octets = (bytes: Uint8Array): Uint8Array => element(0x04, bytes)
export const bits = (bytes: Uint8Array, unused = 0): Uint8Array => element(0x03, Uint8Array.of(unused), bytes)
export const utf8String = (text: string): Uint8Array => element(0x0c, Buffer.from(text))
export const TRUE = Uint8Array.of(0x01, 0x01, 0xff)

/** Not negative; `bytes` big-endian without leading zeros. */
export const integer = (bytes: Uint8Array): Uint8Array =>
  bytes[0]! >= 0x80 ? element(0x02, Uint8Array.of(0), bytes) : element(0x02, bytes)

/** From dotted numbers. */
export const oid = (dotted: string): Uint8Array => {
  const [first, second, ...rest] = dotted.split('.').map(Number)
  const bytes = [first! * 40 + second!, ...rest].flatMap((number) => {
    const groups = [number & 0x7f]
    for (let more = number >>> 7; more > 0; more >>>= 7) groups.unshift((more & 0x7f) | 0x80)
    return groups
  })
  return element(0x06, Uint8Array.from(bytes))
}

/** RFC 5280, 4.1.2.5: UTCTime through 2049, GeneralizedTime from 2050; whole seconds. */
export const time = (atMs: number): Uint8Array => {
  const digits = `${new Date(atMs).toISOString().slice(0, 19).replace(/[-T:]/g, '')}Z`
  return digits < '2050' ? element(0x17, Buffer.from(digits.slice(2))) : element(0x18, Buffer.from(digits))
}

/** The bytes of an IP address: 4 or 16. `address` is one that node's `isIP` takes, without a zone. */
export const ipAddress = (address: string): Uint8Array => {
  if (isIPv4(address)) return Uint8Array.from(address.split('.').map(Number))
  // The URL parser knows every form of IPv6, :: and a trailing IPv4 among them, and writes hex groups only.
  const [head, tail] = new URL(`http://[${address}]`).hostname.slice(1, -1).split('::')
  const groups = (text: string | undefined) => (text ? text.split(':').map((group) => Number.parseInt(group, 16)) : [])
  const [before, after] = [groups(head), groups(tail)]
  const all = [...before, ...Array<number>(8 - before.length - after.length).fill(0), ...after]
  return Uint8Array.from(all.flatMap((group) => [group >> 8, group & 0xff]))
}
