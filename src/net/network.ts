import { noise } from '@chainsafe/libp2p-noise'
import { generateKeyPair } from '@libp2p/crypto/keys'
import type { Connection, Libp2p, PeerId, PrivateKey } from '@libp2p/interface'
import { PING_PROTOCOL, type Ping, ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import type { Multiaddr } from '@multiformats/multiaddr'
import { createLibp2p, type Libp2pInit, type ServiceFactoryMap } from 'libp2p'
import { type Clock, UsageError } from '../base/index.ts'
import { keptConnections } from './degrees.ts'
import { ADDRESSES_MAX } from './dht.ts'
import { boundedYamux } from './frames.ts'
import type { GossipInit } from './gossip.ts'
import { discreetIdentify } from './identify.ts'
import { type Mesh, mesh } from './mesh.ts'
import { openingEncryption, openingStreams, openingTransport } from './opening.ts'
import { Paces } from './pace.ts'
import { type Pinged, Pinger } from './pinger.ts'
import { hostGate, outlastStrangers } from './strangers.ts'

// Implementation constants: tuning.

/** libp2p takes 5 by default and resets the rest: too few where many TDs sit behind one NAT or one bridge. */
const INBOUND_CONNECTIONS_PER_SECOND_AND_HOST = 50
const PENDING_INBOUND_CONNECTIONS = 256
const MAX_CONNECTIONS = 600
/** Of all protocols; libp2p takes 1000, each with a buffer of its own. */
const STREAMS_PER_CONNECTION = 64
/** What a peer may send of a stream before it is read. */
const STREAM_WINDOW_BYTES_MAX = 1024 * 1024
/** One at a time, but a stream ends a little after its answer: by libp2p's own 1 and 2 the next ping fails. */
const PING_STREAMS = 8
const DIAL_TIMEOUT_MS = 5_000
const HANDSHAKE_TIMEOUT_MS = 5_000
const CLOSE_TIMEOUT_MS = 2_000

/** A fresh ed25519 peer key. It lives in memory only: a restarted node is a new peer (design: keys). */
export const createPeerKey = (): Promise<PrivateKey> => generateKeyPair('Ed25519')

export interface NetworkInit<S extends ServiceFactoryMap> {
  peerKey: PrivateKey
  /** Multiaddrs to listen on. */
  listen: readonly string[]
  /** Open to strangers: each checks by itself whom it serves. */
  services: S
  clock: Clock
  /** Whether this is an active member: only such get gossip and kad-dht, and their connections are no stranger's. */
  isMember(peer: PeerId): boolean
  gossip: GossipInit
  /** libp2p's own series. */
  metrics?: Libp2pInit['metrics'] | undefined
}
type Services<S extends ServiceFactoryMap> = { [K in keyof S]: ReturnType<S[K]> }

/** A libp2p node over TCP, Noise and Yamux with identify, ping, and gossip and kad-dht among members. */
export class Network<S extends ServiceFactoryMap = Record<never, never>> {
  readonly libp2p: Libp2p<Services<S>>
  readonly #services: { mesh: Mesh }
  readonly #pinger: Pinger
  readonly #init: NetworkInit<S>
  readonly #closedListeners = new Set<(peer: PeerId) => void>()
  readonly #released = new WeakSet<Connection>()
  #others = 0
  readonly #outlast: (connection: Connection) => void

  constructor(libp2p: Libp2p, init: NetworkInit<S>) {
    this.libp2p = libp2p as unknown as Libp2p<Services<S>>
    const services = libp2p.services as unknown as { mesh: Mesh; ping: Ping }
    this.#services = services
    this.#pinger = new Pinger(libp2p, services.ping, init.clock)
    this.#init = init
    this.#outlast = outlastStrangers(libp2p, init.clock, init.isMember)
    libp2p.addEventListener('connection:close', ({ detail: connection }) => {
      // Another one to the same peer may have closed in the same moment.
      queueMicrotask(() => this.#tellClosed(connection))
    })
  }

  get peerId(): PeerId {
    return this.libp2p.peerId
  }
  get services(): Services<S> {
    return this.libp2p.services
  }

  /** Starts to listen; a port in use or an address of another machine is the caller's to fix. */
  async start(): Promise<void> {
    try {
      await this.libp2p.start()
    } catch (cause) {
      throw cannotListen(this.#init.listen, cause)
    }
  }

  async stop(): Promise<void> {
    await this.libp2p.stop()
  }

  /** Publishes on the members' topic. False when nobody could be sent it: publish when {@link onSubscriber} tells of somebody. */
  publish(data: Uint8Array): Promise<boolean> {
    return this.#services.mesh.gossip.publish(data)
  }

  /** Tells `listener` of each member that can be published to, when that begins, until the function returned is called. */
  onSubscriber(listener: (peer: PeerId) => void): () => void {
    return this.#services.mesh.gossip.onSubscriber(listener)
  }

  /** Members that can be published to. */
  subscribers(): PeerId[] {
    return this.#services.mesh.gossip.subscribers()
  }

  /**
   * Tells `listener` when the last connection to a member has broken, until the function returned is called. Where there are more
   * members than connections are kept, one that either side closes since nothing uses it says nothing, and is not told.
   */
  onClosed(listener: (peer: PeerId) => void): () => void {
    this.#closedListeners.add(listener)
    return () => this.#closedListeners.delete(listener)
  }

  /** The peer has become a member: gossip and kad-dht start with it now, on the connection that there is. */
  admitted(peer: PeerId): void {
    if (!this.#init.isMember(peer)) return
    void this.#services.mesh.dht.begin()
    this.#services.mesh.gate.admitted(peer)
  }

  /** The peer is out, has left, or its credential has ended: gossip and kad-dht end now, its connection like a stranger's. */
  expelled(peer: PeerId): void {
    this.#services.mesh.gate.expelled(peer)
    for (const connection of this.libp2p.getConnections(peer)) this.#outlast(connection)
    void this.forget(peer)
  }

  /** Repairs streams of members that broke, and forgets whose membership has ended unnoticed. */
  mend(): void {
    const { gate, gossip } = this.#services.mesh
    gate.mend(
      (peer) => gossip.broke(peer),
      (peer) => gossip.deaf(peer),
    )
  }

  /** Degrees from the number of members, this one included. */
  size(members: number): void {
    this.#others = members - 1
    this.#services.mesh.gossip.size(members)
  }

  /** Puts a member's current addresses in the place of those that were known; dials of the peer, and kad-dht, take them from there. */
  async know(peer: PeerId, addresses: readonly Multiaddr[]): Promise<void> {
    if (!this.#init.isMember(peer)) return
    await this.libp2p.peerStore.patch(peer, { multiaddrs: addresses.slice(0, ADDRESSES_MAX) })
    this.admitted(peer)
  }

  isConnected(peer: PeerId): boolean {
    return this.libp2p.getConnections(peer).some(({ status }) => status === 'open')
  }

  /** Whether nothing but gossip and kad-dht has a stream on this connection. */
  isIdle(connection: Connection): boolean {
    return this.#services.mesh.gate.isIdle(connection)
  }

  /** Closes a connection that nothing uses. */
  release(connection: Connection): void {
    const deadline = this.#init.clock.deadline(CLOSE_TIMEOUT_MS)
    this.#released.add(connection)
    connection
      .close({ signal: deadline.signal })
      .catch((error) => connection.abort(error))
      .finally(() => deadline.clear())
  }

  #tellClosed(connection: Connection): void {
    const peer = connection.remotePeer
    if (!this.#init.isMember(peer) || this.libp2p.getConnections(peer).length > 0) return
    if (this.#others > keptConnections(this.#others) && (this.#released.has(connection) || hasTakenLeave(connection))) return
    for (const listener of this.#closedListeners) listener(peer)
  }

  /** Takes who is no member out of the peer store; who is connected when the connection closes. */
  async forget(peer: PeerId): Promise<void> {
    if (this.libp2p.getConnections(peer).length === 0) await this.libp2p.peerStore.delete(peer).catch(() => {})
  }

  /** A connection to `peer`: the one there is, or one dialed at `addresses`, or at those that are known. */
  connect(peer: PeerId, addresses: readonly Multiaddr[], signal: AbortSignal): Promise<Connection> {
    const suffix = `/p2p/${peer}`
    const targets = addresses
      .slice(0, ADDRESSES_MAX)
      .map((address) => (address.toString().endsWith(suffix) ? address : address.encapsulate(suffix)))
    return this.libp2p.dial(targets.length === 0 ? peer : targets, { signal })
  }

  /** Addresses that other members have of a member; none when nobody knows it. */
  find(peer: PeerId, signal: AbortSignal): Promise<Multiaddr[]> {
    return this.#services.mesh.dht.find(peer, signal)
  }

  /** Whether `peer` answers within `timeoutMs`, dialing it if need be. Throws only the signal's reason. */
  ping(peer: PeerId, timeoutMs: number, signal?: AbortSignal): Promise<Pinged> {
    return this.#pinger.ping(peer, timeoutMs, signal)
  }
}

/** Whether the other side closed on purpose: Yamux says so (GoAway, code 0) and keeps it where libp2p does not show it. */
const hasTakenLeave = (connection: Connection): boolean =>
  (connection as { muxer?: { remoteGoAway?: number } }).muxer?.remoteGoAway === 0

/** A network that is not started. */
export const createNetwork = async <S extends ServiceFactoryMap>(init: NetworkInit<S>): Promise<Network<S>> => {
  const paces = new Paces(init.clock, init.isMember)
  const node: Libp2p = await createLibp2p({
    start: false,
    privateKey: init.peerKey,
    addresses: { listen: [...init.listen] },
    transports: [openingTransport(tcp(), '/noise')],
    connectionEncrypters: [paces.encryption(openingEncryption(noise(), '/yamux/1.0.0'))],
    streamMuxers: [
      openingStreams(
        boundedYamux({
          maxInboundStreams: STREAMS_PER_CONNECTION,
          maxStreamWindowSize: STREAM_WINDOW_BYTES_MAX,
          paceOf: (connection) => paces.of(connection),
        }),
        (name) => (name === PING_PROTOCOL ? 'anything' : node.getProtocols().includes(name) ? 'messages' : undefined),
      ),
    ],
    ...(init.metrics !== undefined && { metrics: init.metrics }),
    connectionGater: hostGate(init.isMember),
    connectionManager: {
      maxConnections: MAX_CONNECTIONS,
      inboundConnectionThreshold: INBOUND_CONNECTIONS_PER_SECOND_AND_HOST,
      maxIncomingPendingConnections: PENDING_INBOUND_CONNECTIONS,
      dialTimeout: DIAL_TIMEOUT_MS,
      addressDialTimeout: DIAL_TIMEOUT_MS,
      maxPeerAddrsToDial: 2 * ADDRESSES_MAX,
      inboundUpgradeTimeout: HANDSHAKE_TIMEOUT_MS,
      inboundStreamProtocolNegotiationTimeout: HANDSHAKE_TIMEOUT_MS,
    },
    // It pings all connections at one moment, and ends those that are slow: on a busy machine all of them. Members ping each other.
    connectionMonitor: { enabled: false },
    // Members' addresses come from the table and go with it, not with their age.
    peerStore: { maxAddressAge: Number.POSITIVE_INFINITY, maxPeerAge: Number.POSITIVE_INFINITY },
    // Identify tells strangers this; not which Node version answers them.
    nodeInfo: { name: 'dstack-mesh', version: '1', userAgent: 'dstack-mesh' },
    services: {
      identify: discreetIdentify(),
      ping: ping({ maxInboundStreams: PING_STREAMS, maxOutboundStreams: PING_STREAMS }),
      mesh: mesh({ gossip: init.gossip, isMember: init.isMember, clock: init.clock }),
      ...init.services,
    },
  })
  return new Network(node as unknown as Libp2p, init)
}

const cannotListen = (listen: readonly string[], cause: unknown): UsageError => {
  const message = deepMessage(cause)
  const inUse = message.includes('EADDRINUSE')
  return new UsageError(inUse ? 'port_in_use' : 'cannot_listen', `cannot listen on ${listen.join(', ')}: ${message}`, {
    next: inUse
      ? 'choose another port with --listen, or port 0 for any free one'
      : 'give --listen an address of this machine, such as /ip4/0.0.0.0/tcp/4001',
    cause,
  })
}

const deepMessage = (error: unknown): string => {
  if (error instanceof AggregateError) return error.errors.map(deepMessage).join('; ')
  if (!(error instanceof Error)) return String(error)
  return error.cause === undefined ? error.message : `${error.message}: ${deepMessage(error.cause)}`
}
