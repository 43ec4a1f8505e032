import { createHash } from 'node:crypto'
import { RefusedError } from '../../base/index.ts'
import { XdrReader } from '../xdr.ts'

// LedgerHeader of Stellar-ledger.x, read strictly, without the SDK.

export interface LedgerHeader {
  /** 32 bytes: SHA-256 of its XDR. */
  readonly hash: Uint8Array
  readonly version: number
  readonly sequence: number
  readonly previousHash: Uint8Array
  readonly transactionSetHash: Uint8Array
  readonly resultsHash: Uint8Array
  /** Unix seconds. */
  readonly closeTime: number
  /** Whose leader value this ledger was made of, and the signature of that. */
  readonly signed?: { readonly validator: Uint8Array; readonly signature: Uint8Array }
}

const HASH_BYTES = 32
const UPGRADES_MAX = 6
const UPGRADE_BYTES_MAX = 128
const SIGNATURE_BYTES_MAX = 64
const SKIP_LIST = 4

/** Throws RefusedError `bad_xdr`. */
export const parseHeader = (bytes: Uint8Array): LedgerHeader => {
  const reader = new XdrReader(bytes, 'ledger header')
  const version = reader.u32()
  const previousHash = reader.opaque(HASH_BYTES)
  const transactionSetHash = reader.opaque(HASH_BYTES)
  const closeTime = Number(reader.u64())
  for (let left = reader.count(UPGRADES_MAX); left > 0; left--) reader.varOpaque(UPGRADE_BYTES_MAX)
  // STELLAR_VALUE_BASIC, STELLAR_VALUE_SIGNED
  const signed = reader.arm(0, 1) === 1 ? readSignature(reader) : undefined
  const resultsHash = reader.opaque(HASH_BYTES)
  reader.opaque(HASH_BYTES) // bucketListHash
  const sequence = reader.u32()
  reader.u64() // totalCoins
  reader.u64() // feePool
  reader.u32() // inflationSeq
  reader.u64() // idPool
  reader.u32() // baseFee
  reader.u32() // baseReserve
  reader.u32() // maxTxSetSize
  reader.opaque(SKIP_LIST * HASH_BYTES)
  if (reader.arm(0, 1) === 1) {
    reader.u32() // flags
    reader.arm(0)
  }
  reader.end()
  if (!Number.isSafeInteger(closeTime * 1_000)) throw new RefusedError('bad_xdr', 'ledger header: a close time beyond reason')
  const hash = Uint8Array.from(createHash('sha256').update(bytes).digest())
  return {
    hash,
    version,
    sequence,
    previousHash,
    transactionSetHash,
    resultsHash,
    closeTime,
    ...(signed !== undefined && { signed }),
  }
}

const readSignature = (reader: XdrReader) => {
  reader.arm(0) // PUBLIC_KEY_TYPE_ED25519
  return { validator: reader.opaque(HASH_BYTES), signature: reader.varOpaque(SIGNATURE_BYTES_MAX) }
}
