import { type Clock, messageOf, RefusedError, TransientError } from '../../base/index.ts'
import { sameView } from './account.ts'
import { type AccountView, Horizon, type LatestLedger } from './horizon.ts'

/** A ledger that has not closed for so long has stopped, or this server has. */
const STALE_MS = 10 * 60_000
/** One question to one server; a slow server costs no more. */
const TIMEOUT_MS = 5_000

/** What all servers that answer agree on, and what the others said instead. */
export interface Agreed<T> {
  readonly value: T
  readonly silent: readonly string[]
}

/** The Horizon servers of one network, asked side by side. */
export class Servers {
  readonly #horizons: readonly Horizon[]
  readonly #clock: Clock
  constructor(urls: readonly string[], clock: Clock, signal?: AbortSignal, timeoutMs = TIMEOUT_MS) {
    this.#clock = clock
    this.#horizons = urls.map((url) => new Horizon(url, clock, timeoutMs, signal))
  }

  get all(): readonly Horizon[] {
    return this.#horizons
  }

  /** Every server's answer. Throws what a lie is, and TransientError when none answers. */
  async answers<T>(question: (horizon: Horizon) => Promise<T>): Promise<Agreed<readonly T[]>> {
    const settled = await Promise.allSettled(this.#horizons.map(question))
    const values: T[] = []
    const silent: string[] = []
    for (const result of settled) {
      if (result.status === 'fulfilled') values.push(result.value)
      else if (result.reason instanceof TransientError) silent.push(messageOf(result.reason))
      else throw result.reason
    }
    if (values.length > 0) return { value: values, silent }
    throw new TransientError(
      'anchor_unreachable',
      `no server of the ledger answers:\n${silent.map((line) => `  ${line}`).join('\n')}`,
      {
        next: 'check the network, or name other servers with --horizon',
      },
    )
  }

  /** The account as all servers that answer show it; undefined when they all say that there is none, on a ledger that still closes. */
  async account(id: Uint8Array): Promise<Agreed<AccountView | undefined>> {
    const { value: views, silent } = await this.answers((horizon) => horizon.account(id))
    const [first, ...others] = views
    for (const other of others) {
      if (first === undefined ? other !== undefined : other === undefined || !sameView(first, other)) throw viewsDiffer()
    }
    // What is frozen is so for good, however old the view; that there is nothing is true only now.
    if (first === undefined) await this.fresh()
    return { value: first, silent }
  }

  /** The oldest view of the newest ledger. Throws TransientError `anchor_stale` when ledgers stopped closing. */
  async fresh(): Promise<LatestLedger> {
    const latest = await this.latest()
    const ageMs = this.#clock.now() - latest.closedAtMs
    if (ageMs <= STALE_MS) return latest
    throw new TransientError(
      'anchor_stale',
      `the newest ledger that the servers show, ${latest.sequence}, closed ${Math.round(ageMs / 60_000)} minutes ago`,
      {
        next: "check this machine's clock; otherwise wait until the network closes ledgers again, or name other servers with --horizon",
      },
    )
  }

  async latest(): Promise<LatestLedger> {
    const { value } = await this.answers((horizon) => horizon.latest())
    return value.reduce((oldest, ledger) => (ledger.closedAtMs < oldest.closedAtMs ? ledger : oldest))
  }
}

const viewsDiffer = (): RefusedError =>
  new RefusedError('anchor_views_differ', 'the servers of the ledger do not agree about this account', {
    next: 'one of them lags or lies: try again in a minute, then find out which with `dstack-mesh anchor show --horizon <url>`',
  })
