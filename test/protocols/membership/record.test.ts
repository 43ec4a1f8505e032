import assert from 'node:assert/strict'
import { type JudgedRecord, judgeRecord, openRecord, recordRules } from '../../../protocols/membership/index.ts'
import { ISSUED_AHEAD_MAX_MS } from '../../../protocols/records/index.ts'
import { clusterId, credentialOf, envelopeOf, LIFETIME_MS, NOW_MS, openedOf, type Peer, peers } from './mesh.ts'

let us: Peer
let founder: Peer
let a: Peer
let b: Peer
before(async () => {
  ;[us, founder, a, b] = (await peers(4)) as [Peer, Peer, Peer, Peer]
})

/** Rules that count how often a credential's signatures are looked at. */
const counting = () => {
  const looks = { count: 0 }
  const rules = recordRules({
    clusterId,
    self: us.id,
    lifetimeMs: LIFETIME_MS,
    signingPublicKey: (epoch) => {
      looks.count++
      return epoch === 0 ? clusterId : undefined
    },
  })
  return {
    looks,
    rules,
    judge: (credential: Uint8Array, of: Peer, nowMs = NOW_MS) => rules.verify(credential, of.id, nowMs).fault,
  }
}

describe('a credential in records', () => {
  it('has its signatures looked at once, and all else each time', () => {
    const { looks, judge } = counting()
    const credential = credentialOf(a, founder)
    assert.equal(judge(credential, a), undefined)
    assert.equal(judge(credential.slice(), a), undefined)
    assert.equal(looks.count, 1)
    assert.equal(judge(credential, b), 'credential_of_another')
    assert.equal(judge(credential, a, NOW_MS + LIFETIME_MS), 'expired')
    assert.equal(judge(credential, a, NOW_MS - ISSUED_AHEAD_MAX_MS - LIFETIME_MS), 'issued_in_the_future')
    assert.equal(judge(credential, a), undefined)
    assert.equal(looks.count, 1)
  })

  it('that does not hold is looked at each time, whatever held before', () => {
    const { looks, judge } = counting()
    const credential = credentialOf(a, founder)
    judge(credential, a)
    for (const where of [credential.length - 1, credential.length - 70]) {
      const forged = credential.slice()
      forged[where]! ^= 1
      for (let time = 0; time < 2; time++) assert.match(`${judge(forged, a)}`, /^bad_(cluster|issuer)_signature$/)
    }
    assert.equal(looks.count, 5)
  })

  it('is remembered until the same peer shows another: nobody pushes out what others showed', () => {
    const { looks, judge } = counting()
    judge(credentialOf(a, founder), a)
    const [first, second] = [credentialOf(b, founder), credentialOf(b, a)]
    for (const credential of [first, second, second, first]) judge(credential, b)
    assert.equal(looks.count, 4)
    judge(credentialOf(a, founder), a)
    assert.equal(looks.count, 4)
  })
})

it('a record keeps nothing of what it came in', async () => {
  const envelope = await envelopeOf(a, founder)
  const frame = new Uint8Array(1024 * 1024)
  frame.set(envelope, 1_000)
  const opened = await openRecord(frame.subarray(1_000, 1_000 + envelope.length))
  const { judged } = judgeRecord(opened, NOW_MS, counting().rules) as { judged: JudgedRecord }
  assert.deepEqual(opened, await openedOf(a, founder))
  const { record, credential } = judged
  for (const kept of [judged.envelope, judged.hash, record.peerId, record.credential, credential.peerId, credential.tdDigest]) {
    assert.ok(kept.buffer.byteLength <= 16 * 1024, `${kept.buffer.byteLength} bytes`)
  }
})
