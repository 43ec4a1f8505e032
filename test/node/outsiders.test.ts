import assert from 'node:assert/strict'
import { decodeOutsiderAnswer, isUnder, OUTSIDER_QUOTE_PAUSE_MS, OUTSIDERS_MAX } from '../../protocols/evidence/index.ts'
import { decodeEvidence } from '../../protocols/records/index.ts'
import type { Attester } from '../../src/attest/index.ts'
import { type Clock, silentLog, systemClock, systemRandom } from '../../src/base/index.ts'
import type { Membership } from '../../src/node/membership.ts'
import { MembersFirst, Outsiders } from '../../src/node/outsiders.ts'

const PEER_ID = Uint8Array.from([0, 36, 8, 1, 18, 32, ...new Uint8Array(32)])
const nonceHex = () => Buffer.from(systemRandom.bytes(32)).toString('hex')
const turn = () => new Promise<void>((resolve) => setImmediate(resolve))

/** Time that passes only where somebody waits for it, and then at once. */
class StepClock implements Clock {
  ms = 0
  slept: number[] = []
  now = () => this.ms
  monotonicMs = () => this.ms
  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    await turn()
    signal?.throwIfAborted()
    this.slept.push(ms)
    this.ms += ms
  }
  deadline = systemClock.deadline
}

/** A member whose quotes are counted, and made when the test lets them. */
class FakeMember {
  quotes: number[] = []
  hold: Promise<void> | undefined
  fails = false
  readonly clock = new StepClock()
  readonly stopping = new AbortController()
  readonly first = new MembersFirst()
  member: Membership | undefined = {
    keys: { clusterId: new Uint8Array(32) },
    issuer: { peerId: PEER_ID },
    credentialBytes: Uint8Array.of(1),
    genesis: {
      record: Uint8Array.of(1),
      signature: new Uint8Array(64),
      policy: Uint8Array.of(1, 1),
      evidence: Uint8Array.of(1),
    },
  } as unknown as Membership
  readonly attester = {
    tee: 'emulator',
    extend: async () => {},
    eventLog: () => [],
    collateral: async () => undefined,
    quote: async () => {
      this.quotes.push(this.clock.ms)
      await this.hold
      if (this.fails) throw new Error('no quote today')
      return Uint8Array.of(1)
    },
  } as unknown as Attester
  readonly outsiders = new Outsiders({
    membership: () => this.member,
    attester: () => this.attester,
    idle: (signal) => this.first.idle(signal),
    clock: this.clock,
    log: silentLog,
    signal: this.stopping.signal,
  })
  ask(nonce = nonceHex(), signal = new AbortController().signal): Promise<string> {
    return this.outsiders.ask(nonce, signal)!
  }
}

const root = (answer: string): string => {
  const { evidence, nonce, leaf } = decodeOutsiderAnswer(answer)
  const [, , bound] = decodeEvidence(evidence).binding.fields
  assert.ok(isUnder(bound!, nonce, leaf))
  return Buffer.from(bound!).toString('hex')
}

describe('evidence for outsiders', () => {
  it('makes one quote for all that wait, and gives each his own path', async () => {
    const { promise, resolve } = Promise.withResolvers<void>()
    const node = new FakeMember()
    node.hold = promise
    const first = node.ask()
    while (node.quotes.length === 0) await turn()
    // These come while a quote is being made: it cannot be theirs.
    const later = Array.from({ length: 100 }, () => node.ask())
    resolve()
    const roots = new Set((await Promise.all(later)).map(root))
    assert.equal(roots.size, 1)
    assert.ok(!roots.has(root(await first)))
    assert.equal(node.quotes.length, 2)
  })

  it('makes no two quotes within ten seconds, however many ask', async () => {
    const node = new FakeMember()
    for (let i = 0; i < 5; i++) await Promise.all([node.ask(), node.ask(), node.ask()])
    assert.equal(node.quotes.length, 5)
    for (let i = 1; i < 5; i++) assert.ok(node.quotes[i]! - node.quotes[i - 1]! >= OUTSIDER_QUOTE_PAUSE_MS)
  })

  it("waits until no member's quote is under way", async () => {
    const node = new FakeMember()
    const { promise, resolve } = Promise.withResolvers<void>()
    const members = { ...node.attester, quote: () => promise.then(() => Uint8Array.of(2)) }
    const quoting = node.first.counting(members).quote(new Uint8Array(64))
    const answer = node.ask()
    for (let i = 0; i < 10; i++) await turn()
    assert.equal(node.quotes.length, 0)
    resolve()
    await quoting
    await answer
    assert.equal(node.quotes.length, 1)
  })

  it('takes no more askers than its limit, and forgets those that go', async () => {
    const node = new FakeMember()
    await node.ask()
    const gone = new AbortController()
    const waiting = Array.from({ length: OUTSIDERS_MAX }, () => node.outsiders.ask(nonceHex(), gone.signal)!)
    assert.throws(() => node.outsiders.ask(nonceHex(), new AbortController().signal), { code: 'busy' })
    gone.abort(new Error('gone'))
    await Promise.all(waiting.map((each) => assert.rejects(each, /gone/)))
    await node.ask()
    // Nobody was left of the crowd: no quote was made for them alone.
    assert.equal(node.quotes.length, 2)
  })

  it('tells the askers when no quote can be made, and serves the next', async () => {
    const node = new FakeMember()
    node.fails = true
    await assert.rejects(node.ask(), { code: 'no_quote' })
    node.fails = false
    root(await node.ask())
  })

  it('answers no nonce that is none, and nothing before it is a member', () => {
    const node = new FakeMember()
    for (const bad of ['', 'zz'.repeat(16), '00'.repeat(15), '00'.repeat(65), `${'00'.repeat(16)}0`, 'é'.repeat(32)]) {
      assert.equal(node.outsiders.ask(bad, new AbortController().signal), undefined, bad)
    }
    node.member = undefined
    assert.throws(() => node.outsiders.ask('00'.repeat(16), new AbortController().signal), { code: 'not_member' })
  })
})
