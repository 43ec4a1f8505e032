import assert from 'node:assert/strict'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { multiaddr } from '@multiformats/multiaddr'
import { degrees, keptConnections, wantedConnections } from '../../src/net/degrees.ts'
import { bytes, Cluster, type Member } from './support.ts'

describe('discovery', () => {
  let cluster = new Cluster()
  const start = async (count: number): Promise<Member[]> => {
    cluster = await Cluster.start(count)
    return cluster.all
  }
  afterEach(() => cluster.stop())

  it('connects 16 members well enough that everybody hears everybody', async function () {
    this.timeout(60_000)
    const all = await start(16)
    for (const member of all) member.discover()
    for (const { network } of all) {
      while (network.subscribers().length < 4) {
        await new Promise<void>((told) => {
          const stop = network.onSubscriber(() => {
            stop()
            told()
          })
        })
      }
    }
    for (const member of all) await member.network.publish(bytes(member.id))
    await Promise.all(all.flatMap((member) => all.filter((other) => other !== member).map(({ id }) => member.hears(id))))
    for (const { network } of all) assert.ok(network.libp2p.getConnections().length <= 2 * network.libp2p.getPeers().length)
  })

  it('connects 25 members that begin at once each to enough others, with few dials', async function () {
    this.timeout(120_000)
    const all = await start(25)
    let dialed = 0
    for (const { network } of all) {
      network.libp2p.addEventListener('connection:open', ({ detail }) => void (detail.direction === 'outbound' && dialed++))
    }
    const enough = all.map(async ({ network }) => {
      while (network.libp2p.getPeers().length < wantedConnections(24)) await once(network.libp2p, 'peer:connect')
      while (network.subscribers().length < wantedConnections(24)) {
        await new Promise<void>((told) => {
          const stop = network.onSubscriber(() => {
            stop()
            told()
          })
        })
      }
    })
    for (const member of all) member.discover()
    await Promise.all(enough)
    // If nobody had been dialed by two at once, 150 would do.
    assert.ok(dialed <= 25 * 24, `${dialed} connections`)
    for (const { network } of all) assert.ok(network.libp2p.getPeers().length <= keptConnections(24))
  })

  it('heals when every connection is cut', async () => {
    const all = await start(5)
    for (const member of all) member.discover()
    const everybody = () =>
      Promise.all(all.flatMap((one) => all.filter((other) => other !== one).map((other) => one.connectedTo(other))))
    await everybody()
    for (const { network } of all) for (const connection of network.libp2p.getConnections()) connection.abort(new Error('cut'))
    await everybody()
    await Promise.all(all.flatMap((one) => all.filter((other) => other !== one).map((other) => one.reaches(other))))
    await all[0]!.network.publish(bytes('healed'))
    await Promise.all(all.slice(1).map((member) => member.hears('healed')))
  })

  it('finds a member whose address has changed by what the others know', async () => {
    const [one, friend, moved] = (await start(3)) as [Member, Member, Member]
    one.table.set(moved.id, { peer: moved.network.peerId, addresses: [multiaddr('/ip4/127.0.0.1/tcp/1')] })
    friend.discover()
    await friend.connectedTo(moved)
    one.discover()
    await one.connectedTo(moved)
    assert.deepEqual(
      (await one.discovery!.lookup(moved.network.peerId)).map((address) => address.toString().replace(/\/p2p\/.*/, '')).sort(),
      ['/ip4/127.0.0.1/tcp/1', moved.addresses[0]!.toString().replace(/\/p2p\/.*/, '')].sort(),
    )
  })

  it('finds a member again whose address changes while it runs, by the one that has heard of the new one', async function () {
    this.timeout(60_000)
    const [one, friend, moving] = (await start(3)) as [Member, Member, Member]
    const first = await cluster.relay(moving)
    for (const member of [one, friend]) member.table.set(moving.id, { peer: moving.network.peerId, addresses: [first.address] })
    // Who moves does not dial: it would be found by that.
    one.discover()
    friend.discover()
    await Promise.all([one.connectedTo(moving), friend.connectedTo(moving), one.connectedTo(friend)])
    const gone = [one, friend].map(({ network }) => once(network.libp2p, 'peer:disconnect'))
    await first.relay.cut()
    await Promise.all(gone)
    const second = await cluster.relay(moving)
    friend.table.set(moving.id, { peer: moving.network.peerId, addresses: [second.address] })
    await Promise.all([friend.connectedTo(moving), one.connectedTo(moving)])
    await one.reaches(moving)
    await one.network.publish(bytes('found you'))
    await moving.hears('found you')
  })

  it('comes back by the address that the operator gave, when the table leads nowhere', async () => {
    const [one, other] = (await start(2)) as [Member, Member]
    one.table.set(other.id, { peer: other.network.peerId, addresses: [multiaddr('/ip4/127.0.0.1/tcp/1')] })
    one.discover(other.addresses)
    await one.connectedTo(other)
  })

  it('gives the peer store what the table says, and takes from it who is out', async () => {
    const [one, other] = (await start(2)) as [Member, Member]
    one.discover()
    await one.connectedTo(other)
    const closed = once(one.network.libp2p, 'peer:disconnect')
    one.expel(other)
    other.discover()
    await one.network.libp2p.hangUp(other.network.peerId)
    await closed
    while (await one.network.libp2p.peerStore.has(other.network.peerId)) await sleep(10)
  })

  it('states how many connections and degrees a table asks for', () => {
    assert.deepEqual([0, 1, 12, 13, 24, 64, 99, 999].map(wantedConnections), [0, 1, 12, 12, 12, 12, 14, 20])
    assert.deepEqual([2, 49, 999].map(keptConnections), [4, 24, 40])
    for (let others = 0; others < 100; others++) {
      const { D, Dlo, Dhi, Dscore, Dout } = degrees(others)
      assert.ok(Dlo <= D && D <= Dhi && Dscore <= D && (Dout < Dlo || Dout === 0) && Dout <= D / 2)
      assert.ok(D <= Math.max(1, others))
    }
  })
})

describe('kad-dht', () => {
  it('is not told of strangers and tells nobody else', async () => {
    const cluster = await Cluster.start(3)
    try {
      const [one, friend, moved] = cluster.all as [Member, Member, Member]
      for (const member of [one, friend]) await member.dial(member === one ? friend : moved)
      await friend.network.know(moved.network.peerId, moved.addresses)
      await friend.network.know(one.network.peerId, one.addresses)
      await one.network.know(friend.network.peerId, friend.addresses)
      const found = async () => (await one.network.find(moved.network.peerId, AbortSignal.timeout(5_000))).map(String)
      while ((await found()).length === 0) await sleep(20)
      friend.expel(moved)
      assert.deepEqual(await found(), [])
    } finally {
      await cluster.stop()
    }
  })
})
