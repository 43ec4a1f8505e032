import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { extname, join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { u32be, utf8 } from '../../../protocols/wire/bytes.ts'
import { UsageError } from '../../base/index.ts'

/** What a TD's start is measured into; 48 bytes each. */
export interface Measurements {
  mrTd: Uint8Array
  rtmr0: Uint8Array
  rtmr1: Uint8Array
  rtmr2: Uint8Array
}

const FILES_MAX = 2_000
const BYTES_MAX = 32 * 1024 * 1024
/** The folder that holds `src` and `protocols` of the running program: the checkout, or `dist`. */
const programFolder = fileURLToPath(new URL('../../..', import.meta.url))
const codeExtension = extname(new URL(import.meta.url).pathname)

const sha384 = (...parts: Uint8Array[]): Uint8Array => {
  const hash = createHash('sha384')
  for (const part of parts) hash.update(u32be(part.length)).update(part)
  return Uint8Array.from(hash.digest())
}
const text = (...parts: string[]): Uint8Array => sha384(...parts.map(utf8))

/** Source files below `src` and `protocols`, by path relative to `folder` with `/`, sorted by code unit. */
const programFiles = async (folder: string, extension: string): Promise<string[]> => {
  const found: string[] = []
  for (const room of ['src', 'protocols']) {
    const entries = await readdir(join(folder, room), { recursive: true, withFileTypes: true })
    for (const entry of entries) {
      const kind = extname(entry.name)
      if (!entry.isFile() || (kind !== extension && kind !== '.json')) continue
      found.push(relative(folder, join(entry.parentPath, entry.name)).split(sep).join('/'))
    }
  }
  return found.sort((a, b) => (a < b ? -1 : 1))
}

/**
 * Measurements of an emulated TD that mean what a real image's would: MRTD names the (emulated) firmware and the package's
 * version, RTMR0 the emulated hardware, RTMR1 the Node version in the kernel's place, RTMR2 our own program's files.
 * Change one byte of the program and a policy made before refuses it. Throws `UsageError` (`program_unmeasurable`).
 */
export const measureProgram = async (folder = programFolder, extension = codeExtension): Promise<Measurements> => {
  try {
    const version = await packageVersion(folder)
    const files = await programFiles(folder, extension)
    if (files.length === 0 || files.length > FILES_MAX) throw new RangeError(`${files.length} program files`)
    const hash = createHash('sha384')
    let bytes = 0
    const contents = await Promise.all(files.map((file) => readFile(join(folder, file))))
    for (const [index, content] of contents.entries()) {
      bytes += content.length
      if (bytes > BYTES_MAX) throw new RangeError(`more than ${BYTES_MAX} bytes of program files`)
      const name = utf8(files[index]!)
      hash.update(u32be(name.length)).update(name).update(u32be(content.length)).update(content)
    }
    return {
      mrTd: text('dstack-mesh emulated firmware', version),
      rtmr0: text('dstack-mesh emulated hardware'),
      rtmr1: text('node', process.version),
      rtmr2: Uint8Array.from(hash.digest()),
    }
  } catch (cause) {
    throw new UsageError('program_unmeasurable', `could not measure the program's files below ${folder}`, {
      next: 'run the program from a complete installation',
      cause,
    })
  }
}

const packageVersion = async (folder: string): Promise<string> => {
  // Beside `src` in a checkout, one above in `dist`.
  for (const candidate of [folder, join(folder, '..')]) {
    const content = await readFile(join(candidate, 'package.json'), 'utf8').catch(() => undefined)
    if (content === undefined) continue
    const document: unknown = JSON.parse(content)
    if (typeof document === 'object' && document !== null && 'version' in document && typeof document.version === 'string') {
      return document.version
    }
  }
  throw new Error('no package.json with a version')
}
