import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type CollateralAlarm, CollateralStore } from '../../src/attest/collateral/index.ts'
import { createEmulatedPki, EMULATED_FMSPC } from '../../src/attest/emulator/index.ts'
import { silentLog, systemRandom } from '../../src/base/index.ts'
import { ManualClock } from '../attest/collateral/manual-clock.ts'
import { StandIn } from '../attest/collateral/stand-in.ts'

// Disks that are full or read-only, as small file systems of their own. Needs root, and says so by failing.

const NOW_MS = Date.UTC(2026, 5, 1)
const DAY_MS = 86_400_000
const PLATFORM = { fmspc: EMULATED_FMSPC, ca: 'platform' } as const

const mount = (...args: string[]): void => {
  const done = spawnSync('mount', args)
  assert.equal(done.status, 0, done.error?.message ?? done.stderr.toString())
}

describe('the collateral store on a disk', () => {
  const pki = createEmulatedPki({ nowMs: NOW_MS })
  let directory: string
  let service: StandIn
  let store: CollateralStore
  let clock: ManualClock
  let alarms: CollateralAlarm[]
  let ended: CollateralAlarm[]

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'collateral-disk-'))
    mount('-t', 'tmpfs', '-o', 'size=64k', 'collateral-disk', directory)
    service = await StandIn.start(pki.collateral(NOW_MS))
    clock = new ManualClock(NOW_MS)
    alarms = []
    ended = []
    store = new CollateralStore({
      endpoints: [service.endpoint],
      rootDer: pki.rootDer,
      directory,
      clock,
      random: systemRandom,
      log: silentLog,
      onAlarm: (alarm, on) => (on ? alarms : ended).push(alarm),
    })
  })
  afterEach(async () => {
    await store.stop()
    await service.stop()
    assert.equal(spawnSync('umount', [directory]).status, 0)
    rmdirSync(directory)
    assert.equal(existsSync(directory), false)
  })

  /** The store has collateral on disk; then the disk changes; then it refreshes. */
  const refreshAfter = async (change: () => void): Promise<{ before: string; after: string }> => {
    await store.get(PLATFORM)
    const path = join(directory, `collateral-${EMULATED_FMSPC}-platform.json`)
    const before = readFileSync(path, 'utf8')
    change()
    service.collateral = pki.collateral(NOW_MS + DAY_MS / 2)
    clock.pass(await clock.sleeping())
    await clock.sleeping()
    assert.deepEqual(await store.get(PLATFORM), service.collateral, 'memory does not serve')
    return { before, after: readFileSync(path, 'utf8') }
  }
  const unwritable = (reason: RegExp): void => {
    assert.equal(alarms.length, 1)
    const [alarm] = alarms
    assert.ok(alarm?.kind === 'cache_unwritable')
    assert.match(alarm.reason, reason)
  }

  it('that is full keeps the old file whole, leaves nothing half-written, and tells', async () => {
    const { before, after } = await refreshAfter(() => {
      try {
        for (let i = 0; ; i++) writeFileSync(join(directory, `filler-${i}`), new Uint8Array(4096))
      } catch {
        // Full.
      }
    })
    assert.equal(after, before)
    assert.deepEqual(
      readdirSync(directory).filter((name) => name.endsWith('.tmp')),
      [],
    )
    unwritable(/ENOSPC/)
  })

  it('that becomes read-only serves from memory, and tells', async () => {
    const { before, after } = await refreshAfter(() => mount('-o', 'remount,ro', directory))
    assert.equal(after, before)
    unwritable(/EROFS/)
  })

  it('that is well gets the new file', async () => {
    const { before, after } = await refreshAfter(() => {})
    assert.notEqual(after, before)
    assert.deepEqual([alarms, ended], [[], []])
  })
})
