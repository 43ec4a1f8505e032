/**
 * Dials several addresses, each a little after the one before ("happy eyeballs", RFC 8305): one that leads nowhere holds up nobody.
 * What is reached waits to be taken, one after the other.
 */
import type { Connection } from '@libp2p/interface'
import type { Clock } from '../base/index.ts'

// Implementation constants: tuning.

/** Before the next dial begins, unless one has ended by then. Higher: fewer dials for nothing. Lower: dead ends cost less. */
const HEAD_START_MS = 1_000
/** Being dialed, or reached and not taken. */
const HELD_MAX = 3

export interface Reached<T> {
  target: T
  /** As it was dialed. */
  address: string
  connection: Connection
}

export interface DialerInit<T> {
  dial(target: T, signal: AbortSignal): Promise<Omit<Reached<T>, 'target'>>
  /** A dial came to nothing. */
  failed(target: T, error: unknown): void
  clock: Clock
}

export class Dialer<T> implements Disposable {
  readonly #init: DialerInit<T>
  readonly #stopping = new AbortController()
  readonly #dialing = new Set<T>()
  #reached: Reached<T>[] = []
  #taken: Connection | undefined
  #ended = Promise.withResolvers<void>()

  constructor(init: DialerInit<T>) {
    this.#init = init
  }

  /** Whether another dial may begin. */
  get hasPlace(): boolean {
    return this.#dialing.size + this.#reached.length < HELD_MAX
  }

  isFree(target: T): boolean {
    return !this.#dialing.has(target) && !this.#reached.some((reached) => reached.target === target)
  }

  begin(target: T): void {
    this.#dialing.add(target)
    void this.#dial(target)
  }

  /** One that was reached and is still there: the first that is `preferred`, or the first. */
  take(preferred: (target: T) => boolean): Reached<T> | undefined {
    const there = this.#reached.filter(({ connection }) => connection.status === 'open')
    const gone = this.#reached.filter(({ connection }) => connection.status !== 'open')
    const reached = there.find(({ target }) => preferred(target)) ?? there[0]
    this.#reached = there.filter((other) => other !== reached)
    for (const { target } of gone) this.#init.failed(target, new Error('it hung up'))
    this.#taken = reached?.connection
    return reached
  }

  /** Resolves when a dial ends, or after `ms`: the head start of the one that has begun if left out. */
  async ended(signal: AbortSignal, ms = HEAD_START_MS): Promise<void> {
    using over = { controller: new AbortController(), [Symbol.dispose]: () => over.controller.abort() }
    const slept = this.#init.clock.sleep(ms, AbortSignal.any([signal, over.controller.signal]))
    // What is awaited no more ends with the other.
    slept.catch(() => {})
    await Promise.race([this.#ended.promise, slept])
  }

  /** Gives up what is not taken. */
  [Symbol.dispose](): void {
    const reason = new Error('another one let this node in, or none is to')
    this.#stopping.abort(reason)
    // Two addresses may lead to one peer, and so to one connection.
    for (const { connection } of this.#reached) if (connection !== this.#taken) connection.abort(reason)
    this.#reached = []
  }

  async #dial(target: T): Promise<void> {
    try {
      const reached = { target, ...(await this.#init.dial(target, this.#stopping.signal)) }
      if (!this.#stopping.signal.aborted) this.#reached.push(reached)
      else if (reached.connection !== this.#taken) reached.connection.abort(new Error('not needed any more'))
    } catch (error) {
      if (!this.#stopping.signal.aborted) this.#init.failed(target, error)
    } finally {
      this.#dialing.delete(target)
      this.#ended.resolve()
      this.#ended = Promise.withResolvers()
    }
  }
}
