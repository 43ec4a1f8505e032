import {
  activeEntries,
  addressesOf,
  type Entry,
  entryOf,
  type Instant,
  isActive,
  type Table,
} from '../../protocols/membership/index.ts'
import type { Clock } from '../base/index.ts'
import { peerOfText } from './peer-text.ts'
import type { MemberTable } from './table.ts'

/** What the parts of Members know in common: both clocks, and who is in. */
export class Outlook {
  readonly table: MemberTable
  readonly #clock: Clock
  /** The same moment by both clocks, when this object was made. */
  readonly #since: Instant

  constructor(init: { table: MemberTable; clock: Clock }) {
    this.table = init.table
    this.#clock = init.clock
    this.#since = { wallMs: init.clock.now(), monotonicMs: init.clock.monotonicMs() }
  }

  /**
   * Both clocks. The wall clock never shows less than has passed since the start: set back, it would bring credentials to life
   * that have ended.
   */
  now(): Instant {
    const monotonicMs = this.#clock.monotonicMs()
    const wallMs = Math.max(this.#clock.now(), this.#since.wallMs + monotonicMs - this.#since.monotonicMs)
    return { wallMs, monotonicMs }
  }

  /** What the machine's clock shows, Unix milliseconds; whoever runs the machine sets it. */
  hostMs(): number {
    return this.#clock.now()
  }

  monotonicMs(): number {
    return this.#clock.monotonicMs()
  }

  get value(): Table {
    return this.table.value
  }

  entry(peer: string): Entry | undefined {
    return entryOf(this.table.value, peerOfText(peer))
  }

  /** Text multiaddrs at which this peer is, as far as the table knows. */
  addressesOf(peer: string): readonly string[] {
    const entry = this.entry(peer)
    return entry === undefined ? [] : addressesOf(entry)
  }

  active(): Entry[] {
    return activeEntries(this.table.value, this.now())
  }

  isActive(peer: string): boolean {
    return isActive(this.table.value, this.entry(peer), this.now())
  }
}
