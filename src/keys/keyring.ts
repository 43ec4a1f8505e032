import { createHash } from 'node:crypto'
import { keccak_256 } from '@noble/hashes/sha3.js'
import { concat, equals, secretCopy, u32be, u64be, utf8 } from '../../protocols/wire/bytes.ts'
import { type ClusterSignatureContext, clusterSignedBytes } from '../../protocols/wire/signature.ts'
import { type Random, RefusedError, UsageError } from '../base/index.ts'
import { APP_ID_BYTES, AppKeys, wipedError } from './app-keys.ts'
import { ed25519PublicKey, signEd25519, x25519PublicKey } from './curve25519.ts'
import { deriveBytes, deriveScalar } from './derive.ts'
import { dstackDhSecret, p256PublicKey } from './p256.ts'
import { isScalar, P256_ORDER } from './scalar.ts'
import { isSecp256k1Secret, secp256k1 } from './secp256k1.ts'

export const ROOT_SECRET_BYTES = 32
/** The longest name of a volume, and the longest domain (RFC 1035), in bytes. */
const NAME_BYTES_MAX = 255
/** EnvelopeType of Stellar's Stellar-ledger-entries.x, and KEY_TYPE_ED25519 of Stellar-types.x: both open what is signed. */
const STELLAR_ENVELOPE_TYPE_TX = 2
const STELLAR_KEY_TYPE_ED25519 = 0
/** A genesis transaction has 17 operations at most, of at most 200 bytes each. */
const STELLAR_TRANSACTION_BYTES_MAX = 4096

/** One epoch's root secret, 32 bytes. */
export interface EpochSecret {
  readonly epoch: number
  readonly secret: Uint8Array
}

export interface ClusterPublicKeys {
  /** ed25519, 32 bytes: in epoch 0 it is the cluster id. */
  cluster: Uint8Array
  /** secp256k1, 33 bytes SEC1 compressed: what dstack calls the KMS root key. */
  k256Root: Uint8Array
  /** P-256, 33 bytes SEC1 compressed. */
  caRoot: Uint8Array
}

const isP256Secret = (bytes: Uint8Array): boolean => isScalar(bytes, P256_ORDER)
const separator = new Uint8Array(1)

// What follows from a root secret R_e (design: keys, the table). Whoever is handed a secret wipes it.
const signingSeed = (secret: Uint8Array) => deriveBytes(secret, [utf8('cluster-signing')])
const k256RootOf = (secret: Uint8Array) => deriveScalar(secret, [utf8('k256-root')], isSecp256k1Secret)
const caRootOf = (secret: Uint8Array) => deriveScalar(secret, [utf8('ca-root')], isP256Secret)

/** Uses a secret and wipes it. */
const once = <T>(secret: Uint8Array, use: (secret: Uint8Array) => T): T => {
  try {
    return use(secret)
  } finally {
    secret.fill(0)
  }
}

interface Epoch {
  secret: Uint8Array
  publicKeys: ClusterPublicKeys
}

/**
 * All epochs' root secrets that this member holds, and what follows from them. The only owner of those bytes: they leave
 * it sealed ({@link Keyring.withSecrets}) or not at all. {@link Keyring.wipe} ends it; every later use throws.
 */
export class Keyring {
  /** 32 bytes: the public key of epoch 0's signing key. */
  readonly clusterId: Uint8Array
  /** Ascending; 0 is always among them. */
  readonly epochs: readonly number[]
  readonly #epochs: Map<number, Epoch>
  readonly #apps = new Map<string, AppKeys>()
  #wiped = false

  private constructor(epochs: Map<number, Epoch>) {
    this.#epochs = epochs
    this.epochs = Object.freeze([...epochs.keys()].sort((a, b) => a - b))
    this.clusterId = Uint8Array.from(epochs.get(0)!.publicKeys.cluster)
  }

  /** The keyring of a new cluster: epoch 0 alone. */
  static generate(random: Random): Keyring {
    return once(random.bytes(ROOT_SECRET_BYTES), (secret) => Keyring.fromSecrets([{ epoch: 0, secret }]))
  }

  /**
   * Copies the secrets; the caller wipes its own.
   * @throws RefusedError `bad_keyring` on a secret that is not 32 bytes, an epoch twice or out of range, or no epoch 0.
   */
  static fromSecrets(entries: readonly EpochSecret[]): Keyring {
    const epochs = new Map<number, Epoch>()
    for (const { epoch, secret } of entries) {
      if (!Number.isInteger(epoch) || epoch < 0 || epoch > 0xffff_ffff) throw badKeyring(`an epoch of ${epoch}`)
      if (secret.length !== ROOT_SECRET_BYTES) throw badKeyring(`a secret of ${secret.length} bytes`)
      if (epochs.has(epoch)) throw badKeyring(`epoch ${epoch} twice`)
      const publicKeys = {
        cluster: once(signingSeed(secret), ed25519PublicKey),
        k256Root: once(k256RootOf(secret), (scalar) => secp256k1().publicKey(scalar)),
        caRoot: once(caRootOf(secret), (scalar) => p256PublicKey(scalar)),
      }
      epochs.set(epoch, { secret: secretCopy(secret), publicKeys })
    }
    if (!epochs.has(0)) throw badKeyring('no epoch 0')
    return new Keyring(epochs)
  }

  publicKeys(epoch = 0): ClusterPublicKeys {
    return { ...this.#epoch(epoch).publicKeys }
  }

  /** The ed25519 public key (32 bytes) under which `epoch`'s credentials verify. */
  signingPublicKey(epoch: number): Uint8Array {
    return this.#epoch(epoch).publicKeys.cluster
  }

  /** 64 bytes over `clusterSignedBytes(context, bytes)`: no context, no signature. */
  signAsCluster(context: ClusterSignatureContext, bytes: Uint8Array, epoch = 0): Uint8Array {
    return once(signingSeed(this.#epoch(epoch).secret), (seed) => signEd25519(seed, clusterSignedBytes(context, bytes)))
  }

  /**
   * The one signature without a context of ours (design: protocols, "Common rules"): epoch 0's over a Stellar transaction that
   * this TD built, as XDR without its envelope. The hash is made here, and a transaction of the cluster's own account is
   * refused: as a source of operations alone it can spend nothing. `networkId` is SHA-256 of the network's passphrase.
   */
  signStellarTransaction(networkId: Uint8Array, transaction: Uint8Array): Uint8Array {
    if (networkId.length !== 32) throw new UsageError('bad_network', `a network id of ${networkId.length} bytes; expected 32`)
    const opensWith = concat([u32be(STELLAR_KEY_TYPE_ED25519), this.clusterId])
    if (
      transaction.length <= opensWith.length ||
      transaction.length > STELLAR_TRANSACTION_BYTES_MAX ||
      !equals(transaction.subarray(0, 4), opensWith.subarray(0, 4)) ||
      equals(transaction.subarray(0, opensWith.length), opensWith)
    ) {
      throw new RefusedError('bad_transaction', 'the cluster signs only a genesis transaction that another account pays for')
    }
    const payload = concat([networkId, u32be(STELLAR_ENVELOPE_TYPE_TX), transaction])
    const hash = createHash('sha256').update(payload).digest()
    return once(signingSeed(this.#epoch(0).secret), (seed) => signEd25519(seed, hash))
  }

  /** Lends copies of all secrets, for sealing a grant; wipes them when `use` is done, or the promise it returned. */
  withSecrets<T>(use: (entries: readonly EpochSecret[]) => T): T {
    const entries = this.epochs.map((epoch) => ({ epoch, secret: secretCopy(this.#epoch(epoch).secret) }))
    const wipe = () => {
      for (const { secret } of entries) secret.fill(0)
    }
    let result: T
    try {
      result = use(entries)
    } catch (error) {
      wipe()
      throw error
    }
    if (result instanceof Promise) return result.finally(wipe) as T
    wipe()
    return result
  }

  /** The keys of an app (20-byte id). Kept, and wiped with the ring. */
  app(appId: Uint8Array, epoch = 0): AppKeys {
    checkAppId(appId)
    const { secret } = this.#epoch(epoch)
    const name = `${epoch}/${Buffer.from(appId).toString('hex')}`
    let keys = this.#apps.get(name)
    if (keys === undefined) {
      keys = once(k256RootOf(secret), (k256Root) => once(caRootOf(secret), (caRoot) => AppKeys.derive(appId, k256Root, caRoot)))
      this.#apps.set(name, keys)
    }
    return keys
  }

  /** 32 bytes: the key of an encrypted volume, the same on every member. Never served on an app's socket. The caller wipes it. */
  volumeKey(appId: Uint8Array, name: string, epoch = 0): Uint8Array {
    checkAppId(appId)
    return deriveBytes(this.#epoch(epoch).secret, [utf8('volume'), separator, appId, nameBytes(name, 'volume name')])
  }

  /**
   * The P-256 scalar with which every member's instance of this app serves TLS for `domain`, so that one certificate is
   * good on all of them. The name is taken in lower case and without a final dot. The caller wipes it.
   */
  domainKey(appId: Uint8Array, domain: string, epoch = 0): Uint8Array {
    checkAppId(appId)
    const name = nameBytes(domain.toLowerCase().replace(/\.$/, ''), 'domain')
    return deriveScalar(this.#epoch(epoch).secret, [utf8('tls'), separator, appId, name], isP256Secret)
  }

  /** dstack's disk_crypt_key of one instance of an app (instance id 20 bytes, or empty), 32 bytes. The caller wipes it. */
  diskKey(appId: Uint8Array, instanceId: Uint8Array, epoch = 0): Uint8Array {
    checkAppId(appId)
    if (instanceId.length !== 0 && instanceId.length !== APP_ID_BYTES) {
      throw new UsageError('bad_instance_id', `an instance id of ${instanceId.length} bytes; expected 20, or none`)
    }
    return once(caRootOf(this.#epoch(epoch).secret), (caRoot) =>
      dstackDhSecret(caRoot, [appId, instanceId, utf8('app-disk-crypt-key')]),
    )
  }

  /**
   * The X25519 public key to which an app's environment is encrypted, and the k256 root's signatures about it, as dstack's
   * KMS gives them: one that names the time (Unix seconds), and the older one without.
   */
  envPublicKey(appId: Uint8Array, timestamp: number, epoch = 0) {
    const publicKey = once(this.app(appId, epoch).envKey(), x25519PublicKey)
    const head = concat([utf8('dstack-env-encrypt-pubkey:'), appId])
    return once(k256RootOf(this.#epoch(epoch).secret), (root) => ({
      publicKey,
      signature: secp256k1().signRecoverable(keccak_256(concat([head, u64be(timestamp), publicKey])), root),
      legacySignature: secp256k1().signRecoverable(keccak_256(concat([head, publicKey])), root),
    }))
  }

  /** Lends the CA root's P-256 scalar, for signing CA certificates; wiped when `use` returns. */
  withCaRoot<T>(use: (scalar: Uint8Array) => T): T {
    return once(caRootOf(this.#epoch(0).secret), use)
  }

  /** Wipes every secret, the apps' too. Afterwards everything but the public fields throws. */
  wipe(): void {
    this.#wiped = true
    for (const { secret } of this.#epochs.values()) secret.fill(0)
    for (const keys of this.#apps.values()) keys.wipe()
    this.#apps.clear()
  }

  #epoch(epoch: number): Epoch {
    if (this.#wiped) throw wipedError()
    const found = this.#epochs.get(epoch)
    if (found === undefined) {
      throw new UsageError('unknown_epoch', `epoch ${epoch} is not held here; held: ${this.epochs.join(', ')}`)
    }
    return found
  }
}

const badKeyring = (found: string): RefusedError =>
  new RefusedError(
    'bad_keyring',
    `a keyring holds one secret of ${ROOT_SECRET_BYTES} bytes for each epoch, 0 among them; found ${found}`,
  )

const checkAppId = (appId: Uint8Array): void => {
  if (appId.length !== APP_ID_BYTES)
    throw new UsageError('bad_app_id', `an app id of ${appId.length} bytes; expected ${APP_ID_BYTES}`)
}

const nameBytes = (name: string, what: string): Uint8Array => {
  const bytes = utf8(name)
  if (bytes.length === 0 || bytes.length > NAME_BYTES_MAX) {
    throw new UsageError('bad_name', `a ${what} of ${bytes.length} bytes; expected 1 to ${NAME_BYTES_MAX}`)
  }
  return bytes
}
