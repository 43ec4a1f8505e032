import { isRevoked, nextSyncMs } from '../../protocols/membership/index.ts'
import type { Random } from '../base/index.ts'
import type { MembersNetwork, SyncOutcome } from './init.ts'
import type { Outlook } from './outlook.ts'
import { peerText } from './peer-text.ts'

// Implementation constants: tuning.

/** Exchanges of tables that this node has open at once. */
const SYNCS_MAX = 3
/** A record of an unknown issuer is a reason to compare tables, no oftener than this. */
const SYNC_PAUSE_MS = 2_000
/** A joiner whose first exchange failed tries again after this, then after twice as long, and so on. */
const SEED_PAUSE_MS = 500
const SEED_PAUSE_MAX_MS = 30_000
/**
 * Who joined at the same moment through another member was in nobody's table yet when the joiner took it over, and its record
 * passed before anybody gossiped with the joiner: so it compares once more, with whomever, when that one is known.
 */
const SECOND_LOOK_MS = 2_000

export interface ComparingInit {
  outlook: Outlook
  network: Pick<MembersNetwork, 'sync'>
  random: Random
  /** Members, with this node. */
  size(): number
  /** Whether it answers, as far as this node knows. */
  reaches(peer: string): boolean
}

/** Whose table this node compares with its own, and when. */
export class Comparing {
  readonly #init: ComparingInit
  readonly #open = new Map<string, Promise<SyncOutcome>>()
  #dueAtMs: number
  #notBeforeMs = 0
  #wanted = false
  #seed: { peer: string; notBeforeMs: number; pauseMs: number } | undefined
  #adrift = false

  constructor(init: ComparingInit) {
    this.#init = init
    this.#dueAtMs = init.outlook.monotonicMs() + nextSyncMs(1, init.random.uniform())
  }

  /** It has joined, and compared tables with nobody since: its onboarder may have gone, and nobody else know it. */
  get adrift(): boolean {
    return this.#adrift
  }

  tick(monotonicMs: number): void {
    if (this.#seed !== undefined && monotonicMs >= this.#seed.notBeforeMs) void this.#seedNow()
    if (monotonicMs >= this.#dueAtMs) this.#asUsual(monotonicMs)
    if (this.#wanted && monotonicMs >= this.#notBeforeMs) this.#withAny(monotonicMs)
  }

  /** Somebody knows more than we do. */
  want(): void {
    this.#wanted = true
  }

  /**
   * A joiner's first exchange, with its onboarder, repeated until it succeeds, or that one's lease ends: for so long what this node
   * has judged itself lets it take over what nobody else vouches for. Resolves when it has been tried once.
   */
  async seed(onboarder: string): Promise<void> {
    this.#seed = { peer: onboarder, notBeforeMs: 0, pauseMs: SEED_PAUSE_MS }
    this.#adrift = true
    await this.#open.get(onboarder)
    await this.#seedNow()
  }

  /** The first exchange once more, if it has not succeeded, or what is under way of it. */
  async seedAgain(): Promise<void> {
    if (this.#seed === undefined) return
    const underWay = this.#open.get(this.#seed.peer)
    if (underWay !== undefined) await underWay
    else await this.#seedNow()
  }

  async with(peer: string, { seed } = { seed: false }): Promise<SyncOutcome> {
    if (this.#open.has(peer) || this.#open.size >= SYNCS_MAX) return 'failed'
    const exchange = this.#exchange(peer, seed)
    this.#open.set(peer, exchange)
    return exchange.finally(() => this.#open.delete(peer))
  }

  async #exchange(peer: string, seed: boolean): Promise<SyncOutcome> {
    try {
      const outcome = await this.#init.network.sync(peer, { seed, addresses: this.#init.outlook.addressesOf(peer) })
      if (outcome === 'exchanged') this.#adrift = false
      return outcome
    } catch {
      return 'failed'
    }
  }

  async #seedNow(): Promise<void> {
    const seed = this.#seed
    if (seed === undefined) return
    if (!this.#init.outlook.isActive(seed.peer)) {
      this.#seed = undefined
      return
    }
    // Until it has ended.
    seed.notBeforeMs = Number.POSITIVE_INFINITY
    if ((await this.with(seed.peer, { seed: true })) === 'exchanged') {
      this.#seed = undefined
      const { outlook, random } = this.#init
      this.#dueAtMs = Math.min(this.#dueAtMs, outlook.monotonicMs() + SECOND_LOOK_MS * (0.5 + random.uniform()))
      return
    }
    seed.notBeforeMs = this.#init.outlook.monotonicMs() + seed.pauseMs * (0.5 + this.#init.random.uniform())
    seed.pauseMs = Math.min(seed.pauseMs * 2, SEED_PAUSE_MAX_MS)
  }

  #asUsual(monotonicMs: number): void {
    const { outlook, random } = this.#init
    this.#dueAtMs = monotonicMs + nextSyncMs(this.#init.size(), random.uniform())
    this.#withAny(monotonicMs)
    // Two halves of a cluster that lapsed apart are nobody's members to each other: somebody has to knock.
    const active = new Set(outlook.active())
    const ended = outlook.value.entries
      .values()
      .filter(
        (entry) => entry.newest?.record.state !== 'leaving' && !isRevoked(outlook.value, entry.peerId) && !active.has(entry),
      )
    const one = this.#oneOf(ended)
    if (one !== undefined) void this.with(peerText(one.peerId))
  }

  #withAny(monotonicMs: number): void {
    const { outlook, reaches } = this.#init
    this.#wanted = false
    this.#notBeforeMs = monotonicMs + SYNC_PAUSE_MS
    const reachable = outlook
      .active()
      .map(({ peerId }) => peerText(peerId))
      .filter((peer) => reaches(peer) && !this.#open.has(peer))
    const peer = this.#oneOf(reachable)
    if (peer !== undefined) void this.with(peer)
  }

  #oneOf<T>(all: readonly T[]): T | undefined {
    return all[Math.floor(this.#init.random.uniform() * all.length)]
  }
}
