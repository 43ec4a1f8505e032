/** The network between machines: who reaches whom, how late, and gossip from member to member. */
import type { Connection, Stream } from '@libp2p/interface'
import type { SimPeer } from './peers.ts'
import { type Carry, SimStream } from './streams.ts'
import type { Owner, SimRandom, Timeline } from './time.ts'

/** As src/net has it: members that one relays to. */
const DEGREE = 4
/** Who did not get it is offered it with the next heartbeat. */
const HEARTBEAT_MS = 1_000
const DIAL_TIMEOUT_MS = 5_000
/** What is on its way into a partition is sent again. */
const RESEND_MS = 400
const RESEND_MAX_MS = 60_000
const FORGOTTEN_AFTER_MS = 31_000
/** Members, beyond which a host relays to few that stay the same. */
const LARGE = 64

export type Verdict = 'accept' | 'ignore' | 'reject'

/** Where processes run. */
export interface Machine {
  readonly index: number
  on: boolean
}

/** A process with a peer id, on a machine. */
export interface Host extends Owner {
  readonly peer: SimPeer
  readonly machine: Machine
  readonly handlers: Map<string, (stream: Stream, connection: Connection) => void | Promise<void>>
  /** Peers that may gossip with it, as it sees them. */
  readonly linked: ReadonlySet<string>
  /** Judges before it relays. */
  hear(author: SimPeer, data: Uint8Array): Promise<Verdict>
  /** Somebody may be told now what nobody heard. */
  subscribed(): void
  /** The last connection to that peer has closed. */
  closed(peer: string): void
}

interface Message {
  author: SimPeer
  data: Uint8Array
  seen: Set<string>
  /** Deliveries on their way. */
  due: Map<string, number>
}

/** How bad the network is now; all shares from 0 to 1. */
export interface Weather {
  /** Of gossip that is lost between two. */
  loss: number
  /** Of messages on streams, and pings, that come late. */
  late: number
  /** Of gossip that comes again when it has been forgotten. */
  again: number
}

export class SimNetwork {
  readonly weather: Weather = { loss: 0, late: 0, again: 0 }
  readonly hosts = new Map<string, Host>()
  /** Told what became of each message that a host judged. */
  onVerdict: (to: Host, from: Host, author: SimPeer, verdict: Verdict) => void = () => {}
  /** Everything that was ever published: what an eavesdropper can send again. */
  readonly heard: { author: SimPeer; data: Uint8Array }[] = []
  /** To how many others each has a connection; in a small cluster to all. */
  connections = Number.POSITIVE_INFINITY
  /** What was asked of the network, and how large it was. */
  readonly sent = { published: 0, publishedBytes: 0, pings: 0, streams: 0, streamBytes: 0 }
  readonly #timeline: Timeline
  readonly #random: SimRandom
  /** `from * 64 + to`, and how many partitions are between the two. */
  readonly #blocked = new Map<number, number>()
  readonly #meshes = new Map<Host, Set<Host>>()
  readonly #streams = new Map<string, Map<SimStream, SimStream>>()

  constructor(timeline: Timeline, random: SimRandom) {
    this.#timeline = timeline
    this.#random = random
  }

  // Machines.

  block(from: Machine, to: Machine, by: 1 | -1): void {
    const key = from.index * 64 + to.index
    this.#blocked.set(key, (this.#blocked.get(key) ?? 0) + by)
  }
  /** Whether packets get from one machine to the other. */
  open(from: Machine, to: Machine): boolean {
    return from.on && to.on && (this.#blocked.get(from.index * 64 + to.index) ?? 0) === 0
  }
  /** Whether one can ask the other and is answered. */
  reaches(a: Machine, b: Machine): boolean {
    return this.open(a, b) && this.open(b, a)
  }

  add(host: Host): void {
    this.hosts.set(host.peer.text, host)
    this.#streams.set(host.peer.text, new Map())
  }

  /** The process is gone. If its machine says so, everybody that reaches it sees its connections close. */
  gone(host: Host): void {
    const streams = this.#streams.get(host.peer.text)!
    for (const [near, far] of streams) {
      near.reset()
      if (host.machine.on) this.#timeline.after(this.#latencyMs(), () => far.reset())
    }
    streams.clear()
    if (!host.machine.on) return
    const others = [...this.hosts.values()].filter((other) => other.alive && this.open(host.machine, other.machine))
    const connected = others.length <= this.connections ? others : this.#random.shuffled(others).slice(0, this.connections)
    for (const other of connected) this.#timeline.after(this.#latencyMs(), () => other.closed(host.peer.text), other)
  }

  #latencyMs(): number {
    const random = this.#random
    const ms = random.between(1, 30)
    return this.weather.late > 0 && random.chance(this.weather.late) ? ms + random.between(200, 1_500) : ms
  }

  // Asking one another.

  /** Whether it answers; `refused` when its machine does not know it any more. */
  ping(from: Host, to: string, timeoutMs: number): Promise<'answered' | 'refused' | 'silent'> {
    const { promise, resolve } = Promise.withResolvers<'answered' | 'refused' | 'silent'>()
    const timeline = this.#timeline
    const target = this.hosts.get(to)
    timeline.stirred = true
    this.sent.pings++
    timeline.after(timeoutMs, () => resolve('silent'), from)
    if (target === undefined || !this.reaches(from.machine, target.machine)) return promise
    const back = (answer: 'answered' | 'refused'): void => {
      if (this.open(target.machine, from.machine)) timeline.after(this.#latencyMs(), () => resolve(answer), from)
    }
    if (target.alive) timeline.after(this.#latencyMs(), () => back('answered'), target)
    else timeline.after(this.#latencyMs(), () => back('refused'))
    return promise
  }

  /** A stream to a service of another peer; fails as a dial does. */
  dial(from: Host, to: string, protocol: string, signal: AbortSignal | undefined): Promise<Stream> {
    const { promise, resolve, reject } = Promise.withResolvers<Stream>()
    const timeline = this.#timeline
    timeline.stirred = true
    const target = this.hosts.get(to)
    const onAbort = (): void => reject(signal?.reason)
    const settled = (): void => signal?.removeEventListener('abort', onAbort)
    signal?.addEventListener('abort', onAbort)
    promise.then(settled, settled)
    timeline.after(DIAL_TIMEOUT_MS, () => reject(new Error('the dial timed out')), from)
    if (target === undefined || !this.reaches(from.machine, target.machine)) return promise
    if (!target.alive) {
      timeline.after(this.#latencyMs(), () => reject(new Error('connection refused')), from)
      return promise
    }
    const begin = (): void => {
      const handler = target.handlers.get(protocol)
      if (handler === undefined || signal?.aborted === true) {
        reject(new Error('protocol not spoken'))
        return
      }
      const [near, far] = this.#pair(from, target)
      timeline.after(this.#latencyMs(), () => resolve(near.asStream), from)
      void handler(far.asStream, { remotePeer: from.peer.peerId } as unknown as Connection)
    }
    timeline.after(this.#latencyMs(), begin, target)
    return promise
  }

  #pair(a: Host, b: Host): [SimStream, SimStream] {
    this.sent.streams++
    const forget = (host: Host) => (stream: SimStream) => void this.#streams.get(host.peer.text)!.delete(stream)
    const [near, far] = SimStream.pair(
      { carry: this.#carrier(a, b), onEnd: forget(a) },
      { carry: this.#carrier(b, a), onEnd: forget(b) },
    )
    this.#streams.get(a.peer.text)!.set(near, far)
    this.#streams.get(b.peer.text)!.set(far, near)
    return [near, far]
  }

  /** In order, and again and again while the way is blocked. */
  #carrier(from: Host, to: Host): Carry {
    let lastMs = 0
    return (run, bytes = 0) => {
      this.sent.streamBytes += bytes
      lastMs = Math.max(lastMs, this.#timeline.nowMs + this.#latencyMs())
      const untilMs = lastMs + RESEND_MAX_MS
      const arrive = (): void => {
        if (this.open(from.machine, to.machine)) run()
        else if (this.#timeline.nowMs < untilMs) {
          lastMs = Math.max(lastMs, this.#timeline.nowMs + RESEND_MS)
          this.#timeline.after(RESEND_MS, arrive, to)
        }
      }
      this.#timeline.at(lastMs, arrive, to)
    }
  }

  // Gossip.

  /** From its author to all that it is linked with. False: to nobody. */
  publish(from: Host, data: Uint8Array): boolean {
    this.#timeline.stirred = true
    this.heard.push({ author: from.peer, data })
    this.sent.published++
    this.sent.publishedBytes += data.length
    // Each sees to its own links, also when nothing has come to it yet.
    for (const host of this.hosts.values()) if (host.alive && host.linked.size > LARGE) this.#meshOf(host)
    return this.inject(from, from.peer, data)
  }

  /** As if `author`'s message were relayed by `from`: gossipsub's own signature is the author's, whoever sends it. */
  inject(from: Host, author: SimPeer, data: Uint8Array): boolean {
    const message: Message = { author, data, seen: new Set([from.peer.text, author.text]), due: new Map() }
    return this.#spread(message, from)
  }

  #neighbours(host: Host): Host[] {
    return host.linked.size > LARGE ? [...this.#meshOf(host)] : this.#linkedWith(host)
  }

  /** As gossipsub has it: whom one relays to, relays back, and both keep each other as long as they can. */
  #meshOf(host: Host): Set<Host> {
    const mesh = this.#meshes.get(host) ?? new Set()
    this.#meshes.set(host, mesh)
    for (const other of mesh) {
      if (this.#gossips(host, other)) continue
      mesh.delete(other)
      this.#meshes.get(other)?.delete(host)
    }
    if (mesh.size >= DEGREE) return mesh
    for (const other of this.#random.shuffled(this.#linkedWith(host))) {
      if (mesh.size >= DEGREE) break
      mesh.add(other)
      this.#meshes.set(other, (this.#meshes.get(other) ?? new Set()).add(host))
    }
    return mesh
  }

  #linkedWith(host: Host): Host[] {
    const all: Host[] = []
    for (const peer of host.linked) {
      const other = this.hosts.get(peer)
      if (other !== undefined && this.#gossips(host, other)) all.push(other)
    }
    return all
  }

  #gossips(from: Host, to: Host): boolean {
    return to.alive && from.linked.has(to.peer.text) && to.linked.has(from.peer.text) && this.open(from.machine, to.machine)
  }

  #spread(message: Message, from: Host): boolean {
    // Who publishes sends to all that it is connected to. In a small cluster that is everybody, and nothing would be relayed.
    const large = from.linked.size > LARGE
    const publishes = from.peer === message.author && large
    const neighbours = publishes
      ? this.#random.shuffled(this.#linkedWith(from)).slice(0, this.connections)
      : this.#neighbours(from)
    const missing = neighbours.filter(({ peer }) => !message.seen.has(peer.text))
    const chosen = large || missing.length <= DEGREE ? missing : this.#random.shuffled(missing).slice(0, DEGREE)
    for (const to of chosen) this.#send(message, from, to)
    if (this.weather.loss > 0 || missing.length > chosen.length) {
      this.#timeline.after(this.#random.between(0, HEARTBEAT_MS), () => this.#offer(message, from), from)
    }
    return neighbours.length > 0
  }

  /** Gossipsub's IHAVE to some who have not shown the message. */
  #offer(message: Message, from: Host): void {
    const missing = this.#neighbours(from).filter(({ peer }) => !message.seen.has(peer.text))
    for (const to of this.#random.shuffled(missing).slice(0, DEGREE)) this.#send(message, from, to)
  }

  #send(message: Message, from: Host, to: Host): void {
    const { text } = to.peer
    const { loss, again } = this.weather
    if (loss > 0 && this.#random.chance(loss)) return
    const atMs = this.#timeline.nowMs + this.#latencyMs()
    if (!((message.due.get(text) ?? Number.POSITIVE_INFINITY) <= atMs)) {
      message.due.set(text, atMs)
      this.#timeline.at(atMs, () => this.#receive(message, from, to), to)
    }
    if (again > 0 && this.#random.chance(again)) {
      const later = (): void => {
        message.seen.delete(text)
        this.#receive(message, from, to)
      }
      this.#timeline.at(atMs + FORGOTTEN_AFTER_MS * this.#random.between(1, 3), later, to)
    }
  }

  #receive(message: Message, from: Host, to: Host): void {
    if (message.seen.has(to.peer.text) || !to.linked.has(from.peer.text)) return
    message.seen.add(to.peer.text)
    void to.hear(message.author, message.data).then((verdict) => {
      this.onVerdict(to, from, message.author, verdict)
      if (verdict === 'accept' && to.alive) this.#spread(message, to)
    })
  }
}
