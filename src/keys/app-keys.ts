import { createHash } from 'node:crypto'
import { blake2b } from '@noble/hashes/blake2.js'
import { keccak_256 } from '@noble/hashes/sha3.js'
import { concat, secretCopy, utf8 } from '../../protocols/wire/bytes.ts'
import { RefusedError, TransientError, UsageError } from '../base/index.ts'
import { ed25519PublicKey, signEd25519 } from './curve25519.ts'
import { APP_KEY_ALGORITHMS, type AppKeyAlgorithm, dstackKey, dstackP256, dstackV1Claim, dstackV1Key } from './derive.ts'
import { dstackDhSecret } from './p256.ts'
import { isSecp256k1Secret, secp256k1 } from './secp256k1.ts'

export const APP_ID_BYTES = 20

/** A key that an app asked for, as it is handed out. */
export interface DerivedKey {
  /** 32 bytes: a secp256k1 scalar or an ed25519 seed. */
  key: Uint8Array
  /** 33 bytes SEC1 compressed, or 32 raw. */
  publicKey: Uint8Array
  /** [the app's key about this one, the k256 root about the app's key]; each r ‖ s ‖ v, 65 bytes. */
  signatureChain: [Uint8Array, Uint8Array]
}

export interface PayloadSignature {
  /** 64 bytes: r ‖ s, or RFC 8032. */
  signature: Uint8Array
  publicKey: Uint8Array
  /** The signature itself, then the two links of {@link DerivedKey}. */
  signatureChain: [Uint8Array, Uint8Array, Uint8Array]
}

/** The path and purpose that `Sign` always uses. */
const SIGN_PATH = 'vms'
const SIGN_PURPOSE = 'signing'

/** The longest path, purpose, domain or tag: they are hashed on the event loop, which others wait for. */
const NAME_BYTES_MAX = 64 * 1024

const checkedName = (name: string): string => {
  const bytes = Buffer.byteLength(name)
  if (bytes > NAME_BYTES_MAX) {
    throw new UsageError('bad_length', `a path, purpose, domain or tag has at most ${NAME_BYTES_MAX} bytes, not ${bytes}`)
  }
  return name
}

const unsupported = (): UsageError => new UsageError('unsupported_algorithm', 'Unsupported algorithm')

const hex = (bytes: Uint8Array): string => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex')

/** What a KMS root signs about an app's key: keccak256("dstack-kms-issued:" ‖ app_id ‖ SEC1). */
const issuedDigest = (appId: Uint8Array, publicKey: Uint8Array): Uint8Array =>
  keccak_256(concat([utf8('dstack-kms-issued:'), appId, publicKey]))

/**
 * The keys of one app in one epoch, by dstack's published derivations to the byte (guest API v0, v1, Tappd, KMS). It holds
 * what the app itself may learn and nothing above it.
 */
export class AppKeys {
  /** SEC1 compressed public key of the app's root key. */
  readonly publicKey: Uint8Array
  /** The k256 root about {@link publicKey}: r ‖ s ‖ v. */
  readonly issuedSignature: Uint8Array
  readonly #k256: Uint8Array
  readonly #ca: Uint8Array
  readonly #env: Uint8Array
  readonly #signing = new Map<AppKeyAlgorithm, DerivedKey>()
  #wiped = false

  /** Copies what it is given; the caller wipes its own. For tests of published vectors; others use {@link AppKeys.derive}. */
  constructor(
    readonly appId: Uint8Array,
    keys: { k256: Uint8Array; issuedSignature: Uint8Array; ca: Uint8Array; env: Uint8Array },
  ) {
    if (!isSecp256k1Secret(keys.k256)) throw new RefusedError('no_scalar', 'Failed to parse k256 key')
    this.#k256 = secretCopy(keys.k256)
    this.#ca = secretCopy(keys.ca)
    this.#env = secretCopy(keys.env)
    this.issuedSignature = Uint8Array.from(keys.issuedSignature)
    this.publicKey = secp256k1().publicKey(this.#k256)
  }

  /** The keys of `appId` (20 bytes) below the two roots, as dstack's KMS derives them. */
  static derive(appId: Uint8Array, k256Root: Uint8Array, caRoot: Uint8Array): AppKeys {
    const k256 = dstackKey(k256Root, [appId, utf8('app-key')])
    const ca = dstackP256(caRoot, [appId, utf8('app-ca')])
    const env = dstackDhSecret(caRoot, [appId, utf8('env-encrypt-key')])
    try {
      if (!isSecp256k1Secret(k256)) throw new RefusedError('no_scalar', 'Failed to parse k256 key')
      const issuedSignature = secp256k1().signRecoverable(issuedDigest(appId, secp256k1().publicKey(k256)), k256Root)
      return new AppKeys(Uint8Array.from(appId), { k256, issuedSignature, ca, env })
    } finally {
      for (const secret of [k256, ca, env]) secret.fill(0)
    }
  }

  /**
   * Guest API v0's GetKey. The same 32 bytes serve both curves and `purpose` reaches only the chain: dstack's rule, kept.
   * @throws UsageError on an algorithm other than secp256k1 (alias k256, default '') and ed25519.
   */
  getKey(path: string, purpose = '', algorithm = ''): DerivedKey {
    const curve = algorithm === '' || algorithm === 'k256' ? 'secp256k1' : algorithm
    if (curve !== 'secp256k1' && curve !== 'ed25519') throw unsupported()
    const key = dstackKey(this.#secret(), [utf8(checkedName(path))])
    const publicKey = publicKeyOf(curve, key)
    const link = this.#sign(keccak_256(utf8(`${checkedName(purpose)}:${hex(publicKey)}`)))
    return { key, publicKey, signatureChain: [link, this.issuedSignature] }
  }

  /**
   * Guest API v1's GetKey: domain and algorithm both reach the key.
   * @throws UsageError on an algorithm other than secp256k1 and ed25519; no default, no alias.
   */
  getKeyV1(domain: string, algorithm: string): DerivedKey {
    const curve = APP_KEY_ALGORITHMS.find((name) => name === algorithm)
    if (curve === undefined) {
      throw new UsageError('unsupported_algorithm', 'algorithm must be `secp256k1` or `ed25519`: v1 has no default and no alias')
    }
    const key = dstackV1Key(this.#secret(), checkedName(domain), curve)
    const publicKey = publicKeyOf(curve, key)
    const link = this.#sign(keccak_256(dstackV1Claim(curve, domain, publicKey)))
    return { key, publicKey, signatureChain: [link, this.issuedSignature] }
  }

  /**
   * Guest API v0's Sign, with the key at path "vms". Modes: secp256k1 (alias k256) over SHA-256(data), secp256k1_prehashed
   * over 32 bytes as they are, ed25519.
   */
  sign(algorithm: string, data: Uint8Array): PayloadSignature {
    const mode = algorithm === 'k256' ? 'secp256k1' : algorithm
    if (mode !== 'secp256k1' && mode !== 'secp256k1_prehashed' && mode !== 'ed25519') throw unsupported()
    if (mode === 'secp256k1_prehashed' && data.length !== 32) {
      throw new UsageError('bad_length', `Pre-hashed signing requires a 32-byte digest, but received ${data.length} bytes`)
    }
    const { key, publicKey, signatureChain } = this.#signingKey(mode === 'ed25519' ? 'ed25519' : 'secp256k1')
    const signature =
      mode === 'ed25519'
        ? signEd25519(key, data)
        : secp256k1()
            .signRecoverable(mode === 'secp256k1' ? createHash('sha256').update(data).digest() : data, key)
            .slice(0, 64)
    return { signature, publicKey, signatureChain: [signature, ...signatureChain] }
  }

  /** Tappd's DeriveKey: a P-256 scalar at `path`. The caller wipes it. */
  p256Key(path: string): Uint8Array {
    return dstackP256(this.#secret(), [utf8(checkedName(path))])
  }

  /** dstack-vm's getkey: keyed BLAKE2b-256 of the tag. There the key was the shared secret; here it is this app's. */
  tagKey(tag: string): Uint8Array {
    return blake2b(utf8(checkedName(tag)), { key: this.#secret(), dkLen: 32 })
  }

  /** dstack-vm's attest: v ‖ r ‖ s (v 27 or 28, as ecrecover wants it) over keccak256("attest" ‖ appData). */
  attestAppData(appData: Uint8Array): Uint8Array {
    const signature = this.#sign(keccak_256(concat([utf8('attest'), appData])))
    return concat([Uint8Array.of(27 + signature[64]!), signature.subarray(0, 64)])
  }

  /** The app CA's P-256 scalar. The caller wipes it. */
  caKey(): Uint8Array {
    this.#secret()
    return Uint8Array.from(this.#ca)
  }

  /** The X25519 secret to which an app's environment is encrypted (clamped on use). The caller wipes it. */
  envKey(): Uint8Array {
    this.#secret()
    return Uint8Array.from(this.#env)
  }

  wipe(): void {
    this.#wiped = true
    for (const secret of [this.#k256, this.#ca, this.#env]) secret.fill(0)
    for (const { key } of this.#signing.values()) key.fill(0)
    this.#signing.clear()
  }

  /** The key at path "vms" is always the same: derived once for each curve. */
  #signingKey(curve: AppKeyAlgorithm): DerivedKey {
    this.#secret()
    let found = this.#signing.get(curve)
    if (found === undefined) {
      found = this.getKey(SIGN_PATH, SIGN_PURPOSE, curve)
      this.#signing.set(curve, found)
    }
    return found
  }

  #secret(): Uint8Array {
    if (this.#wiped) throw wipedError()
    return this.#k256
  }

  #sign(digest: Uint8Array): Uint8Array {
    return secp256k1().signRecoverable(digest, this.#secret())
  }
}

export const wipedError = (): TransientError =>
  new TransientError('wiped', 'the keyring was wiped', { next: 'This node is stopping; ask again once it has joined anew.' })

/** dstack-vm's appdata: keccak256(tag ‖ bytes), 32 bytes. Needs no key. */
export const appDataOf = (tag: string, bytes: Uint8Array): Uint8Array => keccak_256(concat([utf8(tag), bytes]))

const publicKeyOf = (curve: AppKeyAlgorithm, key: Uint8Array): Uint8Array => {
  if (curve === 'ed25519') return ed25519PublicKey(key)
  if (!isSecp256k1Secret(key)) throw new RefusedError('no_scalar', 'Failed to parse k256 key')
  return secp256k1().publicKey(key)
}
