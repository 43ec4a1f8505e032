import { createHash } from 'node:crypto'
import type { Stream } from '@libp2p/interface'
import { streamPair } from '@libp2p/utils'
import { type Clock, type Deadline, DeadlineError, type Random } from '../../src/base/index.ts'
import { NOW_MS } from '../attest/support.ts'

export { NOW_MS }

export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
export const unhex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'hex'))

/** A copy with one bit of the byte at `index` (from the end when negative) turned. */
export const flipped = (bytes: Uint8Array, index = 0): Uint8Array => {
  const copy = Uint8Array.from(bytes)
  copy[index < 0 ? bytes.length + index : index]! ^= 1
  return copy
}

/** The same bytes for the same label; each draw differs from all others. */
export const seededRandom = (label: string): Random => {
  let draws = 0
  return {
    bytes(length) {
      const out = new Uint8Array(length)
      for (let at = 0; at < length; at += 32) {
        const block = createHash('sha256').update(`${label}/${draws++}`).digest()
        out.set(block.subarray(0, length - at), at)
      }
      return out
    },
    uniform: () => 0.5,
  }
}

interface Pending {
  atMs: number
  afterMs: number
  expire(): void
}

/** A clock that only {@link FakeClock.pass} moves, deadlines included. */
export class FakeClock implements Clock {
  #wallMs: number
  #elapsedMs = 0
  readonly #pending = new Set<Pending>()
  #watchers: (() => void)[] = []
  constructor(wallMs = NOW_MS) {
    this.#wallMs = wallMs
  }

  now = (): number => this.#wallMs
  monotonicMs = (): number => this.#elapsedMs
  sleep = (): Promise<void> => Promise.reject(new Error('nothing here sleeps'))
  deadline = (ms: number, parent?: AbortSignal): Deadline => {
    const controller = new AbortController()
    const onParent = () => {
      clear()
      controller.abort(parent?.reason)
    }
    const pending: Pending = {
      atMs: this.#elapsedMs + ms,
      afterMs: ms,
      expire() {
        clear()
        controller.abort(new DeadlineError(ms))
      },
    }
    const clear = () => {
      this.#pending.delete(pending)
      parent?.removeEventListener('abort', onParent)
    }
    this.#pending.add(pending)
    if (parent?.aborted) onParent()
    else parent?.addEventListener('abort', onParent, { once: true })
    for (const wake of this.#watchers.splice(0)) wake()
    return { signal: controller.signal, clear, [Symbol.dispose]: clear }
  }

  /** Resolves once a deadline of exactly `ms` is running. */
  async armed(ms: number): Promise<void> {
    while (![...this.#pending].some(({ afterMs }) => afterMs === ms)) {
      await new Promise<void>((resolve) => this.#watchers.push(resolve))
    }
  }
  pass(ms: number): void {
    this.#wallMs += ms
    this.#elapsedMs += ms
    for (const pending of [...this.#pending]) if (pending.atMs <= this.#elapsedMs) pending.expire()
  }
  /** Deadlines that run: none when everybody has cleaned up. */
  get running(): number {
    return this.#pending.size
  }
}

const lengthPrefix = (length: number): number[] =>
  length < 0x80 ? [length] : [(length & 0x7f) | 0x80, ...lengthPrefix(length >>> 7)]

/** A message as it stands on the stream. */
export const framed = (message: Uint8Array): Uint8Array => Uint8Array.from([...lengthPrefix(message.length), ...message])

/** One end of a stream, played by hand: no limits, no checks, no deadlines. */
export class HandPeer {
  #received = new Uint8Array(0)
  /** How the other side ended the stream, once it has. */
  #end: 'closed' | 'reset' | undefined
  #wake: () => void = () => {}
  constructor(readonly stream: Stream) {
    const note = (end: 'closed' | 'reset') => {
      this.#end ??= end
      this.#wake()
    }
    stream.addEventListener('message', (event) => {
      this.#received = Uint8Array.from([...this.#received, ...event.data.subarray()])
      this.#wake()
    })
    stream.addEventListener('remoteCloseWrite', () => note('closed'))
    stream.addEventListener('close', (event) => note(event.error === undefined ? 'closed' : 'reset'))
  }

  sendRaw(bytes: Uint8Array): void {
    this.stream.send(bytes)
  }
  send(message: Uint8Array): void {
    this.sendRaw(framed(message))
  }
  /** The next message; an error when the stream ends first. */
  async read(): Promise<Uint8Array> {
    for (;;) {
      const message = this.#next()
      if (message !== undefined) return message
      if (this.#end !== undefined) throw new Error(`the stream was ${this.#end}`)
      await this.#more()
    }
  }
  /** Everything that is still to come, and how it ended. */
  async rest(): Promise<{ messages: Uint8Array[]; end: 'closed' | 'reset' }> {
    while (this.#end === undefined) await this.#more()
    const messages: Uint8Array[] = []
    for (let message = this.#next(); message !== undefined; message = this.#next()) messages.push(message)
    return { messages, end: this.#end }
  }

  #next(): Uint8Array | undefined {
    let length = 0
    for (let i = 0; i < this.#received.length; i++) {
      const byte = this.#received[i]!
      length += (byte & 0x7f) << (7 * i)
      if ((byte & 0x80) !== 0) continue
      const end = i + 1 + length
      if (this.#received.length < end) return undefined
      const message = this.#received.slice(i + 1, end)
      this.#received = this.#received.slice(end)
      return message
    }
    return undefined
  }
  #more(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve
    })
  }
}

/** A stream between the code under test and a peer played by hand. */
export const withHand = async (): Promise<{ stream: Stream; hand: HandPeer }> => {
  const [outbound, inbound] = await streamPair()
  return { stream: inbound, hand: new HandPeer(outbound) }
}

/** What a promise was rejected with; an error when it was not. */
export const rejection = async (promise: Promise<unknown>): Promise<Error & { code?: string }> => {
  try {
    await promise
  } catch (error) {
    if (error instanceof Error) return error
    throw new Error('rejected with something that is no error')
  }
  throw new Error('expected a rejection')
}
