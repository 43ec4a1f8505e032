/** The onboarder under load: many joiners, honest and other, played by hand against one service with a clock of the test. */
import assert from 'node:assert/strict'
import { generateKeyPair } from '@libp2p/crypto/keys'
import type { Connection, PrivateKey, Stream } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { streamPair } from '@libp2p/utils'
import { multiaddr } from '@multiformats/multiaddr'
import {
  type AdmissionLimits,
  HOST_BURST,
  HOST_REFILL_MS,
  MAX_FAILURES_PER_CONNECTION,
  MAX_TURN_WAIT_MS,
  ONBOARD_PROTOCOL,
  type OnboarderRole,
  onboard,
  PEER_BURST,
  PEER_REFILL_MS,
  type RefusedJoin,
  type Sealer,
  STANDARD_LIMITS,
} from '../../../protocols/onboard/index.ts'
import { decodeGrant, encodeDone, encodeHello } from '../../../protocols/onboard/messages.ts'
import { type Refusal, RefusalError, STEP_TIMEOUT_MS } from '../../../protocols/wire/index.ts'
import { hostOf } from '../../../src/base/index.ts'
import { bytes } from '../../attest/support.ts'
import { FakeClock, HandPeer, seededRandom } from '../support.ts'
import { bindingAfter, type Greeting, greet, onboarderRole, requestOf, type TestCluster, testCluster } from './cluster.ts'

const ELSEWHERE = ['/ip4/192.0.2.7/tcp/4001']

let cluster: TestCluster
const strangers: PrivateKey[] = []
before(async () => {
  cluster = await testCluster()
  for (let i = 0; i < 80; i++) strangers.push(await generateKeyPair('Ed25519'))
})

/** Seals when the test says so. */
class HeldSealer implements Sealer {
  readonly held: (() => void)[] = []
  generate = () => assert.fail('an onboarder makes no key')
  async seal(): Promise<{ enc: Uint8Array; ciphertext: Uint8Array }> {
    await new Promise<void>((resolve) => this.held.push(resolve))
    return { enc: bytes(1120, 1), ciphertext: bytes(64, 2) }
  }
}

interface Dialed {
  hand: HandPeer
  done: Promise<void>
  connection: Connection & { aborted: boolean }
}

const start = async (limits: Partial<AdmissionLimits> = {}, changes: Partial<OnboarderRole> = {}) => {
  const clock = new FakeClock()
  const sealer = new HeldSealer()
  const outcomes: (Error | undefined)[] = []
  let handler: (stream: Stream, connection: Connection) => void | Promise<void> = () => {}
  const service = onboard({
    clusterId: cluster.clusterId,
    timer: clock,
    random: seededRandom('P'),
    hostOf,
    sealer,
    limits,
    onOutcome: (_peer, { error }) => outcomes.push(error as Error | undefined),
  })({
    peerId: peerIdFromPrivateKey(cluster.onboarder.key),
    registrar: {
      async handle(protocol, handle) {
        assert.equal(protocol, ONBOARD_PROTOCOL)
        handler = handle
      },
      async unhandle() {},
    },
    connectionManager: { openConnection: () => assert.fail('an onboarder dials nobody') },
  })
  await service.start()
  // Whoever judges is the onboarder's; here it is only when and how often.
  const role = onboarderRole(cluster, clock, {
    judge: () => ({ accepted: true, issue: () => cluster.onboarder.credential }),
    publicAddresses: () => ELSEWHERE,
    ...changes,
  })
  service.serveAs(role.role)

  const connect = (key: PrivateKey, host: string): Dialed['connection'] => {
    const connection = {
      remotePeer: peerIdFromPrivateKey(key),
      remoteAddr: multiaddr(`${host}/tcp/1000`),
      aborted: false,
      abort: () => {
        connection.aborted = true
      },
    }
    return connection as unknown as Dialed['connection']
  }
  const open = async (connection: Dialed['connection']): Promise<Dialed> => {
    const [outbound, inbound] = await streamPair()
    return { hand: new HandPeer(outbound), done: Promise.resolve(handler(inbound, connection)), connection }
  }
  const dial = (key: PrivateKey, host = '/ip4/192.0.2.1') => open(connect(key, host))
  return { clock, sealer, service, outcomes, connect, open, dial, ...role }
}

/** The refusal that comes, or undefined for any other message. */
const refusalIn = (message: Uint8Array): Refusal | undefined => {
  try {
    decodeGrant(message)
  } catch (error) {
    if (error instanceof RefusalError) return error.refusal
  }
  return undefined
}
const sayHello = ({ hand }: Dialed) => hand.send(encodeHello({ clusterId: cluster.clusterId, joinerNonce: bytes(32, 1) }))
/** What Hello is answered with; then the joiner goes away. */
const knock = async (dialed: Dialed): Promise<Refusal | undefined> => {
  sayHello(dialed)
  const refusal = refusalIn(await dialed.hand.read())
  dialed.hand.stream.abort(new Error('enough'))
  await dialed.done
  return refusal
}
let evidence: Uint8Array | undefined
/** Up to the Request; whether it is any good is for the judge of the test to say. */
const request = async (dialed: Dialed): Promise<Greeting> => {
  const greeting = await greet(cluster, dialed.hand)
  evidence ??= requestOf(bytes(1216, 3), await cluster.joiner.node.evidence(bindingAfter(cluster, greeting, bytes(1216, 3))))
  dialed.hand.send(evidence)
  return greeting
}
const settled = async (): Promise<void> => {
  for (let i = 0; i < 20; i++) await new Promise(setImmediate)
}
/** Resolves when `held` grants are being sealed. */
const sealing = async (sealer: HeldSealer, held: number): Promise<void> => {
  while (sealer.held.length < held) await new Promise(setImmediate)
}

describe('an onboarder under load', () => {
  it('gives one peer a few Challenges, and another one each second; what is refused costs no signature', async () => {
    let signatures = 0
    const { dial, clock } = await start({}, { signAsCluster: () => bytes(64, ++signatures & 0xff) })
    const [eager] = strangers
    const limited = { code: 'rate_limited', retryAfterMs: PEER_REFILL_MS, addresses: ELSEWHERE }
    for (let i = 0; i < PEER_BURST; i++) assert.equal(await knock(await dial(eager!)), undefined)
    for (let i = 0; i < 20; i++) assert.deepEqual(await knock(await dial(eager!)), limited)
    clock.pass(PEER_REFILL_MS - 1)
    assert.deepEqual(await knock(await dial(eager!, '/ip4/192.0.2.2')), {
      code: 'rate_limited',
      retryAfterMs: 1,
      addresses: ELSEWHERE,
    })
    clock.pass(1)
    assert.equal(await knock(await dial(eager!)), undefined)
    assert.deepEqual(await knock(await dial(eager!)), limited)
    assert.equal(signatures, PEER_BURST + 1)
  })

  it('gives one host its share, however many peers it is, and other hosts theirs', async () => {
    const { dial } = await start()
    const [honest, ...many] = strangers
    for (const key of many.slice(0, HOST_BURST)) assert.equal(await knock(await dial(key, '/ip6/2001:db8::1')), undefined)
    const limited = { code: 'rate_limited', retryAfterMs: HOST_REFILL_MS, addresses: ELSEWHERE }
    assert.deepEqual(await knock(await dial(many[HOST_BURST]!, '/ip6/2001:db8::2:3')), limited)
    assert.equal(await knock(await dial(honest!, '/ip6/2001:db8:0:1::1')), undefined)
    assert.equal(await knock(await dial(honest!, '/ip4/192.0.2.1')), undefined)
  })

  it('lets in who shares the address of an attacker: nobody is banned, the next token is for whoever comes', async () => {
    const { dial, clock } = await start()
    const [honest, ...many] = strangers
    for (let i = 0; i < HOST_BURST; i++) await knock(await dial(many[i]!))
    const limited = await knock(await dial(honest!))
    assert.equal(limited?.code, 'rate_limited')
    // The attacker never stops; the honest one comes when it was told to.
    for (let i = 0; i < 10; i++) assert.equal((await knock(await dial(many[i]!)))?.code, 'rate_limited')
    clock.pass(limited.retryAfterMs!)
    assert.equal(await knock(await dial(honest!)), undefined)
  })

  it('takes nothing from the neighbours of a peer that asks too often by itself', async () => {
    const { dial } = await start({ host: { ...STANDARD_LIMITS.host, burst: PEER_BURST + 1 } })
    const [eager, neighbour] = strangers
    for (let i = 0; i < PEER_BURST + 10; i++) await knock(await dial(eager!))
    assert.equal(await knock(await dial(neighbour!)), undefined)
  })

  it('takes no token for what costs nothing', async () => {
    const { dial } = await start()
    const [joiner] = strangers
    for (let i = 0; i < PEER_BURST * 2; i++) {
      const lost = await dial(joiner!)
      lost.hand.send(encodeHello({ clusterId: bytes(32, 9), joinerNonce: bytes(32, 1) }))
      assert.equal(refusalIn(await lost.hand.read())?.code, 'wrong_cluster')
      await lost.done
    }
    assert.equal(await knock(await dial(joiner!)), undefined)
  })

  it('closes a connection on which one exchange after another fails, but not for what was before', async () => {
    const { connect, open, dial } = await start()
    const [failing, honest] = strangers
    const connection = connect(failing!, '/ip4/192.0.2.1')
    for (let i = 0; i < MAX_FAILURES_PER_CONNECTION; i++) {
      assert.equal(connection.aborted, false)
      await knock(await open(connection))
    }
    assert.equal(connection.aborted, true)
    const other = await dial(honest!)
    await knock(other)
    assert.equal(other.connection.aborted, false)
  })

  it('judges and seals two at a time, in the order of the Requests, and loses none', async () => {
    const { dial, sealer, steps, admitted, outcomes, clock } = await start()
    const joiners: Dialed[] = []
    for (const key of strangers.slice(0, 10)) {
      const joiner = await dial(key)
      await request(joiner)
      await settled()
      joiners.push(joiner)
    }
    assert.equal(sealer.held.length, 2)
    assert.equal(steps.filter((step) => step === 'judged').length, 2)
    for (const [index, joiner] of joiners.entries()) {
      await sealing(sealer, index + 1)
      sealer.held[index]!()
      decodeGrant(await joiner.hand.read())
      assert.ok(sealer.held.length <= index + 3)
      joiner.hand.send(encodeDone())
      await joiner.done
    }
    assert.deepEqual(
      admitted.map(({ peerId }) => peerId),
      strangers.slice(0, 10).map((key) => peerIdFromPrivateKey(key).toMultihash().bytes),
    )
    assert.deepEqual(outcomes, Array(10).fill(undefined))
    assert.equal(clock.running, 0)
  })

  it('sheds what the queue does not hold, and what waited too long, and says when and where to go instead', async () => {
    const turns = { ...STANDARD_LIMITS.turns, maxWaiting: 3 }
    const { dial, sealer, clock, steps } = await start({ turns })
    const joiners: Dialed[] = []
    for (const key of strangers.slice(0, 6)) {
      const joiner = await dial(key)
      await request(joiner)
      await settled()
      joiners.push(joiner)
    }
    const busy = { code: 'busy', retryAfterMs: 1_000, addresses: ELSEWHERE }
    assert.deepEqual(refusalIn(await joiners[5]!.hand.read()), busy)
    await sealing(sealer, 2)
    sealer.held[0]!()
    await sealing(sealer, 3)
    clock.pass(MAX_TURN_WAIT_MS)
    for (const late of joiners.slice(3, 5)) assert.equal(refusalIn(await late.hand.read())?.code, 'busy')
    assert.equal(steps.filter((step) => step === 'judged').length, 3, 'judged one that it then refused')
  })

  it('keeps its places for those who are there: stalled joiners hold none', async () => {
    const { dial, sealer, clock, steps } = await start()
    const stalled: Dialed[] = []
    for (const key of strangers.slice(0, 40)) {
      const joiner = await dial(key)
      // A third says nothing at all, a third stops after its Hello, a third within its Request.
      if (stalled.length % 3 > 0) await greet(cluster, joiner.hand)
      if (stalled.length % 3 === 2) joiner.hand.sendRaw(Uint8Array.of(0xff, 0xff, 0x0f, 1, 2, 3))
      stalled.push(joiner)
    }
    const honest = await dial(strangers[41]!, '/ip4/192.0.2.2')
    await request(honest)
    await sealing(sealer, 1)
    sealer.held[0]!()
    decodeGrant(await honest.hand.read())
    honest.hand.send(encodeDone())
    await honest.done
    assert.deepEqual(steps.filter((step) => step === 'admitted').length, 1)
    clock.pass(3 * STEP_TIMEOUT_MS)
    await Promise.all(stalled.map(({ done }) => done))
    assert.equal(clock.running, 0)
  })

  it('does nothing for a joiner that went away before its turn', async () => {
    const { dial, sealer, steps, outcomes } = await start()
    const joiners: Dialed[] = []
    for (const key of strangers.slice(0, 3)) {
      const joiner = await dial(key)
      await request(joiner)
      await settled()
      joiners.push(joiner)
    }
    joiners[2]!.hand.stream.abort(new Error('gone'))
    await settled()
    for (const seal of sealer.held) seal()
    await joiners[2]!.done
    assert.equal(steps.filter((step) => step === 'judged').length, 2)
    assert.equal(outcomes.length, 1)
    assert.notEqual((outcomes[0] as RefusedJoin).name, 'RefusedJoin')
  })

  it('gives a place to another host when one has all that it may have', async () => {
    const { dial } = await start({ maxOpen: 10, maxOpenPerHost: 4 })
    const [honest, ...many] = strangers
    for (let i = 0; i < 4; i++) await dial(many[i]!)
    assert.equal(refusalIn(await (await dial(many[4]!)).hand.read())?.code, 'busy')
    assert.equal(await knock(await dial(honest!, '/ip4/192.0.2.2')), undefined)
  })

  it('gives back the place of an exchange that ended, however it ended', async () => {
    const { dial } = await start({ maxOpen: 2, maxOpenPerHost: 2, host: { ...STANDARD_LIMITS.host, burst: 1_000 } })
    for (const [index, key] of strangers.entries()) {
      const joiner = await dial(key)
      if (index % 4 === 0) joiner.hand.send(bytes(10, 1))
      if (index % 4 === 1) joiner.hand.stream.abort(new Error('gone'))
      if (index % 4 === 2) assert.equal(await knock(joiner), undefined)
      if (index % 4 === 3) await joiner.hand.stream.close()
      await joiner.done
    }
    assert.equal(await knock(await dial(strangers[0]!)), undefined)
  })
})
