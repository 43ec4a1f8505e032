import assert from 'node:assert/strict'
import { type Clock, silentLog, systemClock } from '../../src/base/index.ts'
import { ShownCertificate } from '../../src/node/shown-certificate.ts'
import { Recorder } from './support.ts'

const HOUR_MS = 3_600_000

describe('the certificate that Info shows', () => {
  let elapsedMs = 0
  const clock: Clock = { ...systemClock, now: () => 1_000_000, monotonicMs: () => elapsedMs }
  /** Nobody is patient. */
  const hasty: Clock = { ...clock, deadline: (ms, parent) => systemClock.deadline(ms < 1_000 ? 1 : ms, parent) }
  beforeEach(() => {
    elapsedMs = 0
  })

  it('is made once for all who ask, and again after a day, good for a day more', async () => {
    const made: number[] = []
    const shown = new ShownCertificate(
      async (notAfter) => {
        made.push(notAfter)
        return [`leaf ${made.length}\n`, 'ca\n']
      },
      { clock, log: silentLog },
    )
    assert.deepEqual(new Set(await Promise.all([shown.pem(), shown.pem(), shown.pem()])), new Set(['leaf 1\nca\n']))
    elapsedMs = 24 * HOUR_MS - 1
    assert.equal(await shown.pem(), 'leaf 1\nca\n')
    elapsedMs = 24 * HOUR_MS
    assert.equal(await shown.pem(), 'leaf 2\nca\n')
    assert.deepEqual(made, [1_000 + 48 * 3_600, 1_000 + 48 * 3_600])
  })

  it('keeps nobody waiting: there is none yet, or still the one before, while another takes its time', async () => {
    const makings: PromiseWithResolvers<readonly string[]>[] = []
    const make = (): Promise<readonly string[]> => {
      const making = Promise.withResolvers<readonly string[]>()
      makings.push(making)
      return making.promise
    }
    const shown = new ShownCertificate(make, { clock: hasty, log: silentLog })
    assert.equal(await shown.pem(), '')
    assert.equal(await shown.pem(), '')
    assert.equal(makings.length, 1)
    makings[0]!.resolve(['first'])
    await new Promise(setImmediate)
    assert.equal(await shown.pem(), 'first')
    elapsedMs = 25 * HOUR_MS
    assert.equal(await shown.pem(), 'first')
    makings[1]!.resolve(['second'])
    await new Promise(setImmediate)
    assert.equal(await shown.pem(), 'second')
  })

  it('is tried again when it could not be made, and the log says why', async () => {
    const log = new Recorder()
    let fails = true
    const make = async (): Promise<readonly string[]> => {
      if (fails) throw new Error('no quote today')
      return ['at last']
    }
    const shown = new ShownCertificate(make, { clock, log })
    assert.equal(await shown.pem(), '')
    assert.deepEqual(log.all('app.certificate_failed'), [{ reason: 'no quote today' }])
    fails = false
    assert.equal(await shown.pem(), 'at last')
  })
})
