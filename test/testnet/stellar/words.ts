import { xdr } from '@stellar/stellar-sdk/base'

const operation = (result: xdr.OperationResult): string => (result.type === 'opInner' ? result.tr.value.type : result.type)

const body = (result: xdr.TransactionResultResult | xdr.InnerTransactionResultResult): string => {
  switch (result.type) {
    case 'txFeeBumpInnerSuccess':
    case 'txFeeBumpInnerFailed':
      return `${result.type}/${body(result.innerResultPair.result.result)}`
    case 'txSuccess':
    case 'txFailed':
      return `${result.type}:${result.results.map(operation).join()}`
    default:
      return result.type
  }
}

/** A result in words, as the recordings have it: `txFailed:paymentSuccess,opBadAuth fee=200`. */
export const inWords = (resultXdr: string): string => {
  const { result, feeCharged } = xdr.TransactionResult.fromXdr(resultXdr, 'base64')
  return `${body(result)} fee=${feeCharged}`
}
