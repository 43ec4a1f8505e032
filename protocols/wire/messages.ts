import type { Stream } from '@libp2p/interface'
import { concat } from './bytes.ts'
import { MalformedError } from './decode.ts'
import { Reader } from './reader.ts'

/** What an exchange needs of time; `src/base`'s Clock is one. */
export interface Timer {
  /** Unix milliseconds. */
  now(): number
  /** A signal that aborts after `ms` or with its parent. */
  deadline(ms: number, parent?: AbortSignal): { signal: AbortSignal; clear(): void }
}

/** Length-prefixed messages over one stream, each with its own limit and deadline. */
export interface Messages {
  /**
   * The next message's bytes, without its prefix. Empty, more than `limitBytes`, or a bad prefix: {@link MalformedError}.
   * @param timeoutMs - where this message may take longer than others; default `stepTimeoutMs`
   */
  read(limitBytes: number, timeoutMs?: number): Promise<Uint8Array>
  write(bytes: Uint8Array): Promise<void>
}

const MAX_PREFIX_BYTES = 4

const prefix = (length: number): Uint8Array => {
  const bytes: number[] = []
  for (; length >= 0x80; length = Math.floor(length / 0x80)) bytes.push((length & 0x7f) | 0x80)
  return Uint8Array.from([...bytes, length])
}

/** Resolves when the stream takes more; rejects when it ends before, or with the signal's reason. */
const drained = (stream: Stream, signal: AbortSignal): Promise<void> =>
  new Promise((resolve, reject) => {
    const done = () => {
      stream.removeEventListener('drain', onDrain)
      stream.removeEventListener('close', onClose)
      signal.removeEventListener('abort', onAbort)
    }
    const onDrain = () => {
      done()
      resolve()
    }
    const onClose = ({ error }: { error?: Error }) => {
      done()
      reject(error ?? new Error('the stream ended before all was sent'))
    }
    const onAbort = () => {
      done()
      reject(signal.reason)
    }
    if (signal.aborted) return reject(signal.reason)
    stream.addEventListener('drain', onDrain)
    stream.addEventListener('close', onClose)
    signal.addEventListener('abort', onAbort)
  })

/**
 * @param options.maxBytes - the largest message of the protocol; more than this unread is never buffered
 * @param options.stepTimeoutMs - for one message sent or received
 * @param options.signal - the deadline of the whole exchange
 */
export const messagesOf = (
  stream: Stream,
  options: { maxBytes: number; stepTimeoutMs: number; timer: Timer; signal: AbortSignal },
): Messages => {
  const reader = new Reader(stream, options.maxBytes + MAX_PREFIX_BYTES)

  const step = async <T>(run: (signal: AbortSignal) => Promise<T>, timeoutMs = options.stepTimeoutMs): Promise<T> => {
    const deadline = options.timer.deadline(timeoutMs, options.signal)
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
      const [byte = 0] = await reader.read(1, signal)
      length += (byte & 0x7f) * 0x80 ** i
      if ((byte & 0x80) !== 0) continue
      // As multiformats' unsigned-varint has it: one spelling for one number.
      if (byte === 0 && i > 0) throw new MalformedError('message length: longer than it need be')
      return length
    }
    throw new MalformedError('message length: more than four bytes')
  }

  return {
    read: (limitBytes, timeoutMs) =>
      step(async (signal) => {
        const length = await readLength(signal)
        if (length === 0 || length > limitBytes)
          throw new MalformedError(`message of ${length} bytes, at most ${limitBytes} here`)
        // A copy: the buffer is used again. Nothing secret is ever in a message unsealed.
        return reader.read(length, signal)
      }, timeoutMs),
    write: (message) =>
      step(async (signal) => {
        if (!stream.send(concat([prefix(message.length), message]))) await drained(stream, signal)
      }),
  }
}
