import assert from 'node:assert/strict'
import { once } from 'node:events'
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { RPC } from '@libp2p/gossipsub/message'
import { identify } from '@libp2p/identify'
import type { Connection, IdentifyResult, Libp2p, Stream } from '@libp2p/interface'
import { tcp } from '@libp2p/tcp'
import { createLibp2p } from 'libp2p'
import { framed } from '../protocols/support.ts'
import { bytes, Cluster, type Member, TOPIC } from './support.ts'

const MEMBERS_ONLY = ['/meshsub/1.0.0', '/meshsub/1.1.0', '/meshsub/1.2.0', '/dstack/kad/1.0.0']

/** A peer that speaks libp2p and does as its test says. */
const stranger = (): Promise<Libp2p> =>
  createLibp2p({
    addresses: { listen: [] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    services: { identify: identify() },
  })

/** How a stream ended, and what came before. */
const outcome = (stream: Stream): Promise<{ received: number; end: string }> =>
  new Promise((resolve) => {
    let received = 0
    if (stream.status !== 'open') return resolve({ received, end: 'reset' })
    stream.addEventListener('message', ({ data }) => {
      received += data.byteLength
    })
    stream.addEventListener('close', (event) => resolve({ received, end: event.error === undefined ? 'closed' : 'reset' }))
  })

const control = (parts: Partial<RPC.ControlMessage>): RPC => ({
  subscriptions: [],
  messages: [],
  control: { ihave: [], iwant: [], graft: [], prune: [], idontwant: [], ...parts },
})
const id = (n: number): Uint8Array => Buffer.from(`id ${n} `.padEnd(46, '.'))
const floods: Record<string, () => Uint8Array> = {
  subscriptions: () =>
    RPC.encode({ subscriptions: Array.from({ length: 350_000 }, (_, n) => ({ subscribe: true, topic: `${n}` })), messages: [] }),
  'IHAVE of ids that nobody has': () =>
    RPC.encode(control({ ihave: [{ topicID: TOPIC, messageIDs: Array.from({ length: 1_000 }, (_, n) => id(n)) }] })),
  IWANT: () => RPC.encode(control({ iwant: [{ messageIDs: Array.from({ length: 1_000 }, (_, n) => id(n)) }] })),
  PRUNE: () => RPC.encode(control({ prune: Array.from({ length: 16 }, () => ({ topicID: TOPIC, peers: [], backoff: 1 })) })),
  GRAFT: () => RPC.encode(control({ graft: Array.from({ length: 16 }, () => ({ topicID: TOPIC })) })),
  nonsense: () => new Uint8Array(100_000).fill(0xff),
  'messages without a signature': () =>
    RPC.encode({
      subscriptions: [],
      messages: Array.from({ length: 1_000 }, () => ({ topic: TOPIC, data: new Uint8Array(100) })),
    }),
  'a frame that is too long': () => new Uint8Array(3 * 1024 * 1024),
}

describe('a hostile peer', () => {
  let cluster = new Cluster()
  let hostile: Libp2p
  beforeEach(async () => {
    hostile = await stranger()
    cluster = await Cluster.start(3)
    const [one, two, three] = cluster.all as [Member, Member, Member]
    await Promise.all([one.dial(two), two.dial(three)])
    await Promise.all([one.reaches(two), two.reaches(three), three.reaches(two)])
  })
  afterEach(async () => {
    await hostile.stop()
    await cluster.stop()
  })
  const attacked = (): Member => cluster.all[1]!
  const connect = (): Promise<Connection> => hostile.dial(attacked().addresses)
  /** What is published at one end arrives at the other, through the member that is attacked. */
  const stillDelivers = async (words: string): Promise<void> => {
    await cluster.all[0]!.network.publish(bytes(words))
    await cluster.all[2]!.hears(words)
  }
  const send = async (stream: Stream, data: Uint8Array, times: number): Promise<void> => {
    for (let i = 0; i < times && stream.status === 'open'; i++) {
      if (!stream.send(framed(data))) await stream.onDrain({ signal: AbortSignal.timeout(2_000) }).catch(() => {})
    }
  }

  it('that is a stranger gets nothing from what is for members, and is opened no stream', async () => {
    const opened: string[] = []
    for (const protocol of MEMBERS_ONLY) await hostile.handle(protocol, () => void opened.push(protocol))
    const connection = await connect()
    for (const protocol of MEMBERS_ONLY) {
      const stream = await connection.newStream(protocol).catch(() => undefined)
      if (stream !== undefined) assert.deepEqual(await outcome(stream), { received: 0, end: 'reset' }, protocol)
    }
    await stillDelivers('after the strangers')
    assert.deepEqual(opened, [])
  })

  it('that is a stranger learns by identify neither addresses nor which software answers', async () => {
    const identifying = once(hostile, 'peer:identify') as Promise<[CustomEvent<IdentifyResult>]>
    await connect()
    const [{ detail: identified }] = await identifying
    assert.deepEqual(identified.listenAddrs, [])
    assert.equal(identified.signedPeerRecord, undefined)
    assert.equal(identified.agentVersion, 'dstack-mesh')
    const known = await hostile.peerStore.get(attacked().network.peerId)
    assert.ok(
      known.addresses.every(({ multiaddr }) =>
        attacked().addresses.some((address) => address.equals(multiaddr) || address.toString().startsWith(multiaddr.toString())),
      ),
    )
  })

  for (const [name, flood] of Object.entries(floods)) {
    it(`that is a member and sends ${name} is bounded, and the others go on`, async () => {
      attacked().members.add(hostile.peerId.toString())
      const connection = await connect()
      const stream = await connection.newStream('/meshsub/1.2.0')
      const data = flood()
      const before = process.memoryUsage().arrayBuffers + process.memoryUsage().heapUsed
      await send(stream, data, 20)
      await stillDelivers(`after ${name}`)
      const after = process.memoryUsage().arrayBuffers + process.memoryUsage().heapUsed
      // The flood itself is in this process too, on its way.
      assert.ok(after - before < 200_000_000 + 20 * data.length, `${after - before} bytes more`)
    })
  }
})
