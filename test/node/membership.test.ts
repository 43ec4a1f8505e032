import assert from 'node:assert/strict'
import type { Evidence, GenesisBundle, GenesisRecord } from '../../protocols/records/index.ts'
import { type Issuer, Membership } from '../../src/node/membership.ts'
import { credentialOf, LIFETIME_MS, NOW_MS, type Peer, peers } from '../protocols/membership/mesh.ts'
import { FakeClock } from '../protocols/support.ts'

const DAY_MS = 86_400_000

describe('a credential of one’s own', () => {
  let us: Peer
  let other: Peer
  before(async () => {
    ;[us, other] = (await peers(2)) as [Peer, Peer]
  })

  /** Read while the machine's clock is so far off; it can be set anew. */
  const hold = (credential: Uint8Array, offMs = 0) => {
    const fake = new FakeClock()
    const clock = { offMs }
    const issuer = { clock: { ...fake, now: () => fake.now() + clock.offMs } } as unknown as Issuer
    const genesis = { record: new Uint8Array(1) } as unknown as GenesisBundle
    const standing = { credential, evidence: {} as Evidence }
    const membership = new Membership({ issuer, genesis, record: {} as GenesisRecord, standing })
    return { membership, clock, pass: (ms: number) => fake.pass(ms) }
  }

  it('ends after its lifetime at the latest, also when the clock was set back while it was made', () => {
    const { membership, pass } = hold(credentialOf(us, other), -31 * DAY_MS)
    assert.equal(membership.remainingMs(), LIFETIME_MS)
    pass(LIFETIME_MS)
    assert.equal(membership.standing(), 'lapsed')
  })

  it('that is but its own word holds no more once the clock that dated it is set right, and does again when it is renewed', () => {
    const { membership, clock } = hold(
      credentialOf(us, us, { issuedAt: NOW_MS + DAY_MS, expiresAt: NOW_MS + DAY_MS + LIFETIME_MS }),
      DAY_MS,
    )
    assert.equal(membership.remainingMs(), LIFETIME_MS)
    clock.offMs = 0
    // Not negative: apps are served on.
    assert.equal(membership.remainingMs(), 0)
    membership.renew({ credential: credentialOf(us, us), evidence: {} as Evidence })
    assert.equal(membership.remainingMs(), LIFETIME_MS)
    clock.offMs = -60_000
    assert.equal(membership.remainingMs(), LIFETIME_MS)
  })

  it('that another member gave holds for as long as that one said, however the own clock is set back', () => {
    const { membership, clock, pass } = hold(credentialOf(us, other))
    clock.offMs = -DAY_MS
    assert.equal(membership.remainingMs(), LIFETIME_MS)
    pass(LIFETIME_MS - 1_000)
    assert.equal(membership.remainingMs(), 1_000)
  })
})
