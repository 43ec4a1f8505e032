import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import type { PeerId } from '@libp2p/interface'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { type Clock, silentLog, systemClock, systemRandom } from '../../src/base/index.ts'
import { createNetwork, createPeerKey, Discovery, type GossipVerdict, type Network } from '../../src/net/index.ts'

export const TOPIC = '/dstack/0123456789abcdef/members/1.0.0'
export const MAX_BYTES = 270_000
export const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString()
export const bytes = (words: string): Uint8Array => Buffer.from(words)

/** A network that listens on a free port of 127.0.0.1. */
export const startNetwork = async (
  init: {
    clock?: Clock
    isMember?(peer: PeerId): boolean
    validate?(author: PeerId, data: Uint8Array): Promise<GossipVerdict>
    listen?: readonly string[]
  } = {},
): Promise<Network> => {
  const network = await createNetwork({
    peerKey: await createPeerKey(),
    listen: init.listen ?? ['/ip4/127.0.0.1/tcp/0'],
    services: {},
    clock: init.clock ?? systemClock,
    isMember: init.isMember ?? (() => true),
    gossip: { topic: TOPIC, maxBytes: MAX_BYTES, validate: init.validate ?? (async () => 'accept') },
  })
  await network.start()
  return network
}

/** A member of a cluster whose table is kept by hand. */
export class Member {
  readonly heard: { author: string; data: string }[] = []
  readonly members = new Set<string>()
  verdict: (data: Uint8Array) => GossipVerdict = () => 'accept'
  network!: Network
  /** What its table says of others' addresses. */
  readonly table = new Map<string, { peer: PeerId; addresses: readonly Multiaddr[] }>()
  discovery: Discovery | undefined
  #waiting: (() => void)[] = []

  static async start(options: { clock?: Clock; listen?: readonly string[] } = {}): Promise<Member> {
    const member = new Member()
    member.network = await startNetwork({
      ...options,
      isMember: (peer) => member.members.has(peer.toString()),
      validate: async (author, data) => {
        const verdict = member.verdict(data)
        if (verdict === 'accept') member.heard.push({ author: author.toString(), data: text(data) })
        for (const wake of member.#waiting.splice(0)) wake()
        return verdict
      },
    })
    return member
  }

  get id(): string {
    return this.network.peerId.toString()
  }
  get addresses(): Multiaddr[] {
    return this.network.libp2p.getMultiaddrs()
  }

  admit(...others: readonly Member[]): void {
    for (const other of others) {
      if (other === this) continue
      this.members.add(other.id)
      this.table.set(other.id, { peer: other.network.peerId, addresses: other.addresses })
    }
    this.network.size(1 + this.members.size)
    for (const other of others) if (other !== this) this.network.admitted(other.network.peerId)
  }
  expel(other: Member): void {
    this.members.delete(other.id)
    this.table.delete(other.id)
    this.network.expelled(other.network.peerId)
  }
  discover(bootstrap: readonly Multiaddr[] = []): void {
    this.discovery = new Discovery({
      network: this.network,
      members: () => [...this.table.values()],
      bootstrap,
      clock: systemClock,
      random: systemRandom,
      log: silentLog,
    })
    this.discovery.start()
  }
  async stop(): Promise<void> {
    await this.discovery?.stop()
    await this.network.stop()
  }
  /** Resolves when it is connected to `other`. */
  async connectedTo(other: Member): Promise<void> {
    while (!this.network.isConnected(other.network.peerId)) await once(this.network.libp2p, 'peer:connect')
  }
  async dial(other: Member): Promise<void> {
    await this.network.connect(other.network.peerId, other.addresses, AbortSignal.timeout(10_000))
  }

  /** Resolves when a message with this data has been accepted. */
  async hears(data: string): Promise<void> {
    while (!this.heard.some((message) => message.data === data)) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    }
  }
  /** Resolves when this one can publish to `other`. */
  async reaches(other: Member): Promise<void> {
    if (this.network.subscribers().some((peer) => peer.equals(other.network.peerId))) return
    await new Promise<void>((resolve) => {
      const stop = this.network.onSubscriber((peer) => {
        if (!peer.equals(other.network.peerId)) return
        stop()
        resolve()
      })
    })
  }
}

export class Cluster {
  readonly all: Member[] = []
  readonly #relays = new Set<Relay>()

  /** `count` members that know each other; nobody is connected. */
  static async start(count: number, options: Parameters<typeof Member.start>[0] = {}): Promise<Cluster> {
    const cluster = new Cluster()
    cluster.all.push(...(await Promise.all(Array.from({ length: count }, () => Member.start(options)))))
    for (const member of cluster.all) member.admit(...cluster.all)
    return cluster
  }
  /** Closed when the cluster stops, if not cut by then. */
  async relay(target: Member): Promise<{ relay: Relay; address: Multiaddr }> {
    const relay = new Relay(target)
    this.#relays.add(relay)
    return { relay, address: await relay.open() }
  }
  async stop(): Promise<void> {
    await Promise.all([...this.#relays].map((relay) => relay.cut().catch(() => {})))
    await Promise.all(this.all.map((member) => member.stop()))
  }
}

/** An address of 127.0.0.1 behind which a member listens, until it is cut. */
export class Relay {
  readonly #sockets = new Set<Socket>()
  readonly #server: Server
  #port = 0
  constructor(target: Member) {
    const port = Number(target.addresses[0]!.getComponents().find(({ name }) => name === 'tcp')!.value)
    this.#server = createServer((near) => {
      if (!this.#server.listening) return void near.destroy()
      const far = connect(port, '127.0.0.1')
      for (const [socket, other] of [
        [near, far],
        [far, near],
      ] as const) {
        this.#sockets.add(socket)
        socket.on('close', () => {
          this.#sockets.delete(socket)
          other.destroy()
        })
        socket.on('error', () => {})
        socket.pipe(other)
      }
    })
  }
  /** Listens; on the port that it had, when it has been cut. */
  async open(): Promise<Multiaddr> {
    this.#server.listen(this.#port, '127.0.0.1')
    await once(this.#server, 'listening')
    this.#port = (this.#server.address() as { port: number }).port
    return multiaddr(`/ip4/127.0.0.1/tcp/${this.#port}`)
  }
  /** Nothing passes any more, either way, and nobody is told. */
  silence(): void {
    for (const socket of this.#sockets) socket.unpipe().pause()
  }
  /** All connections break, without a word of libp2p, and nobody listens any more. */
  async cut(): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }
}
