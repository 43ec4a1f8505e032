/** Result codes in the words that Horizon uses for them; they are not those of the XDR. */
import type { xdr } from '@stellar/stellar-sdk/base'

/** What {@link snake} would get wrong. */
const TRANSACTION_CODES: Readonly<Record<string, string>> = {
  txNoAccount: 'tx_no_source_account',
  txBadMinSeqAgeOrGap: 'tx_bad_minseq_age_or_gap',
}

const OPERATION_CODES: Readonly<Record<string, string>> = {
  opNoAccount: 'op_no_source_account',
  createAccountAlreadyExist: 'op_already_exists',
  manageDataNameNotFound: 'op_data_name_not_found',
  manageDataInvalidName: 'op_data_invalid_name',
  accountMergeSeqnumTooFar: 'op_seq_num_too_far',
  bumpSequenceBadSeq: 'op_bad_seq',
}

/** The result types whose codes begin with their name. */
const PREFIXES = [
  'createAccount',
  'payment',
  'setOptions',
  'accountMerge',
  'manageData',
  'bumpSequence',
  'beginSponsoringFutureReserves',
  'endSponsoringFutureReserves',
  'revokeSponsorship',
]

const snake = (text: string): string => text.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)

const transactionCode = (type: string): string => TRANSACTION_CODES[type] ?? snake(type)

const operationCode = (result: xdr.OperationResult): string => {
  const type: string = result.type === 'opInner' ? result.tr.value.type : result.type
  const prefix = PREFIXES.find((name) => type.startsWith(name))
  return OPERATION_CODES[type] ?? (prefix === undefined ? snake(type) : `op${snake(type.slice(prefix.length))}`)
}

export interface ResultCodes {
  readonly transaction: string
  readonly inner_transaction?: string
  /** Only where operations were looked at. */
  readonly operations?: readonly string[]
}

export const resultCodes = ({ result }: xdr.TransactionResult): ResultCodes => {
  switch (result.type) {
    case 'txSuccess':
    case 'txFailed':
      return { transaction: transactionCode(result.type), operations: result.results.map(operationCode) }
    case 'txFeeBumpInnerSuccess':
    case 'txFeeBumpInnerFailed': {
      const inner = result.innerResultPair.result.result
      return {
        transaction: transactionCode(result.type),
        inner_transaction: transactionCode(inner.type),
        ...((inner.type === 'txSuccess' || inner.type === 'txFailed') && { operations: inner.results.map(operationCode) }),
      }
    }
    default:
      return { transaction: transactionCode(result.type) }
  }
}
