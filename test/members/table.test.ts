import assert from 'node:assert/strict'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { type Effect, merge } from '../../protocols/membership/index.ts'
import { decodeCredential } from '../../protocols/records/index.ts'
import { MemberTable } from '../../src/members/index.ts'
import {
  at,
  credentialOf,
  type envelopeOf,
  judgedOf,
  LIFETIME_MS,
  NOW_MS,
  openedOf,
  type Peer,
  peers,
} from '../protocols/membership/mesh.ts'

let us: Peer
let founder: Peer
let a: Peer
before(async () => {
  ;[us, founder, a] = (await peers(3)) as [Peer, Peer, Peer]
})
const textOf = (peer: Peer): string => peerIdFromPrivateKey(peer.key).toString()
const memberOf = (peer: Peer, issuer: Peer, expiresAt = NOW_MS + LIFETIME_MS) => ({
  peerId: textOf(peer),
  credential: decodeCredential(credentialOf(peer, issuer, { expiresAt })).body,
  addresses: ['/ip4/192.0.2.7/tcp/4001'],
})
const tableAt = () => {
  const clock = { ms: 5_000, monotonicMs: () => clock.ms }
  return { clock, table: new MemberTable(clock) }
}

describe('the member table', () => {
  it('lists whom this node admitted, until the credential ends by either clock', () => {
    const { clock, table } = tableAt()
    const member = memberOf(a, us)
    table.admit(member, NOW_MS)
    assert.deepEqual(table.active(NOW_MS), [member])
    assert.ok(table.has(textOf(a), NOW_MS) && !table.has(textOf(founder), NOW_MS))
    assert.deepEqual(table.active(NOW_MS + LIFETIME_MS), [])
    clock.ms += LIFETIME_MS
    assert.deepEqual(table.active(NOW_MS), [])
    assert.ok(!table.has(textOf(a), NOW_MS))
  })

  it('keeps the credential that ends last', () => {
    const { table } = tableAt()
    table.admit(memberOf(a, us), NOW_MS)
    table.admit(memberOf(a, us, NOW_MS + 1_000), NOW_MS)
    assert.equal(table.active(NOW_MS)[0]?.credential.expiresAt, NOW_MS + LIFETIME_MS)
  })

  it("shows a member's own addresses once it has published them, and tells what each step did until nobody listens", async () => {
    const { table } = tableAt()
    table.admit(memberOf(founder, us), NOW_MS)
    const heard: Effect[] = []
    const deaf = table.listen((effect) => heard.push(effect))
    const step = async (...args: Parameters<typeof envelopeOf>) =>
      table.keep(merge(table.value, judgedOf(us, await openedOf(...args)), at()))
    await step(founder, us, { addresses: ['/ip4/198.51.100.2/tcp/4001'] })
    await step(a, founder)
    assert.deepEqual(
      heard.map(({ kind }) => kind),
      ['updated', 'joined'],
    )
    const shown = table.active(NOW_MS).find(({ peerId }) => peerId === textOf(founder))
    assert.deepEqual(shown?.addresses, ['/ip4/198.51.100.2/tcp/4001'])
    deaf()
    await step(a, founder, { sequence: 2n, state: 'leaving' })
    assert.equal(heard.length, 2)
    assert.ok(!table.has(textOf(a), NOW_MS))
  })

  it('forgets those that ended long enough ago', () => {
    const { clock, table } = tableAt()
    table.admit(memberOf(a, us), NOW_MS)
    clock.ms += LIFETIME_MS + 1_000
    table.forgetEnded(NOW_MS, 1_000)
    assert.equal(table.value.entries.size, 1)
    clock.ms += 1
    table.forgetEnded(NOW_MS, 1_000)
    assert.equal(table.value.entries.size, 0)
  })
})
