import { byteStream } from '@libp2p/utils'
import type { Stream } from '@libp2p/interface'
import { Uint8ArrayList } from 'uint8arraylist'
import { MalformedError } from './decode.ts'

/** What an exchange needs of time; `src/base`'s Clock is one. */
export interface Timer {
  /** Unix milliseconds. */
  now(): number
  /** A signal that aborts after `ms` or with its parent. */
  deadline(ms: number, parent?: AbortSignal): { signal: AbortSignal; clear(): void }
}

/** Length-prefixed messages over one stream, each with its own limit and deadline. */
export interface Messages {
  /** The next message's bytes, without its prefix. More than `limitBytes`: {@link MalformedError}. */
  read(limitBytes: number): Promise<Uint8Array>
  write(bytes: Uint8Array): Promise<void>
  /** Wipes whatever of the messages read so far still lies in receive buffers that this object made. */
  wipe(): void
}

const MAX_PREFIX_BYTES = 4

const prefix = (length: number): Uint8Array => {
  const bytes: number[] = []
  for (; length >= 0x80; length = Math.floor(length / 0x80)) bytes.push((length & 0x7f) | 0x80)
  return Uint8Array.from([...bytes, length])
}

/**
 * @param options.maxBytes - the largest message of the protocol; more than this unread is never buffered
 * @param options.stepTimeoutMs - for one message sent or received
 * @param options.signal - the deadline of the whole exchange
 */
export const messagesOf = (
  stream: Stream,
  options: { maxBytes: number; stepTimeoutMs: number; timer: Timer; signal: AbortSignal },
): Messages => {
  const bytes = byteStream(stream, { maxBufferSize: options.maxBytes + MAX_PREFIX_BYTES })
  const received: Uint8Array[] = []

  const step = async <T>(run: (signal: AbortSignal) => Promise<T>): Promise<T> => {
    const deadline = options.timer.deadline(options.stepTimeoutMs, options.signal)
    try {
      return await run(deadline.signal)
    } catch (error) {
      if (deadline.signal.aborted) throw deadline.signal.reason
      throw error
    } finally {
      deadline.clear()
    }
  }

  const readLength = async (signal: AbortSignal): Promise<number> => {
    let length = 0
    for (let i = 0; i < MAX_PREFIX_BYTES; i++) {
      const byte = (await bytes.read({ bytes: 1, signal })).get(0)
      length += (byte & 0x7f) * 0x80 ** i
      if ((byte & 0x80) === 0) return length
    }
    throw new MalformedError('message length: more than four bytes')
  }

  return {
    read: (limitBytes) =>
      step(async (signal) => {
        const length = await readLength(signal)
        if (length === 0 || length > limitBytes) throw new MalformedError(`message of ${length} bytes, at most ${limitBytes} here`)
        const list = await bytes.read({ bytes: length, signal })
        // One copy of our own; the stream's chunks are wiped, so that a secret in a message has one place.
        const message = list.slice()
        for (const chunk of list) if (chunk.buffer !== message.buffer) chunk.fill(0)
        received.push(message)
        return message
      }),
    write: (message) => step((signal) => bytes.write(new Uint8ArrayList(prefix(message.length), message), { signal })),
    wipe() {
      for (const message of received.splice(0)) message.fill(0)
    },
  }
}
