import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import type { ConnectionEncrypter, Libp2p, MessageStream, Stream, StreamMuxer } from '@libp2p/interface'
import { tcp } from '@libp2p/tcp'
import { multiaddr } from '@multiformats/multiaddr'
import fc from 'fast-check'
import { createLibp2p } from 'libp2p'
import type { Network } from '../../src/net/index.ts'
import { type After, Opening, OpeningError } from '../../src/net/opening.ts'
import { startNetwork } from './support.ts'

const line = (text: string): Uint8Array => Buffer.from(`${String.fromCharCode(text.length + 1)}${text}\n`, 'latin1')
const join = (...parts: readonly Uint8Array[]): Uint8Array => Buffer.concat(parts)
const HEADER = line('/multistream/1.0.0')
const ENDLESS = new Uint8Array(64 * 1024).fill(0xff)

const spoken = (name: string): After | undefined =>
  ({ '/messages/1': 'messages' as const, '/bytes/1': 'anything' as const })[name]
/** Whether these bytes are read to an end of the opening, in the middle of it, or are an error. */
const read = (...parts: readonly Uint8Array[]): 'over' | 'open' | 'error' => {
  const opening = new Opening(spoken)
  try {
    for (const part of parts) opening.take(part)
  } catch (error) {
    assert.ok(error instanceof OpeningError)
    return 'error'
  }
  return opening.over ? 'over' : 'open'
}

describe('what a peer says before a protocol is agreed on', () => {
  it('is read to the first name that is spoken, and what follows may be anything', () => {
    assert.equal(read(join(HEADER, line('/bytes/1'), ENDLESS)), 'over')
    assert.equal(read(join(HEADER, line('/other/1'), line('ls'), line('na'), line('/bytes/1'))), 'over')
    assert.equal(read(join(HEADER, line('/other/1'))), 'open')
  })

  it('is read on to the length of the first message where a protocol has messages', () => {
    const named = join(HEADER, line('/messages/1'))
    assert.equal(read(named), 'open')
    assert.equal(read(join(named, Uint8Array.of(0x05), ENDLESS)), 'over')
    assert.equal(read(join(named, Uint8Array.of(0xff, 0xff, 0xff, 0x7f), ENDLESS)), 'over')
    assert.equal(read(join(named, Uint8Array.of(0xff, 0xff, 0xff, 0xff))), 'error')
  })

  it('is an error with a length that is none, or a line without its end', () => {
    for (const bytes of [ENDLESS, Uint8Array.of(0x80), Uint8Array.of(0), join(HEADER, ENDLESS), Buffer.from('\x03abc')])
      assert.equal(read(bytes), 'error')
  })

  it('is read alike wherever it is split, and never past an error or its end (property)', () => {
    const part = fc.oneof(
      fc.constantFrom(HEADER, line('/other/1'), line('/bytes/1'), line('/messages/1'), Uint8Array.of(0xff)),
      fc.uint8Array({ maxLength: 8 }),
    )
    fc.assert(
      fc.property(fc.array(part, { maxLength: 8 }), fc.infiniteStream(fc.integer({ min: 1, max: 9 })), (parts, sizes) => {
        const whole = join(...parts)
        const pieces: Uint8Array[] = []
        for (let at = 0; at < whole.length; ) {
          const size = sizes.next().value!
          pieces.push(whole.subarray(at, at + size))
          at += size
        }
        assert.equal(read(...pieces), read(whole))
      }),
    )
  })
})

describe('a peer that begins a length and never ends it', () => {
  let attacked: Network
  let hostile: Libp2p | undefined
  const sockets: Socket[] = []
  beforeEach(async () => {
    attacked = await startNetwork({ isMember: () => false })
  })
  afterEach(async () => {
    await hostile?.stop()
    hostile = undefined
    for (const socket of sockets.splice(0)) socket.destroy()
    await attacked.stop()
  })
  const port = (): number =>
    Number(
      attacked.libp2p
        .getMultiaddrs()[0]!
        .getComponents()
        .find(({ name }) => name === 'tcp')!.value,
    )

  for (const [when, before] of [
    ['at once', new Uint8Array(0)],
    ['after the header', HEADER],
    ['after a name that is not spoken', join(HEADER, line('/tls/1.0.0'))],
  ] as const) {
    it(`on a bare connection, ${when}, is cut off at once, and not read on until its time is up`, async () => {
      const socket = connect(port(), '127.0.0.1')
      sockets.push(socket)
      socket.on('error', () => {})
      socket.resume()
      await once(socket, 'connect')
      // Reset or ended, whichever it sees first.
      const closed = new Promise((resolve) => socket.once('close', resolve))
      socket.write(join(before, ENDLESS))
      await closed
    }).timeout(2_500)
  }

  it('in place of a multiplexer is cut off', async () => {
    let encrypted!: MessageStream
    hostile = await createLibp2p({
      transports: [tcp()],
      connectionEncrypters: [
        (components): ConnectionEncrypter => {
          const inner = noise()(components)
          return {
            protocol: inner.protocol,
            secureInbound: (connection, options) => inner.secureInbound(connection, options),
            async secureOutbound(connection, options) {
              const secured = await inner.secureOutbound(connection, { ...options, skipStreamMuxerNegotiation: true })
              encrypted = secured.connection
              encrypted.send(ENDLESS)
              await once(encrypted, 'close')
              throw new Error('cut off')
            },
          }
        },
      ],
      streamMuxers: [yamux()],
    })
    await assert.rejects(hostile.dial(attacked.libp2p.getMultiaddrs()))
    assert.notEqual(encrypted.status, 'open')
  }).timeout(4_000)

  for (const [when, before] of [
    ['at once', new Uint8Array(0)],
    ['after the header', HEADER],
    ['as the length of a message', join(HEADER, line('/ipfs/id/1.0.0'))],
  ] as const) {
    it(`on a stream, ${when}, has it reset, and others go on`, async () => {
      let muxer!: StreamMuxer
      const muxers = yamux()()
      hostile = await createLibp2p({
        transports: [tcp()],
        connectionEncrypters: [noise()],
        streamMuxers: [
          () => ({
            protocol: muxers.protocol,
            createStreamMuxer: (connection: MessageStream) => {
              muxer = muxers.createStreamMuxer(connection)
              return muxer
            },
          }),
        ],
      })
      const connection = await hostile.dial(attacked.libp2p.getMultiaddrs())
      const stream = (await muxer.createStream()) as Stream
      const closed = once(stream, 'close')
      stream.send(join(before, ENDLESS))
      await closed
      const other = await connection.newStream('/ipfs/ping/1.0.0')
      const answer = once(other, 'message')
      other.send(new Uint8Array(32).fill(0xff))
      await answer
    }).timeout(2_500)
  }

  it('in answer to a dial is cut off', async () => {
    const server = createServer((socket) => {
      sockets.push(socket)
      socket.on('error', () => {})
      socket.resume()
      socket.write(join(HEADER, ENDLESS))
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port: there } = server.address() as { port: number }
    const start = performance.now()
    await assert.rejects(attacked.libp2p.dial(multiaddr(`/ip4/127.0.0.1/tcp/${there}`), { signal: AbortSignal.timeout(4_000) }))
    server.close()
    assert.ok(performance.now() - start < 3_500, 'the dial ended by itself')
  })
})
