import { encodeGossip } from '../../protocols/membership/index.ts'
import type { Random } from '../base/index.ts'
import type { MembersInit, MembersNetwork } from './init.ts'
import type { Outlook } from './outlook.ts'
import { peerOfText, peerText } from './peer-text.ts'
import { Sweep, type SweepEvent } from './sweep.ts'

export interface WatchingInit {
  outlook: Outlook
  network: Pick<MembersNetwork, 'ping' | 'probe' | 'publish'>
  /** Unix milliseconds, as others are to see this node's clock. */
  wallMs(): number
  random: Random
  tell: MembersInit['tell']
  failed(what: string, error: unknown): void
  /** A member that did not answer answers again. */
  reachable(peer: string): void
  /** Somebody takes this node for dead. */
  accused(): void
}

/** Does what {@link Sweep} says: pings, asks others to ping, and tells who is not reached. */
export class Watching {
  readonly #init: WatchingInit
  readonly #sweep: Sweep
  #anew = true

  constructor(init: WatchingInit) {
    this.#init = init
    this.#sweep = new Sweep(init.random)
  }

  /** Whether it answers, as far as this node knows. */
  reaches(peer: string): boolean {
    return !this.#sweep.lost(peer)
  }

  tick(): void {
    if (this.#anew) {
      this.#anew = false
      this.handle({ kind: 'members', peers: this.#init.outlook.active().map(({ peerId }) => peerText(peerId)) })
    }
    this.handle({ kind: 'tick' })
  }

  /** The table has changed: with the next tick, others are watched. */
  anew(): void {
    this.#anew = true
  }

  handle(event: SweepEvent): void {
    const { tell, outlook, reachable, accused } = this.#init
    for (const effect of this.#sweep.handle(event, outlook.monotonicMs())) {
      switch (effect.kind) {
        case 'ping':
          void this.#ping(effect.peer, effect.timeoutMs)
          break
        case 'ask':
          void this.#ask(effect)
          break
        case 'hint':
          void this.#hint(effect.peer)
          break
        case 'unreachable':
          tell({ kind: 'member', peerId: effect.peer, change: 'unreachable' })
          break
        case 'reachable':
          tell({ kind: 'member', peerId: effect.peer, change: 'reachable' })
          reachable(effect.peer)
          break
        case 'refute':
          accused()
          break
      }
    }
  }

  async #ping(peer: string, timeoutMs: number): Promise<void> {
    const answer = await this.#init.network.ping(peer, timeoutMs).catch(() => 'silent' as const)
    // Of silence the sweep's own clock tells.
    if (answer !== 'silent') this.handle({ kind: answer, peer })
  }

  async #ask({ via, peer, timeoutMs }: { via: string; peer: string; timeoutMs: number }): Promise<void> {
    const reached = await this.#init.network.probe(via, peerOfText(peer), timeoutMs).catch(() => undefined)
    if (reached !== undefined) this.handle({ kind: 'told', via, peer, reached })
  }

  async #hint(peer: string): Promise<void> {
    const { outlook, network, wallMs, failed } = this.#init
    const entry = outlook.entry(peer)
    if (entry === undefined) return
    const hint = { peerId: entry.peerId, sequence: entry.newest?.record.sequence ?? 0n, sentAt: wallMs() }
    await network.publish(encodeGossip({ kind: 'unreachable', hint })).catch((error) => failed('hint', error))
  }
}
