/** A member that turned, and somebody who holds the cluster's secret and no TD: whatever they can say, they say. */
import type { Connection, Stream } from '@libp2p/interface'
import { answerSigned, challengeBinding } from '../../protocols/challenge/exchange.ts'
import { CHALLENGE_PROTOCOL } from '../../protocols/challenge/index.ts'
import { decodeChallenge, encodeAnswer, encodeChallenge } from '../../protocols/challenge/messages.ts'
import { makeRevocation } from '../../protocols/challenge/revocation.ts'
import { encodeGossip, MEMBERSHIP_PROTOCOL } from '../../protocols/membership/index.ts'
import { decodeSync, encodeSync } from '../../protocols/membership/messages.ts'
import {
  type CredentialBody,
  encodeEvidence,
  issueCredential,
  type MemberRecord,
  sealMemberRecord,
} from '../../protocols/records/index.ts'
import { type Messages, messagesOf, RefusalError } from '../../protocols/wire/index.ts'
import { Violation } from './invariants.ts'
import type { Host, Machine, Verdict } from './network.ts'
import { type Cluster, clusterIdOf, type SimNode, signAsCluster } from './node.ts'
import type { SimPeer } from './peers.ts'
import { collateralOf, forgedQuote } from './td.ts'
import { SimClock, type SimRandom, START_MS } from './time.ts'

const HOUR_MS = 3_600_000
const YEAR_MS = 365 * 24 * HOUR_MS
const LAST_SEQUENCE = 2n ** 64n - 1n
const STEP_MS = 10_000

/** What whoever holds the secret and a peer key can sign. */
class Forger {
  readonly cluster: Cluster
  readonly peer: SimPeer
  readonly clock: SimClock
  readonly random: SimRandom
  /** A true credential, of which the rest is copied. */
  readonly like: () => CredentialBody
  #sequence = 1_000n

  constructor(cluster: Cluster, peer: SimPeer, clock: SimClock, like: () => CredentialBody) {
    this.cluster = cluster
    this.peer = peer
    this.clock = clock
    this.random = cluster.random.fork()
    this.like = like
  }

  credential(changes: Partial<CredentialBody> = {}): Uint8Array {
    const issuedAt = changes.issuedAt ?? this.clock.now()
    const body: CredentialBody = {
      ...this.like(),
      tdDigest: this.random.bytes(48),
      peerId: this.peer.id,
      issuer: this.peer.id,
      issuedAt,
      expiresAt: issuedAt + this.cluster.lifetimeMs,
      ...changes,
    }
    return issueCredential(body, {
      asCluster: (_context, bytes) => signAsCluster(this.cluster, bytes),
      asPeer: (context, bytes) => this.peer.sign(context, bytes),
    })
  }

  record(changes: Partial<MemberRecord> = {}): Promise<Uint8Array> {
    this.#sequence += 1n
    return sealMemberRecord(
      {
        clusterId: clusterIdOf(this.cluster),
        peerId: this.peer.id,
        addresses: ['/ip4/10.6.6.6/tcp/4001'],
        public: true,
        epoch: 0,
        sequence: this.#sequence,
        state: 'active',
        credential: this.credential(),
        sentAt: this.clock.now(),
        ...changes,
      },
      this.peer.key,
    )
  }

  messages(stream: Stream): Messages {
    const { signal } = this.clock.deadline(3 * STEP_MS)
    return messagesOf(stream, { maxBytes: 512 * 1024, stepTimeoutMs: STEP_MS, timer: this.clock, signal })
  }

  async dial(from: Host, to: Host, protocol: string): Promise<Messages> {
    return this.messages(await this.cluster.network.dial(from, to.peer.text, protocol, undefined))
  }
}

/** A member that turned: it holds a TD that was admitted, so it is one, and does what members do besides. */
export class Villain {
  readonly node: SimNode
  readonly outsider: Outsider
  readonly #forger: Forger
  readonly #honest: () => readonly SimNode[]
  readonly #acts: readonly (() => Promise<unknown> | unknown)[]

  constructor(node: SimNode, outsider: Outsider, honest: () => readonly SimNode[]) {
    this.node = node
    this.outsider = outsider
    this.#honest = honest
    this.#forger = new Forger(node.cluster, node.peer, node.clock, () => node.membership!.credential)
    this.#acts = [
      () => this.#say(this.#forger.record({ clusterId: this.#forger.random.bytes(32) })),
      () => this.#say(this.#forger.record({ sentAt: this.node.clock.now() + 24 * HOUR_MS })),
      () => this.#say(this.#forger.record({ credential: this.#corrupt(this.#forger.credential()) })),
      () => this.#say(this.#forger.record({ peerId: this.#victim().peer.id })),
      () => this.#stockpiled(),
      () =>
        this.#say(this.#forger.record({ credential: this.#forger.credential({ issuedAt: this.node.clock.now() - YEAR_MS }) })),
      () =>
        this.#say(this.#forger.record({ credential: this.#forger.credential({ expiresAt: this.node.clock.now() + YEAR_MS }) })),
      () => this.#say(this.#forger.record()),
      () => this.#othersAsItsOwn(),
      () => this.#replay(),
      () => this.#gossip(this.#forger.random.bytes(200)),
      () => this.#hint(),
      () => this.#frame(),
      () => this.#letIn(),
      () => this.#tableOfNobody(),
      () => this.#last(),
    ]
  }

  async act(): Promise<void> {
    if (!this.node.alive || this.node.members === undefined) return
    // The way may be parted, or the other gone: then nothing comes of it.
    await Promise.resolve(this.#forger.random.pick(this.#acts)!()).catch((error) => {
      if (error instanceof TypeError) throw error
    })
  }

  #victim(): SimNode {
    return this.#forger.random.pick(this.#honest()) ?? this.node
  }
  #corrupt(bytes: Uint8Array): Uint8Array {
    const copy = Uint8Array.from(bytes)
    copy[copy.length - 1]! ^= 1
    return copy
  }
  #gossip(data: Uint8Array): void {
    this.node.cluster.network.inject(this.node, this.node.peer, data)
  }
  async #say(envelope: Promise<Uint8Array>): Promise<void> {
    this.#gossip(encodeGossip({ kind: 'record', envelope: await envelope }))
  }

  #stockpiled(): Promise<void> {
    const issuedAt = this.node.clock.now() + HOUR_MS
    return this.#say(this.#forger.record({ credential: this.#forger.credential({ issuedAt }) }))
  }

  /** After this it can say nothing more; seldom, or it would do little else. */
  async #last(): Promise<void> {
    if (!this.#forger.random.chance(0.1)) return
    await this.#say(this.#forger.record({ credential: this.node.membership!.credentialBytes, sequence: LAST_SEQUENCE }))
  }

  #othersAsItsOwn(): void {
    const heard = this.#forger.random.pick(this.node.cluster.network.heard)
    if (heard !== undefined) this.#gossip(heard.data)
  }
  #replay(): void {
    const { network } = this.node.cluster
    const heard = this.#forger.random.pick(network.heard)
    if (heard !== undefined) network.inject(this.node, heard.author, heard.data)
  }

  #hint(): void {
    const sequence = this.#forger.random.chance(0.5) ? LAST_SEQUENCE : 0n
    const hint = { peerId: this.#victim().peer.id, sequence, sentAt: this.node.clock.now() }
    this.#gossip(encodeGossip({ kind: 'unreachable', hint }))
  }

  /** Has a member answer, and shows the answer to all as if it were bad. */
  async #frame(): Promise<void> {
    const { cluster, peer } = this.node
    const victim = this.#victim()
    const parties = { clusterId: clusterIdOf(cluster), member: victim.peer.id, verifier: peer.id }
    const decoded = { clusterId: parties.clusterId, verifierNonce: this.#forger.random.bytes(32), epoch: 0 }
    const challenge = { message: encodeChallenge(decoded), decoded }
    const messages = await this.#forger.dial(this.node, victim, CHALLENGE_PROTOCOL)
    await messages.write(challenge.message)
    const answer = await messages.read(512 * 1024, 3 * STEP_MS)
    const other = { ...decoded, verifierNonce: this.#forger.random.bytes(32) }
    const revocation = this.#forger.random.pick([
      () => makeRevocation(parties, challenge, answer),
      () => makeRevocation(parties, { message: encodeChallenge(other), decoded: other }, answer),
      () => makeRevocation({ ...parties, verifier: this.outsider.peer.id }, challenge, answer),
      () => makeRevocation(parties, challenge, this.#corrupt(answer)),
      () => makeRevocation({ ...parties, member: this.#victim().peer.id }, challenge, answer),
    ])!()
    this.#gossip(encodeGossip({ kind: 'revocation', revocation }))
  }

  #letIn(): void {
    if (this.#forger.random.chance(0.3)) this.outsider.given(this.#forger.credential({ peerId: this.outsider.peer.id }))
  }

  /** Compares a table of peers that nobody has. */
  async #tableOfNobody(): Promise<void> {
    const { random } = this.#forger
    const messages = await this.#forger.dial(this.node, this.#victim(), MEMBERSHIP_PROTOCOL)
    const credential = this.node.membership!.credentialBytes
    await messages.write(encodeSync({ kind: 'hello', envelope: await this.#forger.record({ credential, sequence: 1n }) }))
    await messages.read(16 * 1024)
    const digests = Array.from({ length: 50 }, () => ({
      peerId: Uint8Array.from([...this.node.peer.id.subarray(0, 6), ...random.bytes(32)]),
      sequence: LAST_SEQUENCE,
      hash: random.bytes(8),
    }))
    await messages.write(encodeSync({ kind: 'digests', digests, revocations: [], more: false }))
    for (let asked = false; !asked; ) {
      asked = decodeSync(await messages.read(512 * 1024)).kind === 'want'
      if (!asked) await messages.write(encodeSync({ kind: 'next' }))
    }
    await messages.write(encodeSync({ kind: 'records', envelopes: [await this.#forger.record({ clusterId: random.bytes(32) })] }))
  }
}

/** Who holds the secret, and peer keys of its own, and nothing else but what a member that turned gives it. */
export class Outsider implements Host {
  alive = true
  stalledUntilMs = 0
  readonly handlers = new Map<string, (stream: Stream, connection: Connection) => void | Promise<void>>()
  readonly linked = new Set<string>()
  readonly machine: Machine
  readonly peer: SimPeer
  readonly #accomplice: SimPeer
  readonly #forger: Forger
  readonly #byAccomplice: Forger
  readonly #honest: () => readonly SimNode[]
  #given: Uint8Array | undefined

  constructor(
    cluster: Cluster,
    peers: [SimPeer, SimPeer],
    machine: Machine,
    like: () => CredentialBody,
    honest: () => readonly SimNode[],
  ) {
    ;[this.peer, this.#accomplice] = peers
    this.machine = machine
    this.#honest = honest
    const clock = new SimClock(cluster.timeline, this)
    this.#forger = new Forger(cluster, this.peer, clock, like)
    this.#byAccomplice = new Forger(cluster, this.#accomplice, clock, like)
    this.handlers.set(CHALLENGE_PROTOCOL, (stream, { remotePeer }) => this.#answer(stream, remotePeer.toMultihash().bytes))
    cluster.network.add(this)
  }

  /** A member that turned has issued it a credential. */
  given(credential: Uint8Array): void {
    this.#given = credential
  }

  async act(): Promise<void> {
    for (const { text } of this.#honest()) this.linked.add(text)
    const { random, cluster } = this.#forger
    const honest = random.pick(this.#honest())
    if (honest === undefined) return
    const byMember = this.#given !== undefined && random.chance(0.5)
    const credential = byMember ? this.#given! : this.#own(honest)
    const envelope = await this.#forger.record({ credential })
    if (random.chance(0.5)) cluster.network.inject(this, this.peer, encodeGossip({ kind: 'record', envelope }))
    else await this.#knock(honest, envelope, byMember)
  }

  #own(honest: SimNode): Uint8Array {
    const { random } = this.#forger
    return random.pick([
      () => this.#forger.credential(),
      () => this.#byAccomplice.credential({ peerId: this.peer.id }),
      // The cluster's signature is true, and the issuer's a lie.
      () => this.#forger.credential({ issuer: honest.peer.id }),
      () => honest.membership?.credentialBytes ?? this.#forger.credential(),
    ])!()
  }

  /** Without a credential by a member it must be told nothing. */
  async #knock(honest: SimNode, envelope: Uint8Array, byMember: boolean): Promise<void> {
    let told: Uint8Array
    try {
      const messages = await this.#forger.dial(this, honest, MEMBERSHIP_PROTOCOL)
      await messages.write(encodeSync({ kind: 'hello', envelope }))
      told = await messages.read(64 * 1024)
    } catch {
      return
    }
    try {
      decodeSync(told)
    } catch (error) {
      if (error instanceof RefusalError) return
    }
    if (!byMember && this.#given === undefined) throw new Violation('a stranger was told a record')
  }

  /** Challenged, it has a quote of nobody's. */
  async #answer(stream: Stream, verifier: Uint8Array): Promise<void> {
    const { cluster, random } = this.#forger
    if (random.chance(0.3)) return
    try {
      const messages = this.#forger.messages(stream)
      const message = await messages.read(512)
      const parties = { clusterId: clusterIdOf(cluster), member: this.peer.id, verifier }
      const binding = challengeBinding(parties, decodeChallenge(message))
      const collateral = collateralOf(START_MS + Math.floor(cluster.timeline.nowMs))
      const evidence = encodeEvidence({ quote: forgedQuote(binding), collateral, eventLog: [], binding })
      const signature = this.peer.sign('challenge-answer', answerSigned(parties, message, evidence))
      await messages.write(encodeAnswer({ evidence, signature }))
    } catch {
      // The verifier has gone.
    }
  }

  async hear(): Promise<Verdict> {
    return 'ignore'
  }
  subscribed(): void {}
  closed(): void {}
}
