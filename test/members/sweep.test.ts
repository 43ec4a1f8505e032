import assert from 'node:assert/strict'
import fc from 'fast-check'
import { Sweep, type SweepEffect, type SweepEvent, TICK_MS } from '../../src/members/index.ts'

/** A node's sweep, the world that answers it, and a clock that only {@link World.pass} moves. */
class World {
  readonly sweep: Sweep
  readonly log: [atMs: number, effect: SweepEffect][] = []
  nowMs = 0
  /** How a member answers a ping: after so many milliseconds, by its host's refusal, or not at all. */
  readonly answers = new Map<string, number | 'refused' | 'silent'>()
  /** What members say of others when they are asked; absent: they do not answer. */
  says: (via: string, peer: string) => boolean | undefined
  #due: { atMs: number; event: SweepEvent }[] = []

  constructor(peers: readonly string[], seed = 1) {
    let state = seed
    this.sweep = new Sweep({
      uniform: () => {
        state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
        return state / 2 ** 32
      },
    })
    for (const peer of peers) this.answers.set(peer, 5)
    this.says = (via, peer) => (this.#lives(via) ? this.#lives(peer) : undefined)
    this.tell({ kind: 'members', peers })
  }
  #lives(peer: string): boolean {
    return typeof this.answers.get(peer) === 'number'
  }

  tell(event: SweepEvent): SweepEffect[] {
    const effects = this.sweep.handle(event, this.nowMs)
    for (const effect of effects) {
      this.log.push([this.nowMs, effect])
      if (effect.kind === 'ping') {
        const answer = this.answers.get(effect.peer)
        if (typeof answer === 'number')
          this.#due.push({ atMs: this.nowMs + answer, event: { kind: 'answered', peer: effect.peer } })
        if (answer === 'refused') this.#due.push({ atMs: this.nowMs + 1, event: { kind: 'refused', peer: effect.peer } })
      } else if (effect.kind === 'ask') {
        const reached = this.says(effect.via, effect.peer)
        const told = { kind: 'told' as const, via: effect.via, peer: effect.peer }
        if (reached !== undefined) this.#due.push({ atMs: this.nowMs + 20, event: { ...told, reached } })
      }
    }
    return effects
  }
  /** Ticks as a node does that keeps up, or, with `everyMs`, one that does not. */
  pass(ms: number, everyMs = TICK_MS): void {
    for (const endMs = this.nowMs + ms; this.nowMs < endMs; ) {
      const stepMs = this.nowMs + everyMs
      for (;;) {
        this.#due.sort((a, b) => a.atMs - b.atMs)
        if (this.#due[0] === undefined || this.#due[0].atMs > stepMs) break
        const { atMs, event } = this.#due.shift()!
        // A node that does not run reads nothing meanwhile.
        this.nowMs = everyMs === TICK_MS ? Math.max(this.nowMs, atMs) : stepMs
        if (everyMs !== TICK_MS) this.tell({ kind: 'tick' })
        this.tell(event)
      }
      this.nowMs = stepMs
      this.tell({ kind: 'tick' })
    }
  }
  count(kind: SweepEffect['kind'], peer?: string): number {
    return this.log.filter(
      ([, effect]) => effect.kind === kind && (peer === undefined || ('peer' in effect && effect.peer === peer)),
    ).length
  }
}
const names = (count: number): string[] => Array.from({ length: count }, (_, index) => `m${index}`)

describe('the sweep', () => {
  it('pings one member a second, each within two rounds, and accuses nobody that answers', () => {
    const world = new World(names(10))
    world.pass(60_000)
    const pings = world.count('ping')
    assert.ok(pings >= 48 && pings <= 75, `${pings} pings`)
    for (const peer of names(10)) assert.ok(world.count('ping', peer) >= 3, peer)
    assert.deepEqual(
      world.log.filter(([, { kind }]) => kind !== 'ping'),
      [],
    )
    assert.equal(world.sweep.slowness, 0)
  })

  it('notices at once a member whose process was killed: its connections close, its host refuses, others say the same', () => {
    const world = new World(names(7))
    world.pass(5_000)
    world.answers.set('m3', 'refused')
    world.tell({ kind: 'closed', peer: 'm3' })
    const atMs = world.nowMs
    world.pass(1_000)
    const [when] = world.log.find(([, { kind }]) => kind === 'unreachable')!
    assert.ok(when - atMs <= TICK_MS, `${when - atMs} ms`)
    assert.deepEqual([world.count('ask', 'm3'), world.count('hint', 'm3'), world.count('unreachable')], [3, 1, 1])
    assert.ok(!world.sweep.reachable('m3'))
    assert.equal(world.sweep.slowness, 0, 'a refusal says nothing of our own slowness')
  })

  it('asks nobody about a member whose host refuses when enough others have said that they do not reach it', () => {
    const hints = (...authors: string[]): SweepEvent[] => authors.map((author) => ({ kind: 'hint', author, peer: 'm3' }))
    const before = new World(names(7))
    before.answers.set('m3', 'refused')
    for (const hint of hints('m0', 'm1', 'm2')) before.tell(hint)
    before.pass(TICK_MS)
    assert.deepEqual([before.count('ask', 'm3'), before.count('unreachable', 'm3')], [0, 1])

    // Those who were asked are slow to say anything.
    const after = new World(names(7))
    after.says = () => undefined
    after.answers.set('m3', 'refused')
    after.tell({ kind: 'closed', peer: 'm3' })
    after.pass(TICK_MS)
    assert.deepEqual([after.count('ask', 'm3'), after.count('unreachable', 'm3')], [3, 0])
    for (const hint of hints('m0', 'm0', 'm1')) after.tell(hint)
    assert.equal(after.count('unreachable', 'm3'), 0, 'two are not enough')
    after.tell(hints('m2')[0]!)
    assert.equal(after.count('unreachable', 'm3'), 1)

    // Of silence alone they may all be wrong.
    const silent = new World(names(7))
    silent.answers.set('m3', 'silent')
    for (const hint of hints('m0', 'm1', 'm2', 'm4')) silent.tell(hint)
    silent.pass(TICK_MS)
    assert.equal(silent.count('unreachable', 'm3'), 0)
  })

  it('pings again when the connection closes that a ping was lost with', () => {
    const world = new World(names(7))
    world.answers.set('m3', 'silent')
    world.tell({ kind: 'hint', author: 'm0', peer: 'm3' })
    world.answers.set('m3', 'refused')
    world.tell({ kind: 'closed', peer: 'm3' })
    world.pass(TICK_MS)
    assert.deepEqual([world.count('ping', 'm3'), world.count('unreachable', 'm3')], [2, 1])
  })

  it('notices three of seven that are killed at once', () => {
    const world = new World(names(6))
    for (const peer of ['m0', 'm1', 'm2']) world.answers.set(peer, 'refused')
    for (const peer of ['m0', 'm1', 'm2']) world.tell({ kind: 'closed', peer })
    world.pass(6_000)
    assert.deepEqual(
      names(6).map((peer) => world.sweep.reachable(peer)),
      [false, false, false, true, true, true],
    )
  })

  it('notices the next one as soon when of many members few are left', () => {
    const world = new World(names(9))
    world.pass(5_000)
    const kill = (peers: readonly string[]): number => {
      for (const peer of peers) world.answers.set(peer, 'refused')
      for (const peer of peers) world.tell({ kind: 'closed', peer })
      return world.nowMs
    }
    kill(['m0', 'm1', 'm2', 'm3', 'm4', 'm5'])
    world.pass(20_000)
    assert.equal(world.count('unreachable'), 6)
    const atMs = kill(['m6'])
    world.pass(5_000)
    const [when] = world.log.find(([, effect]) => effect.kind === 'unreachable' && effect.peer === 'm6')!
    assert.ok(when - atMs <= TICK_MS, `${when - atMs} ms`)
    assert.ok(world.sweep.reachable('m7') && world.sweep.reachable('m8'))
  })

  it('notices a member that falls silent within ten seconds of its ping, and hears again of it when it is back', () => {
    const world = new World(names(5))
    world.answers.set('m1', 'silent')
    world.pass(20_000)
    assert.ok(!world.sweep.reachable('m1'))
    world.answers.set('m1', 5)
    world.pass(40_000)
    assert.ok(world.sweep.reachable('m1'))
    assert.deepEqual([world.count('unreachable'), world.count('reachable')], [1, 1])
    assert.equal(world.sweep.slowness, 0)
  })

  it('knows soon that all are back when one is, however long the line was cut', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const world = new World(names(9), seed)
      const cut = names(9).slice(4)
      for (const peer of cut) world.answers.set(peer, 'silent')
      world.pass(120_000)
      for (const peer of cut) assert.ok(!world.sweep.reachable(peer))
      for (const peer of cut) world.answers.set(peer, 5)
      for (let waits = 0; world.count('reachable') === 0 && waits < 400; waits++) world.pass(TICK_MS)
      world.pass(3_000)
      for (const peer of cut) assert.ok(world.sweep.reachable(peer), `seed ${seed}: ${peer}`)
    }
  })

  it('soon tries again whom it tried in vain when the line was back', () => {
    const world = new World(names(6))
    for (const peer of names(5)) world.answers.set(peer, 'silent')
    world.pass(180_000)
    for (const peer of names(4)) world.answers.set(peer, 5)
    while (!world.sweep.reachable('m0')) world.pass(TICK_MS)
    // What m4 was asked in this time, or answered, is lost.
    world.pass(3_000)
    world.answers.set('m4', 5)
    world.pass(6_000)
    assert.ok(world.sweep.reachable('m4'))
  })

  it('does not take for dead whom others reach, however long the way from here is cut', () => {
    const world = new World(names(6))
    world.says = () => true
    world.answers.set('m2', 'refused')
    world.pass(60_000)
    assert.ok(world.count('ask', 'm2') > 0)
    assert.deepEqual([world.count('unreachable'), world.count('hint')], [0, 0])
  })

  it('accuses nobody while it is itself too slow, and believes answers that waited while it did not run', () => {
    const world = new World(names(8))
    for (const peer of names(8)) world.answers.set(peer, 300)
    world.pass(120_000, 4_000)
    assert.ok(world.sweep.slowness >= 3)
    assert.deepEqual([world.count('hint'), world.count('unreachable')], [0, 0])
    world.pass(120_000)
    assert.equal(world.sweep.slowness, 0)
  })

  it('gives a suspected member time to contradict: by a newer record, an answer that comes late, or another member', () => {
    for (const word of [
      { kind: 'spoke', peer: 'm1' },
      { kind: 'answered', peer: 'm1' },
    ] as const) {
      const world = new World(names(5))
      world.answers.set('m1', 'silent')
      while (world.count('hint', 'm1') === 0) world.pass(TICK_MS)
      world.answers.set('m1', 5)
      world.tell(word)
      world.pass(30_000)
      assert.equal(world.count('unreachable'), 0)
    }
  })

  it('pings before it believes a hint, and does not believe one accuser, or one thousand hints of his', () => {
    const world = new World(names(5))
    for (let hints = 0; hints < 1_000; hints++) world.tell({ kind: 'hint', author: 'm0', peer: 'm1' })
    assert.equal(world.count('ping', 'm1'), 1)
    world.pass(10_000)
    assert.deepEqual([world.count('unreachable'), world.count('hint')], [0, 0])
  })

  it('adds no accusation to those of enough others', () => {
    const accused = (others: number): World => {
      const world = new World(names(9))
      world.answers.set('m8', 'refused')
      for (let other = 0; other < others; other++) world.tell({ kind: 'hint', author: `m${other}`, peer: 'm8' })
      world.pass(10_000)
      return world
    }
    const [two, three] = [accused(2), accused(3)]
    assert.deepEqual([two.count('unreachable', 'm8'), two.count('hint', 'm8')], [1, 1])
    assert.deepEqual([three.count('unreachable', 'm8'), three.count('hint', 'm8')], [1, 0])
    // What those said that were asked, they said to it alone.
    const asked = new World(names(9))
    asked.answers.set('m8', 'refused')
    asked.says = () => undefined
    asked.tell({ kind: 'closed', peer: 'm8' })
    asked.pass(TICK_MS)
    for (const [, effect] of [...asked.log])
      if (effect.kind === 'ask') asked.tell({ kind: 'told', via: effect.via, peer: 'm8', reached: false })
    assert.equal(asked.count('hint', 'm8'), 1)
    // It is back, and gone again: then it takes as many again.
    three.answers.set('m8', 5)
    three.pass(60_000)
    assert.ok(three.sweep.reachable('m8'))
    three.answers.set('m8', 'refused')
    three.pass(60_000)
    assert.equal(three.count('hint', 'm8'), 1)
  })

  it('listens only to whom it asked, once each', () => {
    const world = new World(names(5))
    world.says = () => undefined
    world.answers.set('m1', 'silent')
    while (world.count('ask', 'm1') === 0) world.pass(TICK_MS)
    const asked = world.log.flatMap(([, effect]) => (effect.kind === 'ask' ? [effect.via] : []))
    assert.ok(!asked.includes('m1'))
    world.tell({ kind: 'told', via: 'a stranger', peer: 'm1', reached: true })
    world.pass(20_000)
    assert.equal(world.count('unreachable', 'm1'), 1)
  })

  it('keeps a flapping member from filling the topic', () => {
    const world = new World(names(5))
    for (let seconds = 0; seconds < 120; seconds++) {
      world.answers.set('m1', seconds % 2 === 0 ? 'refused' : 5)
      world.tell({ kind: 'closed', peer: 'm1' })
      world.pass(1_000)
    }
    assert.ok(world.count('unreachable', 'm1') >= 2)
    assert.ok(world.count('hint', 'm1') <= 13, `${world.count('hint', 'm1')} hints`)
  })

  it('answers accusations of itself, but not all of them, and takes them for a sign that it is slow', () => {
    const world = new World(names(5))
    world.pass(1_000)
    for (let times = 0; times < 100; times++) world.tell({ kind: 'accused' })
    assert.equal(world.count('refute'), 1)
    assert.equal(world.sweep.slowness, 8)
  })

  it('in a cluster of two believes its own eyes', () => {
    const world = new World(['other'])
    world.answers.set('other', 'silent')
    world.pass(12_000)
    assert.ok(!world.sweep.reachable('other'))
  })

  it('forgets whom it need not watch any more, in whatever phase, and watches who is new', () => {
    const world = new World(names(5))
    world.answers.set('m1', 'silent')
    while (world.count('hint', 'm1') === 0) world.pass(TICK_MS)
    world.tell({ kind: 'members', peers: ['m0', 'm5'] })
    world.answers.set('m5', 5)
    world.pass(10_000)
    assert.deepEqual([world.count('unreachable'), world.sweep.reachable('m1'), world.sweep.reachable('m5')], [0, false, true])
    assert.ok(world.count('ping', 'm5') > 0)
  })

  it('checks no more than so many at once when all connections close', () => {
    const world = new World(names(1_000))
    for (const peer of names(1_000)) world.tell({ kind: 'closed', peer })
    assert.equal(world.count('ping'), 64)
    world.pass(10_000)
    for (const peer of names(1_000)) assert.ok(world.count('ping', peer) >= 1, peer)
  })

  it('never accuses a member that answers and never trusts one that does not, whatever else happens', () => {
    const event = fc.oneof(
      fc.record({ kind: fc.constantFrom('closed' as const, 'spoke' as const), peer: fc.constantFrom(...names(6)) }),
      fc.record({ kind: fc.constant('hint' as const), author: fc.constantFrom(...names(6)), peer: fc.constantFrom(...names(6)) }),
      fc.record({
        kind: fc.constant('told' as const),
        via: fc.constantFrom(...names(6)),
        peer: fc.constantFrom('m1', 'm2', 'm3', 'm4', 'm5'),
        reached: fc.constant(false),
      }),
      fc.constant({ kind: 'accused' as const }),
    )
    fc.assert(
      fc.property(fc.array(fc.tuple(event, fc.nat(900)), { maxLength: 60 }), fc.nat(), (events, seed) => {
        const world = new World(names(6), seed)
        world.answers.set('m0', 'silent')
        for (const [each, ms] of events) {
          world.tell(each)
          world.pass(ms - (ms % TICK_MS))
        }
        for (const peer of names(6).slice(1)) assert.equal(world.count('unreachable', peer), 0)
        world.pass(200_000)
        assert.ok(!world.sweep.reachable('m0'))
      }),
      { numRuns: 60 },
    )
  })
})
