import assert from 'node:assert/strict'
import { streamPair } from '@libp2p/utils'
import { answerSigned, challengeBinding, judgeAnswer } from '../../../protocols/challenge/exchange.ts'
import { judgeRevocation } from '../../../protocols/challenge/index.ts'
import { AnswerLimit, answerOver } from '../../../protocols/challenge/member.ts'
import { decodeAnswer, decodeChallenge, decodeOpening, decodeVerdict, encodeAsk } from '../../../protocols/challenge/messages.ts'
import { challengeOver } from '../../../protocols/challenge/verifier.ts'
import { decodeEvidence, type Evidence, type Expectation, type Refused } from '../../../protocols/records/index.ts'
import {
  equals,
  messagesOf,
  peerPublicKey,
  peerSignedBytes,
  type RefusalCode,
  reportData,
  verifyEd25519,
} from '../../../protocols/wire/index.ts'
import { FakeClock, HandPeer, hex, unhex } from '../support.ts'
import { challenge as vectors } from '../vectors.ts'

const { exchange } = vectors
const parties = {
  clusterId: unhex(vectors.parties.clusterId),
  member: unhex(vectors.parties.member),
  verifier: unhex(vectors.parties.verifier),
}
const [message1, message2, message3] = exchange.messages.map(unhex) as [Uint8Array, Uint8Array, Uint8Array]
const sent = { message: message1, decoded: decodeChallenge(message1) }
const accepted = { accepted: true as const, judged: { tdDigest: unhex(exchange.tdDigest) } }
const saying = (judge: string | undefined) => (): typeof accepted | Refused =>
  judge === 'accepted' ? accepted : { accepted: false, code: judge as RefusalCode, reasons: ['as told'] }

/** What an outcome is called in the file. */
const named = (run: () => string): string => {
  try {
    return run()
  } catch (error) {
    const { code, name } = error as { code: string; name: string }
    return name === 'RefusalError' ? `refused: ${code}` : code
  }
}

describe('the vectors of challenge', () => {
  it('give the bytes that are quoted and signed', () => {
    assert.equal(hex(sent.decoded.verifierNonce), exchange.verifierNonce)
    const binding = challengeBinding(parties, sent.decoded)
    assert.deepEqual({ context: binding.context, fields: binding.fields.map(hex) }, exchange.binding)
    assert.equal(hex(reportData(binding)), exchange.reportData)
    const { evidence, signature } = decodeAnswer(message2)
    assert.deepEqual(decodeEvidence(evidence).binding, binding)
    assert.equal(hex(peerSignedBytes('challenge-answer', answerSigned(parties, message1, evidence))), exchange.signed)
    assert.ok(verifyEd25519(peerPublicKey(parties.member)!, unhex(exchange.signed), signature))
    assert.equal(hex(encodeAsk({ clusterId: parties.clusterId })), exchange.ask)
  })

  it('give messages, whole and broken', () => {
    const decoders = { opening: decodeOpening, challenge: decodeChallenge, answer: decodeAnswer, verdict: decodeVerdict }
    for (const { expects, outcome, bytes, ...rest } of vectors.messages) {
      const found = named(() => {
        decoders[expects as keyof typeof decoders](unhex(bytes))
        return 'decodes'
      })
      assert.equal(found, outcome, JSON.stringify({ expects, ...rest }))
    }
  })

  it('give answers, good and bad', () => {
    for (const { outcome, bytes, ...rest } of vectors.answers) {
      const verdict = judgeAnswer(parties, sent, unhex(bytes), saying('accepted'))
      assert.equal(verdict.accepted ? 'accepted' : verdict.code, outcome, JSON.stringify(rest))
    }
  })

  it('give revocations, and what becomes of them', () => {
    for (const vector of vectors.revocations) {
      const { outcome, bytes } = vector
      const found = named(() => {
        const verdict = judgeRevocation(unhex(bytes), {
          clusterId: parties.clusterId,
          knowsEpoch: (epoch) => epoch === 0,
          isKnown: (peerId) => equals(peerId, parties.member),
          judge: 'judge' in vector ? saying(vector.judge) : () => assert.fail('judged'),
          readTd: () => undefined,
        })
        return verdict.counts ? verdict.code : verdict.fault
      })
      assert.equal(found, outcome, 'why' in vector ? vector.why : outcome)
    }
  })

  it('give an exchange that both sides repeat byte for byte', async () => {
    const clock = new FakeClock(vectors.nowMs)
    const { signature } = decodeAnswer(message2)
    const { credential } = decodeVerdict(message3)
    const judge = (evidence: Evidence, expected: Expectation) => {
      assert.deepEqual(evidence.binding.fields, expected.fields)
      return accepted
    }
    const channel = async () => {
      const [near, far] = await streamPair()
      const { signal } = clock.deadline(60_000)
      const messages = messagesOf(near, { maxBytes: 300_000, stepTimeoutMs: 10_000, timer: clock, signal })
      return { channel: { stream: near, messages, signal, stepTimeoutMs: 10_000 }, hand: new HandPeer(far) }
    }
    const [v, m] = [await channel(), await channel()]
    const verifying = challengeOver(
      v.channel,
      parties,
      {
        standing: () => 'active',
        epoch: () => 0,
        isChallengeable: () => true,
        judge: (evidence, expected) => ({ ...judge(evidence, expected), issue: () => credential }),
      },
      { bytes: () => unhex(exchange.verifierNonce) },
    )
    const first = await v.hand.read()
    const kept: Uint8Array[] = []
    const answering = answerOver(
      m.channel,
      parties,
      {
        credentialLifetimeMs: vectors.credentialLifetimeMs,
        isMember: (peerId) => equals(peerId, parties.verifier),
        signingPublicKey: () => parties.clusterId,
        async attest(binding) {
          assert.equal(hex(reportData(binding)), exchange.reportData)
          return decodeEvidence(decodeAnswer(message2).evidence)
        },
        judge,
        signAsPeer: (_context, bytes) => {
          assert.equal(hex(peerSignedBytes('challenge-answer', bytes)), exchange.signed)
          return signature
        },
        current: () => ({ expiresAt: vectors.nowMs + 1, selfIssued: false }),
        keep: ({ credential: given }) => kept.push(given),
      },
      { timer: clock, limit: new AnswerLimit() },
      first,
    )
    const second = await m.hand.read()
    v.hand.send(second)
    const third = await v.hand.read()
    m.hand.send(third)
    assert.deepEqual([first, second, third].map(hex), exchange.messages)
    assert.equal((await verifying).outcome, 'renewed')
    assert.deepEqual(await answering, { outcome: 'renewed', kept: true })
    assert.deepEqual(kept, [credential])
  })
})
