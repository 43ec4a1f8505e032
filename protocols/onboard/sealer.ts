import { Chacha20Poly1305 } from '@hpke/chacha20poly1305'
import { CipherSuite, HkdfSha256 } from '@hpke/core'
import { XWing } from '@hpke/hybridkem-x-wing'
import { utf8 } from '../wire/index.ts'
import { HPKE_INFO, SECRET_BYTES } from './constants.ts'

/** Seals to a key that exists only inside the joiner's TD. HPKE base mode (RFC 9180), one suite, no negotiation. */
export interface Sealer {
  /** A fresh key pair for one join. */
  generate(): Promise<SealingKey>
  /** Throws when `publicKey` is malformed or of low order. */
  seal(publicKey: Uint8Array, plaintext: Uint8Array, aad: Uint8Array): Promise<{ enc: Uint8Array; ciphertext: Uint8Array }>
}

export interface SealingKey {
  readonly publicKey: Uint8Array
  /** Throws when `ciphertext` was not sealed to this key with this `aad`. */
  open(enc: Uint8Array, ciphertext: Uint8Array, aad: Uint8Array): Promise<Uint8Array>
  wipe(): void
}

/** X-Wing, HKDF-SHA256, ChaCha20-Poly1305. */
export const hpkeSealer = (random: { bytes(length: number): Uint8Array }): Sealer => {
  const suite = new CipherSuite({ kem: new XWing(), kdf: new HkdfSha256(), aead: new Chacha20Poly1305() })
  const info = utf8(HPKE_INFO)

  return {
    async generate() {
      const seed = random.bytes(SECRET_BYTES)
      const pair = await suite.kem.deriveKeyPair(seed)
      seed.fill(0)
      const privateBytes = new Uint8Array(await suite.kem.serializePrivateKey(pair.privateKey))
      return {
        publicKey: new Uint8Array(await suite.kem.serializePublicKey(pair.publicKey)),
        async open(enc, ciphertext, aad) {
          const recipient = await suite.createRecipientContext({ recipientKey: pair.privateKey, enc, info })
          return new Uint8Array(await recipient.open(ciphertext, aad))
        },
        wipe: () => privateBytes.fill(0),
      }
    },
    async seal(publicKey, plaintext, aad) {
      const recipientPublicKey = await suite.kem.deserializePublicKey(publicKey)
      // 64 bytes: ML-KEM's and X25519's share of the encapsulation's randomness.
      const ekm = random.bytes(2 * SECRET_BYTES)
      try {
        const sender = await suite.createSenderContext({ recipientPublicKey, info, ekm: ekm.buffer as ArrayBuffer })
        return { enc: new Uint8Array(sender.enc), ciphertext: new Uint8Array(await sender.seal(plaintext, aad)) }
      } finally {
        ekm.fill(0)
      }
    },
  }
}
