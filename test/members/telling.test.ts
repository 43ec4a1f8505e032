import assert from 'node:assert/strict'
import { setImmediate } from 'node:timers/promises'
import { type Clock, systemClock } from '../../src/base/index.ts'
import type { OwnRecord } from '../../src/members/own-record.ts'
import { Telling } from '../../src/members/telling.ts'

describe('what is to be told soon', () => {
  it('is told once for many reasons within a second, and again no sooner than five later', async () => {
    let nowMs = 0
    const publishedAt: number[] = []
    const clock: Clock = { ...systemClock, now: () => nowMs, monotonicMs: () => nowMs }
    const telling = new Telling({
      own: { make: async () => new Uint8Array(1) } as unknown as OwnRecord,
      network: {
        publish: async () => {
          publishedAt.push(nowMs)
          return true
        },
      },
      clock,
      random: { bytes: (length) => new Uint8Array(length), uniform: () => 0.5 },
      size: () => 100,
      failed: (_, error) => assert.fail(String(error)),
    })
    // What is told by itself, at this size, would be told after minutes.
    telling.tell()
    await telling.told()
    const passTo = async (endMs: number, each: () => void): Promise<void> => {
      for (; nowMs < endMs; nowMs += 100) {
        each()
        telling.tick(nowMs)
        await setImmediate()
        await telling.told()
      }
    }
    await passTo(20_000, () => {})
    assert.deepEqual(publishedAt, [0])
    telling.soon()
    telling.soon()
    await passTo(21_000, () => {})
    assert.equal(publishedAt.length, 2)
    await passTo(31_000, () => telling.soon())
    assert.equal(publishedAt.length, 4)
    assert.ok(publishedAt[2]! - publishedAt[1]! >= 5_000 && publishedAt[3]! - publishedAt[2]! >= 5_000, publishedAt.join())
  })
})
