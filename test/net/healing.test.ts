import assert from 'node:assert/strict'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { RPC } from '@libp2p/gossipsub/message'
import type { Connection } from '@libp2p/interface'
import { systemClock } from '../../src/base/index.ts'
import { framed } from '../protocols/support.ts'
import { bytes, Cluster, type Member, type Relay, TOPIC } from './support.ts'

const GOSSIP = '/meshsub/1.2.0'
const ROUNDS = 3
/** Higher: what the services do not notice by themselves costs the test more. */
const MEND_MS = 100

const connectionsTo = (one: Member, other: Member): Connection[] =>
  one.network.libp2p.getConnections(other.network.peerId).filter(({ status }) => status === 'open')
const subscribed = (one: Member, other: Member): boolean =>
  one.network.subscribers().some((peer) => peer.equals(other.network.peerId))

describe('gossip over connections that break', () => {
  let cluster = new Cluster()
  const start = async (count: number, options: Parameters<typeof Cluster.start>[1] = {}): Promise<Member[]> => {
    cluster = await Cluster.start(count, options)
    return cluster.all
  }
  afterEach(() => cluster.stop())

  /** A second connection, though there is one: as when both sides dial at once. */
  const dialAgain = async (one: Member, other: Member): Promise<Connection> => {
    const { address } = await cluster.relay(other)
    const opened = once(other.network.libp2p, 'connection:open')
    const connection = await one.network.libp2p.dial(address, { force: true, signal: AbortSignal.timeout(10_000) })
    await opened
    return connection
  }

  it('opens a stream anew that had broken before gossipsub had it', async () => {
    const [one, other] = (await start(2)) as [Member, Member]
    // Between the agreement on a protocol and the service that asked for the stream, libp2p notes what the peer speaks.
    const { peerStore } = one.network.libp2p
    const { merge } = peerStore
    const noting = Promise.withResolvers<void>()
    const noted = Promise.withResolvers<void>()
    peerStore.merge = async (peer, data, options) => {
      const merged = await merge.call(peerStore, peer, data, options)
      if (data.protocols?.length === 1 && data.protocols[0] === GOSSIP) {
        noting.resolve()
        await noted.promise
      }
      return merged
    }
    await one.dial(other)
    await noting.promise
    const [first] = connectionsTo(one, other)
    await dialAgain(one, other)
    peerStore.merge = merge
    for (const stream of [...first!.streams]) if (stream.protocol === GOSSIP) stream.abort(new Error('cut'))
    noted.resolve()
    while (!subscribed(other, one) || !subscribed(one, other)) {
      await sleep(20)
      one.network.mend()
      other.network.mend()
    }
    await one.network.publish(bytes('here again'))
    await other.hears('here again')
  })

  it('does not forget who subscribed when another stream of the same peer ends within a frame', async () => {
    const [one, other] = (await start(2)) as [Member, Member]
    await one.dial(other)
    await Promise.all([one.reaches(other), other.reaches(one)])
    let gone = 0
    other.network.libp2p.addEventListener('connection:close', () => gone++)
    for (const end of ['close', 'abort'] as const) {
      const second = await dialAgain(one, other)
      const stream = await second.newStream(GOSSIP)
      const frame = framed(RPC.encode({ subscriptions: [{ subscribe: true, topic: TOPIC }], messages: [] }))
      stream.send(frame.subarray(0, frame.length - 1))
      while (!other.network.libp2p.getConnections().some(({ streams }) => streams.filter(isInbound).length > 0)) await sleep(5)
      if (end === 'close') await second.close()
      else second.abort(new Error('cut'))
      const before = gone
      while (connectionsTo(other, one).length > 1) await sleep(5)
      assert.ok(gone >= before)
      assert.ok(subscribed(other, one), end)
      await other.network.publish(bytes(`after ${end}`))
      await one.hears(`after ${end}`)
    }
  })
  const isInbound = ({ protocol, direction }: { protocol: string; direction: string }): boolean =>
    protocol === GOSSIP && direction === 'inbound'

  it('reaches the others while a member does not answer, and piles up nothing for that one', async () => {
    // The time for a stream to be opened is never up here.
    const clock = { ...systemClock, deadline: (ms: number, parent?: AbortSignal) => systemClock.deadline(ms * 1_000, parent) }
    const [one, silent, ...others] = (await start(6, { clock })) as [Member, Member, ...Member[]]
    one.expel(silent)
    const { relay, address } = await cluster.relay(silent)
    const connection = await one.network.libp2p.dial(address)
    relay.silence()
    one.admit(silent)
    await Promise.all(others.map((other) => one.dial(other)))
    await Promise.all(others.flatMap((other) => [one.reaches(other), other.reaches(one)]))
    const before = connection.streams.length
    for (let i = 0; i < 50; i++) {
      one.network.mend()
      one.network.admitted(silent.network.peerId)
    }
    await sleep(0)
    assert.equal(connection.streams.length, before)
    connection.abort(new Error('gone'))
  })

  it('takes the newest of several connections: an older one may be dead without a word', async () => {
    const clock = { ...systemClock, deadline: (ms: number, parent?: AbortSignal) => systemClock.deadline(ms * 1_000, parent) }
    const [one, other] = (await start(2, { clock })) as [Member, Member]
    one.expel(other)
    other.expel(one)
    const { relay, address } = await cluster.relay(other)
    const dead = await one.network.libp2p.dial(address)
    relay.silence()
    const alive = await dialAgain(one, other)
    one.admit(other)
    other.admit(one)
    await Promise.all([one.reaches(other), other.reaches(one)])
    assert.ok([dead, alive].every(({ status }) => status === 'open'))
    dead.abort(new Error('gone'))
  })

  it('keeps nothing of a member that comes and goes, however often', async () => {
    const [one, flapping, witness] = (await start(3)) as [Member, Member, Member]
    await one.dial(witness)
    await one.reaches(witness)
    let told = 0
    one.network.onSubscriber((peer) => void (peer.equals(flapping.network.peerId) && told++))
    for (let i = 1; i <= 25; i++) {
      await Promise.all([one.dial(flapping), flapping.dial(one)])
      while (!subscribed(one, flapping) || !subscribed(flapping, one)) {
        await sleep(5)
        for (const { network } of [one, flapping]) network.mend()
      }
      assert.ok(connectionsTo(one, flapping).length <= 2)
      const streams = connectionsTo(one, flapping).flatMap((connection) => connection.streams)
      assert.ok(streams.filter(({ protocol }) => protocol === GOSSIP).length <= 8)
      for (const connection of connectionsTo(i % 2 === 0 ? one : flapping, i % 2 === 0 ? flapping : one)) {
        connection.abort(new Error('down'))
      }
      while (connectionsTo(one, flapping).length > 0) await sleep(5)
      assert.ok(!subscribed(one, flapping))
    }
    assert.ok(told >= 25 && told <= 100, `told of ${told} times`)
    assert.deepEqual(
      one.network.libp2p.getConnections().map(({ remotePeer }) => remotePeer.toString()),
      [witness.id],
    )
    assert.equal((await one.network.libp2p.peerStore.all()).length <= 2, true)
    await one.network.publish(bytes('still here'))
    await witness.hears('still here')
  })

  for (const [name, cut] of Object.entries({
    'lines that are cut': async (_connections, relays) => {
      await Promise.all(relays.map((relay) => relay.cut()))
      await Promise.all(relays.map((relay) => relay.open()))
    },
    'some that are closed, some that break': async (connections) => {
      await Promise.all(
        connections.map(async (connection, i) => {
          if (i % 2 === 0) connection.abort(new Error('cut'))
          else await connection.close().catch(() => {})
        }),
      )
    },
    'connections that break while they begin, again and again': async (connections, _relays, dialAll) => {
      for (const connection of connections) connection.abort(new Error('cut'))
      for (let i = 1; i <= 4; i++) {
        const dialed = dialAll()
        await sleep(15 * i)
        for (const [n, connection] of openAcross().entries()) if ((n + i) % 2 === 0) connection.abort(new Error('cut'))
        await dialed
      }
    },
  } as Record<
    string,
    (connections: readonly Connection[], relays: readonly Relay[], dialAll: () => Promise<unknown>) => Promise<void>
  >)) {
    it(`is whole again after each of many cuts between four members and three: ${name}`, async function () {
      this.timeout(60_000)
      const all = await start(7)
      const [left, right] = [all.slice(0, 4), all.slice(4)]
      const lines = await Promise.all(
        left
          .flatMap((one) =>
            right.flatMap((other) => [
              { from: one, to: other },
              { from: other, to: one },
            ]),
          )
          .map(async (line) => ({ ...line, ...(await cluster.relay(line.to)) })),
      )
      /** Both sides of each pair at once. */
      const dialAll = () =>
        Promise.all(
          lines.map(({ from, to, address }) =>
            from.network.connect(to.network.peerId, [address], AbortSignal.timeout(5_000)).catch(() => undefined),
          ),
        )
      openAcross = () =>
        left.flatMap((one) => right.flatMap((other) => [...connectionsTo(one, other), ...connectionsTo(other, one)]))
      for (const half of [left, right]) {
        await Promise.all(half.flatMap((one, i) => half.slice(i + 1).map((other) => one.dial(other))))
      }
      for (let round = 0; round < ROUNDS; round++) {
        await dialAll()
        let mendAtMs = performance.now() + MEND_MS
        while (all.some((one) => all.some((other) => one !== other && !subscribed(one, other)))) {
          await sleep(10)
          if (performance.now() < mendAtMs) continue
          mendAtMs = performance.now() + MEND_MS
          for (const { network } of all) network.mend()
          await dialAll()
        }
        await cut(
          openAcross(),
          lines.map(({ relay }) => relay),
          dialAll,
        )
        while (name.startsWith('lines') && openAcross().length > 0) await sleep(10)
      }
    })
  }
  let openAcross: () => Connection[] = () => []
})
