/**
 * Keeps this node connected to enough members, and to no more: from the table, then by what other members have of an address
 * (kad-dht), then from the addresses that the operator gave.
 */
import type { Connection, PeerId } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import { type Clock, type Log, messageOf, type Random } from '../base/index.ts'
import { keptConnections, wantedConnections } from './degrees.ts'
import type { Network } from './network.ts'

// Implementation constants: tuning.

/** Jittered by half. Higher: slower to repair. */
const TICK_MS = 2_000
/** A connection beyond those ends when nothing has used it for so long. */
const IDLE_MS = 30_000
/**
 * The next one begins as soon as one ends. Higher: whoever does not answer holds up less. Lower: where all begin at once on a busy
 * machine, fewer handshakes share its time, and they end before theirs is up.
 */
const DIALS_AT_ONCE = 2
const DIAL_TIMEOUT_MS = 5_000
const LOOKUP_TIMEOUT_MS = 5_000
/** A member that could not be dialed is tried again after this, then after twice as long; each time jittered down to half. */
const RETRY_MIN_MS = 1_000
const RETRY_MAX_MS = 8_000
/**
 * Also who has enough connections dials one more member now and then: two halves that were parted are each well connected in
 * themselves, and nothing else would have them try each other.
 */
const EXPLORE_MS = 10_000

export interface KnownMember {
  peer: PeerId
  addresses: readonly Multiaddr[]
}

export interface DiscoveryInit {
  network: Pick<
    Network,
    'peerId' | 'libp2p' | 'find' | 'connect' | 'isConnected' | 'isIdle' | 'know' | 'forget' | 'mend' | 'release'
  >
  /** Active members, without this node. */
  members(): readonly KnownMember[]
  /** Where the operator says that members are, with or without `/p2p/`. */
  bootstrap: readonly Multiaddr[]
  clock: Clock
  random: Random
  log: Log
}

interface Attempts {
  failures: number
  retryAtMs: number
}

export class Discovery {
  readonly #init: DiscoveryInit
  readonly #stopping = new AbortController()
  /** What the peer store was given of each member. */
  readonly #known = new Map<string, { peer: PeerId; addresses: string }>()
  readonly #attempts = new Map<string, Attempts>()
  readonly #dialing = new Set<string>()
  /** Since when nothing has used a connection, by its id. */
  readonly #idleSince = new Map<string, number>()
  #bootstrap: Attempts = { failures: 0, retryAtMs: 0 }
  #exploreAtMs = 0
  #loop: Promise<void> | undefined

  constructor(init: DiscoveryInit) {
    this.#init = init
  }

  start(): void {
    this.#loop ??= this.#run()
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new Error('the node is stopping'))
    await this.#loop
  }

  /** Where a member may be: what the table says, then what others say. */
  async lookup(peer: PeerId, signal?: AbortSignal): Promise<Multiaddr[]> {
    using deadline = this.#init.clock.deadline(LOOKUP_TIMEOUT_MS, signal ?? this.#stopping.signal)
    const listed = this.#init.members().find((member) => member.peer.equals(peer))?.addresses ?? []
    const found = await this.#init.network.find(peer, deadline.signal)
    return [...listed, ...found.filter((address) => !listed.some((known) => known.equals(address)))]
  }

  async #run(): Promise<void> {
    const { clock, random, log } = this.#init
    while (!this.#stopping.signal.aborted) {
      try {
        this.#tick()
      } catch (error) {
        log.error('discovery.failed', { reason: messageOf(error) })
      }
      await clock.sleep(TICK_MS * (0.5 + random.uniform()), this.#stopping.signal).catch(() => {})
    }
  }

  #tick(): void {
    const { network, clock } = this.#init
    const nowMs = clock.monotonicMs()
    const members = this.#init.members()
    this.#learn(members)
    network.mend()
    if (members.length > 0 && !members.some(({ peer }) => network.isConnected(peer))) this.#tryBootstrap(nowMs)
    const exploring = nowMs >= this.#exploreAtMs
    if (exploring) this.#exploreAtMs = nowMs + this.#jittered(EXPLORE_MS)
    this.#fill(exploring ? 1 : 0)
    this.#trim(members, nowMs)
  }

  /** Dials whoever is due, up to the wanted number, and at least `least`. */
  #fill(least: number): void {
    const { network, clock } = this.#init
    const members = this.#init.members()
    const absent = members.filter(({ peer }) => !network.isConnected(peer))
    const free = absent.filter(({ peer }) => !this.#dialing.has(peer.toString()))
    const missing = wantedConnections(members.length) - (members.length - absent.length) - (absent.length - free.length)
    const places = Math.min(Math.max(missing, least), DIALS_AT_ONCE - this.#dialing.size)
    const nowMs = clock.monotonicMs()
    const due = free.filter(({ peer }) => (this.#attempts.get(peer.toString())?.retryAtMs ?? 0) <= nowMs)
    for (const member of this.#sample(due, places)) void this.#dial(member)
  }

  /** Gives the peer store what the table says, and takes from it who is out. */
  #learn(members: readonly KnownMember[]): void {
    const gone = new Set(this.#known.keys())
    for (const { peer, addresses } of members) {
      const id = peer.toString()
      gone.delete(id)
      const text = addresses.join(' ')
      if (this.#known.get(id)?.addresses === text) continue
      this.#known.set(id, { peer, addresses: text })
      // Another address may answer where the last one did not.
      this.#attempts.delete(id)
      void this.#init.network.know(peer, addresses).catch((error) => this.#failed('know', error))
    }
    for (const id of gone) {
      const { peer } = this.#known.get(id)!
      this.#known.delete(id)
      this.#attempts.delete(id)
      void this.#init.network.forget(peer)
    }
  }

  async #dial(member: KnownMember): Promise<void> {
    const id = member.peer.toString()
    this.#dialing.add(id)
    try {
      const failures = (this.#attempts.get(id)?.failures ?? 0) + 1
      // Also who lets itself be dialed has a pause after it: it may close at once.
      this.#attempts.set(id, this.#later((await this.#reaches(member, failures)) ? 0 : failures))
    } catch (error) {
      this.#failed('dial', error)
    } finally {
      this.#dialing.delete(id)
    }
    if (!this.#stopping.signal.aborted) this.#fill(0)
  }

  async #reaches({ peer, addresses }: KnownMember, attempt: number): Promise<boolean> {
    if (addresses.length > 0 && (await this.#connects(peer, addresses))) return true
    // Others are asked after the first, second, fourth… failure: who is gone for good costs less and less.
    return (attempt & (attempt - 1)) === 0 && (await this.#dialElsewhere(peer, addresses))
  }

  async #dialElsewhere(peer: PeerId, tried: readonly Multiaddr[]): Promise<boolean> {
    const elsewhere = (await this.lookup(peer)).filter((address) => !tried.some((known) => known.equals(address)))
    return elsewhere.length > 0 && (await this.#connects(peer, elsewhere))
  }

  async #connects(peer: PeerId, addresses: readonly Multiaddr[]): Promise<boolean> {
    using deadline = this.#init.clock.deadline(DIAL_TIMEOUT_MS, this.#stopping.signal)
    try {
      await this.#init.network.connect(peer, addresses, deadline.signal)
      return true
    } catch {
      return false
    }
  }

  #tryBootstrap(nowMs: number): void {
    if (this.#bootstrap.retryAtMs > nowMs || this.#init.bootstrap.length === 0) return
    this.#bootstrap = this.#later(this.#bootstrap.failures + 1)
    const [address] = this.#sample(this.#init.bootstrap, 1)
    void (async () => {
      using deadline = this.#init.clock.deadline(DIAL_TIMEOUT_MS, this.#stopping.signal)
      const connection = await this.#init.network.libp2p.dial(address!, { signal: deadline.signal })
      // Who is there may have begun anew, as another peer: a stranger, until it has joined and been told of.
      if (!this.#init.members().some(({ peer }) => peer.equals(connection.remotePeer))) this.#release(connection)
      else this.#bootstrap = { failures: 0, retryAtMs: 0 }
    })().catch((error) => this.#failed('bootstrap', error))
  }

  /** Closes the second of two connections to one member, and who is beyond need, newest first: the old ones are the graph. */
  #trim(members: readonly KnownMember[], nowMs: number): void {
    const { network } = this.#init
    const open = members.map(({ peer }) => network.libp2p.getConnections(peer).filter(({ status }) => status === 'open'))
    const still = new Set(open.flat().map(({ id }) => id))
    for (const id of this.#idleSince.keys()) if (!still.has(id)) this.#idleSince.delete(id)
    for (const connection of open.flat()) {
      if (!network.isIdle(connection)) this.#idleSince.delete(connection.id)
      else if (!this.#idleSince.has(connection.id)) this.#idleSince.set(connection.id, nowMs)
    }
    const unused = (connection: Connection): boolean => (this.#idleSince.get(connection.id) ?? nowMs) + IDLE_MS <= nowMs
    for (const connections of open) {
      if (connections.length < 2) continue
      const [kept] = [...connections].sort((a, b) => this.#rank(a) - this.#rank(b))
      for (const connection of connections) if (connection !== kept && unused(connection)) this.#release(connection)
    }
    const peers = open.filter((connections) => connections.length > 0)
    const surplus = peers.length - keptConnections(members.length)
    if (surplus <= 0) return
    const unneeded = peers
      .filter((connections) => connections.every(unused))
      .sort(([a], [b]) => b!.timeline.open - a!.timeline.open)
    for (const connection of unneeded.slice(0, surplus).flat()) this.#release(connection)
  }

  /** The same on both sides: the one that the peer with the smaller id dialed comes first. */
  #rank(connection: Connection): number {
    const ours = this.#init.network.peerId.toString() < connection.remotePeer.toString()
    return (connection.direction === 'outbound') === ours ? 0 : 1
  }

  #release(connection: Connection): void {
    this.#idleSince.delete(connection.id)
    this.#init.network.release(connection)
  }

  #later(failures: number): Attempts {
    const pauseMs = Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** Math.min(failures - 1, 10))
    return { failures, retryAtMs: this.#init.clock.monotonicMs() + pauseMs * (0.5 + this.#init.random.uniform() / 2) }
  }

  #jittered(ms: number): number {
    return ms * (0.5 + this.#init.random.uniform())
  }

  #sample<T>(from: readonly T[], count: number): T[] {
    const left = [...from]
    const taken: T[] = []
    while (taken.length < count && left.length > 0) {
      taken.push(...left.splice(Math.floor(this.#init.random.uniform() * left.length), 1))
    }
    return taken
  }

  #failed(what: string, error: unknown): void {
    if (!this.#stopping.signal.aborted) this.#init.log.debug('discovery.attempt_failed', { what, reason: messageOf(error) })
  }
}
