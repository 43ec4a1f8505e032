/** Peers that are slow on purpose, over real sockets from addresses of their own. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { multiaddr } from '@multiformats/multiaddr'
import { systemClock } from '../../src/base/index.ts'
import type { MeshNode } from '../../src/index.ts'
import { within } from '../mesh/support.ts'
import { startNetwork } from '../net/support.ts'
import { belowYamux } from '../net/yamux.ts'
import { FakeClock } from '../protocols/support.ts'
import { joinLightly } from './light-joiner.ts'
import { InProcess } from './support.ts'

const ATTACKER = '127.0.0.3'
/** Twice what a handshake may take, and some for a busy machine. */
const CUT_OFF_MS = 20_000
/** strangers.ts: what one host may have of handshakes. */
const HANDSHAKES = 32

describe('a member and peers that are slow on purpose', function () {
  this.timeout(90_000)
  let mesh: InProcess
  const sockets = new Set<Socket>()
  beforeEach(async () => {
    mesh = await InProcess.open()
  })
  afterEach(async () => {
    for (const socket of sockets) socket.destroy()
    sockets.clear()
    await mesh.close()
  })

  const portOf = (member: MeshNode): number => Number(/\/tcp\/(\d+)/.exec(member.addresses()[0]!)![1])
  /** Connections of one host that stay half-open on this side whatever the other does; resolves with when each was ended. */
  const open = (member: MeshNode, count: number): { all: Socket[]; ended: Promise<void>[] } => {
    const all = Array.from({ length: count }, () =>
      connect({ host: '127.0.0.1', port: portOf(member), localAddress: ATTACKER, allowHalfOpen: true }),
    )
    const ended = all.map((socket) => {
      sockets.add(socket)
      return new Promise<void>((resolve) =>
        socket
          .on('error', () => {})
          .on('end', resolve)
          .on('close', () => resolve())
          .resume(),
      )
    })
    return { all, ended }
  }
  const honestJoins = (member: MeshNode) =>
    joinLightly({
      cluster: member.status().cluster!,
      peers: member.addresses(),
      attester: mesh.td(),
      timeoutMs: 60_000,
      from: '127.0.0.2',
    })

  it('takes so many handshakes of one host, ends those that dribble or say nothing, and lets an honest joiner in meanwhile', async () => {
    const member = await mesh.first()
    const stop = new AbortController()
    const { all, ended } = open(member, 3 * HANDSHAKES)
    // A third says nothing at all; the others begin as libp2p does, a byte a second.
    const words = Buffer.from('\x13/multistream/1.0.0\n\x07/noise\n')
    const dribbling = all
      .filter((_, index) => index % 3 > 0)
      .map(async (socket) => {
        for (let at = 0; !stop.signal.aborted && at < words.length; at++) {
          if (socket.writable) socket.write(words.subarray(at, at + 1))
          await systemClock.sleep(1_000, stop.signal).catch(() => {})
        }
      })
    // Those beyond the share are refused at once; the rest holds its places while the joiner gets in.
    await within(CUT_OFF_MS, 'the refusal of what is too much', firstOf(ended, 2 * HANDSHAKES))
    await honestJoins(member)
    await within(CUT_OFF_MS, 'the end of every slow handshake', Promise.all(ended))
    stop.abort()
    await Promise.all(dribbling)
    // The places are free again, for the same host too.
    const { all: again } = open(member, 1)
    await within(
      CUT_OFF_MS,
      'a greeting',
      once(
        again[0]!.on('data', () => {}),
        'connect',
      ),
    )
    again[0]!.write(words.subarray(0, 20))
    await within(CUT_OFF_MS, 'an answer', once(again[0]!, 'data'))
  })
})

/** Resolves when `count` of these have. */
const firstOf = (all: readonly Promise<void>[], count: number): Promise<void> =>
  new Promise((resolve) => {
    let left = count
    for (const each of all) void each.then(() => --left === 0 && resolve())
  })

describe('a stranger that stops within a Yamux frame', () => {
  it('holds its connection no longer than any other, and no memory but what it has sent', async () => {
    const clock = new FakeClock()
    const attacked = await startNetwork({ clock, isMember: () => false })
    const hostile = await belowYamux()
    try {
      const opened = once(attacked.libp2p, 'connection:open')
      const connection = await hostile.connect(multiaddr(attacked.libp2p.getMultiaddrs()[0]!.toString()))
      await opened
      const closed = once(connection, 'close')
      // A data frame of 200,000 bytes for a stream of its own, of which a few come.
      connection.send(Uint8Array.of(0, 0, 0, 1, 0, 0, 0, 9, 0, 3, 0x0d, 0x40, 1, 2, 3))
      clock.pass(59_999)
      assert.equal(attacked.libp2p.getConnections().length, 1)
      clock.pass(1)
      await within(CUT_OFF_MS, 'the end of the connection', closed)
      assert.equal(attacked.libp2p.getConnections().length, 0)
    } finally {
      await hostile.node.stop()
      await attacked.stop()
    }
  }).timeout(60_000)
})
