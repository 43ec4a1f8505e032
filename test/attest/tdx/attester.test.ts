import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import {
  createTdxAttester,
  detectTdx,
  TDX_ERROR_CODES,
  TDX_PATHS,
  type TdxAttester,
  type TdxPaths,
} from '../../../src/attest/tdx/index.ts'
import { type Clock, MeshError, silentLog, systemClock, systemRandom } from '../../../src/base/index.ts'

// What can be seen without a TD. The kernel's own behaviour is played by test/system/tsm.test.ts.

describe('the TDX attester on a machine without configfs-tsm', () => {
  let directory: string
  let paths: TdxPaths
  let attester: TdxAttester
  const create = (overrides: { clock?: Clock } = {}): TdxAttester =>
    createTdxAttester({
      collateral: { get: () => Promise.reject(new Error('nobody may ask for collateral before there is a quote')) },
      clock: systemClock,
      random: systemRandom,
      log: silentLog,
      paths,
      ...overrides,
    })
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'tdx-'))
    paths = { report: join(directory, 'report'), rtmr3: join(directory, 'rtmr3'), eventLog: join(directory, 'CCEL') }
    attester = create()
  })
  afterEach(async () => {
    await attester.stop()
    rmSync(directory, { recursive: true, force: true })
  })
  const code = (expected: string) => (error: unknown) => {
    assert.ok(error instanceof MeshError && error.next !== '', String(error))
    assert.ok((TDX_ERROR_CODES as readonly string[]).includes(error.code), error.code)
    assert.equal(error.code, expected, error.message)
    return true
  }

  it('says that this is no TD, to whatever is asked, and makes nothing up', async () => {
    await assert.rejects(attester.quote(new Uint8Array(64)), code('tdx_absent'))
    await assert.rejects(attester.collateral(), code('tdx_absent'))
    await assert.rejects(attester.extend([{ name: 'app-id', payload: new Uint8Array(20) }]), code('rtmr_unsupported'))
    await assert.rejects(attester.bootEventLog(), code('event_log_absent'))
    assert.deepEqual(attester.eventLog(), [])
    assert.deepEqual(readdirSync(directory), [], 'it made files of its own')
  })

  it('takes no plain directory for the kernel', async () => {
    mkdirSync(paths.report)
    await assert.rejects(attester.quote(new Uint8Array(64)), code('tdx_quote_failed'))
    assert.deepEqual(readdirSync(paths.report), [])
    const detection = await detectTdx({ clock: systemClock, random: systemRandom, paths })
    assert.equal(detection.found, false)
  })

  it('refuses report data of another length before it does anything', async () => {
    for (const length of [0, 63, 65]) await assert.rejects(attester.quote(new Uint8Array(length)), code('tdx_report_data'))
  })

  it('never cuts or creates the file of RTMR3, which is the kernel’s', async () => {
    writeFileSync(paths.rtmr3, Buffer.alloc(49))
    await assert.rejects(attester.extend([{ name: 'a', payload: new Uint8Array() }]), code('rtmr_foreign'))
    assert.deepEqual(readFileSync(paths.rtmr3), Buffer.alloc(49))
  })

  it('is not found by --tee auto, which says why and what to do', async () => {
    const detection = await detectTdx({ clock: systemClock, random: systemRandom, paths })
    assert.ok(!detection.found)
    assert.match(detection.why, /not a TD/)
    assert.match(detection.next, /TDX guest/)
  })

  it('heeds a signal that has aborted', async () => {
    await assert.rejects(attester.quote(new Uint8Array(64), AbortSignal.abort(new Error('too late'))), /too late/)
  })

  it('can be stopped before it did anything, and twice, and stays stopped', async () => {
    await attester.stop()
    await attester.stop()
    await assert.rejects(attester.quote(new Uint8Array(64)), code('tdx_stopped'))
    await assert.rejects(attester.bootEventLog(), code('tdx_stopped'))
  })

  it("uses the kernel's paths and lets no environment variable move them (Q10)", () => {
    assert.deepEqual(TDX_PATHS, {
      report: '/sys/kernel/config/tsm/report',
      rtmr3: '/sys/devices/virtual/misc/tdx_guest/measurements/rtmr3:sha384',
      eventLog: '/sys/firmware/acpi/tables/data/CCEL',
    })
    for (const room of ['tdx', 'collateral']) {
      const folder = fileURLToPath(new URL(`../../../src/attest/${room}/`, import.meta.url))
      for (const file of readdirSync(folder)) {
        assert.doesNotMatch(readFileSync(join(folder, file), 'utf8'), /process\.env|\benv\b/, `${room}/${file}`)
      }
    }
  })
})
