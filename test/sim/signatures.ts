/**
 * Signatures that cost a hash: ed25519 of node:crypto replaced, in this process, by a keyed hash that knows all keys. Whoever
 * has a private key can sign, whoever has none cannot, and every byte counts; so every rule of ours about signatures is run as
 * it is, a hundred times as fast. Only for a process that does nothing but simulate.
 */
import crypto from 'node:crypto'
import { syncBuiltinESMExports } from 'node:module'

interface StandInKey {
  raw: string
}
const isStandIn = (key: unknown): key is StandInKey => typeof key === 'object' && key !== null && 'raw' in key

const tag = (key: StandInKey, message: Uint8Array): Buffer =>
  crypto.hash('sha512', Buffer.concat([Buffer.from(`stand-in${key.raw}`, 'latin1'), message]), 'buffer')

/** From the JSON or DER forms in which libp2p and protocols/wire hand in public keys, and libp2p its private ones. */
const keyOf = (given: { format?: string; key?: unknown }): StandInKey => {
  if (given.format === 'jwk') return { raw: (given.key as { x: string }).x }
  if (given.format === 'der') return { raw: (given.key as Buffer).subarray(-32).toString('base64url') }
  throw new TypeError(`the stand-in knows no ${given.format} keys`)
}

export const standInSignatures = (): void => {
  const known = new Map<unknown, StandInKey>()
  const remembered = (given: { format?: string; key?: unknown }): StandInKey => {
    const key = keyOf(given)
    const same = known.get(key.raw) ?? key
    known.set(key.raw, same)
    return same
  }
  const replaced = {
    createPublicKey: remembered,
    createPrivateKey: remembered,
    sign: (_algorithm: unknown, message: Uint8Array, key: unknown): Buffer => {
      if (!isStandIn(key)) throw new TypeError('not a key of the stand-in')
      return tag(key, message)
    },
    verify: (_algorithm: unknown, message: Uint8Array, key: unknown, signature: Uint8Array): boolean => {
      if (!isStandIn(key)) throw new TypeError('not a key of the stand-in')
      return tag(key, message).equals(signature)
    },
  }
  Object.assign(crypto, replaced)
  syncBuiltinESMExports()
}
