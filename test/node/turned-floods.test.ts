/** Floods of gossip's own frames by a member that turned, against a full node that others gossip through. */
import assert from 'node:assert/strict'
import { RPC } from '@libp2p/gossipsub/message'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { encode } from 'it-length-prefixed'
import { membersTopic } from '../../protocols/membership/index.ts'
import { parseClusterId } from '../../protocols/wire/index.ts'
import { systemClock } from '../../src/base/index.ts'
import type { MeshNode } from '../../src/index.ts'
import { getKey, within } from '../mesh/support.ts'
import { heldBytes } from './held-bytes.ts'
import { joinLightly } from './light-joiner.ts'
import { InProcess } from './support.ts'
import { TurnedMember } from './turned-member.ts'
import { verdict } from './verdict.ts'

const LIMIT_MS = 20_000
const FRAMES = 20
const HELD_BYTES_MAX = 32 * 1024 * 1024

const control = (parts: Partial<RPC.ControlMessage>): RPC => ({
  subscriptions: [],
  messages: [],
  control: { ihave: [], iwant: [], graft: [], prune: [], idontwant: [], ...parts },
})
const ids = (count: number): Uint8Array[] => Array.from({ length: count }, (_, n) => Buffer.from(`id ${n} `.padEnd(46, '.')))
const topics = (count: number) => Array.from({ length: count }, (_, n) => ({ subscribe: true, topic: `${n}` }))

/**
 * What becomes of their sender: `is read on` when all of them have been dropped, `is held back` where they are more than its share.
 */
type Fate = 'loses its stream' | 'is held back' | 'is read on'
const FLOODS: Record<string, { frame(topic: string): Uint8Array; fate: Fate }> = {
  'subscriptions to 350,000 topics': {
    frame: () => RPC.encode({ subscriptions: topics(350_000), messages: [] }),
    fate: 'loses its stream',
  },
  'subscriptions to as many topics as a frame holds': {
    frame: () => RPC.encode({ subscriptions: topics(100_000), messages: [] }),
    fate: 'is held back',
  },
  'subscriptions to 12,000 topics': {
    frame: () => RPC.encode({ subscriptions: topics(12_000), messages: [] }),
    fate: 'is read on',
  },
  'subscriptions to a few topics that nobody has': {
    frame: () => RPC.encode({ subscriptions: topics(8), messages: [] }),
    fate: 'is read on',
  },
  'IHAVE of ids that nobody has': {
    frame: (topicID) => RPC.encode(control({ ihave: [{ topicID, messageIDs: ids(1_000) }] })),
    fate: 'is read on',
  },
  'IHAVE of more ids than a frame may': {
    frame: (topicID) => RPC.encode(control({ ihave: [{ topicID, messageIDs: ids(3_000) }] })),
    fate: 'is read on',
  },
  IWANT: { frame: () => RPC.encode(control({ iwant: [{ messageIDs: ids(1_000) }] })), fate: 'is read on' },
  GRAFT: {
    frame: (topicID) => RPC.encode(control({ graft: Array.from({ length: 16 }, () => ({ topicID })) })),
    fate: 'is read on',
  },
  PRUNE: {
    frame: (topicID) => RPC.encode(control({ prune: Array.from({ length: 16 }, () => ({ topicID, peers: [], backoff: 1 })) })),
    fate: 'is read on',
  },
  'messages that nobody signed': {
    frame: (topic) =>
      RPC.encode({ subscriptions: [], messages: Array.from({ length: 1_000 }, () => ({ topic, data: new Uint8Array(100) })) }),
    fate: 'is read on',
  },
  nonsense: { frame: () => new Uint8Array(100_000).fill(0xff), fate: 'is read on' },
  'frames that are too long': { frame: () => new Uint8Array(3 * 1024 * 1024), fate: 'loses its stream' },
}

describe('a member that turned, and floods a full node', function () {
  this.timeout(120_000)
  let mesh: InProcess
  let attacked: MeshNode
  let other: MeshNode
  /** Gossips with the attacked node only: what the other one hears of it has come through there. */
  let honest: TurnedMember
  let topic: string
  let places = 10
  before(async () => {
    mesh = await InProcess.open()
    attacked = await mesh.first()
    other = await mesh.node('other', { entry: mesh.entry(attacked) })
    await other.start()
    honest = await TurnedMember.join(attacked, mesh.td())
    topic = membersTopic(parseClusterId(attacked.status().cluster!)!)
  })
  after(async () => {
    await honest?.stop()
    await mesh.close()
  })
  /** The other one hears the honest one's newest address. */
  const converges = async (): Promise<void> => {
    const address = `/ip4/127.0.0.1/tcp/${places++}`
    const id = peerIdFromPrivateKey(honest.key).toString()
    await honest.publishRecord(await honest.record({ addresses: [address] }))
    const knows = (node: MeshNode): boolean =>
      node.members().some(({ peerId, addresses }) => peerId === id && addresses.includes(address))
    const both = async (): Promise<void> => {
      while (!knows(attacked) || !knows(other)) await systemClock.sleep(10)
    }
    await within(LIMIT_MS, 'that both full nodes know the new address', both())
  }

  for (const [what, { frame, fate }] of Object.entries(FLOODS)) {
    it(`with ${what} ${fate}; it costs the others nothing, and no memory`, async () => {
      await converges()
      const before = await heldBytes()
      const turned = await TurnedMember.join(attacked, mesh.td())
      try {
        const stream = turned.gossiping()!
        const ended = new Promise<void>((resolve) => stream.addEventListener('close', () => resolve()))
        const bytes = encode.single(frame(topic)).subarray()
        for (let sent = 0; sent < FRAMES && stream.status === 'open'; sent++) stream.send(bytes)
        await converges()
        if (fate === 'loses its stream') await within(LIMIT_MS, 'the end of its stream', ended)
        else if (fate === 'is read on') {
          // What it says next is read after all that.
          const heard = verdict(attacked, 'reject: wrong_cluster')
          await turned.publishRecord(await turned.record({ clusterId: new Uint8Array(32).fill(7) }))
          await heard
        }
        await converges()
      } finally {
        await turned.stop()
      }
      assert.equal(await getKey(mesh.socket('first'), 'p'), await getKey(mesh.socket('other'), 'p'))
      const held = (await heldBytes()) - before
      assert.ok(held < HELD_BYTES_MAX, `${held} bytes more are held`)
    })
  }

  it('leaves the door open: an honest one gets in', async () => {
    await joinLightly({
      cluster: attacked.status().cluster!,
      peers: attacked.addresses(),
      attester: mesh.td(),
      timeoutMs: LIMIT_MS,
    })
  })
})
