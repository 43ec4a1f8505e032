/**
 * The gate between libp2p and the services that are for members only, gossipsub and kad-dht: they see no connection and no
 * stream of anybody else, and nobody else sees theirs. It stands in the components that they are given (libp2p's own
 * middleware handles a stream more than once in this version).
 */
import type { Connection, Libp2pEvents, PeerId, Stream, Topology, TypedEventTarget } from '@libp2p/interface'
import type { KadDHTComponents } from '@libp2p/kad-dht'
import type { Clock } from '../base/index.ts'
import { overlay } from './overlay.ts'

/** For a gossip stream to a member to be negotiated: gossipsub opens them one after the other, so one that hangs holds up all. */
const NEGOTIATION_TIMEOUT_MS = 3_000

type Registrar = KadDHTComponents['registrar']
type ConnectionManager = KadDHTComponents['connectionManager']

export interface GateComponents {
  registrar: Registrar
  connectionManager: ConnectionManager
  events: TypedEventTarget<Libp2pEvents>
}

export class NotAMember extends Error {
  override readonly name = 'NotAMember'
  constructor() {
    super('for members only')
  }
}

export class Gate {
  readonly #components: GateComponents
  readonly #isMember: (peer: PeerId) => boolean
  readonly #clock: Clock
  readonly #protocols = new Set<string>()
  /** By the id that it was registered under; a service registers one object for several protocols. */
  readonly #topologies = new Map<string, Topology>()
  /** Whom the services know, by text form. */
  readonly #started = new Map<string, PeerId>()
  readonly #openedListeners = new Set<(peer: PeerId) => void>()
  readonly #forgottenListeners = new Set<(peer: PeerId) => void>()
  #ids = 0

  constructor(components: GateComponents, init: { isMember(peer: PeerId): boolean; clock: Clock }) {
    this.#components = components
    this.#isMember = (peer) => init.isMember(peer)
    this.#clock = init.clock
  }

  /** The registrar of a service behind the gate. `inbound` sees each stream of a member before its handler does. */
  registrar(inbound: (stream: Stream) => Stream = (stream) => stream): Registrar {
    const { registrar } = this.#components
    return overlay<Registrar>(registrar, {
      handle: (protocol, handler, options) => {
        this.#protocols.add(protocol)
        return registrar.handle(
          protocol,
          (stream, connection) => {
            if (this.#isMember(connection.remotePeer)) return handler(inbound(stream), this.#bounded(connection))
            stream.abort(new NotAMember())
          },
          options,
        )
      },
      // libp2p tells topologies of a peer once, when it has been identified: too early for who becomes a member later.
      register: async (_protocol, topology) => {
        const id = `gate-${this.#ids++}`
        this.#topologies.set(id, topology)
        return id
      },
      unregister: (id) => void this.#topologies.delete(id),
      getTopologies: () => [],
    })
  }

  /** The connection manager of a service behind the gate. `mayDial`: otherwise only connections that are open are used. */
  connectionManager(mayDial: () => boolean): ConnectionManager {
    const { connectionManager } = this.#components
    const check = (target: Parameters<ConnectionManager['openConnection']>[0]): void => {
      const peer = target as PeerId
      if (typeof peer.toMultihash !== 'function' || !this.#isMember(peer)) throw new NotAMember()
      if (!mayDial() && connectionManager.getConnections(peer).length === 0) throw new Error('not connected')
    }
    return overlay<ConnectionManager>(connectionManager, {
      openConnection: async (target, options) => {
        check(target)
        return connectionManager.openConnection(target, options)
      },
      openStream: async (target, protocol, options) => {
        check(target)
        return connectionManager.openStream(target, protocol, options)
      },
    })
  }

  start(): void {
    this.#components.events.addEventListener('connection:open', this.#onOpen)
    this.#components.events.addEventListener('connection:close', this.#onClose)
    this.#components.events.addEventListener('peer:disconnect', this.#onDisconnect)
  }

  stop(): void {
    this.#components.events.removeEventListener('connection:open', this.#onOpen)
    this.#components.events.removeEventListener('connection:close', this.#onClose)
    this.#components.events.removeEventListener('peer:disconnect', this.#onDisconnect)
  }

  /** Tells `listener` of each stream that a service has opened to a member. */
  onOpened(listener: (peer: PeerId) => void): void {
    this.#openedListeners.add(listener)
  }

  /** Tells `listener` of each peer that the services are made to forget. */
  onForgotten(listener: (peer: PeerId) => void): void {
    this.#forgottenListeners.add(listener)
  }

  /** The peer is a member: the services start it if there is a connection. Safe to call again: they keep what they have. */
  admitted(peer: PeerId): void {
    if (!this.#isMember(peer)) return
    // The newest: who dials again may have lost the older ones without a word.
    const connection = this.#components.connectionManager.getConnections(peer).findLast(({ status }) => status === 'open')
    if (connection === undefined) return
    this.#started.set(peer.toString(), peer)
    for (const topology of new Set(this.#topologies.values())) topology.onConnect?.(peer, this.#bounded(connection))
  }

  /** The peer is no member any more: the services forget it, and what streams they have with it end. */
  expelled(peer: PeerId): void {
    this.#forget(peer)
    for (const connection of this.#components.connectionManager.getConnections(peer)) {
      // A copy: each that ends leaves the list.
      for (const stream of [...connection.streams]) if (this.#protocols.has(stream.protocol)) stream.abort(new NotAMember())
    }
  }

  /** Whether no stream is open on this connection but those of the services behind the gate. */
  isIdle(connection: Connection): boolean {
    return connection.streams.every(({ protocol }) => this.#protocols.has(protocol))
  }

  /**
   * Repairs what got lost: an end of membership that nobody told; of a connected member, a stream of ours that `broke`, or all that
   * there is where ours is whole and yet nothing comes (`deaf`): the other side takes its own for whole until it is reset.
   */
  mend(broke: (peer: PeerId) => boolean, deaf: (peer: PeerId) => boolean): void {
    for (const peer of [...this.#started.values()]) if (!this.#isMember(peer)) this.expelled(peer)
    for (const { remotePeer } of this.#components.connectionManager.getConnections()) {
      if (deaf(remotePeer)) this.expelled(remotePeer)
      if (broke(remotePeer)) this.admitted(remotePeer)
    }
  }

  #forget(peer: PeerId): void {
    if (!this.#started.delete(peer.toString())) return
    for (const topology of new Set(this.#topologies.values())) topology.onDisconnect?.(peer)
    for (const listener of this.#forgottenListeners) listener(peer)
  }

  readonly #onOpen = ({ detail: { remotePeer } }: CustomEvent<Connection>): void => this.admitted(remotePeer)
  readonly #onDisconnect = ({ detail: peer }: CustomEvent<PeerId>): void => this.#forget(peer)
  /** A service's stream may have been on this one of two connections; its end is told right after. */
  readonly #onClose = ({ detail: { remotePeer } }: CustomEvent<Connection>): void =>
    queueMicrotask(() => this.admitted(remotePeer))

  #bounded(connection: Connection): Connection {
    return overlay<Connection>(connection, {
      newStream: async (protocols, options) => {
        using deadline = this.#clock.deadline(NEGOTIATION_TIMEOUT_MS, options?.signal)
        const stream = await connection.newStream(protocols, { ...options, signal: deadline.signal })
        // The service has it after its own await.
        setImmediate(() => {
          for (const listener of this.#openedListeners) listener(connection.remotePeer)
        })
        return stream
      },
    })
  }
}
