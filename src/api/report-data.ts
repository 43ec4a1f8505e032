import { createHash } from 'node:crypto'
import { keccak_256, keccak_384, keccak_512 } from '@noble/hashes/sha3.js'
import { UsageError } from '../base/index.ts'

// What Tappd's TdxQuote makes of an app's bytes before they are quoted (dstack's QuoteContentType). Nothing here decides what
// may be quoted: its result goes to the quoter like any other.

const openssl = (name: string) => (data: Uint8Array) => Uint8Array.from(createHash(name).update(data).digest())
const HASHES: Readonly<Record<string, (data: Uint8Array) => Uint8Array>> = {
  sha256: openssl('sha256'),
  sha384: openssl('sha384'),
  sha512: openssl('sha512'),
  'sha3-256': openssl('sha3-256'),
  'sha3-384': openssl('sha3-384'),
  'sha3-512': openssl('sha3-512'),
  keccak256: keccak_256,
  keccak384: keccak_384,
  keccak512: keccak_512,
}
export const HASH_ALGORITHMS = [...Object.keys(HASHES), 'raw'] as const

/** Keccak runs on the event loop, in JavaScript: nobody may keep the whole node waiting with it. */
const KECCAK_BYTES_MAX = 64 * 1024

const DEFAULT_ALGORITHM = 'sha512'
const DEFAULT_TAG = 'app-data'

/** hash(tag ‖ ":" ‖ data), by default SHA-512 under the tag "app-data"; "raw" is the data itself, exactly 64 bytes. */
export const tappdReportData = (
  data: Uint8Array,
  algorithm: string,
  prefix: string,
): { reportData: Uint8Array; algorithm: string; prefix: string } => {
  const name = algorithm === '' ? DEFAULT_ALGORITHM : algorithm
  if (name === 'raw') {
    if (data.length !== 64) throw new UsageError('bad_length', `raw report data has exactly 64 bytes, not ${data.length}`)
    return { reportData: data, algorithm: name, prefix: '' }
  }
  const hash = Object.hasOwn(HASHES, name) ? HASHES[name] : undefined
  if (hash === undefined) {
    throw new UsageError('unsupported_hash', `invalid hash algorithm; supported: ${HASH_ALGORITHMS.join(', ')}`)
  }
  if (name.startsWith('keccak') && prefix.length + data.length > KECCAK_BYTES_MAX) {
    throw new UsageError('bad_length', `${name} takes at most ${KECCAK_BYTES_MAX} bytes here; hash them first`)
  }
  const tag = prefix === '' ? DEFAULT_TAG : prefix
  return { reportData: hash(Buffer.concat([Buffer.from(`${tag}:`), data])), algorithm: name, prefix: tag }
}

/** DIP-1: the report data that commits to an app key's public key, at most 64 bytes. */
export const appKeyReportData = (algorithm: 'secp256k1' | 'ed25519', publicKey: Uint8Array): Uint8Array => {
  const prefix = algorithm === 'secp256k1' ? 'dip1::secp256k1c-pk:' : 'dip1::ed25519-pk:'
  return Buffer.from(`${prefix}${Buffer.from(publicKey).toString('base64url')}`)
}
