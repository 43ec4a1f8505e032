import assert from 'node:assert/strict'
import { OverloadError, Turns, type TurnsInit } from '../../../protocols/onboard/index.ts'
import { FakeClock, rejection } from '../support.ts'

const forever = new AbortController().signal

/** Work that ends when the test says so. */
const job = () => {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  let begun = false
  return {
    get begun() {
      return begun
    },
    work: () => {
      begun = true
      return promise
    },
    end: resolve,
    fail: reject,
  }
}
/** All that follows from what was said has happened. */
const settled = async (): Promise<void> => {
  for (let i = 0; i < 5; i++) await new Promise(setImmediate)
}
const start = (limits: Partial<TurnsInit> = {}) => {
  const clock = new FakeClock()
  const turns = new Turns({ timer: clock, atOnce: 2, maxWaiting: 3, maxWaitMs: 4_000, maxWorkMs: 7_000, ...limits })
  const begin = (signal = forever) => {
    const each = job()
    const done = turns.run(signal, each.work)
    done.catch(() => {})
    return { ...each, done, job: each }
  }
  return { clock, turns, begin }
}

describe('turns', () => {
  it('are given in the order of arrival, so many at once and no more', async () => {
    const { clock, turns, begin } = start()
    const jobs = [begin(), begin(), begin(), begin(), begin()]
    const begun = () => jobs.map(({ job }) => job.begun)
    await settled()
    assert.deepEqual(begun(), [true, true, false, false, false])
    jobs[1]!.end()
    await settled()
    assert.deepEqual(begun(), [true, true, true, false, false])
    jobs[0]!.fail(new Error('went wrong'))
    await settled()
    assert.deepEqual(begun(), [true, true, true, true, false])
    for (const { end } of jobs) end()
    await settled()
    assert.deepEqual(begun(), [true, true, true, true, true])
    assert.equal((await rejection(jobs[0]!.done)).message, 'went wrong')
    await Promise.all(jobs.slice(1).map(({ done }) => done))
    assert.deepEqual([turns.running, turns.waiting, clock.running], [0, 0, 0])
  })

  it('are refused at once when too many wait', async () => {
    const { begin } = start()
    for (let i = 0; i < 5; i++) begin()
    assert.ok((await rejection(begin().done)) instanceof OverloadError)
  })

  it('are refused to whoever would wait too long, and his place is another', async () => {
    const { clock, turns, begin } = start({ maxWorkMs: 60_000 })
    const [first] = [begin(), begin()]
    const waits = begin()
    clock.pass(3_999)
    const later = begin()
    assert.equal(turns.waiting, 2)
    clock.pass(1)
    assert.ok((await rejection(waits.done)) instanceof OverloadError)
    first.end()
    await settled()
    assert.deepEqual([waits.job.begun, later.job.begun], [false, true])
  })

  it('of those that went away are given to the next', async () => {
    const { turns, begin } = start()
    const [first] = [begin(), begin()]
    const gone = new AbortController()
    const [left, stayed] = [begin(gone.signal), begin()]
    gone.abort(new Error('gone'))
    assert.equal((await rejection(left.done)).message, 'gone')
    assert.equal((await rejection(begin(gone.signal).done)).message, 'gone')
    first.end()
    await settled()
    assert.deepEqual([left.job.begun, stayed.job.begun, turns.running], [false, true, 2])
  })

  it('end when the work takes too long: it does not keep the place', async () => {
    const { clock, begin } = start({ maxWaitMs: 60_000 })
    const [stuck] = [begin(), begin()]
    const next = begin()
    await settled()
    clock.pass(7_000)
    assert.equal((await rejection(stuck.done)).name, 'DeadlineError')
    await settled()
    assert.ok(next.job.begun)
  })

  it('are never lost, even when somebody goes away just as his turn comes', async () => {
    const { turns, begin } = start({ atOnce: 1 })
    const first = begin()
    const going = new AbortController()
    const [second, third] = [begin(going.signal), begin()]
    first.end()
    await first.done
    // The place is the second's from now on, but it has not begun.
    going.abort(new Error('gone'))
    await rejection(second.done)
    await settled()
    assert.ok(third.job.begun)
    third.end()
    await third.done
    assert.deepEqual([turns.running, turns.waiting], [0, 0])
  })

  it('tell what they have before them, as long as such work took lately', async () => {
    const { clock, turns, begin } = start({ maxWaiting: 10 })
    assert.equal(turns.backlogMs, 0)
    for (let i = 0; i < 100; i++) {
      const one = begin()
      await settled()
      clock.pass(10)
      one.end()
      await one.done
    }
    assert.equal(turns.backlogMs, 0)
    for (let i = 0; i < 6; i++) begin()
    await settled()
    assert.ok(Math.abs(turns.backlogMs - 30) < 0.1, `${turns.backlogMs}`)
  })
})
