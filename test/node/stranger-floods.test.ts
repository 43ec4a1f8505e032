/** Strangers of several hosts that open every protocol of a full node at once, again and again, while a mesh lives and grows. */
import assert from 'node:assert/strict'
import { RPC } from '@libp2p/gossipsub/message'
import type { Connection, Libp2p, Stream } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { CHALLENGE_PROTOCOL } from '../../protocols/challenge/index.ts'
import { encodeChallenge } from '../../protocols/challenge/messages.ts'
import { MEMBERSHIP_PROTOCOL, membersTopic } from '../../protocols/membership/index.ts'
import { encodeSync } from '../../protocols/membership/messages.ts'
import { ONBOARD_PROTOCOL } from '../../protocols/onboard/index.ts'
import { encodeHello } from '../../protocols/onboard/messages.ts'
import { sealMemberRecord } from '../../protocols/records/index.ts'
import { parseClusterId } from '../../protocols/wire/index.ts'
import { systemClock, systemRandom } from '../../src/base/index.ts'
import type { MeshNode } from '../../src/index.ts'
import { createPeerKey } from '../../src/net/index.ts'
import { getKey, within } from '../mesh/support.ts'
import { framed } from '../protocols/support.ts'
import { heldBytes } from './held-bytes.ts'
import { dialer } from './light-joiner.ts'
import { InProcess } from './support.ts'

const HOSTS = ['127.0.0.3', '127.0.0.4', '127.0.0.5']
const PEERS_PER_HOST = 4
const ROUNDS_AT_LEAST = 5
const ROUNDS_AT_MOST = 200
const LIMIT_MS = 60_000
const HELD_BYTES_MAX = 48 * 1024 * 1024

const MEMBERS_ONLY = ['/meshsub/1.0.0', '/meshsub/1.1.0', '/meshsub/1.2.0', '/dstack/kad/1.0.0']

/** For each protocol of a node what a peer may say first; undefined where it has only to listen. */
const firstWords = async (clusterId: Uint8Array): Promise<Record<string, Uint8Array | undefined>> => {
  const key = await createPeerKey()
  const envelope = await sealMemberRecord(
    {
      clusterId,
      peerId: key.publicKey.toMultihash().bytes,
      addresses: ['/ip4/127.0.0.1/tcp/9'],
      public: false,
      epoch: 0,
      sequence: 1n,
      state: 'active',
      credential: systemRandom.bytes(300),
      sentAt: systemClock.now(),
    },
    key,
  )
  const subscription = RPC.encode({ subscriptions: [{ subscribe: true, topic: membersTopic(clusterId) }], messages: [] })
  return {
    [ONBOARD_PROTOCOL]: framed(encodeHello({ clusterId, joinerNonce: systemRandom.bytes(32) })),
    [MEMBERSHIP_PROTOCOL]: framed(encodeSync({ kind: 'hello', envelope })),
    [CHALLENGE_PROTOCOL]: framed(encodeChallenge({ clusterId, verifierNonce: systemRandom.bytes(32), epoch: 0 })),
    '/ipfs/ping/1.0.0': systemRandom.bytes(32),
    '/ipfs/id/1.0.0': undefined,
    '/ipfs/id/push/1.0.0': framed(systemRandom.bytes(200)),
    ...Object.fromEntries(MEMBERS_ONLY.map((protocol) => [protocol, framed(subscription)])),
    // FIND_NODE of nobody's key.
    '/dstack/kad/1.0.0': framed(Uint8Array.of(0x08, 4, 0x12, 32, ...systemRandom.bytes(32))),
  }
}

describe('a full node that strangers flood in all its protocols at once', function () {
  this.timeout(3 * LIMIT_MS)
  let mesh: InProcess
  let attacked: MeshNode
  let other: MeshNode
  const strangers: Libp2p[] = []
  before(async () => {
    mesh = await InProcess.open()
    attacked = await mesh.first()
    other = await mesh.node('other', { entry: mesh.entry(attacked) })
    await other.start()
  })
  after(async () => {
    await Promise.all(strangers.map((stranger) => stranger.stop()))
    await mesh.close()
  })

  it('tells strangers nothing that is for members, lets an honest one in, converges, and holds no more than before', async () => {
    const clusterId = parseClusterId(attacked.status().cluster!)!
    const target = multiaddr(attacked.addresses()[0]!)
    const words = await firstWords(clusterId)
    for (const from of HOSTS) {
      for (let i = 0; i < PEERS_PER_HOST; i++) strangers.push(await dialer(await createPeerKey(), clusterId, from))
    }
    const before = await heldBytes()
    /** Bytes that came back, by protocol. */
    const answered: Record<string, number> = {}
    let opened = 0
    const say = async (connection: Connection, protocol: string, word: Uint8Array | undefined): Promise<void> => {
      using deadline = systemClock.deadline(2_000)
      let stream: Stream | undefined
      try {
        stream = await connection.newStream(protocol, { signal: deadline.signal })
        opened++
        const heard = new Promise<void>((resolve) => {
          deadline.signal.addEventListener('abort', () => resolve())
          stream!.addEventListener('close', () => resolve())
          stream!.addEventListener('message', ({ data }) => {
            answered[protocol] = (answered[protocol] ?? 0) + data.byteLength
            resolve()
          })
        })
        if (word !== undefined) stream.send(word)
        await heard
      } catch {
        // Refused or cut off.
      } finally {
        stream?.abort(new Error('the next'))
      }
    }
    const attack = async (stranger: Libp2p, round: number): Promise<void> => {
      const connection = await stranger.dial(target, { force: true, signal: AbortSignal.timeout(5_000) }).catch(() => undefined)
      if (connection === undefined) return
      const garbage = (): Uint8Array => systemRandom.bytes(1 + Math.floor(systemRandom.uniform() * 2_000))
      await Promise.all(
        Object.entries(words).map(([protocol, word]) => say(connection, protocol, round % 2 === 0 ? word : garbage())),
      )
      if (round % 3 === 0) connection.abort(new Error('gone'))
      else await connection.close().catch(() => {})
    }
    let enough = false
    let rounds = 0
    const first = Promise.withResolvers<void>()
    const flooding = (async () => {
      while (rounds < ROUNDS_AT_LEAST || (!enough && rounds < ROUNDS_AT_MOST)) {
        await Promise.all(strangers.map((stranger) => attack(stranger, rounds)))
        rounds++
        first.resolve()
      }
    })()
    let roundsMeanwhile = 0
    try {
      await within(LIMIT_MS, 'the first round', first.promise)
      const since = rounds
      // Of 127.0.0.1.
      const joiner = await mesh.node('joiner', { entry: mesh.entry(attacked, LIMIT_MS) })
      await joiner.start()
      const all = [attacked, other, joiner]
      const complete = async (): Promise<void> => {
        while (!all.every((node) => node.members().filter(({ state }) => state !== 'lapsed').length === all.length)) {
          await systemClock.sleep(20)
        }
      }
      await within(LIMIT_MS, 'that all tables are complete', complete())
      roundsMeanwhile = rounds - since
    } finally {
      enough = true
      await flooding
    }
    assert.ok(rounds < ROUNDS_AT_MOST, `${roundsMeanwhile} of ${rounds} rounds until it was in`)
    assert.equal(await getKey(mesh.socket('first'), 'p'), await getKey(mesh.socket('joiner'), 'p'))
    // The flood was one: what is for everybody was answered, what is for members never.
    assert.ok(opened > 0 && answered[ONBOARD_PROTOCOL]! > 0 && answered['/ipfs/ping/1.0.0']! > 0, JSON.stringify(answered))
    for (const protocol of MEMBERS_ONLY) assert.equal(answered[protocol], undefined, protocol)
    await Promise.all(strangers.splice(0).map((stranger) => stranger.stop()))
    const held = (await heldBytes()) - before
    assert.ok(held < HELD_BYTES_MAX, `${held} bytes more are held after ${opened} streams`)
  })
})
