import assert from 'node:assert/strict'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import type { AnswerOutcome, ChallengeOutcome } from '../../protocols/challenge/index.ts'
import { encodeRevocation } from '../../protocols/challenge/messages.ts'
import { decodeGossip, encodeGossip, type Gossip, openRecord, revoke } from '../../protocols/membership/index.ts'
import { decodeCredential, sealMemberRecord } from '../../protocols/records/index.ts'
import type { Random } from '../../src/base/index.ts'
import {
  Members,
  type MembersEvent,
  type MembersNetwork,
  MemberTable,
  type SyncOutcome,
  TICK_MS,
} from '../../src/members/index.ts'
import {
  clusterId,
  credentialOf,
  type envelopeOf,
  LIFETIME_MS,
  NOW_MS,
  type Peer,
  peers,
  rulesOf,
  envelopeOf as sealed,
} from '../protocols/membership/mesh.ts'
import { FakeClock, seededRandom } from '../protocols/support.ts'

const DAY_MS = 86_400_000
const textOf = (peer: Peer): string => peerIdFromPrivateKey(peer.key).toString()

let us: Peer
let others: Peer[]
before(async () => {
  ;[us, ...others] = (await peers(8)) as [Peer, ...Peer[]]
})

/** Promises that wait for nothing but each other have run. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** One node whose network is played by hand. */
class Bench {
  readonly clock = new FakeClock()
  hostOffMs = 0
  readonly table: MemberTable
  readonly members: Members
  readonly said: Gossip[] = []
  readonly calls: string[] = []
  readonly events: MembersEvent[] = []
  heard = true
  sync: (peer: string) => SyncOutcome = () => 'exchanged'
  syncLater: ((peer: string) => Promise<SyncOutcome>) | undefined
  addresses = ['/ip4/192.0.2.1/tcp/4001']
  ping: (peer: string) => 'answered' | 'refused' | 'silent' = () => 'answered'
  challenge: (peer: string) => ChallengeOutcome | undefined = () => ({ outcome: 'no_answer', error: new Error('gone') })
  judged = 0
  selfIssued = false

  constructor(random: Random = seededRandom('members')) {
    const { clock } = this
    const hostClock = { ...clock, now: () => clock.now() + this.hostOffMs, sleep: clock.sleep, deadline: clock.deadline }
    this.table = new MemberTable(clock)
    const network: MembersNetwork = {
      publish: async (message) => {
        this.said.push(decodeGossip(message))
        return this.heard
      },
      ping: async (peer) => {
        this.calls.push(`ping ${peer}`)
        return this.ping(peer)
      },
      probe: async () => false,
      sync: async (peer, { seed }) => {
        this.calls.push(`${seed ? 'seed' : 'sync'} ${peer}`)
        return this.syncLater?.(peer) ?? this.sync(peer)
      },
      challenge: async (peer) => {
        this.calls.push(`challenge ${peer}`)
        return this.challenge(peer)
      },
      ask: async (): Promise<AnswerOutcome> => ({ outcome: 'no_verdict', error: new Error('gone') }),
      selfIssue: async () => false,
      admitted: (peer) => void this.calls.push(`admitted ${peer}`),
      expelled: (peer) => void this.calls.push(`expelled ${peer}`),
      size: () => {},
    }
    this.members = new Members({
      table: this.table,
      rules: rulesOf(us),
      own: { remainingMs: () => LIFETIME_MS, selfIssued: () => this.selfIssued },
      facts: () => ({
        clusterId,
        peerId: us.id,
        addresses: this.addresses,
        public: false,
        epoch: 0,
        credential: credentialOf(us, others[0]!),
      }),
      seal: (record) => sealMemberRecord(record, us.key),
      revocations: {
        clusterId,
        knowsEpoch: () => {
          this.judged++
          return false
        },
        judge: () => ({ accepted: true }),
        readTd: () => undefined,
      },
      lifetimeMs: LIFETIME_MS,
      lapsedServeMs: 24 * LIFETIME_MS,
      network,
      clock: hostClock,
      random,
      tell: (event) => this.events.push(event),
      failed: (what, error) => assert.fail(`${what}: ${error}`),
    })
  }

  /** This node attested them itself. */
  admit(...members: readonly Peer[]): void {
    for (const member of members) {
      this.members.admit(decodeCredential(credentialOf(member, us)).body, [`/ip4/192.0.2.${member.id.at(-1)! % 250}/tcp/4001`])
    }
  }
  async pass(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += TICK_MS) {
      this.clock.pass(TICK_MS)
      this.members.tick()
      await settled()
    }
  }
  /** As its author publishes it. */
  async hears(author: Peer, ...args: Parameters<typeof envelopeOf> | []): Promise<'accept' | 'ignore' | 'reject'> {
    const [subject = author, issuer = us, changes = {}] = args
    const envelope = await sealed(subject, issuer, { sentAt: this.clock.now(), ...changes })
    return this.members.validate(author.id, encodeGossip({ kind: 'record', envelope }))
  }
  count(call: string): number {
    return this.calls.filter((each) => each.startsWith(call)).length
  }
  changes(peer: Peer): string[] {
    return this.events.flatMap((event) => (event.kind === 'member' && event.peerId === textOf(peer) ? [event.change] : []))
  }
  async records(): Promise<{ sequence: bigint; state: string }[]> {
    const envelopes = this.said.flatMap((message) => (message.kind === 'record' ? [message.envelope] : []))
    return Promise.all(envelopes.map(async (envelope) => (await openRecord(envelope)).record))
  }
}

describe('the members of a node', () => {
  it('take over the table of whoever let the node in, and try again until that succeeds', async () => {
    const bench = new Bench()
    const [a] = others as [Peer]
    bench.admit(a)
    bench.sync = () => 'failed'
    await bench.members.start({ onboarder: textOf(a) })
    assert.equal(bench.count(`seed ${textOf(a)}`), 1)
    await bench.pass(5_000)
    assert.ok(bench.count('seed') > 1)
    bench.sync = () => 'exchanged'
    await bench.pass(60_000)
    const tried = bench.count('seed')
    await bench.pass(120_000)
    assert.equal(bench.count('seed'), tried)
  })

  it('compare tables once more soon after that: others may have joined at the same moment', async () => {
    const bench = new Bench()
    const [a, b] = others as [Peer, Peer]
    bench.admit(a, b)
    await bench.members.start({ onboarder: textOf(a) })
    assert.equal(bench.count('sync'), 0)
    await bench.pass(4_000)
    assert.equal(bench.count('sync'), 1)
    await bench.pass(20_000)
    assert.equal(bench.count('sync'), 1)
  })

  it('may be known to nobody until tables have been compared with somebody', async () => {
    const bench = new Bench()
    const [a, b] = others as [Peer, Peer]
    bench.admit(a)
    bench.sync = () => 'failed'
    await bench.members.start({ onboarder: textOf(a) })
    assert.ok(bench.members.adrift)
    await bench.pass(60_000)
    assert.ok(bench.members.adrift)
    bench.admit(b)
    bench.sync = (peer) => (peer === textOf(b) ? 'exchanged' : 'failed')
    await bench.members.begin(textOf(b))
    assert.ok(!bench.members.adrift)
  })

  it('take nothing over from an onboarder any more whose lease has ended: it is not as it was when it was judged', async () => {
    const bench = new Bench()
    const [a] = others as [Peer]
    bench.admit(a)
    bench.sync = () => 'failed'
    await bench.members.start({ onboarder: textOf(a) })
    await bench.pass(LIFETIME_MS + 60_000)
    bench.calls.length = 0
    await bench.pass(300_000)
    assert.equal(bench.count('seed'), 0)
    assert.ok(bench.members.adrift)
  })

  it('wait for an exchange with the onboarder that is under way, and show it the newest credential', async () => {
    const bench = new Bench()
    const [a] = others as [Peer]
    bench.admit(a)
    const first = Promise.withResolvers<SyncOutcome>()
    const shown: bigint[] = []
    const outcomes = [first.promise, Promise.resolve('exchanged' as const)]
    bench.syncLater = async () => {
      shown.push((await openRecord(bench.members.role().ownRecord())).record.sequence)
      return outcomes.shift() ?? 'failed'
    }
    void bench.members.start({ onboarder: textOf(a) })
    await bench.pass(TICK_MS)
    let over = 0
    const after = () => void over++
    void bench.members.beginAgain().then(after)
    const begun = bench.members.begin(textOf(a)).then(after)
    await bench.pass(TICK_MS)
    assert.deepEqual([shown.length, over], [1, 0])
    first.resolve('failed')
    await begun
    assert.equal(over, 2)
    assert.ok(!bench.members.adrift)
    assert.ok(shown[1]! > shown[0]!)
  })

  it('know strangers from members, from themselves and from who is out', async () => {
    const bench = new Bench()
    const [a, b] = others as [Peer, Peer]
    bench.admit(a)
    await bench.members.start()
    assert.deepEqual(
      [us, a, b].map(({ id }) => bench.members.isStranger(id)),
      [false, false, true],
    )
    const { table } = revoke(bench.table.value, { peerId: b.id }, Uint8Array.of(1), bench.members.now())
    bench.table.keep({ table, effects: [] })
    assert.ok(bench.members.isRevoked(b.id) && !bench.members.isStranger(b.id))
  })

  it('publish when their addresses change', async () => {
    const bench = new Bench()
    await bench.members.start()
    await bench.pass(8_000)
    bench.said.length = 0
    bench.addresses = ['/ip4/192.0.2.77/tcp/4001']
    await bench.pass(2_500)
    const [record] = bench.said.flatMap((message) => (message.kind === 'record' ? [message.envelope] : []))
    assert.deepEqual((await openRecord(record!)).record.addresses, ['/ip4/192.0.2.77/tcp/4001'])
    const said = bench.said.length
    await bench.pass(2_500)
    assert.equal(bench.said.length, said)
  })

  it('publish again, with a greater sequence, when somebody is there to hear what nobody heard', async () => {
    const bench = new Bench()
    bench.heard = false
    await bench.members.start()
    await settled()
    const before = bench.said.length
    bench.heard = true
    bench.members.subscribed()
    await settled()
    assert.equal(bench.said.length, before + 1)
    bench.members.subscribed()
    await settled()
    assert.equal(bench.said.length, before + 1)
    const sequences = (await bench.records()).map(({ sequence }) => sequence)
    assert.ok(sequences.every((sequence, at) => at === 0 || sequence > sequences[at - 1]!))
  })

  it('ping whoever another cannot reach, and contradict when it is this node', async () => {
    const bench = new Bench()
    const [a, b] = others as [Peer, Peer]
    bench.admit(a, b)
    await bench.members.start()
    await bench.pass(TICK_MS)
    await bench.pass(10_000)
    bench.calls.length = 0
    const hint = (peer: Peer, sequence: bigint) => ({ peerId: peer.id, sequence, sentAt: bench.clock.now() })
    const say = (author: Peer, peer: Peer, sequence = 0n) =>
      bench.members.validate(author.id, encodeGossip({ kind: 'unreachable', hint: hint(peer, sequence) }))
    assert.equal(await say(a, b), 'accept')
    assert.equal(bench.count(`ping ${textOf(b)}`), 1)
    const before = bench.said.length
    assert.equal(await say(a, us), 'accept')
    await settled()
    assert.equal(bench.said.length, before + 1)
    assert.equal(await say(a, a), 'reject')
    assert.equal(await say(others[4]!, b), 'ignore')
  })

  it('tell who is not reached any more, and compare tables when it is again', async () => {
    const bench = new Bench()
    const [a, b] = others as [Peer, Peer]
    bench.admit(a, b)
    await bench.members.start()
    bench.ping = (peer) => (peer === textOf(b) ? 'refused' : 'answered')
    await bench.pass(20_000)
    assert.deepEqual(bench.changes(b).at(-1), 'unreachable')
    assert.ok(!bench.changes(a).includes('unreachable'))
    assert.equal(bench.members.list().find(({ peerId }) => peerId === textOf(b))?.state, 'unreachable')
    assert.ok(bench.said.some((message) => message.kind === 'unreachable'))
    bench.ping = () => 'answered'
    bench.calls.length = 0
    await bench.pass(40_000)
    assert.deepEqual(bench.changes(b).at(-1), 'reachable')
    assert.ok(bench.count(`sync ${textOf(b)}`) > 0)
  })

  it('of a large cluster, do so only now and then: who is back is not met by all at once', async () => {
    let state = 1
    const uniform = (): number => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
      return state / 2 ** 32
    }
    const bench = new Bench({ ...seededRandom('large'), uniform })
    const many = await peers(63, 100)
    const [flapping] = many as [Peer]
    bench.admit(...many)
    await bench.members.start()
    await bench.pass(TICK_MS)
    const flaps = 40
    let syncs = 0
    for (let flap = 0; flap < flaps; flap++) {
      bench.ping = (peer) => (peer === textOf(flapping) ? 'refused' : 'answered')
      bench.members.closed(textOf(flapping))
      await bench.pass(2_000)
      bench.ping = () => 'answered'
      bench.calls.length = 0
      await bench.pass(6_000)
      syncs += bench.count(`sync ${textOf(flapping)}`)
    }
    assert.equal(bench.changes(flapping).filter((change) => change === 'reachable').length, flaps)
    // Sixteen of sixty-four.
    assert.ok(syncs >= flaps / 8 && syncs <= flaps / 2, `${syncs} of ${flaps}`)
  })

  it('challenge at once whoever shows at the gate what once held', async () => {
    const bench = new Bench()
    const [a] = others as [Peer]
    bench.admit(a)
    await bench.members.start()
    const record = (await openRecord(await sealed(others[2]!, others[3]!))).record
    bench.members.role().keep({ table: bench.table.value, effects: [{ kind: 'challenge', peerId: others[2]!.id, record }] })
    assert.ok(bench.members.isKnown(others[2]!.id))
    await bench.pass(LIFETIME_MS / 64)
    assert.ok(bench.count(`challenge ${textOf(others[2]!)}`) > 0)
    assert.ok(!bench.members.isLinked(textOf(others[2]!)))
  })

  it('knock back where they were parted for longer than a lease, and whom they once knew comes with the word of one unknown here', async () => {
    const bench = new Bench()
    const [a, unknown, newcomer] = others as [Peer, Peer, Peer]
    bench.admit(a)
    await bench.members.start()
    await bench.pass(LIFETIME_MS + 2_000)
    bench.selfIssued = true
    const knocks = async (peer: Peer): Promise<void> => {
      const record = (await openRecord(await sealed(peer, unknown))).record
      bench.calls.length = 0
      bench.members.role().keep({ table: bench.table.value, effects: [{ kind: 'challenge', peerId: peer.id, record }] })
    }
    await knocks(a)
    assert.equal(bench.count(`sync ${textOf(a)}`), 1)
    // Nobody knows whose member that is: this node's record is not for it.
    await knocks(newcomer)
    assert.equal(bench.count('sync'), 0)
    // Who is whole itself challenges instead.
    bench.selfIssued = false
    await knocks(a)
    assert.equal(bench.count('sync'), 0)
  })

  it('may have this node make quotes, lapsed or not; who was met at the gate with the secret alone may not, nor who is out', async () => {
    const bench = new Bench()
    const [a, b, stranger, secretOnly] = others as [Peer, Peer, Peer, Peer]
    bench.admit(a, b)
    await bench.members.start()
    // It signed a credential for itself with the cluster's key: that is what whoever has the secret can do.
    const record = (await openRecord(await sealed(secretOnly, secretOnly))).record
    bench.members.role().keep({ table: bench.table.value, effects: [{ kind: 'challenge', peerId: secretOnly.id, record }] })
    assert.deepEqual(
      [a, b, stranger, secretOnly].map(({ id }) => [bench.members.mayChallenge(id), bench.members.isKnown(id)]),
      [
        [true, true],
        [true, true],
        [false, false],
        [false, true],
      ],
    )
    assert.equal(await bench.hears(secretOnly, secretOnly, secretOnly), 'ignore', 'nor by what it gossips')
    assert.ok(!bench.members.mayChallenge(secretOnly.id))
    bench.members.role().keep(revoke(bench.table.value, { peerId: b.id }, Uint8Array.of(1), bench.members.now()))
    assert.ok(!bench.members.mayChallenge(b.id) && !bench.members.isKnown(b.id))
    await bench.pass(LIFETIME_MS + 60_000)
    assert.ok(!bench.members.isLinked(textOf(a)), 'its lease has ended')
    assert.ok(bench.members.mayChallenge(a.id))
  })

  it('take the last sequence that there is: nothing is newer, but for the word that its author leaves', async () => {
    const bench = new Bench()
    const [a, b] = others as [Peer, Peer]
    bench.admit(a, b)
    await bench.members.start()
    const sequence = 2n ** 64n - 1n
    assert.equal(await bench.hears(a, a, us, { sequence }), 'accept')
    for (const stale of [0n, 5n, sequence - 1n]) assert.equal(await bench.hears(a, a, us, { sequence: stale }), 'ignore')
    assert.ok(bench.members.isLinked(textOf(a)))
    assert.equal(await bench.hears(b), 'accept', 'others go on')
    assert.equal(await bench.hears(a, a, us, { sequence, state: 'leaving' }), 'accept')
    assert.ok(!bench.members.isLinked(textOf(a)))
    assert.ok(bench.members.isLinked(textOf(b)))
  })

  for (const off of [31 * DAY_MS, -31 * DAY_MS]) {
    it(`issue nothing and raise an alarm while the machine's clock is ${off / DAY_MS} days off, and throw nobody out`, async () => {
      const bench = new Bench()
      const four = others.slice(0, 4)
      bench.admit(...four)
      await bench.members.start()
      for (const each of four) assert.equal(await bench.hears(each), 'accept')
      assert.equal(bench.members.standing(), 'active')
      bench.hostOffMs = off
      await bench.pass(2_000)
      assert.ok(!bench.members.state().mayIssue)
      assert.equal(bench.members.standing(), 'busy')
      const alarms = () =>
        bench.events.flatMap((event) => (event.kind === 'alarm' && event.alarm === 'own_clock' ? [event.on] : []))
      await bench.pass(120_000)
      assert.deepEqual(alarms(), [true])
      assert.equal(bench.count('expelled'), 0)
      assert.ok(four.every((each) => bench.members.isLinked(textOf(each))))
      bench.hostOffMs = 0
      await bench.pass(120_000)
      assert.deepEqual(alarms(), [true, false])
      assert.equal(bench.members.list().length, 4)
    })
  }

  it('say that the node leaves, and nothing more', async () => {
    const bench = new Bench()
    bench.admit(others[0]!)
    await bench.members.start()
    assert.equal(bench.members.standing(), 'active')
    await bench.members.leave()
    assert.equal(bench.members.standing(), 'busy', 'whom it let in now, nobody else would know')
    const records = await bench.records()
    assert.equal(records.at(-1)?.state, 'leaving')
    assert.ok(records.slice(0, -1).every(({ state }) => state === 'active'))
    bench.members.renewed()
    await settled()
    assert.ok((await bench.records()).slice(records.length).every(({ state }) => state === 'leaving'))
  })

  it('take leave of who leaves, and do not have it back by an older record', async () => {
    const bench = new Bench()
    const [a] = others as [Peer]
    bench.admit(a)
    await bench.members.start()
    assert.equal(await bench.hears(a, a, us, { sequence: 4n }), 'accept')
    assert.equal(await bench.hears(a, a, us, { sequence: 5n, state: 'leaving' }), 'accept')
    assert.equal(bench.changes(a).at(-1), 'left')
    assert.equal(bench.count(`expelled ${textOf(a)}`), 1)
    assert.equal(await bench.hears(a, a, us, { sequence: 4n }), 'ignore')
    // Seen leaving for a moment, and told to no stranger.
    const seen = bench.members.list().map(({ peerId, state, public: isPublic }) => [peerId, state, isPublic])
    assert.deepEqual(seen, [[textOf(a), 'leaving', false]])
    await bench.pass(16_000)
    assert.deepEqual(bench.members.list(), [])
  })

  it('hide the old self of a process that has started again at the same place', async () => {
    const bench = new Bench()
    const [old, fresh] = others as [Peer, Peer]
    const addresses = ['/ip4/192.0.2.9/tcp/4001']
    await bench.members.start()
    const admit = (peer: Peer, issuedAt: number) =>
      bench.members.admit(
        decodeCredential(credentialOf(peer, us, { issuedAt, expiresAt: issuedAt + LIFETIME_MS })).body,
        addresses,
      )
    admit(old, NOW_MS - 60_000)
    admit(fresh, NOW_MS)
    assert.equal(bench.members.list().length, 2)
    bench.ping = (peer) => (peer === textOf(old) ? 'refused' : 'answered')
    await bench.pass(20_000)
    assert.deepEqual(
      bench.members.list().map(({ peerId }) => peerId),
      [textOf(fresh)],
    )
  })

  it('let go of whose credential has ended, by the clock that nobody sets', async () => {
    const bench = new Bench()
    bench.admit(others[0]!)
    await bench.members.start()
    bench.hostOffMs = -31 * DAY_MS
    await bench.pass(2_000)
    assert.ok(bench.members.isLinked(textOf(others[0]!)))
    bench.clock.pass(LIFETIME_MS)
    await bench.pass(2_000)
    assert.equal(bench.changes(others[0]!).at(-1), 'ended')
    assert.equal(bench.count('expelled'), 1)
  })

  it('judge only so many revocations by one author', async () => {
    const bench = new Bench()
    const [a, b] = others as [Peer, Peer]
    bench.admit(a, b)
    await bench.members.start()
    const say = (author: Peer, epoch: number) => {
      const parts = { clusterId, epoch, challenge: Uint8Array.of(1), answer: Uint8Array.of(1), member: b.id, verifier: a.id }
      return bench.members.validate(author.id, encodeGossip({ kind: 'revocation', revocation: encodeRevocation(parts) }))
    }
    for (let epoch = 0; epoch < 20; epoch++) assert.equal(await say(a, epoch), 'ignore')
    assert.equal(bench.judged, 8)
    assert.equal(await say(b, 99), 'ignore')
    assert.equal(bench.judged, 9)
    await bench.pass(600_000)
    assert.equal(await say(a, 100), 'ignore')
    assert.equal(bench.judged, 10)
    assert.equal(await say(others[5]!, 101), 'ignore')
    assert.equal(bench.judged, 10)
  })

  it('challenge first whom a member let in that is out, and gossip with that one no more', async () => {
    const bench = new Bench()
    const [turned, guest, other] = others as [Peer, Peer, Peer]
    bench.admit(turned, other)
    await bench.members.start()
    assert.equal(await bench.hears(guest, guest, turned), 'accept')
    const step = revoke(bench.table.value, { peerId: turned.id }, Uint8Array.of(1), bench.members.now())
    bench.members.role().keep(step)
    assert.equal(bench.changes(turned).at(-1), 'revoked')
    assert.equal(bench.count(`expelled ${textOf(turned)}`), 1)
    await bench.pass(TICK_MS)
    assert.equal(bench.count(`challenge ${textOf(guest)}`), 1)
    assert.equal(bench.count('challenge'), 1)
    assert.ok(!bench.members.isKnown(turned.id) && bench.members.isKnown(guest.id))
    assert.equal(await bench.hears(turned, turned, us, { sequence: 9n }), 'ignore')
    assert.ok(!bench.members.isLinked(textOf(turned)))
  })

  it('reject what cannot be decoded, and tell each verdict', async () => {
    const bench = new Bench()
    await bench.members.start()
    assert.equal(await bench.members.validate(others[0]!.id, new Uint8Array(40)), 'reject')
    assert.deepEqual(bench.events.at(-1), { kind: 'gossip', message: 'undecodable', verdict: 'reject', fault: 'malformed' })
  })
})
