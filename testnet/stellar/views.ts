/** Ledger, account and transaction as Horizon shows them. Integers of 64 bits are strings, times ISO 8601, amounts XLM with seven places. */
import { SignerKey, StrKey, xdr } from '@stellar/stellar-sdk/base'
import { type Account, type Signer, subentries } from './account.ts'
import type { Chain, PastLedger, PastTransaction } from './chain.ts'
import { PROTOCOL, WARNING } from './devnet.ts'
import { LEDGER_OPERATIONS_MAX } from './ledger.ts'
import { ed25519Signer } from './signatures.ts'
import type { Conditions } from './transaction.ts'
import { succeeded } from './verdict.ts'

type Json = Record<string, unknown>

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

const STROOPS = 10_000_000n
const xlm = (stroops: bigint): string => `${stroops / STROOPS}.${String(stroops % STROOPS).padStart(7, '0')}`

/** Close times beyond JavaScript's dates cannot be: the clock is the machine's. */
const iso = (seconds: bigint): string => new Date(Number(seconds) * 1000).toISOString().replace('.000Z', 'Z')

const link = (href: string): Json => ({ href })
const template = (href: string): Json => ({ href, templated: true })

/** Horizon's "total order id". */
const pagingToken = (ledger: number, order = 0): string => String((BigInt(ledger) << 32n) | (BigInt(order) << 12n))

export const rootView = (chain: Chain, base: string): Json => {
  const { ledgerSeq } = chain.head.header
  return {
    warning: WARNING,
    _links: {
      self: link(`${base}/`),
      account: template(`${base}/accounts/{account_id}`),
      fee_stats: link(`${base}/fee_stats`),
      friendbot: template(`${base}/friendbot{?addr}`),
      ledger: template(`${base}/ledgers/{sequence}`),
      ledger_proof: template(`${base}/ledgers/{sequence}/proof`),
      transaction: template(`${base}/transactions/{hash}`),
    },
    horizon_version: 'dstack-mesh devnet',
    core_version: 'dstack-mesh devnet',
    ingest_latest_ledger: ledgerSeq,
    history_latest_ledger: ledgerSeq,
    history_latest_ledger_closed_at: iso(chain.closeTime),
    history_elder_ledger: chain.elder,
    core_latest_ledger: ledgerSeq,
    network_passphrase: chain.network.passphrase,
    current_protocol_version: PROTOCOL,
    supported_protocol_version: PROTOCOL,
    core_supported_protocol_version: PROTOCOL,
    // Who signs ledger values here.
    node_id: chain.node.address,
  }
}

const SIGNER_TYPES: Readonly<Record<xdr.SignerKey['type'], string>> = {
  signerKeyTypeEd25519: 'ed25519_public_key',
  signerKeyTypePreAuthTx: 'preauth_tx',
  signerKeyTypeHashX: 'sha256_hash',
  signerKeyTypeEd25519SignedPayload: 'ed25519_signed_payload',
}

const signerView = ({ key, weight, sponsor }: Signer): Json => ({
  weight,
  key: SignerKey.encodeSignerKey(key),
  type: SIGNER_TYPES[key.type],
  ...(sponsor !== undefined && { sponsor }),
})

export const accountView = (chain: Chain, account: Account, base: string): Json => {
  const self = `${base}/accounts/${account.id}`
  const [master, low, medium, high] = account.thresholds
  const modified = chain.ledger(account.lastModified)
  return {
    _links: {
      self: link(self),
      data: template(`${self}/data/{key}`),
    },
    id: account.id,
    account_id: account.id,
    sequence: String(account.sequence),
    ...(account.sequenceLedger > 0 && {
      sequence_ledger: account.sequenceLedger,
      sequence_time: String(account.sequenceTime),
    }),
    subentry_count: subentries(account),
    ...(account.inflationDestination !== undefined && { inflation_destination: account.inflationDestination }),
    ...(account.homeDomain !== '' && { home_domain: account.homeDomain }),
    last_modified_ledger: account.lastModified,
    last_modified_time: typeof modified === 'object' ? iso(modified.closeTime) : null,
    thresholds: { low_threshold: low, med_threshold: medium, high_threshold: high },
    flags: {
      auth_required: (account.flags & 1) !== 0,
      auth_revocable: (account.flags & 2) !== 0,
      auth_immutable: (account.flags & 4) !== 0,
      auth_clawback_enabled: (account.flags & 8) !== 0,
    },
    balances: [
      {
        balance: xlm(account.balance),
        buying_liabilities: '0.0000000',
        selling_liabilities: '0.0000000',
        asset_type: 'native',
      },
    ],
    signers: [...account.signers, { key: ed25519Signer(account.id), weight: master, sponsor: undefined }].map(signerView),
    data: Object.fromEntries([...account.data].map(([name, { value }]) => [name, base64(value)])),
    num_sponsoring: account.numSponsoring,
    num_sponsored: account.numSponsored,
    ...(account.sponsor !== undefined && { sponsor: account.sponsor }),
    paging_token: account.id,
  }
}

export const dataView = (account: Account, name: string): Json | undefined => {
  const entry = account.data.get(name)
  if (entry === undefined) return undefined
  return { value: base64(entry.value), ...(entry.sponsor !== undefined && { sponsor: entry.sponsor }) }
}

const memoView = (memo: xdr.Memo): Json => {
  switch (memo.type) {
    case 'memoNone':
      return { memo_type: 'none' }
    case 'memoText':
      return { memo_type: 'text', memo: memo.text.toString(), memo_bytes: base64(memo.text.bytes) }
    case 'memoId':
      return { memo_type: 'id', memo: String(memo.id) }
    case 'memoHash':
      return { memo_type: 'hash', memo: base64(memo.hash.toBytes()) }
    case 'memoReturn':
      return { memo_type: 'return', memo: base64(memo.retHash.toBytes()) }
  }
}

const conditionsView = (conditions: Conditions): Json => {
  const { timeBounds, ledgerBounds, minSequence, minSequenceAge, minSequenceLedgerGap, extraSigners } = conditions
  const preconditions = {
    ...(timeBounds !== undefined && {
      timebounds: {
        min_time: String(timeBounds.minTime),
        ...(timeBounds.maxTime !== 0n && { max_time: String(timeBounds.maxTime) }),
      },
    }),
    ...(ledgerBounds !== undefined && {
      ledgerbounds: { min_ledger: ledgerBounds.minLedger, max_ledger: ledgerBounds.maxLedger },
    }),
    ...(minSequence !== undefined && { min_account_sequence: String(minSequence) }),
    ...(minSequenceAge > 0n && { min_account_sequence_age: String(minSequenceAge) }),
    ...(minSequenceLedgerGap > 0 && { min_account_sequence_ledger_gap: minSequenceLedgerGap }),
    ...(extraSigners.length > 0 && { extra_signers: extraSigners.map((key) => SignerKey.encodeSignerKey(key)) }),
  }
  return Object.keys(preconditions).length === 0 ? {} : { preconditions }
}

const signatureViews = (signatures: readonly xdr.DecoratedSignature[]): string[] =>
  signatures.map(({ signature }) => base64(signature.toBytes()))

/** This ledger keeps no changes by operation: it says "none", which no reader of ours asks about. */
export const NO_META = new xdr.TransactionMetaV3({
  ext: xdr.ExtensionPoint.v0(),
  txChangesBefore: [],
  operations: [],
  txChangesAfter: [],
  sorobanMeta: null,
})
const NO_META_XDR = base64(xdr.TransactionMeta.v3(NO_META).toXdr())
/** The XDR of an empty list. */
const NO_CHANGES_XDR = 'AAAAAA=='

/** @param hashHex the hash it was asked for by: a fee bump has two. */
export const transactionView = (
  { envelope, verdict, result, ledger, order, closeTime }: PastTransaction,
  hashHex: string,
  base: string,
): Json => {
  const { tx, feeBump, feeSource, fee } = envelope
  const token = pagingToken(ledger, order)
  const signatures = signatureViews(feeBump !== undefined && hashHex === envelope.hashHex ? feeBump.signatures : tx.signatures)
  return {
    _links: {
      self: link(`${base}/transactions/${hashHex}`),
      account: link(`${base}/accounts/${tx.source}`),
      ledger: link(`${base}/ledgers/${ledger}`),
      transaction: link(`${base}/transactions/${hashHex}`),
    },
    id: hashHex,
    paging_token: token,
    successful: succeeded(verdict),
    hash: hashHex,
    ledger,
    created_at: iso(closeTime),
    source_account: tx.source,
    source_account_sequence: String(tx.sequence),
    fee_account: feeSource,
    fee_charged: String(verdict.feeCharged),
    max_fee: String(fee),
    operation_count: tx.operations.length,
    envelope_xdr: base64(envelope.xdr),
    result_xdr: base64(result.toXdr()),
    result_meta_xdr: NO_META_XDR,
    fee_meta_xdr: NO_CHANGES_XDR,
    ...memoView(tx.memo),
    signatures,
    ...conditionsView(tx.conditions),
    ...(feeBump !== undefined && {
      fee_bump_transaction: { hash: envelope.hashHex, signatures: signatureViews(feeBump.signatures) },
      inner_transaction: { hash: hex(tx.hash), signatures: signatureViews(tx.signatures), max_fee: String(tx.fee) },
    }),
  }
}

export const ledgerView = (chain: Chain, past: PastLedger, base: string): Json => {
  const good = past.transactions.filter(({ verdict }) => succeeded(verdict))
  const operations = (of: readonly PastTransaction[]): number =>
    of.reduce((sum, { envelope }) => sum + envelope.tx.operations.length, 0)
  const { baseFee, baseReserve } = chain.parameters
  return {
    _links: {
      self: link(`${base}/ledgers/${past.ledger}`),
      proof: link(`${base}/ledgers/${past.ledger}/proof`),
    },
    id: hex(past.hash),
    paging_token: pagingToken(past.ledger),
    hash: hex(past.hash),
    prev_hash: hex(past.previousHash),
    sequence: past.ledger,
    successful_transaction_count: good.length,
    failed_transaction_count: past.transactions.length - good.length,
    operation_count: operations(good),
    tx_set_operation_count: operations(past.transactions),
    closed_at: iso(past.closeTime),
    total_coins: xlm(chain.head.header.totalCoins),
    fee_pool: xlm(past.feePool),
    base_fee_in_stroops: Number(baseFee),
    base_reserve_in_stroops: Number(baseReserve),
    max_tx_set_size: LEDGER_OPERATIONS_MAX,
    protocol_version: PROTOCOL,
    header_xdr: base64(past.headerXdr),
  }
}

const historyEntry = (past: PastLedger): xdr.LedgerHeaderHistoryEntry =>
  new xdr.LedgerHeaderHistoryEntry({
    hash: past.hash,
    header: xdr.LedgerHeader.fromXdr(past.headerXdr),
    ext: xdr.LedgerHeaderHistoryEntryExt.v0(),
  })

export const historyEntryXdr = (past: PastLedger): string => base64(historyEntry(past).toXdr())

export const proofView = (chain: Chain, past: PastLedger): Json => {
  const { txSetXdr, resultsXdr } = chain.proof(past)
  return { header_xdr: historyEntryXdr(past), tx_set_xdr: base64(txSetXdr), results_xdr: base64(resultsXdr) }
}

/** The ledger as Stellar RPC's `metadataXdr` gives it. */
export const closeMetaXdr = (chain: Chain, past: PastLedger): string => {
  const { txSetXdr } = chain.proof(past)
  const meta = new xdr.LedgerCloseMetaV1({
    ext: xdr.LedgerCloseMetaExt.v0(),
    ledgerHeader: historyEntry(past),
    txSet: xdr.GeneralizedTransactionSet.fromXdr(txSetXdr),
    txProcessing: past.transactions.map(
      ({ envelope, result }) =>
        new xdr.TransactionResultMeta({
          result: new xdr.TransactionResultPair({ transactionHash: envelope.hash, result }),
          feeProcessing: [],
          txApplyProcessing: xdr.TransactionMeta.v3(NO_META),
        }),
    ),
    upgradesProcessing: [],
    scpInfo: [],
    totalByteSizeOfLiveSorobanState: 0n,
    evictedKeys: [],
    unused: [],
  })
  return base64(xdr.LedgerCloseMeta.v1(meta).toXdr())
}

/** Stellar RPC's view of a transaction, what it has in common in all methods. */
export const rpcTransactionView = ({ envelope, verdict, result, ledger, order, closeTime }: PastTransaction): Json => ({
  status: succeeded(verdict) ? 'SUCCESS' : 'FAILED',
  txHash: envelope.hashHex,
  applicationOrder: order,
  feeBump: envelope.feeBump !== undefined,
  ledger,
  createdAt: Number(closeTime),
  envelopeXdr: base64(envelope.xdr),
  resultXdr: base64(result.toXdr()),
  resultMetaXdr: NO_META_XDR,
  events: { transactionEventsXdr: [], contractEventsXdr: [] },
})

export const feeStatsView = (chain: Chain): Json => {
  const fee = String(chain.parameters.baseFee)
  const names = ['max', 'min', 'mode', 'p10', 'p20', 'p30', 'p40', 'p50', 'p60', 'p70', 'p80', 'p90', 'p95', 'p99']
  // Nobody ever pays more than the base fee here.
  const distribution = Object.fromEntries(names.map((name) => [name, fee]))
  return {
    last_ledger: String(chain.head.header.ledgerSeq),
    last_ledger_base_fee: fee,
    ledger_capacity_usage: '0',
    fee_charged: distribution,
    max_fee: distribution,
  }
}

/** The first transactions that name an account, oldest first: all those that could have touched it. */
export const accountTransactionsView = (chain: Chain, { id }: Account, limit: number, base: string): Json => {
  const key = Buffer.from(StrKey.decodeEd25519PublicKey(id))
  const records = chain
    .transactionsFrom(0, 0, Number.POSITIVE_INFINITY)
    .filter(({ envelope, verdict }) => succeeded(verdict) && Buffer.from(envelope.xdr).includes(key))
    .slice(0, limit)
    .map((transaction) => transactionView(transaction, transaction.envelope.hashHex, base))
  return { _links: { self: link(`${base}/accounts/${id}/transactions`) }, _embedded: { records } }
}
