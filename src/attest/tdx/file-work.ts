import { closeSync, constants, mkdirSync, openSync, readSync, rmdirSync, writeSync } from 'node:fs'
import { join } from 'node:path'

/**
 * The blocking half of this folder: each piece of work is a few file operations in a row. A read of `outblob` holds its thread
 * for a second on many kernels, and for thirty while the host's quoting service is away, so this runs in a thread of its own
 * (file-thread.ts), never in the event loop's file pool.
 */
export type FileWork =
  /** Asks which provider makes the reports here. */
  | { readonly kind: 'provider'; readonly reportDir: string; readonly entry: string }
  /** One attempt at a quote over 64 bytes of report data, in an entry of its own. */
  | { readonly kind: 'quote'; readonly reportDir: string; readonly entry: string; readonly reportData: Uint8Array }
  /** Extends RTMR3 by `digests`; `states` are its values before the first, after the first, and so on. */
  | {
      readonly kind: 'extend'
      readonly path: string
      readonly digests: readonly Uint8Array[]
      readonly states: readonly Uint8Array[]
    }
  /** Reads a whole file. */
  | { readonly kind: 'read'; readonly path: string; readonly limitBytes: number }

/** Ends the thread. */
export const STOP = 'stop'

/** Where a piece of work stopped. `commit` and `race` are found by the generation counter, not by an errno. */
export type FailedStep =
  | 'mkdir'
  | 'provider'
  | 'generation'
  | 'inblob'
  | 'commit'
  | 'outblob'
  | 'race'
  | 'read'
  | 'too-large'
  | 'rtmr-open'
  | 'rtmr-read'
  | 'rtmr-foreign'
  | 'rtmr-write'
  | 'rtmr-verify'

export type FileOutcome =
  | { readonly ok: true; readonly bytes: Uint8Array; readonly leftBehind?: string }
  | { readonly ok: false; readonly step: FailedStep; readonly errno?: string; readonly leftBehind?: string }

export const TDX_PROVIDER = 'tdx_guest'
/** The kernel's first limit on `outblob` (TSM_REPORT_OUTBLOB_MAX, 32 KiB); TDX quotes are about 5 KiB, padded to 8. */
export const QUOTE_LIMIT_BYTES = 32 * 1024
const ATTRIBUTE_LIMIT_BYTES = 4096
const RTMR_BYTES = 48
const CHUNK_BYTES = 64 * 1024
/** `generation` is an unsigned long. */
const GENERATION_BITS = 64

class Failure extends Error {
  constructor(
    readonly step: FailedStep,
    readonly errno?: string,
  ) {
    super(step)
  }
}

/** Runs file operations and names the step that they are, should they fail. */
const during = <T>(step: FailedStep, operations: () => T): T => {
  try {
    return operations()
  } catch (error) {
    if (error instanceof Failure) throw error
    throw new Failure(step, (error as NodeJS.ErrnoException).code ?? 'unknown')
  }
}

/** Reads until end of file: the sizes that stat(2) gives for these files say nothing. */
const readWhole = (path: string, limitBytes: number): Uint8Array => {
  const fd = openSync(path, constants.O_RDONLY)
  try {
    const chunks: Uint8Array[] = []
    let total = 0
    for (;;) {
      const chunk = new Uint8Array(CHUNK_BYTES)
      const read = readSync(fd, chunk, 0, chunk.length, null)
      if (read === 0) break
      total += read
      if (total > limitBytes) throw new Failure('too-large')
      chunks.push(chunk.subarray(0, read))
    }
    const whole = new Uint8Array(total)
    let at = 0
    for (const chunk of chunks) {
      whole.set(chunk, at)
      at += chunk.length
    }
    return whole
  } finally {
    closeSync(fd)
  }
}

/** One write(2) of the whole buffer at offset 0. The file is never created or truncated: it is the kernel's. */
const writeOnce = (path: string, bytes: Uint8Array): void => {
  const fd = openSync(path, constants.O_WRONLY)
  try {
    if (writeSync(fd, bytes, 0, bytes.length, null) !== bytes.length) throw Object.assign(new Error(), { code: 'short write' })
  } finally {
    closeSync(fd)
  }
}

const text = (bytes: Uint8Array): string => new TextDecoder('latin1').decode(bytes).trim()
const equal = (a: Uint8Array, b: Uint8Array): boolean => a.length === b.length && a.every((byte, i) => byte === b[i])

const readProvider = (dir: string): string =>
  during('provider', () => text(readWhole(join(dir, 'provider'), ATTRIBUTE_LIMIT_BYTES)))

const readGeneration = (dir: string): bigint =>
  during('generation', () => {
    const value = text(readWhole(join(dir, 'generation'), ATTRIBUTE_LIMIT_BYTES))
    if (!/^\d{1,20}$/.test(value)) throw new Failure('generation', 'not a number')
    return BigInt(value)
  })

/** The order of steps is reference for the kernel's rule: a commit happens at close(2) and cannot report that it failed. */
const quoteIn = (dir: string, reportData: Uint8Array): Uint8Array => {
  if (readProvider(dir) !== TDX_PROVIDER) throw new Failure('provider')
  const committed = BigInt.asUintN(GENERATION_BITS, readGeneration(dir) + 1n)
  during('inblob', () => writeOnce(join(dir, 'inblob'), reportData))
  if (readGeneration(dir) !== committed) throw new Failure('commit')
  const quote = during('outblob', () => readWhole(join(dir, 'outblob'), QUOTE_LIMIT_BYTES))
  if (readGeneration(dir) !== committed) throw new Failure('race')
  return quote
}

/** Makes an entry, uses it, and removes it whatever happens. */
const inEntry = (reportDir: string, entry: string, use: (dir: string) => Uint8Array): FileOutcome => {
  const dir = join(reportDir, entry)
  let outcome: FileOutcome
  try {
    during('mkdir', () => mkdirSync(dir, 0o700))
  } catch (error) {
    return failed(error)
  }
  try {
    outcome = { ok: true, bytes: use(dir) }
  } catch (error) {
    outcome = failed(error)
  }
  try {
    rmdirSync(dir)
    return outcome
  } catch (error) {
    return { ...outcome, leftBehind: `${dir} (${(error as NodeJS.ErrnoException).code})` }
  }
}

/**
 * Goes on from wherever RTMR3 is along `states`, so that a repeated call, or a process that was restarted in the same TD and
 * extends by the same events, changes nothing. Any other value means that somebody else extended it.
 */
const extend = (path: string, digests: readonly Uint8Array[], states: readonly Uint8Array[]): Uint8Array => {
  const current = () => readWhole(path, RTMR_BYTES)
  const found = during('rtmr-open', current)
  const done = states.findIndex((state) => equal(state, found))
  if (done < 0) throw new Failure('rtmr-foreign')
  for (const digest of digests.slice(done)) during('rtmr-write', () => writeOnce(path, digest))
  const after = during('rtmr-read', current)
  if (!equal(after, states.at(-1)!)) throw new Failure('rtmr-verify')
  return after
}

const failed = (error: unknown): FileOutcome => {
  if (!(error instanceof Failure)) throw error
  return { ok: false, step: error.step, ...(error.errno === undefined ? {} : { errno: error.errno }) }
}

/** Does one piece of work, blocking. Gives outcomes for everything that the files can do; throws only on a fault of ours. */
export const doFileWork = (work: FileWork): FileOutcome => {
  switch (work.kind) {
    case 'provider':
      return inEntry(work.reportDir, work.entry, (dir) => new TextEncoder().encode(readProvider(dir)))
    case 'quote':
      return inEntry(work.reportDir, work.entry, (dir) => quoteIn(dir, work.reportData))
    case 'extend':
      try {
        return { ok: true, bytes: extend(work.path, work.digests, work.states) }
      } catch (error) {
        return failed(error)
      }
    case 'read':
      try {
        return { ok: true, bytes: during('read', () => readWhole(work.path, work.limitBytes)) }
      } catch (error) {
        return failed(error)
      }
  }
}
