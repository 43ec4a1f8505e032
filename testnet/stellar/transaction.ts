import { xdr } from '@stellar/stellar-sdk/base'
import { addressOfMuxed } from './account.ts'
import { sha256 } from './signatures.ts'

export interface Operation {
  readonly source: string
  /** False where the operation speaks for the transaction's source without saying so. */
  readonly ownSource: boolean
  readonly body: xdr.OperationBody
}

/** A transaction without a fee bump around it, read once. */
export interface Transaction {
  readonly hash: Uint8Array
  readonly source: string
  readonly fee: bigint
  readonly sequence: bigint
  readonly operations: readonly Operation[]
  readonly conditions: Conditions
  readonly hasSorobanData: boolean
  readonly memo: xdr.Memo
  readonly signatures: readonly xdr.DecoratedSignature[]
  /** What each signature turned out to be worth; see {@link SignatureChecker}. */
  readonly verified: Map<string, boolean>
}

/** CAP-21. Times are Unix seconds; 0 as an upper bound = none. */
export interface Conditions {
  readonly timeBounds: { readonly minTime: bigint; readonly maxTime: bigint } | undefined
  readonly ledgerBounds: { readonly minLedger: number; readonly maxLedger: number } | undefined
  readonly minSequence: bigint | undefined
  readonly minSequenceAge: bigint
  readonly minSequenceLedgerGap: number
  readonly extraSigners: readonly xdr.SignerKey[]
}

export interface FeeBump {
  readonly hash: Uint8Array
  readonly signatures: readonly xdr.DecoratedSignature[]
  readonly verified: Map<string, boolean>
}

/** An envelope as the ledger sees it: who does what, and who pays. */
export interface Envelope {
  readonly xdr: Uint8Array
  readonly envelope: xdr.TransactionEnvelope
  /** By which the world knows it: the outer one of a fee bump. */
  readonly hash: Uint8Array
  readonly hashHex: string
  /** SHA-256 of the envelope with its signatures: the order of a transaction set, and what tells duplicates. */
  readonly fullHash: Uint8Array
  readonly tx: Transaction
  readonly feeBump: FeeBump | undefined
  readonly feeSource: string
  readonly fee: bigint
  /** What the fee is for: its operations, and one more for a fee bump. */
  readonly operationCount: number
}

/** What was sent is no transaction envelope. Carries nothing of it. */
export class MalformedError extends Error {
  override readonly name = 'MalformedError'
}

const NO_CONDITIONS: Conditions = {
  timeBounds: undefined,
  ledgerBounds: undefined,
  minSequence: undefined,
  minSequenceAge: 0n,
  minSequenceLedgerGap: 0,
  extraSigners: [],
}

const conditionsOf = (cond: xdr.Preconditions): Conditions => {
  switch (cond.type) {
    case 'precondNone':
      return NO_CONDITIONS
    case 'precondTime':
      return { ...NO_CONDITIONS, timeBounds: cond.timeBounds }
    case 'precondV2': {
      const { timeBounds, ledgerBounds, minSeqNum, minSeqAge, minSeqLedgerGap, extraSigners } = cond.v2
      return {
        timeBounds: timeBounds ?? undefined,
        ledgerBounds: ledgerBounds ?? undefined,
        minSequence: minSeqNum ?? undefined,
        minSequenceAge: minSeqAge,
        minSequenceLedgerGap: minSeqLedgerGap,
        extraSigners,
      }
    }
  }
}

const signedHash = (networkId: Uint8Array, tagged: xdr.TransactionSignaturePayloadTaggedTransaction): Uint8Array =>
  sha256(new xdr.TransactionSignaturePayload({ networkId, taggedTransaction: tagged }).toXdr())

const transactionOf = (networkId: Uint8Array, { tx, signatures }: xdr.TransactionV1Envelope): Transaction => {
  const source = addressOfMuxed(tx.sourceAccount)
  return {
    hash: signedHash(networkId, xdr.TransactionSignaturePayloadTaggedTransaction.envelopeTypeTx(tx)),
    source,
    fee: BigInt(tx.fee),
    sequence: tx.seqNum,
    operations: tx.operations.map(({ sourceAccount, body }) => ({
      source: sourceAccount === null ? source : addressOfMuxed(sourceAccount),
      ownSource: sourceAccount !== null,
      body,
    })),
    conditions: conditionsOf(tx.cond),
    hasSorobanData: tx.ext.type !== 'v0',
    memo: tx.memo,
    signatures,
    verified: new Map(),
  }
}

/** CAP-15: an envelope of the old form is the same transaction, with the same hash, in the new one. */
const upgraded = (v0: xdr.TransactionV0Envelope): xdr.TransactionV1Envelope =>
  new xdr.TransactionV1Envelope({
    tx: new xdr.Transaction({
      sourceAccount: xdr.MuxedAccount.keyTypeEd25519(v0.tx.sourceAccountEd25519),
      fee: v0.tx.fee,
      seqNum: v0.tx.seqNum,
      cond: v0.tx.timeBounds === null ? xdr.Preconditions.precondNone() : xdr.Preconditions.precondTime(v0.tx.timeBounds),
      memo: v0.tx.memo,
      operations: v0.tx.operations,
      ext: xdr.TransactionExt.v0(),
    }),
    signatures: v0.signatures,
  })

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

const plain = (networkId: Uint8Array, v1: xdr.TransactionV1Envelope): Envelope => {
  const envelope = xdr.TransactionEnvelope.envelopeTypeTx(v1)
  const bytes = envelope.toXdr()
  const tx = transactionOf(networkId, v1)
  return {
    xdr: bytes,
    envelope,
    hash: tx.hash,
    hashHex: hex(tx.hash),
    fullHash: sha256(bytes),
    tx,
    feeBump: undefined,
    feeSource: tx.source,
    fee: tx.fee,
    operationCount: tx.operations.length,
  }
}

const bumped = (networkId: Uint8Array, envelope: xdr.TransactionEnvelopeTxFeeBump): Envelope => {
  const { tx: outer, signatures } = envelope.feeBump
  const tx = transactionOf(networkId, outer.innerTx.v1)
  const hash = signedHash(networkId, xdr.TransactionSignaturePayloadTaggedTransaction.envelopeTypeTxFeeBump(outer))
  const bytes = envelope.toXdr()
  return {
    xdr: bytes,
    envelope,
    hash,
    hashHex: hex(hash),
    fullHash: sha256(bytes),
    tx,
    feeBump: { hash, signatures, verified: new Map() },
    feeSource: addressOfMuxed(outer.feeSource),
    fee: outer.fee,
    operationCount: tx.operations.length + 1,
  }
}

/**
 * Reads an envelope.
 * @throws MalformedError when it is not exactly one envelope in its one encoding.
 */
export const readEnvelope = (networkId: Uint8Array, bytes: Uint8Array): Envelope => {
  let envelope: xdr.TransactionEnvelope
  try {
    envelope = xdr.TransactionEnvelope.fromXdr(bytes)
    if (Buffer.compare(envelope.toXdr(), bytes) !== 0) throw new Error('another encoding')
  } catch {
    throw new MalformedError('not a transaction envelope')
  }
  switch (envelope.type) {
    case 'envelopeTypeTxV0':
      return plain(networkId, upgraded(envelope.v0))
    case 'envelopeTypeTx':
      return plain(networkId, envelope.v1)
    case 'envelopeTypeTxFeeBump':
      return bumped(networkId, envelope)
  }
}

/** Standard base64 in its one form, with padding. */
export const readEnvelopeBase64 = (networkId: Uint8Array, text: string): Envelope => {
  const bytes = Buffer.from(text, 'base64')
  if (bytes.length === 0 || bytes.toString('base64') !== text) throw new MalformedError('not base64')
  return readEnvelope(networkId, new Uint8Array(bytes))
}
