import { closeSync, fdatasyncSync, fstatSync, openSync, writeSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { UsageError } from '../../src/index.ts'

/** The longest line: a full ledger of the largest transactions that this ledger takes, with room to spare. */
const LINE_BYTES_MAX = 16 * 1024 * 1024
const CHUNK_BYTES = 1024 * 1024

const damaged = (path: string, line: number, what: string): UsageError =>
  new UsageError('state-damaged', `line ${line} of ${path} ${what}`, {
    next: 'restore the file, or start a new ledger with another one',
  })

/**
 * One JSON value a line, only ever appended to. A last line that was not written to its end is cut off when the file is read:
 * nobody was told of it.
 */
export class StateFile {
  readonly #path: string
  readonly #fd: number
  #size: number

  private constructor(path: string, size: number) {
    this.#path = path
    // Owner only: the first line holds the key that signs ledgers.
    this.#fd = openSync(path, 'a', 0o600)
    this.#size = size
    if (fstatSync(this.#fd).size !== size) {
      closeSync(this.#fd)
      throw this.#foreign()
    }
  }

  /**
   * Reads what is there, line by line, and opens it for more.
   * @param beginning what every such file begins with: nothing is ever cut off another file.
   */
  static async open(path: string, beginning: string, onLine: (value: unknown, line: number) => void): Promise<StateFile> {
    const file = await open(path, 'a+', 0o600)
    try {
      await assertBeginning(file, path, beginning)
      const size = await readLines(file, path, onLine)
      await file.truncate(size)
      return new StateFile(path, size)
    } finally {
      await file.close()
    }
  }

  /** Appends a value; with `durable` it is on the disk when this returns. */
  append(value: unknown, durable: boolean): void {
    const line = Buffer.from(`${JSON.stringify(value)}\n`)
    if (fstatSync(this.#fd).size !== this.#size) throw this.#foreign()
    let written = 0
    while (written < line.length) written += writeSync(this.#fd, line, written)
    if (durable) fdatasyncSync(this.#fd)
    this.#size += line.length
  }

  close(): void {
    closeSync(this.#fd)
  }

  #foreign(): UsageError {
    return new UsageError('state-shared', `something else writes to ${this.#path}`, {
      next: 'give each ledger a file of its own',
    })
  }
}

const assertBeginning = async (file: FileHandle, path: string, beginning: string): Promise<void> => {
  const expected = Buffer.from(beginning)
  const { bytesRead, buffer } = await file.read(Buffer.alloc(expected.length), 0, expected.length, 0)
  if (!expected.subarray(0, bytesRead).equals(buffer.subarray(0, bytesRead)))
    throw damaged(path, 1, 'is not the beginning of a ledger')
}

/** Hands over each whole line; returns where the last one ends. */
const readLines = async (file: FileHandle, path: string, onLine: (value: unknown, line: number) => void): Promise<number> => {
  let rest = Buffer.alloc(0)
  let end = 0
  let line = 0
  let torn: number | undefined
  const chunk = Buffer.alloc(CHUNK_BYTES)
  for (let position = 0; ; ) {
    const { bytesRead } = await file.read(chunk, 0, chunk.length, position)
    if (bytesRead === 0) break
    position += bytesRead
    rest = Buffer.concat([rest, chunk.subarray(0, bytesRead)])
    for (let at = rest.indexOf(0x0a); at >= 0; at = rest.indexOf(0x0a)) {
      line += 1
      if (torn !== undefined) throw damaged(path, torn, 'is no JSON')
      try {
        onLine(JSON.parse(rest.toString('utf8', 0, at)), line)
        end += at + 1
      } catch (error) {
        if (!(error instanceof SyntaxError)) throw error
        // Only the last line may be like this.
        torn = line
      }
      rest = rest.subarray(at + 1)
    }
    if (rest.length > LINE_BYTES_MAX) throw damaged(path, line + 1, 'is too long')
  }
  if (torn !== undefined && rest.length > 0) throw damaged(path, torn, 'is no JSON')
  return end
}
