import type { AbortOptions, Connection, PeerId, Startable, Stream } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import { lastWord, messagesOf, type Refusal, STEP_TIMEOUT_MS, type Timer } from '../wire/index.ts'
import {
  BUSY_RETRY_AFTER_MS,
  MAX_STREAMS_PER_CONNECTION,
  MEMBERSHIP_LIMIT_BYTES,
  MEMBERSHIP_PROTOCOL,
  OPEN_STRANGERS_MAX,
  OPEN_STREAMS_MAX,
  PROBES_PER_WINDOW,
  SYNC_WINDOW_MS,
  SYNCS_PER_WINDOW,
} from './constants.ts'
import { encodeSyncRefusal } from './messages.ts'
import { peerKey } from './peer-map.ts'
import { type Exchanged, type MembershipRole, probeOver, RefusedPeer, type SyncPeers, serveOver, syncOver } from './sync.ts'
import { entryOf, isActive } from './table.ts'

export interface MembershipInit {
  timer: Timer & { monotonicMs(): number }
  /** Told how each inbound exchange ended. For logs and counts. */
  onOutcome?(peer: PeerId, outcome: { exchanged?: Exchanged | { reached: boolean }; error?: unknown }): void
}

/** Only what is used of libp2p. */
export interface MembershipComponents {
  peerId: PeerId
  registrar: {
    handle(
      protocol: string,
      handler: (stream: Stream, connection: Connection) => void | Promise<void>,
      options: { maxInboundStreams: number; maxOutboundStreams: number },
    ): Promise<void>
    unhandle(protocol: string): Promise<void>
  }
  connectionManager: {
    openConnection(peer: PeerId | Multiaddr | Multiaddr[], options?: AbortOptions): Promise<Connection>
  }
}

interface Spent {
  sinceMs: number
  digests: number
  probe: number
}
const ALLOWED = { digests: SYNCS_PER_WINDOW, probe: PROBES_PER_WINDOW } as const

/** Both sides of /dstack/membership/1.0.0. */
export class Membership implements Startable {
  readonly #components: MembershipComponents
  readonly #init: MembershipInit
  readonly #stopping = new AbortController()
  #role: MembershipRole | undefined
  #open = { members: 0, strangers: 0 }
  /** What each member has asked for in its current window; never more of them than members are in the table. */
  readonly #spent = new Map<string, Spent>()

  constructor(components: MembershipComponents, init: MembershipInit) {
    this.#components = components
    this.#init = init
  }

  async start(): Promise<void> {
    await this.#components.registrar.handle(MEMBERSHIP_PROTOCOL, (stream, connection) => this.#serve(stream, connection), {
      maxInboundStreams: MAX_STREAMS_PER_CONNECTION,
      maxOutboundStreams: MAX_STREAMS_PER_CONNECTION,
    })
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new Error('the node is stopping'))
    await this.#components.registrar.unhandle(MEMBERSHIP_PROTOCOL)
  }

  /** From now on members are served in this role; before, everybody is refused with `not_member`. */
  serveAs(role: MembershipRole): void {
    this.#role = role
  }

  /**
   * Exchanges tables with a peer of the table, or, as a joiner's first act, with its onboarder. Throws RefusalError, RefusedPeer,
   * or what dialing throws; a TypeError when the peer is none of the two: nobody else may see the own record.
   */
  sync(peer: PeerId, options: { seed?: boolean; signal?: AbortSignal } = {}): Promise<Exchanged> {
    return this.#dial(peer, options.seed === true, options.signal, (stream, peers, role, signal) =>
      syncOver(stream, peers, role, this.#init, { ...options, signal }),
    )
  }

  /** Whether `via` reaches the member `target` (multihash bytes). Throws as {@link sync}. */
  probe(via: PeerId, target: Uint8Array, options: { signal?: AbortSignal } = {}): Promise<boolean> {
    return this.#dial(via, false, options.signal, (stream, peers, role, signal) =>
      probeOver(stream, peers, target, role, this.#init, signal),
    )
  }

  async #dial<T>(
    peer: PeerId,
    seed: boolean,
    given: AbortSignal | undefined,
    run: (stream: Stream, peers: SyncPeers, role: MembershipRole, signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const role = this.#role
    if (role === undefined) throw new TypeError('this node is no member yet')
    const remote = peer.toMultihash().bytes
    if (!seed && entryOf(role.table(), remote) === undefined) throw new TypeError(`${peer} is not in the table`)
    const signal = given === undefined ? this.#stopping.signal : AbortSignal.any([given, this.#stopping.signal])
    const connection = await this.#components.connectionManager.openConnection(peer, { signal })
    const stream = await connection.newStream(MEMBERSHIP_PROTOCOL, { signal })
    return run(stream, { self: this.#components.peerId.toMultihash().bytes, remote }, role, signal)
  }

  async #serve(stream: Stream, connection: Connection): Promise<void> {
    const peer = connection.remotePeer
    const remote = peer.toMultihash().bytes
    const role = this.#role
    const member = role !== undefined && isActive(role.table(), entryOf(role.table(), remote), role.now())
    const kind = member ? 'members' : 'strangers'
    // Strangers have few places of their own, so that they cannot take the members'.
    if (this.#open[kind] >= (member ? OPEN_STREAMS_MAX - OPEN_STRANGERS_MAX : OPEN_STRANGERS_MAX)) return this.#shed(stream, peer)
    this.#open[kind]++
    try {
      const exchanged = await serveOver(
        stream,
        { self: this.#components.peerId.toMultihash().bytes, remote },
        role,
        this.#init,
        (request) => this.#spend(peerKey(remote), request),
        this.#stopping.signal,
      )
      this.#init.onOutcome?.(peer, { exchanged })
    } catch (error) {
      this.#init.onOutcome?.(peer, { error })
    } finally {
      this.#open[kind]--
    }
  }

  /** One request more of a member; a refusal when it has had its share of this window. */
  #spend(key: string, request: 'digests' | 'probe'): Refusal | undefined {
    const nowMs = this.#init.timer.monotonicMs()
    let spent = this.#spent.get(key)
    if (spent === undefined || nowMs - spent.sinceMs >= SYNC_WINDOW_MS) {
      for (const [other, { sinceMs }] of this.#spent) if (nowMs - sinceMs >= SYNC_WINDOW_MS) this.#spent.delete(other)
      spent = { sinceMs: nowMs, digests: 0, probe: 0 }
      this.#spent.set(key, spent)
    }
    if (spent[request] >= ALLOWED[request]) {
      return { code: 'rate_limited', retryAfterMs: Math.ceil(spent.sinceMs + SYNC_WINDOW_MS - nowMs) }
    }
    spent[request]++
    return undefined
  }

  async #shed(stream: Stream, peer: PeerId): Promise<void> {
    const { timer } = this.#init
    const deadline = timer.deadline(STEP_TIMEOUT_MS, this.#stopping.signal)
    const refusal = { code: 'busy' as const, retryAfterMs: BUSY_RETRY_AFTER_MS }
    const options = { maxBytes: MEMBERSHIP_LIMIT_BYTES, stepTimeoutMs: STEP_TIMEOUT_MS, timer, signal: deadline.signal }
    try {
      await lastWord(stream, messagesOf(stream, options), encodeSyncRefusal(refusal), deadline.signal)
    } finally {
      deadline.clear()
    }
    this.#init.onOutcome?.(peer, { error: new RefusedPeer(refusal, 'too many streams are open') })
  }
}

/** js-libp2p service factory. */
export const membership =
  (init: MembershipInit) =>
  (components: MembershipComponents): Membership =>
    new Membership(components, init)
