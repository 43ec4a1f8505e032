import assert from 'node:assert/strict'
import fc from 'fast-check'
import { challengeBinding } from '../../../protocols/challenge/exchange.ts'
import { PROVING_CODES } from '../../../protocols/challenge/index.ts'
import {
  decodeAnswer,
  decodeRevocation,
  encodeAnswer,
  encodeRefusalMessage,
  encodeRevocation,
  type Revocation,
} from '../../../protocols/challenge/messages.ts'
import { judgeRevocation, type RevocationVerdict } from '../../../protocols/challenge/revocation.ts'
import { decodeEvidence, type Evidence, encodeEvidence } from '../../../protocols/records/index.ts'
import { concat, MalformedError, REFUSAL_CODES } from '../../../protocols/wire/index.ts'
import { createEmulatedPki } from '../../../src/attest/emulator/index.ts'
import { bytes, DAY_MS, emulatedNode, MEASUREMENTS, policyFor, sharedPki } from '../../attest/support.ts'
import { memberBinding, policyOf, type TestCluster, testCluster } from '../onboard/cluster.ts'
import { FakeClock, flipped, NOW_MS } from '../support.ts'
import { honestAnswer, partiesOf, readerOf, readTd, sentChallenge, signedAnswer } from './members.ts'

let cluster: TestCluster
let good: Revocation
let goodEvidence: Evidence
before(async () => {
  cluster = await testCluster()
  const challenge = sentChallenge({ clusterId: cluster.clusterId })
  const answer = await honestAnswer(cluster, challenge)
  goodEvidence = answer.evidence
  good = {
    clusterId: cluster.clusterId,
    epoch: 0,
    challenge: challenge.message,
    answer: answer.message,
    member: cluster.joiner.id,
    verifier: cluster.onboarder.id,
  }
})

const judge = (
  revocation: Revocation,
  changes: Parameters<typeof readerOf>[2] = {},
  clock = new FakeClock(),
): RevocationVerdict =>
  judgeRevocation(encodeRevocation(revocation), readerOf(cluster, policyOf(cluster.document, clock), changes))
const outcome = (verdict: RevocationVerdict): string => (verdict.counts ? verdict.code : verdict.fault)
/** A revocation of what M itself signed. */
const ofM = (evidence: Uint8Array): Revocation => ({
  ...good,
  answer: signedAnswer(partiesOf(cluster), good.challenge, evidence, cluster.joiner),
})
const fresh = (changes: Parameters<typeof emulatedNode>[0] | object = {}) =>
  emulatedNode({ clusterId: cluster.clusterId, ...changes })
const binding = () => challengeBinding(partiesOf(cluster), sentChallenge({ clusterId: cluster.clusterId }).decoded)
const tdDigest = (evidence: Evidence) => readTd(evidence.quote)!.tdDigest

describe('a revocation', () => {
  describe('counts, when the member itself has signed', () => {
    const counts = (evidence: Evidence, code: string, changes: Parameters<typeof readerOf>[2] = {}) => {
      const verdict = judge(ofM(encodeEvidence(evidence)), changes)
      assert.ok(verdict.counts, outcome(verdict))
      assert.equal(verdict.code, code)
      assert.deepEqual(verdict.peerId, cluster.joiner.id)
      return verdict
    }

    it('a quote that was made for another challenge', async () => {
      const other = challengeBinding(partiesOf(cluster), {
        ...sentChallenge({ clusterId: cluster.clusterId }).decoded,
        verifierNonce: bytes(32, 9),
      })
      counts(await cluster.joiner.node.evidence(other), 'bad_binding')
    })
    it('a quote of another peer, and then that other peer is not taken along', async () => {
      const victim = cluster.onboarder.evidence
      assert.deepEqual(victim.binding, memberBinding(cluster.clusterId, cluster.onboarder.id))
      assert.equal(counts(victim, 'bad_binding').tdDigest, undefined)
      // Also not with a binding that says what the quote does not.
      assert.equal(counts({ ...victim, binding: binding() }, 'bad_binding').tdDigest, undefined)
    })
    it('what is no quote', () => {
      const quote = goodEvidence.quote.slice(0, 600)
      assert.equal(counts({ ...goodEvidence, quote }, 'quote_invalid').tdDigest, undefined)
    })
    it('a quote under a root that nobody trusts', async () => {
      const evidence = await (await fresh({ pki: createEmulatedPki({ nowMs: NOW_MS }) })).evidence(binding())
      assert.deepEqual(counts(evidence, 'quote_invalid').tdDigest, tdDigest(evidence))
    })
    it('a quote whose own signature does not hold', async () => {
      // After header, body and length comes the signature.
      const quote = flipped(goodEvidence.quote, 48 + 584 + 4 + 10)
      const verdict = counts({ ...goodEvidence, quote }, 'quote_invalid')
      assert.deepEqual(verdict.tdDigest, tdDigest(goodEvidence))
    })
    it('a TD that the policy does not admit', async () => {
      const evidence = await (await fresh({ measurements: { ...MEASUREMENTS, rtmr2: bytes(48, 0x66) } })).evidence(binding())
      assert.deepEqual(counts(evidence, 'measurement_unacceptable').tdDigest, tdDigest(evidence))
    })
    it('an event log that does not give the register', async () => {
      const [first, ...rest] = goodEvidence.eventLog
      counts(
        { ...goodEvidence, eventLog: [{ ...first!, payload: flipped(first!.payload) }, ...rest] },
        'measurement_unacceptable',
      )
    })
    it('an app that the policy does not list', () => {
      const listed = policyFor(sharedPki(), { apps: [{ appId: 'ab'.repeat(20), compose: [`sha256:${'cd'.repeat(32)}`] }] })
      const { judge } = policyOf(listed, new FakeClock())
      assert.deepEqual(counts(goodEvidence, 'app_unacceptable', { judge }).tdDigest, tdDigest(goodEvidence))
    })
    it('a machine that the policy does not list', () => {
      const listed = policyFor(sharedPki(), { platforms: [`sha256:${'ab'.repeat(32)}`] })
      const { judge } = policyOf(listed, new FakeClock())
      assert.deepEqual(counts(goodEvidence, 'platform_unacceptable', { judge }).tdDigest, tdDigest(goodEvidence))
    })
  })

  describe('does not count', () => {
    it('over an answer that is good', () => assert.equal(outcome(judge(good)), 'sound'))

    it('when a verifier shows the good answer with another challenge, another verifier or another member', () => {
      const other = sentChallenge({ clusterId: cluster.clusterId, verifierNonce: bytes(32, 0x44) }).message
      for (const framed of [
        { ...good, challenge: other },
        { ...good, challenge: concat([good.challenge, Uint8Array.of(0x98, 0x06, 0x07)]) },
        { ...good, verifier: cluster.stranger.id },
        { ...good, member: cluster.stranger.id },
      ]) {
        assert.equal(outcome(judge(framed)), 'unproven')
      }
    })

    it('whatever a verifier changes in the evidence: cut short, without collateral, with other collateral', () => {
      const { signature, evidence } = decodeAnswer(good.answer)
      const { collateral: _, ...without } = decodeEvidence(evidence)
      const swapped = { ...goodEvidence, collateral: { ...goodEvidence.collateral!, tcbInfo: '{}' } }
      for (const changed of [evidence.slice(0, -1), flipped(evidence, 60), encodeEvidence(without), encodeEvidence(swapped)]) {
        assert.equal(outcome(judge({ ...good, answer: encodeAnswer({ evidence: changed, signature }) })), 'unproven')
      }
    })

    it('when anybody but the member has signed the bad answer', () => {
      const bad = encodeEvidence({ ...goodEvidence, quote: goodEvidence.quote.slice(0, 600) })
      for (const signer of [cluster.onboarder, cluster.stranger]) {
        const answer = signedAnswer(partiesOf(cluster), good.challenge, bad, signer)
        assert.equal(outcome(judge({ ...good, answer })), 'unproven')
      }
    })

    it('when the member has signed something else that ends in the same bytes', () => {
      const evidence = encodeEvidence({ ...goodEvidence, quote: goodEvidence.quote.slice(0, 600) })
      const signature = cluster.joiner.key.sign(concat([good.challenge, evidence])) as Uint8Array
      assert.equal(outcome(judge({ ...good, answer: encodeAnswer({ evidence, signature }) })), 'unproven')
    })

    it('when epoch, cluster or verifier do not fit the challenge', () => {
      const elsewhere = sentChallenge({ clusterId: flipped(cluster.clusterId) }).message
      const later = sentChallenge({ clusterId: cluster.clusterId, epoch: 1 }).message
      assert.equal(outcome(judge({ ...good, clusterId: flipped(cluster.clusterId) })), 'wrong_cluster')
      assert.equal(outcome(judge({ ...good, epoch: 1 })), 'unknown_epoch')
      assert.equal(outcome(judge({ ...good, challenge: elsewhere })), 'unproven')
      assert.equal(outcome(judge({ ...good, challenge: later })), 'unproven')
      assert.equal(outcome(judge({ ...good, verifier: good.member })), 'unproven')
    })

    it('about a peer that nobody knows, and costs no judging', () => {
      let judged = 0
      const verdict = judge(ofM(encodeEvidence({ ...goodEvidence, quote: goodEvidence.quote.slice(0, 600) })), {
        isKnown: () => false,
        judge: () => assert.fail(`judged ${++judged}`),
      })
      assert.equal(outcome(verdict), 'unknown_peer')
    })

    it('for evidence that the member signed and that nobody can read', () => {
      assert.equal(outcome(judge(ofM(bytes(40, 0xff)))), 'inconclusive')
    })

    it('for any refusal that is not of the proving ones', () => {
      const proving: readonly string[] = PROVING_CODES
      for (const code of REFUSAL_CODES) {
        const verdict = judge(good, { judge: () => ({ accepted: false, code, reasons: ['as told'] }) })
        // A judge never says bad_signature; if one did, it would not be a proof either.
        assert.equal(outcome(verdict), proving.includes(code) ? code : code === 'bad_signature' ? 'unproven' : 'inconclusive')
      }
    })

    it('at any time of the reader, with any collateral of the member, for a TD that is sound', async () => {
      const stale = createEmulatedPki({ nowMs: NOW_MS - 60 * DAY_MS })
      const foreign = await (await fresh({ pki: stale })).attester.collateral()
      const own = goodEvidence.collateral!
      const collaterals = [
        undefined,
        own,
        { ...own, tcbInfo: own.tcbInfo.replace('UpToDate', 'Revoked') },
        { ...own, pckCrl: flipped(own.pckCrl, 30) },
        { ...own, qeIdentity: '{}' },
        { ...own, tcbInfoIssuerChain: own.pckCrlIssuerChain },
        foreign as NonNullable<Evidence['collateral']>,
      ]
      const offset = fc.oneof(fc.integer({ min: -400 * DAY_MS, max: 4000 * DAY_MS }), fc.integer({ min: -DAY_MS, max: DAY_MS }))
      const seen = new Set<string>()
      fc.assert(
        fc.property(fc.nat(collaterals.length - 1), offset, (which, ms) => {
          const { collateral: _, ...rest } = goodEvidence
          const collateral = collaterals[which]
          const revocation = ofM(encodeEvidence({ ...rest, ...(collateral !== undefined && { collateral }) }))
          const found = outcome(judge(revocation, {}, new FakeClock(NOW_MS + ms)))
          assert.ok(found === 'inconclusive' || found === 'sound', found)
          seen.add(found)
        }),
        { numRuns: 150 },
      )
      assert.equal(seen.size, 2)
    })
  })

  it('that is not of its form is malformed, also where it shows a refusal', () => {
    const refusal = encodeRefusalMessage({ code: 'bad_binding' })
    for (const broken of [
      encodeRevocation(good).slice(0, -1),
      encodeRevocation({ ...good, challenge: refusal }),
      encodeRevocation({ ...good, answer: refusal }).slice(0, -1),
      encodeRevocation({ ...good, answer: refusal }),
      encodeRevocation({ ...good, member: good.member.slice(1) }),
      encodeRevocation({ ...good, challenge: good.answer }),
      encodeRevocation({ ...good, challenge: bytes(257, 0) }),
      concat([encodeRevocation(good), encodeRevocation(good)]),
      new Uint8Array(0),
    ]) {
      assert.throws(() => judgeRevocation(broken, readerOf(cluster, policyOf(cluster.document, new FakeClock()))), MalformedError)
    }
    assert.deepEqual(decodeRevocation(encodeRevocation(good)), good)
  })

  it('of random bytes never does more than be malformed', () => {
    const reader = readerOf(cluster, policyOf(cluster.document, new FakeClock()))
    const encoded = encodeRevocation(good)
    fc.assert(
      fc.property(fc.nat(encoded.length - 1), fc.integer({ min: 1, max: 255 }), (at, mask) => {
        const changed = Uint8Array.from(encoded)
        changed[at]! ^= mask
        try {
          assert.equal(judgeRevocation(changed, reader).counts, false)
        } catch (error) {
          assert.ok(error instanceof MalformedError, `${error}`)
        }
      }),
      { numRuns: 300 },
    )
  })
})
