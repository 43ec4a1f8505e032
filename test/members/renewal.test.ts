import assert from 'node:assert/strict'
import fc from 'fast-check'
import type { RenewalEffect, RenewalEvent, RenewalView } from '../../src/members/renewal.ts'
import { askAnswer, type MemberFacts, Renewal } from '../../src/members/renewal.ts'
import { HOUR_MS, LIFETIME_MS, ModelCluster, seeded } from './renewal-cluster.ts'

const DAY_MS = 24 * HOUR_MS
const MINUTE_MS = 60_000
const WALL_MS = Date.UTC(2026, 5, 1)

const member = (peerId: string, changes: Partial<MemberFacts & { age: number }> = {}): MemberFacts => {
  const { age = 0.1, ...rest } = changes
  return { peerId, standing: 'active', judgedAtMs: WALL_MS - age * LIFETIME_MS, reachable: true, ...rest }
}
const others = (count: number, changes: Partial<MemberFacts & { age: number }> = {}): MemberFacts[] =>
  Array.from({ length: count }, (_, index) => member(`m${index}`, changes))

/** One core whose world the test sets; time passes for both clocks alike unless `jump` is used. */
class Bench {
  readonly core: Renewal
  elapsedMs = 0
  jumpMs = 0
  view: RenewalView
  effects: RenewalEffect[] = []
  constructor(view: { own?: Partial<RenewalView['own']>; members?: MemberFacts[] } = {}, seed = 1) {
    this.core = new Renewal({ lifetimeMs: LIFETIME_MS, lapsedServeMs: 24 * HOUR_MS, random: seeded(seed) })
    this.view = { own: { remainingMs: LIFETIME_MS, selfIssued: false, ...view.own }, members: view.members ?? [] }
  }
  get now() {
    // As Outlook has it: the wall clock never shows less than has passed since the start.
    const [wallMs, jumpMs] = [WALL_MS + this.elapsedMs, this.jumpMs]
    return { wallMs: wallMs + Math.max(0, jumpMs), hostMs: wallMs + jumpMs, monotonicMs: this.elapsedMs }
  }
  tell(event: RenewalEvent): RenewalEffect[] {
    const { effects, wakeAtMs } = this.core.handle(event, this.view, this.now)
    assert.ok(wakeAtMs > this.elapsedMs, 'wants to be called at once')
    this.wakeAtMs = wakeAtMs
    this.effects.push(...effects)
    return effects
  }
  wakeAtMs = 0
  /** Lets time pass, waking the core as it asks; own remaining time runs down. */
  pass(ms: number, answer?: (effect: RenewalEffect) => RenewalEvent | undefined): RenewalEffect[] {
    const endMs = this.elapsedMs + ms
    const seen: RenewalEffect[] = []
    const run = (event: RenewalEvent) => {
      for (const effect of this.tell(event)) {
        seen.push(effect)
        const then = answer?.(effect)
        if (then !== undefined) run(then)
      }
    }
    run({ type: 'tick' })
    while (this.wakeAtMs <= endMs) {
      this.#to(this.wakeAtMs)
      run({ type: 'tick' })
    }
    this.#to(endMs)
    return seen
  }
  #to(ms: number): void {
    this.view = { ...this.view, own: { ...this.view.own, remainingMs: this.view.own.remainingMs - (ms - this.elapsedMs) } }
    this.elapsedMs = ms
  }
  get state() {
    return this.core.state(this.view, this.now)
  }
  hear(aheadMs: readonly number[]): void {
    for (const [index, ahead] of aheadMs.entries())
      this.tell({ type: 'heard', peerId: `m${index}`, sentAtMs: this.now.wallMs + ahead })
  }
}
const of = <T extends RenewalEffect['type']>(effects: readonly RenewalEffect[], type: T) =>
  effects.filter((effect): effect is RenewalEffect & { type: T } => effect.type === type)
const alarms = (effects: readonly RenewalEffect[]) =>
  of(effects, 'alarm').map(({ alarm, on, peerId }) => `${on ? '+' : '-'}${alarm}${peerId === undefined ? '' : ` ${peerId}`}`)
/** All exchanges fail at once. */
const nobody = (effect: RenewalEffect): RenewalEvent | undefined =>
  effect.type === 'ask'
    ? { type: 'asked', peerId: effect.peerId, answer: 'none' }
    : effect.type === 'challenge'
      ? { type: 'challenged', peerId: effect.peerId, outcome: 'no_answer' }
      : undefined

describe('renewal', () => {
  describe('of others', () => {
    it('challenges nobody who was judged a short time ago', () => {
      const bench = new Bench({ members: others(10, { age: 0 }) })
      assert.deepEqual(of(bench.pass(0.34 * LIFETIME_MS), 'challenge'), [])
    })
    it('prefers whoever was judged longest ago', () => {
      const counts = new Map<string, number>()
      for (let seed = 0; seed < 300; seed++) {
        const bench = new Bench(
          { members: [member('old', { age: 0.8 }), member('older', { age: 0.95 }), member('young', { age: 0.4 })] },
          seed,
        )
        const [first] = of(bench.pass(0.1 * LIFETIME_MS), 'challenge')
        if (first !== undefined) counts.set(first.peerId, (counts.get(first.peerId) ?? 0) + 1)
      }
      assert.ok(
        counts.get('older')! > counts.get('old')! && counts.get('old')! > 3 * (counts.get('young') ?? 0),
        JSON.stringify([...counts]),
      )
    })
    it('challenges neither the unreachable, nor anybody while it may not issue', () => {
      assert.deepEqual(
        of(new Bench({ members: others(5, { age: 0.9, reachable: false }) }).pass(LIFETIME_MS / 2), 'challenge'),
        [],
      )
      const lapsed = new Bench({ own: { remainingMs: -1 }, members: others(5, { age: 0.9 }) })
      assert.deepEqual(of(lapsed.pass(LIFETIME_MS / 2, nobody), 'challenge'), [])
      assert.ok(!lapsed.state.mayIssue)
    })
    it('has one challenge under way at a time', () => {
      const bench = new Bench({ members: others(20, { age: 0.9 }) })
      while (of(bench.effects, 'challenge').length === 0) bench.pass(1_000)
      assert.deepEqual(of(bench.pass(119_000), 'challenge'), [])
      // One that nobody told the end of does not block for ever.
      assert.ok(of(bench.pass(10 * MINUTE_MS), 'challenge').length > 0)
    })
    it('leaves a member in peace for a quarter of a lease once it answered, and for less when it did not', () => {
      for (const [outcome, share] of [
        ['renewed', 1 / 4],
        ['withheld', 1 / 4],
        ['no_answer', 1 / 16],
      ] as const) {
        const bench = new Bench({ members: [member('m', { age: 1 })] })
        const times: number[] = []
        bench.pass(0.9 * LIFETIME_MS, (effect) => {
          if (effect.type !== 'challenge') return undefined
          times.push(bench.elapsedMs)
          return { type: 'challenged', peerId: 'm', outcome }
        })
        assert.ok(times.length >= 3)
        for (const [index, time] of times.slice(1).entries()) assert.ok(time - times[index]! >= share * LIFETIME_MS)
      }
    })
    it('makes the self-issued and the lapsed whole at once', () => {
      for (const standing of ['self_issued', 'lapsed'] as const) {
        const bench = new Bench({ members: [member('waits', { standing }), ...others(5)] })
        assert.deepEqual(of(bench.pass(LIFETIME_MS / 64), 'challenge'), [{ type: 'challenge', peerId: 'waits' }])
      }
    })
    it('challenges only other self-issued members while it is self-issued itself', () => {
      const own = { selfIssued: true }
      const alone = new Bench({ own, members: [member('lapsed', { standing: 'lapsed' }), ...others(5, { age: 0.9 })] })
      assert.deepEqual(of(alone.pass(LIFETIME_MS / 3, nobody), 'challenge'), [])
      const meets = new Bench({ own, members: [member('too', { standing: 'self_issued' })] })
      assert.deepEqual(of(meets.pass(LIFETIME_MS / 64), 'challenge'), [{ type: 'challenge', peerId: 'too' }])
    })
  })

  describe('of its own credential', () => {
    it('asks nobody before two thirds, then members in turn', () => {
      const bench = new Bench({ members: others(4) })
      assert.deepEqual(of(bench.pass((2 / 3) * LIFETIME_MS - 1, nobody), 'ask'), [])
      const asked = of(bench.pass(LIFETIME_MS / 12, nobody), 'ask').map(({ peerId }) => peerId)
      assert.ok(asked.length >= 4)
      assert.deepEqual([...asked.slice(0, 4)].sort(), ['m0', 'm1', 'm2', 'm3'])
    })
    it('asks the reachable, and the unreachable only when there are no others', () => {
      const bench = new Bench({
        own: { remainingMs: LIFETIME_MS / 4 },
        members: [member('far', { reachable: false }), member('near')],
      })
      const asked = new Set(of(bench.pass(LIFETIME_MS / 8, nobody), 'ask').map(({ peerId }) => peerId))
      assert.deepEqual([...asked], ['near'])
      const cut = new Bench({ own: { remainingMs: LIFETIME_MS / 4 }, members: [member('far', { reachable: false })] })
      assert.ok(of(cut.pass(LIFETIME_MS / 8, nobody), 'ask').length > 0)
    })
    it('does not ask again, for a quarter of a lease, who has judged it and withheld', () => {
      const bench = new Bench({ own: { remainingMs: LIFETIME_MS / 3 }, members: others(2) })
      const asked = of(
        bench.pass(LIFETIME_MS / 4 - MINUTE_MS, (effect) =>
          effect.type === 'ask' ? { type: 'asked', peerId: effect.peerId, answer: 'judged' } : undefined,
        ),
        'ask',
      )
      assert.equal(asked.length, 2)
    })
    it('asks at once while all it has is its own word', () => {
      const bench = new Bench({ own: { selfIssued: true }, members: others(1) })
      assert.deepEqual(of(bench.tell({ type: 'tick' }), 'ask'), [{ type: 'ask', peerId: 'm0' }])
    })
    it('issues to itself in its last quarter when there is nobody, and never lapses while it can quote', () => {
      const bench = new Bench()
      assert.deepEqual(of(bench.pass(0.75 * LIFETIME_MS - 1), 'self_issue'), [])
      const renews = (effect: RenewalEffect): RenewalEvent | undefined => {
        if (effect.type !== 'self_issue') return undefined
        bench.view = { ...bench.view, own: { remainingMs: LIFETIME_MS, selfIssued: true } }
        return { type: 'self_issued', ok: true }
      }
      const effects = bench.pass(10 * LIFETIME_MS, renews)
      assert.equal(of(effects, 'self_issue').length, 14)
      assert.ok(!alarms(effects).includes('+lapsed'))
    })
    it('waits longer for members that are silent, and for ever for those that answer, until it lapses', () => {
      const silent = new Bench({ members: others(3) })
      assert.deepEqual(of(silent.pass((31 / 32) * LIFETIME_MS - 1, nobody), 'self_issue'), [])
      assert.equal(of(silent.pass(1_000, nobody), 'self_issue').length, 1)
      for (const event of [
        { type: 'answered', peerId: 'm0' },
        { type: 'asked', peerId: 'm0', answer: 'alive' },
        { type: 'asked', peerId: 'm0', answer: 'judged' },
        { type: 'challenged', peerId: 'm0', outcome: 'withheld' },
      ] as const) {
        const company = new Bench({ members: others(3) })
        company.pass(0.8 * LIFETIME_MS, nobody)
        company.tell(event)
        assert.deepEqual(of(company.pass(0.2 * LIFETIME_MS - 1, nobody), 'self_issue'), [])
        assert.equal(of(company.pass(1_000, nobody), 'self_issue').length, 1)
      }
    })
    it('does not count an answer from before the last quarter', () => {
      const bench = new Bench({ members: others(3) })
      bench.pass(0.74 * LIFETIME_MS, nobody)
      bench.tell({ type: 'answered', peerId: 'm0' })
      assert.equal(of(bench.pass(0.25 * LIFETIME_MS, nobody), 'self_issue').length, 1)
    })
    it('tries again to issue to itself, ever more slowly, for as long as quoting fails', () => {
      const bench = new Bench({ own: { remainingMs: 1 } })
      const effects = bench.pass(23 * HOUR_MS, (effect) =>
        effect.type === 'self_issue' ? { type: 'self_issued', ok: false } : undefined,
      )
      const tries = of(effects, 'self_issue').length
      assert.ok(tries > 23 * 8 && tries < 23 * 26, `${tries}`)
      assert.deepEqual(alarms(effects), ['+renewal_late', '-renewal_late', '+lapsed'])
      assert.ok(bench.state.serves)
      assert.deepEqual(alarms(bench.pass(HOUR_MS + 2, () => ({ type: 'self_issued', ok: false }))), ['+serving_ended'])
      assert.ok(!bench.state.serves)
    })
    it('raises each alarm once, and ends it when it is over', () => {
      const bench = new Bench({ own: { remainingMs: 10 }, members: others(3) })
      assert.deepEqual(alarms(bench.pass(LIFETIME_MS, nobody)), ['+renewal_late', '-renewal_late', '+lapsed'])
      assert.equal(bench.state.standing, 'lapsed')
      bench.view = { ...bench.view, own: { remainingMs: LIFETIME_MS, selfIssued: false } }
      assert.deepEqual(alarms(bench.tell({ type: 'tick' })), ['-lapsed'])
      assert.deepEqual(bench.state, { standing: 'active', mayIssue: true, serves: true })
    })
  })

  describe('with a clock that disagrees', () => {
    const rows: [string, number[], boolean][] = [
      ['three others agree with it', [0, 1_000, -1_000], false],
      ['two others say otherwise: too few', [DAY_MS, DAY_MS], false],
      ['three say that it is a day behind', [DAY_MS, DAY_MS, DAY_MS], true],
      ['three say that it is eleven minutes ahead', [-11 * MINUTE_MS, -11 * MINUTE_MS, -12 * MINUTE_MS], true],
      ['ten minutes are still good', [10 * MINUTE_MS, 10 * MINUTE_MS, 10 * MINUTE_MS], false],
      ['one of three lies', [0, 500, 31 * DAY_MS], false],
      ['two of four lie', [0, 500, 31 * DAY_MS, 31 * DAY_MS], false],
      ['three of five say otherwise', [0, 500, DAY_MS, DAY_MS, DAY_MS], true],
    ]
    for (const [what, ahead, wrong] of rows) {
      it(`${wrong ? 'issues and refuses nothing' : 'goes on'} when ${what}`, () => {
        const bench = new Bench({ members: others(5, { age: 0.9 }) })
        bench.hear(ahead)
        assert.equal(bench.state.mayIssue, !wrong)
        const effects = bench.pass(LIFETIME_MS / 4)
        assert.equal(of(effects, 'challenge').length > 0, !wrong)
        assert.equal(alarms(bench.effects).includes('+own_clock'), wrong)
      })
    }
    it('notices a jump of its own clock before it hears anything new, and its end', () => {
      const bench = new Bench({ members: others(5) })
      bench.hear([0, 0, 0, 0, 0])
      for (const jump of [31 * DAY_MS, -31 * DAY_MS, DAY_MS, -DAY_MS]) {
        bench.jumpMs = jump
        assert.ok(!bench.state.mayIssue)
        assert.ok(Math.abs(bench.state.clockOffMs! + jump) < MINUTE_MS)
        bench.jumpMs = 0
        assert.ok(bench.state.mayIssue)
      }
    })
    it('does not issue to itself either, lapsed or not', () => {
      const bench = new Bench({ own: { remainingMs: -DAY_MS } })
      bench.hear([-DAY_MS, -DAY_MS, -DAY_MS])
      assert.deepEqual(of(bench.effects, 'self_issue').length, 1, 'before anybody was heard')
      bench.tell({ type: 'self_issued', ok: false })
      bench.effects = []
      bench.pass(LIFETIME_MS / 2)
      assert.deepEqual(of(bench.effects, 'self_issue'), [])
    })
    it('forgets what it heard more than a lease ago', () => {
      const bench = new Bench()
      bench.hear([DAY_MS, DAY_MS, DAY_MS])
      assert.ok(!bench.state.mayIssue)
      bench.pass(LIFETIME_MS + 1)
      assert.equal(bench.state.clockOffMs, undefined)
    })
    it('names a member whose clock is wrong, and throws out nobody for it', () => {
      const bench = new Bench({ members: others(4) })
      bench.hear([0, 0, 0, DAY_MS])
      assert.deepEqual(alarms(bench.effects), ['+member_clock m3'])
      bench.hear([0, 0, 0, 0])
      assert.deepEqual(alarms(bench.effects), ['+member_clock m3', '-member_clock m3'])
    })
  })

  it('reads what an Ask came to', () => {
    const error = new Error('x')
    assert.deepEqual(
      [
        askAnswer({ outcome: 'renewed', kept: true }),
        askAnswer({ outcome: 'refused', refusal: { code: 'tcb_unacceptable' }, judged: true }),
        askAnswer({ outcome: 'refused', refusal: { code: 'busy' }, judged: false }),
        askAnswer({ outcome: 'refused', refusal: { code: 'lapsed' }, judged: false }),
        askAnswer({ outcome: 'silent', error }),
        askAnswer({ outcome: 'declined', code: 'busy' }),
        askAnswer({ outcome: 'no_verdict', error }),
      ],
      ['renewed', 'judged', 'alive', 'none', 'alive', 'alive', 'none'],
    )
  })
})

describe('renewal in a modelled cluster', function () {
  this.timeout(20_000)
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length
  const noLapse = ({ nodes }: ModelCluster, seed: number) => {
    for (const { id, counts } of nodes) assert.equal(counts.lapses, 0, `node ${id} lapsed (seed ${seed})`)
  }
  /** A lease's average of what each node did. */
  const rates = ({ nodes }: ModelCluster, leases: number) => ({
    begun: nodes.map(({ counts }) => counts.begun / leases),
    quotes: nodes.map(({ counts }) => counts.quotes / leases),
  })

  it('judges everybody within a lifetime, for two weeks, most at about half of it, at a bounded cost', () => {
    const leases = 14 * 24
    const cluster = new ModelCluster(5, 42).run(leases * LIFETIME_MS)
    noLapse(cluster, 42)
    const ages = cluster.nodes.flatMap((node) => node.ages).sort((a, b) => a - b)
    const at = (share: number) => ages[Math.floor(ages.length * share)]!
    assert.ok(at(0.5) > 0.44 && at(0.5) < 0.56, `median ${at(0.5)}`)
    assert.ok(at(0.05) > 0.35 && at(0.95) < 0.72, `${at(0.05)} to ${at(0.95)}`)
    const { begun, quotes } = rates(cluster, leases)
    assert.ok(mean(quotes) < 2.3 && mean(begun) < 2.6, `${mean(quotes)} quotes, ${mean(begun)} begun`)
    assert.ok(Math.max(...quotes) < 1.2 * mean(quotes) && Math.max(...begun) < 1.3 * mean(begun))
    assert.ok(cluster.nodes.every(({ raised }) => raised.size === 0 || [...raised].every((alarm) => alarm === 'renewal_late')))
  })

  it('costs each member as much in a cluster of 50 as in one of 3', () => {
    for (const [size, leases] of [
      [3, 48],
      [50, 10],
    ] as const) {
      const cluster = new ModelCluster(size, size).run(leases * LIFETIME_MS)
      noLapse(cluster, size)
      const { begun, quotes } = rates(cluster, leases)
      assert.ok(mean(quotes) < 2.4 && mean(begun) < 2.8, `${size}: ${mean(quotes)} quotes, ${mean(begun)} begun`)
    }
  })

  it('lets nobody lapse while half of the members answer, or each of them every second time', () => {
    fc.assert(
      fc.property(fc.integer({ min: 3, max: 16 }), fc.integer(), fc.boolean(), (size, seed, halfOfThem) => {
        const half = Math.ceil(size / 2)
        const tries = new Map<number, number>()
        const answers = (verifier: number): boolean => {
          const before = tries.get(verifier) ?? 0
          tries.set(verifier, before + 1)
          return halfOfThem ? verifier < half : before % 2 === 1
        }
        const cluster = new ModelCluster(size, seed, { answers }).run(DAY_MS)
        noLapse(cluster, seed)
        // Looks are at least half their mean apart.
        assert.ok(Math.max(...rates(cluster, 24).begun) <= 128)
      }),
      { numRuns: 12 },
    )
  })

  it('brings a cluster through 23 hours without quoting, with nothing lost but calm', () => {
    for (const size of [2, 5, 9]) {
      const from = Date.UTC(2026, 5, 1) + 2 * HOUR_MS
      const outage = (atMs: number) => atMs >= from && atMs < from + 23 * HOUR_MS
      let ended = 0
      const cluster = new ModelCluster(size, size, { quotes: (_node, atMs) => !outage(atMs) })
      cluster.run(25 * HOUR_MS, ({ nodes }) => {
        ended += nodes.filter((node) => !cluster.standing(node).serves).length
      })
      assert.equal(ended, 0, 'somebody stopped serving')
      assert.ok(cluster.nodes.every(({ raised }) => raised.has('lapsed')))
      cluster.run(LIFETIME_MS)
      for (const node of cluster.nodes) {
        assert.deepEqual(
          cluster.standing(node),
          { standing: 'active', mayIssue: true, serves: true },
          `node ${node.id} of ${size}`,
        )
        assert.equal(node.alarms.size, 0)
      }
      const selfIssues = Math.max(...cluster.nodes.map(({ counts }) => counts.selfIssues))
      assert.ok(selfIssues < 23 * 26, `${selfIssues} tries`)
    }
  })

  it('keeps the last one standing after a power cut of all others, and makes it whole when one is back', () => {
    const start = Date.UTC(2026, 5, 1)
    for (const blind of [false, true]) {
      const up = (node: number, atMs: number) => node === 0 || atMs < start + HOUR_MS || (node === 1 && atMs > start + 2 * DAY_MS)
      const cluster = new ModelCluster(9, 3, { up, blind }).run(2 * DAY_MS)
      const [last] = cluster.nodes
      assert.equal(last!.counts.lapses, 0)
      assert.deepEqual(cluster.standing(last!), { standing: 'self_issued', mayIssue: true, serves: true })
      cluster.run(2 * HOUR_MS)
      assert.equal(cluster.standing(last!).standing, 'active')
      assert.equal(cluster.standing(cluster.nodes[1]!).standing, 'active')
    }
  })

  it('makes one of two halves of which each has kept itself alive', () => {
    const start = Date.UTC(2026, 5, 1)
    const connected = (a: number, b: number, atMs: number) => atMs > start + DAY_MS || a === b
    const cluster = new ModelCluster(2, 8, { connected }).run(DAY_MS)
    assert.ok(cluster.nodes.every((node) => node.credential.selfIssued))
    assert.ok(cluster.nodes.every(({ counts }) => counts.lapses === 0))
    cluster.run(1)
    cluster.sync()
    cluster.run(5 * MINUTE_MS)
    assert.ok(cluster.nodes.every((node) => cluster.standing(node).standing === 'active'))
  })

  it('lets a member with a wrong clock throw out nobody, and names it', () => {
    const start = Date.UTC(2026, 5, 1)
    for (const off of [DAY_MS, -DAY_MS, 31 * DAY_MS, -31 * DAY_MS]) {
      const clockOffMs = (node: number, atMs: number) => (node === 0 && atMs > start + 3 * HOUR_MS ? off : 0)
      const cluster = new ModelCluster(5, 4, { clockOffMs })
      cluster.run(3 * HOUR_MS)
      const begun = cluster.nodes[0]!.counts.begun
      cluster.run(2 * HOUR_MS)
      const [wrong, ...rest] = cluster.nodes
      assert.ok(wrong!.counts.begun <= begun + 1, 'went on judging')
      assert.equal(wrong!.counts.selfIssues, 0)
      assert.ok(wrong!.raised.has('own_clock'))
      for (const node of rest) {
        assert.equal(node.counts.lapses, 0)
        assert.equal(cluster.standing(node).standing, 'active')
        assert.ok(node.alarms.has('member_clock 0'))
      }
    }
  })
})
