/** What a peer can make this side hold by Yamux frames alone, before a stream takes any of it: bounded here, for the library does not. */
import { yamux } from '@chainsafe/libp2p-yamux'
import type { StreamMuxerFactory } from '@libp2p/interface'
import { type Pace, STREAM_UNITS } from './pace.ts'

/** version, type, flags (2), stream id (4), length (4). */
const HEADER_BYTES = 12
const DATA = 0
const SYN = 1
/** Frames that a peer may send while it does not take what it was answered: nearly every one has an answer of this side. */
const UNANSWERED_FRAMES_MAX = 1_024
/** What room is made for at first. */
const FIRST_BYTES = 1_024

export class FrameError extends Error {
  override readonly name = 'FrameError'
}

const frameSize = (bytes: Uint8Array, at: number): number => {
  if (bytes[at + 1] !== DATA) return HEADER_BYTES
  return HEADER_BYTES + new DataView(bytes.buffer, bytes.byteOffset + at, HEADER_BYTES).getUint32(8)
}

/** Of the frame at `at`; frames of the connection itself, which have no stream (0), begin none. */
const frameUnits = (bytes: Uint8Array, at: number): number => {
  const begins = (bytes[at + 3]! & SYN) !== 0 && bytes.subarray(at + 4, at + 8).some((byte) => byte !== 0)
  return begins ? STREAM_UNITS : 1
}

/**
 * Hands on whole frames only. The library keeps the pieces of one until it is whole, whatever its length says (up to 4 GiB), and
 * however small the pieces are. Here the part of a frame that has come lies in one buffer, and a frame that no window allows is
 * an error at once.
 */
export class WholeFrames {
  readonly #maxDataBytes: number
  #part = new Uint8Array(0)
  #partBytes = 0

  constructor(maxDataBytes: number) {
    this.#maxDataBytes = maxDataBytes
  }

  /** Bytes that are held. */
  get heldBytes(): number {
    return this.#part.length
  }

  /** What is whole of all that has come, in order, and how many frames that is. Throws FrameError. */
  take(bytes: Uint8Array): { whole: Uint8Array[]; frames: number } {
    const whole: Uint8Array[] = []
    let frames = 0
    let at = 0
    // The frame that was begun before.
    while (this.#partBytes > 0 && at < bytes.length) {
      const wanted = this.#missing()
      const piece = bytes.subarray(at, at + wanted)
      this.#append(piece)
      at += piece.length
      if (this.#missing() > 0) continue
      whole.push(this.#part.subarray(0, this.#partBytes))
      frames++
      this.#part = new Uint8Array(0)
      this.#partBytes = 0
    }
    const from = at
    for (;;) {
      const size = this.#sizeOf(bytes, at, bytes.length)
      if (size === undefined || at + size > bytes.length) break
      at += size
      frames++
    }
    if (at > from) whole.push(bytes.subarray(from, at))
    if (at < bytes.length) this.#append(bytes.subarray(at))
    return { whole, frames }
  }

  /** Bytes until the header, or the frame, is whole. */
  #missing(): number {
    const size = this.#sizeOf(this.#part, 0, this.#partBytes)
    return (size ?? HEADER_BYTES) - this.#partBytes
  }

  /** Of the frame at `at`, once its header is there. */
  #sizeOf(bytes: Uint8Array, at: number, end: number): number | undefined {
    if (end - at < HEADER_BYTES) return undefined
    const size = frameSize(bytes, at)
    const max = HEADER_BYTES + this.#maxDataBytes
    if (size > max) throw new FrameError(`a frame of ${size} bytes, at most ${max}`)
    return size
  }

  #append(piece: Uint8Array): void {
    const bytes = this.#partBytes + piece.length
    if (bytes > this.#part.length) {
      const larger = new Uint8Array(Math.max(FIRST_BYTES, 2 * bytes))
      larger.set(this.#part.subarray(0, this.#partBytes))
      this.#part = larger
    }
    this.#part.set(piece, this.#partBytes)
    this.#partBytes = bytes
  }
}

/** Hands frames on one by one as long as its pace allows, and keeps the others until it does: no more than was read when it said no. */
export class PacedFrames {
  readonly #pace: Pick<Pace, 'take' | 'onGoOn'>
  readonly #hand: (bytes: Uint8Array) => void
  /** Whole frames each. */
  readonly #waiting: Uint8Array[] = []

  constructor(pace: Pick<Pace, 'take' | 'onGoOn'>, hand: (bytes: Uint8Array) => void) {
    this.#pace = pace
    this.#hand = hand
    pace.onGoOn(() => this.#work())
  }

  /** @param whole - as {@link WholeFrames.take} gives them */
  add(whole: readonly Uint8Array[]): void {
    const idle = this.#waiting.length === 0
    this.#waiting.push(...whole)
    if (idle) this.#work()
  }

  #work(): void {
    for (let bytes = this.#waiting[0]; bytes !== undefined; bytes = this.#waiting[0]) {
      let end = 0
      while (end < bytes.length && this.#pace.take(frameUnits(bytes, end))) end += frameSize(bytes, end)
      if (end < bytes.length) this.#waiting[0] = bytes.subarray(end)
      else this.#waiting.shift()
      if (end > 0) this.#hand(bytes.subarray(0, end))
      if (end < bytes.length) return
    }
  }
}

/**
 * Yamux whose connections hold no more than their streams' windows allow, and are worked off at their pace.
 * @param options.maxStreamWindowSize - bytes of a stream that may wait to be read, and of one frame
 */
export const boundedYamux =
  ({ maxInboundStreams, maxStreamWindowSize, paceOf }: YamuxBounds) =>
  (): StreamMuxerFactory => {
    const factory = yamux({ maxInboundStreams, streamOptions: { maxStreamWindowSize } })()
    return {
      protocol: factory.protocol,
      createStreamMuxer: (connection) => {
        const muxer = factory.createStreamMuxer(connection)
        const frames = new WholeFrames(maxStreamWindowSize)
        const hand = muxer.onData.bind(muxer)
        const paced = new PacedFrames(paceOf(connection), hand)
        let unanswered = 0
        // What is thrown in here ends the connection.
        muxer.onData = (data) => {
          const taken = frames.take(data instanceof Uint8Array ? data : data.subarray())
          unanswered = connection.writeBufferLength > 0 ? unanswered + taken.frames : 0
          if (unanswered > UNANSWERED_FRAMES_MAX) throw new FrameError('the peer does not take what it is answered')
          paced.add(taken.whole)
        }
        return muxer
      },
    }
  }

interface YamuxBounds {
  maxInboundStreams: number
  maxStreamWindowSize: number
  paceOf(connection: object): Pace
}
