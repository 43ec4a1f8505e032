import assert from 'node:assert/strict'
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import type { Connection, PeerId, PrivateKey, Stream } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { tcp } from '@libp2p/tcp'
import { mockMuxer, multiaddrConnectionPair, streamPair } from '@libp2p/utils'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import {
  BUSY_RETRY_AFTER_MS,
  ONBOARD_PROTOCOL,
  Onboard,
  type OnboardComponents,
  type OnboardInit,
  onboard,
  PEER_BURST,
  PEER_REFILL_MS,
  RefusedJoin,
} from '../../../protocols/onboard/index.ts'
import { decodeChallenge, encodeHello, encodeRefusalMessage } from '../../../protocols/onboard/messages.ts'
import { RefusalError, STEP_TIMEOUT_MS } from '../../../protocols/wire/index.ts'
import { hostOf, systemClock, systemRandom } from '../../../src/base/index.ts'
import { bytes } from '../../attest/support.ts'
import { FakeClock, HandPeer, rejection, seededRandom } from '../support.ts'
import { joinerRole, onboarderRole, type TestCluster, testCluster } from './cluster.ts'

let cluster: TestCluster
before(async () => {
  cluster = await testCluster()
})

type Handler = (stream: Stream, connection: Connection) => void | Promise<void>

/** As far as the service looks at one. */
const connectionOf = (key: PrivateKey, host = '192.0.2.1'): Connection & { aborted: boolean } => {
  const connection = {
    remotePeer: peerIdFromPrivateKey(key),
    remoteAddr: multiaddr(`/ip4/${host}/tcp/1000`),
    aborted: false,
    abort: () => {
      connection.aborted = true
    },
  }
  return connection as unknown as Connection & { aborted: boolean }
}

/** A service on a registrar that hands the handler to the test. */
const start = async (init: Omit<Partial<OnboardInit>, 'timer'> = {}) => {
  const clock = new FakeClock()
  const handlers = new Map<string, Handler>()
  const outcomes: { joinId?: string; error?: unknown }[] = []
  const components: OnboardComponents = {
    peerId: peerIdFromPrivateKey(cluster.onboarder.key),
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
  const service = onboard({
    clusterId: cluster.clusterId,
    timer: clock,
    random: seededRandom('P'),
    hostOf,
    onOutcome: (_peer: PeerId, outcome) => outcomes.push(outcome),
    ...init,
  })(components)
  await service.start()
  /** A stream from J, or another, into the service; `done` when the service has ended with it. */
  const dial = async (connection = connectionOf(cluster.joiner.key)) => {
    const [outbound, inbound] = await streamPair()
    const done = Promise.resolve(handlers.get(ONBOARD_PROTOCOL)!(inbound, connection))
    return { hand: new HandPeer(outbound), done }
  }
  return { service, handlers, outcomes, clock, dial }
}
const hello = () => encodeHello({ clusterId: cluster.clusterId, joinerNonce: bytes(32, 1) })
const refusalOf = (message: Uint8Array) => {
  try {
    decodeChallenge(message)
  } catch (error) {
    if (error instanceof RefusalError) return error.refusal
    throw error
  }
  throw new Error('not a refusal')
}

describe('the onboard service', () => {
  it('answers one protocol id, from start to stop', async () => {
    const { service, handlers } = await start()
    assert.deepEqual([...handlers.keys()], ['/dstack/onboard/1.0.0'])
    await service.stop()
    assert.deepEqual([...handlers.keys()], [])
  })

  it('is no member before it is told its role', async () => {
    const { dial, service, outcomes, clock } = await start()
    const early = await dial()
    early.hand.send(hello())
    assert.deepEqual(refusalOf(await early.hand.read()), { code: 'not_member' })
    await early.done
    assert.ok(outcomes[0]?.error instanceof RefusedJoin)
    service.serveAs(onboarderRole(cluster, clock).role)
    const later = await dial()
    later.hand.send(hello())
    decodeChallenge(await later.hand.read())
  })

  it('sheds what is more than it may have open, and serves again when one has ended', async () => {
    const { dial, service, outcomes, clock } = await start({ limits: { maxOpen: 2 } })
    const addresses = ['/ip4/192.0.2.7/tcp/4001', '/dns4/mesh.example/tcp/4001']
    service.serveAs(onboarderRole(cluster, clock, { publicAddresses: () => addresses }).role)
    const [first] = [await dial(), await dial()]
    const third = await dial()
    assert.deepEqual(refusalOf(await third.hand.read()), { code: 'busy', retryAfterMs: BUSY_RETRY_AFTER_MS, addresses })
    await third.done
    assert.ok(outcomes[0]?.error instanceof RefusedJoin && outcomes[0].error.code === 'busy')
    first.hand.stream.abort(new Error('gone'))
    await first.done
    const fourth = await dial()
    fourth.hand.send(hello())
    decodeChallenge(await fourth.hand.read())
  })

  it('ends every exchange when it stops', async () => {
    const { dial, service, clock } = await start()
    service.serveAs(onboarderRole(cluster, clock).role)
    const exchanges = [await dial(), await dial()]
    await service.stop()
    for (const { hand, done } of exchanges) {
      await done
      assert.equal((await hand.rest()).end, 'reset')
    }
    assert.equal(clock.running, 0)
  })

  it('answers a stranger who says Hello ten thousand times with a few Challenges, and makes no quote', async () => {
    const { service, handlers, outcomes, clock } = await start()
    const { node } = cluster.onboarder
    let [quotes, signatures] = [0, 0]
    const { quote } = node.attester
    node.attester.quote = (...args) => {
      quotes++
      return quote.apply(node.attester, args)
    }
    const { role, admitted, judgements } = onboarderRole(cluster, clock, {
      standingProof: () => assert.fail('showed its evidence'),
      withSecrets: () => assert.fail('took out its secrets'),
      signAsCluster: (context, signed) => {
        signatures++
        return cluster.keyring.signAsCluster(context, signed)
      },
    })
    service.serveAs(role)
    // As streamPair() makes them, but all on one connection.
    const [outbound, inbound] = multiaddrConnectionPair()
    const [near, far] = [outbound, inbound].map((end) => mockMuxer().createStreamMuxer(end!))
    const opened = async (): Promise<[Stream, Stream]> => {
      const arrived = new Promise<Stream>((resolve) => {
        far!.addEventListener('stream', (event) => resolve(event.detail), { once: true })
      })
      const stream = await near!.createStream({ protocol: ONBOARD_PROTOCOL })
      return [stream, await arrived]
    }
    const handler = handlers.get(ONBOARD_PROTOCOL)!
    const nonces = new Set<string>()
    try {
      for (let i = 0; i < 10_000; i++) {
        const [stream, served] = await opened()
        const hand = new HandPeer(stream)
        const done = handler(served, connectionOf(cluster.stranger.key))
        hand.send(hello())
        const message = await hand.read()
        if (i < PEER_BURST) {
          const { onboarderNonce, genesisHash, signature } = decodeChallenge(message)
          assert.deepEqual(genesisHash, cluster.genesisHash)
          assert.equal(message.length, 2 + 1 + 3 * 2 + 32 + 32 + signature.length)
          nonces.add(Buffer.from(onboarderNonce).toString('hex'))
          stream.abort(new Error('that was all'))
        } else assert.deepEqual(refusalOf(message), { code: 'rate_limited', retryAfterMs: PEER_REFILL_MS })
        await done
        assert.deepEqual((await hand.rest()).messages, [])
      }
    } finally {
      node.attester.quote = quote
      outbound.abort(new Error('done'))
    }
    assert.deepEqual([nonces.size, signatures, outcomes.length], [PEER_BURST, PEER_BURST, 10_000])
    assert.deepEqual([quotes, admitted.length, judgements.length, clock.running], [0, 0, 0, 0])
  }).timeout(60_000)

  describe('joining', () => {
    /** Of a joiner whose dial gives `connection`. */
    const joining = (connection: Partial<Connection>, dial?: OnboardComponents['connectionManager']['openConnection']) => {
      const aborted: Error[] = []
      const clock = new FakeClock()
      const to = {
        remotePeer: peerIdFromPrivateKey(cluster.onboarder.key),
        abort: (error: Error) => aborted.push(error),
        ...connection,
      } as Connection
      const components: OnboardComponents = {
        peerId: peerIdFromPrivateKey(cluster.joiner.key),
        connectionManager: { openConnection: dial ?? (async () => to) },
        ...stub,
      }
      const service = new Onboard(components, { clusterId: cluster.clusterId, timer: clock, random: seededRandom('J'), hostOf })
      return { service, clock, aborted, joiner: joinerRole(cluster, clock) }
    }
    const address = multiaddr('/ip4/127.0.0.1/tcp/1')
    const never = (signal: AbortSignal | undefined) =>
      new Promise<never>((_, reject) => signal!.addEventListener('abort', () => reject(new Error('aborted'))))

    it('waits one step for a dial, and one for a stream on a connection that it then closes', async () => {
      for (const [silent, closed] of [
        [joining({}, (_, options) => never(options?.signal)), 0],
        [joining({ newStream: (_, options) => never(options?.signal) }), 1],
      ] as const) {
        const joined = rejection(
          silent.service.dial(address).then((connection) => silent.service.join(connection, silent.joiner.role)),
        )
        await silent.clock.armed(STEP_TIMEOUT_MS)
        // The second step begins after the first has ended.
        await new Promise(setImmediate)
        silent.clock.pass(STEP_TIMEOUT_MS)
        assert.equal((await joined).name, 'DeadlineError')
        assert.equal(silent.aborted.length, closed)
        assert.equal(silent.clock.running, 0)
      }
    })

    it('closes the connection to whoever refuses', async () => {
      const [outbound, inbound] = await streamPair()
      const { service, aborted, joiner } = joining({ newStream: async () => outbound })
      const joined = rejection(service.join(await service.dial(address), joiner.role))
      const peer = new HandPeer(inbound)
      await peer.read()
      peer.send(encodeRefusalMessage({ code: 'busy' }))
      assert.ok((await joined) instanceof RefusalError)
      assert.equal(aborted.length, 1)
    })
  })

  it('joins over TCP, Noise and Yamux, and another version of the protocol is not spoken', async () => {
    const node = (privateKey: typeof cluster.onboarder.key, listen: string[]) =>
      createLibp2p({
        privateKey,
        addresses: { listen },
        transports: [tcp()],
        connectionEncrypters: [noise()],
        streamMuxers: [yamux()],
        services: { onboard: onboard({ clusterId: cluster.clusterId, timer: systemClock, random: systemRandom, hostOf }) },
      })
    const [p, j] = await Promise.all([node(cluster.onboarder.key, ['/ip4/127.0.0.1/tcp/0']), node(cluster.joiner.key, [])])
    try {
      const clock = new FakeClock()
      const admitted = Promise.withResolvers<{ peerId: Uint8Array; credential: Uint8Array }>()
      const { role } = onboarderRole(cluster, clock, { admit: (peerId, credential) => admitted.resolve({ peerId, credential }) })
      p.services.onboard.serveAs(role)
      const address = p.getMultiaddrs()[0]!
      const joiner = joinerRole(cluster, clock)
      // Through a service with a clock of its own: the evidence and credentials of this test are of another time than the machine's clock.
      const service = new Onboard(
        {
          peerId: j.peerId,
          registrar: stub.registrar,
          connectionManager: { openConnection: (to, options) => j.dial(to, options) },
        },
        { clusterId: cluster.clusterId, timer: { ...systemClock, now: clock.now }, random: systemRandom, hostOf },
      )
      const joined = await service.join(await service.dial(address), joiner.role)
      assert.deepEqual(joined.keyring.publicKeys(), cluster.keyring.publicKeys())
      assert.deepEqual(joined.onboarder.peerId, cluster.onboarder.id)
      assert.deepEqual(await admitted.promise, { peerId: cluster.joiner.id, credential: joined.credential })

      const error = await rejection(j.dialProtocol(address, ['/dstack/onboard/1.0.1', '/dstack/onboard/2.0.0']))
      assert.equal(error.name, 'UnsupportedProtocolError')
    } finally {
      await Promise.all([p.stop(), j.stop()])
    }
  })
})

const stub = { registrar: { handle: async () => {}, unhandle: async () => {} } }
