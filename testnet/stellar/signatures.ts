import { createHash, createPublicKey, type KeyObject, verify } from 'node:crypto'
import { StrKey, xdr } from '@stellar/stellar-sdk/base'
import type { Account } from './account.ts'

export const sha256 = (...parts: readonly Uint8Array[]): Uint8Array => {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return new Uint8Array(hash.digest())
}

export const sameBytes = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0

/** RFC 8410: the DER before the 32 bytes of an ed25519 public key. */
const SPKI_ED25519 = Buffer.from('302a300506032b6570032100', 'hex')

const keyObject = (raw: Uint8Array): KeyObject =>
  createPublicKey({ key: Buffer.concat([SPKI_ED25519, raw]), format: 'der', type: 'spki' })

const verifyEd25519 = (message: Uint8Array, signature: Uint8Array, key: Uint8Array): boolean => {
  if (signature.length !== 64) return false
  try {
    return verify(null, message, keyObject(key), signature)
  } catch {
    return false
  }
}

/** The last four bytes of a key say which signature may be its own. */
const hintOf = (key: Uint8Array): Uint8Array => key.subarray(key.length - 4)

/** For a signed payload (CAP-40) the hint is mixed with the payload's last four bytes. */
const payloadHint = (key: Uint8Array, payload: Uint8Array): Uint8Array => {
  const tail = new Uint8Array(4)
  tail.set(payload.subarray(Math.max(0, payload.length - 4)))
  return hintOf(key).map((byte, i) => byte ^ tail[i]!)
}

interface Weighted {
  readonly key: xdr.SignerKey
  readonly weight: number
}

/** Weights above 255 count as 255. */
const WEIGHT_MAX = 255

/**
 * The signatures of one envelope over one hash, asked again and again "is this enough?". It remembers which signatures were of any use:
 * a transaction with one that was of none is refused (`txBAD_AUTH_EXTRA`).
 */
export class SignatureChecker {
  readonly #used = new Set<number>()

  constructor(
    readonly hash: Uint8Array,
    readonly signatures: readonly xdr.DecoratedSignature[],
    /** Outlives this checker: what a signature is worth does not change from admission to application. */
    readonly verified: Map<string, boolean>,
  ) {}

  /** Do the signatures reach `needed`? At least one must count, even where nothing is needed. */
  check(signers: readonly Weighted[], needed: number): boolean {
    let total = 0
    for (const { key, weight } of signers) {
      if (key.type !== 'signerKeyTypePreAuthTx' || !sameBytes(key.preAuthTx.toBytes(), this.hash)) continue
      total += Math.min(weight, WEIGHT_MAX)
      if (total >= needed) return true
    }
    for (const type of ['signerKeyTypeHashX', 'signerKeyTypeEd25519', 'signerKeyTypeEd25519SignedPayload'] as const) {
      const left = signers.filter(({ key }) => key.type === type)
      for (const [i, signature] of this.signatures.entries()) {
        const found = left.findIndex(({ key }) => this.#matches(i, signature, key))
        if (found < 0) continue
        this.#used.add(i)
        total += Math.min(left[found]!.weight, WEIGHT_MAX)
        if (total >= needed) return true
        left.splice(found, 1)
      }
    }
    return false
  }

  allUsed(): boolean {
    return this.#used.size === this.signatures.length
  }

  #matches(index: number, { hint, signature }: xdr.DecoratedSignature, key: xdr.SignerKey): boolean {
    const given = signature.toBytes()
    const hinted = (expected: Uint8Array): boolean => sameBytes(hint.toBytes(), expected)
    switch (key.type) {
      case 'signerKeyTypePreAuthTx':
        return false
      case 'signerKeyTypeHashX': {
        const hash = key.hashX.toBytes()
        return hinted(hintOf(hash)) && sameBytes(sha256(given), hash)
      }
      case 'signerKeyTypeEd25519': {
        const raw = key.ed25519.toBytes()
        return hinted(hintOf(raw)) && this.#verify(index, this.hash, given, raw)
      }
      case 'signerKeyTypeEd25519SignedPayload': {
        const raw = key.ed25519SignedPayload.ed25519.toBytes()
        const { payload } = key.ed25519SignedPayload
        return hinted(payloadHint(raw, payload)) && this.#verify(index, payload, given, raw)
      }
    }
  }

  #verify(index: number, message: Uint8Array, signature: Uint8Array, key: Uint8Array): boolean {
    const name = `${index}:${Buffer.from(key).toString('hex')}:${message === this.hash ? '' : Buffer.from(message).toString('hex')}`
    const known = this.verified.get(name)
    if (known !== undefined) return known
    const good = verifyEd25519(message, signature, key)
    this.verified.set(name, good)
    return good
  }
}

export const ed25519Signer = (id: string): xdr.SignerKey => xdr.SignerKey.signerKeyTypeEd25519(StrKey.decodeEd25519PublicKey(id))

/** Everybody who may sign for an account: its master key, unless that has no weight, and its signers. */
export const signersOf = (account: Account): Weighted[] => {
  const [master] = account.thresholds
  return master === 0 ? [...account.signers] : [{ key: ed25519Signer(account.id), weight: master }, ...account.signers]
}
