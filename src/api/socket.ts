import { createHash } from 'node:crypto'
import { chmod, chown, link, lstat, rename, stat, unlink } from 'node:fs/promises'
import { connect, createServer, type Server } from 'node:net'
import { basename, dirname, join } from 'node:path'
import { messageOf, systemClock, systemRandom, UsageError } from '../base/index.ts'

/** sizeof(sun_path) less its final zero. */
export const SOCKET_PATH_BYTES_MAX = 107
/** Nobody but the owner may connect between bind and chmod. */
const BINDING_UMASK = 0o177
const PROBE_TIMEOUT_MS = 1_000
/** Taking a place takes milliseconds; whoever waits longer than two seconds for its turn waits for something else. */
const TURN_ATTEMPTS = 100
const TURN_PAUSE_MS = 20

export interface SocketPlace {
  path: string
  /** @default 0o660 */
  mode?: number
  /** Numeric ids; without them the process's own stay. */
  owner?: number
  group?: number
}

export interface UnixSocket {
  readonly path: string
  /** Takes no more connections, waits for the open ones to end, and removes the socket if it still is the one made here. */
  stop(): Promise<void>
}

/**
 * Makes `server` listen on a unix socket. A socket that a live server answers on is left alone, one that a dead process left
 * behind is taken over, and anything else in that place is not touched.
 *
 * The socket is bound beside its place, given its owner and mode there, and then linked into it: it is never seen with
 * another mode, two processes cannot both take the place, and libuv, which removes the name it bound when the server
 * closes, whoever's that is by then, removes nothing of anybody's.
 * @throws UsageError `socket_path`, `socket_in_use`, `socket_place`
 */
export const listenOnUnixSocket = async (server: Server, place: SocketPlace): Promise<UnixSocket> => {
  const { path } = place
  const bound = join(dirname(path), shortName())
  for (const name of [path, bound]) {
    const bytes = Buffer.byteLength(name)
    if (path === '' || bytes > SOCKET_PATH_BYTES_MAX || name.includes('\0')) {
      throw new UsageError(
        'socket_path',
        `the path of a unix socket has at most ${SOCKET_PATH_BYTES_MAX} bytes; ${name} has ${bytes}`,
        {
          next: 'Choose a shorter directory.',
        },
      )
    }
  }
  const turn = await takeTurn(path)
  try {
    await claim(server, place, bound)
  } finally {
    await turn.end()
  }
  const made = await identity(path)
  return {
    path,
    stop: async () => {
      // First the name, then the server: a successor may already wait to take the place.
      if (made !== undefined && (await identity(path)) === made) await unlink(path).catch(ignoreMissing)
      await close(server)
    },
  }
}

const claim = async (server: Server, place: SocketPlace, bound: string): Promise<void> => {
  const { path } = place
  await clearPlace(path)
  await bind(server, bound)
  try {
    if (place.owner !== undefined || place.group !== undefined) await chown(bound, place.owner ?? -1, place.group ?? -1)
    await chmod(bound, place.mode ?? 0o660)
    await link(bound, path)
    await unlink(bound)
  } catch (error) {
    await close(server)
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') throw inUse(path)
    throw new UsageError('socket_place', `cannot make the socket ${path}: ${messageOf(error)}`, { cause: error })
  }
}

/**
 * One process at a time looks at a place and takes it: file names alone cannot say so among three that come for a dead
 * socket. The turn is a name in Linux's abstract socket namespace, which ends with its holder whatever ends that. Where there
 * is none (another system, another network namespace) {@link clearPlace} still never removes a socket that it saw alive.
 */
const takeTurn = async (path: string): Promise<{ end(): Promise<void> }> => {
  if (process.platform !== 'linux') return { end: async () => {} }
  const { dev, ino } = await stat(dirname(path), { bigint: true }).catch((error: unknown) => {
    throw new UsageError('socket_place', `cannot look at ${dirname(path)}: ${messageOf(error)}`, { cause: error })
  })
  const name = createHash('sha256')
    .update(`${dev}:${ino}:${basename(path)}`)
    .digest('hex')
  for (let attempt = 0; attempt < TURN_ATTEMPTS; attempt++) {
    const holder = createServer()
    const taken = await new Promise<boolean>((resolve, reject) => {
      holder.once('error', (error: NodeJS.ErrnoException) => (error.code === 'EADDRINUSE' ? resolve(false) : reject(error)))
      holder.listen({ path: `\0dstack-mesh-place-${name}` }, () => resolve(true))
    })
    if (taken) return { end: () => close(holder) }
    await systemClock.sleep(TURN_PAUSE_MS)
  }
  throw inUse(path)
}

/** For a name beside the socket's that is not much longer than it. */
const shortName = (): string => `.${Buffer.from(systemRandom.bytes(3)).toString('hex')}`

const inUse = (path: string): UsageError =>
  new UsageError('socket_in_use', `another process is listening on ${path}`, {
    next: 'Stop that process, or give this socket another path.',
  })

const ignoreMissing = (error: NodeJS.ErrnoException): void => {
  if (error.code !== 'ENOENT') throw error
}

const ignoreTaken = (error: NodeJS.ErrnoException): void => {
  if (error.code !== 'EEXIST') throw error
}

/** Which file has this name now. */
const identity = async (path: string): Promise<string | undefined> => {
  try {
    const { dev, ino } = await lstat(path, { bigint: true })
    return `${dev}:${ino}`
  } catch (error) {
    ignoreMissing(error as NodeJS.ErrnoException)
    return undefined
  }
}

const clearPlace = async (path: string): Promise<void> => {
  const found = await lstat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw new UsageError('socket_place', `cannot look at ${path}: ${messageOf(error)}`, { cause: error })
  })
  if (found === undefined) return
  if (!found.isSocket()) {
    throw new UsageError('socket_place', `${path} exists and is no socket`, { next: 'Remove it, or choose another path.' })
  }
  if (!(await isDead(path))) throw inUse(path)
  // Another process may be taking the same place over: since we asked, the name can have become that of its live socket, and
  // removing it would leave two that both believe that the place is theirs. What is moved aside can be looked at alone.
  const aside = join(dirname(path), shortName())
  if (!(await rename(path, aside).then(() => true, ignoreMissing))) return
  const dead = await isDead(aside)
  if (!dead) await link(aside, path).catch(ignoreTaken)
  await unlink(aside)
  if (!dead) throw inUse(path)
}

/** Only a refused connection says that nobody listens; no answer, or no permission to ask, does not. */
const isDead = (path: string): Promise<boolean> =>
  new Promise((resolve) => {
    const probe = connect({ path })
    const settle = (dead: boolean) => {
      probe.destroy()
      resolve(dead)
    }
    probe.setTimeout(PROBE_TIMEOUT_MS, () => settle(false))
    probe.once('connect', () => settle(false))
    probe.once('error', (error: NodeJS.ErrnoException) => settle(error.code === 'ECONNREFUSED' || error.code === 'ENOENT'))
  })

const bind = (server: Server, path: string): Promise<void> =>
  new Promise((resolve, reject) => {
    const failed = (error: Error) =>
      reject(new UsageError('socket_place', `cannot listen on ${path}: ${messageOf(error)}`, { cause: error }))
    server.once('error', failed)
    // Binding happens inside listen(), so the process's mask is another for no longer than that.
    const umask = process.umask(BINDING_UMASK)
    try {
      server.listen({ path }, () => {
        server.removeListener('error', failed)
        resolve()
      })
    } finally {
      process.umask(umask)
    }
  })

const close = (server: Server): Promise<void> => new Promise((resolve) => server.close(() => resolve()))
