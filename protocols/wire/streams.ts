import type { Stream } from '@libp2p/interface'
import type { Messages, Timer } from './messages.ts'

/** Whatever was thrown, as an error: what a stream can be aborted with. */
export const asError = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)))

/** All has been said: what becomes of the stream changes nothing any more. */
export const endStream = async (stream: Stream, signal: AbortSignal): Promise<void> => {
  try {
    await stream.close({ signal })
  } catch (error) {
    stream.abort(asError(error))
  }
}

/** Sends a last message (a refusal) and ends the stream; a peer that does not take it is cut off. */
export const lastWord = async (
  stream: Stream,
  messages: Pick<Messages, 'write'>,
  message: Uint8Array,
  signal: AbortSignal,
): Promise<void> => {
  try {
    await messages.write(message)
  } catch (error) {
    stream.abort(asError(error))
    return
  }
  await endStream(stream, signal)
}

/** Rejects when the time is over even if `run` does not heed its signal. */
export const within = async <T>(
  timer: Timer,
  ms: number,
  parent: AbortSignal,
  run: (signal: AbortSignal) => Promise<T>,
): Promise<T> => {
  const deadline = timer.deadline(ms, parent)
  const { promise: over, reject } = Promise.withResolvers<never>()
  const onAbort = () => reject(deadline.signal.reason)
  if (deadline.signal.aborted) onAbort()
  deadline.signal.addEventListener('abort', onAbort, { once: true })
  try {
    return await Promise.race([run(deadline.signal), over])
  } finally {
    deadline.signal.removeEventListener('abort', onAbort)
    deadline.clear()
  }
}
