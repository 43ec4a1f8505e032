import assert from 'node:assert/strict'
import { nextSlowness, SLOWNESS_MAX, stretched, suspicionMs } from '../../src/members/index.ts'

describe('the arithmetic of failure detection', () => {
  it('shortens a suspicion with each confirmation, by less each time, down to the least', () => {
    const table: [confirmations: number, expected: number, ms: number][] = [
      [0, 3, 6000],
      [1, 3, 3750],
      [2, 3, 2434],
      [3, 3, 1500],
      [4, 3, 1500],
      [0, 1, 6000],
      [1, 1, 1500],
      // Nobody is there who could confirm.
      [0, 0, 1500],
    ]
    for (const [confirmations, expected, ms] of table) {
      assert.equal(Math.round(suspicionMs(confirmations, expected, 1500, 6000)), ms, `${confirmations} of ${expected}`)
    }
  })

  it('keeps the own slowness between none and the most', () => {
    const table: [slowness: number, sign: number, next: number][] = [
      [0, -1, 0],
      [0, 1, 1],
      [3, -1, 2],
      [SLOWNESS_MAX, 1, SLOWNESS_MAX],
      [SLOWNESS_MAX - 1, 3, SLOWNESS_MAX],
    ]
    for (const [slowness, sign, next] of table) assert.equal(nextSlowness(slowness, sign), next)
  })

  it('stretches timeouts by whole multiples', () => {
    assert.deepEqual(
      [0, 1, SLOWNESS_MAX].map((slowness) => stretched(500, slowness)),
      [500, 1000, 4500],
    )
  })
})
