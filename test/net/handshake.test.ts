import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { PING_PROTOCOL } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { multiaddr } from '@multiformats/multiaddr'
import fc from 'fast-check'
import { createLibp2p } from 'libp2p'
import type { Network } from '../../src/net/index.ts'
import { startNetwork } from './support.ts'

const HEADER = Buffer.from('\x13/multistream/1.0.0\n\x07/noise\n', 'latin1')
const LIMIT_MS = 2_000

/** Which bit of what goes one way is turned over. */
interface Flip {
  way: 'in' | 'out'
  offset: number
  bit: number
}

/** A line to `port` that turns over one bit. */
class BadLine {
  flipped = false
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  constructor(port: number, flip: Flip) {
    this.#server = createServer((near) => {
      const far = connect(port, '127.0.0.1')
      this.#carry(near, far, flip.way === 'in' ? flip : undefined)
      this.#carry(far, near, flip.way === 'out' ? flip : undefined)
    })
  }
  async open(): Promise<string> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    return `/ip4/127.0.0.1/tcp/${(this.#server.address() as { port: number }).port}`
  }
  #carry(from: Socket, to: Socket, flip: Flip | undefined): void {
    let at = 0
    this.#sockets.add(from)
    from.on('error', () => {})
    from.on('close', () => to.destroy())
    from.on('data', (bytes) => {
      if (flip !== undefined && at <= flip.offset && flip.offset < at + bytes.length) {
        bytes[flip.offset - at]! ^= 1 << flip.bit
        this.flipped = true
      }
      at += bytes.length
      to.write(bytes)
    })
  }
  close(): void {
    for (const socket of this.#sockets) socket.destroy()
    this.#server.close()
  }
}

describe('a handshake', () => {
  let attacked: Network
  let port: number
  beforeEach(async () => {
    attacked = await startNetwork({ isMember: () => false })
    port = Number(
      attacked.libp2p
        .getMultiaddrs()[0]!
        .getComponents()
        .find(({ name }) => name === 'tcp')!.value,
    )
  })
  afterEach(async () => {
    await attacked.stop()
  })

  /** By a client of its own: one that is connected already may take that connection instead. */
  const pinged = async (address: string): Promise<void> => {
    const signal = AbortSignal.timeout(LIMIT_MS)
    const client = await createLibp2p({
      transports: [tcp()],
      connectionEncrypters: [noise()],
      streamMuxers: [yamux()],
    })
    try {
      const connection = await client.dial(multiaddr(address), { signal })
      const stream = await connection.newStream(PING_PROTOCOL, { signal })
      const ended = once(stream, 'close', { signal })
      const answer = once(stream, 'message', { signal })
      stream.send(new Uint8Array(32).fill(7))
      await Promise.race([answer, ended.then(() => Promise.reject(new Error('closed')))])
    } finally {
      await client.stop()
    }
  }

  it('of which one bit was turned over on the way comes to nothing, whichever bit it was (property)', async () => {
    const flips = fc.record({
      way: fc.constantFrom<'in' | 'out'>('in', 'out'),
      // Both sides have said more than this before a ping is answered.
      offset: fc.integer({ min: 0, max: 420 }),
      bit: fc.integer({ min: 0, max: 7 }),
    })
    // Some leave one side waiting for bytes that never come: eight at a time, fewer than one host may begin.
    // So few in all, for one host may connect fifty times a second.
    const tried = fc.sample(flips, 40)
    for (let at = 0; at < tried.length; at += 8) {
      await Promise.all(
        tried.slice(at, at + 8).map(async (flip) => {
          const line = new BadLine(port, flip)
          const address = await line.open()
          try {
            await assert.rejects(pinged(address), JSON.stringify(flip))
            assert.ok(line.flipped, JSON.stringify(flip))
          } finally {
            line.close()
          }
        }),
      )
    }
    await pinged(`/ip4/127.0.0.1/tcp/${port}`)
  }).timeout(60_000)

  it('of nonsense ends, and the next one is as good as ever (property)', async () => {
    const frame = fc.uint8Array({ maxLength: 200 }).map((payload) => {
      const length = Buffer.alloc(2)
      length.writeUInt16BE(payload.length)
      return Buffer.concat([length, payload])
    })
    const said = fc.oneof(
      fc.array(frame, { minLength: 1, maxLength: 4 }).map((frames) => Buffer.concat(frames)),
      fc.uint8Array({ minLength: 1, maxLength: 400 }).map((bytes) => Buffer.from(bytes)),
    )
    for (const nonsense of fc.sample(said, 48)) {
      const socket = connect(port, '127.0.0.1')
      socket.on('error', () => {})
      socket.resume()
      await once(socket, 'connect')
      const closed = new Promise((resolve) => socket.once('close', resolve))
      // Said and done: what is too short for a frame is not waited for.
      socket.end(Buffer.concat([HEADER, nonsense]))
      await closed
    }
    assert.deepEqual(attacked.libp2p.getConnections(), [])
    await pinged(`/ip4/127.0.0.1/tcp/${port}`)
  }).timeout(30_000)
})
