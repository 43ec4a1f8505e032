import assert from 'node:assert/strict'
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { tcp } from '@libp2p/tcp'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { onboard, PEER_BURST } from '../../protocols/onboard/index.ts'
import { parseClusterId, type Refusal, RefusalError } from '../../protocols/wire/index.ts'
import { hostOf, systemClock, systemRandom } from '../../src/base/index.ts'
import type { MeshNode, NodeInit } from '../../src/index.ts'
import { createPeerKey } from '../../src/net/index.ts'
import { within } from '../mesh/support.ts'
import { InProcess } from './support.ts'

/** What a stranger is told that asks so often that it is turned away. */
const turnedAway = async (member: MeshNode): Promise<Refusal> => {
  const clusterId = parseClusterId(member.status().cluster!)!
  const node = await createLibp2p({
    privateKey: await createPeerKey(),
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    services: { onboard: onboard({ clusterId, timer: systemClock, random: systemRandom, hostOf }) },
  })
  const stop = new Error('only asks')
  try {
    // On a busy machine what it may ask grows meanwhile.
    for (let i = 0; i <= 10 * PEER_BURST; i++) {
      const asked = node.services.onboard.join(await node.services.onboard.dial(multiaddr(member.addresses()[0]!)), {
        attest: () => Promise.reject(stop),
        adopt: () => assert.fail('nothing is granted'),
        openPolicy: () => assert.fail('nothing is granted'),
      })
      const error = await asked.then(
        () => assert.fail('it is let in'),
        (reason: unknown) => reason,
      )
      if (error instanceof RefusalError) return error.refusal
      assert.equal(error, stop)
    }
    return assert.fail('it is never turned away')
  } finally {
    await node.stop()
  }
}

describe('the addresses that an operator announces', () => {
  let mesh: InProcess
  beforeEach(async () => {
    mesh = await InProcess.open()
  })
  afterEach(() => mesh.close())

  const member = async (first: MeshNode, name: string, init: Partial<NodeInit>): Promise<MeshNode> => {
    const node = await mesh.node(name, { entry: mesh.entry(first), ...init })
    const known = new Promise<void>((resolve) => {
      const deaf = first.events.listen(() => {
        const entry = first.members().find(({ peerId }) => peerId === node.status().peerId)
        // Its own record, not where it was connected from.
        if (entry?.addresses.includes(init.announce?.[0] ?? node.addresses()[0]!) !== true) return
        deaf()
        resolve()
      })
    })
    await node.start()
    await within(20_000, `the record of ${name}`, known)
    return node
  }

  it('are what others know of a node; strangers that are turned away are told those of public members only', async () => {
    const first = await mesh.first()
    assert.equal((await turnedAway(first)).addresses, undefined)
    const announced = ['/dns4/mesh.example/tcp/4001', '/ip4/192.0.2.7/tcp/4001']
    const open = await member(first, 'open', { public: true, announce: announced })
    await member(first, 'hidden', { announce: ['/ip4/192.0.2.8/tcp/4001'] })
    const entryOf = (node: MeshNode) => first.members().find(({ peerId }) => peerId === node.status().peerId)
    assert.deepEqual(entryOf(open)?.addresses, announced)
    const { code, addresses } = await turnedAway(first)
    assert.equal(code, 'rate_limited')
    assert.deepEqual([...(addresses ?? [])].sort(), announced)
  }).timeout(60_000)
})
