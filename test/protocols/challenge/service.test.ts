import assert from 'node:assert/strict'
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { generateKeyPair } from '@libp2p/crypto/keys'
import type { Connection, PeerId, Stream } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { tcp } from '@libp2p/tcp'
import { streamPair } from '@libp2p/utils'
import { createLibp2p } from 'libp2p'
import { OPEN_STRANGERS_MAX } from '../../../protocols/challenge/constants.ts'
import {
  CHALLENGE_PROTOCOL,
  type ChallengeRoles,
  Challenges,
  type ChallengesInit,
  challengeBinding,
  challenges,
  NoStandingError,
  PAUSE_MS,
} from '../../../protocols/challenge/index.ts'
import { decodeAnswer, decodeChallenge, decodeVerdict, encodeAsk, encodeVerdict } from '../../../protocols/challenge/messages.ts'
import { decodeEvidence, encodeEvidence } from '../../../protocols/records/index.ts'
import { equals, RefusalError } from '../../../protocols/wire/index.ts'
import { systemClock, systemRandom } from '../../../src/base/index.ts'
import { type Peer, type TestCluster, testCluster } from '../onboard/cluster.ts'
import { FakeClock, flipped, HandPeer, seededRandom } from '../support.ts'
import { honestAnswer, memberRole, partiesOf, sentChallenge, signedAnswer, verifierRole } from './members.ts'

let cluster: TestCluster
before(async () => {
  cluster = await testCluster()
})

type Handler = (stream: Stream, connection: Connection) => void | Promise<void>
type Outcome = { outcome: string; refusal?: { code: string }; code?: string }

/** A service of M or V on a registrar that hands the handler to the test. */
const start = async (
  self: Peer,
  other: Peer,
  options: Partial<ChallengesInit> & { roles?: Partial<ChallengeRoles> | false } = {},
) => {
  const { roles, ...init } = options
  const clock = new FakeClock()
  const handlers = new Map<string, Handler>()
  const [answered, asked]: [Outcome[], Outcome[]] = [[], []]
  const dialed: HandPeer[] = []
  const service = challenges({
    clusterId: cluster.clusterId,
    timer: clock,
    random: seededRandom('service'),
    onAnswered: (_peer, outcome) => answered.push(outcome),
    onAsked: (_peer, outcome) => asked.push(outcome),
    ...init,
  })({
    peerId: peerIdFromPrivateKey(self.key),
    registrar: {
      async handle(protocol, handler) {
        handlers.set(protocol, handler)
      },
      async unhandle(protocol) {
        handlers.delete(protocol)
      },
    },
    connectionManager: {
      async openConnection() {
        const newStream = async () => {
          const [outbound, inbound] = await streamPair()
          dialed.push(new HandPeer(inbound))
          return outbound
        }
        return { newStream, remotePeer: peerIdFromPrivateKey(other.key) } as unknown as Connection
      },
    },
  })
  const member = memberRole(cluster, clock)
  const verifier = verifierRole(cluster, clock)
  if (roles !== false) service.serveAs({ member: member.role, verifier: verifier.role, ...roles })
  await service.start()
  const connection = { remotePeer: peerIdFromPrivateKey(other.key) } as Connection
  const dial = async (remotePeer = connection.remotePeer) => {
    const [outbound, inbound] = await streamPair()
    const done = Promise.resolve(handlers.get(CHALLENGE_PROTOCOL)!(inbound, { remotePeer } as Connection))
    return { hand: new HandPeer(outbound), done }
  }
  return { service, handlers, clock, answered, asked, dialed, dial, member, verifier, peer: connection.remotePeer }
}
const asV = (options: Parameters<typeof start>[2] = {}) => start(cluster.onboarder, cluster.joiner, options)
const asM = (options: Parameters<typeof start>[2] = {}) => start(cluster.joiner, cluster.onboarder, options)
const ask = () => encodeAsk({ clusterId: cluster.clusterId })
const refusalOf = async (hand: HandPeer) => {
  try {
    decodeVerdict(await hand.read())
  } catch (error) {
    if (error instanceof RefusalError) return error.refusal
    throw error
  }
  throw new Error('not a refusal')
}

describe('the challenge service', () => {
  it('answers one protocol id, from start to stop, and ends its exchanges with that', async () => {
    const { service, handlers, dial, clock } = await asM()
    assert.deepEqual([...handlers.keys()], ['/dstack/challenge/1.0.0'])
    const { hand, done } = await dial()
    await service.stop()
    await done
    assert.equal((await hand.rest()).end, 'reset')
    assert.deepEqual([...handlers.keys()], [])
    assert.equal(clock.running, 0)
  })

  it('is no member before it is told its roles', async () => {
    const { dial, service, peer } = await asM({ roles: false })
    for (const message of [ask(), sentChallenge({ clusterId: cluster.clusterId }).message]) {
      const { hand, done } = await dial()
      hand.send(message)
      assert.deepEqual(await refusalOf(hand), { code: 'not_member' })
      await done
    }
    await assert.rejects(service.challenge(peer), (error) => error instanceof NoStandingError && error.code === 'not_member')
  })

  it('challenges a member over a stream of its own', async () => {
    const { service, peer, dialed, clock } = await asV()
    const outcome = service.challenge(peer)
    while (dialed.length === 0) await new Promise((resolve) => setImmediate(resolve))
    const [hand] = dialed
    const message = await hand!.read()
    const answer = await honestAnswer(cluster, { message, decoded: decodeChallenge(message) })
    hand!.send(answer.message)
    const { credential } = decodeVerdict(await hand!.read())
    await hand!.stream.close()
    assert.deepEqual(await outcome, { outcome: 'renewed', credential, evidence: answer.evidence })
    assert.equal(clock.running, 0)
  })

  it('challenges nobody while it may not issue, and dials nobody for it', async () => {
    for (const standing of ['busy', 'lapsed', 'not_member'] as const) {
      const clock = new FakeClock()
      const { role } = verifierRole(cluster, clock, { standing: () => standing })
      const { service, peer, dialed } = await asV({ roles: { verifier: role } })
      await assert.rejects(service.challenge(peer), (error) => error instanceof NoStandingError && error.code === standing)
      assert.deepEqual(dialed, [])
    }
  })

  it('counts a peer that cannot be dialed as no answer', async () => {
    const failing = new Challenges(
      {
        peerId: peerIdFromPrivateKey(cluster.onboarder.key),
        registrar: { handle: async () => {}, unhandle: async () => {} },
        connectionManager: { openConnection: () => Promise.reject(new Error('no route')) },
      },
      { clusterId: cluster.clusterId, timer: new FakeClock(), random: seededRandom('x') },
    )
    failing.serveAs({ member: memberRole(cluster, new FakeClock()).role, verifier: verifierRole(cluster, new FakeClock()).role })
    const peer = peerIdFromPrivateKey(cluster.joiner.key)
    assert.equal((await failing.challenge(peer)).outcome, 'no_answer')
    assert.equal((await failing.ask(peer)).outcome, 'no_verdict')
  })

  describe('that is asked for a challenge', () => {
    it('challenges who asked', async () => {
      const { dial, asked } = await asV()
      const { hand, done } = await dial()
      hand.send(ask())
      const message = await hand.read()
      hand.send((await honestAnswer(cluster, { message, decoded: decodeChallenge(message) })).message)
      decodeVerdict(await hand.read())
      await hand.stream.close()
      await done
      assert.deepEqual(
        asked.map(({ outcome }) => outcome),
        ['renewed'],
      )
    })

    it('tells of a bad answer, with the proof', async () => {
      const { dial, asked } = await asV()
      const { hand, done } = await dial()
      hand.send(ask())
      const message = await hand.read()
      // Evidence that was good for another challenge.
      const { evidence } = await honestAnswer(cluster, sentChallenge({ clusterId: cluster.clusterId }))
      hand.send(signedAnswer(partiesOf(cluster), message, encodeEvidence(evidence), cluster.joiner))
      assert.deepEqual(await refusalOf(hand), { code: 'bad_binding' })
      await hand.stream.close()
      await done
      assert.ok(asked[0]?.outcome === 'bad_answer' && 'revocation' in asked[0])
    })

    it('refuses for another cluster, a stranger, and while it may not issue', async () => {
      const refuses = async (code: string, message: Uint8Array, changes: Parameters<typeof verifierRole>[2] = {}) => {
        const { role } = verifierRole(cluster, new FakeClock(), changes)
        const { dial, asked } = await asV({ roles: { verifier: role } })
        const { hand, done } = await dial()
        hand.send(message)
        assert.deepEqual(await refusalOf(hand), { code })
        await done
        assert.deepEqual(asked, [{ outcome: 'declined', refusal: { code } }])
      }
      await refuses('wrong_cluster', encodeAsk({ clusterId: flipped(cluster.clusterId) }))
      await refuses('not_member', ask(), { isChallengeable: () => false })
      for (const standing of ['busy', 'lapsed', 'not_member'] as const)
        await refuses(standing, ask(), { standing: () => standing })
    })

    it('refuses to be asked by the same member all the time', async () => {
      const { dial, clock } = await asV()
      const first = await dial()
      first.hand.send(ask())
      decodeChallenge(await first.hand.read())
      first.hand.stream.abort(new Error('gone'))
      await first.done
      const second = await dial()
      second.hand.send(ask())
      assert.deepEqual(await refusalOf(second.hand), { code: 'rate_limited', retryAfterMs: PAUSE_MS })
      await second.done
      clock.pass(PAUSE_MS)
      const third = await dial()
      third.hand.send(ask())
      decodeChallenge(await third.hand.read())
    })
  })

  it('asks, answers the challenge that comes, and keeps the credential', async () => {
    const { service, peer, dialed, member, verifier, clock } = await asM()
    const outcome = service.ask(peer)
    while (dialed.length === 0) await new Promise((resolve) => setImmediate(resolve))
    const [hand] = dialed
    assert.deepEqual(await hand!.read(), ask())
    const challenge = sentChallenge({ clusterId: cluster.clusterId })
    hand!.send(challenge.message)
    const answer = decodeAnswer(await hand!.read())
    const verdict = verifier.role.judge(decodeEvidence(answer.evidence), {
      contexts: ['challenge/1'],
      clusterId: cluster.clusterId,
      peerId: cluster.joiner.id,
      fields: challengeBinding(partiesOf(cluster), challenge.decoded).fields,
    })
    assert.ok(verdict.accepted)
    hand!.send(encodeVerdict({ credential: verdict.issue() }))
    await hand!.stream.close()
    assert.deepEqual(await outcome, { outcome: 'renewed', kept: true })
    assert.equal(member.kept.length, 1)
    assert.equal(clock.running, 0)
  })

  it('answers malformed what opens a stream wrongly', async () => {
    const { dial } = await asM()
    for (const message of [Uint8Array.of(1, 2, 3), new Uint8Array(257)]) {
      const { hand, done } = await dial()
      hand.send(message)
      assert.deepEqual(await refusalOf(hand), { code: 'malformed' })
      await done
    }
  })

  it('sheds what is more than it may have open, and serves again when one has ended', async () => {
    const { dial } = await asV({ maxOpenExchanges: OPEN_STRANGERS_MAX + 2 })
    const [first] = [await dial(), await dial()]
    const third = await dial()
    assert.equal((await refusalOf(third.hand)).code, 'busy')
    await third.done
    first.hand.stream.abort(new Error('gone'))
    await first.done
    const fourth = await dial()
    fourth.hand.send(ask())
    decodeChallenge(await fourth.hand.read())
  })

  it('keeps strangers out of the places that members need', async () => {
    const { dial, verifier, service, member: roles, peer } = await asV({ maxOpenExchanges: OPEN_STRANGERS_MAX + 1 })
    const isChallengeable = (peerId: Uint8Array) => equals(peerId, peer.toMultihash().bytes)
    service.serveAs({ member: roles.role, verifier: { ...verifier.role, isChallengeable } })
    const stranger = peerIdFromPrivateKey(await generateKeyPair('Ed25519'))
    const silent = await Promise.all(Array.from({ length: OPEN_STRANGERS_MAX }, () => dial(stranger)))
    const shed = await dial(stranger)
    assert.equal((await refusalOf(shed.hand)).code, 'busy')
    const member = await dial()
    member.hand.send(ask())
    decodeChallenge(await member.hand.read())
    for (const { hand, done } of silent) {
      hand.stream.abort(new Error('gone'))
      await done
    }
    const again = await dial(stranger)
    again.hand.send(ask())
    assert.equal((await refusalOf(again.hand)).code, 'not_member')
  })

  it('renews a member over TCP, Noise and Yamux, asked and unasked', async () => {
    const clock = new FakeClock()
    const timer = { now: clock.now, monotonicMs: systemClock.monotonicMs, deadline: systemClock.deadline }
    const init: ChallengesInit = { clusterId: cluster.clusterId, timer, random: systemRandom }
    const node = ({ key }: Peer) =>
      createLibp2p({
        privateKey: key,
        addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
        transports: [tcp()],
        connectionEncrypters: [noise()],
        streamMuxers: [yamux()],
        services: { challenges: challenges(init) },
      })
    const [v, m] = await Promise.all([node(cluster.onboarder), node(cluster.joiner)])
    const member = memberRole(cluster, clock)
    const verifier = verifierRole(cluster, clock)
    try {
      for (const { services } of [v, m]) services.challenges.serveAs({ member: member.role, verifier: verifier.role })
      await m.dial(v.getMultiaddrs()[0]!)
      assert.deepEqual(await m.services.challenges.ask(v.peerId as PeerId), { outcome: 'renewed', kept: true })
      assert.equal(member.kept.length, 1)
      // The same verifier once more within the quarter of a lease.
      const again = await v.services.challenges.challenge(m.peerId as PeerId)
      assert.ok(again.outcome === 'no_answer' && again.code === 'rate_limited')
    } finally {
      await Promise.all([v.stop(), m.stop()])
    }
  })
})
