import { createHash } from 'node:crypto'
import { u32be } from '../../protocols/wire/bytes.ts'
import { type Collateral, DcapError, type PreparedCollateral, prepareCollateral } from './dcap/index.ts'

/** Members' machines are of few families, and each family's collateral changes about once a day. */
const ENTRIES_MAX = 32

const keyOf = (collateral: Collateral, rootDer: Uint8Array): string => {
  const hash = createHash('sha256')
  const add = (piece: Uint8Array) => hash.update(u32be(piece.length)).update(piece)
  add(rootDer)
  add(Buffer.from(collateral.pckCrlIssuerChain))
  add(collateral.rootCaCrl)
  add(collateral.pckCrl)
  add(Buffer.from(collateral.tcbInfoIssuerChain))
  add(Buffer.from(collateral.tcbInfo))
  add(collateral.tcbInfoSignature)
  add(Buffer.from(collateral.qeIdentityIssuerChain))
  add(Buffer.from(collateral.qeIdentity))
  add(collateral.qeIdentitySignature)
  return hash.digest('base64')
}

/**
 * Collateral that was prepared of late, by the hash of its pieces and of the root they were verified under. Only what
 * verified gets in, so strangers cannot fill it; what was not asked for the longest goes first.
 */
export class PreparedCache {
  readonly #entries = new Map<string, PreparedCollateral>()

  /** As `prepareCollateral`, with its errors. */
  prepare(collateral: Collateral, rootDer: Uint8Array, nowMs: number): PreparedCollateral {
    const key = keyOf(collateral, rootDer)
    const known = this.#entries.get(key)
    const prepared = known ?? prepareCollateral(collateral, rootDer, nowMs)
    this.#entries.delete(key)
    if (nowMs > prepared.expiresMs) throw new DcapError('expired', 'the collateral has expired')
    if (nowMs < prepared.notBeforeMs) {
      throw new DcapError('not_yet_valid', 'the collateral is not valid yet', { notBeforeMs: prepared.notBeforeMs })
    }
    this.#entries.set(key, prepared)
    if (this.#entries.size > ENTRIES_MAX) this.#entries.delete(this.#entries.keys().next().value!)
    return prepared
  }
}
