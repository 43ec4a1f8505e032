import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { MultiaddrConnection, PeerId } from '@libp2p/interface'
import { TypedEventEmitter } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import type { Network } from '../../src/net/index.ts'
import { hostGate } from '../../src/net/strangers.ts'
import { FakeClock } from '../protocols/support.ts'
import { startNetwork } from './support.ts'

const settled = () => new Promise((resolve) => setImmediate(resolve))
const nobody = undefined as unknown as PeerId

/** An inbound connection, as far as a gate looks at it. */
class Inbound extends TypedEventEmitter<{ close: Event }> {
  status = 'open'
  constructor(readonly remoteAddr: ReturnType<typeof multiaddr>) {
    super()
  }
  close(): void {
    this.status = 'closed'
    this.dispatchEvent(new Event('close'))
  }
}

describe('the gate for hosts', () => {
  const gateFor = () => {
    const gate = hostGate(() => false)
    const from = (address: string) => {
      const inbound = new Inbound(multiaddr(`${address}/tcp/1000`))
      const connection = inbound as unknown as MultiaddrConnection
      const denied = gate.denyInboundConnection(connection)
      return { inbound, denied, upgraded: () => gate.denyInboundUpgradedConnection(nobody, connection) }
    }
    return from
  }

  it('gives one host its share of connections and no more, until one of them closes', () => {
    const from = gateFor()
    const open = Array.from({ length: 96 }, () => {
      const { inbound, denied, upgraded } = from('/ip4/192.0.2.1')
      assert.ok(!denied)
      assert.equal(upgraded(), false)
      return inbound
    })
    assert.ok(from('/ip4/192.0.2.1').denied)
    assert.ok(!from('/ip4/192.0.2.2').denied)
    open[7]!.close()
    assert.ok(!from('/ip4/192.0.2.1').denied)
    assert.ok(from('/ip4/192.0.2.1').denied)
  })

  it('lets one host shake 32 hands at a time', () => {
    const from = gateFor()
    const [first] = Array.from({ length: 32 }, () => from('/ip4/192.0.2.1'))
    assert.ok(from('/ip4/192.0.2.1').denied)
    assert.ok(!from('/ip4/192.0.2.2').denied)
    first!.upgraded()
    assert.ok(!from('/ip4/192.0.2.1').denied)
    assert.ok(from('/ip4/192.0.2.1').denied)
  })

  it('gives all strangers together 256 places, whatever hosts they come from, and members theirs beside them', () => {
    const members = new Set<string>()
    const gate = hostGate((peer) => members.has(peer.toString()))
    let hosts = 0
    const from = (name: string) => {
      const inbound = new Inbound(multiaddr(`/ip4/192.0.${hosts >> 8}.${hosts++ & 255}/tcp/1`))
      const connection = inbound as unknown as MultiaddrConnection
      assert.ok(!gate.denyInboundConnection(connection))
      const denied = gate.denyInboundUpgradedConnection({ toString: () => name } as PeerId, connection)
      if (denied) inbound.close()
      return { inbound, denied }
    }
    const strangers = Array.from({ length: 256 }, (_, n) => from(`stranger ${n}`))
    assert.ok(strangers.every(({ denied }) => !denied))
    assert.ok(from('one more').denied)
    members.add('a member')
    assert.ok(!from('a member').denied)
    // Who became a member takes no stranger's place any more.
    members.add('stranger 3')
    assert.ok(!from('in its place').denied)
    assert.ok(from('one more').denied)
    strangers[4]!.inbound.close()
    assert.ok(!from('in its place too').denied)
    assert.ok(from('one more').denied)
  })

  it('takes a /64 of IPv6 for one host, and an IPv4 address in IPv6 for its own', () => {
    for (const [one, other, same] of [
      ['2001:db8:0:1::1', '2001:db8:0:1:ffff::2', true],
      ['2001:db8::1', '2001:db8:0:0:5::', true],
      ['2001:db8:0:1::1', '2001:db8:0:2::1', false],
      ['2001::1:2:3:4:5:6', '2001::9:2:3:4:5:6', false],
      ['::1', '::2', true],
      ['::ffff:192.0.2.1', '::ffff:192.0.2.2', false],
    ] as const) {
      const from = gateFor()
      for (let i = 0; i < 32; i++) assert.ok(!from(`/ip6/${one}`).denied)
      assert.equal(from(`/ip6/${other}`).denied, same, `${one} ${other}`)
    }
  })

  it('denies what has ended by itself, and counts it for nobody', () => {
    const gate = hostGate(() => false)
    for (let i = 0; i < 200; i++) {
      const ended = new Inbound(multiaddr('/ip4/192.0.2.1/tcp/1000'))
      ended.close()
      assert.ok(gate.denyInboundConnection(ended as unknown as MultiaddrConnection))
    }
    const alive = new Inbound(multiaddr('/ip4/192.0.2.1/tcp/1000'))
    assert.ok(!gate.denyInboundConnection(alive as unknown as MultiaddrConnection))
  })
})

describe("a stranger's connection", () => {
  const nodes: Network[] = []
  afterEach(() => Promise.all(nodes.splice(0).map((node) => node.stop())))

  const start = async (clock: FakeClock, isMember: (peer: PeerId) => boolean = () => false) => {
    const network = await startNetwork({ clock, isMember })
    nodes.push(network)
    return network.libp2p
  }

  it("ends after a while and leaves nothing behind; a member's stays", async () => {
    const clock = new FakeClock()
    const [stranger, friend] = [await start(new FakeClock()), await start(new FakeClock())]
    const member = await start(clock, (peer) => peer.equals(friend.peerId))
    await friend.dial(member.getMultiaddrs())
    const connection = await stranger.dial(member.getMultiaddrs())
    const closed = once(connection, 'close')
    const gone = once(member, 'peer:disconnect')
    // The far side of a dial may see the connection a little later.
    while (member.getConnections().length < 2) await once(member, 'connection:open')
    clock.pass(59_999)
    assert.equal(member.getConnections().length, 2)
    clock.pass(1)
    await Promise.all([closed, gone])
    assert.deepEqual(
      member.getConnections().map(({ remotePeer }) => remotePeer.toString()),
      [friend.peerId.toString()],
    )
    assert.equal(await member.peerStore.has(stranger.peerId), false)
  })
  it('leaves nothing behind that is heard of it after its end, or of one that could not be dialed', async () => {
    const member = await start(new FakeClock())
    const late = (await start(new FakeClock())).peerId
    // As identify writes it when it is through.
    await member.peerStore.merge(late, { multiaddrs: [multiaddr('/ip4/192.0.2.1/tcp/1')], protocols: ['/a'] })
    while (await member.peerStore.has(late)) await settled()
    await assert.rejects(member.dial(multiaddr(`/ip4/127.0.0.1/tcp/1/p2p/${late}`)))
    while (await member.peerStore.has(late)) await settled()
    assert.deepEqual(await member.peerStore.all(), [])
  })
})
