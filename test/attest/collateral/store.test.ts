import assert from 'node:assert/strict'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import {
  type CollateralAlarm,
  CollateralStore,
  type CollateralStoreInit,
  newer,
  type Platform,
} from '../../../src/attest/collateral/index.ts'
import { refreshDelayMs } from '../../../src/attest/collateral/store.ts'
import type { Collateral } from '../../../src/attest/dcap/index.ts'
import { createEmulatedPki, EMULATED_FMSPC, emulatedQeIdentity, emulatedTcbInfo } from '../../../src/attest/emulator/index.ts'
import { MeshError, silentLog, systemRandom, TransientError, UsageError } from '../../../src/base/index.ts'
import { ManualClock } from './manual-clock.ts'
import { StandIn } from './stand-in.ts'

const DAY_MS = 86_400_000
const HOUR_MS = 3_600_000
const NOW_MS = Date.UTC(2026, 5, 1)
const PLATFORM: Platform = { fmspc: EMULATED_FMSPC, ca: 'platform' }
const FILE = `collateral-${EMULATED_FMSPC}-platform.json`

describe('the collateral store', () => {
  const pki = createEmulatedPki({ nowMs: NOW_MS })
  let service: StandIn
  let clock: ManualClock
  let directory: string
  let alarms: CollateralAlarm[]
  /** Those that are over. */
  let ended: CollateralAlarm[]
  const stores: CollateralStore[] = []

  /** Issued at `issuedMs`, good for 30 days, with these evaluation numbers. */
  const issue = (issuedMs: number, numbers: { tcb?: number; qe?: number } = {}): Collateral => {
    const dates = { issuedMs, expiresMs: issuedMs + 30 * DAY_MS }
    return pki.collateral(issuedMs, {
      ...dates,
      tcbInfo: { ...emulatedTcbInfo(dates), tcbEvaluationDataNumber: numbers.tcb ?? 18 },
      qeIdentity: { ...emulatedQeIdentity(dates), tcbEvaluationDataNumber: numbers.qe ?? numbers.tcb ?? 18 },
    })
  }
  const create = (overrides: Partial<CollateralStoreInit> = {}): CollateralStore => createInMemory({ directory, ...overrides })
  const createInMemory = (overrides: Partial<CollateralStoreInit> = {}): CollateralStore => {
    const store = new CollateralStore({
      endpoints: [service.endpoint],
      rootDer: pki.rootDer,
      clock,
      random: systemRandom,
      log: silentLog,
      onAlarm: (alarm, on) => (on ? alarms : ended).push(alarm),
      ...overrides,
    })
    stores.push(store)
    return store
  }
  const kinds = (): string[] => alarms.map(({ kind }) => kind)
  const unavailable = async (work: Promise<unknown>, reason: RegExp): Promise<void> => {
    await assert.rejects(work, (error) => {
      assert.ok(error instanceof TransientError, String(error))
      assert.equal(error.code, 'collateral_unavailable')
      assert.match(error.message, reason)
      return true
    })
  }
  /** Lets the next refresh happen, and waits until the one after it is planned. */
  const refreshed = async (): Promise<void> => {
    clock.pass(await clock.sleeping())
    await clock.sleeping()
  }

  beforeEach(async () => {
    service = await StandIn.start(issue(NOW_MS))
    clock = new ManualClock(NOW_MS)
    directory = mkdtempSync(join(tmpdir(), 'collateral-'))
    alarms = []
    ended = []
  })
  afterEach(async () => {
    await Promise.all(stores.splice(0).map((store) => store.stop()))
    assert.equal(clock.sleepers, 0, 'a stopped store still waits for something')
    await service.stop()
    rmSync(directory, { recursive: true, force: true })
  })

  it('fetches once for all who ask, and then gives what it holds', async () => {
    const store = create()
    const given = await Promise.all(Array.from({ length: 50 }, () => store.get(PLATFORM)))
    for (const collateral of given) assert.deepEqual(collateral, service.collateral)
    await store.get(PLATFORM)
    assert.equal(service.requests.length, 4)
    assert.deepEqual(store.status(), [
      { ...PLATFORM, tcbEvaluationDataNumber: 18, issuedAtMs: NOW_MS, expiresMs: NOW_MS + 30 * DAY_MS, acceptedAtMs: NOW_MS },
    ])
    assert.deepEqual(alarms, [])
  })

  it('asks the next service when one gives nothing good, and says what each one answered', async () => {
    const bad = await StandIn.start(issue(NOW_MS - 60 * DAY_MS))
    const worse = await StandIn.start(issue(NOW_MS))
    worse.spoilt.set('qe', (_, response) => response.writeHead(500).end())
    try {
      const store = create({ endpoints: [bad.endpoint, worse.endpoint, service.endpoint] })
      assert.deepEqual(await store.get(PLATFORM), service.collateral)
      const poor = createInMemory({ endpoints: [bad.endpoint, worse.endpoint] })
      await unavailable(poor.get(PLATFORM), new RegExp(`${bad.endpoint.url}: expired.*${worse.endpoint.url}.*status 500`))
    } finally {
      await bad.stop()
      await worse.stop()
    }
  })

  it('does not flood services that fail', async () => {
    service.spoilt.set('tcb', (_, response) => response.writeHead(503).end())
    const store = createInMemory()
    await unavailable(store.get(PLATFORM), /status 503/)
    const asked = service.requests.length
    for (let i = 0; i < 20; i++) await unavailable(store.get(PLATFORM), /status 503/)
    assert.equal(service.requests.length, asked)
    service.spoilt.clear()
    clock.pass(10_000)
    assert.deepEqual(await store.get(PLATFORM), service.collateral)
  })

  it('lets a caller go who no longer wants to wait, and keeps fetching for the others', async () => {
    let answer = () => {}
    const asked = new Promise<void>((resolve) =>
      service.spoilt.set('tcb', (_, response) => {
        answer = () => service.answerWell('tcb', response)
        resolve()
      }),
    )
    const store = create()
    const controller = new AbortController()
    const impatient = store.get(PLATFORM, controller.signal)
    const patient = store.get(PLATFORM)
    await asked
    controller.abort(new Error('never mind'))
    await assert.rejects(impatient, /never mind/)
    answer()
    assert.deepEqual(await patient, service.collateral)
  })

  it('ends what it does when it is stopped', async () => {
    const asked = new Promise<void>((resolve) => service.spoilt.set('tcb', () => resolve()))
    const store = create()
    const waiting = assert.rejects(
      store.get(PLATFORM),
      (error) => error instanceof UsageError && error.code === 'collateral_stopped',
    )
    await asked
    await store.stop()
    await waiting
    await assert.rejects(store.get(PLATFORM), UsageError)
  })

  it('refuses to ask for what is not a platform, or for too many', async () => {
    const store = createInMemory()
    for (const fmspc of ['', '../../etc', 'e0e0e0000000', '00'.repeat(7)]) {
      await assert.rejects(store.get({ fmspc, ca: 'platform' }), UsageError)
    }
    await assert.rejects(store.get({ fmspc: EMULATED_FMSPC, ca: 'root' as never }), UsageError)
    for (let i = 0; i < 16; i++)
      await assert.rejects(store.get({ fmspc: `00000000000${i.toString(16).toUpperCase()}`, ca: 'platform' }))
    await assert.rejects(
      store.get(PLATFORM),
      (error) => error instanceof UsageError && error.code === 'collateral_too_many_platforms',
    )
    assert.throws(() => create({ endpoints: [] }), UsageError)
  })

  describe('believes nothing that is not signed for its platform, now:', () => {
    const tampered: [string, RegExp, () => Collateral][] = [
      ['expired', /: expired/, () => issue(NOW_MS - 31 * DAY_MS)],
      ['of another root', /: root_untrusted/, () => createEmulatedPki({ nowMs: NOW_MS }).collateral(NOW_MS)],
      ['with other TCB info', /: tcb_info_signature/, () => ({ ...issue(NOW_MS), tcbInfo: issue(NOW_MS, { tcb: 19 }).tcbInfo })],
      [
        'with another QE identity',
        /: qe_identity_signature/,
        () => ({ ...issue(NOW_MS), qeIdentity: issue(NOW_MS - 1_000).qeIdentity }),
      ],
      [
        'with a revocation list of the wrong CA',
        /: crl_signature/,
        () => ({ ...issue(NOW_MS), pckCrl: issue(NOW_MS).rootCaCrl }),
      ],
      [
        'with lists that are none',
        /: crl_malformed/,
        () => ({ ...issue(NOW_MS), rootCaCrl: Uint8Array.of(0x30, 0x03, 1, 1, 1) }),
      ],
    ]
    for (const [what, reason, make] of tampered) {
      it(`collateral ${what}`, async () => {
        service.collateral = make()
        await unavailable(create().get(PLATFORM), reason)
        assert.equal(existsSync(join(directory, FILE)), false)
      })
    }

    it('collateral of another family', async () => {
      await unavailable(create().get({ fmspc: 'B0C06F000000', ca: 'platform' }), /: platform_mismatch/)
    })

    it('collateral with the revocation list of the other CA', async () => {
      await unavailable(create().get({ fmspc: EMULATED_FMSPC, ca: 'processor' }), /: platform_mismatch/)
    })
  })

  describe('its file', () => {
    const file = () => join(directory, FILE)
    const load = async (): Promise<Collateral> => {
      service.requests.length = 0
      return await create().get(PLATFORM)
    }

    it('serves the next process without the network, and is for its owner only', async () => {
      const first = await create({ directory: join(directory, 'made', 'here') }).get(PLATFORM)
      const path = join(directory, 'made', 'here', FILE)
      assert.equal(statSync(path).mode & 0o777, 0o600)
      assert.equal(statSync(join(directory, 'made', 'here')).mode & 0o777, 0o700)
      service.requests.length = 0
      assert.deepEqual(await create({ directory: join(directory, 'made', 'here') }).get(PLATFORM), first)
      assert.deepEqual(service.requests, [])
    })

    it('gets its mode back when somebody opened it up', async () => {
      await load()
      // Two that refresh by one clock could not be told apart.
      await Promise.all(stores.splice(0).map((store) => store.stop()))
      chmodSync(file(), 0o666)
      clock.pass(DAY_MS)
      const store = create()
      await store.get(PLATFORM)
      await refreshed()
      assert.equal(statSync(file()).mode & 0o777, 0o600)
    })

    const spoilers: [string, (text: string) => void][] = [
      ['is cut', (text) => writeFileSync(file(), text.slice(0, text.length / 2))],
      ['is empty', () => writeFileSync(file(), '')],
      ['is null', () => writeFileSync(file(), 'null')],
      ['is a list', () => writeFileSync(file(), '[]')],
      ['has another format', (text) => writeFileSync(file(), text.replace('collateral/1', 'collateral/2'))],
      ['has a field more', (text) => writeFileSync(file(), text.replace('{', '{"extra":1,'))],
      ['has a field of another type', (text) => writeFileSync(file(), text.replace(/"pckCrl":"[^"]*"/, '"pckCrl":7'))],
      ['has broken base64', (text) => writeFileSync(file(), text.replace(/"pckCrl":"./, '"pckCrl":"!'))],
      ['has no time', (text) => writeFileSync(file(), text.replace(/"acceptedAtMs":\d+/, '"acceptedAtMs":1e999'))],
      [
        'has a time at which it is not valid',
        (text) => writeFileSync(file(), text.replace(/"acceptedAtMs":\d+/, '"acceptedAtMs":5')),
      ],
      ['has another number', (text) => writeFileSync(file(), text.replaceAll('DataNumber\\":18', 'DataNumber\\":99'))],
      ['is huge', () => writeFileSync(file(), Buffer.alloc(600_000, 0x20))],
      [
        'is a directory',
        () => {
          rmSync(file())
          mkdirSync(file())
        },
      ],
      [
        'is a link',
        (text) => {
          writeFileSync(`${file()}.other`, text)
          rmSync(file())
          symlinkSync(`${file()}.other`, file())
        },
      ],
    ]
    for (const [what, spoil] of spoilers) {
      it(`is fetched anew when it ${what}`, async () => {
        await load()
        const before = readFileSync(file(), 'utf8')
        await Promise.all(stores.splice(0).map((store) => store.stop()))
        spoil(before)
        assert.deepEqual(await load(), service.collateral)
        assert.equal(service.requests.length, 4)
        assert.equal(kinds()[0], 'cache_unreadable')
        if (what !== 'is a directory') assert.deepEqual(ended, alarms, 'over once there is a good file')
        if (what !== 'is a directory') assert.equal(readFileSync(file(), 'utf8'), before)
      })
    }

    it('never is half of anything, with what a crash left beside it', async () => {
      writeFileSync(`${file()}.tmp`, '{"half":')
      await load()
      assert.deepEqual(readdirSync(directory), [FILE])
      assert.deepEqual(kinds(), [])
    })

    it('may be impossible to write: memory serves, an alarm tells', async () => {
      writeFileSync(join(directory, 'file'), '')
      const store = create({ directory: join(directory, 'file') })
      assert.deepEqual(await store.get(PLATFORM), service.collateral)
      assert.deepEqual(await store.get(PLATFORM), service.collateral)
      assert.equal(service.requests.length, 4)
      assert.deepEqual(kinds(), ['cache_unreadable', 'cache_unwritable'])
    })
  })

  describe('never goes back', () => {
    const steps: [string, string[], () => Collateral][] = [
      [
        'to a lower evaluation number, issued later',
        ['tcbInfoEvaluationNumber', 'qeIdentityEvaluationNumber'],
        () => issue(NOW_MS + 1_000, { tcb: 17 }),
      ],
      ['to a lower number of the QE identity alone', ['qeIdentityEvaluationNumber'], () => issue(NOW_MS + 1_000, { qe: 17 })],
      [
        'to an older issue',
        ['tcbInfoIssuedMs', 'qeIdentityIssuedMs', 'rootCaCrlIssuedMs', 'pckCrlIssuedMs'],
        () => issue(NOW_MS - 1_000),
      ],
      [
        'to an older revocation list amid new documents',
        ['pckCrlIssuedMs'],
        () => ({ ...issue(NOW_MS + 1_000), pckCrl: issue(NOW_MS - DAY_MS).pckCrl }),
      ],
      [
        "to an older list of the root's",
        ['rootCaCrlIssuedMs'],
        () => ({ ...issue(NOW_MS + 1_000), rootCaCrl: issue(NOW_MS - DAY_MS).rootCaCrl }),
      ],
    ]
    for (const [what, parts, make] of steps) {
      it(what, async () => {
        const store = create()
        const held = await store.get(PLATFORM)
        service.collateral = make()
        await refreshed()
        assert.deepEqual(await store.get(PLATFORM), held)
        const alarm = { kind: 'older_offered', platform: PLATFORM, endpoint: service.endpoint.url, parts }
        assert.deepEqual([alarms, ended], [[alarm], []])
        await refreshed()
        assert.deepEqual([alarms, ended], [[alarm], []], 'told once')
        service.collateral = issue(clock.now())
        await refreshed()
        assert.deepEqual([alarms, ended], [[alarm], [alarm]], 'and once more when it is over')
      })
    }

    it('even when what it holds has run out, and across processes', async () => {
      await create().get(PLATFORM)
      await Promise.all(stores.splice(0).map((store) => store.stop()))
      clock.pass(31 * DAY_MS)
      service.collateral = issue(NOW_MS + 30 * DAY_MS, { tcb: 17 })
      await unavailable(create().get(PLATFORM), /older tcbInfoEvaluationNumber/)
      assert.ok(kinds().includes('older_offered'))
      assert.ok(kinds().includes('expired'))
      service.collateral = issue(NOW_MS + 30 * DAY_MS, { tcb: 18 })
      clock.pass(10_000)
      assert.deepEqual(await create().get(PLATFORM), service.collateral)
    })

    it('but forward', async () => {
      const store = create()
      await store.get(PLATFORM)
      service.collateral = issue(NOW_MS + HOUR_MS, { tcb: 19 })
      await refreshed()
      assert.deepEqual(await store.get(PLATFORM), service.collateral)
      assert.equal(store.status()[0]?.tcbEvaluationDataNumber, 19)
      assert.deepEqual(alarms, [])
    })
  })

  describe('over time', () => {
    it('refreshes within a day and puts it on disk', async () => {
      const store = create()
      await store.get(PLATFORM)
      const delay = await clock.sleeping()
      assert.ok(delay >= 18 * HOUR_MS && delay <= 24 * HOUR_MS, String(delay))
      service.collateral = issue(NOW_MS + 12 * HOUR_MS)
      await refreshed()
      assert.deepEqual(await store.get(PLATFORM), service.collateral)
      const onDisk = JSON.parse(readFileSync(join(directory, FILE), 'utf8')) as { tcbInfo: string }
      assert.equal(onDisk.tcbInfo, service.collateral.tcbInfo)
    })

    it('refreshes soon what it found on disk a day old', async () => {
      await create().get(PLATFORM)
      await Promise.all(stores.splice(0).map((store) => store.stop()))
      clock.pass(2 * DAY_MS)
      await create().get(PLATFORM)
      assert.ok((await clock.sleeping()) <= 60_000)
    })

    it('serves what it has while the services are away, with an alarm from seven days before the end (A15)', async () => {
      const store = create()
      const held = await store.get(PLATFORM)
      service.spoilt.set('tcb', (_, response) => response.writeHead(503).end())
      const firstAlarm = async (kind: string): Promise<number> => {
        while (!kinds().includes(kind)) await refreshed()
        return NOW_MS + 30 * DAY_MS - clock.now()
      }
      const warnedMs = await firstAlarm('expiring')
      assert.ok(warnedMs < 7 * DAY_MS && warnedMs > 7 * DAY_MS - 7 * HOUR_MS, `${warnedMs / DAY_MS} days`)
      assert.deepEqual(await store.get(PLATFORM), held)
      assert.ok((await firstAlarm('expired')) < 0)
      assert.deepEqual(kinds(), ['expiring', 'expired'], 'each told once')
      await unavailable(store.get(PLATFORM), /status 503/)
      // Back again: at once for who asks, without a restart.
      service.spoilt.clear()
      service.collateral = issue(clock.now())
      clock.pass(10_000)
      assert.deepEqual(await store.get(PLATFORM), service.collateral)
      assert.deepEqual(ended, alarms, 'both are over')
    })

    it('takes the signed date for the time when the clock is a year behind, and time goes on from there (A22)', async () => {
      clock.set(NOW_MS - 365 * DAY_MS)
      const store = createInMemory()
      assert.deepEqual(await store.get(PLATFORM), service.collateral)
      service.spoilt.set('tcb', (_, response) => response.writeHead(503).end())
      clock.pass(29 * DAY_MS)
      assert.deepEqual(await store.get(PLATFORM), service.collateral)
      clock.pass(2 * DAY_MS)
      await unavailable(store.get(PLATFORM), /status 503/)
    })

    it('is not brought to life again by a clock that is set back', async () => {
      const store = create()
      await store.get(PLATFORM)
      service.spoilt.set('tcb', (_, response) => response.writeHead(503).end())
      clock.pass(31 * DAY_MS)
      clock.set(NOW_MS)
      await unavailable(store.get(PLATFORM), /status 503/)
    })

    it('has nothing when the clock is a year ahead', async () => {
      clock.set(NOW_MS + 365 * DAY_MS)
      await unavailable(create().get(PLATFORM), /expired/)
    })
  })

  it('reports a higher evaluation number seen elsewhere, once, and does nothing else about it (A14)', async () => {
    const store = create()
    store.seen(19, 'a member')
    assert.deepEqual(alarms, [], 'nothing to compare with yet')
    await store.get(PLATFORM)
    const requests = service.requests.length
    for (const number of [17, 18, 19, 19, 18, 20]) store.seen(number, 'a member')
    assert.deepEqual(alarms, [
      { kind: 'newer_elsewhere', held: 18, seen: 19, where: 'a member' },
      { kind: 'newer_elsewhere', held: 18, seen: 20, where: 'a member' },
    ])
    assert.equal(service.requests.length, requests)
    service.collateral = issue(NOW_MS + HOUR_MS, { tcb: 19 })
    await refreshed()
    assert.deepEqual(ended, alarms.slice(0, 1), 'the lower of the two was over with the higher')
    service.collateral = issue(NOW_MS + 2 * HOUR_MS, { tcb: 20 })
    await refreshed()
    assert.deepEqual(ended, alarms, 'caught up')
  })

  it('throws errors of the house only', async () => {
    service.spoilt.set('rootCaCrl', (_, response) => response.destroy())
    await assert.rejects(create().get(PLATFORM), (error) => error instanceof MeshError && error.next !== undefined)
  })
})

describe('refreshDelayMs', () => {
  const uniform = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })
  const span = fc.integer({ min: -400 * DAY_MS, max: 400 * DAY_MS })

  it('is between a minute and a day, whatever the clocks say', () => {
    fc.assert(
      fc.property(fc.nat(2_000), span, span, uniform, (failures, ageMs, leftMs, u) => {
        const delay = refreshDelayMs({ failures, ageMs, leftMs }, u)
        return delay >= 60_000 && delay <= DAY_MS
      }),
    )
  })

  it('tries again after minutes, then hours, and at most six of them', () => {
    const at = (failures: number) => refreshDelayMs({ failures, ageMs: 0, leftMs: 20 * DAY_MS }, 0.999999) / 60_000
    assert.deepEqual(
      [1, 2, 3, 10, 1_000].map((failures) => Math.round(at(failures))),
      [5, 10, 20, 360, 360],
    )
  })

  it('comes before the end', () => {
    assert.ok(refreshDelayMs({ failures: 0, ageMs: 0, leftMs: HOUR_MS }, 0.5) < HOUR_MS / 2)
  })
})

describe('newer', () => {
  const version = fc.record({ tcbEvaluationDataNumber: fc.nat(3), issuedAtMs: fc.nat(3) })
  it('is a strict order: by evaluation number, then by date', () => {
    fc.assert(fc.property(version, version, (a, b) => !(newer(a, b) && newer(b, a))))
    fc.assert(fc.property(version, version, version, (a, b, c) => !(newer(a, b) && newer(b, c)) || newer(a, c)))
    assert.ok(newer({ tcbEvaluationDataNumber: 18, issuedAtMs: 0 }, { tcbEvaluationDataNumber: 17, issuedAtMs: 9 }))
    assert.ok(newer({ tcbEvaluationDataNumber: 18, issuedAtMs: 1 }, { tcbEvaluationDataNumber: 18, issuedAtMs: 0 }))
    assert.ok(!newer({ tcbEvaluationDataNumber: 18, issuedAtMs: 0 }, { tcbEvaluationDataNumber: 18, issuedAtMs: 0 }))
  })
})
