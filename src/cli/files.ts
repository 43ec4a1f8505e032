import { X509Certificate } from 'node:crypto'
import { open } from 'node:fs/promises'
import { messageOf, UsageError } from '../base/index.ts'
import { type Collateral, collateralFromJson, DcapError, type Policy, parsePolicy } from '../index.ts'

const QUOTE_LIMIT_BYTES = 1024 * 1024
/** Nine pieces, of which the revocation lists can have a mebibyte each, in hex. */
const COLLATERAL_LIMIT_BYTES = 8 * 1024 * 1024
const POLICY_LIMIT_BYTES = 1024 * 1024
const CERTIFICATE_LIMIT_BYTES = 64 * 1024

/** A file's bytes. Reads no further than the limit, whatever the file claims to be (a device has no size). Throws UsageError. */
export const readBounded = async (path: string, what: string, limitBytes: number): Promise<Buffer> => {
  try {
    const file = await open(path, 'r')
    try {
      const chunks: Buffer[] = []
      let size = 0
      for (;;) {
        const { buffer, bytesRead } = await file.read(Buffer.alloc(64 * 1024), 0, 64 * 1024)
        if (bytesRead === 0) return Buffer.concat(chunks, size)
        size += bytesRead
        if (size > limitBytes) throw new Error(`${path} is larger than ${limitBytes} bytes`)
        chunks.push(buffer.subarray(0, bytesRead))
      }
    } finally {
      await file.close()
    }
  } catch (cause) {
    throw new UsageError('unreadable', `cannot read the ${what}: ${messageOf(cause)}`, { next: 'check the path', cause })
  }
}

/** A quote as it is, or as hex or base64 text. */
export const readQuote = async (path: string): Promise<Uint8Array> => {
  const bytes = await readBounded(path, 'quote', QUOTE_LIMIT_BYTES)
  const text = bytes.toString('latin1').replace(/\s+/g, '')
  if (/^(0x)?([0-9a-fA-F]{2})+$/.test(text)) return Uint8Array.from(Buffer.from(text.replace(/^0x/, ''), 'hex'))
  if (/^[A-Za-z0-9+/]+=*$/.test(text)) return Uint8Array.from(Buffer.from(text, 'base64'))
  return Uint8Array.from(bytes)
}

/** Throws UsageError when there is no such file, DcapError when it is no collateral. */
export const readCollateral = async (path: string): Promise<Collateral> => {
  const bytes = await readBounded(path, 'collateral', COLLATERAL_LIMIT_BYTES)
  let json: unknown
  try {
    json = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (error) {
    throw new DcapError(
      'collateral_malformed',
      `collateral is a JSON object of nine fields; this is not JSON: ${messageOf(error)}`,
    )
  }
  return collateralFromJson(json)
}

/** Throws UsageError; PolicyError is one. */
export const readPolicy = async (path: string): Promise<Policy> =>
  parsePolicy(Uint8Array.from(await readBounded(path, 'policy', POLICY_LIMIT_BYTES)))

/** DER of the one certificate, PEM or DER, in a file. */
export const readRoot = async (path: string): Promise<Uint8Array> => {
  const bytes = await readBounded(path, 'root certificate', CERTIFICATE_LIMIT_BYTES)
  try {
    if (bytes.toString('latin1').split('-----BEGIN').length > 2) throw new Error('it holds several')
    return Uint8Array.from(new X509Certificate(bytes).raw)
  } catch (cause) {
    throw new UsageError('bad_root', `${path} is not one certificate, PEM or DER: ${messageOf(cause)}`, {
      next: 'give --root the root certificate that is trusted, alone',
      cause,
    })
  }
}
