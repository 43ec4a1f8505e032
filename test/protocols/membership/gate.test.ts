import assert from 'node:assert/strict'
import { entryOf, type Greeting, greet, isActive, merge, revoke, type Table } from '../../../protocols/membership/index.ts'
import { bytes } from '../../attest/support.ts'
import {
  at,
  credentialOf,
  type envelopeOf,
  judgedOf,
  LIFETIME_MS,
  NOW_MS,
  openedOf,
  otherKeyring,
  type Peer,
  peers,
  rulesOf,
  tableOf,
} from './mesh.ts'

let us: Peer
let founder: Peer
let a: Peer
let b: Peer
let table: Table
before(async () => {
  ;[us, founder, a, b] = (await peers(4)) as [Peer, Peer, Peer, Peer]
  table = tableOf([founder], us)
})

const greeting = async (
  [subject, issuer, changes]: Parameters<typeof envelopeOf>,
  options: { remote?: Peer; to?: Table; seed?: boolean } = {},
): Promise<Greeting> =>
  greet(await openedOf(subject, issuer, changes), (options.remote ?? subject).id, options.to ?? table, at(), rulesOf(us), {
    seed: options.seed === true,
  })
const said = (greeting: Greeting): string =>
  greeting.kind === 'member' ? 'member' : `${greeting.kind} ${greeting.code}: ${greeting.fault}`
const expired = { issued: { issuedAt: NOW_MS - LIFETIME_MS, expiresAt: NOW_MS } }

describe('the gate', () => {
  it('lets in whose credential is by an active member, and the table knows it from then on', async () => {
    const let_in = await greeting([a, founder])
    assert.equal(said(let_in), 'member')
    assert.ok(isActive(let_in.table, entryOf(let_in.table, a.id), at()))
    assert.deepEqual(let_in.effects, [{ kind: 'joined', peerId: a.id }])
  })

  it('lets in a member that shows again what we have, or less', async () => {
    const { table: known } = merge(table, judgedOf(us, await openedOf(a, founder, { sequence: 5n })), at())
    assert.equal(said(await greeting([a, founder, { sequence: 5n }], { to: known })), 'member')
    assert.equal(said(await greeting([a, founder, { sequence: 4n }], { to: known })), 'member')
    const ahead = { sequence: 9n, sentAt: NOW_MS + 86_400_000 }
    assert.equal(said(await greeting([a, founder, ahead], { to: known })), 'member', 'its clock is wrong, not its standing')
    assert.equal(said(await greeting([a, founder, ahead])), 'challenge lapsed: sent_in_the_future')
  })

  it('has those challenged whose credential ran out, is their own, by nobody known here, or of another time', async () => {
    for (const [args, fault] of [
      [[a, founder, expired], 'expired'],
      [[a, b, expired], 'expired'],
      [[a, a], 'self_issued'],
      [[a, b], 'unknown_issuer'],
      [[a, founder, { issued: { issuedAt: NOW_MS + 600_000 } }], 'issued_in_the_future'],
    ] as [Parameters<typeof envelopeOf>, string][]) {
      const { table: after, ...challenged } = await greeting(args)
      assert.equal(said({ table: after, ...challenged }), `challenge lapsed: ${fault}`)
      const effect = challenged.effects.at(-1)
      assert.ok(effect?.kind === 'challenge')
      assert.deepEqual([effect.peerId, effect.record.peerId], [a.id, a.id])
      assert.equal(entryOf(after, a.id), undefined, 'a table took who is only to be challenged')
    }
  })

  it('refuses whoever has no credential of this cluster, also an expired one, and does not have them challenged', async () => {
    const forged = { credential: credentialOf(a, founder, { clusterKey: otherKeyring }) }
    const forgedExpired = { credential: credentialOf(a, founder, { clusterKey: otherKeyring, ...expired.issued }) }
    for (const [args, fault] of [
      [[a, founder, forged], 'not_member: bad_cluster_signature'],
      [[a, founder, forgedExpired], 'not_member: expired'],
      [[a, founder, { credential: credentialOf(a, founder, { signedBy: a }) }], 'not_member: bad_issuer_signature'],
      [[a, founder, { credential: credentialOf(b, founder) }], 'not_member: credential_of_another'],
      [[a, founder, { credential: credentialOf(b, founder, expired.issued) }], 'not_member: credential_of_another'],
      [[a, founder, { clusterId: otherKeyring.clusterId }], 'not_member: wrong_cluster'],
      [[a, founder, { issued: { expiresAt: NOW_MS + LIFETIME_MS + 1 } }], 'not_member: lifetime_too_long'],
      [[a, founder, { credential: bytes(99, 1) }], 'malformed: malformed'],
      [[a, founder, { state: 'leaving' }], 'not_member: leaving'],
    ] as [Parameters<typeof envelopeOf>, string][]) {
      const refused = await greeting(args)
      assert.equal(said(refused), `refused ${fault}`)
      assert.ok(!refused.effects.some(({ kind }) => kind === 'challenge'))
    }
  })

  it('refuses a record of another peer than the one at the other end, and its own', async () => {
    assert.equal(said(await greeting([a, founder], { remote: b })), 'refused malformed: another_peer')
    assert.equal(said(await greeting([us, founder])), 'refused malformed: another_peer')
  })

  it('refuses the revoked whatever they show, and has them challenged no more', async () => {
    const { table: without } = revoke(table, { peerId: a.id }, bytes(9, 1), at())
    for (const args of [
      [a, founder],
      [a, a],
      [a, founder, expired],
    ] as Parameters<typeof envelopeOf>[]) {
      const refused = await greeting(args, { to: without })
      assert.equal(said(refused), 'refused not_member: revoked')
      assert.deepEqual(refused.effects, [])
    }
  })

  it('lets a joiner take its onboarder at its word in their first exchange, whoever issued its credential', async () => {
    assert.equal(said(await greeting([a, a], { seed: true })), 'member')
    assert.equal(said(await greeting([a, b], { seed: true })), 'member')
    assert.equal(said(await greeting([a, b, expired], { seed: true })), 'challenge lapsed: expired')
  })
})
