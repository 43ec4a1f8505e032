import { createRequire } from 'node:module'
import { secp256k1 as noble } from '@noble/curves/secp256k1.js'
import { systemRandom } from '../base/index.ts'
import { isScalar, reduceDigest, SECP256K1_ORDER } from './scalar.ts'

/** secp256k1 as the dstack API uses it. Both engines give the same bytes: RFC 6979 nonces, low S. */
export interface Secp256k1 {
  readonly name: 'native' | 'noble'
  /** SEC1 compressed, 33 bytes. `secret` is a scalar in range. */
  publicKey(secret: Uint8Array): Uint8Array
  /** r ‖ s ‖ v (65 bytes, v in 0..3) over a 32-byte digest. */
  signRecoverable(digest: Uint8Array, secret: Uint8Array): Uint8Array
  /** Whether r ‖ s (64 bytes, each in range) is a low-S signature of `digest`. Throws on a public key that is no point. */
  verify(digest: Uint8Array, signature: Uint8Array, publicKey: Uint8Array): boolean
}

interface Bindings {
  contextRandomize(seed: Uint8Array): void
  publicKeyCreate(secret: Uint8Array, compressed: boolean): Uint8Array
  ecdsaSign(digest: Uint8Array, secret: Uint8Array): { signature: Uint8Array; recid: number }
  ecdsaVerify(signature: Uint8Array, digest: Uint8Array, publicKey: Uint8Array): boolean
}

const recoverable = (signature: Uint8Array, recovery: number): Uint8Array => {
  const out = new Uint8Array(65)
  out.set(signature)
  out[64] = recovery
  return out
}

/**
 * libsecp256k1, or undefined on a platform for which the package carries no prebuilt binary. Its own entry point would
 * fall back to `elliptic` there without a word, so the bindings are asked for by name.
 */
export const nativeSecp256k1 = (): Secp256k1 | undefined => {
  let bindings: Bindings
  try {
    bindings = createRequire(import.meta.url)('secp256k1/bindings.js') as Bindings
  } catch {
    return undefined
  }
  // Blinds the scalar multiplications against side channels.
  bindings.contextRandomize(systemRandom.bytes(32))
  return {
    name: 'native',
    publicKey: (secret) => bindings.publicKeyCreate(secret, true),
    signRecoverable(digest, secret) {
      // libsecp256k1 of this vintage feeds the digest to RFC 6979 as it came, the RFC reduces it first: the same for every
      // hash one meets, another nonce for a caller's own 32 bytes beyond the group order.
      const { signature, recid } = bindings.ecdsaSign(reduceDigest(digest, SECP256K1_ORDER), secret)
      return recoverable(signature, recid)
    },
    verify: (digest, signature, publicKey) => bindings.ecdsaVerify(signature, digest, publicKey),
  }
}

export const nobleSecp256k1: Secp256k1 = {
  name: 'noble',
  publicKey: (secret) => noble.getPublicKey(secret, true),
  signRecoverable(digest, secret) {
    const bytes = noble.sign(digest, secret, { prehash: false, lowS: true, format: 'recovered' })
    return recoverable(bytes.subarray(1), bytes[0]!)
  },
  verify(digest, signature, publicKey) {
    noble.Point.fromBytes(publicKey)
    return noble.verify(signature, digest, publicKey, { prehash: false, lowS: true })
  },
}

let chosen: Secp256k1 | undefined
/** The fastest engine that this platform has; loaded at the first use. */
export const secp256k1 = (): Secp256k1 => {
  chosen ??= nativeSecp256k1() ?? nobleSecp256k1
  return chosen
}

/** Whether `bytes` is a secret key: 32 bytes in [1, order). */
export const isSecp256k1Secret = (bytes: Uint8Array): boolean => isScalar(bytes, SECP256K1_ORDER)
