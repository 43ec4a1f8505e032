import { link, open, unlink } from 'node:fs/promises'
import { formatClusterId, parseClusterId } from '../../protocols/wire/index.ts'
import { type Clock, type Log, messageOf, type Random, readBounded, TransientError, UsageError } from '../base/index.ts'
import type { Entry } from './init.ts'

// A file that one node makes and the others wait for: how a cluster's id gets from its first member to the next ones where
// nobody is there to copy it. It says where to go and nothing more: what is found there is checked as after `--cluster`.

const POLL_MS = 200
/** A line of text. */
const LIMIT_BYTES = 1024

export interface ClusterFileParts {
  path: string
  clock: Clock
  random: Random
  log: Log
  signal: AbortSignal
}

const unusable = (path: string, cause: unknown): UsageError =>
  new UsageError('cluster_file_unusable', `cannot use the cluster file ${path}: ${messageOf(cause)}`, {
    next: 'check --cluster-file',
    cause,
  })

/**
 * What a node with a cluster file does: joins the cluster that the file names. One that is told to make a cluster makes it
 * where there is no file yet, so that after a restart it comes back as a member; every other one waits for the file.
 * @throws TransientError `cluster_file_absent` when it does not come in time; UsageError when it holds no cluster id
 */
export const entryByClusterFile = async (entry: Entry, timeoutMs: number, parts: ClusterFileParts): Promise<Entry> => {
  const { path, log, signal } = parts
  const found = await read(path)
  if (found === undefined && entry.kind === 'new') return entry
  if (found === undefined) log.info('cluster_file.waiting', { path })
  const cluster = found ?? (await wait(parts, timeoutMs))
  signal.throwIfAborted()
  log.info('cluster_file.read', { path, cluster })
  const { peers = [], policy } = entry
  return { kind: 'join', cluster, peers, ...(policy !== undefined && { policy }), timeoutMs }
}

const read = async (path: string): Promise<string | undefined> => {
  let text: string
  try {
    text = (await readBounded(path, LIMIT_BYTES)).toString('utf8').trim()
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw unusable(path, error)
  }
  if (parseClusterId(text) === undefined) throw unusable(path, new Error('it does not hold a cluster id'))
  return text
}

/** Looks again and again: on a folder that machines or containers share, changes are not always told. */
const wait = async ({ path, clock, signal }: ClusterFileParts, timeoutMs: number): Promise<string> => {
  const endMs = clock.monotonicMs() + timeoutMs
  for (;;) {
    await clock.sleep(POLL_MS, signal)
    const found = await read(path)
    if (found !== undefined) return found
    if (clock.monotonicMs() < endMs) continue
    throw new TransientError('cluster_file_absent', `no node wrote a cluster's id to ${path} within ${timeoutMs / 1000} s`, {
      next: 'start the first node with --new and the same --cluster-file, or give --cluster',
    })
  }
}

/** Whole or not at all, and never over another's: two first nodes with one file would part those that read it. */
export const writeClusterFile = async (clusterId: Uint8Array, { path, random, log }: ClusterFileParts): Promise<void> => {
  const own = `${path}.${Buffer.from(random.bytes(6)).toString('hex')}`
  try {
    const file = await open(own, 'wx', 0o644)
    try {
      await file.writeFile(`${formatClusterId(clusterId)}\n`)
      await file.sync()
    } finally {
      await file.close()
    }
    await link(own, path)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST') {
      throw new UsageError('cluster_file_taken', `another node made a cluster meanwhile and wrote its id to ${path}`, {
        next: 'give --new to one node only',
        cause,
      })
    }
    throw unusable(path, cause)
  } finally {
    await unlink(own).catch(() => {})
  }
  log.info('cluster_file.written', { path })
}
