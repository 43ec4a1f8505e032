/** What a ledger does with a transaction that is in it. */
import { xdr } from '@stellar/stellar-sdk/base'
import { Layer } from './accounts.ts'
import { ruleOf, type Surroundings, sequenceMoved } from './operations.ts'
import { type SignatureChecker, sameBytes } from './signatures.ts'
import { releaseSubentry } from './sponsorship.ts'
import type { Envelope, Operation, Transaction } from './transaction.ts'
import { checkCommon, checkerOf, checkOperationSigned, minimumFee, type Parameters } from './validity.ts'
import type { EnvelopeVerdict, Verdict } from './verdict.ts'

/** Charges the fee: the base fee for each operation, never more than was offered or than there is. Returns what was charged. */
export const chargeFee = (envelope: Envelope, layer: Layer, parameters: Parameters): bigint => {
  const minimum = minimumFee(envelope, parameters)
  const payer = layer.load(envelope.feeSource)
  let fee = envelope.fee < minimum ? envelope.fee : minimum
  if (fee > payer.balance) fee = payer.balance
  layer.put({ ...payer, balance: payer.balance - fee })
  return fee
}

/** A pre-authorisation is good for one transaction, whatever becomes of it. */
const removePreAuthorisations = (layer: Layer, hash: Uint8Array, ids: Iterable<string>): void => {
  for (const id of new Set(ids)) {
    const account = layer.get(id)
    const used = account?.signers.find(
      ({ key }) => key.type === 'signerKeyTypePreAuthTx' && sameBytes(key.preAuthTx.toBytes(), hash),
    )
    if (account === undefined || used === undefined) continue
    layer.update(id, ({ signers }) => ({ signers: signers.filter((signer) => signer !== used) }))
    releaseSubentry(layer, id, used.sponsor)
  }
}

/** Every operation must be signed for before any of them is tried. */
const checkSigned = (tx: Transaction, layer: Layer, checker: SignatureChecker): Verdict | undefined => {
  let allSigned = true
  const operations = tx.operations.map((operation) => {
    const wrong = checkOperationSigned(operation, layer, checker)
    if (wrong !== undefined) allSigned = false
    return wrong ?? ruleOf(operation).success
  })
  if (!allSigned) return { code: 'txFailed', operations }
  return checker.allUsed() ? undefined : { code: 'txBadAuthExtra' }
}

/** One operation in a layer of its own. */
const applyOperation = (operation: Operation, outer: Layer, at: Surroundings): { ok: boolean; result: xdr.OperationResult } => {
  const rule = ruleOf(operation)
  if (outer.get(operation.source) === undefined) {
    return { ok: false, result: xdr.OperationResult.opNoAccount() }
  }
  const wrong = rule.check?.()
  if (wrong !== undefined) return { ok: false, result: wrong }
  const layer = new Layer(outer)
  const outcome = rule.apply(layer, at)
  if (outcome.ok) layer.commit()
  return outcome
}

/** All are tried, also after one failed: the result tells of each. */
const applyOperations = (tx: Transaction, outer: Layer, at: Surroundings): Verdict => {
  const layer = new Layer(outer)
  let ok = true
  const operations = tx.operations.map((operation) => {
    const outcome = applyOperation(operation, layer, at)
    if (!outcome.ok) ok = false
    return outcome.result
  })
  if (!ok) return { code: 'txFailed', operations }
  if (layer.sponsorships.size > 0) return { code: 'txBadSponsorship' }
  layer.commit()
  return { code: 'txSuccess', operations }
}

/** Applies a transaction whose fee is paid. A failed one leaves its sequence number behind, and nothing else. */
export const applyEnvelope = (
  envelope: Envelope,
  outer: Layer,
  at: Surroundings,
  parameters: Parameters,
  feeCharged: bigint,
): EnvelopeVerdict => {
  const { tx, feeBump, feeSource } = envelope
  if (feeBump !== undefined) removePreAuthorisations(outer, feeBump.hash, [feeSource])
  const innerMinimum = parameters.baseFee * BigInt(Math.max(1, tx.operations.length))
  const innerFee = tx.fee < innerMinimum ? tx.fee : innerMinimum
  return {
    feeCharged,
    verdict: applyTransaction(tx, outer, at, parameters, feeBump === undefined),
    innerFeeCharged: feeBump === undefined ? undefined : innerFee,
  }
}

const applyTransaction = (
  tx: Transaction,
  outer: Layer,
  at: Surroundings,
  parameters: Parameters,
  paysItself: boolean,
): Verdict => {
  const checker = checkerOf(tx)
  const moment = { ledger: at.ledger, earliest: at.closeTime, latest: at.closeTime }
  const common = checkCommon(tx, outer, moment, parameters, checker, { fee: paysItself ? 0n : undefined })
  if (common === undefined || common.usesSequence) outer.update(tx.source, () => sequenceMoved(tx.sequence, at))
  const sources = [tx.source, ...tx.operations.map(({ source }) => source)]
  if (common !== undefined) {
    removePreAuthorisations(outer, tx.hash, sources)
    return { code: common.code }
  }
  const unsigned = checkSigned(tx, outer, checker)
  removePreAuthorisations(outer, tx.hash, sources)
  return unsigned ?? applyOperations(tx, outer, at)
}
