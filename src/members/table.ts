import { fromString } from 'uint8arrays/from-string'
import { toString as bytesToString } from 'uint8arrays/to-string'
import {
  activeEntries,
  addressesOf,
  admit,
  type Effect,
  emptyTable,
  entryOf,
  forgetEnded,
  type Instant,
  isActive,
  leaseOf,
  type Step,
  type Table,
} from '../../protocols/membership/index.ts'
import type { CredentialBody } from '../../protocols/records/index.ts'
import { type Clock, systemClock } from '../base/index.ts'

/** A member, as this node knows it. */
export interface Member {
  /** Text form of the peer id. */
  peerId: string
  /** What the newest valid credential states. */
  credential: CredentialBody
  /** Text multiaddrs: those that it publishes, or where this node has met it. */
  addresses: string[]
}

/**
 * The one place where a node's table is: each step of the pure functions in protocols/membership puts the next value into it.
 * Wall-clock times come with each question; that a lease also ends by the monotonic clock is seen to here.
 */
export class MemberTable {
  readonly #clock: Pick<Clock, 'monotonicMs'>
  readonly #listeners = new Set<(effect: Effect) => void>()
  #table: Table = emptyTable

  constructor(clock: Pick<Clock, 'monotonicMs'> = systemClock) {
    this.#clock = clock
  }

  /** As it is now; a value that later steps do not change. */
  get value(): Table {
    return this.#table
  }

  /** Puts a step's table in the place of the value that it was made from, and tells what it did. */
  keep({ table, effects }: Step): void {
    this.#table = table
    for (const effect of effects) for (const listener of this.#listeners) listener(effect)
  }

  /** Tells `listener` what every step does, until the function returned is called. */
  listen(listener: (effect: Effect) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** This node has judged its evidence itself. The credential that ends last stays. */
  admit(member: Member, nowMs: number): void {
    this.keep(admit(this.#table, member, this.#instant(nowMs)))
  }

  /** Whether this peer, in text form, is an active member. */
  has(peerId: string, nowMs: number): boolean {
    const entry = entryOf(this.#table, fromString(peerId, 'base58btc'))
    return isActive(this.#table, entry, this.#instant(nowMs))
  }

  /** Members whose credential holds, who are not leaving and not revoked; without this node itself. */
  active(nowMs: number): Member[] {
    return activeEntries(this.#table, this.#instant(nowMs)).map((entry) => ({
      peerId: bytesToString(entry.peerId, 'base58btc'),
      credential: leaseOf(entry)!.credential,
      addresses: [...addressesOf(entry)],
    }))
  }

  /** Forgets members whose credentials ended more than `keepMs` ago: long enough for them to come back by a challenge. */
  forgetEnded(nowMs: number, keepMs: number): void {
    this.keep({ table: forgetEnded(this.#table, this.#instant(nowMs), keepMs), effects: [] })
  }

  #instant(wallMs: number): Instant {
    return { wallMs, monotonicMs: this.#clock.monotonicMs() }
  }
}
