import assert from 'node:assert/strict'
import { systemClock } from '../../../src/index.ts'
import { Rate } from '../../../testnet/stellar/rate.ts'

describe('devnet ledger, rates', () => {
  it('grants a burst, then so many a second, to each address on its own', () => {
    let now = 0
    const rate = new Rate({ ...systemClock, monotonicMs: () => now }, 2, 3)
    assert.deepEqual(
      [1, 2, 3, 4].map(() => rate.take('a')),
      [undefined, undefined, undefined, 1],
    )
    assert.equal(rate.take('b'), undefined)
    now += 499
    assert.equal(rate.take('a'), 1)
    now += 1
    assert.equal(rate.take('a'), undefined)
    assert.equal(rate.take('a'), 1)
    now += 3_600_000
    assert.deepEqual(
      [1, 2, 3, 4].map(() => rate.take('a')),
      [undefined, undefined, undefined, 1],
    )
  })

  it('says how long to wait where that is more than a second', () => {
    const rate = new Rate({ ...systemClock, monotonicMs: () => 0 }, 0.1, 1)
    assert.equal(rate.take('a'), undefined)
    assert.equal(rate.take('a'), 10)
  })

  it('forgets those it has not seen for long', () => {
    const rate = new Rate({ ...systemClock, monotonicMs: () => 0 }, 1, 1)
    rate.take('first')
    for (let i = 0; i < 10_000; i++) rate.take(`address ${i}`)
    assert.equal(rate.take('first'), undefined)
    assert.equal(rate.take('address 9999'), 1)
  })
})
