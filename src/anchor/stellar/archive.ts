import { Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { type Clock, messageOf, TransientError } from '../../base/index.ts'
import { parseHeader } from '../proof/header.ts'
import { badXdr, concat, u32be, XdrReader } from '../xdr.ts'
import { bareHeader } from './horizon.ts'

// History archives: plain files that every full validator publishes, for good. Each file covers a checkpoint of 64 ledgers:
// gzip of XDR entries, each behind its length (RFC 5531, record marking). Nothing of them is believed: their contents are hashed.

const CHECKPOINT_LEDGERS = 64
const TIMEOUT_MS = 60_000
/** Of a busy pubnet checkpoint; a file that swells to more is no archive's. */
const PACKED_BYTES_MAX = 128 * 1024 * 1024
const UNPACKED_BYTES_MAX = 1024 * 1024 * 1024
/** One ledger. */
const ENTRY_BYTES_MAX = 24 * 1024 * 1024
const HASH_BYTES = 32
const GZIP_MAGIC = [0x1f, 0x8b]

export interface ArchiveParts {
  readonly clock: Clock
  readonly signal: AbortSignal | undefined
}

export interface ArchivedLedger {
  readonly header: Uint8Array
  /** (Generalized)TransactionSet; empty where the archive has none of this ledger, as for one without transactions. */
  readonly transactions: Uint8Array
  /** TransactionResultSet; empty likewise. */
  readonly results: Uint8Array
}

/** The last ledger of the checkpoint that a ledger is in: 63, 127, 191 … */
export const checkpointOf = (sequence: number): number => sequence + (CHECKPOINT_LEDGERS - 1 - (sequence % CHECKPOINT_LEDGERS))

/** `category/xx/yy/zz/category-xxyyzzww.xdr.gz` below an archive's address. */
export const archivePath = (category: 'ledger' | 'transactions' | 'results', sequence: number): string => {
  const name = checkpointOf(sequence).toString(16).padStart(8, '0')
  return `${category}/${name.slice(0, 2)}/${name.slice(2, 4)}/${name.slice(4, 6)}/${category}-${name}.xdr.gz`
}

/** undefined: this archive does not have it (yet). Throws TransientError, RefusedError `bad_xdr`. */
export const archivedLedger = async (
  archive: string,
  sequence: number,
  parts: ArchiveParts,
): Promise<ArchivedLedger | undefined> => {
  const [header] = (await archivedHeaders(archive, sequence, sequence, parts)) ?? []
  if (header === undefined) return undefined
  const [transactions, results] = await Promise.all([
    entryOf(archive, 'transactions', sequence, parts),
    entryOf(archive, 'results', sequence, parts),
  ])
  return {
    header,
    transactions: transactions === undefined ? new Uint8Array() : setOf(transactions),
    results: results === undefined ? new Uint8Array() : withoutExt(results.subarray(4), 'results'),
  }
}

/** The headers of these ledgers, as many of them as the archive has from the first on; undefined: not the first. */
export const archivedHeaders = async (
  archive: string,
  from: number,
  to: number,
  parts: ArchiveParts,
): Promise<readonly Uint8Array[] | undefined> => {
  const headers: Uint8Array[] = []
  for (let checkpoint = from; checkpoint <= to; checkpoint = checkpointOf(checkpoint) + 1) {
    const url = `${archive}/${archivePath('ledger', checkpoint)}`
    for await (const entry of entries(url, parts)) {
      const header = bareHeader(entry)
      const { sequence } = parseHeader(header)
      if (sequence === from + headers.length) headers.push(header)
      if (sequence >= to) break
    }
  }
  return headers.length === 0 ? undefined : headers
}

const entryOf = async (
  archive: string,
  category: 'transactions' | 'results',
  sequence: number,
  parts: ArchiveParts,
): Promise<Uint8Array | undefined> => {
  for await (const entry of entries(`${archive}/${archivePath(category, sequence)}`, parts)) {
    const at = new XdrReader(entry.subarray(0, 4), category).u32()
    if (at === sequence) return entry
    if (at > sequence) return undefined
  }
  return undefined
}

/** TransactionHistoryEntry: a set of the old kind, empty where one of the new kind stands behind it. */
const setOf = (entry: Uint8Array): Uint8Array => {
  const old = entry.subarray(4)
  // No transactions, then the arm of the extension.
  const generalized = concat([u32be(0), u32be(1)])
  const isEmpty = Buffer.from(old.subarray(HASH_BYTES, HASH_BYTES + generalized.length)).equals(generalized)
  return isEmpty ? old.subarray(HASH_BYTES + generalized.length) : withoutExt(old, 'transactions')
}

const withoutExt = (bytes: Uint8Array, what: string): Uint8Array => {
  if (bytes.length < 4 || bytes.subarray(-4).some((byte) => byte !== 0)) throw badXdr(`${what} of an archive`, 'an unknown form')
  return bytes.subarray(0, -4)
}

/** The entries of one file, one at a time; none where the archive has no such file. */
async function* entries(url: string, { clock, signal }: ArchiveParts): AsyncGenerator<Uint8Array> {
  const outage = (found: string, cause?: unknown): TransientError =>
    new TransientError('anchor_unreachable', `${new URL(url).host} does not answer as a history archive: ${found}`, {
      next: 'name another one with --stellar-archive',
      ...(cause !== undefined && { cause }),
    })
  using deadline = clock.deadline(TIMEOUT_MS, signal)
  let unpacked: Readable | undefined
  try {
    const response = await fetch(url, { redirect: 'manual', signal: deadline.signal, headers: { 'accept-encoding': 'identity' } })
    if (response.status !== 200 || response.body === null) {
      await response.body?.cancel()
      // Archives in a store answer 403 for what is not there.
      if (response.status === 404 || response.status === 403) return
      throw outage(`status ${response.status}`)
    }
    unpacked = await unpack(bounded(response.body as unknown as AsyncIterable<Uint8Array>, PACKED_BYTES_MAX))
    yield* records(bounded(unpacked, UNPACKED_BYTES_MAX))
  } catch (error) {
    signal?.throwIfAborted()
    if (deadline.signal.aborted) throw outage(`not within ${TIMEOUT_MS} ms`, error)
    if (error instanceof Error && 'code' in error && error.code === 'bad_xdr') throw error
    throw error instanceof TransientError ? error : outage(messageOf(error), error)
  } finally {
    // Also where the reader has seen enough: this ends the download.
    unpacked?.destroy()
  }
}

/** As it comes, or out of gzip: a server that says how the file is packed has had it unpacked by `fetch` already. */
const unpack = async (body: AsyncIterable<Uint8Array>): Promise<Readable> => {
  const source = Readable.from(body, { objectMode: false })
  const first = await new Promise<Uint8Array | null>((resolve, reject) => {
    source.once('readable', () => resolve(source.read() as Uint8Array | null))
    source.once('error', reject)
  })
  if (first !== null) source.unshift(first)
  if (first === null || GZIP_MAGIC.some((byte, index) => first[index] !== byte)) return source
  const gunzip = createGunzip()
  source.once('error', (error) => gunzip.destroy(error))
  gunzip.once('close', () => source.destroy())
  return source.pipe(gunzip)
}

async function* bounded(chunks: AsyncIterable<Uint8Array>, max: number): AsyncGenerator<Uint8Array> {
  let size = 0
  for await (const chunk of chunks) {
    size += chunk.length
    if (size > max) throw badXdr('file of an archive', `more than ${max} bytes`)
    yield chunk
  }
}

/** Record marking: a length whose first bit says that the record ends with it. */
async function* records(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let held: Buffer[] = []
  let size = 0
  let wanted = 4
  let isMark = true
  for await (const chunk of chunks) {
    held.push(Buffer.from(chunk))
    size += chunk.length
    while (size >= wanted) {
      const all: Buffer = held.length === 1 ? held[0]! : Buffer.concat(held)
      const record = all.subarray(0, wanted)
      held = [all.subarray(wanted)]
      size -= wanted
      if (isMark) {
        const mark = record.readUInt32BE()
        wanted = mark & 0x7fff_ffff
        if (mark < 0x8000_0000 || wanted > ENTRY_BYTES_MAX) throw badXdr('file of an archive', `a record of mark ${mark}`)
      } else {
        yield Uint8Array.from(record)
        wanted = 4
      }
      isMark = !isMark
    }
  }
  if (size > 0 || !isMark) throw badXdr('file of an archive', 'cut off')
}
