/**
 * How fast a peer's frames are worked off, before any protocol sees them. A frame of twelve bytes costs a processor as much as
 * kilobytes of data do, an empty message of Noise nearly so, and what begins a stream many times that: bounded by bytes alone, or
 * by protocols' own bounds, one peer could keep a core busy.
 */
import type { ConnectionEncrypter, MessageStream, PeerId, SecuredConnection } from '@libp2p/interface'
import type { Clock, Deadline } from '../base/index.ts'

// Implementation constants: tuning. One unit of work is about what answers a frame: ten microseconds (bench/frames.ts).

/** A stream that begins has a protocol agreed on, and a handler. */
export const STREAM_UNITS = 16
/** Decrypting so many bytes, and handing them on. */
const BYTES_PER_UNIT = 2_048

export interface Share {
  /** Units that may be worked off at once. */
  burst: number
  unitsPerSecond: number
}
/**
 * A member, and whom this node has dialed: more than gossip may bring (gossip.ts), and an exchange of full tables at once. One that
 * brings more is read later, and loses nothing.
 */
const MEMBERS_SHARE: Share = { burst: 16_384, unitsPerSecond: 4_096 }
/** A join of the largest evidence twice over; what dials again has a handshake to pay for. One that brings more is cut off. */
const STRANGERS_SHARE: Share = { burst: 512, unitsPerSecond: 64 }
/** Higher: fewer interruptions of one that brings too much. Lower: each is shorter. */
const PAUSE_MIN_MS = 50

export class PaceError extends Error {
  override readonly name = 'PaceError'
  constructor() {
    super('a stranger that brings more frames than a join takes')
  }
}

/** What is used of an encrypted connection. */
export type Paced = Pick<MessageStream, 'status' | 'pause' | 'resume' | 'abort' | 'addEventListener'> & {
  /** Where it is neither of these, nothing is read any more. */
  readStatus?: string
}
type Ticks = Pick<Clock, 'monotonicMs' | 'deadline'>

/** Of one connection: the work that its peer has caused, and what is left of its share. */
export class Pace {
  readonly #connection: Paced
  readonly #clock: Ticks
  readonly #isTrusted: () => boolean
  #trusted = false
  /** Worked off, less what has come back since. */
  #units = 0
  #atMs: number
  /** Nothing is read until it ends. */
  #pause: Deadline | undefined
  /** There was more to do than may be done now. */
  #short = false
  #goOn = () => {}

  /** @param isTrusted - of members and of whom this node has dialed: they wait, others are cut off */
  constructor(connection: Paced, clock: Ticks, isTrusted: () => boolean) {
    this.#connection = connection
    this.#clock = clock
    this.#isTrusted = isTrusted
    this.#atMs = clock.monotonicMs()
    connection.addEventListener('close', () => this.#pause?.clear())
  }

  /** Calls `listener` after each pause: what waits for {@link Pace.take} may try again, before anything more is read. */
  onGoOn(listener: () => void): void {
    this.#goOn = listener
  }

  /** Work that is done already: a message was decrypted. Throws PaceError where a stranger's share is used up. */
  spend(units: number): void {
    this.#refill()
    if (!this.take(units)) this.#units += units
  }

  /** Whether the share has something left for work to be done; else nothing more is read until it has. Throws as {@link Pace.spend}. */
  take(units: number): boolean {
    if (this.#units < this.#share.burst) {
      this.#units += units
      return true
    }
    if (!this.#trusted) throw new PaceError()
    this.#short = true
    this.#wait()
    return false
  }

  get #share(): Share {
    return this.#trusted ? MEMBERS_SHARE : STRANGERS_SHARE
  }

  #refill(): void {
    this.#trusted = this.#isTrusted()
    const nowMs = this.#clock.monotonicMs()
    this.#units = Math.max(0, this.#units - ((nowMs - this.#atMs) * this.#share.unitsPerSecond) / 1_000)
    this.#atMs = nowMs
  }

  #wait(): void {
    if (this.#pause !== undefined || this.#connection.status !== 'open') return
    if (this.#connection.readStatus === 'readable') this.#connection.pause()
    const { burst, unitsPerSecond } = this.#share
    const pause = this.#clock.deadline(Math.max(PAUSE_MIN_MS, ((this.#units - burst) * 1_000) / unitsPerSecond))
    this.#pause = pause
    pause.signal.addEventListener('abort', () => this.#resume())
  }

  #resume(): void {
    if (this.#connection.status !== 'open') return
    try {
      this.#short = false
      this.#refill()
      this.#goOn()
      // What comes in while it is called asks for a new pause in vain: made now, it would be undone when the call returns.
      if (!this.#short && this.#connection.readStatus === 'paused') this.#connection.resume()
      this.#pause = undefined
      if (this.#short) this.#wait()
    } catch (error) {
      this.#connection.abort(error as Error)
    }
  }
}

/** Of all connections of a node, by the encrypted connection. */
export class Paces {
  readonly #clock: Ticks
  readonly #isMember: (peer: PeerId) => boolean
  readonly #paces = new WeakMap<object, Pace>()

  constructor(clock: Ticks, isMember: (peer: PeerId) => boolean) {
    this.#clock = clock
    this.#isMember = isMember
  }

  of(connection: object): Pace {
    const pace = this.#paces.get(connection)
    if (pace === undefined) throw new TypeError('a connection whose encryption nobody paces')
    return pace
  }

  /** An encryption whose connections each have a pace, and pay by it for each message that is decrypted. */
  encryption<C, E extends ConnectionEncrypter>(encryption: (components: C) => E): (components: C) => E {
    return (components) => {
      const inner = encryption(components)
      const { secureInbound, secureOutbound } = inner
      inner.secureInbound = async (connection, options) =>
        this.#paced(await secureInbound.call(inner, connection, options), false)
      inner.secureOutbound = async (connection, options) =>
        this.#paced(await secureOutbound.call(inner, connection, options), true)
      return inner
    }
  }

  #paced(secured: SecuredConnection, dialed: boolean): SecuredConnection {
    const { connection, remotePeer } = secured
    const pace = new Pace(connection, this.#clock, () => dialed || this.#isMember(remotePeer))
    this.#paces.set(connection, pace)
    // What libp2p's encrypted connections call with each message, also with an empty one that nobody else would see.
    const incoming = connection as unknown as { onData(data: { byteLength: number }): void }
    if (typeof incoming.onData !== 'function') throw new TypeError('Noise brings messages in by another way than onData')
    const hand = incoming.onData.bind(incoming)
    incoming.onData = (data) => {
      // What is thrown in here ends the connection, and nothing more of what came is decrypted.
      pace.spend(1 + data.byteLength / BYTES_PER_UNIT)
      hand(data)
    }
    return secured
  }
}
