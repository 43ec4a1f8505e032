import assert from 'node:assert/strict'
import { DeadlineError, systemClock, systemRandom } from '../../src/base/index.ts'

describe('the system clock', () => {
  it('never goes back on its monotonic side', () => {
    let last = systemClock.monotonicMs()
    for (let i = 0; i < 1_000; i++) {
      const now = systemClock.monotonicMs()
      assert.ok(now >= last)
      last = now
    }
  })

  it('aborts a deadline with its error, unless it is cleared', async () => {
    const late = systemClock.deadline(1)
    await new Promise((resolve) => late.signal.addEventListener('abort', resolve))
    assert.ok(late.signal.reason instanceof DeadlineError)
    const cleared = systemClock.deadline(1)
    cleared.clear()
    await systemClock.sleep(20)
    assert.ok(!cleared.signal.aborted)
  })

  it('hands a parent abort on, also one that came before', () => {
    const parent = new AbortController()
    const child = systemClock.deadline(60_000, parent.signal)
    parent.abort(new Error('enough'))
    assert.equal((child.signal.reason as Error).message, 'enough')
    assert.ok(systemClock.deadline(60_000, parent.signal).signal.aborted)
  })

  it('ends a sleep early when its signal aborts', async () => {
    const stop = new AbortController()
    const sleeping = systemClock.sleep(60_000, stop.signal)
    stop.abort(new Error('wake up'))
    await assert.rejects(sleeping, /wake up/)
    await assert.rejects(systemClock.sleep(60_000, stop.signal), /wake up/)
  })
})

describe('system randomness', () => {
  it('gives each caller a buffer of its own', () => {
    const [a, b] = [systemRandom.bytes(32), systemRandom.bytes(32)]
    assert.notDeepEqual(a, b)
    assert.notEqual(a.buffer, b.buffer)
    assert.equal(a.buffer.byteLength, 32)
  })

  it('draws from 0 up to, and not including, 1', () => {
    for (let i = 0; i < 1_000; i++) {
      const x = systemRandom.uniform()
      assert.ok(x >= 0 && x < 1)
    }
  })
})
