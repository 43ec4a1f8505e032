import assert from 'node:assert/strict'
import fc from 'fast-check'
import { TokenBuckets } from '../../../protocols/onboard/index.ts'

/** A bucket as one would draw it: a level that rises. */
class Drawn {
  #level: number
  #atMs = 0
  constructor(readonly rate: { burst: number; refillMs: number }) {
    this.#level = rate.burst
  }
  take(nowMs: number): boolean {
    this.#level = Math.min(this.rate.burst, this.#level + (nowMs - this.#atMs) / this.rate.refillMs)
    this.#atMs = nowMs
    // Both compute with fractions: what lacks a millionth of a token is a whole one.
    if (this.#level < 1 - 1e-6) return false
    this.#level -= 1
    return true
  }
}

describe('token buckets', () => {
  const rates = fc.record({ burst: fc.integer({ min: 1, max: 50 }), refillMs: fc.integer({ min: 1, max: 5_000 }) })
  const takes = fc.array(fc.record({ key: fc.constantFrom('a', 'b', 'c'), afterMs: fc.nat(3_000) }), { maxLength: 200 })

  it('give what a bucket with a level gives, to each key by itself', () => {
    fc.assert(
      fc.property(rates, takes, (rate, asked) => {
        const buckets = new TokenBuckets({ ...rate, maxKeys: 10 })
        const drawn = new Map(['a', 'b', 'c'].map((key) => [key, new Drawn(rate)]))
        let nowMs = 0
        for (const { key, afterMs } of asked) {
          nowMs += afterMs
          assert.equal(buckets.take(key, nowMs) === 0, drawn.get(key)!.take(nowMs))
        }
      }),
      { numRuns: 1_000 },
    )
  })

  it('never give more than a burst and the rate, in any span of time', () => {
    fc.assert(
      fc.property(rates, fc.array(fc.nat(2_000), { maxLength: 200 }), (rate, pauses) => {
        const buckets = new TokenBuckets({ ...rate, maxKeys: 10 })
        const taken: number[] = []
        let nowMs = 0
        for (const pauseMs of pauses) {
          nowMs += pauseMs
          if (buckets.take('a', nowMs) === 0) taken.push(nowMs)
        }
        for (const [from, begin] of taken.entries())
          for (const [to, end] of taken.entries())
            if (to >= from) assert.ok(to - from + 1 <= rate.burst + (end - begin) / rate.refillMs + 1e-6)
      }),
    )
  })

  it('have a token after the time that they name, and none before', () => {
    fc.assert(
      fc.property(rates, fc.integer({ min: 0, max: 100_000 }), (rate, nowMs) => {
        const buckets = new TokenBuckets({ ...rate, maxKeys: 10 })
        for (let i = 0; i < rate.burst; i++) assert.equal(buckets.take('a', nowMs), 0)
        const waitMs = buckets.take('a', nowMs)
        assert.ok(waitMs > 0 && waitMs <= rate.refillMs)
        assert.ok(buckets.take('a', nowMs + waitMs / 2) > 0)
        assert.equal(buckets.take('a', nowMs + waitMs), 0)
      }),
    )
  })

  it('remember no more than they may, whoever comes, and nobody who has a full bucket', () => {
    const buckets = new TokenBuckets({ burst: 4, refillMs: 1_000, maxKeys: 1_000 })
    for (let i = 0; i < 100_000; i++) {
      assert.equal(buckets.take(`peer ${i}`, i / 1_000), 0)
      assert.ok(buckets.size <= 1_000)
    }
    assert.equal(buckets.size, 1_000)
    assert.equal(buckets.take('later', 10_000), 0)
    assert.equal(buckets.size, 1)
  })

  it('forget, when there are too many, whoever took longest ago', () => {
    const buckets = new TokenBuckets({ burst: 1, refillMs: 1_000, maxKeys: 2 })
    assert.deepEqual([buckets.take('a', 0), buckets.take('b', 1), buckets.take('c', 2)], [0, 0, 0])
    assert.deepEqual([buckets.take('b', 3), buckets.take('c', 3)], [998, 999])
    assert.equal(buckets.take('a', 3), 0)
  })
})
