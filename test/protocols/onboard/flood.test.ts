/** One onboarder against very many: what is recorded is worth nothing elsewhere, and what is remembered of peers has an end. */
import assert from 'node:assert/strict'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import {
  type Connection,
  type PeerId,
  type Stream,
  StreamMessageEvent,
  StreamResetEvent,
  TypedEventEmitter,
} from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { streamPair } from '@libp2p/utils'
import { multiaddr } from '@multiformats/multiaddr'
import { MAX_HOSTS, MAX_PEERS, onboard, type RefusedJoin } from '../../../protocols/onboard/index.ts'
import { decodeChallenge, decodeGrant, encodeHello } from '../../../protocols/onboard/messages.ts'
import { RefusalError } from '../../../protocols/wire/index.ts'
import { hostOf } from '../../../src/base/index.ts'
import { bytes } from '../../attest/support.ts'
import { FakeClock, framed, HandPeer, seededRandom } from '../support.ts'
import { bindingAfter, greet, onboarderRole, requestOf, SpySealer, type TestCluster, testCluster, toolsOf } from './cluster.ts'

let cluster: TestCluster
before(async () => {
  cluster = await testCluster()
})

/** Peer ids cost nothing; only their bytes and their text are looked at. */
const stranger = (n: number): PeerId => {
  const id = Buffer.alloc(38, 0)
  id.set([0x00, 0x24, 0x08, 0x01, 0x12, 0x20])
  id.writeUInt32BE(n, 34)
  return { toString: () => `stranger ${n}`, toMultihash: () => ({ bytes: Uint8Array.from(id) }) } as unknown as PeerId
}

/** A stream that is all that an exchange uses of one; libp2p's pair for tests has no more than 65,535 of them. */
class LightStream extends TypedEventEmitter<{ message: StreamMessageEvent; close: StreamResetEvent }> {
  status = 'open'
  remoteWriteStatus = 'writable'
  readBufferLength = 0
  #answer = Promise.withResolvers<Uint8Array>()
  readonly answered = this.#answer.promise
  send(answer: Uint8Array): boolean {
    this.#answer.resolve(answer)
    return true
  }
  abort(error: Error): void {
    if (this.status !== 'open') return
    this.status = 'reset'
    this.dispatchEvent(new StreamResetEvent(error))
  }
}

const start = async () => {
  const clock = new FakeClock()
  const { sealer } = toolsOf(clock, 'P')
  assert.ok(sealer instanceof SpySealer)
  const outcomes = new Map<string, number>()
  let handler: (stream: Stream, connection: Connection) => void | Promise<void> = () => {}
  const service = onboard({
    clusterId: cluster.clusterId,
    timer: clock,
    random: seededRandom('P'),
    hostOf,
    sealer,
    onOutcome: (_peer, { error }) => {
      const outcome = error === undefined ? 'admitted' : ((error as RefusedJoin).code ?? 'failed')
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
    },
  })({
    peerId: peerIdFromPrivateKey(cluster.onboarder.key),
    registrar: {
      async handle(_protocol, handle) {
        handler = handle
      },
      async unhandle() {},
    },
    connectionManager: { openConnection: () => assert.fail('an onboarder dials nobody') },
  })
  await service.start()
  const role = onboarderRole(cluster, clock)
  service.serveAs(role.role)
  const serve = async (stream: Stream, remotePeer: PeerId, host: string): Promise<void> =>
    handler(stream, { remotePeer, remoteAddr: multiaddr(`${host}/tcp/1`), abort() {} } as unknown as Connection)
  const dial = async (remotePeer: PeerId, host: string) => {
    const [outbound, inbound] = await streamPair()
    return { hand: new HandPeer(outbound), done: serve(inbound, remotePeer, host) }
  }
  return { clock, sealer, outcomes, serve, dial, ...role }
}

describe('an onboarder', () => {
  const REPLAYS = 1_000

  it(`gives nothing for ${REPLAYS} replays of a joiner's Request by others, in the joiner's place and from elsewhere`, async () => {
    const { clock, sealer, outcomes, dial, judgements, admitted } = await start()
    // The joiner's own exchange, up to the Request: it is good.
    const joiner = await dial(peerIdFromPrivateKey(cluster.joiner.key), '/ip4/192.0.2.1')
    const joinerNonce = bytes(32, 0x11)
    const greeting = await greet(cluster, joiner.hand, joinerNonce)
    const request = requestOf(bytes(1216, 3), await cluster.joiner.node.evidence(bindingAfter(cluster, greeting, bytes(1216, 3))))
    joiner.hand.stream.abort(new Error('the attacker has cut it off'))
    await joiner.done
    outcomes.clear()

    for (let i = 0; i < REPLAYS; i++) {
      clock.pass(1_000)
      // Half by other peers, half under the joiner's own peer id (an attacker who has its key, but not its TD).
      const peer = i % 2 === 0 ? stranger(i) : peerIdFromPrivateKey(cluster.joiner.key)
      const { hand, done } = await dial(peer, `/ip4/198.51.${(i >> 8) & 0xff}.${i & 0xff}`)
      hand.send(encodeHello({ clusterId: cluster.clusterId, joinerNonce }))
      decodeChallenge(await hand.read())
      hand.send(request)
      const answer = await hand.read()
      assert.throws(
        () => decodeGrant(answer),
        (error) => error instanceof RefusalError && error.refusal.code === 'bad_binding',
      )
      await hand.stream.close()
      await done
    }
    assert.deepEqual([...outcomes], [['bad_binding', REPLAYS]])
    assert.equal(judgements.length, REPLAYS)
    assert.ok(judgements.every(({ code }) => code === 'bad_binding'))
    assert.equal(sealer.seals, 0)
    assert.equal(admitted.length, 0)
    assert.equal(clock.running, 0)
  }).timeout(120_000)

  it('remembers little of 20,000 peers of as many hosts', async () => {
    setFlagsFromString('--expose-gc')
    const collect = runInNewContext('gc') as () => void
    const { clock, outcomes, serve } = await start()
    const PEERS = 20_000
    const hello = encodeHello({ clusterId: cluster.clusterId, joinerNonce: bytes(32, 0x11) })
    const ask = async (n: number): Promise<void> => {
      const stream = new LightStream()
      const done = serve(stream as unknown as Stream, stranger(n), `/ip4/10.${n >> 16}.${(n >> 8) & 0xff}.${n & 0xff}`)
      stream.dispatchEvent(new StreamMessageEvent(framed(hello)))
      decodeChallenge((await stream.answered).subarray(2))
      stream.abort(new Error('gone'))
      await done
    }
    const heldAfter = async (from: number, to: number): Promise<number> => {
      for (let n = from; n < to; n++) await ask(n)
      await new Promise(setImmediate)
      collect()
      return process.memoryUsage().heapUsed
    }
    // As many as are remembered at most; whatever is held from then on would be held for ever.
    const full = await heldAfter(0, MAX_PEERS + MAX_HOSTS)
    const held = await heldAfter(MAX_PEERS + MAX_HOSTS, PEERS)
    assert.ok(held - full < 4 * 1024 * 1024, `${held - full} bytes more`)
    assert.deepEqual([...outcomes], [['failed', PEERS]])
    assert.equal(clock.running, 0)
  }).timeout(300_000)
})
