/** A stream that is read no faster than its reader works, and no faster than a budget allows. */
import type { Stream } from '@libp2p/interface'
import type { Uint8ArrayList } from 'uint8arraylist'
import type { Clock } from '../base/index.ts'

/** Bytes that may wait for the reader before the sender is stopped. Higher: fewer stops. Lower: less memory for each peer. */
const READ_AHEAD_BYTES = 64 * 1024

export interface Budget {
  /** What may come at once. */
  burstBytes: number
  bytesPerSecond: number
}

/**
 * libp2p's streams push: whoever reads one in a loop has all in memory that the sender cares to send while a chunk is
 * being worked on. This reads it with a bound: beyond it the stream is paused, and Yamux grants the sender nothing more.
 * What it returns has of a stream only what gossipsub's reading side uses.
 */
export const unhurried = (stream: Stream, clock: Clock, budget: Budget): Stream => {
  const reader = {
    protocol: stream.protocol,
    close: (options?: Parameters<Stream['close']>[0]) => stream.close(options),
    abort: (error: Error) => stream.abort(error),
    [Symbol.asyncIterator]: () => read(stream, clock, budget),
  }
  return reader as unknown as Stream
}

/** Yamux tells the sender at once, and throws where the connection has ended: nothing more comes then. */
const resume = (stream: Stream): void => {
  if (stream.readStatus !== 'paused') return
  try {
    stream.resume()
  } catch {}
}

async function* read(stream: Stream, clock: Clock, budget: Budget): AsyncGenerator<Uint8Array | Uint8ArrayList> {
  const chunks: (Uint8Array | Uint8ArrayList)[] = []
  const ended = new AbortController()
  let waitingBytes = 0
  let wake = () => {}
  const onMessage = ({ data }: { data: Uint8Array | Uint8ArrayList }) => {
    chunks.push(data)
    waitingBytes += data.byteLength
    if (waitingBytes > READ_AHEAD_BYTES && !ended.signal.aborted && stream.readStatus === 'readable') stream.pause()
    wake()
  }
  const onEnd = () => {
    if (ended.signal.aborted) return
    ended.abort()
    // What came before the end still counts: it may be how a member says that it is leaving.
    resume(stream)
    wake()
  }
  stream.addEventListener('message', onMessage)
  stream.addEventListener('remoteCloseWrite', onEnd)
  stream.addEventListener('close', onEnd)
  let allowedBytes = budget.burstBytes
  let lastMs = clock.monotonicMs()
  try {
    for (;;) {
      const chunk = chunks.shift()
      if (chunk === undefined) {
        if (ended.signal.aborted || stream.status !== 'open') return
        await new Promise<void>((resolve) => {
          wake = resolve
        })
        continue
      }
      // Returns when the reader comes for the next one.
      yield chunk
      waitingBytes -= chunk.byteLength
      const nowMs = clock.monotonicMs()
      allowedBytes =
        Math.min(budget.burstBytes, allowedBytes + ((nowMs - lastMs) * budget.bytesPerSecond) / 1_000) - chunk.byteLength
      lastMs = nowMs
      if (allowedBytes < 0) await clock.sleep((-allowedBytes * 1_000) / budget.bytesPerSecond, ended.signal).catch(() => {})
      if (waitingBytes <= READ_AHEAD_BYTES / 2) resume(stream)
    }
  } finally {
    stream.removeEventListener('message', onMessage)
    stream.removeEventListener('remoteCloseWrite', onEnd)
    stream.removeEventListener('close', onEnd)
    // A reader that gives up, on a frame that is too long for one, leaves a stream that nobody would read.
    if (stream.status === 'open') stream.abort(new Error('not read any more'))
  }
}
