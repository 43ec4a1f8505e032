import type { Stream } from '@libp2p/interface'
import type { Messages, Refusal, Timer } from '../wire/index.ts'
import { encodeRefusalMessage } from './messages.ts'

/** What an exchange needs of time: wall-clock for what is signed, monotonic for what must wait. */
export interface ChallengeTimer extends Timer {
  /** Milliseconds, never going back. */
  monotonicMs(): number
}

/** All has been said: what becomes of the stream changes nothing any more. */
export const endStream = async (stream: Stream, signal: AbortSignal): Promise<void> => {
  try {
    await stream.close({ signal })
  } catch (error) {
    stream.abort(asError(error))
  }
}

/** Sends a refusal and ends the stream; a peer that does not take it is cut off. */
export const sayNo = async (stream: Stream, messages: Messages, refusal: Refusal, signal: AbortSignal): Promise<void> => {
  try {
    await messages.write(encodeRefusalMessage(refusal))
  } catch (error) {
    return stream.abort(asError(error))
  }
  await endStream(stream, signal)
}

export const asError = (error: unknown): Error => (error instanceof Error ? error : new Error('challenge failed'))

/** Rejects when the time is over even if `run` does not heed its signal. */
export const within = async <T>(
  timer: Timer,
  ms: number,
  parent: AbortSignal,
  run: (signal: AbortSignal) => Promise<T>,
): Promise<T> => {
  const deadline = timer.deadline(ms, parent)
  let onAbort: (() => void) | undefined
  try {
    return await Promise.race([
      run(deadline.signal),
      new Promise<never>((_, reject) => {
        onAbort = () => reject(deadline.signal.reason)
        if (deadline.signal.aborted) onAbort()
        deadline.signal.addEventListener('abort', onAbort, { once: true })
      }),
    ])
  } finally {
    if (onAbort !== undefined) deadline.signal.removeEventListener('abort', onAbort)
    deadline.clear()
  }
}
