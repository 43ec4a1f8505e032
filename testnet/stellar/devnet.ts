import { Asset, Operation, Account as Sequence, TransactionBuilder } from '@stellar/stellar-sdk/base'
import { type Clock, messageOf, type Random, RefusedError, UsageError } from '../../src/index.ts'
import { Chain, type PastLedger, type PastTransaction } from './chain.ts'
import { type Network, NodeKey, networkOf, rootKey } from './ledger.ts'
import type { Admission } from './queue.ts'
import { StateFile } from './state-file.ts'
import { type Envelope, MalformedError, readEnvelope, readEnvelopeBase64 } from './transaction.ts'

/** The rules and the form of the transaction sets that this ledger has. */
export const PROTOCOL = 22
/** What this network is called if nothing else is said. It says what it is. */
export const DEVNET_PASSPHRASE = 'dstack-mesh devnet ; one process can rewrite it'
/** Shown wherever somebody looks. */
export const WARNING =
  'This is a dstack-mesh devnet: one process runs it and can rewrite it at will. Coins and records on it are worth nothing.'

/** What friendbot gives: 10 000 XLM. */
const FRIENDBOT_STROOPS = 10_000n * 10_000_000n
const FRIENDBOT_XLM = '10000'

const FORMAT = 'dstack-mesh devnet 1'

/** The first line of a state file. */
interface Founding {
  readonly format: typeof FORMAT
  readonly passphrase: string
  readonly protocol: typeof PROTOCOL
  /** The seed of the key that signs ledgers, hex. It protects nobody: who has the file has the ledger. */
  readonly nodeSeed: string
}

/** Each further line: a ledger that closed. The hash shows that reading it again came to the same. */
interface StoredLedger {
  readonly hash: string
  readonly closeTime: number
  readonly txs?: readonly string[]
}

export interface DevnetInit {
  readonly passphrase?: string | undefined
  /** Kept in memory where left out. */
  readonly stateFile?: string | undefined
  /** How long transactions wait for their ledger; `'at-once'` = not at all, and no ledger closes without one. */
  readonly closeEveryMs: number | 'at-once'
}

export interface DevnetComponents {
  readonly clock: Clock
  readonly random: Random
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

const isFounding = (value: unknown): value is Founding => {
  const { format, passphrase, protocol, nodeSeed } = (value ?? {}) as Partial<Founding>
  return format === FORMAT && typeof passphrase === 'string' && protocol === PROTOCOL && /^[0-9a-f]{64}$/.test(nodeSeed ?? '')
}

const isStoredLedger = (value: unknown): value is StoredLedger => {
  const { hash, closeTime, txs = [] } = (value ?? {}) as Partial<StoredLedger>
  return (
    typeof hash === 'string' &&
    Number.isSafeInteger(closeTime) &&
    Array.isArray(txs) &&
    txs.every((tx: unknown) => typeof tx === 'string')
  )
}

const chainOf = ({ passphrase, protocol, nodeSeed }: Founding): Chain =>
  new Chain(networkOf(passphrase, protocol), new NodeKey(Buffer.from(nodeSeed, 'hex')))

const stateError = (path: string, line: number, what: string): UsageError =>
  new UsageError('state-damaged', `line ${line} of ${path} ${what}`, {
    next: 'restore the file, or start a new ledger with another one',
  })

const chainFrom = (value: unknown, path: string, passphrase: string | undefined): Chain => {
  if (!isFounding(value)) throw stateError(path, 1, `is not the beginning of a ledger (${FORMAT})`)
  if (passphrase !== undefined && passphrase !== value.passphrase) {
    throw new UsageError('state-of-another-network', `${path} holds the network "${value.passphrase}", not "${passphrase}"`, {
      next: 'name that network, or another file',
    })
  }
  return chainOf(value)
}

const replayLine = (chain: Chain, value: unknown, path: string, line: number): void => {
  if (!isStoredLedger(value)) throw stateError(path, line, 'is no ledger')
  try {
    const envelopes = (value.txs ?? []).map((tx) => readEnvelopeBase64(chain.network.id, tx))
    const closed = chain.replay(envelopes, BigInt(value.closeTime))
    if (hex(closed.hash) === value.hash) {
      chain.adopt(closed)
      return
    }
  } catch (error) {
    if (!(error instanceof MalformedError)) throw stateError(path, line, `cannot be applied: ${messageOf(error)}`)
  }
  throw stateError(path, line, `does not give the ledger ${value.hash}`)
}

/** The ledger as it lives: it knows the time, keeps what happened, and tells those who wait. */
export class Devnet {
  readonly chain: Chain
  readonly #file: StateFile | undefined
  readonly #clock: Clock
  readonly #closeEveryMs: number | 'at-once'
  readonly #waiters = new Map<string, Set<(transaction: PastTransaction | undefined) => void>>()
  readonly #stopped = new AbortController()
  /** Why nothing can be kept any more. */
  #broken: unknown

  private constructor(chain: Chain, file: StateFile | undefined, closeEveryMs: number | 'at-once', clock: Clock) {
    this.chain = chain
    this.#file = file
    this.#clock = clock
    this.#closeEveryMs = closeEveryMs
  }

  /** @throws UsageError when the state file is another network's, damaged, or another process writes to it. */
  static async open(init: DevnetInit, { clock, random }: DevnetComponents): Promise<Devnet> {
    const { stateFile, closeEveryMs } = init
    const found = (): Founding => ({
      format: FORMAT,
      passphrase: init.passphrase ?? DEVNET_PASSPHRASE,
      protocol: PROTOCOL,
      nodeSeed: hex(random.bytes(32)),
    })
    if (stateFile === undefined) return Devnet.#start(new Devnet(chainOf(found()), undefined, closeEveryMs, clock))
    let chain: Chain | undefined
    const file = await StateFile.open(stateFile, `{"format":"${FORMAT}"`, (value, line) => {
      if (chain === undefined) chain = chainFrom(value, stateFile, init.passphrase)
      else replayLine(chain, value, stateFile, line)
    })
    if (chain === undefined) {
      const founding = found()
      file.append(founding, true)
      chain = chainOf(founding)
    }
    return Devnet.#start(new Devnet(chain, file, closeEveryMs, clock))
  }

  static #start(devnet: Devnet): Devnet {
    // Like a stellar-core of its own, whose second ledger sets protocol and reserve: the first transaction gets into the third.
    if (devnet.chain.head.header.ledgerSeq === 1) devnet.closeLedger()
    void devnet.#run()
    return devnet
  }

  /** What went wrong where the ledger cannot go on: it answers what it knows, and takes nothing more. */
  get broken(): unknown {
    return this.#broken
  }

  get network(): Network {
    return this.chain.network
  }

  /** @throws MalformedError */
  read(base64: string): Envelope {
    return readEnvelopeBase64(this.network.id, base64)
  }

  /** Hands an envelope to the ledger. */
  submit(envelope: Envelope): Admission {
    if (this.#broken !== undefined || this.#stopped.signal.aborted) return { status: 'TRY_AGAIN_LATER' }
    const now = this.#now()
    const { closeTime } = this.chain
    const atOnce = this.#closeEveryMs === 'at-once'
    // stellar-core: a transaction must still be good two ledgers from now.
    const slack = this.#closeEveryMs === 'at-once' ? 0n : BigInt(Math.ceil((2 * this.#closeEveryMs) / 1000))
    const admission = this.chain.submit(envelope, atOnce ? now : closeTime, now + slack)
    if (admission.status === 'PENDING' && atOnce) this.closeLedger()
    return admission
  }

  /** The transaction when it is in a ledger; `undefined` when that took too long, or it was dropped. */
  async included(hashHex: string, timeoutMs: number): Promise<PastTransaction | undefined> {
    const known = this.chain.transaction(hashHex)
    if (known !== undefined) return known
    const { promise, resolve } = Promise.withResolvers<PastTransaction | undefined>()
    const waiters = this.#waiters.get(hashHex) ?? new Set()
    this.#waiters.set(hashHex, waiters.add(resolve))
    using deadline = this.#clock.deadline(timeoutMs, this.#stopped.signal)
    deadline.signal.addEventListener('abort', () => resolve(undefined), { once: true })
    try {
      return await promise
    } finally {
      waiters.delete(resolve)
      if (waiters.size === 0 && this.#waiters.get(hashHex) === waiters) this.#waiters.delete(hashHex)
    }
  }

  /** Closes a ledger now, with what waits. */
  closeLedger(): PastLedger {
    this.#stopped.signal.throwIfAborted()
    const now = this.#now()
    const closed = this.chain.next(now)
    const txs = closed.transactions.map(({ envelope }) => Buffer.from(envelope.xdr).toString('base64'))
    const stored: StoredLedger = { hash: hex(closed.hash), closeTime: Number(now), ...(txs.length > 0 && { txs }) }
    try {
      // Kept before anybody is told.
      this.#file?.append(stored, txs.length > 0)
    } catch (error) {
      this.#broken = error
      throw error
    }
    const past = this.chain.adopt(closed)
    for (const transaction of past.transactions) {
      const { hashHex, tx } = transaction.envelope
      for (const hash of [hashHex, hex(tx.hash)]) for (const told of this.#waiters.get(hash) ?? []) told(transaction)
    }
    return past
  }

  /** Funds an account from the root account, as anybody could: a signed transaction, or `undefined` where it has enough. */
  fund(address: string): Envelope | undefined {
    const account = this.chain.get(address)
    if (account !== undefined && account.balance >= FRIENDBOT_STROOPS) return undefined
    const root = rootKey(this.network)
    const id = root.publicKey()
    const waiting = this.chain.waiting.findLast(({ tx }) => tx.source === id)
    const sequence = waiting?.tx.sequence ?? this.chain.get(id)?.sequence ?? 0n
    const operation =
      account === undefined
        ? Operation.createAccount({ destination: address, startingBalance: FRIENDBOT_XLM })
        : Operation.payment({ destination: address, asset: Asset.native(), amount: FRIENDBOT_XLM })
    const transaction = new TransactionBuilder(new Sequence(id, String(sequence)), {
      fee: String(this.chain.parameters.baseFee),
      networkPassphrase: this.network.passphrase,
      timebounds: { minTime: 0, maxTime: 0 },
    })
      .addOperation(operation)
      .build()
    transaction.sign(root)
    return readEnvelope(this.network.id, transaction.toEnvelope().toXdr())
  }

  stop(): void {
    if (this.#stopped.signal.aborted) return
    this.#stopped.abort(new RefusedError('stopped', 'the devnet stops'))
    this.#file?.close()
  }

  /** Unix seconds; never back behind a ledger that closed. Several may close in one second. */
  #now(): bigint {
    const now = BigInt(Math.floor(this.#clock.now() / 1000))
    return now > this.chain.closeTime ? now : this.chain.closeTime
  }

  async #run(): Promise<void> {
    if (this.#closeEveryMs === 'at-once') return
    const { signal } = this.#stopped
    while (!signal.aborted && this.#broken === undefined) {
      await this.#clock.sleep(this.#closeEveryMs, signal).catch(() => {})
      if (signal.aborted) return
      try {
        this.closeLedger()
      } catch {
        // What cannot be kept is not said to have happened: submissions are refused from here on.
      }
    }
  }
}
