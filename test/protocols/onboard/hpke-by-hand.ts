/**
 * Opening a grant without the library that sealed it: X-Wing (draft-connolly-cfrg-xwing-kem) and HPKE (RFC 9180, base mode)
 * from the specifications, on node:crypto's primitives.
 */
import {
  createDecipheriv,
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  decapsulate,
  diffieHellman,
} from 'node:crypto'

// PKCS#8 up to the seed, and SubjectPublicKeyInfo up to the key.
const ML_KEM_768_SEED_HEAD = '3054020100300b060960864801650304040204428040'
const X25519_SECRET_HEAD = '302e020100300506032b656e04220420'
const X25519_PUBLIC_HEAD = '302a300506032b656e032100'

const shake256 = (bytes: Uint8Array, outputLength: number) => createHash('shake256', { outputLength }).update(bytes).digest()
const privateKey = (head: string, secret: Uint8Array) =>
  createPrivateKey({ key: Buffer.concat([Buffer.from(head, 'hex'), secret]), format: 'der', type: 'pkcs8' })
const x25519Public = (key: Uint8Array) =>
  createPublicKey({ key: Buffer.concat([Buffer.from(X25519_PUBLIC_HEAD, 'hex'), key]), format: 'der', type: 'spki' })

/** X-Wing's shared secret of `enc` (1,120 bytes) under a decapsulation key (32 bytes). */
const decapsulateXWing = (decapsulationKey: Uint8Array, enc: Uint8Array): Buffer => {
  const expanded = shake256(decapsulationKey, 96)
  const mlKem = privateKey(ML_KEM_768_SEED_HEAD, expanded.subarray(0, 64))
  const x25519 = privateKey(X25519_SECRET_HEAD, expanded.subarray(64))
  const ctX = enc.subarray(1088)
  const pkX = createPublicKey(x25519).export({ format: 'der', type: 'spki' }).subarray(-32)
  return createHash('sha3-256')
    .update(decapsulate(mlKem, enc.subarray(0, 1088)))
    .update(diffieHellman({ privateKey: x25519, publicKey: x25519Public(ctX) }))
    .update(ctX)
    .update(pkX)
    .update('\\.//^\\')
    .digest()
}

// "HPKE", X-Wing (0x647a), HKDF-SHA256 (1), ChaCha20-Poly1305 (3).
const SUITE_ID = Buffer.from('48504b45647a00010003', 'hex')
const extract = (salt: Uint8Array, label: string, ikm: Uint8Array): Buffer =>
  createHmac('sha256', salt).update('HPKE-v1').update(SUITE_ID).update(label).update(ikm).digest()
const expand = (key: Uint8Array, label: string, info: Uint8Array, length: number): Buffer =>
  createHmac('sha256', key)
    .update(Uint8Array.of(0, length))
    .update('HPKE-v1')
    .update(SUITE_ID)
    .update(label)
    .update(info)
    .update(Uint8Array.of(1))
    .digest()
    .subarray(0, length)

export const openByHand = (
  decapsulationKey: Uint8Array,
  enc: Uint8Array,
  info: Uint8Array,
  aad: Uint8Array,
  ciphertext: Uint8Array,
): Uint8Array => {
  const none = new Uint8Array(0)
  const context = Buffer.concat([Uint8Array.of(0), extract(none, 'psk_id_hash', none), extract(none, 'info_hash', info)])
  const secret = extract(decapsulateXWing(decapsulationKey, enc), 'secret', none)
  const decipher = createDecipheriv(
    'chacha20-poly1305',
    expand(secret, 'key', context, 32),
    expand(secret, 'base_nonce', context, 12),
    {
      authTagLength: 16,
    },
  )
  decipher.setAAD(aad, { plaintextLength: ciphertext.length - 16 })
  decipher.setAuthTag(ciphertext.subarray(-16))
  return Uint8Array.from(Buffer.concat([decipher.update(ciphertext.subarray(0, -16)), decipher.final()]))
}
