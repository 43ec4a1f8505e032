/** A node of the simulation: the real Members, table, services and standing, over a modelled network and a modelled TD. */
import type { Connection, Stream } from '@libp2p/interface'
import { Challenges } from '../../protocols/challenge/index.ts'
import { Membership as Exchanges } from '../../protocols/membership/index.ts'
import {
  type CredentialBody,
  type Evidence,
  type Expectation,
  type GenesisBundle,
  type GenesisRecord,
  verifyCredential,
} from '../../protocols/records/index.ts'
import { clusterSignedBytes, equals } from '../../protocols/wire/index.ts'
import { type Log, silentLog } from '../../src/base/index.ts'
import { type Members, MemberTable, TICK_MS } from '../../src/members/index.ts'
import type { NodePolicy } from '../../src/node/cluster-policy.ts'
import { type NodeEvent, NodeEvents } from '../../src/node/events.ts'
import { type Issuer, Membership, type Standing, selfIssue } from '../../src/node/membership.ts'
import { type MembersParts, openMembers } from '../../src/node/open-members.ts'
import type { ClusterKeys } from '../../src/node/parts.ts'
import type { Host, Machine, SimNetwork, Verdict } from './network.ts'
import type { SimPeer } from './peers.ts'
import { judgeTd, type Services, Td, VOUCHED } from './td.ts'
import { SimClock, type SimRandom, type Timeline } from './time.ts'

/** What all nodes of a simulation share. */
export interface Cluster {
  /** Its key is the cluster's. */
  key: SimPeer
  lifetimeMs: number
  lapsedServeMs: number
  services: Services
  timeline: Timeline
  network: SimNetwork
  random: SimRandom
  /** Quotes take from half of this to one and a half. */
  quoteMs: number
  /** Told what happens in each node. */
  tell(node: SimNode, event: NodeEvent): void
  /** Told what a node logs. */
  said?(node: SimNode, line: string): void
  /** Told of the body of each credential that an honest node makes, which it does after it has judged. */
  issued(body: Uint8Array): void
  /** Aborts when the simulation has ended. */
  over: AbortSignal
}

export const clusterIdOf = ({ key }: Pick<Cluster, 'key'>): Uint8Array => key.key.publicKey.raw

export const signAsCluster = ({ key }: Pick<Cluster, 'key'>, bytes: Uint8Array): Uint8Array =>
  key.key.sign(clusterSignedBytes('credential', bytes)) as Uint8Array

export class SimNode implements Host {
  alive = true
  stalledUntilMs = 0
  readonly handlers = new Map<string, (stream: Stream, connection: Connection) => void | Promise<void>>()
  readonly linked = new Set<string>()
  readonly cluster: Cluster
  readonly peer: SimPeer
  readonly machine: Machine
  /** It has turned: the rest of it goes on as before. */
  byzantine = false
  /** It says of nobody that it reaches him. */
  lies = false
  readonly clock: SimClock
  readonly random: SimRandom
  readonly td: Td
  readonly table: MemberTable
  readonly issuer: Issuer
  /** From the moment on in which it is a member. */
  members: Members | undefined
  membership: Membership | undefined
  leaving = false
  /** It lets others in. */
  serves = false

  constructor(cluster: Cluster, peer: SimPeer, machine: Machine) {
    const { timeline, network, services, random } = cluster
    this.cluster = cluster
    this.peer = peer
    this.machine = machine
    this.clock = new SimClock(timeline, this)
    // Whoever draws begins something; a tick in which nobody draws leaves no promise behind.
    this.random = random.fork(() => {
      timeline.stirred = true
    })
    this.td = new Td(services, () => this.clock.sleep(cluster.quoteMs * (0.5 + this.random.uniform())))
    this.table = new MemberTable(this.clock)
    const judge = judgeTd(() => this.clock.now(), services)
    this.issuer = {
      peerKey: peer.key,
      peerId: peer.id,
      keys: {
        clusterId: clusterIdOf(cluster),
        epochs: [0],
        signAsCluster: (_context: 'credential', bytes: Uint8Array) => {
          if (!this.byzantine) cluster.issued(bytes)
          return signAsCluster(cluster, bytes)
        },
        signingPublicKey: () => clusterIdOf(cluster),
      } as unknown as ClusterKeys,
      policy: {
        credentialLifetimeMs: cluster.lifetimeMs,
        policy: { lapsedServeMs: cluster.lapsedServeMs },
        // Who turned would say anything of itself.
        judge: (evidence: Evidence, expected: Expectation) => {
          const verdict = judge(evidence, expected)
          return !verdict.accepted && this.byzantine && equals(expected.peerId!, peer.id) ? VOUCHED : verdict
        },
      } as unknown as NodePolicy,
      clock: this.clock,
    }
    network.add(this)
  }

  get text(): string {
    return this.peer.text
  }

  /** Where it listens. */
  get address(): string {
    const { index } = this.machine
    return `/ip4/10.0.${index >> 8}.${index & 255}/tcp/4001`
  }

  /** Both clocks right, running, able to quote, and a member: nobody has a reason to do without it. */
  get sound(): boolean {
    return this.alive && this.members !== undefined && !this.leaving && this.clock.offsetMs === 0
  }

  signingPublicKey = (epoch: number): Uint8Array | undefined => (epoch === 0 ? clusterIdOf(this.cluster) : undefined)

  judge(evidence: Evidence, expected: Expectation): ReturnType<NodePolicy['judge']> {
    return this.issuer.policy.judge(evidence, expected)
  }

  holds(credential: Uint8Array): CredentialBody | undefined {
    const { lifetimeMs } = this.cluster
    const rules = { clusterId: this.issuer.keys.clusterId, signingPublicKey: this.signingPublicKey, lifetimeMs }
    const checked = verifyCredential(credential, { ...rules, nowMs: this.clock.now() })
    return checked.ok ? checked.body : undefined
  }

  /** The first member of all: its own word, and nobody else's. */
  async found(): Promise<void> {
    await this.join(await selfIssue(this.issuer, this.td))
    this.serves = true
    this.run()
  }

  /** From now on it is a member; {@link SimNode.run} has it do what members do. */
  async join(standing: Standing, onboarder?: CredentialBody & { text: string }): Promise<void> {
    const { cluster } = this
    const genesis = { record: new Uint8Array(1) } as unknown as GenesisBundle
    this.membership = new Membership({ issuer: this.issuer, genesis, record: {} as GenesisRecord, standing })
    const services = {
      membership: new Exchanges(this.#components(), { timer: this.clock }),
      challenges: new Challenges(this.#components(), {
        clusterId: this.issuer.keys.clusterId,
        timer: this.clock,
        random: this.random,
        onAnswered: (verifier, outcome) => this.members!.answered(verifier.toString(), outcome),
        onAsked: (member, outcome) => {
          if (outcome.outcome !== 'declined') this.members!.asked(member.toString(), outcome)
        },
      }),
    }
    const events = new NodeEvents()
    events.listen((event) => cluster.tell(this, event))
    const members = openMembers({
      membership: this.membership,
      attester: this.td,
      table: this.table,
      network: { ...this.#network(), services },
      addresses: () => [this.address],
      public: false,
      onJudged: () => {},
      clock: this.clock,
      random: this.random,
      log: this.#log(),
      events,
      signal: cluster.over,
    })
    this.members = members
    await services.membership.start()
    await services.challenges.start()
    if (onboarder !== undefined) members.admit(onboarder, [])
    await members.start(onboarder === undefined ? {} : { onboarder: onboarder.text })
  }

  /** Ticks until it is gone. */
  run = (): void => {
    const { timeline } = this.cluster
    timeline.stirred = false
    timeline.after(TICK_MS, this.run, this)
    this.members!.tick()
  }

  #components(): ConstructorParameters<typeof Exchanges>[0] {
    const { network } = this.cluster
    return {
      peerId: this.peer.peerId,
      registrar: {
        handle: async (protocol, handler) => void this.handlers.set(protocol, handler),
        unhandle: async (protocol) => void this.handlers.delete(protocol),
      },
      connectionManager: {
        openConnection: async (peer, options) => {
          const newStream = (protocol: string): Promise<Stream> =>
            network.dial(this, peer.toString(), protocol, options?.signal ?? undefined)
          return { newStream } as unknown as Connection
        },
      },
    }
  }

  #network(): Omit<MembersParts['network'], 'services'> {
    const { network, timeline } = this.cluster
    return {
      publish: async (message) => network.publish(this, message),
      ping: async (peer, timeoutMs) => (this.lies ? 'refused' : network.ping(this, peer.toString(), timeoutMs)),
      connect: async () => ({}) as Connection,
      know: async (peer) => {
        const text = peer.toString()
        if (this.linked.has(text)) return
        this.linked.add(text)
        const other = network.hosts.get(text)
        if (other?.alive !== true || !other.linked.has(this.text)) return
        timeline.after(20, () => this.members!.subscribed(), this)
        timeline.after(20, () => other.subscribed(), other)
      },
      expelled: (peer) => void this.linked.delete(peer.toString()),
      size: () => {},
    }
  }

  /** Failures that nothing else reports are failures of the simulation. */
  #log(): Log {
    const { said } = this.cluster
    const line = (event: string, fields?: object): void => said?.(this, `${event} ${JSON.stringify(fields)}`)
    return {
      ...silentLog,
      debug: (event, fields) => {
        if (event.startsWith('sync')) line(event, fields)
      },
      warn: (event, fields) => {
        if (event === 'members.failed') throw new Error(`${event} ${JSON.stringify(fields)}`)
      },
    }
  }

  async hear(author: SimPeer, data: Uint8Array): Promise<Verdict> {
    return this.members!.validate(author.id, data)
  }
  subscribed(): void {
    this.members?.subscribed()
  }
  closed(peer: string): void {
    this.members?.closed(peer)
  }
}
