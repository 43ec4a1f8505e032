import assert from 'node:assert/strict'
import fc from 'fast-check'
import {
  emptyTable,
  encodeGossip,
  entryOf,
  HINT_AGE_MAX_MS,
  isActive,
  type JudgedGossip,
  type JudgeRevocation,
  judgeGossip,
  membersTopic,
  merge,
  openGossip,
  revoke,
  SENT_AHEAD_MAX_MS,
  SEQUENCE_MAX,
  type Table,
} from '../../../protocols/membership/index.ts'
import { MEMBER_RECORD_LIMIT_BYTES, type MemberRecord } from '../../../protocols/records/index.ts'
import { MalformedError, RefusalError } from '../../../protocols/wire/index.ts'
import { bytes } from '../../attest/support.ts'
import { rejection } from '../support.ts'
import {
  at,
  clusterId,
  credentialOf,
  envelopeOf,
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
let stranger: Peer
let table: Table
before(async () => {
  ;[us, founder, a, b, stranger] = (await peers(5)) as [Peer, Peer, Peer, Peer, Peer]
  table = tableOf([founder], us)
  ;({ table } = merge(table, judgedOf(us, await openedOf(a, founder, { sequence: 5n })), at()))
})

const never: JudgeRevocation = () => assert.fail('judged a revocation')
const judgeData = async (data: Uint8Array, author: Peer, judge: JudgeRevocation | undefined = never): Promise<JudgedGossip> =>
  judgeGossip(await openGossip(data), author.id, table, at(), rulesOf(us), judge)
const record = async (author: Peer, ...args: Parameters<typeof envelopeOf>): Promise<JudgedGossip> =>
  judgeData(encodeGossip({ kind: 'record', envelope: await envelopeOf(...args) }), author)
const hint = (author: Peer, subject: Peer, changes: { sequence?: bigint; sentAt?: number } = {}) =>
  judgeData(encodeGossip({ kind: 'unreachable', hint: { peerId: subject.id, sequence: 5n, sentAt: NOW_MS, ...changes } }), author)
/** The verdict is this, and the table is untouched unless the message is relayed. */
const isVerdict = (judged: JudgedGossip, expected: string): void => {
  assert.equal(judged.fault === undefined ? judged.verdict : `${judged.verdict}: ${judged.fault}`, expected)
  if (judged.verdict !== 'accept') assert.equal(judged.table, table)
}

describe('the topic', () => {
  it('is named by the first half of a hash of the cluster id, so that the id cannot be read from it', () => {
    assert.match(membersTopic(clusterId), /^\/dstack\/[0-9a-f]{16}\/members\/1\.0\.0$/)
    assert.notEqual(membersTopic(clusterId), membersTopic(otherKeyring.clusterId))
  })
})

describe('a gossiped record', () => {
  it('that is sound is merged and relayed', async () => {
    const judged = await record(b, b, founder)
    isVerdict(judged, 'accept')
    assert.deepEqual(judged.effects, [{ kind: 'joined', peerId: b.id }])
    assert.ok(isActive(judged.table, entryOf(judged.table, b.id), at()))
    isVerdict(await record(a, a, founder, { sequence: 6n }), 'accept')
    isVerdict(await record(a, a, founder, { sequence: SEQUENCE_MAX }), 'accept')
    isVerdict(await record(a, a, founder, { sequence: 5n, state: 'leaving' }), 'accept')
  })

  const faults: [string, string, () => Promise<JudgedGossip>][] = [
    ['that another member publishes', 'reject: not_its_author', () => record(a, b, founder)],
    ['of another cluster', 'reject: wrong_cluster', () => record(b, b, founder, { clusterId: otherKeyring.clusterId })],
    [
      "with another cluster's credential",
      'reject: wrong_cluster',
      () => record(b, b, founder, { issued: { clusterId: otherKeyring.clusterId } }),
    ],
    [
      'with the credential of another',
      'reject: credential_of_another',
      () => record(b, b, founder, { credential: credentialOf(a, founder) }),
    ],
    [
      'with a credential signed by no cluster',
      'reject: bad_cluster_signature',
      () => record(b, b, founder, { credential: credentialOf(b, founder, { clusterKey: otherKeyring }) }),
    ],
    [
      'with a credential that its issuer did not sign',
      'reject: bad_issuer_signature',
      () => record(b, b, founder, { credential: credentialOf(b, founder, { signedBy: b }) }),
    ],
    [
      'with a credential of years',
      'reject: lifetime_too_long',
      () => record(b, b, founder, { issued: { expiresAt: NOW_MS + 10 * 365 * 86_400_000 } }),
    ],
    ['with a credential that is none', 'reject: malformed', () => record(b, b, founder, { credential: bytes(300, 7) })],
    [
      'with an expired credential',
      'ignore: expired',
      () => record(b, b, founder, { issued: { issuedAt: NOW_MS - LIFETIME_MS, expiresAt: NOW_MS } }),
    ],
    [
      'with a credential of the future',
      'ignore: issued_in_the_future',
      () => record(b, b, founder, { issued: { issuedAt: NOW_MS + SENT_AHEAD_MAX_MS + 1 } }),
    ],
    [
      'with a credential of an epoch that is not known',
      'ignore: unknown_epoch',
      () => record(b, b, founder, { issued: { epoch: 1 } }),
    ],
    ['by an unknown issuer', 'ignore: unknown_issuer', () => record(b, b, stranger)],
    ['that is self-issued', 'ignore: self_issued', () => record(b, b, b)],
    ['that was sent a day from now', 'ignore: sent_in_the_future', () => record(b, b, founder, { sentAt: NOW_MS + 86_400_000 })],
    ['that is replayed', 'ignore: stale', () => record(a, a, founder, { sequence: 5n })],
    [
      'that is older than what the table has, whatever its credential',
      'ignore: stale',
      () => record(a, a, founder, { sequence: 4n, credential: bytes(9, 1) }),
    ],
    ['of our own', 'ignore: own', () => record(us, us, founder)],
  ]
  for (const [what, verdict, judge] of faults) {
    it(`${what} is not relayed: ${verdict}`, async () => isVerdict(await judge(), verdict))
  }

  it('of a revoked member is not relayed, and its sender not punished', async () => {
    const revoked = revoke(table, { peerId: a.id }, bytes(9, 1), at())
    const opened = await openGossip(encodeGossip({ kind: 'record', envelope: await envelopeOf(a, founder, { sequence: 9n }) }))
    const { verdict, fault } = judgeGossip(opened, a.id, revoked.table, at(), rulesOf(us), never)
    assert.deepEqual([verdict, fault], ['ignore', 'revoked'])
  })

  it("tells how far its author's clock is from ours", async () => {
    assert.equal((await record(a, a, founder, { sequence: 6n, sentAt: NOW_MS - 86_400_000 })).skewMs, -86_400_000)
    assert.equal((await record(b, b, founder, { sentAt: NOW_MS + 86_400_000 })).skewMs, 86_400_000)
  })

  it('that does not decode, or whose envelope does not hold, is malformed, which is a reject', async () => {
    const envelope = await envelopeOf(b, founder)
    const malformed = async (data: Uint8Array) => assert.ok((await rejection(openGossip(data))) instanceof MalformedError)
    await malformed(new Uint8Array(0))
    await malformed(encodeGossip({ kind: 'record', envelope: bytes(MEMBER_RECORD_LIMIT_BYTES + 1, 1) }))
    await malformed(encodeGossip({ kind: 'record', envelope: envelope.map((byte, index) => (index === 400 ? byte ^ 1 : byte)) }))
    await malformed(encodeGossip({ kind: 'record', envelope: await envelopeOf(b, founder, { sealedBy: a.key }) }))
    const many = Array.from({ length: 10_000 }, () => '/ip4/192.0.2.1/tcp/1')
    await malformed(
      encodeGossip({ kind: 'record', envelope: await envelopeOf(b, founder, { addresses: many } as Partial<MemberRecord>) }),
    )
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (data) => {
        const opened = await openGossip(data).catch((error: unknown) => {
          assert.ok(error instanceof MalformedError && !(error instanceof RefusalError))
        })
        // Random bytes may be a revocation or a hint by their form; a record they are not.
        assert.notEqual(opened?.kind, 'record')
      }),
    )
  })
})

describe('a gossiped revocation', () => {
  const proof = bytes(100, 3)
  const revocation = (author: Peer, judge: JudgeRevocation | undefined) =>
    openGossip(encodeGossip({ kind: 'revocation', revocation: proof })).then((opened) =>
      judgeGossip(opened, author.id, table, at(), rulesOf(us), judge),
    )

  it('that we ourselves find bad puts the member out, and is relayed once', async () => {
    const judged = await revocation(founder, () => ({ counts: true, peerId: a.id }))
    isVerdict(judged, 'accept')
    assert.ok(!isActive(judged.table, entryOf(judged.table, a.id), at()))
    const again = judgeGossip({ kind: 'revocation', revocation: proof }, founder.id, judged.table, at(), rulesOf(us), never)
    assert.deepEqual([again.verdict, again.fault], ['ignore', 'stale'])
  })

  it('that lies is rejected; one that we cannot judge is only not relayed', async () => {
    const cases = {
      unproven: 'reject: unproven_revocation',
      sound: 'reject: unproven_revocation',
      wrong_cluster: 'reject: wrong_cluster',
      unknown_epoch: 'ignore: unknown_epoch',
      unknown_peer: 'ignore: unknown_member',
      inconclusive: 'ignore: inconclusive_revocation',
    } as const
    for (const [fault, verdict] of Object.entries(cases) as [keyof typeof cases, string][]) {
      isVerdict(await revocation(a, () => ({ counts: false, fault })), verdict)
    }
    const malformed = () => {
      throw new MalformedError('Revocation: cut off')
    }
    isVerdict(await revocation(a, malformed), 'reject: malformed')
  })

  it('costs no judgement when its author is no member, or has sent too many', async () => {
    isVerdict(await revocation(stranger, never), 'ignore: unknown_author')
    isVerdict(await revocation(a, undefined), 'ignore: too_many_revocations')
  })
})

describe('a gossiped hint', () => {
  it('of a member about a member is relayed and handed on', async () => {
    const judged = await hint(founder, a)
    isVerdict(judged, 'accept')
    assert.deepEqual(judged.effects, [{ kind: 'hint', author: founder.id, hint: { peerId: a.id, sequence: 5n, sentAt: NOW_MS } }])
    isVerdict(await hint(founder, us), 'accept')
  })

  it('about its author, of another time, by or about nobody known, or contradicted is not', async () => {
    isVerdict(await hint(a, a), 'reject: accuses_itself')
    isVerdict(await hint(founder, a, { sentAt: NOW_MS - HINT_AGE_MAX_MS - 1 }), 'ignore: old_hint')
    isVerdict(await hint(founder, a, { sentAt: NOW_MS + SENT_AHEAD_MAX_MS + 1 }), 'ignore: sent_in_the_future')
    isVerdict(await hint(stranger, a), 'ignore: unknown_author')
    isVerdict(await hint(founder, stranger), 'ignore: unknown_member')
    isVerdict(await hint(founder, a, { sequence: 4n }), 'ignore: stale')
    // Who missed its newest record can still have lost it after that.
    isVerdict(await hint(founder, a, { sequence: 4n, sentAt: NOW_MS + 1 }), 'accept')
  })
})

describe('an empty table', () => {
  it('relays nothing of others', async () => {
    const opened = await openGossip(encodeGossip({ kind: 'record', envelope: await envelopeOf(a, founder) }))
    assert.equal(judgeGossip(opened, a.id, emptyTable, at(), rulesOf(us), never).verdict, 'ignore')
  })
})
