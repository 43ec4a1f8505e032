import { constants } from 'node:fs'
import { mkdir, open, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Collateral } from '../dcap/index.ts'
import type { Platform } from './platform.ts'

/** Collateral as it lies on disk. Nothing of it is believed when it is read: the host owns the disk. */
export interface CachedCollateral {
  readonly collateral: Collateral
  /** When it was accepted, Unix milliseconds: the time at which it verifies. */
  readonly acceptedAtMs: number
}

const FORMAT = 'dstack-mesh/collateral/1'
/** What is fetched has at most 160 KiB and three issuer chains; base64 and escapes add to that. */
const FILE_LIMIT_BYTES = 512 * 1024

const TEXTS = ['pckCrlIssuerChain', 'tcbInfoIssuerChain', 'tcbInfo', 'qeIdentityIssuerChain', 'qeIdentity'] as const
const BINARIES = ['rootCaCrl', 'pckCrl', 'tcbInfoSignature', 'qeIdentitySignature'] as const

/** What was there is not a cache file. The message says why, without quoting it. */
export class CacheFileError extends Error {
  override readonly name = 'CacheFileError'
}

export const cachePath = (directory: string, { fmspc, ca }: Platform): string => join(directory, `collateral-${fmspc}-${ca}.json`)

const errnoOf = (error: unknown): string | undefined => (error as NodeJS.ErrnoException).code

/** Reads at most the limit, whatever the file system says of the size. Gives nothing when there is no file. */
const readBounded = async (path: string): Promise<Buffer | undefined> => {
  const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW).catch((error: unknown) => {
    if (errnoOf(error) === 'ENOENT') return undefined
    throw error
  })
  if (handle === undefined) return undefined
  try {
    if (!(await handle.stat()).isFile()) throw new CacheFileError('not a regular file')
    const buffer = Buffer.alloc(FILE_LIMIT_BYTES + 1)
    let length = 0
    while (length < buffer.length) {
      const { bytesRead } = await handle.read(buffer, length, buffer.length - length)
      if (bytesRead === 0) return buffer.subarray(0, length)
      length += bytesRead
    }
    throw new CacheFileError(`larger than ${FILE_LIMIT_BYTES} bytes`)
  } finally {
    await handle.close()
  }
}

const parse = (bytes: Buffer): CachedCollateral => {
  let document: unknown
  try {
    document = JSON.parse(bytes.toString('utf8'))
  } catch {
    throw new CacheFileError('not JSON')
  }
  if (typeof document !== 'object' || document === null) throw new CacheFileError('not an object')
  const fields = document as Record<string, unknown>
  const expected = ['format', 'acceptedAtMs', ...TEXTS, ...BINARIES]
  if (Object.keys(fields).length !== expected.length || !expected.every((key) => Object.hasOwn(fields, key))) {
    throw new CacheFileError('other fields than expected')
  }
  const { acceptedAtMs } = fields
  if (fields.format !== FORMAT) throw new CacheFileError('another format')
  if (typeof acceptedAtMs !== 'number' || !Number.isSafeInteger(acceptedAtMs)) throw new CacheFileError('no time')
  const text = (key: (typeof TEXTS)[number]): string => {
    const value = fields[key]
    if (typeof value !== 'string') throw new CacheFileError(`${key} is not text`)
    return value
  }
  const binary = (key: (typeof BINARIES)[number]): Uint8Array => {
    const value = fields[key]
    const decoded = typeof value === 'string' ? Buffer.from(value, 'base64') : undefined
    if (decoded === undefined || decoded.toString('base64') !== value) throw new CacheFileError(`${key} is not base64`)
    return Uint8Array.from(decoded)
  }
  return {
    acceptedAtMs,
    collateral: {
      pckCrlIssuerChain: text('pckCrlIssuerChain'),
      rootCaCrl: binary('rootCaCrl'),
      pckCrl: binary('pckCrl'),
      tcbInfoIssuerChain: text('tcbInfoIssuerChain'),
      tcbInfo: text('tcbInfo'),
      tcbInfoSignature: binary('tcbInfoSignature'),
      qeIdentityIssuerChain: text('qeIdentityIssuerChain'),
      qeIdentity: text('qeIdentity'),
      qeIdentitySignature: binary('qeIdentitySignature'),
    },
  }
}

const serialize = ({ collateral, acceptedAtMs }: CachedCollateral): string =>
  JSON.stringify({
    format: FORMAT,
    acceptedAtMs,
    ...Object.fromEntries(TEXTS.map((key) => [key, collateral[key]])),
    ...Object.fromEntries(BINARIES.map((key) => [key, Buffer.from(collateral[key]).toString('base64')])),
  })

/** What is cached at `path`, or nothing. Throws {@link CacheFileError}, or the file system's error. */
export const readCacheFile = async (path: string): Promise<CachedCollateral | undefined> => {
  const bytes = await readBounded(path)
  return bytes === undefined ? undefined : parse(bytes)
}

/**
 * Puts `cached` at `path` (mode 0600), all or nothing: written beside it, synced, renamed over it, and the directory synced, so
 * that whenever the machine stops, what is there afterwards is the old file or the new one. Throws the file system's error.
 */
export const writeCacheFile = async (path: string, cached: CachedCollateral): Promise<void> => {
  const directory = dirname(path)
  const temporary = `${path}.tmp`
  await mkdir(directory, { recursive: true, mode: 0o700 })
  // What a crash left behind. Never opened: 'wx' makes the file that is written to.
  await rm(temporary, { force: true })
  try {
    const handle = await open(temporary, 'wx', 0o600)
    try {
      await handle.writeFile(serialize(cached))
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(temporary, path)
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {})
    throw error
  }
  const handle = await open(directory, constants.O_RDONLY | constants.O_DIRECTORY)
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
