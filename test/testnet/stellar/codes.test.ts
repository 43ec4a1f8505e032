import assert from 'node:assert/strict'
import { xdr } from '@stellar/stellar-sdk/base'
import { resultCodes } from '../../../testnet/stellar/codes.ts'

const {
  AccountMergeResult,
  BeginSponsoringFutureReservesResult,
  BumpSequenceResult,
  CreateAccountResult,
  EndSponsoringFutureReservesResult,
  ManageDataResult,
  OperationResult,
  OperationResultTr,
  PaymentResult,
  RevokeSponsorshipResult,
  SetOptionsResult,
  TransactionResult,
  TransactionResultExt,
  TransactionResultResult,
} = xdr

const codes = (result: xdr.TransactionResultResult) =>
  resultCodes(new TransactionResult({ feeCharged: 100n, result, ext: TransactionResultExt.v0() }))
const inner = (tr: xdr.OperationResultTr): xdr.OperationResult => OperationResult.opInner(tr)

describe('devnet ledger, result codes', () => {
  it('names transactions as Horizon does, also where that is not the name in the XDR', () => {
    const names: [xdr.TransactionResultResult, string][] = [
      [TransactionResultResult.txNoAccount(), 'tx_no_source_account'],
      [TransactionResultResult.txBadMinSeqAgeOrGap(), 'tx_bad_minseq_age_or_gap'],
      [TransactionResultResult.txBadSeq(), 'tx_bad_seq'],
      [TransactionResultResult.txBadAuthExtra(), 'tx_bad_auth_extra'],
      [TransactionResultResult.txInsufficientBalance(), 'tx_insufficient_balance'],
      [TransactionResultResult.txTooLate(), 'tx_too_late'],
      [TransactionResultResult.txBadSponsorship(), 'tx_bad_sponsorship'],
      [TransactionResultResult.txMissingOperation(), 'tx_missing_operation'],
    ]
    for (const [result, name] of names) assert.deepEqual(codes(result), { transaction: name })
  })

  it('names operations as Horizon does', () => {
    const names: [xdr.OperationResult, string][] = [
      [OperationResult.opBadAuth(), 'op_bad_auth'],
      [OperationResult.opNoAccount(), 'op_no_source_account'],
      [OperationResult.opNotSupported(), 'op_not_supported'],
      [OperationResult.opTooManySubentries(), 'op_too_many_subentries'],
      [OperationResult.opTooManySponsoring(), 'op_too_many_sponsoring'],
      [inner(OperationResultTr.createAccount(CreateAccountResult.createAccountSuccess())), 'op_success'],
      [inner(OperationResultTr.createAccount(CreateAccountResult.createAccountAlreadyExist())), 'op_already_exists'],
      [inner(OperationResultTr.createAccount(CreateAccountResult.createAccountLowReserve())), 'op_low_reserve'],
      [inner(OperationResultTr.payment(PaymentResult.paymentNoDestination())), 'op_no_destination'],
      [inner(OperationResultTr.payment(PaymentResult.paymentUnderfunded())), 'op_underfunded'],
      [inner(OperationResultTr.manageData(ManageDataResult.manageDataNameNotFound())), 'op_data_name_not_found'],
      [inner(OperationResultTr.manageData(ManageDataResult.manageDataInvalidName())), 'op_data_invalid_name'],
      [inner(OperationResultTr.setOptions(SetOptionsResult.setOptionsCantChange())), 'op_cant_change'],
      [inner(OperationResultTr.setOptions(SetOptionsResult.setOptionsInvalidHomeDomain())), 'op_invalid_home_domain'],
      [inner(OperationResultTr.setOptions(SetOptionsResult.setOptionsThresholdOutOfRange())), 'op_threshold_out_of_range'],
      [inner(OperationResultTr.accountMerge(AccountMergeResult.accountMergeImmutableSet())), 'op_immutable_set'],
      [inner(OperationResultTr.accountMerge(AccountMergeResult.accountMergeHasSubEntries())), 'op_has_sub_entries'],
      [inner(OperationResultTr.accountMerge(AccountMergeResult.accountMergeSeqnumTooFar())), 'op_seq_num_too_far'],
      [inner(OperationResultTr.accountMerge(AccountMergeResult.accountMergeIsSponsor())), 'op_is_sponsor'],
      [inner(OperationResultTr.bumpSequence(BumpSequenceResult.bumpSequenceBadSeq())), 'op_bad_seq'],
      [
        inner(
          OperationResultTr.beginSponsoringFutureReserves(
            BeginSponsoringFutureReservesResult.beginSponsoringFutureReservesAlreadySponsored(),
          ),
        ),
        'op_already_sponsored',
      ],
      [
        inner(
          OperationResultTr.endSponsoringFutureReserves(
            EndSponsoringFutureReservesResult.endSponsoringFutureReservesNotSponsored(),
          ),
        ),
        'op_not_sponsored',
      ],
      [inner(OperationResultTr.revokeSponsorship(RevokeSponsorshipResult.revokeSponsorshipNotSponsor())), 'op_not_sponsor'],
    ]
    assert.deepEqual(codes(TransactionResultResult.txFailed(names.map(([result]) => result))), {
      transaction: 'tx_failed',
      operations: names.map(([, name]) => name),
    })
  })
})
