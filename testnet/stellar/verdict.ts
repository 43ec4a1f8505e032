import { xdr } from '@stellar/stellar-sdk/base'
import type { Envelope } from './transaction.ts'

/** Codes of a transaction that came to an end before its operations mattered. */
export type EarlyCode =
  | 'txTooEarly'
  | 'txTooLate'
  | 'txMissingOperation'
  | 'txBadSeq'
  | 'txBadAuth'
  | 'txInsufficientBalance'
  | 'txNoAccount'
  | 'txInsufficientFee'
  | 'txBadAuthExtra'
  | 'txNotSupported'
  | 'txBadSponsorship'
  | 'txBadMinSeqAgeOrGap'
  | 'txMalformed'
  | 'txSorobanInvalid'

/** What became of a transaction, fee bumps apart. */
export type Verdict =
  | { readonly code: 'txSuccess' | 'txFailed'; readonly operations: readonly xdr.OperationResult[] }
  | { readonly code: EarlyCode }

/** The same for an envelope: what was charged, and for a fee bump whether it was the outer or the inner part that ended it. */
export interface EnvelopeVerdict {
  readonly feeCharged: bigint
  readonly verdict: Verdict
  /** Where a fee bump got as far as its inner transaction: what is reported as charged there. */
  readonly innerFeeCharged: bigint | undefined
}

export const succeeded = ({ verdict }: EnvelopeVerdict): boolean => verdict.code === 'txSuccess'

const innerResult = (verdict: Verdict): xdr.InnerTransactionResultResult =>
  'operations' in verdict
    ? xdr.InnerTransactionResultResult[verdict.code]([...verdict.operations])
    : xdr.InnerTransactionResultResult[verdict.code]()

const outerResult = (verdict: Verdict): xdr.TransactionResultResult =>
  'operations' in verdict
    ? xdr.TransactionResultResult[verdict.code]([...verdict.operations])
    : xdr.TransactionResultResult[verdict.code]()

export const resultOf = ({ tx }: Envelope, { feeCharged, verdict, innerFeeCharged }: EnvelopeVerdict): xdr.TransactionResult => {
  const ext = xdr.TransactionResultExt.v0()
  if (innerFeeCharged === undefined) return new xdr.TransactionResult({ feeCharged, result: outerResult(verdict), ext })
  const pair = new xdr.InnerTransactionResultPair({
    transactionHash: tx.hash,
    result: new xdr.InnerTransactionResult({
      feeCharged: innerFeeCharged,
      result: innerResult(verdict),
      ext: xdr.InnerTransactionResultExt.v0(),
    }),
  })
  const result =
    verdict.code === 'txSuccess'
      ? xdr.TransactionResultResult.txFeeBumpInnerSuccess(pair)
      : xdr.TransactionResultResult.txFeeBumpInnerFailed(pair)
  return new xdr.TransactionResult({ feeCharged, result, ext })
}
