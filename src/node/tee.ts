import { link, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { REPORT_DATA_BYTES } from '../../protocols/wire/index.ts'
import {
  type Attester,
  CollateralStore,
  checkEventLog,
  collateralEndpoint,
  createTdxAttester,
  detectTdx,
  INTEL_PCS,
  INTEL_ROOT,
  type OnCollateralAlarm,
  parseQuote,
  type TdxAttester,
} from '../attest/index.ts'
import { type Clock, type Log, messageOf, type Random, readBounded, UsageError } from '../base/index.ts'

export const TEES = ['auto', 'tdx', 'emulator'] as const
export type Tee = (typeof TEES)[number]

export interface TeeOptions {
  tee: Tee
  /** With `emulator`: the file of its root; made when missing. */
  emulatorRoot: string | undefined
  /** Collateral services (PCS v4); Intel's own when empty. */
  pccs: readonly string[]
  dataDir: string
  clock: Clock
  random: Random
  log: Log
  onAlarm?: OnCollateralAlarm
}

/** Of the emulated root's file. */
const ROOT_LIMIT_BYTES = 64 * 1024

/** An attester, and what it takes to end it. */
export interface OpenTee {
  attester: Attester
  /** Told of the TCB evaluation data number that another TD was judged by: a higher one than ours is worth an alarm. */
  seen(tcbEvaluationDataNumber: number, where: string): void
  stop(): Promise<void>
}

/** `auto` takes TDX where it is there and otherwise stops with an explanation: never the emulator by itself. */
export const openTee = (options: TeeOptions): Promise<OpenTee> =>
  options.tee === 'emulator' ? openEmulator(options) : openTdx(options)

const openTdx = async ({ pccs, dataDir, clock, random, log, onAlarm }: TeeOptions): Promise<OpenTee> => {
  const detection = await detectTdx({ clock, random })
  if (!detection.found) {
    throw new UsageError('no_tee', `this machine makes no TDX quotes: ${detection.why}`, {
      next: `${detection.next} For a rehearsal without any protection: --tee emulator --emulator-root <file>.`,
    })
  }
  const collateral = new CollateralStore({
    endpoints: pccs.length > 0 ? pccs.map((url) => collateralEndpoint(url)) : [INTEL_PCS],
    rootDer: INTEL_ROOT,
    directory: join(dataDir, 'collateral'),
    clock,
    random,
    log,
    ...(onAlarm !== undefined && { onAlarm }),
  })
  const attester = createTdxAttester({ collateral, clock, random, log })
  await checkBootLog(attester, log)
  return {
    attester,
    seen: (number, where) => collateral.seen(number, where),
    async stop() {
      await attester.stop()
      await collateral.stop()
    },
  }
}

/**
 * Replays the firmware's event log (CCEL) against RTMR0 to RTMR2. The registers are what every judge compares, so a log that
 * the host tampered with or left out endangers nothing but the explanation of how the registers came about: it is told, not fatal.
 */
const checkBootLog = async (attester: TdxAttester, log: Log): Promise<void> => {
  try {
    const { td } = parseQuote(await attester.quote(new Uint8Array(REPORT_DATA_BYTES)))
    const { events } = checkEventLog(await attester.bootEventLog(), td)
    log.info('td.boot_log', { events: events.length })
  } catch (error) {
    log.warn('td.boot_log_unexplained', { reason: messageOf(error) })
  }
}

const openEmulator = async ({ emulatorRoot, clock, random }: TeeOptions): Promise<OpenTee> => {
  if (emulatorRoot === undefined) {
    throw new UsageError('no_emulator_root', 'the emulated platform needs a root that the nodes of one testnet share', {
      next: 'give --emulator-root a file; it is made when missing',
    })
  }
  const emulator = await loadEmulator()
  const pki = await sharedPki(emulator, emulatorRoot, clock, random)
  const measurements = await emulator.measureProgram()
  return { attester: emulator.createEmulatedTd({ pki, measurements, clock }), seen: () => {}, stop: async () => {} }
}

/** Its own folder, loaded only on demand: an image without that folder cannot be talked into emulating by configuration. */
const loadEmulator = async () => {
  try {
    return await import('../attest/emulator/index.ts')
  } catch (cause) {
    throw new UsageError('no_emulator', 'this build holds no emulator', { next: 'run on TDX hardware', cause })
  }
}

type Emulator = Awaited<ReturnType<typeof loadEmulator>>

/** Reads the testnet's root, or makes it: whoever is first wins, everybody else reads his. */
const sharedPki = async (emulator: Emulator, path: string, clock: Clock, random: Random) => {
  const read = async () => {
    try {
      return emulator.emulatedPkiFromJson((await readBounded(path, ROOT_LIMIT_BYTES)).toString('utf8'), random)
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
      throw new UsageError('emulator_root_unusable', `cannot use the emulated root ${path}: ${messageOf(error)}`, {
        next: 'remove the file to have a new one made',
        cause: error,
      })
    }
  }
  const existing = await read()
  if (existing !== undefined) return existing
  const made = emulator.createEmulatedPki({ nowMs: clock.now(), random })
  const own = `${path}.${Buffer.from(random.bytes(6)).toString('hex')}`
  try {
    await writeFile(own, emulator.emulatedPkiToJson(made), { mode: 0o600, flag: 'wx' })
    // link() fails where the name is taken: the file is seen whole or not at all, and the first one stays.
    await link(own, path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error
    })
  } catch (cause) {
    throw new UsageError('emulator_root_unusable', `cannot write the emulated root ${path}: ${messageOf(cause)}`, {
      next: 'give --emulator-root a file in a folder that this user may write',
      cause,
    })
  } finally {
    await unlink(own).catch(() => {})
  }
  return (await read()) ?? made
}
