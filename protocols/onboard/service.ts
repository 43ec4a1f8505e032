import type { AbortOptions, Connection, PeerId, Startable, Stream } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import { lastWord, MESSAGE_LIMIT_BYTES, messagesOf, STEP_TIMEOUT_MS } from '../wire/index.ts'
import { Admission, type AdmissionLimits } from './admission.ts'
import type { AdoptedKeyring, ClusterPolicy, Joined } from './check-grant.ts'
import { MAX_FAILURES_PER_CONNECTION, MAX_STREAMS_PER_CONNECTION, ONBOARD_PROTOCOL } from './constants.ts'
import { type JoinerRole, joinOver } from './joiner.ts'
import { encodeRefusalMessage } from './messages.ts'
import { type OnboarderRole, onboardOver, type RefusedJoin, turnedAway } from './onboarder.ts'
import { hpkeSealer, type Sealer } from './sealer.ts'
import type { OnboardTimer } from './turns.ts'

export interface OnboardInit {
  /** 32 bytes. */
  clusterId: Uint8Array
  timer: OnboardTimer
  random: { bytes(length: number): Uint8Array }
  /** @default HPKE with X-Wing */
  sealer?: Sealer
  /** Told how each inbound exchange ended; `error` is undefined when the joiner was admitted. For logs and counts. */
  onOutcome?(joiner: PeerId, outcome: { joinId?: string; error?: unknown }): void
  /** Whom limits by host count an address for. */
  hostOf(address: Multiaddr): string
  /** @default those of constants.ts */
  limits?: Partial<AdmissionLimits>
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
export interface OnboardComponents {
  peerId: PeerId
  registrar: {
    handle(
      protocol: string,
      handler: (stream: Stream, connection: Connection) => void | Promise<void>,
      options: { maxInboundStreams: number; maxOutboundStreams: number },
    ): Promise<void>
    unhandle(protocol: string): Promise<void>
  }
  connectionManager: {
    openConnection(peer: PeerId | Multiaddr | Multiaddr[], options?: AbortOptions): Promise<Connection>
  }
}

/** Both sides of /dstack/onboard/1.0.0. */
export class Onboard implements Startable {
  readonly #components: OnboardComponents
  readonly #init: OnboardInit
  readonly #sealer: Sealer
  readonly #stopping = new AbortController()
  readonly #admission: Admission
  readonly #failures = new WeakMap<Connection, number>()
  #role: OnboarderRole | undefined

  constructor(components: OnboardComponents, init: OnboardInit) {
    this.#components = components
    this.#init = init
    this.#sealer = init.sealer ?? hpkeSealer(init.random)
    this.#admission = new Admission(init.timer, init.limits)
  }

  async start(): Promise<void> {
    await this.#components.registrar.handle(ONBOARD_PROTOCOL, (stream, connection) => this.#serve(stream, connection), {
      maxInboundStreams: MAX_STREAMS_PER_CONNECTION,
      maxOutboundStreams: MAX_STREAMS_PER_CONNECTION,
    })
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new Error('the node is stopping'))
    await this.#components.registrar.unhandle(ONBOARD_PROTOCOL)
  }

  /** From now on joiners are served in this role; before, they are refused with `not_member`. */
  serveAs(role: OnboarderRole): void {
    this.#role = role
  }

  /** A connection to whoever answers at `address`. Throws what dialing throws. */
  dial(address: Multiaddr, signal: AbortSignal = this.#stopping.signal): Promise<Connection> {
    return this.#step(signal, (step) => this.#components.connectionManager.openConnection(address, { signal: step }))
  }

  /**
   * Joins the cluster through the peer at the other end; the connection is closed if that fails. Throws RefusalError,
   * FalseOnboarderError, SelfRefusedError, MalformedError, or what the connection throws.
   */
  async join<K extends AdoptedKeyring, P extends ClusterPolicy>(
    connection: Connection,
    role: JoinerRole<K, P>,
    parent: AbortSignal = this.#stopping.signal,
  ): Promise<Joined<K, P>> {
    try {
      // A peer can take a connection and then not say what it speaks.
      const stream = await this.#step(parent, (signal) => connection.newStream(ONBOARD_PROTOCOL, { signal }))
      return await joinOver(
        stream,
        {
          clusterId: this.#init.clusterId,
          joiner: this.#components.peerId.toMultihash().bytes,
          onboarder: connection.remotePeer.toMultihash().bytes,
        },
        role,
        this.#tools(),
        parent,
      )
    } catch (error) {
      // It would stay open for nothing, one more for each try.
      connection.abort(error instanceof Error ? error : new Error('onboard failed'))
      throw error
    }
  }

  async #step<T>(parent: AbortSignal, run: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const deadline = this.#init.timer.deadline(this.#init.stepTimeoutMs ?? STEP_TIMEOUT_MS, parent)
    try {
      return await run(deadline.signal)
    } catch (error) {
      if (deadline.signal.aborted) throw deadline.signal.reason
      throw error
    } finally {
      deadline.clear()
    }
  }

  async #serve(stream: Stream, connection: Connection): Promise<void> {
    const host = this.#init.hostOf(connection.remoteAddr)
    const allowance = this.#admission.enter(host, connection.remotePeer.toString())
    let joinId: string | undefined
    const outcome = (error?: unknown) =>
      this.#init.onOutcome?.(connection.remotePeer, { ...(joinId !== undefined && { joinId }), error })
    try {
      if (allowance === undefined) throw await this.#shed(stream)
      await onboardOver(
        stream,
        {
          clusterId: this.#init.clusterId,
          joiner: connection.remotePeer.toMultihash().bytes,
          onboarder: this.#components.peerId.toMultihash().bytes,
        },
        this.#role,
        {
          ...this.#tools(),
          allowance,
          onJoinId: (id) => {
            joinId = id
          },
        },
        this.#stopping.signal,
      )
      outcome()
    } catch (error) {
      this.#failed(connection)
      outcome(error)
    } finally {
      if (allowance !== undefined) this.#admission.leave(host)
    }
  }

  /** Refuses before anything is read. Gives the refusal when it has been sent. */
  async #shed(stream: Stream): Promise<RefusedJoin> {
    const { timer, stepTimeoutMs = STEP_TIMEOUT_MS } = this.#init
    const refused = turnedAway('busy', 'too many exchanges are open', this.#admission.retryAfterMs(), this.#role)
    const deadline = timer.deadline(stepTimeoutMs, this.#stopping.signal)
    try {
      const messages = messagesOf(stream, { maxBytes: MESSAGE_LIMIT_BYTES, stepTimeoutMs, timer, signal: deadline.signal })
      await lastWord(stream, messages, encodeRefusalMessage(refused.refusal), deadline.signal)
    } finally {
      deadline.clear()
    }
    return refused
  }

  /** A connection costs a handshake, a stream next to nothing: whoever only fails has to begin with the former again. */
  #failed(connection: Connection): void {
    const failures = (this.#failures.get(connection) ?? 0) + 1
    this.#failures.set(connection, failures)
    if (failures >= MAX_FAILURES_PER_CONNECTION) connection.abort(new Error('too many failed exchanges'))
  }

  #tools() {
    const { timer, random, stepTimeoutMs, exchangeTimeoutMs } = this.#init
    return { timer, random, sealer: this.#sealer, stepTimeoutMs, exchangeTimeoutMs }
  }
}

/** js-libp2p service factory. */
export const onboard =
  (init: OnboardInit) =>
  (components: OnboardComponents): Onboard =>
    new Onboard(components, init)
