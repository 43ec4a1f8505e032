/** Whether a transaction may get in, and what is asked of it again when it is applied. In stellar-core's order: the first failure is the answer. */
import { xdr } from '@stellar/stellar-sdk/base'
import { type Account, availableBalance } from './account.ts'
import type { Accounts } from './accounts.ts'
import { ruleOf, startingSequence } from './operations.ts'
import { ed25519Signer, SignatureChecker, signersOf } from './signatures.ts'
import type { Envelope, Operation, Transaction } from './transaction.ts'
import type { EarlyCode, EnvelopeVerdict, Verdict } from './verdict.ts'

export interface Parameters {
  /** Stroops for each operation. */
  readonly baseFee: bigint
  /** Stroops. */
  readonly baseReserve: bigint
}

/** The ledger a transaction is judged for. Its close time (Unix seconds) is not known before it closes, only between what bounds. */
export interface Moment {
  readonly ledger: number
  readonly earliest: bigint
  readonly latest: bigint
}

const INT64_MAX = 2n ** 63n - 1n

/** What is said to be charged for something that was not let in. */
export const minimumFee = ({ operationCount }: Pick<Envelope, 'operationCount'>, { baseFee }: Parameters): bigint =>
  baseFee * BigInt(Math.max(1, operationCount))

const isTooEarly = ({ conditions: { timeBounds, ledgerBounds } }: Transaction, at: Moment): boolean =>
  (timeBounds?.minTime ?? 0n) > at.earliest || (ledgerBounds?.minLedger ?? 0) > at.ledger

const isTooLate = ({ conditions: { timeBounds, ledgerBounds } }: Transaction, at: Moment): boolean => {
  const maxTime = timeBounds?.maxTime ?? 0n
  const maxLedger = ledgerBounds?.maxLedger ?? 0
  return (maxTime !== 0n && maxTime < at.latest) || (maxLedger !== 0 && maxLedger <= at.ledger)
}

/** `current` is the sequence number of the source, or of its last transaction that waits. */
const isBadSequence = ({ sequence, conditions: { minSequence } }: Transaction, current: bigint, at: Moment): boolean => {
  if (sequence === startingSequence(at.ledger)) return true
  if (minSequence !== undefined) return current < minSequence || current >= sequence
  return current === INT64_MAX || current + 1n !== sequence
}

const isTooEarlyForSource = ({ conditions }: Transaction, source: Account, at: Moment): boolean =>
  at.earliest - conditions.minSequenceAge < source.sequenceTime ||
  at.ledger - conditions.minSequenceLedgerGap < source.sequenceLedger ||
  conditions.minSequenceAge > at.earliest ||
  conditions.minSequenceLedgerGap > at.ledger

const areExtraSignersMalformed = ({ conditions: { extraSigners } }: Transaction): boolean => {
  const [first, second] = extraSigners
  return (
    (first !== undefined && second !== undefined && first.equals(second)) ||
    extraSigners.some((key) => key.type === 'signerKeyTypeEd25519SignedPayload' && key.ed25519SignedPayload.payload.length === 0)
  )
}

export const checkerOf = ({
  hash,
  signatures,
  verified,
}: Pick<Transaction, 'hash' | 'signatures' | 'verified'>): SignatureChecker => new SignatureChecker(hash, signatures, verified)

interface CommonOptions {
  /** As in {@link isBadSequence}; left out = the source's own. */
  readonly current?: bigint | undefined
  /** What the source itself must be able to pay: undefined where somebody else pays, 0 where it has paid. */
  readonly fee: bigint | undefined
}

/** How far it got tells whether the sequence number is used up. */
export type CommonVerdict = { readonly code: EarlyCode; readonly usesSequence: boolean } | undefined

/** What holds for the transaction as a whole, before any operation. `undefined` = nothing is wrong. */
export const checkCommon = (
  tx: Transaction,
  accounts: Accounts,
  at: Moment,
  parameters: Parameters,
  checker: SignatureChecker,
  { current, fee }: CommonOptions,
): CommonVerdict => {
  const early = (code: EarlyCode): CommonVerdict => ({ code, usesSequence: false })
  if (areExtraSignersMalformed(tx)) return early('txMalformed')
  if (tx.hasSorobanData) return early('txSorobanInvalid')
  if (tx.operations.length === 0) return early('txMissingOperation')
  if (isTooEarly(tx, at)) return early('txTooEarly')
  if (isTooLate(tx, at)) return early('txTooLate')
  if (fee !== undefined && tx.fee < parameters.baseFee * BigInt(tx.operations.length)) return early('txInsufficientFee')
  const source = accounts.get(tx.source)
  if (source === undefined) return early('txNoAccount')
  if (isBadSequence(tx, current ?? source.sequence, at)) return early('txBadSeq')

  const late = (code: EarlyCode): CommonVerdict => ({ code, usesSequence: true })
  if (isTooEarlyForSource(tx, source, at)) return late('txBadMinSeqAgeOrGap')
  if (!checker.check(signersOf(source), source.thresholds[1])) return late('txBadAuth')
  const { extraSigners } = tx.conditions
  if (
    extraSigners.length > 0 &&
    !checker.check(
      extraSigners.map((key) => ({ key, weight: 1 })),
      extraSigners.length,
    )
  ) {
    return late('txBadAuth')
  }
  if (fee !== undefined && availableBalance(source, parameters.baseReserve) < fee) return late('txInsufficientBalance')
  return undefined
}

/** Is the operation signed for? Where its source does not exist yet, its master key must have signed. */
export const checkOperationSigned = (
  operation: Operation,
  accounts: Accounts,
  checker: SignatureChecker,
): xdr.OperationResult | undefined => {
  const source = accounts.get(operation.source)
  if (source === undefined) {
    if (!operation.ownSource) return xdr.OperationResult.opNoAccount()
    const master = [{ key: ed25519Signer(operation.source), weight: 1 }]
    return checker.check(master, 0) ? undefined : xdr.OperationResult.opBadAuth()
  }
  const needed = source.thresholds[ruleOf(operation).level]
  return checker.check(signersOf(source), needed) ? undefined : xdr.OperationResult.opBadAuth()
}

const checkOperations = (tx: Transaction, accounts: Accounts, checker: SignatureChecker): Verdict => {
  const results = tx.operations.map((operation) => ruleOf(operation).success)
  for (const [i, operation] of tx.operations.entries()) {
    const rule = ruleOf(operation)
    // An operation that this ledger does not know is refused before anybody asks who signed it.
    const wrong =
      rule.success.type === 'opNotSupported'
        ? rule.success
        : (checkOperationSigned(operation, accounts, checker) ?? rule.check?.())
    if (wrong === undefined) continue
    results[i] = wrong
    return { code: 'txFailed', operations: results }
  }
  return checker.allUsed() ? { code: 'txSuccess', operations: results } : { code: 'txBadAuthExtra' }
}

const checkTransaction = (
  tx: Transaction,
  accounts: Accounts,
  at: Moment,
  parameters: Parameters,
  options: CommonOptions,
): Verdict => {
  const checker = checkerOf(tx)
  const common = checkCommon(tx, accounts, at, parameters, checker, options)
  return common === undefined ? checkOperations(tx, accounts, checker) : { code: common.code }
}

/** CAP-15: the outer fee must be worth more for each operation than the inner one. */
const feeBumpShortfall = ({ fee, tx, operationCount }: Envelope, { baseFee }: Parameters): bigint | undefined => {
  const innerMinimum = baseFee * BigInt(Math.max(1, tx.operations.length))
  const outerMinimum = baseFee * BigInt(operationCount)
  if (fee < outerMinimum) return outerMinimum
  if (fee * innerMinimum >= tx.fee * outerMinimum) return undefined
  const needed = (tx.fee * outerMinimum + innerMinimum - 1n) / innerMinimum
  return needed > INT64_MAX ? INT64_MAX : needed
}

/**
 * What stellar-core answers to an envelope that is sent to it, its queue apart.
 * @param current the sequence number of the source's last transaction that waits, where one does.
 */
export const checkEnvelope = (
  envelope: Envelope,
  accounts: Accounts,
  at: Moment,
  parameters: Parameters,
  current?: bigint,
): EnvelopeVerdict => {
  const feeCharged = minimumFee(envelope, parameters)
  const { tx, feeBump, feeSource, fee } = envelope
  if (feeBump === undefined) {
    return { feeCharged, verdict: checkTransaction(tx, accounts, at, parameters, { current, fee }), innerFeeCharged: undefined }
  }
  const outer = (code: EarlyCode, charged = feeCharged): EnvelopeVerdict => ({
    feeCharged: charged,
    verdict: { code },
    innerFeeCharged: undefined,
  })
  const shortfall = feeBumpShortfall(envelope, parameters)
  if (shortfall !== undefined) return outer('txInsufficientFee', shortfall)
  const payer = accounts.get(feeSource)
  if (payer === undefined) return outer('txNoAccount')
  const checker = checkerOf(feeBump)
  if (!checker.check(signersOf(payer), payer.thresholds[1])) return outer('txBadAuth')
  if (availableBalance(payer, parameters.baseReserve) < fee) return outer('txInsufficientBalance')
  if (!checker.allUsed()) return outer('txBadAuthExtra')
  const verdict = checkTransaction(tx, accounts, at, parameters, { current, fee: undefined })
  return { feeCharged, verdict, innerFeeCharged: 0n }
}
