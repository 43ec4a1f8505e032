import { encodeGossip, nextRepublishMs } from '../../protocols/membership/index.ts'
import type { Clock, Random } from '../base/index.ts'
import type { MembersNetwork } from './init.ts'
import type { OwnRecord } from './own-record.ts'

// Implementation constants: tuning.

/** What is to be told soon is told after about this, so that several reasons at once make one record. */
const SOON_MS = 500
/** And no oftener than this: a member that comes and goes must not fill the topic. */
const SOON_PAUSE_MS = 5_000

export interface TellingInit {
  own: OwnRecord
  network: Pick<MembersNetwork, 'publish'>
  clock: Clock
  random: Random
  /** Members, with this node. */
  size(): number
  failed(what: string, error: unknown): void
}

/** Publishes the own record: when something of it has changed, and from time to time so that nobody forgets. */
export class Telling {
  readonly #init: TellingInit
  #published = true
  #publishing: Promise<void> | undefined
  #again = false
  #dueAtMs: number
  #toldAtMs = Number.NEGATIVE_INFINITY

  constructor(init: TellingInit) {
    this.#init = init
    this.#dueAtMs = init.clock.monotonicMs() + nextRepublishMs(1, init.random.uniform())
  }

  tick(monotonicMs: number): void {
    if (monotonicMs >= this.#dueAtMs) this.tell()
  }

  /** A new record to all. One that is asked for while another is on its way follows it. */
  tell(): void {
    this.#again = true
    this.#publishing ??= this.#tellAll().finally(() => {
      this.#publishing = undefined
    })
  }

  /** The same before long. */
  soon(): void {
    const { clock, random } = this.#init
    const earliestMs = clock.monotonicMs() + SOON_MS * (0.5 + random.uniform())
    this.#dueAtMs = Math.min(this.#dueAtMs, Math.max(earliestMs, this.#toldAtMs + SOON_PAUSE_MS))
  }

  /** When all that is to be told has been. */
  async told(): Promise<void> {
    await this.#publishing
  }

  /** Somebody subscribes to the topic: what nobody heard is said again. */
  subscribed(): void {
    if (!this.#published) this.tell()
  }

  async #tellAll(): Promise<void> {
    const { own, network, random, clock } = this.#init
    while (this.#again) {
      this.#again = false
      this.#toldAtMs = clock.monotonicMs()
      this.#dueAtMs = this.#toldAtMs + nextRepublishMs(this.#init.size(), random.uniform())
      try {
        const envelope = await own.make()
        this.#published = await network.publish(encodeGossip({ kind: 'record', envelope }))
      } catch (error) {
        this.#published = false
        this.#init.failed('publish', error)
      }
    }
  }
}
