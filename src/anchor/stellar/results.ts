import type { xdr as xdrTypes } from '@stellar/stellar-sdk/base'
import { messageOf } from '../../base/index.ts'
import { badXdr } from '../xdr.ts'

/** What a result means for whoever handed the transaction in. */
export type Verdict =
  | 'success'
  /** Somebody made this account first: read the anchor. */
  | 'somebody_first'
  /** The funder's sequence number moved on, or this very transaction got in before. */
  | 'bad_sequence'
  | 'too_late'
  /** The funder cannot pay fee or reserve, or does not exist. */
  | 'funder_poor'
  | 'fee_too_low'
  | 'failed'

export interface Outcome {
  readonly verdict: Verdict
  /** The ledger's own words, such as `txFailed:createAccountAlreadyExist`. */
  readonly words: string
}

const BY_TRANSACTION: Readonly<Record<string, Verdict>> = {
  txSuccess: 'success',
  txBadSeq: 'bad_sequence',
  txTooLate: 'too_late',
  txNoAccount: 'funder_poor',
  txInsufficientBalance: 'funder_poor',
  txInsufficientFee: 'fee_too_low',
}

/** Reads a TransactionResult (XDR). Throws RefusedError `bad_xdr`. */
export const readResult = async (bytes: Uint8Array): Promise<Outcome> => {
  const { xdr } = await import('@stellar/stellar-sdk/base')
  try {
    return outcomeOf(xdr.TransactionResult.fromXdr(bytes))
  } catch (error) {
    throw badXdr('transaction result', messageOf(error))
  }
}

export const outcomeOf = ({ result }: xdrTypes.TransactionResult): Outcome => {
  if (result.type !== 'txFailed') return { verdict: BY_TRANSACTION[result.type] ?? 'failed', words: result.type }
  // An operation fails before it is tried (opBadAuth) or in its own way.
  const words = result.results.map((operation) => (operation.type === 'opInner' ? operation.tr.value.type : operation.type))
  const has = (...names: string[]): boolean => words.some((word) => names.includes(word))
  const verdict = has('createAccountAlreadyExist', 'opBadAuth')
    ? 'somebody_first'
    : words.some((word) => word.endsWith('LowReserve') || word.endsWith('Underfunded'))
      ? 'funder_poor'
      : 'failed'
  return { verdict, words: `txFailed:${words.filter((word) => !word.endsWith('Success')).join(',')}` }
}
