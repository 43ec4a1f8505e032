import { mkdir, open, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { ANCHOR_PROOF_LIMIT_BYTES } from '../../protocols/records/constants.ts'
import { formatClusterId, parseClusterId } from '../../protocols/wire/index.ts'
import { messageOf, type Random, readBounded, UsageError } from '../base/index.ts'

// What a node writes to disk: the cluster id, the genesis bundle, the anchor's proof of it, and what its instance ids are made from. Never a secret, never
// the peer key (design: keys, "In memory").

const CLUSTER_FILE = 'cluster'
const GENESIS_FILE = 'genesis'
const PROOF_FILE = 'anchor-proof'
const INSTANCE_FILE = 'instance'
const INSTANCE_SEED_BYTES = 20
/** A line of text. */
const SHORT_FILE_LIMIT_BYTES = 1024

const unusable = (dataDir: string, cause: unknown): UsageError =>
  new UsageError('data_dir_unusable', `cannot use the data folder ${dataDir}: ${messageOf(cause)}`, {
    next: 'give --data-dir a folder that this user may write',
    cause,
  })

/** Makes the folder, for this user alone. */
export const openDataDir = async (dataDir: string): Promise<void> => {
  try {
    await mkdir(dataDir, { recursive: true, mode: 0o700 })
  } catch (cause) {
    throw unusable(dataDir, cause)
  }
}

/** The cluster that this node was a member of, if any. */
export const rememberedCluster = async (dataDir: string): Promise<Uint8Array | undefined> => {
  let text: string
  try {
    text = (await readBounded(join(dataDir, CLUSTER_FILE), SHORT_FILE_LIMIT_BYTES)).toString('utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw unusable(dataDir, error)
  }
  const id = parseClusterId(text.trim())
  if (id === undefined) {
    throw new UsageError('data_dir_unusable', `${join(dataDir, CLUSTER_FILE)} does not hold a cluster id`, {
      next: 'restore it, or use another --data-dir',
    })
  }
  return id
}

/**
 * Remembers the cluster, its genesis bundle and, where there is one, the anchor's proof; each file is whole or absent, whatever
 * happens in between.
 */
export const remember = async (
  dataDir: string,
  clusterId: Uint8Array,
  genesis: Uint8Array,
  proof?: Uint8Array,
): Promise<void> => {
  try {
    await writeWhole(dataDir, GENESIS_FILE, genesis)
    if (proof !== undefined) await writeWhole(dataDir, PROOF_FILE, proof)
    await writeWhole(dataDir, CLUSTER_FILE, Buffer.from(`${formatClusterId(clusterId)}\n`))
  } catch (cause) {
    throw unusable(dataDir, cause)
  }
}

/** Removes what {@link remember} wrote; what else lies in the folder stays. */
export const forget = async (dataDir: string): Promise<void> => {
  try {
    // The cluster first: without it the others say nothing.
    for (const name of [CLUSTER_FILE, GENESIS_FILE, PROOF_FILE]) await rm(join(dataDir, name), { force: true })
  } catch (cause) {
    throw unusable(dataDir, cause)
  }
}

/** The anchor's proof from an earlier join; not checked here. undefined: none, or none that could hold. */
export const rememberedProof = async (dataDir: string): Promise<Uint8Array | undefined> => {
  const path = join(dataDir, PROOF_FILE)
  try {
    if ((await stat(path)).size > ANCHOR_PROOF_LIMIT_BYTES) return undefined
    return Uint8Array.from(await readBounded(path, ANCHOR_PROOF_LIMIT_BYTES))
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw unusable(dataDir, error)
  }
}

/**
 * What this installation's instance ids are made from, 20 bytes, not secret. Kept: RTMR3 carries the instance ids and can only
 * be extended, so a node that starts again in the same TD must state the same ones.
 */
export const instanceSeed = async (dataDir: string, random: Random): Promise<Uint8Array> => {
  const path = join(dataDir, INSTANCE_FILE)
  try {
    const text = await readBounded(path, SHORT_FILE_LIMIT_BYTES).then(String, (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined
      throw error
    })
    if (text === undefined) {
      const seed = random.bytes(INSTANCE_SEED_BYTES)
      await writeWhole(dataDir, INSTANCE_FILE, Buffer.from(`${Buffer.from(seed).toString('hex')}\n`))
      return seed
    }
    if (!/^[0-9a-f]{40}\n$/.test(text)) throw new Error(`${path} does not hold 40 hex digits; remove it to have it made anew`)
    return Uint8Array.from(Buffer.from(text.trim(), 'hex'))
  } catch (cause) {
    throw unusable(dataDir, cause)
  }
}

const writeWhole = async (folder: string, name: string, bytes: Uint8Array): Promise<void> => {
  const path = join(folder, name)
  // A file of our own making: what another left under this name (a link, a FIFO) is not written through.
  await rm(`${path}.new`, { force: true })
  const file = await open(`${path}.new`, 'wx', 0o600)
  try {
    await file.writeFile(bytes)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(`${path}.new`, path)
}
