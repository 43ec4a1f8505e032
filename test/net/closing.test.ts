import assert from 'node:assert/strict'
import { once } from 'node:events'
import { keptConnections } from '../../src/net/degrees.ts'
import { Cluster, Member } from './support.ts'

/** In which a node does not keep a connection to every member. */
const LARGE = 101

describe('who watches for members that break off', () => {
  let cluster = new Cluster()
  const told: string[] = []
  const start = async (count: number): Promise<Member[]> => {
    cluster = await Cluster.start(count)
    told.length = 0
    for (const member of cluster.all)
      member.network.onClosed((peer) => told.push(`${names(member.id)} ${names(peer.toString())}`))
    return cluster.all
  }
  /** a, b, … by their places. */
  const names = (id: string): string => String.fromCharCode(97 + cluster.all.findIndex((member) => member.id === id))
  /** Connects the two and has what carries their connection break. */
  const connectAndCut = async (one: Member, other: Member): Promise<void> => {
    const { relay, address } = await cluster.relay(other)
    await one.network.connect(other.network.peerId, [address], AbortSignal.timeout(10_000))
    if (!other.network.isConnected(one.network.peerId)) await once(other.network.libp2p, 'peer:connect')
    const gone = [one, other].map(({ network }) => once(network.libp2p, 'peer:disconnect'))
    await relay.cut()
    await Promise.all(gone)
    await new Promise((resolve) => setImmediate(resolve))
  }
  afterEach(() => cluster.stop())

  it('is told by both sides of a cut, once, and until it no longer wants to know', async () => {
    const [a, b] = (await start(2)) as [Member, Member]
    const more: string[] = []
    const deaf = a.network.onClosed((peer) => more.push(peer.toString()))
    await connectAndCut(a, b)
    assert.deepEqual(told.sort(), ['a b', 'b a'])
    deaf()
    await connectAndCut(a, b)
    assert.deepEqual(told.sort(), ['a b', 'a b', 'b a', 'b a'])
    assert.deepEqual(more, [b.id])
  })

  it('is told nothing of strangers, nor while another connection to the same member is open', async () => {
    const [a, b] = (await start(2)) as [Member, Member]
    const stranger = await Member.start()
    cluster.all.push(stranger)
    await connectAndCut(stranger, a)
    await Promise.all([a.dial(b), b.dial(a)])
    // Where both were at the same moment there are two, else a second one is dialed all the same.
    if (a.network.libp2p.getConnections(b.network.peerId).length < 2) await a.network.libp2p.dial(b.addresses, { force: true })
    const [first] = a.network.libp2p.getConnections(b.network.peerId)
    const closed = once(first!, 'close')
    first!.abort(new Error('cut'))
    await closed
    await new Promise((resolve) => setImmediate(resolve))
    assert.deepEqual(told, [])
  })

  it('is told of no connection that either side closes for it is not needed, in a cluster where some are not', async () => {
    assert.ok(LARGE - 1 > keptConnections(LARGE - 1))
    const [a, b] = (await start(2)) as [Member, Member]
    for (const { network } of [a, b]) network.size(LARGE)
    await a.dial(b)
    await b.reaches(a)
    const gone = Promise.all([once(b.network.libp2p, 'peer:disconnect'), once(a.network.libp2p, 'peer:disconnect')])
    a.network.release(a.network.libp2p.getConnections()[0]!)
    await gone
    await new Promise((resolve) => setImmediate(resolve))
    assert.deepEqual(told, [])
    // A cut is told there as well.
    await connectAndCut(a, b)
    assert.deepEqual(told.sort(), ['a b', 'b a'])
  })

  it('is told of one that is closed on purpose where everybody is connected to everybody: its process may end', async () => {
    const [a, b] = (await start(2)) as [Member, Member]
    await a.dial(b)
    await b.reaches(a)
    const gone = Promise.all([once(b.network.libp2p, 'peer:disconnect'), once(a.network.libp2p, 'peer:disconnect')])
    a.network.release(a.network.libp2p.getConnections()[0]!)
    await gone
    await new Promise((resolve) => setImmediate(resolve))
    assert.deepEqual(told.sort(), ['a b', 'b a'])
  })
})
