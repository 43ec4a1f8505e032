import { closeSync, fsyncSync, lstatSync, openSync, readdirSync, readlinkSync, writeSync } from 'node:fs'
import { isatty } from 'node:tty'
import { messageOf, TransientError, UsageError } from '../base/index.ts'

export const STDOUT = 1

const SELF = '/proc/self/fd'

/** What /proc says of a descriptor: where it leads, and whether it is open for reading and for writing. */
const look = (fd: string) => {
  try {
    const { mode } = lstatSync(`${SELF}/${fd}`)
    return { target: readlinkSync(`${SELF}/${fd}`), reads: (mode & 0o400) !== 0, writes: (mode & 0o200) !== 0 }
  } catch {
    return undefined
  }
}

/**
 * Whether what is written there leaves this process. Node opens descriptors for itself too: its event loop's lead to no file, and
 * of its pipes it has the reading end as well.
 */
const leadsOut = (fd: number): boolean => {
  const own = look(String(fd))
  if (own === undefined || !own.writes || own.target.startsWith('anon_inode:')) return false
  if (!own.target.startsWith('pipe:')) return true
  return !readdirSync(SELF).some((name) => {
    const other = look(name)
    return other?.target === own.target && other.reads
  })
}

/** Before the secret is asked for: it must have somewhere to go, and that must be no screen. Throws UsageError. */
export const checkSecretOutput = (fd: number): void => {
  const name = fd === STDOUT ? 'standard output' : `file descriptor ${fd}`
  if (isatty(fd)) {
    throw new UsageError('terminal', `${name} is a terminal: a secret is not shown`, { next: 'pipe it into what needs it' })
  }
  if (!leadsOut(fd)) {
    throw new UsageError('no_output', `${name} is not open for writing`, { next: `open it for this command, as in: ${fd}> file` })
  }
}

const RETRIES_MAX = 5_000

/** All of it, and nothing else. The caller wipes. Throws TransientError. */
export const writeSecret = (fd: number, bytes: Uint8Array): void => {
  let written = 0
  for (let tries = 0; written < bytes.length; ) {
    try {
      written += writeSync(fd, bytes, written)
    } catch (cause) {
      // A pipe that was left non-blocking, and is full: its reader has to come first.
      if ((cause as NodeJS.ErrnoException).code === 'EAGAIN' && tries++ < RETRIES_MAX) {
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1)
        continue
      }
      throw new TransientError('not_written', `cannot write the secret: ${messageOf(cause)}`, {
        next: 'check that the other end is there and reads',
        cause,
      })
    }
  }
}

/** Into a file that is not there yet, for this user alone. */
export const writeSecretFile = (path: string, bytes: Uint8Array): void => {
  let fd: number
  try {
    fd = openSync(path, 'wx', 0o600)
  } catch (cause) {
    throw new UsageError('not_written', `cannot make the file ${path}: ${messageOf(cause)}`, {
      next: 'name a file that does not exist, in a folder that this user may write',
      cause,
    })
  }
  try {
    writeSecret(fd, bytes)
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}
