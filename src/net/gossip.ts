/** The members' topic: gossipsub behind the gate, with bounds on what a member may send. */

import { type GossipSub, gossipsub, TopicValidatorResult } from '@libp2p/gossipsub'
import { createTopicScoreParams } from '@libp2p/gossipsub/score'
import type { ComponentLogger, Connection, PeerId, PeerStore, PrivateKey, Startable, Stream } from '@libp2p/interface'
import type { Clock } from '../base/index.ts'
import { unhurried } from './backpressure.ts'
import { type Degrees, degrees } from './degrees.ts'
import type { Gate } from './gate.ts'

// Implementation constants: tuning.

/**
 * A frame may carry several messages: who was away asks for all that it missed of the last seconds and is answered in one.
 * A longer one costs the stream, so this stays well above what honest members send.
 */
const FRAME_BYTES_MAX = 2 * 1024 * 1024
/** Unsent bytes for a member that does not read; then its stream ends. */
const UNSENT_BYTES_MAX = 2 * FRAME_BYTES_MAX
/** Of one member's stream. Refreshing takes a few kilobytes a second; the burst lets several revocations pass at once. */
const INBOUND_BUDGET = { burstBytes: 2 * FRAME_BYTES_MAX, bytesPerSecond: 128 * 1024 }
/** Old streams end a little after new ones have begun. */
const STREAMS_PER_CONNECTION = 4
/** Members beside those relayed to, to whom each heartbeat offers the last messages. Higher: what was lost is repaired surer. */
const OFFERED_TO = 4
/** A message that comes again later than this is stale to the validator anyhow. Lower: less memory under a flood. */
const SEEN_MS = 30_000
/** Of each kind in one frame. A member has one topic; ids that a frame asks for or offers are those of the last seconds. */
const RPC_LIMITS = {
  maxSubscriptions: 8,
  maxMessages: 1_024,
  maxIhaveMessageIDs: 1_024,
  maxIwantMessageIDs: 1_024,
  maxIdontwantMessageIDs: 512,
  maxControlMessages: 16,
  maxPeerInfos: 16,
}
/** Higher: a slow member is not interrupted. Lower: sooner repaired. */
const DEAF_MS = 5_000
const TOPIC_BYTES_PER_PEER = 8 * 1024

export type GossipVerdict = 'accept' | 'ignore' | 'reject'

export interface GossipInit {
  topic: string
  /** Of a message's data; a longer one is rejected. */
  maxBytes: number
  /** Judges every message before it is relayed; what it accepts it has taken. `reject` costs the sender score. */
  validate(author: PeerId, data: Uint8Array): Promise<GossipVerdict>
}

export interface GossipComponents {
  privateKey: PrivateKey
  peerId: PeerId
  peerStore: PeerStore
  logger: ComponentLogger
}

/** Where a stream to a member is to be opened. */
interface Opening {
  peerId: PeerId
  connection: Connection
}

/** Gossipsub's class has these; the interface that it exports does not. */
type Router = GossipSub &
  Startable & {
    streamsOutbound: Map<string, { rawStream: Pick<Stream, 'status'> }>
    outboundInflightQueue: { push(to: Opening): void; end(): void }
    createOutboundStream(peer: PeerId, connection: Connection): Promise<void>
    handlePeerReadStreamError(error: Error, peer: PeerId): void
    getMeshPeers(topic: string): string[]
    opts: Degrees
  }

const VERDICTS: Record<GossipVerdict, TopicValidatorResult> = {
  accept: TopicValidatorResult.Accept,
  ignore: TopicValidatorResult.Ignore,
  reject: TopicValidatorResult.Reject,
}

export class Gossip implements Startable {
  readonly #init: GossipInit
  readonly #router: Router
  readonly #listeners = new Set<(peer: PeerId) => void>()
  /** Who subscribes and can be sent to; told once for each time that both begin. */
  readonly #told = new Set<string>()
  readonly #clock: Clock
  /** Who has a stream of ours and has not subscribed, and since when. */
  readonly #deafSinceMs = new Map<string, number>()
  /** To whom a stream is being opened, and on which connection next should that fail. */
  readonly #opening = new Map<string, Opening | undefined>()

  constructor(components: GossipComponents, gate: Gate, clock: Clock, init: GossipInit) {
    this.#init = init
    this.#clock = clock
    const { topic } = init
    this.#router = gossipsub({
      ...degrees(0),
      globalSignaturePolicy: 'StrictSign',
      allowedTopics: [topic],
      // Peer exchange would hand out addresses, and take them from others.
      doPX: false,
      fallbackToFloodsub: false,
      // Who publishes right after it has dialed would be thrown an error: publish() says that nobody was sent it.
      allowPublishToZeroTopicPeers: true,
      // One after the other: what comes meanwhile waits at the sender.
      awaitRpcHandler: true,
      awaitRpcMessageHandler: true,
      tagMeshPeers: false,
      seenTTL: SEEN_MS,
      Dlazy: OFFERED_TO,
      maxInboundStreams: STREAMS_PER_CONNECTION,
      maxOutboundStreams: STREAMS_PER_CONNECTION,
      maxInboundDataLength: FRAME_BYTES_MAX,
      maxOutboundBufferSize: UNSENT_BYTES_MAX,
      maxTopicBytesPerPeer: TOPIC_BYTES_PER_PEER,
      decodeRpcLimits: RPC_LIMITS,
      scoreParams: scoreParams(topic),
      scoreThresholds: {
        gossipThreshold: -10,
        publishThreshold: -50,
        graylistThreshold: -80,
        acceptPXThreshold: Number.POSITIVE_INFINITY,
        // Only a mesh of bad peers asks for others: in a quiet topic nobody's score is high.
        opportunisticGraftThreshold: 0,
      },
    })({
      // By name: libp2p's components are a proxy that cannot be spread.
      privateKey: components.privateKey,
      peerId: components.peerId,
      peerStore: components.peerStore,
      logger: components.logger,
      registrar: gate.registrar((stream) => unhurried(stream, clock, INBOUND_BUDGET)),
      connectionManager: gate.connectionManager(() => false),
    }) as Router
    this.#router.topicValidators.set(topic, (_relay, message) =>
      message.type === 'signed' ? this.#judge(message.from, message.data) : TopicValidatorResult.Reject,
    )
    // It would forget the peer, with the sound streams and the subscription that came on another connection. Who has broken a stream
    // opens another, and who is gone is told of by the gate.
    this.#router.handlePeerReadStreamError = () => {}
    this.#router.addEventListener('subscription-change', ({ detail: { peerId } }) => this.#tell(peerId))
    gate.onOpened((peer) => this.#tell(peer))
    gate.onForgotten((peer) => void this.#told.delete(peer.toString()))
  }

  async start(): Promise<void> {
    await this.#router.start()
    // Its own queue opens one stream after the other: one member that does not answer would hold up all.
    this.#router.outboundInflightQueue.end()
    this.#router.outboundInflightQueue = { push: (opening) => this.#open(opening), end() {} }
    this.#router.subscribe(this.#init.topic)
  }

  async stop(): Promise<void> {
    await this.#router.stop()
  }

  /** Whether anybody was sent it. */
  async publish(data: Uint8Array): Promise<boolean> {
    const { recipients } = await this.#router.publish(this.#init.topic, data)
    return recipients.length > 0
  }

  /** Tells `listener` of each member from the moment on when it can be sent to, until the function returned is called. */
  onSubscriber(listener: (peer: PeerId) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  subscribers(): PeerId[] {
    return this.#router.getSubscribers(this.#init.topic).filter((peer) => this.#hasStream(peer.toString()))
  }

  /** Whether there is no stream to this peer, and none is being opened. */
  broke(peer: PeerId): boolean {
    const id = peer.toString()
    if (this.#hasStream(id) || this.#opening.has(id)) return false
    // Gossipsub takes out a stream that ends, unless it ended before gossipsub listened for that.
    this.#router.streamsOutbound.delete(id)
    this.#told.delete(id)
    return true
  }

  /**
   * Whether this peer has a stream of ours and has for a while not subscribed, as all members do with their first words: it may
   * take for whole what is not.
   */
  deaf(peer: PeerId): boolean {
    const id = peer.toString()
    for (const known of this.#deafSinceMs.keys()) if (!this.#hasStream(known)) this.#deafSinceMs.delete(known)
    if (!this.#hasStream(id) || this.#router.getSubscribers(this.#init.topic).some((subscriber) => subscriber.equals(peer))) {
      this.#deafSinceMs.delete(id)
      return false
    }
    const nowMs = this.#clock.monotonicMs()
    const sinceMs = this.#deafSinceMs.get(id)
    if (sinceMs === undefined) this.#deafSinceMs.set(id, nowMs)
    if (nowMs - (sinceMs ?? nowMs) < DEAF_MS) return false
    this.#deafSinceMs.delete(id)
    return true
  }

  /** Members that messages are relayed to, in text form. */
  mesh(): string[] {
    return this.#router.getMeshPeers(this.#init.topic)
  }

  size(members: number): void {
    Object.assign(this.#router.opts, degrees(members - 1))
  }

  #hasStream(id: string): boolean {
    return this.#router.streamsOutbound.get(id)?.rawStream.status === 'open'
  }

  #open(opening: Opening): void {
    const id = opening.peerId.toString()
    if (this.#opening.has(id)) return void this.#opening.set(id, opening)
    if (!this.broke(opening.peerId)) return
    this.#opening.set(id, undefined)
    void this.#router.createOutboundStream(opening.peerId, opening.connection).finally(() => {
      const next = this.#opening.get(id)
      this.#opening.delete(id)
      if (next !== undefined) this.#open(next)
    })
  }

  async #judge(author: PeerId, data: Uint8Array): Promise<TopicValidatorResult> {
    if (data.byteLength > this.#init.maxBytes) return TopicValidatorResult.Reject
    return VERDICTS[await this.#init.validate(author, data)]
  }

  #tell(peer: PeerId): void {
    const reachable = new Set(this.subscribers().map(String))
    for (const told of this.#told) if (!reachable.has(told)) this.#told.delete(told)
    const id = peer.toString()
    if (!reachable.has(id) || this.#told.has(id)) return
    this.#told.add(id)
    for (const listener of this.#listeners) listener(peer)
  }
}

/** What a member's behaviour costs it. Being many on one address costs nothing: quotes limit members, not addresses. */
const scoreParams = (topic: string) => ({
  IPColocationFactorWeight: 0,
  // Ids offered and not sent, grafts while told to stay away. A slow machine does so now and then: only beyond six it counts.
  behaviourPenaltyWeight: -10,
  behaviourPenaltyThreshold: 6,
  behaviourPenaltyDecay: 0.9,
  topics: {
    [topic]: createTopicScoreParams({
      topicWeight: 1,
      timeInMeshWeight: 0.01,
      timeInMeshQuantum: 1_000,
      timeInMeshCap: 300,
      firstMessageDeliveriesWeight: 0.1,
      firstMessageDeliveriesDecay: 0.9,
      firstMessageDeliveriesCap: 20,
      // How much a member relays says nothing in a topic where most seconds bring no message.
      meshMessageDeliveriesWeight: 0,
      meshFailurePenaltyWeight: 0,
      // No honest member relays what is rejected: the second puts it out of the mesh, the third makes it unheard for a minute.
      invalidMessageDeliveriesWeight: -10,
      invalidMessageDeliveriesDecay: 0.98,
    }),
  },
})
