import type { AbortOptions, Connection, PeerId, Startable, Stream } from '@libp2p/interface'
import {
  asError,
  EXCHANGE_TIMEOUT_MS,
  lastWord,
  MalformedError,
  messagesOf,
  type Refusal,
  STEP_TIMEOUT_MS,
} from '../wire/index.ts'
import {
  ANSWER_LIMIT_BYTES,
  BUSY_RETRY_AFTER_MS,
  CHALLENGE_LIMIT_BYTES,
  CHALLENGE_PROTOCOL,
  MAX_OPEN_EXCHANGES,
  MAX_STREAMS_PER_CONNECTION,
  OPEN_STRANGERS_MAX,
  PAUSE_MS,
  PAUSES_MAX,
} from './constants.ts'
import type { Parties } from './exchange.ts'
import { AnswerLimit, type AnswerOutcome, answerOver, type MemberRole } from './member.ts'
import { decodeOpening, encodeAsk, encodeRefusalMessage } from './messages.ts'
import { Pauses } from './pauses.ts'
import type { ChallengeTimer } from './timer.ts'
import { type ChallengeOutcome, type ChallengeStream, challengeOver, checkAsk, type VerifierRole } from './verifier.ts'

export interface ChallengesInit {
  /** 32 bytes. */
  clusterId: Uint8Array
  timer: ChallengeTimer
  random: { bytes(length: number): Uint8Array }
  /** A member has challenged this node, which answered or did not. */
  onAnswered?(verifier: PeerId, outcome: AnswerOutcome): void
  /** A member has asked this node to challenge it, which it did or did not. */
  onAsked?(member: PeerId, outcome: ChallengeOutcome | { outcome: 'declined'; refusal: Refusal }): void
  /**
   * Exchanges open at once that others began.
   * @default 64
   */
  maxOpenExchanges?: number
  /**
   * For one message sent or received, in milliseconds.
   * @default 10000
   */
  stepTimeoutMs?: number
  /**
   * For one exchange, in milliseconds.
   * @default 30000
   */
  exchangeTimeoutMs?: number
}

/** Only what is used of libp2p. */
export interface ChallengesComponents {
  peerId: PeerId
  registrar: {
    handle(
      protocol: string,
      handler: (stream: Stream, connection: Connection) => void | Promise<void>,
      options: { maxInboundStreams: number; maxOutboundStreams: number },
    ): Promise<void>
    unhandle(protocol: string): Promise<void>
  }
  connectionManager: { openConnection(peer: PeerId, options?: AbortOptions): Promise<Connection> }
}

/** What a node is told to be once it is a member. */
export interface ChallengeRoles {
  member: MemberRole
  verifier: VerifierRole
}

/** This node may not challenge anybody now; `code` is its standing. */
export class NoStandingError extends Error {
  override readonly name = 'NoStandingError'
  constructor(readonly code: 'busy' | 'lapsed' | 'not_member') {
    super(`this node may not issue credentials now (${code})`)
  }
}

/** Both sides of /dstack/challenge/1.0.0. */
export class Challenges implements Startable {
  readonly #components: ChallengesComponents
  readonly #init: ChallengesInit
  readonly #stopping = new AbortController()
  readonly #limit = new AnswerLimit()
  readonly #asks = new Pauses(PAUSES_MAX)
  #roles: ChallengeRoles | undefined
  readonly #open = { members: 0, strangers: 0 }

  constructor(components: ChallengesComponents, init: ChallengesInit) {
    this.#components = components
    this.#init = init
  }

  async start(): Promise<void> {
    const streams = { maxInboundStreams: MAX_STREAMS_PER_CONNECTION, maxOutboundStreams: MAX_STREAMS_PER_CONNECTION }
    await this.#components.registrar.handle(
      CHALLENGE_PROTOCOL,
      (stream, connection) => this.#serve(stream, connection.remotePeer),
      streams,
    )
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new Error('the node is stopping'))
    await this.#components.registrar.unhandle(CHALLENGE_PROTOCOL)
  }

  /** From now on challenges are made and answered in these roles; before, all are refused with `not_member`. */
  serveAs(roles: ChallengeRoles): void {
    this.#roles = roles
  }

  /** Challenges a member. Resolves however that ends; throws NoStandingError when this node may not issue now. */
  async challenge(member: PeerId, options: AbortOptions = {}): Promise<ChallengeOutcome> {
    const role = this.#roles?.verifier
    const standing = role?.standing() ?? 'not_member'
    if (role === undefined || standing !== 'active') throw new NoStandingError(standing === 'active' ? 'not_member' : standing)
    const stream = await this.#dial(member, options)
    if (stream instanceof Error) return { outcome: 'no_answer', error: stream }
    const parties = this.#parties({ member })
    return this.#over(stream, options, (channel) => challengeOver(channel, parties, role, this.#init.random))
  }

  /** Asks a member to challenge this node, and answers. Resolves however that ends. */
  async ask(verifier: PeerId, options: AbortOptions = {}): Promise<AnswerOutcome> {
    const stream = await this.#dial(verifier, options)
    if (stream instanceof Error) return { outcome: 'no_verdict', error: stream }
    return this.#over(stream, options, async (channel) => {
      try {
        await channel.messages.write(encodeAsk({ clusterId: this.#init.clusterId }))
        return await this.#answer(channel, verifier, await channel.messages.read(CHALLENGE_LIMIT_BYTES))
      } catch (error) {
        stream.abort(asError(error))
        return { outcome: 'no_verdict', error: asError(error) }
      }
    })
  }

  #answer(channel: ChallengeStream, verifier: PeerId, message: Uint8Array): Promise<AnswerOutcome> {
    const tools = { timer: this.#init.timer, limit: this.#limit }
    return answerOver(channel, this.#parties({ verifier }), this.#roles?.member, tools, message)
  }

  async #serve(stream: Stream, peer: PeerId): Promise<void> {
    // Strangers have few places of their own: they could hold all, and nobody's credential would be renewed.
    const kind = this.#roles?.verifier.isChallengeable(peer.toMultihash().bytes) === true ? 'members' : 'strangers'
    const most = this.#init.maxOpenExchanges ?? MAX_OPEN_EXCHANGES
    const full = this.#open[kind] >= (kind === 'members' ? most - OPEN_STRANGERS_MAX : OPEN_STRANGERS_MAX)
    this.#open[kind]++
    try {
      await this.#over(stream, {}, (channel) =>
        full ? this.#refuse(channel, { code: 'busy', retryAfterMs: BUSY_RETRY_AFTER_MS }) : this.#serveOver(channel, peer),
      )
    } finally {
      this.#open[kind]--
    }
  }

  async #serveOver(channel: ChallengeStream, peer: PeerId): Promise<void> {
    let message: Uint8Array
    let opening: ReturnType<typeof decodeOpening>
    try {
      message = await channel.messages.read(CHALLENGE_LIMIT_BYTES)
      opening = decodeOpening(message)
    } catch (error) {
      if (error instanceof MalformedError) return this.#refuse(channel, { code: 'malformed' })
      // A refusal that answers nothing, the stream's end, or a deadline.
      return channel.stream.abort(asError(error))
    }
    if ('challenge' in opening) {
      const outcome = await this.#answer(channel, peer, message)
      this.#init.onAnswered?.(peer, outcome)
    } else {
      const outcome = await this.#follow(channel, peer, opening.ask)
      this.#init.onAsked?.(peer, outcome)
    }
  }

  /** Step 0, V: M asked. */
  async #follow(
    channel: ChallengeStream,
    member: PeerId,
    ask: { clusterId: Uint8Array },
  ): Promise<ChallengeOutcome | { outcome: 'declined'; refusal: Refusal }> {
    const role = this.#roles?.verifier
    const parties = this.#parties({ member })
    const code = checkAsk(parties, ask, role)
    const nowMs = this.#init.timer.monotonicMs()
    const waitMs = code === undefined ? this.#asks.waitMs(member.toString(), nowMs) : 0
    const refusal: Refusal | undefined =
      code !== undefined ? { code } : waitMs > 0 ? { code: 'rate_limited', retryAfterMs: Math.ceil(waitMs) } : undefined
    if (role === undefined || refusal !== undefined) {
      const said = refusal ?? { code: 'not_member' as const }
      await this.#refuse(channel, said)
      return { outcome: 'declined', refusal: said }
    }
    this.#asks.pause(member.toString(), nowMs + PAUSE_MS)
    return challengeOver(channel, parties, role, this.#init.random)
  }

  #refuse({ stream, messages, signal }: ChallengeStream, refusal: Refusal): Promise<void> {
    return lastWord(stream, messages, encodeRefusalMessage(refusal), signal)
  }

  #parties(other: { member: PeerId } | { verifier: PeerId }): Parties {
    const own = this.#components.peerId
    const bytes = (peer: PeerId): Uint8Array => peer.toMultihash().bytes
    const { member, verifier } = 'member' in other ? { ...other, verifier: own } : { member: own, ...other }
    return { clusterId: this.#init.clusterId, member: bytes(member), verifier: bytes(verifier) }
  }

  /** A stream to `peer`, or why there is none. */
  async #dial(peer: PeerId, options: AbortOptions): Promise<Stream | Error> {
    const { timer, stepTimeoutMs = STEP_TIMEOUT_MS } = this.#init
    const deadline = timer.deadline(stepTimeoutMs, this.#until(options))
    try {
      const connection = await this.#components.connectionManager.openConnection(peer, { signal: deadline.signal })
      return await connection.newStream(CHALLENGE_PROTOCOL, { signal: deadline.signal })
    } catch (error) {
      return asError(error)
    } finally {
      deadline.clear()
    }
  }

  async #over<T>(stream: Stream, options: AbortOptions, run: (channel: ChallengeStream) => Promise<T>): Promise<T> {
    const { timer, stepTimeoutMs = STEP_TIMEOUT_MS, exchangeTimeoutMs = EXCHANGE_TIMEOUT_MS } = this.#init
    const exchange = timer.deadline(exchangeTimeoutMs, this.#until(options))
    try {
      const { signal } = exchange
      const messages = messagesOf(stream, { maxBytes: ANSWER_LIMIT_BYTES, stepTimeoutMs, timer, signal })
      return await run({ stream, messages, signal, stepTimeoutMs })
    } finally {
      exchange.clear()
    }
  }

  #until({ signal }: AbortOptions): AbortSignal {
    return signal === undefined ? this.#stopping.signal : AbortSignal.any([signal, this.#stopping.signal])
  }
}

/** js-libp2p service factory. */
export const challenges =
  (init: ChallengesInit) =>
  (components: ChallengesComponents): Challenges =>
    new Challenges(components, init)
