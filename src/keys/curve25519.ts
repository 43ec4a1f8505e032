import { createPrivateKey, createPublicKey, type KeyObject, sign } from 'node:crypto'

/** PKCS#8 of a 32-byte secret (RFC 8410), up to the secret. */
const PKCS8_HEAD = {
  ed25519: Buffer.from('302e020100300506032b657004220420', 'hex'),
  x25519: Buffer.from('302e020100300506032b656e04220420', 'hex'),
}

const keyObject = (curve: keyof typeof PKCS8_HEAD, secret: Uint8Array): KeyObject => {
  const head = PKCS8_HEAD[curve]
  const der = Buffer.alloc(head.length + 32)
  der.set(head)
  der.set(secret, head.length)
  try {
    return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
  } finally {
    der.fill(0)
  }
}

const publicKey = (key: KeyObject): Uint8Array =>
  Uint8Array.from(createPublicKey(key).export({ format: 'der', type: 'spki' }).subarray(-32))

/** The public key (32 bytes) of a seed (32 bytes), RFC 8032. */
export const ed25519PublicKey = (seed: Uint8Array): Uint8Array => publicKey(keyObject('ed25519', seed))

/** 64 bytes, RFC 8032. */
export const signEd25519 = (seed: Uint8Array, message: Uint8Array): Uint8Array =>
  Uint8Array.from(sign(null, message, keyObject('ed25519', seed)))

/** The public key (32 bytes) of an X25519 secret, clamped on use (RFC 7748). */
export const x25519PublicKey = (secret: Uint8Array): Uint8Array => publicKey(keyObject('x25519', secret))
