/**
 * kad-dht among members: where is a member whose address in the table is stale? It keeps no addresses of its own but answers
 * from the peer store, into which only discovery puts members' addresses; libp2p itself neither dials nor learns through it.
 */
import {
  type ComponentLogger,
  type Libp2pEvents,
  NotFoundError,
  type PeerId,
  type PeerStore,
  type PrivateKey,
  type Startable,
  type Stream,
  type TypedEventTarget,
} from '@libp2p/interface'
import { type KadDHT, type KadDHTComponents, kadDHT } from '@libp2p/kad-dht'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { Gate } from './gate.ts'
import { overlay } from './overlay.ts'

/** The same in every cluster: identify tells it to strangers. */
export const KAD_PROTOCOL = '/dstack/kad/1.0.0'

// Implementation constants: tuning. kad-dht's own (k 20, alpha 10) make 50 nodes dial each other all.

const ALPHA = 3
/** What differs from kad-dht's own settings in how many it asks and dials; what that saves: `npm run bench:dht`. */
export const TUNING = {
  /** Peers in a bucket and in an answer. */
  kBucketSize: 8,
  alpha: ALPHA,
  disjointPaths: 1,
  querySelfInterval: 5 * 60_000,
  pingNewContactConcurrency: ALPHA,
  pingOldContactConcurrency: ALPHA,
}
const STREAMS_PER_CONNECTION = 4
/** An answer names the peers of a bucket, with at most 8 addresses each. */
const STREAM_BYTES_MAX = 32 * 1024
export const ADDRESSES_MAX = 8

export interface DhtComponents {
  privateKey: PrivateKey
  peerId: PeerId
  peerStore: PeerStore
  addressManager: KadDHTComponents['addressManager']
  connectionManager: KadDHTComponents['connectionManager']
  datastore: KadDHTComponents['datastore']
  events: TypedEventTarget<Libp2pEvents>
  logger: ComponentLogger
  ping: KadDHTComponents['ping']
}

export class Dht implements Startable {
  readonly #kad: KadDHT & Startable
  #lookups = 0
  #wanted = false
  #stopped = true

  constructor(components: DhtComponents, gate: Gate, isMember: (peer: PeerId) => boolean) {
    const manager = gate.connectionManager(() => this.#lookups > 0)
    this.#kad = kadDHT({
      protocol: KAD_PROTOCOL,
      clientMode: false,
      ...TUNING,
      allowQueryWithZeroPeers: true,
      routingTableUpdateMaxQueueSize: 256,
      maxInboundStreams: STREAMS_PER_CONNECTION,
      maxOutboundStreams: STREAMS_PER_CONNECTION,
      peerInfoMapper: (peer) => ({
        ...peer,
        multiaddrs: isMember(peer.id) || peer.id.equals(components.peerId) ? peer.multiaddrs.slice(0, ADDRESSES_MAX) : [],
      }),
    })({
      privateKey: components.privateKey,
      peerId: components.peerId,
      addressManager: components.addressManager,
      events: components.events,
      logger: components.logger,
      registrar: gate.registrar(limited),
      connectionManager: overlay(manager, {
        openStream: async (target, protocol, options) => limited(await manager.openStream(target, protocol, options)),
      }),
      peerStore: readOnly(components.peerStore, isMember),
      // Values and provider records are not for this: what members send of them goes nowhere.
      datastore: nothingStored(components.datastore),
      // Who is to enter the routing table is pinged first, and dialed for it: only connections that are open are used.
      ping: overlay(components.ping, {
        ping: async (target, options) => {
          const [connection] = components.connectionManager.getConnections(target as PeerId)
          if (connection === undefined) throw new Error('not connected')
          return components.ping.ping(target, options)
        },
      }),
    }) as KadDHT & Startable
  }

  /** There is a member to ask: from now on it runs. */
  async begin(): Promise<void> {
    if (this.#wanted) return
    this.#wanted = true
    if (!this.#stopped) await this.#kad.start()
  }

  async start(): Promise<void> {
    this.#stopped = false
    if (this.#wanted) await this.#kad.start()
  }

  async stop(): Promise<void> {
    this.#stopped = true
    if (this.#wanted) await this.#kad.stop()
  }

  /** Addresses that other members have of `peer`; none when nobody knows it. */
  async find(peer: PeerId, signal: AbortSignal): Promise<Multiaddr[]> {
    if (!this.#wanted || this.#stopped) return []
    const found = new Map<string, Multiaddr>()
    this.#lookups++
    try {
      for await (const event of this.#kad.findPeer(peer, { signal, useCache: false })) {
        if (event.name !== 'FINAL_PEER' || !event.peer.id.equals(peer)) continue
        for (const address of event.peer.multiaddrs.slice(0, ADDRESSES_MAX)) found.set(address.toString(), address)
        if (found.size >= 2 * ADDRESSES_MAX) break
      }
    } catch (error) {
      // Who is not found, and a time that is up, are answers too: what came until then.
      if (!(error instanceof NotFoundError) && !signal.aborted) throw error
    } finally {
      this.#lookups--
    }
    return [...found.values()]
  }
}

/** Ends a stream that brings more than a question or an answer. */
const limited = (stream: Stream): Stream => {
  let bytes = 0
  stream.addEventListener('message', ({ data }) => {
    bytes += data.byteLength
    if (bytes > STREAM_BYTES_MAX) stream.abort(new Error('too long'))
  })
  return stream
}

const readOnly = (store: PeerStore, isMember: (peer: PeerId) => boolean): PeerStore => {
  const get: PeerStore['get'] = async (peer, options) => {
    if (!isMember(peer)) throw new NotFoundError('not a member')
    return store.get(peer, options)
  }
  return overlay<PeerStore>(store, {
    get,
    getInfo: async (peer, options) => {
      if (!isMember(peer)) throw new NotFoundError('not a member')
      return store.getInfo(peer, options)
    },
    all: async () => [],
    // Its tags would have libp2p keep connections to whom it takes for close.
    merge: (peer, _data, options) => get(peer, options),
    patch: (peer, _data, options) => get(peer, options),
    save: (peer, _data, options) => get(peer, options),
  })
}

const nothingStored = (store: DhtComponents['datastore']): DhtComponents['datastore'] =>
  overlay(store, {
    put: async (key) => key,
    get: async () => {
      throw new NotFoundError('nothing is stored')
    },
    has: async () => false,
    delete: async () => {},
    async *query() {},
    async *queryKeys() {},
  })
