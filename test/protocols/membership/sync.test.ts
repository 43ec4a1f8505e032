import assert from 'node:assert/strict'
import { streamPair } from '@libp2p/utils'
import fc from 'fast-check'
import {
  type Digest,
  digestPages,
  HELLO_LIMIT_BYTES,
  MEMBERS_MAX,
  merge,
  PROBE_TIMEOUT_MS,
  RefusedPeer,
  revoke,
  SYNC_LIMIT_BYTES,
  type Table,
  wantPages,
} from '../../../protocols/membership/index.ts'
import { decodeSync, encodeSync, encodeSyncRefusal, type Sync } from '../../../protocols/membership/messages.ts'
import { probeOver, serveOver, syncOver } from '../../../protocols/membership/sync.ts'
import { RefusalError, STEP_TIMEOUT_MS, u64be } from '../../../protocols/wire/index.ts'
import { bytes } from '../../attest/support.ts'
import { FakeClock, flipped, type HandPeer, hex, rejection, unhex, withHand } from '../support.ts'
import { at, envelopeOf, judgedOf, NOW_MS, openedOf, otherKeyring, type Peer, peers, said, TestRole, tableOf } from './mesh.ts'

let founder: Peer
let i: Peer
let r: Peer
let members: Peer[]
before(async () => {
  ;[founder, i, r, ...members] = (await peers(12)) as [Peer, Peer, Peer, ...Peer[]]
})

const known = async (reader: Peer, table: Table, subjects: readonly Peer[], issuer: Peer, sequence = 1n): Promise<Table> => {
  for (const subject of subjects) {
    ;({ table } = merge(table, judgedOf(reader, await openedOf(subject, issuer, { sequence })), at()))
  }
  return table
}
/** I and R, who know the founder and each other. */
const roles = async () => ({
  initiator: await TestRole.of(i, founder, tableOf([founder, r], founder)),
  responder: await TestRole.of(r, founder, tableOf([founder, i], founder)),
})
const ends = { initiator: () => ({ self: i.id, remote: r.id }), responder: () => ({ self: r.id, remote: i.id }) }

/** Both sides against each other; the bytes that R sends are counted. */
const exchange = async (initiator: TestRole, responder: TestRole, options: { seed?: boolean } = {}) => {
  const [near, far] = await streamPair()
  const clock = new FakeClock()
  const served = serveOver(far, ends.responder(), responder, { timer: clock }, () => undefined)
  served.catch(() => {})
  const synced = await syncOver(near, ends.initiator(), initiator, { timer: clock }, options)
  const result = await served
  assert.ok('taken' in result)
  assert.equal(clock.running, 0)
  return { synced, served: result }
}
/** R, with I played by hand. */
const serving = async (responder: TestRole | undefined, admit: Parameters<typeof serveOver>[4] = () => undefined) => {
  const { stream, hand } = await withHand()
  const clock = new FakeClock()
  const outcome = serveOver(stream, ends.responder(), responder, { timer: clock }, admit)
  outcome.catch(() => {})
  return { hand, clock, outcome }
}
/** I, with R played by hand. */
const syncing = async (initiator: TestRole) => {
  const { stream, hand } = await withHand()
  const clock = new FakeClock()
  const outcome = syncOver(stream, ends.initiator(), initiator, { timer: clock })
  outcome.catch(() => {})
  return { hand, clock, outcome }
}
const send = (hand: HandPeer, ...messages: Sync[]): void => {
  for (const message of messages) hand.send(encodeSync(message))
}
/** A turn, message by message, as an honest side tells it; what came instead of Next, when the other side has had enough. */
const tell = async (hand: HandPeer, messages: readonly Sync[]): Promise<Uint8Array | undefined> => {
  for (const [index, message] of messages.entries()) {
    send(hand, message)
    if (index === messages.length - 1) return undefined
    const answer = await hand.read()
    try {
      if (decodeSync(answer).kind === 'next') continue
    } catch {}
    return answer
  }
  return undefined
}
const hello = (envelope: Uint8Array): Sync => ({ kind: 'hello', envelope })
const noDigests: Sync = { kind: 'digests', digests: [], revocations: [], more: false }

/** Exactly one message comes, this refusal, and the stream ends. */
const refused = async (hand: HandPeer, outcome: Promise<unknown>, code: string, read?: Uint8Array): Promise<void> => {
  const error = await rejection(outcome)
  assert.ok(error instanceof RefusedPeer, `${error}`)
  assert.equal(error.code, code, error.message)
  const { messages, end } = await hand.rest()
  assert.equal(end, 'closed')
  if (read !== undefined) messages.unshift(read)
  assert.equal(messages.length, 1, 'told more than no')
  assert.throws(
    () => decodeSync(messages[0]!),
    (thrown) => thrown instanceof RefusalError && thrown.code === code,
  )
  assert.ok(messages[0]!.length < 16, 'a refusal says more than its code')
}

describe('an exchange of tables', () => {
  it('gives both sides what either knew, newest first or last', async () => {
    const { initiator, responder } = await roles()
    const [a, b, c, d] = members as [Peer, Peer, Peer, Peer]
    initiator.value = await known(i, initiator.value, [a, b], founder)
    initiator.value = await known(i, initiator.value, [c], founder, 9n)
    responder.value = await known(r, responder.value, [b, c], founder)
    responder.value = await known(r, responder.value, [a], founder, 4n)
    responder.value = await known(r, responder.value, [d], founder)
    const { synced, served } = await exchange(initiator, responder)
    assert.deepEqual(synced, { received: 2, taken: 2, sent: 1 })
    assert.deepEqual(served, { received: 1, taken: 1, sent: 2 })
    for (const role of [initiator, responder]) {
      const sequences = [a, b, c, d].map((peer) =>
        [...role.value.entries.values()].find(({ peerId }) => hex(peerId) === hex(peer.id)),
      )
      assert.deepEqual(
        sequences.map((entry) => entry?.newest?.record.sequence),
        [4n, 1n, 9n, 1n],
      )
    }
    const again = await exchange(initiator, responder)
    assert.deepEqual(again, { synced: { received: 0, taken: 0, sent: 0 }, served: { received: 0, taken: 0, sent: 0 } })
  })

  it('settles two records of one sequence', async () => {
    const { initiator, responder } = await roles()
    const [a] = members as [Peer]
    for (const [role, addresses] of [
      [initiator, []],
      [responder, ['/ip4/192.0.2.9/tcp/1']],
    ] as const) {
      const record = judgedOf(role.peer, await openedOf(a, founder, { addresses: [...addresses] }))
      role.keep(merge(role.value, record, at()))
    }
    await exchange(initiator, responder)
    const of = (role: TestRole) => said(role.value).filter((line) => line.startsWith(hex(a.id)))
    assert.deepEqual(of(initiator), of(responder))
  })

  it('seeds a joiner with everybody, whoever issued whom, and in any order', async () => {
    const { responder } = await roles()
    const initiator = await TestRole.of(i, r, tableOf([], founder))
    for (const [index, member] of members.entries()) {
      const issuer = members[index + 1] ?? founder
      const { table } = merge(responder.value, judgedOf(r, await openedOf(member, issuer)), at(), { seed: true })
      responder.value = table
    }
    const { synced } = await exchange(initiator, responder, { seed: true })
    assert.equal(synced.taken, members.length)
    assert.equal(said(initiator.value).length, members.length + 1)
  })

  it('without seeding takes whom a chain of issuers vouches for, even when the chain comes in reverse, and nobody else', async () => {
    const { initiator, responder } = await roles()
    const stranger = members.at(-1)!
    const chain = members.slice(0, -2)
    for (const [index, member] of [...chain.entries()].reverse()) {
      const issuer = chain[index + 1] ?? founder
      responder.keep(merge(responder.value, judgedOf(r, await openedOf(member, issuer)), at(), { seed: true }))
    }
    responder.keep(merge(responder.value, judgedOf(r, await openedOf(members.at(-2)!, stranger)), at(), { seed: true }))
    initiator.effects.splice(0)
    const { synced } = await exchange(initiator, responder)
    assert.deepEqual([synced.received, synced.taken], [chain.length + 1, chain.length])
    assert.ok(!initiator.effects.some(({ kind }) => kind === 'sync'), 'a sync is no reason for the next one')
  })

  it('goes on message by message where one does not hold all', async () => {
    const { initiator, responder } = await roles()
    const many = await peers(100, 20)
    initiator.value = await known(i, initiator.value, many.slice(0, 70), founder)
    responder.value = await known(r, responder.value, many.slice(30), founder)
    const { synced, served } = await exchange(initiator, responder)
    assert.deepEqual([synced.taken, served.taken], [30, 30])
    responder.value = await known(r, tableOf([founder, i], founder), [], founder)
    assert.equal((await exchange(initiator, responder)).served.taken, 100)
    assert.deepEqual(said(responder.value).filter((line) => many.some(({ id }) => line.startsWith(hex(id)))).length, 100)
  })

  it('tells of revocations both ways, and of nobody who is revoked', async () => {
    const { initiator, responder } = await roles()
    const [a, b] = members as [Peer, Peer]
    const proofs = { a: bytes(50_000, 1), b: bytes(70_000, 2) }
    for (const role of [initiator, responder]) {
      role.value = await known(role.peer, role.value, [a, b], founder)
      role.judge = (proof) => ({ counts: true, peerId: hex(proof) === hex(proofs.a) ? a.id : b.id })
    }
    initiator.value = revoke(initiator.value, { peerId: a.id }, proofs.a, at()).table
    responder.value = revoke(responder.value, { peerId: b.id }, proofs.b, at()).table
    await exchange(initiator, responder)
    for (const role of [initiator, responder])
      assert.deepEqual([...role.value.revoked.keys()].sort(), [hex(a.id), hex(b.id)].sort())
  })

  it('fits 10,000 members into the limits of its messages', () => {
    const digests: Digest[] = Array.from({ length: MEMBERS_MAX }, (_, index) => ({
      peerId: Uint8Array.from([...unhex('002408011220'), ...bytes(24, 1), ...u64be(index)]),
      sequence: 2n ** 64n - 1n,
      hash: bytes(8, index & 0xff),
    }))
    const wanted = wantPages(
      digests.map(({ peerId }) => peerId),
      [bytes(32, 1)],
    )
    const told = digests.flatMap((_, index) =>
      index % 1024 === 0
        ? [
            {
              kind: 'digests' as const,
              digests: digests.slice(index, index + 1024),
              revocations: [],
              more: index + 1024 < MEMBERS_MAX,
            },
          ]
        : [],
    )
    for (const pages of [wanted, told]) {
      assert.equal(pages.length, 10)
      for (const page of pages) {
        const encoded = encodeSync(page)
        assert.ok(encoded.length <= SYNC_LIMIT_BYTES, `${encoded.length}`)
        assert.deepEqual(decodeSync(encoded), page)
      }
    }
    assert.deepEqual(digestPages(tableOf([], founder), at(), []), [noDigests])
  })
})

describe('the side that is dialed', () => {
  it('tells a stranger nothing but no, whatever he shows', async () => {
    const cases: [string, () => Promise<Sync>][] = [
      ['not_member', async () => hello(await envelopeOf(i, founder, { clusterId: otherKeyring.clusterId }))],
      ['not_member', async () => hello(await envelopeOf(i, founder, { issued: { clusterId: otherKeyring.clusterId } }))],
      ['malformed', async () => hello(await envelopeOf(members[0]!, founder))],
      ['malformed', async () => hello(flipped(await envelopeOf(i, founder), -1))],
      ['malformed', async () => hello(bytes(100, 1))],
      ['malformed', async () => noDigests],
      ['malformed', async () => ({ kind: 'probe', peerId: founder.id })],
      ['lapsed', async () => hello(await envelopeOf(i, i))],
      ['lapsed', async () => hello(await envelopeOf(i, members[0]!))],
      [
        'lapsed',
        async () => hello(await envelopeOf(i, founder, { issued: { issuedAt: NOW_MS - 3_600_000, expiresAt: NOW_MS } })),
      ],
    ]
    for (const [code, message] of cases) {
      const responder = await TestRole.of(r, founder, tableOf([founder], founder))
      const { hand, outcome, clock } = await serving(responder)
      send(hand, await message())
      await refused(hand, outcome, code)
      assert.equal(clock.running, 0)
      assert.equal(responder.value.entries.size, 1)
      assert.equal(
        responder.effects.some(({ kind }) => kind === 'challenge'),
        code === 'lapsed',
      )
    }
  })

  it('is no member before it is told its role', async () => {
    const { hand, outcome } = await serving(undefined)
    await refused(hand, outcome, 'not_member')
  })

  it('gives a peer that says nothing ten seconds', async () => {
    const { hand, outcome, clock } = await serving((await roles()).responder)
    await clock.armed(STEP_TIMEOUT_MS)
    clock.pass(STEP_TIMEOUT_MS)
    await rejection(outcome)
    assert.deepEqual(await hand.rest(), { messages: [], end: 'reset' })
    assert.equal(clock.running, 0)
  })

  it('does not read a first message that is too long', async () => {
    const { hand, outcome } = await serving((await roles()).responder)
    hand.sendRaw(Uint8Array.of(0x80 | ((HELLO_LIMIT_BYTES + 1) & 0x7f), (HELLO_LIMIT_BYTES + 1) >> 7))
    await refused(hand, outcome, 'malformed')
  })

  it('asks what a member may have, after it has shown itself one and before anything is told', async () => {
    const asked: string[] = []
    const { hand, outcome } = await serving((await roles()).responder, (request) => {
      asked.push(request)
      return { code: 'rate_limited', retryAfterMs: 1 }
    })
    send(hand, hello(await envelopeOf(i, founder)))
    assert.equal(decodeSync(await hand.read()).kind, 'hello')
    send(hand, noDigests)
    assert.equal(((await rejection(outcome)) as RefusedPeer).code, 'rate_limited')
    assert.deepEqual(asked, ['digests'])
  })

  it('breaks off where a member tells more than a table holds, the same peer twice, or pages without end', async () => {
    const digest = (index: number): Digest => ({
      peerId: Uint8Array.from([...unhex('002408011220'), ...bytes(24, 1), ...u64be(index)]),
      sequence: 1n,
      hash: bytes(8, 1),
    })
    const page = (from: number, count: number, more: boolean): Sync => ({
      kind: 'digests',
      digests: Array.from({ length: count }, (_, index) => digest(from + index)),
      revocations: [],
      more,
    })
    const cases: Sync[][] = [
      Array.from({ length: 10 }, (_, index) => page(index * 1024, 1024, true)),
      [page(0, 2, true), page(1, 2, false)],
      [page(0, 0, true)],
      [page(0, 1, true), { kind: 'end' }],
    ]
    for (const pages of cases) {
      const { hand, outcome } = await serving((await roles()).responder)
      send(hand, hello(await envelopeOf(i, founder)))
      await hand.read()
      await refused(hand, outcome, 'malformed', await tell(hand, pages))
    }
  })

  it('breaks off where a member tells what no honest one has: forged records, lying revocations, too many of either', async () => {
    const [a] = members as [Peer]
    const good = await envelopeOf(a, founder)
    const forged = await envelopeOf(a, founder, { issued: { expiresAt: NOW_MS + 1e12 } })
    const cases: Sync[][] = [
      [{ kind: 'records', envelopes: [forged] }],
      [{ kind: 'records', envelopes: [good, flipped(good, -1)] }],
      [{ kind: 'records', envelopes: [] }],
      [{ kind: 'revocation', revocation: bytes(10, 9) }],
      Array.from({ length: 17 }, (_, index) => ({ kind: 'revocation' as const, revocation: bytes(10, index) })),
      [{ kind: 'want', peerIds: [], revocations: [], more: false }],
      [{ kind: 'digests', digests: [], revocations: [], more: false }],
      [{ kind: 'probe', peerId: a.id }],
    ]
    for (const messages of cases) {
      const { responder } = await roles()
      responder.judge = (revocation) =>
        revocation[0] === 9 && messages.length === 1
          ? { counts: false, fault: 'unproven' }
          : { counts: false, fault: 'inconclusive' }
      const { hand, outcome } = await serving(responder)
      send(hand, hello(await envelopeOf(i, founder)))
      await hand.read()
      send(hand, noDigests)
      assert.equal(decodeSync(await hand.read()).kind, 'want')
      await refused(hand, outcome, 'malformed', await tell(hand, messages))
    }
  })

  it('takes no more records in one exchange than a table holds', async () => {
    const { responder } = await roles()
    const { hand, outcome } = await serving(responder)
    send(hand, hello(await envelopeOf(i, founder)))
    await hand.read()
    send(hand, noDigests)
    await hand.read()
    // Our own record, which costs the reader one signature: what counts is how many come.
    const envelopes = Array.from({ length: 64 }, () => responder.own)
    responder.rules.verify = () => assert.fail('looked into a record of its own')
    const turn = Array.from({ length: MEMBERS_MAX / 64 + 1 }, (): Sync => ({ kind: 'records', envelopes }))
    await refused(hand, outcome, 'malformed', await tell(hand, turn))
    assert.match((await rejection(outcome)).message, /more than 10000/)
  }).timeout(20_000)
})

describe('the side that dials', () => {
  it('shows its record, and then nothing to a peer that is no member', async () => {
    for (const [code, issuer] of [
      ['lapsed', r],
      ['lapsed', members[0]!],
    ] as const) {
      const initiator = await TestRole.of(i, founder, tableOf([founder], founder))
      const { hand, outcome } = await syncing(initiator)
      assert.equal(decodeSync(await hand.read()).kind, 'hello')
      send(hand, hello(await envelopeOf(r, issuer)))
      await refused(hand, outcome, code)
      const effect = initiator.effects.at(-1)
      assert.ok(effect?.kind === 'challenge')
      assert.deepEqual([effect.peerId, effect.record.peerId], [r.id, r.id])
    }
  })

  it('reports how it was refused', async () => {
    const { hand, outcome } = await syncing((await roles()).initiator)
    await hand.read()
    hand.send(encodeSyncRefusal({ code: 'lapsed' }))
    const error = await rejection(outcome)
    assert.ok(error instanceof RefusalError && error.code === 'lapsed')
  })

  it('keeps what it has taken when the exchange breaks off', async () => {
    const { initiator } = await roles()
    const { hand, outcome } = await syncing(initiator)
    await hand.read()
    send(hand, hello(await envelopeOf(r, founder)))
    assert.equal(decodeSync(await hand.read()).kind, 'digests')
    const turn: Sync[] = [{ kind: 'records', envelopes: [await envelopeOf(members[0]!, founder)] }, { kind: 'end' }]
    await refused(hand, outcome, 'malformed', await tell(hand, turn))
    assert.ok(said(initiator.value).some((line) => line.startsWith(hex(members[0]!.id))))
  })
})

describe('a probe', () => {
  const probing = async (responder: TestRole, target: Uint8Array) => {
    const { initiator } = await roles()
    const [near, far] = await streamPair()
    const clock = new FakeClock()
    const served = serveOver(far, ends.responder(), responder, { timer: clock }, () => undefined)
    served.catch(() => {})
    return { clock, answer: probeOver(near, ends.initiator(), target, initiator, { timer: clock }), served }
  }

  it('pings a member for another one and says how it went', async () => {
    for (const reached of [true, false]) {
      const { responder } = await roles()
      responder.reaches = async () => reached
      const { answer, served, clock } = await probing(responder, founder.id)
      assert.equal(await answer, reached)
      assert.deepEqual(await served, { reached })
      assert.deepEqual(responder.pinged, [founder.id])
      assert.equal(clock.running, 0)
    }
  })

  it('of a member that does not answer in time, or fails, is answered no', async () => {
    const { responder } = await roles()
    const failing = await roles()
    failing.responder.reaches = () => Promise.reject(new Error('no route'))
    assert.equal(await (await probing(failing.responder, founder.id)).answer, false)
    responder.ping = (_peerId: Uint8Array, signal?: AbortSignal) =>
      new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason), { once: true }))
    const { answer, clock } = await probing(responder, founder.id)
    await clock.armed(PROBE_TIMEOUT_MS)
    clock.pass(PROBE_TIMEOUT_MS)
    assert.equal(await answer, false)
  })

  it('of who is no member pings nobody', async () => {
    const { responder } = await roles()
    assert.equal(await (await probing(responder, members[3]!.id)).answer, false)
    assert.deepEqual(responder.pinged, [])
  })
})

describe('messages of the protocol', () => {
  it('of random bytes are refused, never anything else', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (data) => {
        try {
          decodeSync(data)
        } catch (error) {
          assert.ok(error instanceof Error && ['MalformedError', 'RefusalError'].includes(error.name), `${error}`)
        }
      }),
    )
  })
})
