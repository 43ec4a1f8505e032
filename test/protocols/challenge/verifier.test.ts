import assert from 'node:assert/strict'
import fc from 'fast-check'
import { challengeBinding } from '../../../protocols/challenge/exchange.ts'
import { ANSWER_LIMIT_BYTES, judgeRevocation, QUOTE_TIMEOUT_MS } from '../../../protocols/challenge/index.ts'
import {
  decodeChallenge,
  decodeVerdict,
  encodeAnswer,
  encodeAsk,
  encodeRefusalMessage,
} from '../../../protocols/challenge/messages.ts'
import { challengeOver } from '../../../protocols/challenge/verifier.ts'
import { decodeCredential, encodeEvidence, verifyCredential } from '../../../protocols/records/index.ts'
import { type RefusalCode, RefusalError } from '../../../protocols/wire/index.ts'
import { createEmulatedPki } from '../../../src/attest/emulator/index.ts'
import { bytes, DAY_MS, emulatedNode } from '../../attest/support.ts'
import { LIFETIME_MS, memberBinding, policyOf, type TestCluster, testCluster } from '../onboard/cluster.ts'
import { FakeClock, flipped, framed, NOW_MS, seededRandom } from '../support.ts'
import { channelOf, EXCHANGE_MS, honestAnswer, partiesOf, readerOf, STEP_MS, signedAnswer, verifierRole } from './members.ts'

let cluster: TestCluster
before(async () => {
  cluster = await testCluster()
})

/** V under test, up to its Challenge; M is played by hand. */
const start = async (changes: Parameters<typeof verifierRole>[2] = {}) => {
  const clock = new FakeClock()
  const { channel, hand, clear } = await channelOf(clock)
  const played = verifierRole(cluster, clock, changes)
  const outcome = challengeOver(channel, partiesOf(cluster), played.role, seededRandom('V'))
  outcome.finally(clear).catch(() => {})
  const message = await hand.read()
  return { clock, hand, outcome, stream: channel.stream, challenge: { message, decoded: decodeChallenge(message) }, ...played }
}
type Started = Awaited<ReturnType<typeof start>>

const refusalOf = (message: Uint8Array): RefusalCode => {
  try {
    decodeVerdict(message)
  } catch (error) {
    if (error instanceof RefusalError) return error.code
    throw error
  }
  throw new Error('not a refusal')
}
/** The refusal is all that comes, and nothing was issued. */
const refuses = async (started: Started, code: RefusalCode, kind: 'withheld' | 'bad_answer') => {
  const { messages, end } = await started.hand.rest()
  assert.deepEqual(messages.map(refusalOf), [code])
  assert.equal(end, 'closed')
  const outcome = await started.outcome
  assert.equal(outcome.outcome, kind)
  assert.ok('code' in outcome && outcome.code === code)
  assert.deepEqual(started.issued, [])
  assert.equal(started.clock.running, 0)
  return outcome
}
const unanswered = async (started: Started, code?: RefusalCode) => {
  const outcome = await started.outcome
  assert.ok(outcome.outcome === 'no_answer', outcome.outcome)
  assert.equal(outcome.code, code)
  assert.deepEqual(started.issued, [])
  assert.deepEqual(started.judged, [])
  assert.equal(started.clock.running, 0)
}

describe('a verifier', () => {
  it('issues a new credential for a good answer', async () => {
    const started = await start()
    const { hand, challenge, clock } = started
    assert.deepEqual(challenge.decoded, { clusterId: cluster.clusterId, verifierNonce: seededRandom('V').bytes(32), epoch: 0 })
    const answer = await honestAnswer(cluster, challenge)
    hand.send(answer.message)
    const { credential } = decodeVerdict(await hand.read())
    const checked = verifyCredential(credential, {
      clusterId: cluster.clusterId,
      signingPublicKey: () => cluster.clusterId,
      lifetimeMs: LIFETIME_MS,
      nowMs: clock.now(),
    })
    assert.ok(checked.ok)
    assert.deepEqual(checked.body.peerId, cluster.joiner.id)
    assert.deepEqual(checked.body.issuer, cluster.onboarder.id)
    assert.deepEqual(await started.outcome, { outcome: 'renewed', credential, evidence: answer.evidence })
    assert.deepEqual((await hand.rest()).end, 'closed')
    assert.equal(clock.running, 0)
  })

  it('never asks twice with the same nonce', async () => {
    const clock = new FakeClock()
    const random = seededRandom('V')
    const nonces = new Set<string>()
    for (let i = 0; i < 20; i++) {
      const { channel, hand } = await channelOf(clock)
      const outcome = challengeOver(channel, partiesOf(cluster), verifierRole(cluster, clock).role, random)
      nonces.add(Buffer.from(decodeChallenge(await hand.read()).verifierNonce).toString('hex'))
      hand.stream.abort(new Error('gone'))
      await outcome
    }
    assert.equal(nonces.size, 20)
  })

  describe('tells no answer from a bad one: it holds nothing against a member that', () => {
    it('goes away', async () => {
      const started = await start()
      started.hand.stream.abort(new Error('gone'))
      await unanswered(started)
    })
    it('closes without an answer', async () => {
      const started = await start()
      await started.hand.stream.close()
      await unanswered(started)
    })
    it('takes longer than a quote and a step', async () => {
      const started = await start()
      await started.clock.armed(QUOTE_TIMEOUT_MS + STEP_MS)
      started.clock.pass(QUOTE_TIMEOUT_MS + STEP_MS)
      await unanswered(started)
      assert.equal((await started.hand.rest()).end, 'reset')
    })
    it('stops in the middle of its answer', async () => {
      const started = await start()
      const { message } = await honestAnswer(cluster, started.challenge)
      started.hand.sendRaw(framed(message).subarray(0, 1000))
      await started.hand.stream.close()
      await unanswered(started)
    })
    it('refuses', async () => {
      for (const code of ['busy', 'rate_limited', 'not_member', 'stale_epoch'] as const) {
        const started = await start()
        started.hand.send(encodeRefusalMessage({ code }))
        await unanswered(started, code)
      }
    })
    it('cannot be given its verdict any more', async () => {
      const started = await start({
        judge: () => ({
          accepted: true,
          issue() {
            started.stream.abort(new Error('gone'))
            return bytes(100, 1)
          },
        }),
      })
      started.hand.send((await honestAnswer(cluster, started.challenge)).message)
      await unanswered(started)
    })
  })

  describe('withholds a credential, without a proof against anybody, when the answer', () => {
    const withholds = async (answer: (started: Started) => Uint8Array | Promise<Uint8Array>, code: RefusalCode) => {
      const started = await start()
      started.hand.send(await answer(started))
      const outcome = await refuses(started, code, 'withheld')
      assert.ok(!('revocation' in outcome))
      return started
    }
    const changed = async (started: Started, change: (evidence: Uint8Array, signature: Uint8Array) => Uint8Array) => {
      const { evidence } = await honestAnswer(cluster, started.challenge)
      const bytes = encodeEvidence(evidence)
      const honest = signedAnswer(partiesOf(cluster), started.challenge.message, bytes, cluster.joiner)
      return change(bytes, honest.slice(-64))
    }

    it('is another message, or cut off, or random', async () => {
      await withholds(({ challenge }) => challenge.message, 'malformed')
      await withholds(() => encodeAsk({ clusterId: cluster.clusterId }), 'malformed')
      await withholds(async ({ challenge }) => (await honestAnswer(cluster, challenge)).message.slice(0, -1), 'malformed')
      await fc.assert(
        fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 300 }), async (random) => {
          await withholds(() => random, 'malformed')
        }),
        { numRuns: 30 },
      )
    })
    it('is longer than an answer can be, which it does not read', async () => {
      const started = await start()
      started.hand.sendRaw(framed(new Uint8Array(ANSWER_LIMIT_BYTES + 1)).subarray(0, 4))
      await refuses(started, 'malformed', 'withheld')
    })
    it('holds evidence that does not decode', async () => {
      const evidence = bytes(50, 0xff)
      await withholds(
        ({ challenge }) => signedAnswer(partiesOf(cluster), challenge.message, evidence, cluster.joiner),
        'malformed',
      )
    })
    it('is not signed by the member, and then judges nothing', async () => {
      const wrong: ((evidence: Uint8Array, signature: Uint8Array) => Uint8Array)[] = [
        (evidence, signature) => encodeAnswer({ evidence, signature: flipped(signature) }),
        (evidence, signature) => encodeAnswer({ evidence: flipped(evidence, 100), signature }),
        (evidence) => encodeAnswer({ evidence, signature: new Uint8Array(64) }),
      ]
      for (const change of wrong) {
        assert.deepEqual((await withholds((started) => changed(started, change), 'bad_signature')).judged, [])
      }
    })
    it('is signed for another challenge, verifier or member', async () => {
      const parties = partiesOf(cluster)
      const { stranger } = cluster
      const sign = (to: typeof parties, over: (message: Uint8Array) => Uint8Array, by = cluster.joiner) =>
        withholds(
          (started) => changed(started, (evidence) => signedAnswer(to, over(started.challenge.message), evidence, by)),
          'bad_signature',
        )
      await sign({ ...parties, verifier: stranger.id }, (message) => message)
      await sign({ ...parties, member: stranger.id }, (message) => message)
      await sign(parties, (message) => flipped(message, -1))
      await sign(parties, (message) => message, { ...cluster.joiner, key: stranger.key })
    })
    it('comes with collateral that has run out, or with none', async () => {
      const stale = createEmulatedPki({ nowMs: NOW_MS - 90 * DAY_MS })
      const old = await emulatedNode({ clusterId: cluster.clusterId, pki: stale })
      const collateral = (await old.attester.collateral()) as NonNullable<
        Awaited<ReturnType<typeof cluster.joiner.node.evidence>>['collateral']
      >
      for (const [code, given] of [
        ['collateral_missing', undefined],
        ['collateral_missing', collateral],
      ] as const) {
        await withholds(async (started) => {
          const { evidence } = await honestAnswer(cluster, started.challenge)
          const { collateral: _, ...rest } = evidence
          const sent = encodeEvidence({ ...rest, ...(given !== undefined && { collateral: given }) })
          return signedAnswer(partiesOf(cluster), started.challenge.message, sent, cluster.joiner)
        }, code)
      }
    })
  })

  it('withholds it when its own standing ends while the member quotes', async () => {
    for (const standing of ['busy', 'lapsed', 'not_member'] as const) {
      const started = await start({ standing: () => standing })
      started.hand.send((await honestAnswer(cluster, started.challenge)).message)
      await refuses(started, standing, 'withheld')
    }
  })

  describe('makes a revocation that every member counts, when the member itself has signed', () => {
    const revokes = async (evidence: (started: Started) => Promise<Uint8Array>, code: RefusalCode) => {
      const started = await start()
      const sent = await evidence(started)
      started.hand.send(signedAnswer(partiesOf(cluster), started.challenge.message, sent, cluster.joiner))
      const outcome = await refuses(started, code, 'bad_answer')
      assert.ok(outcome.outcome === 'bad_answer')
      const elsewhere = readerOf(cluster, policyOf(cluster.document, new FakeClock(NOW_MS + 3_600_000)))
      const verdict = judgeRevocation(outcome.revocation, elsewhere)
      assert.ok(verdict.counts)
      assert.deepEqual([verdict.code, verdict.peerId], [code, cluster.joiner.id])
    }
    it('evidence for an earlier challenge', async () => {
      await revokes(
        async ({ challenge }) =>
          encodeEvidence(
            await cluster.joiner.node.evidence(
              challengeBinding(partiesOf(cluster), { ...challenge.decoded, verifierNonce: bytes(32, 1) }),
            ),
          ),
        'bad_binding',
      )
    })
    it('evidence for another verifier', async () => {
      const parties = { ...partiesOf(cluster), verifier: cluster.stranger.id }
      await revokes(
        async ({ challenge }) => encodeEvidence((await honestAnswer(cluster, challenge, parties)).evidence),
        'bad_binding',
      )
    })
    it('evidence of another context', async () => {
      const binding = memberBinding(cluster.clusterId, cluster.joiner.id)
      await revokes(async () => encodeEvidence(await cluster.joiner.node.evidence(binding)), 'bad_binding')
    })
    it('a TD of another cluster', async () => {
      const other = await emulatedNode({ clusterId: flipped(cluster.clusterId) })
      await revokes(
        async ({ challenge }) => encodeEvidence(await other.evidence(challengeBinding(partiesOf(cluster), challenge.decoded))),
        'app_unacceptable',
      )
    })
  })

  it('is through after its deadline, whatever the member does', async () => {
    const started = await start()
    started.clock.pass(EXCHANGE_MS)
    await unanswered(started)
  })

  it('puts into a credential what it judged', async () => {
    const started = await start()
    started.hand.send((await honestAnswer(cluster, started.challenge)).message)
    const { body } = decodeCredential(decodeVerdict(await started.hand.read()).credential)
    assert.equal(body.expiresAt, NOW_MS + LIFETIME_MS)
    await started.outcome
  })
})
