import { hkdf as nobleHkdf } from '@noble/hashes/hkdf.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { concat, fieldList, utf8 } from '../../protocols/wire/bytes.ts'
import { RefusedError } from '../base/index.ts'
import { isScalar, P256_ORDER } from './scalar.ts'

/** Salt of everything that this program derives itself (design: keys). */
const MESH_SALT = utf8('dstack-mesh/v1')
/** Salts of dstack's own derivations, which may never change: guest API v0 and KMS, guest API v1. */
const DSTACK_V0_SALT = utf8('RATLS')
const DSTACK_V1_SALT = utf8('dstack-guest-v1')

/**
 * HKDF-SHA256 (RFC 5869), 32 bytes; `info` is the concatenation of its parts. Not node's `hkdfSync`: that refuses an info
 * beyond 1024 bytes, and apps choose their paths; nor its HMAC, which is slower than this for inputs so short.
 */
const hkdf = (salt: Uint8Array, ikm: Uint8Array, info: readonly Uint8Array[]): Uint8Array =>
  nobleHkdf(sha256, ikm, salt, info.length === 1 ? info[0] : concat([...info]), 32)

/** HKDF(secret, label) of the design: 32 bytes. */
export const deriveBytes = (secret: Uint8Array, label: readonly Uint8Array[]): Uint8Array => hkdf(MESH_SALT, secret, label)

/**
 * A scalar: HKDF(secret, label), and while that is out of range again with label ‖ 0x00 ‖ u8(counter), counter from 1.
 * `inRange` is a parameter so that the second try, which no one will ever see happen (2^-32 for P-256), can be tested.
 */
export const deriveScalar = (
  secret: Uint8Array,
  label: readonly Uint8Array[],
  inRange: (scalar: Uint8Array) => boolean,
): Uint8Array => {
  for (let counter = 0; counter <= 255; counter++) {
    const scalar = deriveBytes(secret, counter === 0 ? label : [...label, Uint8Array.of(0, counter)])
    if (inRange(scalar)) return scalar
    scalar.fill(0)
  }
  throw new RefusedError('no_scalar', 'no derived value was in range')
}

/** dstack's derive_key: HKDF-SHA256 under the salt "RATLS", context parts joined without separators. */
export const dstackKey = (ikm: Uint8Array, context: readonly Uint8Array[]): Uint8Array => hkdf(DSTACK_V0_SALT, ikm, context)

export const APP_KEY_ALGORITHMS = ['secp256k1', 'ed25519'] as const
export type AppKeyAlgorithm = (typeof APP_KEY_ALGORITHMS)[number]

/** The key of guest API v1 for (domain, algorithm). */
export const dstackV1Key = (k256Key: Uint8Array, domain: string, algorithm: AppKeyAlgorithm): Uint8Array =>
  hkdf(DSTACK_V1_SALT, k256Key, [fieldList([utf8('dstack-guest-v1-key'), utf8(algorithm), utf8(domain)])])

/** What the app's key signs about a key of guest API v1. */
export const dstackV1Claim = (algorithm: AppKeyAlgorithm, domain: string, publicKey: Uint8Array): Uint8Array =>
  fieldList([utf8('dstack-guest-v1-key-claim'), utf8(algorithm), utf8(domain), publicKey])

/** dstack's derive_p256: the derived 32 bytes are the scalar; out of range is an error, not a second try. */
export const dstackP256 = (ikm: Uint8Array, context: readonly Uint8Array[]): Uint8Array => {
  const scalar = dstackKey(ikm, context)
  if (!isScalar(scalar, P256_ORDER))
    throw new RefusedError('no_scalar', 'the derived P-256 key is out of range: choose another path')
  return scalar
}
