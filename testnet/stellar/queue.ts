/** Transactions that wait for a ledger, by the rules of stellar-core's queue. */
import { availableBalance } from './account.ts'
import type { Accounts } from './accounts.ts'
import { sameBytes } from './signatures.ts'
import type { Envelope } from './transaction.ts'
import { checkEnvelope, type Moment, minimumFee, type Parameters } from './validity.ts'
import { type EarlyCode, type EnvelopeVerdict, succeeded } from './verdict.ts'

/** stellar-core: a fee bump replaces a waiting transaction for ten times its fee for each operation. */
const FEE_MULTIPLIER = 10n

export type Admission =
  | { readonly status: 'PENDING' }
  | { readonly status: 'DUPLICATE' }
  | { readonly status: 'TRY_AGAIN_LATER' }
  | { readonly status: 'ERROR'; readonly verdict: EnvelopeVerdict }

const refused = (code: EarlyCode, feeCharged: bigint): Admission => ({
  status: 'ERROR',
  verdict: { feeCharged, verdict: { code }, innerFeeCharged: undefined },
})

/** The fee a replacement must offer. */
const replacementFee = (now: Envelope, before: Envelope): bigint => {
  const operations = BigInt(Math.max(1, before.operationCount))
  return (FEE_MULTIPLIER * before.fee * BigInt(Math.max(1, now.operationCount)) + operations - 1n) / operations
}

export class Queue {
  #waiting: Envelope[] = []
  #operations = 0

  constructor(readonly operationsMax: number) {}

  get size(): number {
    return this.#waiting.length
  }

  /** In order of arrival, and so in order of sequence number for each source. */
  get waiting(): readonly Envelope[] {
    return this.#waiting
  }

  admit(envelope: Envelope, accounts: Accounts, at: Moment, parameters: Parameters): Admission {
    const { tx, feeBump, feeSource, fee } = envelope
    const ofSource = this.#waiting.filter((other) => other.tx.source === tx.source)
    const rival = feeBump === undefined ? undefined : ofSource.find((other) => other.tx.sequence === tx.sequence)
    if (ofSource.some((other) => sameBytes(other.fullHash, envelope.fullHash))) return { status: 'DUPLICATE' }
    if (rival !== undefined) {
      const needed = replacementFee(envelope, rival)
      if (fee < needed) return refused('txInsufficientFee', needed)
    } else if (this.#operations + envelope.operationCount > this.operationsMax) return { status: 'TRY_AGAIN_LATER' }

    const before = rival === undefined ? ofSource : ofSource.slice(0, ofSource.indexOf(rival))
    const last = before.at(-1)
    const { minSequenceAge, minSequenceLedgerGap } = tx.conditions
    if (last !== undefined && (minSequenceAge > 0n || minSequenceLedgerGap > 0)) {
      return refused('txBadMinSeqAgeOrGap', minimumFee(envelope, parameters))
    }
    const verdict = checkEnvelope(envelope, accounts, at, parameters, last?.tx.sequence)
    if (!succeeded(verdict)) return { status: 'ERROR', verdict }

    let owed = fee
    for (const other of this.#waiting) if (other.feeSource === feeSource && other !== rival) owed += other.fee
    const payer = accounts.get(feeSource)
    if (payer === undefined || availableBalance(payer, parameters.baseReserve) < owed) {
      return refused('txInsufficientBalance', minimumFee(envelope, parameters))
    }
    if (rival === undefined) this.#waiting.push(envelope)
    else this.#waiting[this.#waiting.indexOf(rival)] = envelope
    this.#operations += envelope.operationCount - (rival?.operationCount ?? 0)
    return { status: 'PENDING' }
  }

  /**
   * Takes out what the next ledger holds: in order of arrival, up to `operations`. What became invalid while it waited is dropped;
   * what found no room waits on.
   */
  take(accounts: Accounts, at: Moment, parameters: Parameters, operations: number): Envelope[] {
    const taken = new Queue(operations)
    const later = new Queue(this.operationsMax)
    const delayed = new Set<string>()
    for (const envelope of this.#waiting) {
      const { source } = envelope.tx
      // One of a source that waits on keeps the later ones of that source waiting.
      if (!delayed.has(source)) {
        const { status } = taken.admit(envelope, accounts, at, parameters)
        if (status !== 'TRY_AGAIN_LATER') continue
        delayed.add(source)
      }
      later.#waiting.push(envelope)
      later.#operations += envelope.operationCount
    }
    this.#waiting = later.#waiting
    this.#operations = later.#operations
    return taken.#waiting
  }
}
