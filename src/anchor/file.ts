import { open } from 'node:fs/promises'
import { fromString } from 'uint8arrays/from-string'
import { toString as bytesToString } from 'uint8arrays/to-string'
import { FILE_NETWORK } from '../../protocols/records/constants.ts'
import {
  clusterSignedBytes,
  equals,
  fieldList,
  formatClusterId,
  parseClusterId,
  utf8,
  verifyEd25519,
} from '../../protocols/wire/index.ts'
import { messageOf, RefusedError, readBounded, UsageError } from '../base/index.ts'
import type { Anchor, AnchorRecord } from './anchor.ts'

const FILE_LIMIT_BYTES = 4 * 1024 * 1024
const HEX_HASH = /^[0-9a-f]{64}$/
const HEX_SIGNATURE = /^[0-9a-f]{128}$/

const signedFields = (record: AnchorRecord): Uint8Array =>
  fieldList([record.clusterId, record.genesisHash, record.quoteHash, record.policyHash])

const hex = (bytes: Uint8Array): string => bytesToString(bytes, 'hex')

const format = (record: AnchorRecord, signature: Uint8Array): string =>
  `${JSON.stringify({
    version: 1,
    cluster: formatClusterId(record.clusterId),
    genesis: hex(record.genesisHash),
    quote: hex(record.quoteHash),
    policy: hex(record.policyHash),
    signature: hex(signature),
  })}\n`

/** One line as a record whose signature holds; undefined for a line about another cluster. Throws RefusedError. */
const parseLine = (line: string, clusterId: Uint8Array, where: string): AnchorRecord | undefined => {
  let entry: unknown
  try {
    entry = JSON.parse(line)
  } catch {
    throw new RefusedError('anchor_damaged', `${where} is not JSON`, { next: 'restore the file from another member' })
  }
  const field = (name: string): unknown =>
    typeof entry === 'object' && entry !== null ? Object.getOwnPropertyDescriptor(entry, name)?.value : undefined
  const cluster = field('cluster')
  const [genesis, quote, policy, signature] = ['genesis', 'quote', 'policy', 'signature'].map(field)
  const id = typeof cluster === 'string' ? parseClusterId(cluster) : undefined
  if (id !== undefined && !equals(id, clusterId)) return undefined
  const isHex = (value: unknown, form: RegExp): value is string => typeof value === 'string' && form.test(value)
  if (
    id === undefined ||
    field('version') !== 1 ||
    !isHex(genesis, HEX_HASH) ||
    !isHex(quote, HEX_HASH) ||
    !isHex(policy, HEX_HASH) ||
    !isHex(signature, HEX_SIGNATURE)
  ) {
    throw new RefusedError('anchor_damaged', `${where} is not an anchor record`, { next: 'restore the file from another member' })
  }
  const record = {
    clusterId: id,
    genesisHash: fromString(genesis, 'hex'),
    quoteHash: fromString(quote, 'hex'),
    policyHash: fromString(policy, 'hex'),
  }
  if (!verifyEd25519(id, clusterSignedBytes('file-anchor', signedFields(record)), fromString(signature, 'hex'))) {
    throw new RefusedError('anchor_forged', `${where} is not signed by the cluster`, {
      next: 'somebody changed the file: find out who, and restore it from another member',
    })
  }
  return record
}

/**
 * An append-only file of signed records, one JSON line each; the first one of a cluster counts. The host that owns the disk
 * can replace or remove it, so it is a weak witness: it catches mistakes, and lies of peers who do not own this disk.
 */
export const fileAnchor = (path: string): Anchor => {
  const read = async (clusterId: Uint8Array): Promise<AnchorRecord | undefined> => {
    let text: string
    try {
      text = (await readBounded(path, FILE_LIMIT_BYTES)).toString('utf8')
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
      throw new UsageError('anchor_unreadable', `cannot read the anchor file ${path}: ${messageOf(error)}`, {
        next: 'check --anchor',
        cause: error,
      })
    }
    for (const [index, line] of text.split('\n').entries()) {
      if (line === '') continue
      const record = parseLine(line, clusterId, `${path}, line ${index + 1}`)
      if (record !== undefined) return record
    }
    return undefined
  }

  return {
    witness: 'file',
    network: utf8(FILE_NETWORK),
    read,
    async publish(record, signer) {
      const existing = await read(record.clusterId)
      if (existing === undefined) {
        const line = format(record, signer.signAsCluster('file-anchor', signedFields(record)))
        try {
          // O_APPEND: lines of several writers never mix.
          const file = await open(path, 'a', 0o644)
          try {
            await file.appendFile(line)
            await file.sync()
          } finally {
            await file.close()
          }
        } catch (error) {
          throw new UsageError('anchor_unwritable', `cannot write the anchor file ${path}: ${messageOf(error)}`, {
            next: 'give --anchor a path in a folder that this user may write',
            cause: error,
          })
        }
      }
      const published = existing ?? (await read(record.clusterId))
      if (published === undefined || !equals(signedFields(published), signedFields(record))) {
        throw new RefusedError(
          'anchor_taken',
          `${path} already anchors another genesis for ${formatClusterId(record.clusterId)}`,
          {
            next: 'start a cluster of its own in another data folder',
          },
        )
      }
      return undefined
    },
  }
}
