import type { Account } from './account.ts'
import type { Accounts } from './accounts.ts'
import {
  type Applied,
  type ClosedLedger,
  closeLedger,
  genesis,
  type Head,
  LEDGER_OPERATIONS_MAX,
  type Network,
  type NodeKey,
  resultSet,
  transactionSet,
} from './ledger.ts'
import { type Admission, Queue } from './queue.ts'
import type { Envelope } from './transaction.ts'
import type { Moment, Parameters } from './validity.ts'

/** stellar-core: as many operations may wait as four ledgers hold. */
const WAITING_LEDGERS = 4
/** Empty ledgers are remembered this long (about 28 hours at one a second, 1 KB each); those that hold a transaction for good. */
const EMPTY_LEDGERS_KEPT = 100_000
/** Then the ledger is full, and takes no more: one of nine operations takes 13 KB of memory. */
const TRANSACTIONS_MAX = 50_000

/** A ledger of the past. */
export interface PastLedger {
  readonly ledger: number
  readonly hash: Uint8Array
  readonly previousHash: Uint8Array
  readonly headerXdr: Uint8Array
  readonly closeTime: bigint
  readonly feePool: bigint
  readonly transactions: readonly PastTransaction[]
}

export interface PastTransaction extends Applied {
  readonly ledger: number
  /** Its place in the ledger, from 1. */
  readonly order: number
  readonly closeTime: bigint
}

/** All that makes the ledger verifiable, as XDR. */
export interface Proof {
  readonly header: PastLedger
  readonly txSetXdr: Uint8Array
  readonly resultsXdr: Uint8Array
}

/** The state of the ledger and its past. It knows no time and no files: its owner closes ledgers and keeps them. */
export class Chain implements Accounts {
  readonly #accounts = new Map<string, Account>()
  readonly #ledgers = new Map<number, PastLedger>()
  /** Sequences of ledgers with and without transactions. */
  readonly #full: number[] = []
  readonly #empty: number[] = []
  #emptyFrom = 0
  /** By hash; a fee bump by both of its hashes. */
  readonly #transactions = new Map<string, PastTransaction>()
  /** How many there are: by hash some have two names. */
  #count = 0
  readonly #queue = new Queue(WAITING_LEDGERS * LEDGER_OPERATIONS_MAX)
  #head: Head

  constructor(
    readonly network: Network,
    readonly node: NodeKey,
    readonly emptyLedgersKept = EMPTY_LEDGERS_KEPT,
  ) {
    const first = genesis(network)
    this.#head = first
    this.#accounts.set(first.root.id, first.root)
    this.#remember(first, [])
  }

  get(id: string): Account | undefined {
    return this.#accounts.get(id)
  }

  get accounts(): Iterable<Account> {
    return this.#accounts.values()
  }

  get head(): Head {
    return this.#head
  }

  get closeTime(): bigint {
    return this.#head.header.scpValue.closeTime
  }

  get parameters(): Parameters {
    const { baseFee, baseReserve } = this.#head.header
    return { baseFee: BigInt(baseFee), baseReserve: BigInt(baseReserve) }
  }

  get waiting(): readonly Envelope[] {
    return this.#queue.waiting
  }

  /** A ledger of the past; `'pruned'` where it was and is forgotten. */
  ledger(sequence: number): PastLedger | 'pruned' | undefined {
    const past = this.#ledgers.get(sequence)
    if (past !== undefined) return past
    return sequence >= 1 && sequence <= this.#head.header.ledgerSeq ? 'pruned' : undefined
  }

  /** The oldest ledger from which on none is forgotten. */
  get elder(): number {
    return this.#emptyFrom === 0 ? 1 : this.#empty[this.#emptyFrom]!
  }

  transaction(hashHex: string): PastTransaction | undefined {
    return this.#transactions.get(hashHex)
  }

  /** Up to `limit` transactions in their order, from the one at `order` (or the next) of `ledger` on. */
  transactionsFrom(ledger: number, order: number, limit: number): PastTransaction[] {
    const found: PastTransaction[] = []
    for (const full of this.#full) {
      if (full < ledger) continue
      for (const transaction of this.#ledgers.get(full)?.transactions ?? []) {
        if (full === ledger && transaction.order < order) continue
        found.push(transaction)
        if (found.length === limit) return found
      }
    }
    return found
  }

  proof(past: PastLedger): Proof {
    const { xdr } = transactionSet(
      this.network.protocol,
      past.previousHash,
      past.transactions.map(({ envelope }) => envelope),
    )
    return { header: past, txSetXdr: xdr, resultsXdr: resultSet(past.transactions).toXdr() }
  }

  /** Takes an envelope in for the next ledger, which closes between the two times (Unix seconds). */
  submit(envelope: Envelope, earliest: bigint, latest: bigint): Admission {
    if (this.#count + this.#queue.size >= TRANSACTIONS_MAX) return { status: 'TRY_AGAIN_LATER' }
    return this.#queue.admit(envelope, this, this.#moment(earliest, latest), this.parameters)
  }

  /** The next ledger with what waits. It is the chain's only when {@link adopt} took it. */
  next(closeTime: bigint): ClosedLedger {
    const envelopes = this.#queue.take(this, this.#moment(closeTime, closeTime), this.parameters, LEDGER_OPERATIONS_MAX)
    return this.replay(envelopes, closeTime)
  }

  /** The next ledger with what it held when it closed. */
  replay(envelopes: readonly Envelope[], closeTime: bigint): ClosedLedger {
    return closeLedger(this.network, this.node, this.#head, this, envelopes, closeTime)
  }

  adopt(closed: ClosedLedger): PastLedger {
    for (const [id, account] of closed.changes) {
      if (account === undefined) this.#accounts.delete(id)
      else this.#accounts.set(id, account)
    }
    this.#head = closed
    return this.#remember(closed, closed.transactions)
  }

  #moment(earliest: bigint, latest: bigint): Moment {
    return { ledger: this.#head.header.ledgerSeq + 1, earliest, latest }
  }

  #remember({ header, headerXdr, hash }: Head, applied: readonly Applied[]): PastLedger {
    const ledger = header.ledgerSeq
    const { closeTime } = header.scpValue
    const transactions = applied.map((one, i): PastTransaction => ({ ...one, ledger, order: i + 1, closeTime }))
    const past: PastLedger = {
      ledger,
      hash,
      previousHash: header.previousLedgerHash.toBytes(),
      headerXdr,
      closeTime,
      feePool: header.feePool,
      transactions,
    }
    this.#ledgers.set(ledger, past)
    this.#count += transactions.length
    for (const transaction of transactions) {
      const { hashHex, tx } = transaction.envelope
      this.#transactions.set(hashHex, transaction)
      this.#transactions.set(Buffer.from(tx.hash).toString('hex'), transaction)
    }
    if (transactions.length === 0) this.#forgetEmpty(ledger)
    else this.#full.push(ledger)
    return past
  }

  #forgetEmpty(ledger: number): void {
    this.#empty.push(ledger)
    if (this.#empty.length - this.#emptyFrom <= this.emptyLedgersKept) return
    this.#ledgers.delete(this.#empty[this.#emptyFrom]!)
    this.#emptyFrom += 1
    if (this.#emptyFrom < this.emptyLedgersKept) return
    this.#empty.splice(0, this.#emptyFrom - 1)
    this.#emptyFrom = 1
  }
}
