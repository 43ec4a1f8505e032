import { createECDH, createHash, createPrivateKey, ECDH, type KeyObject } from 'node:crypto'
import { concat } from '../../protocols/wire/bytes.ts'
import { dstackP256 } from './derive.ts'

// PKCS#8 (RFC 5958) of a P-256 key as ring and rcgen write it: no curve inside ECPrivateKey, the public point in [1].
const PKCS8_HEAD = Buffer.from('308187020100301306072a8648ce3d020106082a8648ce3d030107046d306b0201010420', 'hex')
const PKCS8_MIDDLE = Buffer.from('a144034200', 'hex')
/** DER of a SubjectPublicKeyInfo up to the uncompressed point (RFC 5480). */
const SPKI_HEAD = Buffer.from('3059301306072a8648ce3d020106082a8648ce3d030107034200', 'hex')

/** SEC1 point of a P-256 scalar in range: 33 bytes, or 65 uncompressed. */
export const p256PublicKey = (scalar: Uint8Array, form: 'compressed' | 'uncompressed' = 'compressed'): Uint8Array => {
  const ecdh = createECDH('prime256v1')
  ecdh.setPrivateKey(scalar)
  return Uint8Array.from(ecdh.getPublicKey(undefined as never, form))
}

/** SubjectPublicKeyInfo DER of a P-256 scalar. */
export const p256Spki = (scalar: Uint8Array): Uint8Array => concat([SPKI_HEAD, p256PublicKey(scalar, 'uncompressed')])

/** SubjectPublicKeyInfo DER of a SEC1 point, compressed or not. Throws on what is no point. */
export const p256PointSpki = (point: Uint8Array): Uint8Array =>
  concat([SPKI_HEAD, ECDH.convertKey(point, 'prime256v1', undefined, undefined, 'uncompressed') as Buffer])

/** PKCS#8 DER (138 bytes) of a P-256 scalar. The caller wipes it. `spki` is for who has it already. */
export const p256Pkcs8 = (scalar: Uint8Array, spki = p256Spki(scalar)): Uint8Array =>
  concat([PKCS8_HEAD, scalar, PKCS8_MIDDLE, spki.subarray(SPKI_HEAD.length)])

/** PKCS#8 PEM: what an app is given. A string cannot be wiped, so it is made when the answer is. */
export const p256Pem = (scalar: Uint8Array, spki?: Uint8Array): string => {
  const der = p256Pkcs8(scalar, spki)
  const base64 = Buffer.from(der.buffer, der.byteOffset, der.length).toString('base64')
  der.fill(0)
  return `-----BEGIN PRIVATE KEY-----\n${base64.match(/.{1,64}/g)!.join('\n')}\n-----END PRIVATE KEY-----\n`
}

/** For signing with node:crypto. OpenSSL cleanses its copy when the object is collected. */
export const p256KeyObject = (scalar: Uint8Array, spki?: Uint8Array): KeyObject => {
  const der = p256Pkcs8(scalar, spki)
  try {
    return createPrivateKey({ key: Buffer.from(der.buffer, der.byteOffset, der.length), format: 'der', type: 'pkcs8' })
  } finally {
    der.fill(0)
  }
}

/** dstack's derive_dh_secret: SHA-256 of the PKCS#8 of a derived P-256 key, 32 bytes. */
export const dstackDhSecret = (root: Uint8Array, context: readonly Uint8Array[]): Uint8Array => {
  const scalar = dstackP256(root, context)
  const der = p256Pkcs8(scalar)
  const digest = createHash('sha256').update(der).digest()
  scalar.fill(0)
  der.fill(0)
  const out = Uint8Array.from(digest)
  digest.fill(0)
  return out
}
