/** How a ledger closes: what is in it is applied, and a header is made that commits to all of it. */
import { createPrivateKey, createPublicKey, type KeyObject, sign } from 'node:crypto'
import { Keypair, StrKey, xdr } from '@stellar/stellar-sdk/base'
import { type Account, ledgerEntries, newAccount } from './account.ts'
import { type Accounts, Layer } from './accounts.ts'
import { applyEnvelope, chargeFee } from './apply.ts'
import type { Surroundings } from './operations.ts'
import { sha256 } from './signatures.ts'
import type { Envelope } from './transaction.ts'
import { type EnvelopeVerdict, resultOf } from './verdict.ts'

/** Protocols whose rules these are. From 20 on a transaction set has its generalised form. */
export type Protocol = 19 | 22
const GENERALISED_SETS_FROM = 20

/** As every Stellar network begins, but for the base reserve, which a vote lowered to this one. */
const TOTAL_COINS = 10n ** 18n
const BASE_FEE = 100
const BASE_RESERVE = 5_000_000
/** Operations in one ledger. */
export const LEDGER_OPERATIONS_MAX = 1000

const ZERO_HASH = new Uint8Array(32)

/** What makes a network: everything else follows from it and from what was sent to it. */
export interface Network {
  readonly passphrase: string
  readonly id: Uint8Array
  readonly protocol: Protocol
}

export const networkOf = (passphrase: string, protocol: Protocol): Network => ({
  passphrase,
  id: sha256(Buffer.from(passphrase, 'utf8')),
  protocol,
})

/** The account that holds all coins at first. Its key follows from the passphrase, as in every stellar-core network: it is no secret. */
export const rootKey = ({ id }: Network): Keypair => Keypair.fromRawEd25519Seed(id)

/** The key that signs ledger values. */
export class NodeKey {
  readonly #key: KeyObject
  readonly publicKey: Uint8Array
  readonly address: string

  constructor(seed: Uint8Array) {
    // RFC 8410: the DER before the 32 bytes of an ed25519 seed.
    const der = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed])
    this.#key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
    der.fill(0)
    const { x } = createPublicKey(this.#key).export({ format: 'jwk' })
    this.publicKey = new Uint8Array(Buffer.from(x!, 'base64url'))
    this.address = StrKey.encodeEd25519PublicKey(this.publicKey)
  }

  sign(message: Uint8Array): Uint8Array {
    return new Uint8Array(sign(null, message, this.#key))
  }
}

/** A ledger that closed. */
export interface Head {
  readonly header: xdr.LedgerHeader
  readonly headerXdr: Uint8Array
  readonly hash: Uint8Array
}

export interface Applied {
  readonly envelope: Envelope
  readonly verdict: EnvelopeVerdict
  readonly result: xdr.TransactionResult
}

export interface ClosedLedger extends Head {
  /** In the order they were applied in: that of their arrival. (stellar-core shuffles: nobody may rely on an order.) */
  readonly transactions: readonly Applied[]
  /** `undefined` = the account is gone. */
  readonly changes: ReadonlyMap<string, Account | undefined>
}

const headOf = (header: xdr.LedgerHeader): Head => {
  const headerXdr = header.toXdr()
  return { header, headerXdr, hash: sha256(headerXdr) }
}

/** Ledger 1: all coins in the root account. */
export const genesis = (network: Network): Head & { readonly root: Account } => ({
  ...headOf(
    new xdr.LedgerHeader({
      ledgerVersion: network.protocol,
      previousLedgerHash: ZERO_HASH,
      scpValue: new xdr.StellarValue({
        txSetHash: ZERO_HASH,
        closeTime: 0n,
        upgrades: [],
        ext: xdr.StellarValueExt.stellarValueBasic(),
      }),
      txSetResultHash: ZERO_HASH,
      bucketListHash: ZERO_HASH,
      ledgerSeq: 1,
      totalCoins: TOTAL_COINS,
      feePool: 0n,
      inflationSeq: 0,
      idPool: 0n,
      baseFee: BASE_FEE,
      baseReserve: BASE_RESERVE,
      maxTxSetSize: LEDGER_OPERATIONS_MAX,
      skipList: [ZERO_HASH, ZERO_HASH, ZERO_HASH, ZERO_HASH].map((hash) => new xdr.Hash(hash)),
      ext: xdr.LedgerHeaderExt.v0(),
    }),
  ),
  root: newAccount(rootKey(network).publicKey(), TOTAL_COINS, 0n),
})

/** The transaction set as the protocol writes it, in order of full hash, and what a header says about it. */
export const transactionSet = (
  protocol: number,
  previousLedgerHash: Uint8Array,
  envelopes: readonly Pick<Envelope, 'envelope' | 'fullHash'>[],
): { readonly xdr: Uint8Array; readonly hash: Uint8Array } => {
  const txs = [...envelopes].sort((a, b) => Buffer.compare(a.fullHash, b.fullHash)).map(({ envelope }) => envelope)
  if (protocol < GENERALISED_SETS_FROM) {
    const set = new xdr.TransactionSet({ previousLedgerHash, txs })
    return { xdr: set.toXdr(), hash: sha256(previousLedgerHash, ...txs.map((tx) => tx.toXdr())) }
  }
  const classic = xdr.TxSetComponent.txsetCompTxsMaybeDiscountedFee(
    new xdr.TxSetComponentTxsMaybeDiscountedFee({ baseFee: BigInt(BASE_FEE), txs }),
  )
  const set = xdr.GeneralizedTransactionSet.v1TxSet(
    new xdr.TransactionSetV1({
      previousLedgerHash,
      // One phase for transactions like ours, one for contracts.
      phases: [xdr.TransactionPhase.v0Components(txs.length === 0 ? [] : [classic]), xdr.TransactionPhase.v0Components([])],
    }),
  ).toXdr()
  return { xdr: set, hash: sha256(set) }
}

export const resultSet = (transactions: readonly Pick<Applied, 'envelope' | 'result'>[]): xdr.TransactionResultSet =>
  new xdr.TransactionResultSet({
    results: transactions.map(
      ({ envelope, result }) => new xdr.TransactionResultPair({ transactionHash: envelope.hash, result }),
    ),
  })

/** What the leader signs of a ledger value: network ‖ ENVELOPE_TYPE_SCPVALUE ‖ set ‖ close time, as stellar-core does. */
export const signedValue = (networkId: Uint8Array, txSetHash: Uint8Array, closeTime: bigint): Uint8Array => {
  const time = Buffer.alloc(8)
  time.writeBigUInt64BE(closeTime)
  return new Uint8Array(Buffer.concat([networkId, xdr.EnvelopeType.envelopeTypeScpvalue.toXdr(), txSetHash, time]))
}

/**
 * In place of the hash of stellar-core's bucket list: a chain over all changes, which commits to the state as well.
 * SHA-256(the one before ‖ each changed account's id and ledger entries, in order of id).
 */
const stateHash = (before: Uint8Array, changes: ReadonlyMap<string, Account | undefined>): Uint8Array => {
  if (changes.size === 0) return before
  const parts: Uint8Array[] = [before]
  for (const [id, account] of [...changes].sort(([a], [b]) => (a < b ? -1 : 1))) {
    parts.push(StrKey.decodeEd25519PublicKey(id))
    if (account !== undefined) parts.push(...ledgerEntries(account).map((entry) => entry.toXdr()))
  }
  return sha256(...parts)
}

/** stellar-core's calculateSkipValues: state hashes of every 50th, 5000th, 50 000th and 500 000th ledger. */
const SKIPS = [50, 5000, 50_000, 500_000] as const
const skipList = (before: readonly xdr.Hash[], ledger: number, state: Uint8Array): xdr.Hash[] => {
  const skips = [...before]
  if (ledger % SKIPS[0] !== 0) return skips
  let depth = 0
  let rest = ledger - SKIPS[0]
  while (depth < 3 && rest > 0 && rest % SKIPS[depth + 1]! === 0) {
    depth += 1
    rest -= SKIPS[depth]!
  }
  for (let i = depth; i > 0; i--) skips[i] = skips[i - 1]!
  skips[0] = new xdr.Hash(state)
  return skips
}

/** Closes the ledger after `head` with `envelopes`, which must be valid together in this order. */
export const closeLedger = (
  network: Network,
  node: NodeKey,
  head: Head,
  accounts: Accounts,
  envelopes: readonly Envelope[],
  closeTime: bigint,
): ClosedLedger => {
  const { header: before } = head
  const ledger = before.ledgerSeq + 1
  const parameters = { baseFee: BigInt(before.baseFee), baseReserve: BigInt(before.baseReserve) }
  const highestSequence = new Map<string, bigint>()
  for (const { tx } of envelopes) {
    if (tx.sequence > (highestSequence.get(tx.source) ?? 0n)) highestSequence.set(tx.source, tx.sequence)
  }
  const at: Surroundings = { ledger, closeTime, baseReserve: parameters.baseReserve, highestSequence }

  // All fees first: nobody can spend in one transaction what another one of the same ledger costs.
  const layer = new Layer(accounts)
  const fees = envelopes.map((envelope) => chargeFee(envelope, layer, parameters))
  const transactions = envelopes.map((envelope, i): Applied => {
    const verdict = applyEnvelope(envelope, layer, at, parameters, fees[i]!)
    return { envelope, verdict, result: resultOf(envelope, verdict) }
  })
  const changes = new Map<string, Account | undefined>()
  for (const [id, account] of layer.changes) {
    if (account !== undefined || accounts.get(id) !== undefined) {
      changes.set(id, account === undefined ? undefined : { ...account, lastModified: ledger })
    }
  }

  const set = transactionSet(network.protocol, head.hash, envelopes)
  const state = stateHash(before.bucketListHash.toBytes(), changes)
  const header = new xdr.LedgerHeader({
    ledgerVersion: network.protocol,
    previousLedgerHash: head.hash,
    scpValue: new xdr.StellarValue({
      txSetHash: set.hash,
      closeTime,
      upgrades: [],
      ext: xdr.StellarValueExt.stellarValueSigned(
        new xdr.LedgerCloseValueSignature({
          nodeId: xdr.PublicKey.publicKeyTypeEd25519(node.publicKey),
          signature: node.sign(signedValue(network.id, set.hash, closeTime)),
        }),
      ),
    }),
    txSetResultHash: sha256(resultSet(transactions).toXdr()),
    bucketListHash: state,
    ledgerSeq: ledger,
    totalCoins: before.totalCoins,
    feePool: before.feePool + fees.reduce((sum, fee) => sum + fee, 0n),
    inflationSeq: 0,
    idPool: 0n,
    baseFee: before.baseFee,
    baseReserve: before.baseReserve,
    maxTxSetSize: before.maxTxSetSize,
    skipList: skipList(before.skipList, ledger, state),
    ext: xdr.LedgerHeaderExt.v0(),
  })
  return { ...headOf(header), transactions, changes }
}
