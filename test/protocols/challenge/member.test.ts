import assert from 'node:assert/strict'
import fc from 'fast-check'
import { keepsNew } from '../../../protocols/challenge/exchange.ts'
import { PAUSE_MS, QUOTE_TIMEOUT_MS } from '../../../protocols/challenge/index.ts'
import { answerOver } from '../../../protocols/challenge/member.ts'
import { decodeAnswer, encodeAsk, encodeRefusalMessage, encodeVerdict } from '../../../protocols/challenge/messages.ts'
import { decodeEvidence } from '../../../protocols/records/index.ts'
import {
  equals,
  fieldList,
  peerPublicKey,
  peerSignedBytes,
  type RefusalCode,
  RefusalError,
  reportData,
  u32be,
  verifyEd25519,
} from '../../../protocols/wire/index.ts'
import { parseQuote } from '../../../src/attest/index.ts'
import { bytes } from '../../attest/support.ts'
import { credentialFor, LIFETIME_MS, type TestCluster, testCluster } from '../onboard/cluster.ts'
import { FakeClock, flipped, NOW_MS } from '../support.ts'
import { channelOf, limitOf, memberRole, partiesOf, readTd, STEP_MS, sentChallenge } from './members.ts'

let cluster: TestCluster
before(async () => {
  cluster = await testCluster()
})

interface Options {
  role?: Parameters<typeof memberRole>[2]
  message?: Uint8Array
  clock?: FakeClock
  limit?: ReturnType<typeof limitOf>
  parties?: ReturnType<typeof partiesOf>
  noRole?: true
}
/** M under test, which has just got V's Challenge; V is played by hand. */
const start = async (options: Options = {}) => {
  const { clock = new FakeClock(), limit = limitOf(), parties = partiesOf(cluster) } = options
  const challenge = sentChallenge({ clusterId: cluster.clusterId })
  const { channel, hand, clear } = await channelOf(clock)
  const played = memberRole(cluster, clock, options.role)
  const role = options.noRole ? undefined : played.role
  const outcome = answerOver(channel, parties, role, { timer: clock, limit }, options.message ?? challenge.message)
  outcome.finally(clear).catch(() => {})
  return { clock, limit, hand, outcome, challenge, ...played }
}
type Started = Awaited<ReturnType<typeof start>>

const declines = async (started: Started, code: RefusalCode) => {
  const { messages } = await started.hand.rest()
  assert.equal(messages.length, 1)
  assert.throws(
    () => decodeAnswer(messages[0]!),
    (error) => error instanceof RefusalError && error.code === code,
  )
  assert.deepEqual(await started.outcome, { outcome: 'declined', code })
  assert.deepEqual(started.attested, [], 'made a quote')
  assert.deepEqual(started.signed, [])
  assert.equal(started.clock.running, 0)
}
const silent = async (started: Started) => {
  const outcome = await started.outcome
  assert.equal(outcome.outcome, 'silent')
  assert.deepEqual(await started.hand.rest(), { messages: [], end: 'reset' })
  assert.deepEqual(started.signed, [])
  assert.deepEqual(started.kept, [])
  assert.equal(started.clock.running, 0)
  return outcome
}
/** What an honest V issues for this answer, but for what `changes` says. */
const credentialOf = (answer: Uint8Array, changes: Parameters<typeof credentialFor>[4] = {}, subject = cluster.joiner.id) => {
  const { tdDigest } = readTd(decodeEvidence(decodeAnswer(answer).evidence).quote)!
  return credentialFor(cluster, subject, cluster.onboarder, { tdDigest }, changes)
}

describe('a member that is challenged', () => {
  it('answers with a fresh quote over exactly this challenge, signed, and keeps what it is issued', async () => {
    const started = await start()
    const { hand, challenge } = started
    const message = await hand.read()
    const { evidence, signature } = decodeAnswer(message)
    const { joiner, onboarder } = cluster
    const signed = fieldList([joiner.id, onboarder.id, challenge.message, evidence])
    assert.ok(verifyEd25519(peerPublicKey(joiner.id)!, peerSignedBytes('challenge-answer', signed), signature))
    const fields = [cluster.clusterId, joiner.id, onboarder.id, challenge.decoded.verifierNonce, u32be(0)]
    const { td } = parseQuote(decodeEvidence(evidence).quote)
    assert.ok(equals(td.reportData, reportData({ context: 'challenge/1', fields })))

    const credential = credentialOf(message)
    hand.send(encodeVerdict({ credential }))
    assert.deepEqual(await started.outcome, { outcome: 'renewed', kept: true })
    assert.deepEqual(
      started.kept.map((kept) => [kept.credential, kept.evidence]),
      [[credential, decodeEvidence(evidence)]],
    )
    assert.equal(started.clock.running, 0)
  })

  describe('declines, and makes no quote, when', () => {
    it('the message is another or broken', async () => {
      const [message] = [sentChallenge({ clusterId: cluster.clusterId }).message]
      for (const broken of [encodeAsk({ clusterId: cluster.clusterId }), message.slice(0, -1), new Uint8Array(0)]) {
        await declines(await start({ message: broken }), 'malformed')
      }
      await fc.assert(
        fc.asyncProperty(fc.uint8Array({ maxLength: 256 }), async (random) =>
          declines(await start({ message: random }), 'malformed'),
        ),
        { numRuns: 30 },
      )
    })
    it('it is for another cluster', async () => {
      const { message } = sentChallenge({ clusterId: flipped(cluster.clusterId) })
      await declines(await start({ message }), 'wrong_cluster')
    })
    it('it comes from itself', async () => {
      await declines(await start({ parties: { ...partiesOf(cluster), verifier: cluster.joiner.id } }), 'malformed')
    })
    it('it comes from somebody who is no member', async () => {
      const asked: Uint8Array[] = []
      const isMember = (peerId: Uint8Array) => {
        asked.push(peerId)
        return false
      }
      await declines(await start({ role: { isMember } }), 'not_member')
      assert.deepEqual(asked, [cluster.onboarder.id])
    })
    it('it is no member itself yet', async () => declines(await start({ noRole: true }), 'not_member'))
    it('it is about an epoch whose key it does not hold', async () => {
      await declines(await start({ message: sentChallenge({ clusterId: cluster.clusterId, epoch: 1 }).message }), 'stale_epoch')
    })
  })

  it('answers one at a time', async () => {
    const shared = { clock: new FakeClock(), limit: limitOf() }
    const first = await start({ ...shared, role: { attest: () => new Promise(() => {}) } })
    const second = await start({ ...shared, parties: { ...partiesOf(cluster), verifier: cluster.stranger.id } })
    const { messages } = await second.hand.rest()
    assert.throws(() => decodeAnswer(messages[0]!), { code: 'busy' })
    assert.deepEqual(second.attested, [])
    shared.clock.pass(QUOTE_TIMEOUT_MS)
    await silent(first)
    const third = await start({ ...shared, parties: { ...partiesOf(cluster), verifier: cluster.stranger.id } })
    decodeAnswer(await third.hand.read())
  })

  it('answers the same verifier at most once in a quarter of a lease, and others meanwhile', async () => {
    const shared = { clock: new FakeClock(), limit: limitOf() }
    const answered = async (options: Options = {}) => {
      const started = await start({ ...shared, ...options })
      decodeAnswer(await started.hand.read())
      started.hand.stream.abort(new Error('gone'))
      assert.equal((await started.outcome).outcome, 'no_verdict')
    }
    const limited = async () => {
      const started = await start(shared)
      const { messages } = await started.hand.rest()
      assert.throws(
        () => decodeAnswer(messages[0]!),
        (error) => error instanceof RefusalError && error.code === 'rate_limited' && error.refusal.retryAfterMs! > 0,
      )
      assert.deepEqual(started.attested, [])
    }
    await answered()
    await limited()
    await answered({ parties: { ...partiesOf(cluster), verifier: cluster.stranger.id } })
    shared.clock.pass(LIFETIME_MS / 4 - 1)
    await limited()
    shared.clock.pass(1)
    await answered()
    await limited()
  })

  it('may be challenged again soon by a verifier whom it could not answer', async () => {
    const shared = { clock: new FakeClock(), limit: limitOf() }
    await silent(await start({ ...shared, role: { attest: () => Promise.reject(new Error('no quoting service')) } }))
    await declines(await start(shared), 'rate_limited')
    shared.clock.pass(PAUSE_MS)
    decodeAnswer(await (await start(shared)).hand.read())
  })

  it('is limited by the monotonic clock: a wall clock that is set back by a month changes nothing', async () => {
    const shared = { clock: new FakeClock(), limit: limitOf() }
    const first = await start(shared)
    await first.hand.read()
    first.hand.stream.abort(new Error('gone'))
    await first.outcome
    const wall = shared.clock.now
    shared.clock.now = () => wall() - 31 * 86_400_000
    shared.clock.pass(LIFETIME_MS / 4)
    // Its own judge would not do with such a clock.
    const judge = () => ({ accepted: true as const, judged: { tdDigest: bytes(48, 1) } })
    decodeAnswer(await (await start({ ...shared, role: { judge } })).hand.read())
  })

  describe('stays silent, and signs nothing, when', () => {
    it('it cannot quote, or not in time', async () => {
      const outcome = await silent(await start({ role: { attest: () => Promise.reject(new Error('no quoting service')) } }))
      assert.match((outcome as { error: Error }).error.message, /no quoting service/)
      const late = await start({ role: { attest: () => new Promise(() => {}) } })
      late.clock.pass(QUOTE_TIMEOUT_MS)
      await silent(late)
    })
    it('its own judge refuses', async () => {
      for (const code of ['measurement_unacceptable', 'collateral_expired', 'bad_binding', 'internal'] as const) {
        const outcome = await silent(await start({ role: { judge: () => ({ accepted: false, code, reasons: ['as told'] }) } }))
        assert.ok('code' in outcome && outcome.code === code)
      }
    })
    it('the host gives it a quote over something else, or one that is damaged', async () => {
      const { node } = cluster.joiner
      await silent(await start({ role: { attest: (binding) => node.evidence({ ...binding, context: 'member/1' }) } }))
      const damaged = await start({
        role: {
          async attest(binding) {
            const evidence = await node.evidence(binding)
            return { ...evidence, quote: flipped(evidence.quote, 700) }
          },
        },
      })
      await silent(damaged)
    })
    it('its evidence fits into no message', async () => {
      const { node } = cluster.joiner
      await silent(
        await start({
          role: {
            async attest(binding) {
              const evidence = await node.evidence(binding)
              return { ...evidence, collateral: { ...evidence.collateral!, tcbInfo: 'x'.repeat(300_000) } }
            },
          },
        }),
      )
    })
  })

  describe('believes no verdict', () => {
    const disbelieves = async (verdict: (answer: Uint8Array) => Uint8Array, pattern: RegExp) => {
      const started = await start()
      started.hand.send(verdict(await started.hand.read()))
      const outcome = await started.outcome
      assert.ok(outcome.outcome === 'no_verdict', outcome.outcome)
      assert.match(outcome.error.message, pattern)
      assert.deepEqual(started.kept, [])
      assert.equal((await started.hand.rest()).end, 'reset')
      assert.equal(started.clock.running, 0)
    }
    const issued = (changes: Parameters<typeof credentialFor>[4], subject?: Uint8Array) => (answer: Uint8Array) =>
      encodeVerdict({ credential: credentialOf(answer, changes, subject) })

    it('about another peer, by another issuer, for another quote', async () => {
      const { stranger } = cluster
      await disbelieves(issued({}, stranger.id), /names another peer/)
      await disbelieves(issued({ issuer: stranger.id, signedBy: stranger }), /issued by somebody else/)
      await disbelieves(issued({ issuer: cluster.joiner.id, signedBy: cluster.joiner }), /issued by somebody else/)
      await disbelieves(issued({ tdDigest: bytes(48, 9) }), /about another quote/)
    })
    it('with a signature, a time or a lifetime that does not hold', async () => {
      await disbelieves(issued({ signedBy: cluster.stranger }), /bad_issuer_signature/)
      await disbelieves(issued({ expiresAt: NOW_MS + LIFETIME_MS + 1 }), /lifetime_too_long/)
      await disbelieves(issued({ issuedAt: NOW_MS + 180_000, expiresAt: NOW_MS + LIFETIME_MS }), /issued_in_the_future/)
      await disbelieves(issued({ issuedAt: NOW_MS - LIFETIME_MS, expiresAt: NOW_MS }), /expired/)
      await disbelieves(issued({ clusterId: flipped(cluster.clusterId) }), /wrong_cluster/)
    })
    it('that is another message', async () => {
      await disbelieves(() => encodeAsk({ clusterId: cluster.clusterId }), /expected Verdict/)
      await disbelieves((answer) => answer, /at most/)
      await disbelieves(() => bytes(3, 0xff), /./)
    })
    it('that does not come', async () => {
      const started = await start()
      await started.hand.read()
      await started.clock.armed(STEP_MS)
      started.clock.pass(STEP_MS)
      assert.equal((await started.outcome).outcome, 'no_verdict')
    })
  })

  it('learns why it is refused', async () => {
    const started = await start()
    await started.hand.read()
    started.hand.send(encodeRefusalMessage({ code: 'collateral_expired' }))
    assert.deepEqual(await started.outcome, { outcome: 'refused', refusal: { code: 'collateral_expired' }, judged: true })
    const asked = await start({ message: encodeRefusalMessage({ code: 'busy', retryAfterMs: 7 }) })
    assert.deepEqual(await asked.outcome, { outcome: 'refused', refusal: { code: 'busy', retryAfterMs: 7 }, judged: false })
  })

  it('keeps the credential that ends last', async () => {
    const current = () => ({ expiresAt: NOW_MS + 2 * LIFETIME_MS, selfIssued: false })
    const started = await start({ role: { current } })
    started.hand.send(encodeVerdict({ credential: credentialOf(await started.hand.read()) }))
    assert.deepEqual(await started.outcome, { outcome: 'renewed', kept: false })
    assert.deepEqual(started.kept, [])
  })

  it('keeps any that another issued rather than one of its own', () => {
    const fresh = { expiresAt: 1_000 }
    const rows: [number, boolean, boolean][] = [
      [900, false, true],
      [1_000, false, false],
      [1_100, false, false],
      [1_100, true, true],
      [400, false, true],
    ]
    for (const [expiresAt, selfIssued, kept] of rows) assert.equal(keepsNew({ expiresAt, selfIssued }, fresh, 500), kept)
  })
})
