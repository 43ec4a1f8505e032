import assert from 'node:assert/strict'
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import type { Connection, Stream } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { tcp } from '@libp2p/tcp'
import { streamPair } from '@libp2p/utils'
import { createLibp2p } from 'libp2p'
import {
  BUSY_RETRY_AFTER_MS,
  MEMBERSHIP_PROTOCOL,
  type MembershipComponents,
  membership,
  OPEN_STRANGERS_MAX,
  RefusedPeer,
  SYNC_WINDOW_MS,
  SYNCS_PER_WINDOW,
} from '../../../protocols/membership/index.ts'
import { decodeSync, encodeSync } from '../../../protocols/membership/messages.ts'
import { RefusalError } from '../../../protocols/wire/index.ts'
import { systemClock } from '../../../src/base/index.ts'
import { FakeClock, HandPeer, rejection } from '../support.ts'
import { envelopeOf, type Peer, peers, TestRole, tableOf } from './mesh.ts'

let founder: Peer
let r: Peer
let strangers: Peer[]
before(async () => {
  ;[founder, r, ...strangers] = (await peers(6)) as [Peer, Peer, ...Peer[]]
})

type Handler = (stream: Stream, connection: Connection) => void | Promise<void>

/** The service on a registrar that hands the handler to the test. */
const start = async (role?: TestRole) => {
  const clock = new FakeClock()
  const handlers = new Map<string, Handler>()
  const outcomes: unknown[] = []
  const components: MembershipComponents = {
    peerId: peerIdFromPrivateKey(r.key),
    registrar: {
      async handle(protocol, handler) {
        handlers.set(protocol, handler)
      },
      async unhandle(protocol) {
        handlers.delete(protocol)
      },
    },
    connectionManager: { openConnection: () => Promise.reject(new Error('this test dials nobody')) },
  }
  const service = membership({ timer: clock, onOutcome: (_peer, outcome) => outcomes.push(outcome) })(components)
  await service.start()
  if (role !== undefined) service.serveAs(role)
  const dial = async (from: Peer) => {
    const [outbound, inbound] = await streamPair()
    const connection = { remotePeer: peerIdFromPrivateKey(from.key) } as Connection
    const done = Promise.resolve(handlers.get(MEMBERSHIP_PROTOCOL)!(inbound, connection))
    return { hand: new HandPeer(outbound), done }
  }
  return { service, handlers, outcomes, clock, dial }
}
const refusalOf = (message: Uint8Array) => {
  try {
    decodeSync(message)
  } catch (error) {
    if (error instanceof RefusalError) return error.refusal
  }
  throw new Error('not a refusal')
}
const responder = () => TestRole.of(r, founder, tableOf([founder, strangers[3]!], founder))

describe('the membership service', () => {
  it('answers one protocol id, from start to stop, and nobody before it is told its role', async () => {
    const { service, handlers, dial } = await start()
    assert.deepEqual([...handlers.keys()], ['/dstack/membership/1.0.0'])
    const { hand, done } = await dial(founder)
    assert.deepEqual(refusalOf(await hand.read()), { code: 'not_member' })
    await done
    await service.stop()
    assert.deepEqual([...handlers.keys()], [])
  })

  it('keeps strangers out of the places that members need', async () => {
    const { dial, clock } = await start(await responder())
    const open = []
    for (let count = 0; count < OPEN_STRANGERS_MAX; count++) open.push(await dial(strangers[0]!))
    const shed = await dial(strangers[1]!)
    assert.deepEqual(refusalOf(await shed.hand.read()), { code: 'busy', retryAfterMs: BUSY_RETRY_AFTER_MS })
    await shed.done
    const member = await dial(founder)
    member.hand.send(encodeSync({ kind: 'hello', envelope: await envelopeOf(founder, strangers[3]!) }))
    assert.equal(decodeSync(await member.hand.read()).kind, 'hello')
    for (const { hand } of [...open, member]) hand.stream.abort(new Error('gone'))
    await Promise.all([...open, member].map(({ done }) => done))
    assert.equal(clock.running, 0)
    const later = await dial(strangers[1]!)
    later.hand.send(encodeSync({ kind: 'hello', envelope: await envelopeOf(strangers[1]!, founder) }))
    assert.equal(decodeSync(await later.hand.read()).kind, 'hello')
  })

  it('serves a member so many exchanges in a minute, and again in the next', async () => {
    const { dial, clock } = await start(await responder())
    const ask = async (): Promise<string> => {
      const { hand } = await dial(founder)
      hand.send(encodeSync({ kind: 'hello', envelope: await envelopeOf(founder, strangers[3]!) }))
      await hand.read()
      hand.send(encodeSync({ kind: 'digests', digests: [], revocations: [], more: false }))
      try {
        return decodeSync(await hand.read()).kind
      } catch (error) {
        return (error as RefusalError).code
      } finally {
        hand.stream.abort(new Error('enough'))
      }
    }
    for (let count = 0; count < SYNCS_PER_WINDOW; count++) assert.equal(await ask(), 'want')
    assert.equal(await ask(), 'rate_limited')
    clock.pass(SYNC_WINDOW_MS)
    assert.equal(await ask(), 'want')
  })

  it('ends every exchange when it stops', async () => {
    const { dial, service, outcomes, clock } = await start(await responder())
    const exchanges = [await dial(founder), await dial(strangers[0]!)]
    await service.stop()
    for (const { hand, done } of exchanges) {
      await done
      assert.deepEqual(await hand.rest(), { messages: [], end: 'reset' })
    }
    assert.deepEqual([outcomes.length, clock.running], [2, 0])
  })

  it('shows the own record to nobody who is not in the table', async () => {
    const { service } = await start(await responder())
    const stranger = peerIdFromPrivateKey(strangers[0]!.key)
    assert.ok((await rejection(service.sync(stranger))) instanceof TypeError)
    assert.ok((await rejection(service.probe(stranger, founder.id))) instanceof TypeError)
    assert.match((await rejection(service.sync(stranger, { seed: true }))).message, /dials nobody/)
  })

  it('exchanges tables and probes over TCP, Noise and Yamux, and refuses a stranger there too', async () => {
    const node = (peer: Peer, listen: string[]) =>
      createLibp2p({
        privateKey: peer.key,
        addresses: { listen },
        transports: [tcp()],
        connectionEncrypters: [noise()],
        streamMuxers: [yamux()],
        services: { membership: membership({ timer: systemClock }) },
      })
    const [a, b] = await Promise.all([node(founder, ['/ip4/127.0.0.1/tcp/0']), node(r, [])])
    try {
      const [third] = strangers as [Peer]
      const served = await TestRole.of(founder, strangers[3]!, tableOf([third, strangers[3]!], founder))
      served.keep({ table: tableOf([third, strangers[3]!, r], founder), effects: [] })
      const dialing = await TestRole.of(r, founder, tableOf([founder], founder))
      dialing.own = await envelopeOf(r, strangers[3]!)
      const founderRecord = await envelopeOf(founder, founder)
      served.own = founderRecord
      a.services.membership.serveAs(served)
      b.services.membership.serveAs(dialing)
      await b.dial(a.getMultiaddrs())
      assert.deepEqual(await b.services.membership.sync(a.peerId), { received: 0, taken: 0, sent: 0 })
      assert.equal(await b.services.membership.probe(a.peerId, third.id), true)
      assert.deepEqual(served.pinged, [third.id])

      served.value = tableOf([third], founder)
      const error = await rejection(b.services.membership.sync(a.peerId))
      assert.ok(error instanceof RefusalError && error.code === 'lapsed', `${error}`)
      assert.ok(!(error instanceof RefusedPeer))
    } finally {
      await Promise.all([a.stop(), b.stop()])
    }
  })
})
