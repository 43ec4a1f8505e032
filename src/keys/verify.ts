import { createHash, createPublicKey, verify } from 'node:crypto'
import { ed25519 } from '@noble/curves/ed25519.js'
import { UsageError } from '../base/index.ts'
import { isScalar, SECP256K1_ORDER } from './scalar.ts'
import { secp256k1 } from './secp256k1.ts'

/** SubjectPublicKeyInfo of an ed25519 key (RFC 8410), up to the key. */
const ED25519_SPKI_HEAD = Buffer.from('302a300506032b6570032100', 'hex')

const malformed = (what: string): UsageError => new UsageError('malformed', `invalid ${what}`)

/**
 * Guest API v0's Verify. Needs no key of ours. False means that all was well formed and the signature is not good; a high
 * S never is. Pre-hashed data shorter than 32 bytes is padded on the left, longer is cut, below 16 is false: dstack's rule.
 * @throws UsageError on an unknown algorithm, a public key that is no point, a signature that is not two scalars.
 */
export const verifySignature = (algorithm: string, data: Uint8Array, signature: Uint8Array, publicKey: Uint8Array): boolean => {
  if (algorithm === 'ed25519') {
    if (publicKey.length !== 32) throw malformed('public key')
    if (signature.length !== 64) throw malformed('signature')
    try {
      ed25519.Point.fromBytes(publicKey)
    } catch {
      throw malformed('public key')
    }
    // OpenSSL's: the data may be megabytes.
    const spki = Buffer.concat([ED25519_SPKI_HEAD, publicKey])
    return verify(null, data, createPublicKey({ key: spki, format: 'der', type: 'spki' }), signature)
  }
  if (algorithm !== 'secp256k1' && algorithm !== 'k256' && algorithm !== 'secp256k1_prehashed') {
    throw new UsageError('unsupported_algorithm', 'Unsupported algorithm')
  }
  const scalars = [signature.subarray(0, 32), signature.subarray(32)]
  if (!scalars.every((scalar) => isScalar(scalar, SECP256K1_ORDER))) throw malformed('signature')
  if (algorithm === 'secp256k1_prehashed' && data.length < 16) {
    verifyOrThrow(new Uint8Array(32), signature, publicKey)
    return false
  }
  return verifyOrThrow(algorithm === 'secp256k1_prehashed' ? toDigest(data) : sha256(data), signature, publicKey)
}

const sha256 = (data: Uint8Array): Uint8Array => createHash('sha256').update(data).digest()

const toDigest = (data: Uint8Array): Uint8Array => {
  const digest = new Uint8Array(32)
  const taken = data.subarray(0, 32)
  digest.set(taken, 32 - taken.length)
  return digest
}

const verifyOrThrow = (digest: Uint8Array, signature: Uint8Array, publicKey: Uint8Array): boolean => {
  // Compressed or uncompressed only: libsecp256k1 would also take the hybrid form.
  const form = publicKey[0]
  if (!((publicKey.length === 33 && (form === 2 || form === 3)) || (publicKey.length === 65 && form === 4))) {
    throw malformed('public key')
  }
  try {
    return secp256k1().verify(digest, signature, publicKey)
  } catch {
    throw malformed('public key')
  }
}
