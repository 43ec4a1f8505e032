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

/** RFC 8032 verification, strict (no cofactored leniency), so that every implementation agrees on what is signed. Never throws. */
export const verifyEd25519 = (publicKey: Uint8Array, signed: Uint8Array, signature: Uint8Array): boolean => {
  if (publicKey.length !== 32 || signature.length !== ED25519_SIGNATURE_BYTES) return false
  try {
    return ed25519.verify(signature, signed, publicKey, { zip215: false })
  } catch {
    return false
  }
}
