/** What a member that turned says to full nodes, with what they answer, and that the others go on. */
import assert from 'node:assert/strict'
import { SEQUENCE_MAX } from '../../protocols/membership/index.ts'
import type { Sync } from '../../protocols/membership/messages.ts'
import type { CredentialBody, MemberRecord } from '../../protocols/records/index.ts'
import { systemClock } from '../../src/base/index.ts'
import type { MeshNode } from '../../src/index.ts'
import { getKey } from '../mesh/support.ts'
import { heldBytes } from './held-bytes.ts'
import { joinLightly } from './light-joiner.ts'
import { InProcess } from './support.ts'
import { somebody, TurnedMember } from './turned-member.ts'
import { verdict } from './verdict.ts'

const LIMIT_MS = 10_000
const DAY_MS = 86_400_000

describe('a member that turned, to full nodes', function () {
  this.timeout(120_000)
  let mesh: InProcess
  let attacked: MeshNode
  let other: MeshNode
  const turned: TurnedMember[] = []
  before(async () => {
    mesh = await InProcess.open()
    attacked = await mesh.first()
    other = await mesh.node('other', { entry: mesh.entry(attacked) })
    await other.start()
  })
  after(async () => {
    await Promise.all(turned.splice(0).map((each) => each.stop()))
    await mesh.close()
  })
  /** A new one each time: after three rejects gossipsub hears it no more, which is what it should do. */
  const turn = async (): Promise<TurnedMember> => {
    const member = await TurnedMember.join(attacked, mesh.td())
    turned.push(member)
    return member
  }
  /** Both honest members reach each other, and serve the same key: after each attack, while those before it go on. */
  afterEach(async () => {
    const reaches = (node: MeshNode, of: MeshNode): boolean =>
      node.members().some(({ peerId, state }) => peerId === of.status().peerId && state === 'active')
    assert.ok(reaches(attacked, other) && reaches(other, attacked))
    assert.equal(await getKey(mesh.socket('first'), 'p'), await getKey(mesh.socket('other'), 'p'))
  })
  /** And they let an honest one in. */
  const goesOn = async (): Promise<void> => {
    await joinLightly({
      cluster: attacked.status().cluster!,
      peers: attacked.addresses(),
      attester: mesh.td(),
      timeoutMs: LIMIT_MS,
    })
  }
  /** It gossips that record; the attacked one says so of it, and the other one is told nothing of it. */
  const gossiped = async (by: TurnedMember, envelope: Uint8Array, wanted: string): Promise<void> => {
    const heard = verdict(attacked, wanted)
    await by.publishRecord(envelope)
    await heard
  }

  type Case = (by: TurnedMember) => Promise<Uint8Array>
  const issued = (changes: (by: TurnedMember) => Partial<CredentialBody>, more: Partial<MemberRecord> = {}): Case => {
    return (by) => by.record({ ...more, credential: by.credential(changes(by)) })
  }
  const years = { expiresAt: systemClock.now() + 3_650 * DAY_MS }
  const cases: Record<string, [Case, string]> = {
    'by another key than its own': [async (by) => by.record({}, (await somebody()).key), 'reject: malformed'],
    "of another peer, which that one signed: a victim's": [
      async (by) => {
        const victim = await somebody()
        return by.record({ peerId: victim.id }, victim.key)
      },
      'reject: not_its_author',
    ],
    "with another peer's id, by its own key": [async (by) => by.record({ peerId: (await somebody()).id }), 'reject: malformed'],
    'of another cluster': [(by) => by.record({ clusterId: new Uint8Array(32).fill(7) }), 'reject: wrong_cluster'],
    'with 10,000 addresses': [
      (by) => by.record({ addresses: Array.from({ length: 10_000 }, (_, n) => `/ip4/10.0.${n >> 8}.${n & 255}/tcp/1`) }),
      'reject: malformed',
    ],
    'with a credential of years': [issued(() => years), 'reject: lifetime_too_long'],
    'with the credential of another': [
      async (by) => by.record({ credential: by.credential({ peerId: (await somebody()).id }) }),
      'reject: credential_of_another',
    ],
    'with a credential that its issuer did not sign': [
      async (by) => by.record({ credential: by.credential({ issuer: (await somebody()).id }) }),
      'reject: bad_issuer_signature',
    ],
    'with a credential by an issuer that nobody knows': [
      async (by) => by.record({ credential: by.credential({ issuedAt: systemClock.now() }, (await somebody()).key) }),
      'ignore: unknown_issuer',
    ],
    'with a credential that it issued to itself': [issued((by) => ({ issuer: by.id })), 'ignore: self_issued'],
    'with a credential that has ended': [
      issued((by) => {
        const { issuedAt, expiresAt } = by.membership.credential
        return { issuedAt: issuedAt - DAY_MS, expiresAt: expiresAt - DAY_MS }
      }),
      'ignore: expired',
    ],
    'with a credential of tomorrow, from its stock': [
      issued((by) => {
        const { issuedAt, expiresAt } = by.membership.credential
        return { issuedAt: issuedAt + DAY_MS, expiresAt: expiresAt + DAY_MS }
      }),
      'ignore: issued_in_the_future',
    ],
    'that was sent far in the future': [
      (by) => by.record({ sentAt: systemClock.now() + 31 * DAY_MS }),
      'ignore: sent_in_the_future',
    ],
  }
  for (const [what, [record, wanted]] of Object.entries(cases)) {
    it(`that gossips a record ${what}: ${wanted}`, async () => {
      const by = await turn()
      await gossiped(by, await record(by), wanted)
    })
  }

  it('that replays a record, or says the last of all sequences, is heard once and stays as it was then', async () => {
    const by = await turn()
    const first = await by.record()
    const second = await by.record()
    await gossiped(by, second, 'accept')
    await gossiped(by, second, 'ignore: stale')
    await gossiped(by, first, 'ignore: stale')
    await gossiped(by, await by.record({ sequence: SEQUENCE_MAX }), 'accept')
    await gossiped(by, await by.record({ addresses: ['/ip4/127.0.0.1/tcp/10'] }), 'ignore: stale')
  })

  it('that shows at the gate the record of a peer from its stock is refused, and that one is no member', async () => {
    const by = await turn()
    const peer = await somebody()
    const before = attacked.members().length
    const hello = await by.record({ peerId: peer.id, credential: by.credential({ peerId: peer.id }) }, peer.key)
    assert.equal(await by.sync(hello, []), 'malformed')
    assert.equal(attacked.members().length, before)
  })

  it('that brings 100,000 records to an exchange of tables is broken off at 10,000, and nothing of it is kept', async () => {
    const by = await turn()
    const own = await by.record()
    const before = await heldBytes()
    const envelopes = Array.from({ length: 64 }, () => own)
    const many = Array.from({ length: Math.ceil(100_000 / 64) }, (): Sync => ({ kind: 'records', envelopes }))
    assert.equal(await by.sync(await by.record(), many), 'malformed')
    const phantom = await somebody()
    const forged = await by.record({ peerId: phantom.id, credential: new Uint8Array(300).fill(1) }, phantom.key)
    assert.equal(await by.sync(await by.record(), [{ kind: 'records', envelopes: [forged] }]), 'malformed')
    assert.ok((await heldBytes()) - before < 32 * 1024 * 1024)
  })

  it('that asks for tables without end is told to come back later', async () => {
    const by = await turn()
    const answers: string[] = []
    for (let i = 0; i < 10; i++) answers.push(await by.sync(await by.record(), [{ kind: 'end' }]))
    assert.deepEqual(answers, [...Array(6).fill('taken'), ...Array(4).fill('rate_limited')])
  })

  it('costs the others nothing: an honest one still gets in', goesOn)
})
