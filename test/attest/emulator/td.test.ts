import assert from 'node:assert/strict'
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseQuote } from '../../../src/attest/dcap/index.ts'
import { createEmulatedTd, measureProgram } from '../../../src/attest/emulator/index.ts'
import { replayRtmr, tdEvents } from '../../../src/attest/events.ts'
import { UsageError } from '../../../src/base/index.ts'
import { appOf, bytes, hex, ManualClock, MEASUREMENTS, NOW_MS, sharedPki } from '../support.ts'

const clock = new ManualClock()
const start = () => createEmulatedTd({ pki: sharedPki(), measurements: MEASUREMENTS, clock })

describe('an emulated TD', () => {
  it('quotes the report data it is given, its measurements, and RTMR3 as its event log has it', async () => {
    const td = start()
    const before = parseQuote(await td.quote(bytes(64, 7))).td
    assert.equal(hex(before.rtmr[3]), hex(bytes(48, 0)))
    await td.extend(tdEvents([appOf('a'), appOf('b')], bytes(32, 1)))
    const after = parseQuote(await td.quote(bytes(64, 8))).td
    assert.equal(hex(after.reportData), hex(bytes(64, 8)))
    assert.equal(hex(after.mrTd), hex(MEASUREMENTS.mrTd))
    assert.deepEqual(
      after.rtmr.map(hex),
      [MEASUREMENTS.rtmr0, MEASUREMENTS.rtmr1, MEASUREMENTS.rtmr2, replayRtmr(td.eventLog())].map(hex),
    )
    assert.equal(td.eventLog().length, 7)
  })

  it('keeps its own copy of what was extended', async () => {
    const td = start()
    const events = tdEvents([appOf('a')], bytes(32, 1))
    await td.extend(events)
    events[0]!.payload.fill(0)
    const { rtmr } = parseQuote(await td.quote(bytes(64, 0))).td
    assert.equal(hex(rtmr[3]), hex(replayRtmr(td.eventLog())))
  })

  it('quotes nothing but 64 bytes, and nothing once the caller gave up', async () => {
    const td = start()
    for (const length of [0, 63, 65]) await assert.rejects(td.quote(bytes(length, 0)), RangeError)
    const reason = new Error('gave up')
    await assert.rejects(td.quote(bytes(64, 0), AbortSignal.abort(reason)), reason)
    await assert.rejects(td.collateral(AbortSignal.abort(reason)), reason)
  })

  it('has collateral as of its clock', async () => {
    const td = createEmulatedTd({ pki: sharedPki(), measurements: MEASUREMENTS, clock: new ManualClock(NOW_MS + 5_000) })
    const { issueDate } = JSON.parse((await td.collateral()).tcbInfo)
    assert.equal(Date.parse(issueDate), NOW_MS + 5_000 - 3_600_000)
  })
})

describe('the measurements of our own program', () => {
  let folder: string
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'measure-'))
    await mkdir(join(folder, 'src', 'deep'), { recursive: true })
    await mkdir(join(folder, 'protocols'))
    await writeFile(join(folder, 'package.json'), '{"version":"1.2.3"}')
    await writeFile(join(folder, 'src', 'a.js'), 'a')
    await writeFile(join(folder, 'src', 'deep', 'b.js'), 'b')
    await writeFile(join(folder, 'protocols', 'c.js'), 'c')
  })
  afterEach(() => rm(folder, { recursive: true }))
  const rtmr2 = async () => hex((await measureProgram(folder, '.js')).rtmr2)

  it('are the same wherever the program lies, and come from this program by default', async () => {
    const copy = `${folder}-copy`
    await cp(folder, copy, { recursive: true })
    try {
      assert.deepEqual(await measureProgram(copy, '.js'), await measureProgram(folder, '.js'))
    } finally {
      await rm(copy, { recursive: true })
    }
    const own = await measureProgram()
    assert.deepEqual(own, await measureProgram())
    for (const register of Object.values(own)) assert.equal(register.length, 48)
    assert.equal(new Set(Object.values(own).map(hex)).size, 4)
  })

  const changes: [string, () => Promise<void>][] = [
    ['a byte', () => writeFile(join(folder, 'src', 'deep', 'b.js'), 'x')],
    ['a new file', () => writeFile(join(folder, 'src', 'd.js'), '')],
    ['a lost file', () => rm(join(folder, 'protocols', 'c.js'))],
    [
      'a byte that moves to the next file',
      async () => {
        await writeFile(join(folder, 'src', 'a.js'), '')
        await writeFile(join(folder, 'src', 'deep', 'b.js'), 'ab')
      },
    ],
    ['a schema', () => writeFile(join(folder, 'src', 'schema.json'), '{}')],
  ]
  for (const [what, change] of changes) {
    it(`change RTMR2 with ${what}`, async () => {
      const before = await rtmr2()
      await change()
      assert.notEqual(await rtmr2(), before)
    })
  }

  it('ignore what does not run', async () => {
    const before = await rtmr2()
    await writeFile(join(folder, 'src', 'a.js.map'), '{}')
    await writeFile(join(folder, 'src', 'a.d.ts'), '')
    assert.equal(await rtmr2(), before)
  })

  it('tell versions apart by MRTD', async () => {
    const before = hex((await measureProgram(folder, '.js')).mrTd)
    await writeFile(join(folder, 'package.json'), '{"version":"1.2.4"}')
    assert.notEqual(hex((await measureProgram(folder, '.js')).mrTd), before)
  })

  const failures: [string, () => Promise<void>][] = [
    ['no program', () => rm(join(folder, 'src'), { recursive: true })],
    ['no version', () => writeFile(join(folder, 'package.json'), '{}')],
    [
      'too many files',
      async () => {
        await Promise.all(Array.from({ length: 2_001 }, (_, i) => writeFile(join(folder, 'src', `${i}.js`), '')))
      },
    ],
  ]
  for (const [what, change] of failures) {
    it(`are refused where there is ${what}`, async () => {
      await change()
      await assert.rejects(
        measureProgram(folder, '.js'),
        (error) => error instanceof UsageError && error.code === 'program_unmeasurable',
      )
    })
  }
})
