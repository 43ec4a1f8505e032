import { createPublicKey, type KeyObject, verify } from 'node:crypto'
import { ed25519 } from '@noble/curves/ed25519.js'
import { concat, utf8 } from './bytes.ts'
import { CLUSTER_SIGNATURE_DOMAIN, ED25519_SIGNATURE_BYTES, PEER_SIGNATURE_DOMAIN } from './constants.ts'

/** What the cluster key signs, one context for each use (protocols/README.md, "Signatures"). */
export type ClusterSignatureContext = 'genesis' | 'credential' | 'onboard-challenge' | 'file-anchor'
/** What a peer key signs. */
export type PeerSignatureContext = 'credential' | 'challenge-answer'

const separator = new Uint8Array(1)
const signedBytes = (domain: string, context: string, bytes: Uint8Array): Uint8Array =>
  concat([utf8(domain), separator, utf8(context), separator, bytes])

/** The exact bytes that the cluster key signs: domain ‖ 0x00 ‖ context ‖ 0x00 ‖ bytes. */
export const clusterSignedBytes = (context: ClusterSignatureContext, bytes: Uint8Array): Uint8Array =>
  signedBytes(CLUSTER_SIGNATURE_DOMAIN, context, bytes)

/** The exact bytes that a peer key signs. */
export const peerSignedBytes = (context: PeerSignatureContext, bytes: Uint8Array): Uint8Array =>
  signedBytes(PEER_SIGNATURE_DOMAIN, context, bytes)

/** SubjectPublicKeyInfo of an ed25519 key (RFC 8410), up to the key. */
const SPKI_HEAD = Uint8Array.of(0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00)

/** Keys whose check is remembered: more than the members of most clusters, and at most a megabyte. */
const KEYS_REMEMBERED_MAX = 1024
/** Sound keys by their bytes in hex; the same few verify again and again. */
const soundKeys = new Map<string, KeyObject>()

/** Throws for a key that is not canonically encoded; undefined for one of small order. */
const soundKey = (publicKey: Uint8Array): KeyObject | undefined => {
  const name = Buffer.from(publicKey).toString('hex')
  const known = soundKeys.get(name)
  if (known !== undefined) return known
  // node:crypto verifies ten times as fast, but knows nothing of small orders.
  if (ed25519.Point.fromBytes(publicKey).isSmallOrder()) return undefined
  const key = createPublicKey({ key: Buffer.from(concat([SPKI_HEAD, publicKey])), format: 'der', type: 'spki' })
  if (soundKeys.size >= KEYS_REMEMBERED_MAX) soundKeys.delete(soundKeys.keys().next().value!)
  soundKeys.set(name, key)
  return key
}

/**
 * RFC 8032 verification, the cofactorless equation, and no key of small order: under such a key one signature is good for many
 * messages. Keys and points must be canonically encoded. Never throws.
 */
export const verifyEd25519 = (publicKey: Uint8Array, signed: Uint8Array, signature: Uint8Array): boolean => {
  if (publicKey.length !== 32 || signature.length !== ED25519_SIGNATURE_BYTES) return false
  try {
    const key = soundKey(publicKey)
    return key !== undefined && verify(null, signed, key, signature)
  } catch {
    return false
  }
}
