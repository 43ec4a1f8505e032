import { concat, u32be, u64be } from '../../protocols/wire/bytes.ts'
import { RefusedError } from '../base/index.ts'

// The little of XDR (RFC 4506) that is read without the SDK: it costs a third of a second and 50 MB to load.

/** What is not the XDR that it should be. */
export const badXdr = (what: string, found: string): RefusedError =>
  new RefusedError('bad_xdr', `${what}: ${found}`, { next: 'ask another server, or have the proof made anew' })

const padding = (length: number): number => (4 - (length % 4)) % 4

/** Strict: what is cut off, padded with anything but zeros, or followed by more throws RefusedError `bad_xdr`. */
export class XdrReader {
  #at = 0
  readonly #view: DataView
  constructor(
    readonly bytes: Uint8Array,
    readonly what: string,
  ) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  }

  get at(): number {
    return this.#at
  }

  fail(found: string): RefusedError {
    return badXdr(this.what, found)
  }

  #take(length: number): number {
    if (length > this.bytes.length - this.#at) throw this.fail(`cut off at byte ${this.#at}`)
    const from = this.#at
    this.#at += length
    return from
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4))
  }

  u64(): bigint {
    return this.#view.getBigUint64(this.#take(8))
  }

  /** A view of so many bytes, and their padding. */
  opaque(length: number): Uint8Array {
    const from = this.#take(length)
    const bytes = this.bytes.subarray(from, from + length)
    const pad = this.#take(padding(length))
    if (this.bytes.subarray(pad, this.#at).some((byte) => byte !== 0)) throw this.fail(`padding that is not zero at byte ${pad}`)
    return bytes
  }

  /** Length, then so many bytes. */
  varOpaque(max: number): Uint8Array {
    return this.opaque(this.count(max))
  }

  /** The length of a list or of bytes. */
  count(max: number): number {
    const count = this.u32()
    if (count > max) throw this.fail(`${count} where at most ${max} may be`)
    return count
  }

  /** A union whose other arms are not known here. */
  arm(...known: number[]): number {
    const arm = this.u32()
    if (!known.includes(arm)) throw this.fail(`unknown union arm ${arm}`)
    return arm
  }

  end(): void {
    if (this.#at !== this.bytes.length) throw this.fail(`${this.bytes.length - this.#at} bytes too many`)
  }
}

/** Length, bytes, padding. */
export const varOpaque = (bytes: Uint8Array): Uint8Array =>
  concat([u32be(bytes.length), bytes, new Uint8Array(padding(bytes.length))])

export { concat, u32be, u64be }

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/

/** Base64 as XDR travels in; throws RefusedError `bad_xdr` when it is not, or longer than so many bytes. */
export const xdrFromBase64 = (text: string, what: string, maxBytes: number): Uint8Array => {
  if (text.length > Math.ceil(maxBytes / 3) * 4) throw badXdr(what, `more than ${maxBytes} bytes`)
  if (!BASE64.test(text)) throw badXdr(what, 'not base64')
  return Uint8Array.from(Buffer.from(text, 'base64'))
}

export const toBase64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')
