import assert from 'node:assert/strict'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { RPC } from '@libp2p/gossipsub/message'
import { identify } from '@libp2p/identify'
import type { Connection, IdentifyResult, Libp2p, Stream } from '@libp2p/interface'
import { tcp } from '@libp2p/tcp'
import { createLibp2p } from 'libp2p'
import { FakeClock, framed } from '../protocols/support.ts'
import { bytes, Cluster, Member, TOPIC } from './support.ts'

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
  it('that is a member and publishes soundly, but without end, is read no faster than its share', async function () {
    this.timeout(60_000)
    const flooder = await Member.start()
    cluster.all.push(flooder)
    flooder.admit(attacked())
    attacked().admit(flooder)
    await flooder.dial(attacked())
    await flooder.reaches(attacked())
    const heard = (): number =>
      attacked().heard.reduce((sum, { author, data }) => sum + (author === flooder.id ? data.length : 0), 0)
    const beganMs = performance.now()
    const size = 200_000
    // More than a burst. What its own queue does not hold it loses.
    for (let i = 0; i < 60; i++) {
      await flooder.network.publish(bytes(`${i} `.padEnd(size, 'x')))
      await sleep(0)
    }
    await stillDelivers('while one floods')
    const seconds = (performance.now() - beganMs) / 1_000
    assert.ok(heard() > 0)
    // Burst, rate, and what Yamux hands over in one piece when the share ends: a window.
    assert.ok(heard() <= 5 * 1024 * 1024 + seconds * 128 * 1024 + 2 * size, `${heard()} bytes in ${seconds} s`)
  })

  it('that is a member and reads nothing loses its stream, and takes no memory', async function () {
    this.timeout(60_000)
    attacked().members.add(hostile.peerId.toString())
    const deaf = new Promise<Stream>((resolve) => {
      void hostile.handle('/meshsub/1.2.0', (stream) => {
        stream.pause()
        resolve(stream)
      })
    })
    const connection = await connect()
    const ended = outcome(await deaf)
    const stream = await connection.newStream('/meshsub/1.2.0')
    stream.send(framed(RPC.encode({ subscriptions: [{ subscribe: true, topic: TOPIC }], messages: [] })))
    stream.send(framed(RPC.encode(control({ graft: [{ topicID: TOPIC }] }))))
    while (
      !attacked()
        .network.subscribers()
        .some((peer) => peer.equals(hostile.peerId))
    )
      await sleep(10)
    // Beyond what may wait for one that does not read, and what the others may be sent at once.
    for (let i = 0; i < 24; i++) {
      await attacked().network.publish(bytes(`${i} `.padEnd(260_000, 'x')))
      await sleep(0)
    }
    await ended
    await stillDelivers('after all that')
  })
})

describe('a member that does not subscribe', () => {
  it('has its streams ended after a while, so that both sides begin anew', async () => {
    const clock = new FakeClock()
    const [member, other] = [await Member.start({ clock }), await stranger()]
    try {
      const opened: Stream[] = []
      let told = () => {}
      await other.handle('/meshsub/1.2.0', (stream) => {
        opened.push(stream)
        told()
      })
      const next = (): Promise<void> =>
        new Promise((resolve) => {
          told = resolve
        })
      member.members.add(other.peerId.toString())
      const first = next()
      const connection = await other.dial(member.addresses)
      await first
      const stream = await connection.newStream('/meshsub/1.2.0')
      stream.send(framed(RPC.encode({ subscriptions: [], messages: [] })))
      const ended = [stream, opened[0]!].map((each) => outcome(each))
      const gossiping = () =>
        member.network.libp2p.getConnections()[0]!.streams.filter(({ protocol }) => protocol === '/meshsub/1.2.0')
      while (gossiping().length < 2) await sleep(10)
      const second = next()
      let passed = 0
      for (; opened.length < 2 && passed < 60; passed++) {
        member.network.mend()
        clock.pass(1_000)
        await sleep(20)
      }
      await Promise.all([second, ...ended])
      assert.ok(passed >= 5, 'it was given five seconds')
      const anew = await connection.newStream('/meshsub/1.2.0')
      anew.send(framed(RPC.encode({ subscriptions: [{ subscribe: true, topic: TOPIC }], messages: [] })))
      while (member.network.subscribers().length === 0) await sleep(10)
      for (let i = 0; i < 3; i++) {
        clock.pass(10_000)
        member.network.mend()
      }
      assert.equal(anew.status, 'open')
      assert.equal(opened.length, 2)
    } finally {
      await Promise.all([member.stop(), other.stop()])
    }
  })
})
