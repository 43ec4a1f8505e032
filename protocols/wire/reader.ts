import type { Stream } from '@libp2p/interface'

/** The other side ended the stream within a message. */
export class UnexpectedEndError extends Error {
  override readonly name = 'UnexpectedEndError'
}

/** The other side sent more than is ever waited for. */
export class OverflowError extends Error {
  override readonly name = 'OverflowError'
}

/** What room is made for at first; most messages are smaller. */
const FIRST_BYTES = 1_024

/**
 * Reads so many bytes of a stream at a time. What arrives is copied into one buffer that grows with it: a list of the chunks, as
 * libp2p's `byteStream` keeps them, costs a hundred bytes and more for each, and it is the sender who says how small they are.
 */
export class Reader {
  readonly #stream: Stream
  readonly #maxBytes: number
  #buffer = new Uint8Array(0)
  /** Unread bytes are those from `#from` to `#to`. */
  #from = 0
  #to = 0
  #failure: Error | undefined
  #wake = () => {}

  /** @param maxBytes - unread ones; a stream that brings more is reset */
  constructor(stream: Stream, maxBytes: number) {
    this.#stream = stream
    this.#maxBytes = maxBytes
    stream.addEventListener('message', ({ data }) => this.#take(data))
    stream.addEventListener('remoteCloseWrite', () => this.#wake())
    stream.addEventListener('close', ({ error }) => {
      this.#failure ??= error
      this.#wake()
    })
  }

  /** The next `length` bytes, a copy. What came before the stream ended, however it ended, can be read. */
  async read(length: number, signal: AbortSignal): Promise<Uint8Array> {
    while (this.#to - this.#from < length) {
      signal.throwIfAborted()
      if (this.#failure !== undefined) throw this.#failure
      if (this.#stream.remoteWriteStatus !== 'writable' && this.#stream.readBufferLength === 0)
        throw new UnexpectedEndError(`the stream ended after ${this.#to - this.#from} of ${length} bytes`)
      await this.#news(signal)
    }
    const bytes = this.#buffer.slice(this.#from, this.#from + length)
    this.#from += length
    return bytes
  }

  async #news(signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#wake = resolve
    signal.addEventListener('abort', this.#wake, { once: true })
    try {
      await promise
    } finally {
      signal.removeEventListener('abort', this.#wake)
    }
  }

  #take(data: (Iterable<Uint8Array> & { byteLength: number }) | Uint8Array): void {
    if (this.#failure instanceof OverflowError) return
    const unread = this.#to - this.#from
    const needed = unread + data.byteLength
    if (needed > this.#maxBytes) {
      const overflow = new OverflowError(`${needed} bytes that nobody waits for, at most ${this.#maxBytes}`)
      this.#failure = overflow
      this.#buffer = new Uint8Array(0)
      this.#from = this.#to = 0
      // The stream is in the middle of handing this over.
      queueMicrotask(() => this.#stream.abort(overflow))
      this.#wake()
      return
    }
    if (this.#to + data.byteLength > this.#buffer.length) this.#makeRoom(needed)
    for (const chunk of data instanceof Uint8Array ? [data] : data) {
      this.#buffer.set(chunk, this.#to)
      this.#to += chunk.length
    }
    this.#wake()
  }

  /** Moves what is unread to the front, of a buffer twice as large if need be. */
  #makeRoom(needed: number): void {
    const unread = this.#buffer.subarray(this.#from, this.#to)
    if (needed > this.#buffer.length / 2) {
      this.#buffer = new Uint8Array(Math.min(this.#maxBytes, Math.max(FIRST_BYTES, 2 * needed)))
    }
    this.#buffer.set(unread)
    this.#from = 0
    this.#to = unread.length
  }
}
