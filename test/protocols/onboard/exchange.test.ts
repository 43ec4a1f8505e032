import assert from 'node:assert/strict'
import { streamPair } from '@libp2p/utils'
import { FalseOnboarderError, RefusedJoin } from '../../../protocols/onboard/index.ts'
import { joinOver } from '../../../protocols/onboard/joiner.ts'
import { decodeRequest, encodeRequest } from '../../../protocols/onboard/messages.ts'
import { onboardOver } from '../../../protocols/onboard/onboarder.ts'
import { decodeEvidence, encodeEvidence } from '../../../protocols/records/index.ts'
import { RefusalError } from '../../../protocols/wire/index.ts'
import { FakeClock, flipped, HandPeer } from '../support.ts'
import { bytesOf, len } from '../wire/protobuf.ts'
import { joinerRole, onboarderRole, SpySealer, type TestCluster, testCluster, toolsOf } from './cluster.ts'

let cluster: TestCluster
before(async () => {
  cluster = await testCluster()
})

type Tamper = (message: Uint8Array) => Uint8Array | Promise<Uint8Array>
const asIs: Tamper = (message) => message

/** J and P, and between them somebody who holds both ends of the wire. Noise would keep him out; the exchange does not rely on that. */
const throughTheMiddle = async (tamper: { [n in 1 | 2 | 3 | 4 | 5]?: Tamper }) => {
  const [[joinerStream, leftStream], [rightStream, onboarderStream]] = await Promise.all([streamPair(), streamPair()])
  const [left, right] = [new HandPeer(leftStream), new HandPeer(rightStream)]
  const clock = new FakeClock()
  const joiner = joinerRole(cluster, clock)
  const onboarder = onboarderRole(cluster, clock)
  const joining = joinOver(joinerStream, cluster.parties, joiner.role, toolsOf(clock, 'J'))
  const onboarding = onboardOver(onboarderStream, cluster.parties, onboarder.role, toolsOf(clock, 'P'))
  const relay = async () => {
    const path = [left, right, left, right, left] as const
    for (const [index, from] of path.entries()) {
      const message = await from.read()
      await (from === left ? right : left).send(await (tamper[(index + 1) as 1] ?? asIs)(message))
    }
  }
  // Ends with whoever refuses; what the other side then sees is the end of the stream.
  const relayed = relay().then(
    () => {},
    () => {
      leftStream.abort(new Error('the other side is gone'))
      rightStream.abort(new Error('the other side is gone'))
    },
  )
  const settled = await Promise.allSettled([joining, onboarding])
  await relayed
  return { joining: settled[0], onboarding: settled[1], joiner, onboarder }
}

/** The same message with one more field, which decoding ignores. */
const grown: Tamper = (message) => bytesOf(message, len(99, [1]))

describe('the exchange', () => {
  it('succeeds between two honest sides, whoever carries the bytes', async () => {
    const { joining, onboarding, joiner, onboarder } = await throughTheMiddle({})
    assert.equal(joining.status, 'fulfilled')
    assert.equal(onboarding.status, 'fulfilled')
    assert.deepEqual(onboarder.admitted, [{ peerId: cluster.joiner.id, credential: joining.value.credential }])
    assert.equal(joiner.attested.length, 1)
  })

  const attacks: [what: string, tamper: Parameters<typeof throughTheMiddle>[0], joinerSees: string, quotes: number][] = [
    ['asks for another cluster', { 1: (message) => flipped(message, 4) }, 'refused: wrong_cluster', 0],
    ["changes the joiner's nonce", { 1: (message) => flipped(message, -1) }, 'challenge_signature', 0],
    ['changes the Hello without changing what it says', { 1: grown }, 'grant_not_for_us', 1],
    ["changes the onboarder's nonce", { 2: (message) => flipped(message, 10) }, 'challenge_signature', 0],
    ['changes the genesis hash', { 2: (message) => flipped(message, 50) }, 'challenge_signature', 0],
    ['changes the signature', { 2: (message) => flipped(message, -1) }, 'challenge_signature', 0],
    ['changes the Challenge without changing what it says', { 2: grown }, 'grant_not_for_us', 1],
    [
      'puts in a KEM key of its own',
      {
        3: async (message) => {
          const { publicKey } = await new SpySealer('in the middle').generate()
          return encodeRequest({ ...decodeRequest(message), kemPublicKey: publicKey })
        },
      },
      'refused: bad_binding',
      1,
    ],
    [
      'changes the quote',
      {
        3: (message) => {
          const request = decodeRequest(message)
          const evidence = decodeEvidence(request.evidence)
          const quote = flipped(evidence.quote, 48 + 584 + 4)
          return encodeRequest({ ...request, evidence: encodeEvidence({ ...evidence, quote }) })
        },
      },
      'refused: quote_invalid',
      1,
    ],
    ['changes the Request without changing what it says', { 3: grown }, 'grant_not_for_us', 1],
    ['changes what is encapsulated', { 4: (message) => flipped(message, 20) }, 'grant_not_for_us', 1],
    ['changes what is sealed', { 4: (message) => flipped(message, -1) }, 'grant_not_for_us', 1],
  ]
  for (const [what, tamper, joinerSees, quotes] of attacks) {
    it(`fails when somebody in the middle ${what}`, async () => {
      const { joining, onboarding, joiner, onboarder } = await throughTheMiddle(tamper)
      assert.equal(joining.status, 'rejected')
      assert.equal(onboarding.status, 'rejected')
      const error: unknown = joining.reason
      const seen = error instanceof FalseOnboarderError ? error.code : error instanceof RefusalError ? error.message : `${error}`
      assert.equal(seen, joinerSees)
      assert.equal(joiner.attested.length, quotes)
      assert.deepEqual(onboarder.admitted, [])
      assert.deepEqual(joiner.adopted, [])
    })
  }

  it('leaves no member when somebody in the middle eats the Done', async () => {
    const { onboarding, onboarder } = await throughTheMiddle({ 5: () => bytesOf([0xff]) })
    assert.equal(onboarding.status, 'rejected')
    assert.ok(onboarding.reason instanceof RefusedJoin)
    assert.deepEqual(onboarder.admitted, [])
  })
})
