/** Whether a member is there, asked once for all who want to know at the same time. */
import type { Libp2p, PeerId } from '@libp2p/interface'
import type { Ping } from '@libp2p/ping'
import type { Clock } from '../base/index.ts'

/**
 * A connection on which a ping has no answer for so long is given up: TCP itself would wait for a quarter of an hour, and after
 * a cut of the network it tries again only every two minutes. Higher: a slow machine keeps its connections. Lower: sooner whole.
 */
const PATIENCE_MS = 10_000
/** A process that ends takes connections until its last moment, and resets them: who dialed it then looks once more after this. */
const LOOK_AGAIN_MS = 100

/**
 * How a ping ended. `refused`: the host at the member's address answers, and says that nobody, or somebody else, listens there.
 * `silent`: everything else, also that this node's own network leads nowhere, which says nothing about the member.
 */
export type Pinged = 'answered' | 'refused' | 'silent'

export class Pinger {
  readonly #libp2p: Pick<Libp2p, 'getConnections'>
  readonly #service: Pick<Ping, 'ping'>
  readonly #clock: Clock
  readonly #underWay = new Map<string, Promise<Pinged>>()

  constructor(libp2p: Pick<Libp2p, 'getConnections'>, service: Pick<Ping, 'ping'>, clock: Clock) {
    this.#libp2p = libp2p
    this.#service = service
    this.#clock = clock
  }

  /** Whether `peer` answers within `timeoutMs`, dialing it if need be. Throws only the signal's reason. */
  async ping(peer: PeerId, timeoutMs: number, signal?: AbortSignal): Promise<Pinged> {
    signal?.throwIfAborted()
    using deadline = this.#clock.deadline(timeoutMs, signal)
    const timeUp = new Promise<'silent'>((resolve) => deadline.signal.addEventListener('abort', () => resolve('silent')))
    const pinged = await Promise.race([this.#shared(peer), timeUp])
    signal?.throwIfAborted()
    return pinged
  }

  /** libp2p has one stream of a ping for each connection; a second one would fail, and say nothing. */
  #shared(peer: PeerId): Promise<Pinged> {
    const id = peer.toString()
    const underWay = this.#underWay.get(id)
    if (underWay !== undefined) return underWay
    const pinging = this.#ping(peer).finally(() => this.#underWay.delete(id))
    this.#underWay.set(id, pinging)
    return pinging
  }

  async #ping(peer: PeerId): Promise<Pinged> {
    using deadline = this.#clock.deadline(PATIENCE_MS)
    for (let [dialed, broken] = [false, false]; ; ) {
      const connections = this.#libp2p.getConnections(peer)
      try {
        await this.#service.ping(peer, { signal: deadline.signal })
        return 'answered'
      } catch (error) {
        if (deadline.signal.aborted) {
          for (const connection of connections) connection.abort(new Error('a ping was not answered'))
          return 'silent'
        }
        // Where the connection that there was broke, a new one tells more. One that is closing may stay for long.
        if (connections.some(({ status }) => status === 'open')) return 'silent'
        if (connections.length > 0 && !broken) {
          broken = true
          continue
        }
        if (isRefusal(error)) return 'refused'
        if (dialed) return 'silent'
        dialed = true
        await this.#clock.sleep(LOOK_AGAIN_MS)
      }
    }
  }
}

/** Whether a failed dial says that the peer is not where it was: none of its addresses says anything else. */
export const isRefusal = (error: unknown): boolean => {
  const reasons: unknown[] = error instanceof AggregateError ? error.errors : [error]
  return reasons.length > 0 && reasons.every(saysGone)
}

const saysGone = (error: unknown): boolean =>
  error instanceof Error &&
  ((error as { code?: unknown }).code === 'ECONNREFUSED' ||
    // Noise tells it in words alone: whoever begins anew at an address is another peer.
    (error.name === 'EncryptionFailedError' && error.message.includes('does not match expected remote identity key')))
