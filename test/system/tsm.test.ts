import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { CollateralStore } from '../../src/attest/collateral/index.ts'
import { parseQuote, prepareCollateral, verifyQuote } from '../../src/attest/dcap/index.ts'
import { replayRtmr } from '../../src/attest/events.ts'
import {
  createTdxAttester,
  detectTdx,
  replayEventLog,
  type TdxAttester,
  type TdxAttesterInit,
} from '../../src/attest/tdx/index.ts'
import {
  type Clock,
  MeshError,
  RefusedError,
  silentLog,
  systemClock,
  systemRandom,
  TransientError,
  UsageError,
} from '../../src/base/index.ts'
import { StandIn } from '../attest/collateral/stand-in.ts'
import { makeEventLog } from '../support/event-log.ts'
import { isMounted, TsmFuse } from '../support/tsm-fuse.ts'
import type { TreeCounts } from '../support/tsm-fuse-tree.ts'

// The real client against the kernel's interface, served over /dev/fuse. Needs root and /dev/fuse, and says so by failing.

const reportData = (): Uint8Array => systemRandom.bytes(64)
const fails = async (work: Promise<unknown>, kind: new (...args: never[]) => MeshError, code: string): Promise<MeshError> => {
  let caught: unknown
  await work.then(
    () => assert.fail(`expected ${code}`),
    (error: unknown) => {
      caught = error
    },
  )
  assert.ok(caught instanceof kind && caught instanceof MeshError, String(caught))
  assert.equal(caught.code, code, caught.message)
  return caught
}

describe('TDX attester on configfs-tsm', () => {
  let fuse: TsmFuse
  let attester: TdxAttester
  const started: TdxAttester[] = []
  const create = (overrides: Partial<TdxAttesterInit> = {}): TdxAttester => {
    const made = createTdxAttester({
      collateral: { get: async () => fuse.platform.collateral },
      clock: systemClock,
      random: systemRandom,
      log: silentLog,
      paths: fuse.paths,
      ...overrides,
    })
    started.push(made)
    return made
  }
  /** Waits for what the other process sees; for ten seconds at most. */
  const until = async (holds: (counts: TreeCounts) => boolean): Promise<void> => {
    const endMs = systemClock.monotonicMs() + 10_000
    for (;;) {
      const { counts } = await fuse.look()
      if (holds(counts)) return
      assert.ok(systemClock.monotonicMs() < endMs, `still ${JSON.stringify(counts)}`)
      await systemClock.sleep(5)
    }
  }
  /** Pauses that take no time, where a test wants many of them. */
  const hasty: Clock = { ...systemClock, sleep: (_, signal) => systemClock.sleep(0, signal) }

  beforeEach(async () => {
    fuse = await TsmFuse.start()
    attester = create()
  })
  afterEach(async () => {
    await Promise.all(started.splice(0).map((made) => made.stop()))
    // A thread that was told to stop inside the kernel removes its entry a moment later; one left behind never goes.
    await until(({ entries }) => entries === 0).finally(() => fuse.stop())
    assert.equal(isMounted(fuse.mountPoint), false)
    assert.equal(existsSync(fuse.mountPoint), false)
    assert.throws(() => process.kill(fuse.pid, 0), { code: 'ESRCH' })
  })

  const accepts = (quote: Uint8Array, data: Uint8Array): void => {
    const { td, bytes } = parseQuote(quote)
    assert.deepEqual(Buffer.from(td.reportData), Buffer.from(data))
    assert.equal(bytes.length, quote.length, 'padding was not cut off')
    const prepared = prepareCollateral(fuse.platform.collateral, fuse.platform.rootDer, systemClock.now())
    const verdict = verifyQuote(quote, prepared, systemClock.now())
    assert.ok(verdict.ok && verdict.status === 'UpToDate', JSON.stringify(verdict))
  }

  it('gives quotes that the verifier accepts, over the report data asked for, and collateral for its machine', async () => {
    let asked: unknown
    const asking = create({
      collateral: {
        async get(platform) {
          asked = platform
          return fuse.platform.collateral
        },
      },
    })
    assert.equal(asking.tee, 'tdx')
    assert.equal(await asking.collateral(), fuse.platform.collateral)
    assert.deepEqual(asked, { fmspc: 'E0E0E0000000', ca: 'platform' })
    for (let i = 0; i < 3; i++) {
      const data = reportData()
      accepts(await asking.quote(data), data)
    }
  })

  it('gets the collateral that judges its quotes from a caching service', async () => {
    const service = await StandIn.start(fuse.platform.collateral)
    const rootDer = fuse.platform.rootDer
    const endpoints = [service.endpoint]
    const store = new CollateralStore({ endpoints, rootDer, clock: systemClock, random: systemRandom, log: silentLog })
    try {
      assert.deepEqual(await create({ collateral: store }).collateral(), fuse.platform.collateral)
    } finally {
      await store.stop()
      await service.stop()
    }
  })

  it('finds TDX where it is', async () => {
    assert.deepEqual(await detectTdx({ clock: systemClock, random: systemRandom, paths: fuse.paths }), { found: true })
  })

  describe('Q1: a machine that is not a TD', () => {
    const detected = async (paths = fuse.paths) => {
      const detection = await detectTdx({ clock: systemClock, random: systemRandom, paths })
      assert.ok(!detection.found)
      return detection
    }

    it('is told from the missing directory', async () => {
      const paths = { ...fuse.paths, report: join(fuse.mountPoint, 'nowhere') }
      const error = await fails(create({ paths }).quote(reportData()), UsageError, 'tdx_absent')
      assert.match(error.next ?? '', /TDX guest/)
      assert.match((await detected(paths)).why, /is not a TD/)
    })

    it('is told from another provider', async () => {
      await fuse.set({ provider: 'sev_guest' })
      await fails(attester.quote(reportData()), UsageError, 'tdx_other_provider')
      assert.match((await detected()).why, /sev_guest/)
      assert.equal((await fuse.look()).counts.quotes, 0)
    })

    it('is told from a missing driver', async () => {
      await fuse.set({ provider: null })
      const error = await fails(attester.quote(reportData()), UsageError, 'tdx_provider_gone')
      assert.match(error.next ?? '', /modprobe/)
      assert.match((await detected()).next, /modprobe/)
    })

    it('is told from a driver that goes while a quote is made', async () => {
      await fuse.trouble({ kind: 'fault', place: 'outblob', errno: 'ENXIO', times: 1 })
      await fails(attester.quote(reportData()), UsageError, 'tdx_provider_gone')
    })

    it('is told from a lack of permission', async () => {
      await fuse.trouble({ kind: 'fault', place: 'mkdir', errno: 'EACCES', times: 1 })
      await fails(attester.quote(reportData()), UsageError, 'tdx_denied')
    })
  })

  describe('Q2: errors while the quote is made', () => {
    for (const errno of ['EBUSY', 'EINTR', 'ETIMEDOUT', 'EAGAIN'] as const) {
      it(`survives ${errno} twice`, async () => {
        await fuse.trouble({ kind: 'fault', place: 'outblob', errno, times: 2 })
        const data = reportData()
        accepts(await attester.quote(data), data)
      })
    }

    it('gives up on a device that stays busy, after a bounded number of attempts', async () => {
      await fuse.trouble({ kind: 'fault', place: 'outblob', errno: 'EBUSY', times: 12 })
      const data = reportData()
      const patient = create({ clock: hasty })
      await fails(patient.quote(data), TransientError, 'tdx_busy')
      accepts(await patient.quote(data), data)
    })

    it('reports EIO at once, and names the quoting service', async () => {
      await fuse.trouble({ kind: 'fault', place: 'outblob', errno: 'EIO', times: 1 })
      const error = await fails(attester.quote(reportData()), TransientError, 'tdx_quote_failed')
      assert.match(error.next ?? '', /QGS/)
    })

    it('refuses what is no quote, and what is too large to be one', async () => {
      for (const sizeBytes of [100, 5_000, 8_193, 40_000]) {
        await fuse.trouble({ kind: 'garbage', sizeBytes, times: 1 })
        await fails(attester.quote(reportData()), RefusedError, 'tdx_quote_unusable')
      }
    })
  })

  describe('Q3: another writer on the same entry', () => {
    for (const when of ['before-quote', 'after-quote'] as const) {
      it(`is noticed when it commits ${when === 'before-quote' ? 'before the quote is made' : 'after the quote was read'}`, async () => {
        await fuse.trouble({ kind: 'race', when, times: 2 })
        const data = reportData()
        accepts(await attester.quote(data), data)
        assert.equal((await fuse.look()).counts.quotes, 3)
      })
    }

    it('that never stops ends in an error', async () => {
      await fuse.trouble({ kind: 'race', when: 'before-quote', times: 12 })
      await fails(create({ clock: hasty }).quote(reportData()), TransientError, 'tdx_busy')
    })

    it("never gets its report data past us, even where the generation doesn't show it", async () => {
      await fuse.trouble({ kind: 'foreign-quote', times: 1 })
      const data = reportData()
      accepts(await attester.quote(data), data)
      await fuse.trouble({ kind: 'foreign-quote', times: 12 })
      await fails(create({ clock: hasty }).quote(data), RefusedError, 'tdx_quote_unusable')
    })

    it('is survived or refused for real, by a process that writes into every entry', async () => {
      await fuse.set({ latencyMs: 2 })
      const writer = fork(fileURLToPath(new URL('../support/tsm-fuse-writer.ts', import.meta.url)), [fuse.paths.report], {
        execArgv: ['--import=tsx'],
      })
      try {
        await once(writer, 'message')
        const raced = create({ clock: hasty })
        let quoted = 0
        for (let i = 0; i < 100; i++) {
          const data = reportData()
          try {
            assert.deepEqual(Buffer.from(parseQuote(await raced.quote(data)).td.reportData), Buffer.from(data))
            quoted++
          } catch (error) {
            assert.ok(error instanceof TransientError && error.code === 'tdx_busy', String(error))
          }
        }
        const told = once(writer, 'message')
        writer.send('stop')
        const [writes] = (await told) as [number]
        assert.ok(writes > 0, 'the writer never got in')
        assert.ok(quoted > 0, 'the writer left no room at all')
        assert.ok((await fuse.look()).counts.quotes > quoted, 'the writer never spoilt a quote')
      } finally {
        const exited = writer.exitCode === null ? once(writer, 'exit') : undefined
        writer.kill('SIGKILL')
        await exited
      }
    })
  })

  it('Q4: notices a commit whose error nobody reported', async () => {
    await fuse.trouble({ kind: 'fault', place: 'commit', errno: 'EBUSY', times: 2 })
    const data = reportData()
    accepts(await attester.quote(data), data)
    assert.equal((await fuse.look()).counts.quotes, 1, 'a quote was read before the commit was known')
    await fuse.trouble({ kind: 'fault', place: 'commit', errno: 'EBUSY', times: 12 })
    await fails(create({ clock: hasty }).quote(data), TransientError, 'tdx_busy')
  })

  describe('Q5: a quoting service that is away', () => {
    it('keeps nobody waiting who does not want to wait, and is used again when it is back', async () => {
      await fuse.hold(true)
      const gone = new Error('gave up')
      const controllers = [0, 1, 2].map(() => new AbortController())
      const waiting = controllers.map(({ signal }) => attester.quote(reportData(), signal))
      const settled = Promise.allSettled(waiting)
      await until(({ quotesWaitingMax }) => quotesWaitingMax > 0)
      for (const controller of controllers) controller.abort(gone)
      for (const result of await settled) assert.deepEqual(result, { status: 'rejected', reason: gone })
      await fuse.trouble({ kind: 'fault', place: 'outblob', errno: 'EIO', times: 1 })
      await fuse.hold(false)
      const data = reportData()
      accepts(await attester.quote(data), data)
    })

    it('ends in an error that says so when the deadline has passed', async () => {
      await fuse.hold(true)
      const late: Clock = { ...systemClock, deadline: (_, parent) => systemClock.deadline(50, parent) }
      const error = await fails(create({ clock: late }).quote(reportData()), TransientError, 'tdx_no_answer')
      assert.match(error.next ?? '', /QGS/)
      await fuse.hold(false)
    })

    it('does not keep the attester from stopping', async () => {
      await fuse.hold(true)
      const first = attester.quote(reportData())
      const second = attester.quote(reportData())
      const settled = Promise.all([fails(first, UsageError, 'tdx_stopped'), fails(second, UsageError, 'tdx_stopped')])
      await until(({ quotesWaitingMax }) => quotesWaitingMax > 0)
      await attester.stop()
      await settled
      await fails(attester.quote(reportData()), UsageError, 'tdx_stopped')
      // The thread is still inside the kernel; when that lets go of it, it tidies up and ends.
      assert.equal((await fuse.look()).counts.entries, 1)
      await fuse.hold(false)
      await until(({ entries }) => entries === 0)
    })
  })

  describe('Q6: a kernel that takes a second for each quote', () => {
    it('has one quote in flight, and leaves the event loop its files', async () => {
      await fuse.hold(true)
      const asked = Array.from({ length: 32 }, reportData)
      const quotes = Promise.all(asked.map((data) => attester.quote(data)))
      await until(({ quotesWaitingMax }) => quotesWaitingMax > 0)
      // More than the pool has threads, while the quote is stuck in the kernel.
      await Promise.all(Array.from({ length: 64 }, () => readFile('/proc/self/stat')))
      await stat('/')
      await fuse.hold(false)
      for (const [index, quote] of (await quotes).entries()) accepts(quote, asked[index]!)
      const { counts } = await fuse.look()
      assert.equal(counts.quotesWaitingMax, 1)
      assert.equal(counts.quotes, 32)
    })

    it('turns callers away who would wait too long', async () => {
      await fuse.hold(true)
      const quotes = Array.from({ length: 65 }, () => attester.quote(reportData()))
      const settled = Promise.allSettled(quotes)
      await fails(attester.quote(reportData()), TransientError, 'tdx_busy')
      await fuse.hold(false)
      for (const { status } of await settled) assert.equal(status, 'fulfilled')
    })

    it('gives a quote', async () => {
      await fuse.set({ latencyMs: 1_000 })
      const data = reportData()
      accepts(await attester.quote(data), data)
    })
  })

  describe('Q7: extending RTMR3', () => {
    const events = [
      { name: 'app-id', payload: new Uint8Array(20).fill(1) },
      { name: 'key-provider', payload: new Uint8Array(32).fill(2) },
    ]
    const rtmr3 = async (): Promise<Buffer> => Buffer.from((await fuse.look()).rtmrs[3]!)

    it('shows in the log and in the quotes that follow', async () => {
      await attester.quote(reportData())
      await attester.extend(events)
      assert.deepEqual(attester.eventLog(), events)
      assert.deepEqual(await rtmr3(), Buffer.from(replayRtmr(events)))
      const { td } = parseQuote(await attester.quote(reportData()))
      assert.deepEqual(Buffer.from(td.rtmr[3]), Buffer.from(replayRtmr(events)))
      assert.deepEqual(Buffer.from(td.rtmr[2]), Buffer.alloc(48))
    })

    it('keeps the order of concurrent callers, and the bytes that it was given', async () => {
      const payload = new Uint8Array(20).fill(7)
      const both = Promise.all([attester.extend([{ name: 'a', payload }]), attester.extend(events)])
      payload.fill(0)
      await both
      assert.deepEqual(
        attester.eventLog().map(({ name }) => name),
        ['a', 'app-id', 'key-provider'],
      )
      assert.deepEqual(attester.eventLog()[0]!.payload, new Uint8Array(20).fill(7))
      assert.deepEqual(await rtmr3(), Buffer.from(replayRtmr(attester.eventLog())))
    })

    it('counts a short write as a failure, and takes up from there', async () => {
      await fuse.trouble({ kind: 'short-extend', times: 1 })
      await fails(attester.extend(events), TransientError, 'rtmr_failed')
      assert.deepEqual(attester.eventLog(), [])
      await attester.extend(events)
      assert.deepEqual(await rtmr3(), Buffer.from(replayRtmr(events)))
    })

    it('goes on after the first of two events, should the second one fail', async () => {
      await attester.extend([])
      await attester.extend(events.slice(0, 1))
      await fuse.trouble({ kind: 'fault', place: 'rtmr', errno: 'EIO', times: 1 })
      await fails(attester.extend(events.slice(1)), TransientError, 'rtmr_failed')
      await attester.extend(events.slice(1))
      assert.deepEqual(await rtmr3(), Buffer.from(replayRtmr(events)))
    })

    it('is done once only by a process that restarts in the same TD', async () => {
      await attester.extend(events)
      const restarted = create()
      await restarted.extend(events)
      assert.deepEqual(restarted.eventLog(), events)
      assert.deepEqual(await rtmr3(), Buffer.from(replayRtmr(events)))
    })

    it('is refused when other software has extended RTMR3', async () => {
      await fuse.extend(3, new Uint8Array(48).fill(9))
      const before = await rtmr3()
      await fails(attester.extend(events), RefusedError, 'rtmr_foreign')
      assert.deepEqual(await rtmr3(), before)
      assert.deepEqual(attester.eventLog(), [])
    })

    it('says which kernel it takes where there is no file', async () => {
      const paths = { ...fuse.paths, rtmr3: join(fuse.mountPoint, 'measurements', 'rtmr9:sha384') }
      const error = await fails(create({ paths }).extend(events), UsageError, 'rtmr_unsupported')
      assert.match(error.next ?? '', /6\.16/)
    })
  })

  describe('Q8: the boot event log', () => {
    it('is read whole', async () => {
      const log = makeEventLog(
        [
          { register: 1, type: 1, data: 'first' },
          { register: 3, type: 13, data: 'second' },
        ],
        { paddingBytes: 200_000 },
      )
      await fuse.set({ eventLog: log })
      const read = await attester.bootEventLog()
      assert.equal(read.length, log.length)
      assert.equal(replayEventLog(read).events.length, 2)
    })

    it('is not read to its end when it is a gigabyte', async () => {
      await fuse.set({ eventLog: 2 ** 30 })
      await fails(attester.bootEventLog(), RefusedError, 'event_log_too_large')
      assert.ok((await fuse.look()).counts.eventLogBytesRead < 20 * 1024 * 1024)
    })

    it('may be missing', async () => {
      const paths = { ...fuse.paths, eventLog: join(fuse.mountPoint, 'nothing') }
      await fails(create({ paths }).bootEventLog(), RefusedError, 'event_log_absent')
    })
  })
})
