import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { MessageStream } from '@libp2p/interface'
import fc from 'fast-check'
import { FrameError, WholeFrames } from '../../src/net/frames.ts'
import type { Network } from '../../src/net/index.ts'
import { FakeClock } from '../protocols/support.ts'
import { startNetwork } from './support.ts'
import { DATA, frame, frames, PING, RST, SYN, speakYamux, WINDOW_UPDATE } from './yamux.ts'

const MAX = 1_000
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
  const clock = new FakeClock()
  let attacked: Network
  let hostile: Awaited<ReturnType<typeof speakYamux>>
  let members: Set<string>
  beforeEach(async () => {
    members = new Set()
    attacked = await startNetwork({ clock, isMember: (peer) => members.has(peer.toString()) })
    hostile = await speakYamux()
  })
  afterEach(async () => {
    await hostile.stop()
    await attacked.stop()
  })
  /** Once both sides have the connection. */
  const connect = async (): Promise<MessageStream> => {
    const opened = once(attacked.libp2p, 'connection:open')
    const connection = await hostile.connect(attacked.libp2p.getMultiaddrs())
    await opened
    return connection
  }
  /** What the other side does with the connection is an end of it. */
  const ends = async (attack: (connection: MessageStream) => void): Promise<void> => {
    const connection = await connect()
    const closed = once(connection, 'close')
    const gone = once(attacked.libp2p, 'connection:close')
    attack(connection)
    await Promise.all([closed, gone])
    assert.equal(attacked.libp2p.getConnections().length, 0)
  }

  it('and announces a frame of gigabytes is cut off before it has sent any of it', async () => {
    await ends((connection) => void connection.send(frame(DATA, SYN, 7, 0xffffffff)))
  })

  it('and never takes what it is answered is cut off', async () => {
    members.add(hostile.id)
    const connection = await connect()
    let over = false
    attacked.libp2p.addEventListener('connection:close', () => {
      over = true
    })
    connection.pause()
    // Each is answered; the kernels of both sides keep some megabytes of answers before the first waits in the process.
    for (let sent = 0; !over; sent += 1_000) {
      assert.ok(sent < 1_000_000, 'it is never cut off')
      if (connection.status === 'open') connection.send(frames(1_000, (id) => frame(PING, SYN, 0, id)))
      // Its share comes back as fast as it asks.
      clock.pass(1_000)
      await new Promise(setImmediate)
    }
  }).timeout(120_000)

  const floods: Record<string, (connection: MessageStream) => void> = {
    pings: (connection) => void connection.send(frames(600, (id) => frame(PING, SYN, 0, id))),
    'frames of no stream': (connection) => void connection.send(frames(600, () => frame(WINDOW_UPDATE, 0, 999, 1))),
    'streams that it resets at once': (connection) =>
      void connection.send(frames(80, (n) => frame(WINDOW_UPDATE, n % 2 === 0 ? SYN : RST, 101 + n - (n % 2), 0))),
    'two megabytes of no stream': (connection) => {
      for (let i = 0; i < 32; i++) connection.send(frame(DATA, 0, 999, 65_000, new Uint8Array(65_000)))
    },
    'empty messages of Noise': (connection) => hostile.sendEmpty(connection, 600),
  }
  for (const [what, flood] of Object.entries(floods)) {
    it(`as a stranger, and brings ${what}, is cut off, and not worked off`, async () => {
      await ends(flood)
    })

    it(`as a member, and brings ${what}, is read on`, async () => {
      members.add(hostile.id)
      const connection = await connect()
      flood(connection)
      assert.equal(await hostile.echo(connection), 'answered')
      assert.equal(attacked.libp2p.getConnections().length, 1)
    })
  }

  it('as a member, without end, is worked off at its share and not read beyond it, and goes on where it was', async () => {
    members.add(hostile.id)
    const connection = await connect()
    const before = hostile.answers
    const many = 50_000
    for (let sent = 0; sent < many; sent += 5_000) connection.send(frames(5_000, (id) => frame(PING, SYN, 0, sent + id)))
    await hostile.answered(before + 16_000)
    // Its clock stands, and so does it. Too short a look would only see less of it.
    await new Promise((resolve) => setTimeout(resolve, 200))
    assert.ok(hostile.answers - before <= 16_384, `${hostile.answers - before} were answered`)
    // Four seconds of its share, and a pause between.
    for (let passed = 0; passed < 80; passed++) {
      clock.pass(50)
      await new Promise(setImmediate)
    }
    await hostile.answered(before + 2 * 15_000)
    assert.ok(hostile.answers - before <= 16_384 + 4 * 4_096)
    // None is lost, and they come in order.
    while (hostile.answers - before < many) {
      clock.pass(1_000)
      await new Promise(setImmediate)
    }
    assert.deepEqual(
      hostile.answeredIds.slice(-many),
      Array.from({ length: many }, (_, id) => id),
    )
    const gone = once(attacked.libp2p, 'connection:close')
    connection.abort(new Error('enough'))
    await gone
    assert.equal(clock.running, 0)
  }).timeout(60_000)
})
