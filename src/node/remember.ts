import { mkdir, open, readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { formatClusterId, parseClusterId } from '../../protocols/wire/index.ts'
import { messageOf, UsageError } from '../base/index.ts'

// What a node writes to disk: the cluster id and the genesis bundle. Never a secret, never the peer key (design: keys, "In memory").

const CLUSTER_FILE = 'cluster'
const GENESIS_FILE = 'genesis'

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
    text = await readFile(join(dataDir, CLUSTER_FILE), 'utf8')
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

/** Remembers the cluster and its genesis bundle; each file is whole or absent, whatever happens in between. */
export const remember = async (dataDir: string, clusterId: Uint8Array, genesis: Uint8Array): Promise<void> => {
  try {
    await writeWhole(dataDir, GENESIS_FILE, genesis)
    await writeWhole(dataDir, CLUSTER_FILE, Buffer.from(`${formatClusterId(clusterId)}\n`))
  } catch (cause) {
    throw unusable(dataDir, cause)
  }
}

const writeWhole = async (folder: string, name: string, bytes: Uint8Array): Promise<void> => {
  const path = join(folder, name)
  const file = await open(`${path}.new`, 'w', 0o600)
  try {
    await file.writeFile(bytes)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(`${path}.new`, path)
}
