import assert from 'node:assert/strict'
import { once } from 'node:events'
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import type { Libp2p, MessageStream } from '@libp2p/interface'
import { tcp } from '@libp2p/tcp'
import fc from 'fast-check'
import { createLibp2p } from 'libp2p'
import { FrameError, WholeFrames } from '../../src/net/frames.ts'
import type { Network } from '../../src/net/index.ts'
import { startNetwork } from './support.ts'

const [DATA, WINDOW_UPDATE, PING] = [0, 1, 2]
const SYN = 1
const MAX = 1_000

const frame = (type: number, flags: number, stream: number, length: number, data = new Uint8Array(0)): Uint8Array => {
  const bytes = Buffer.alloc(12 + data.length)
  bytes.writeUInt8(type, 1)
  bytes.writeUInt16BE(flags, 2)
  bytes.writeUInt32BE(stream, 4)
  bytes.writeUInt32BE(length, 8)
  bytes.set(data, 12)
  return Uint8Array.from(bytes)
}
const dataFrame = (length: number): Uint8Array => frame(DATA, 0, 1, length, new Uint8Array(length).fill(length))

describe('frames', () => {
  it('are handed on whole, in order and unchanged, wherever the connection splits them', () => {
    const anyFrame = fc.oneof(
      fc.integer({ min: 0, max: MAX }).map(dataFrame),
      // In a window update or a ping it is no length of anything.
      fc.integer({ min: 0, max: 0xffffffff }).map((value) => frame(WINDOW_UPDATE, SYN, 3, value)),
      fc.integer({ min: 0, max: 0xffffffff }).map((value) => frame(PING, SYN, 0, value)),
    )
    const pieces = fc.infiniteStream(fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 2_000 })))
    fc.assert(
      fc.property(fc.array(anyFrame, { maxLength: 20 }), pieces, (sent, sizes) => {
        const frames = new WholeFrames(MAX)
        const bytes = Buffer.concat(sent)
        const handed: Uint8Array[] = []
        let count = 0
        let whole = 0
        for (let at = 0; at < bytes.length; ) {
          const size = sizes.next().value
          const piece = Uint8Array.from(bytes.subarray(at, at + size))
          const taken = frames.take(piece)
          at += piece.length
          handed.push(...taken.whole.map((each) => Uint8Array.from(each)))
          count += taken.frames
          while (whole < sent.length && sent.slice(0, whole + 1).reduce((sum, { length }) => sum + length, 0) <= at) whole++
          assert.equal(count, whole)
          // The buffer that they came in may be used again.
          piece.fill(0xee)
        }
        assert.deepEqual(Buffer.concat(handed), bytes)
        assert.equal(frames.heldBytes, 0)
      }),
    )
  })

  it('that no window allows are an error with their header, and one that is allowed is held in little more than has come of it', () => {
    for (const length of [MAX + 1, 0xffffffff]) {
      const frames = new WholeFrames(MAX)
      assert.throws(() => frames.take(frame(DATA, 0, 1, length)), FrameError)
      const inPieces = new WholeFrames(MAX)
      const header = frame(DATA, 0, 1, length)
      for (const byte of header.subarray(0, 11)) inPieces.take(Uint8Array.of(byte))
      assert.throws(() => inPieces.take(header.subarray(11)), FrameError)
    }
    const frames = new WholeFrames(1_000_000)
    frames.take(frame(DATA, 0, 1, 1_000_000))
    assert.ok(frames.heldBytes <= 2_048)
    for (let i = 0; i < 100_000; i++) frames.take(Uint8Array.of(1))
    assert.ok(frames.heldBytes <= 400_000)
  })
})

describe('a peer that speaks Yamux by hand', () => {
  let attacked: Network
  let hostile: Libp2p
  let connection!: MessageStream
  beforeEach(async () => {
    attacked = await startNetwork({ isMember: () => false })
    const muxers = yamux()()
    hostile = await createLibp2p({
      transports: [tcp()],
      connectionEncrypters: [noise()],
      streamMuxers: [
        () => ({
          protocol: muxers.protocol,
          createStreamMuxer: (encrypted: MessageStream) => {
            connection = encrypted
            return muxers.createStreamMuxer(encrypted)
          },
        }),
      ],
    })
  })
  afterEach(async () => {
    await hostile.stop()
    await attacked.stop()
  })
  /** What the other side does with the connection is an end of it. */
  const ends = async (attack: () => Promise<void>): Promise<void> => {
    await hostile.dial(attacked.libp2p.getMultiaddrs())
    const closed = once(connection, 'close')
    await attack()
    await closed
    assert.equal(attacked.libp2p.getConnections().length, 0)
  }

  it('and announces a frame of gigabytes is cut off before it has sent any of it', async () => {
    await ends(async () => void connection.send(frame(DATA, SYN, 7, 0xffffffff)))
  })

  it('and never takes what it is answered is cut off', async () => {
    const gone = once(attacked.libp2p, 'connection:close')
    await hostile.dial(attacked.libp2p.getMultiaddrs())
    let over = false
    void gone.then(() => {
      over = true
    })
    connection.pause()
    // Each is answered; the kernels of both sides keep some megabytes of answers before the first waits in the process.
    const pings = Uint8Array.from(Buffer.concat(Array.from({ length: 1_000 }, (_, id) => frame(PING, SYN, 0, id))))
    for (let sent = 0; !over; sent += 1_000) {
      assert.ok(sent < 1_000_000, 'it is never cut off')
      if (connection.status === 'open') connection.send(pings)
      await new Promise(setImmediate)
    }
    await gone
  }).timeout(120_000)
})
