import assert from 'node:assert/strict'
import { History } from '../../../src/api/status/index.ts'
import { HostRates } from '../../../src/api/status/rate.ts'

const MINUTE_MS = 60_000

describe('what a status page remembers', () => {
  let ms: number
  let history: History
  beforeEach(() => {
    ms = 1_000 * MINUTE_MS
    history = new History({ now: () => ms })
  })

  it('keeps what members did, however often strangers knock', () => {
    history.note({ kind: 'member', peerId: 'a', change: 'joined' })
    for (let i = 0; i < 10_000; i++) history.note({ kind: 'join', peerId: `s${i}`, outcome: 'refused', code: 'busy' })
    const recent = history.recent()
    assert.equal(recent.at(-1)?.kind, 'member')
    assert.equal(recent.filter(({ kind }) => kind === 'join').length, 60)
    assert.deepEqual(
      recent.map(({ number }) => number),
      recent.map(({ number }) => number).sort((a, b) => b - a),
    )
    assert.deepEqual(history.minutes(), [{ atMs: ms, admitted: 0, refused: 10_000, failed: 0 }])
  })

  it('forgets minutes after an hour', () => {
    for (let i = 0; i < 90; i++) {
      history.note({ kind: 'join', peerId: 'a', outcome: 'admitted' })
      ms += MINUTE_MS
    }
    assert.ok(history.minutes().length <= 60)
    assert.ok(history.minutes().every(({ atMs }) => atMs > ms - 60 * MINUTE_MS))
  })

  it('keeps no text that is too long, and not too many', () => {
    history.note({ kind: 'join', peerId: 'x'.repeat(9_999), outcome: 'refused', reasons: Array(99).fill('y'.repeat(9_999)) })
    assert.ok(JSON.stringify(history.recent()).length < 2_000)
  })
})

describe('how often a host may ask', () => {
  it('is its burst at once, then one after the other, each host for itself', () => {
    let ms = 0
    const rates = new HostRates({ monotonicMs: () => ms }, { burst: 3, everyMs: 1_000, hosts: 2 })
    const ask = (host: string) => rates.waitMs(host) === 0
    assert.deepEqual([ask('192.0.2.1'), ask('::ffff:192.0.2.1'), ask('192.0.2.1'), ask('192.0.2.1')], [true, true, true, false])
    assert.equal(ask('192.0.2.2'), true)
    ms += 1_000
    assert.deepEqual([ask('192.0.2.1'), ask('192.0.2.1')], [true, false])
    // Of one /64 all are one host; and only so many are remembered.
    const sixes = ['2001:db8::1', '2001:db8::2', '2001:db8:0:0:ffff::', '2001:db8::3'].map(ask)
    assert.deepEqual(sixes, [true, true, true, false])
    assert.equal(ask('2001:db8:0:1::1'), true)
  })
})
