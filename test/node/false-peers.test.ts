/** A joiner whose addresses are nearly all an attacker's, over real sockets. */
import assert from 'node:assert/strict'
import { createServer, type Server } from 'node:net'
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import type { Libp2p } from '@libp2p/interface'
import { tcp } from '@libp2p/tcp'
import { createLibp2p } from 'libp2p'
import { ONBOARD_PROTOCOL } from '../../protocols/onboard/index.ts'
import { encodeRefusalMessage } from '../../protocols/onboard/messages.ts'
import { systemRandom } from '../../src/base/index.ts'
import { within } from '../mesh/support.ts'
import { framed } from '../protocols/support.ts'
import { joinLightly } from './light-joiner.ts'
import { InProcess, Recorder } from './support.ts'

/** What one kind of false peer says to whoever opens a stream. */
const ANSWERS: Record<string, (everywhere: readonly string[]) => Uint8Array | 'reset'> = {
  'a Challenge that nobody signed': () => framed(challengeOfChance()),
  noise: () => systemRandom.bytes(500),
  'busy, and more false addresses': (everywhere) =>
    framed(
      encodeRefusalMessage({
        code: 'busy',
        retryAfterMs: 1,
        addresses: [...everywhere].sort(() => systemRandom.uniform() - 0.5).slice(0, 8),
      }),
    ),
  'that it serves another cluster': () => framed(encodeRefusalMessage({ code: 'wrong_cluster' })),
  'that it is no member': () => framed(encodeRefusalMessage({ code: 'not_member' })),
  'the end': () => 'reset',
}
/** FromOnboarder { challenge { nonce (32), genesis hash (32), signature (64) } }, as the specification has it. */
const challengeOfChance = (): Uint8Array => {
  const field = (tag: number, bytes: Uint8Array) => Buffer.concat([Uint8Array.of(tag), lengthOf(bytes), bytes])
  const inner = Buffer.concat([
    field(0x0a, systemRandom.bytes(32)),
    field(0x12, systemRandom.bytes(32)),
    field(0x1a, systemRandom.bytes(64)),
  ])
  return Uint8Array.from(field(0x0a, inner))
}
const lengthOf = ({ length }: Uint8Array): Uint8Array =>
  length < 0x80 ? Uint8Array.of(length) : Uint8Array.of((length & 0x7f) | 0x80, length >> 7)

const ADDRESSES = 99

describe('a joiner with 99 false addresses and a true one', () => {
  it('gets in, after no more tries than there are addresses and those that they offer', async () => {
    const mesh = await InProcess.open()
    const nodes: Libp2p[] = []
    const servers: Server[] = []
    const addresses: string[] = []
    try {
      const kinds = Object.values(ANSWERS)
      const each = Math.floor(ADDRESSES / (kinds.length + 1))
      for (const answer of kinds) {
        const node = await createLibp2p({
          addresses: { listen: Array<string>(each).fill('/ip4/127.0.0.1/tcp/0') },
          transports: [tcp()],
          connectionEncrypters: [noise()],
          streamMuxers: [yamux()],
        })
        nodes.push(node)
        await node.handle(ONBOARD_PROTOCOL, (stream) => {
          const said = answer(addresses)
          if (said === 'reset') stream.abort(new Error('the end'))
          else {
            stream.send(said)
            void stream.close().catch(() => {})
          }
        })
        addresses.push(...node.getMultiaddrs().map((address) => address.toString().replace(/\/p2p\/.*/, '')))
      }
      // The others do not even speak libp2p.
      while (addresses.length < ADDRESSES) {
        const server = createServer((socket) => socket.on('error', () => {}).end('HTTP/1.1 400 Bad Request\r\n\r\n'))
        servers.push(server)
        await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
        addresses.push(`/ip4/127.0.0.1/tcp/${(server.address() as { port: number }).port}`)
      }
      const member = await mesh.first()
      const log = new Recorder()
      const joined = joinLightly({
        cluster: member.status().cluster!,
        peers: [...addresses, ...member.addresses()],
        attester: mesh.td(),
        timeoutMs: 120_000,
        log,
      })
      await within(120_000, 'the join', joined)
      const tries = log.all('join.dialing').map(({ address }) => address)
      // Each that was given has its turn before any has its second; those that are offered are among them here.
      assert.ok(tries.length <= ADDRESSES + 1, `${tries.length} tries`)
      assert.equal(tries.at(-1), member.addresses()[0])
      assert.equal(log.all('join.quoted').length, 1, 'a quote is made for a true member only')
    } finally {
      await Promise.all(nodes.map((node) => node.stop()))
      for (const server of servers) server.close()
      await mesh.close()
    }
  }).timeout(180_000)
})
