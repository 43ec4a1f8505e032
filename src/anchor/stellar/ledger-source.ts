import { createHash } from 'node:crypto'
import type { xdr as xdrTypes } from '@stellar/stellar-sdk/base'
import { type Clock, messageOf, RefusedError, TransientError } from '../../base/index.ts'
import { type LedgerHeader, parseHeader } from '../proof/header.ts'
import {
  type AnchorProof,
  checkResults,
  encodeProof,
  GENERALIZED_SINCE,
  HEADERS_MAX,
  PROOF_BYTES_MAX,
  readTransactionSet,
} from '../proof/proof.ts'
import { badXdr, concat, u32be } from '../xdr.ts'
import { archivedHeaders, archivedLedger, checkpointOf } from './archive.ts'
import { openEnvelope, readGenesis, transactionHash } from './genesis.ts'
import { bareHeader, type Horizon } from './horizon.ts'
import { networkId } from './networks.ts'
import { rpc } from './rpc.ts'
import type { Servers } from './servers.ts'

// Where the parts of a proof come from. Horizon has headers, but neither sets nor results: those come from our devnet ledger's
// own /ledgers/{n}/proof, from Stellar RPC's getLedgers while it keeps the ledger (a week at most), or from a history archive,
// which has every ledger for good, but each only when its checkpoint of 64 ledgers is over.

/** One ledger as XDR; nothing of it is checked yet. */
export interface LedgerParts {
  readonly header: Uint8Array
  readonly transactions: Uint8Array
  readonly results: Uint8Array
  /** Who gave it, for people. */
  readonly from: string
}

/** A busy pubnet ledger with all that its contracts did. */
const LEDGER_BYTES_MAX = 24 * 1024 * 1024

export interface LedgerSourceParts {
  readonly servers: Servers
  readonly rpcs: readonly string[]
  readonly archives: readonly string[]
  readonly clock: Clock
  readonly signal: AbortSignal | undefined
}

/**
 * undefined: nobody who answers has this ledger (any more, or yet). One source after the other, since most have it not; one that
 * talks nonsense only matters where no other has it: then its refusal is thrown. `whole`: with set and results.
 */
export const fetchLedger = async (
  sequence: number,
  parts: LedgerSourceParts,
  { whole = true } = {},
): Promise<LedgerParts | undefined> => {
  const sources = [
    ...parts.servers.all.map((horizon) => () => fromHorizon(horizon, sequence)),
    ...parts.rpcs.map((url) => () => fromRpc(url, sequence, parts)),
    ...parts.archives.map((url) => () => fromArchive(url, sequence, parts)),
  ]
  let nonsense: RefusedError | undefined
  for (const source of sources) {
    try {
      const ledger = await source()
      if (ledger === undefined) continue
      checkParts(ledger)
      // An archive that is not all there.
      if (whole && (ledger.transactions.length === 0 || ledger.results.length === 0)) continue
      return ledger
    } catch (error) {
      parts.signal?.throwIfAborted()
      if (error instanceof RefusedError) nonsense ??= error
      else if (!(error instanceof TransientError)) throw error
    }
  }
  if (nonsense !== undefined) throw nonsense
  return undefined
}

/** Whether the parts of one source belong together; what its header is worth is for the proof to say. */
const checkParts = ({ header, transactions, results, from }: LedgerParts): void => {
  const { version, resultsHash, transactionSetHash } = parseHeader(header)
  const isHashOf = (hash: Uint8Array, bytes: Uint8Array) => createHash('sha256').update(bytes).digest().equals(hash)
  if (results.length > 0 && !isHashOf(resultsHash, results)) throw badXdr(from, 'results of another ledger')
  const generalized = version >= GENERALIZED_SINCE
  if (generalized && transactions.length > 0 && !isHashOf(transactionSetHash, transactions)) {
    throw badXdr(from, 'the transaction set of another ledger')
  }
}

const fromHorizon = async (horizon: Horizon, sequence: number): Promise<LedgerParts | undefined> => {
  const fields = await horizon.proof(sequence, LEDGER_BYTES_MAX)
  if (fields === undefined) return undefined
  return {
    header: bareHeader(fields.bytes('header_xdr', LEDGER_BYTES_MAX)),
    transactions: fields.bytes('tx_set_xdr', LEDGER_BYTES_MAX),
    results: fields.bytes('results_xdr', LEDGER_BYTES_MAX),
    from: `${horizon.url}/ledgers/${sequence}/proof`,
  }
}

const fromArchive = async (url: string, sequence: number, parts: LedgerSourceParts): Promise<LedgerParts | undefined> => {
  const ledger = await archivedLedger(url, sequence, parts)
  return ledger === undefined ? undefined : { ...ledger, from: `${url} (files of checkpoint ${checkpointOf(sequence)})` }
}

const fromRpc = async (url: string, sequence: number, { clock, signal }: LedgerSourceParts): Promise<LedgerParts | undefined> => {
  const reach = { clock, signal, limitBytes: LEDGER_BYTES_MAX * 2 }
  const { result } = await rpc(reach, url, 'getLedgers', { startLedger: sequence, pagination: { limit: 1 } })
  if (result === undefined) return undefined
  const ledger = result.list('ledgers', 16).find((each) => each.natural('sequence') === sequence)
  if (ledger === undefined) return undefined
  return { ...(await readCloseMeta(ledger.bytes('metadataXdr', LEDGER_BYTES_MAX))), from: `${url} getLedgers` }
}

/** Header, set and results of a LedgerCloseMeta, whatever its version. */
const readCloseMeta = async (bytes: Uint8Array): Promise<Omit<LedgerParts, 'from'>> => {
  const { xdr } = await import('@stellar/stellar-sdk/base')
  try {
    const { ledgerHeader, txSet, txProcessing } = xdr.LedgerCloseMeta.fromXdr(bytes).value
    const pairs = (txProcessing as readonly { result: xdrTypes.TransactionResultPair }[]).map(({ result }) => result.toXdr())
    return {
      header: Uint8Array.from(ledgerHeader.header.toXdr()),
      transactions: Uint8Array.from(txSet.toXdr()),
      results: concat([u32be(pairs.length), ...pairs]),
    }
  } catch (error) {
    throw badXdr('ledger', messageOf(error))
  }
}

export interface FetchedProof {
  readonly proof: Uint8Array
  readonly from: readonly string[]
}

/**
 * A proof of the genesis of `clusterId` in ledger `sequence`, with the headers up to ledger `upTo`. undefined where no server has
 * the parts. What it proves is for {@link verifyProof} to say.
 */
export const fetchProof = async (
  genesis: { readonly clusterId: Uint8Array; readonly passphrase: string; readonly sequence: number; readonly upTo: number },
  parts: LedgerSourceParts,
): Promise<FetchedProof | undefined> => {
  const { sequence, upTo } = genesis
  if (upTo - sequence >= HEADERS_MAX) {
    throw new RefusedError(
      'checkpoint_too_far',
      `ledger ${upTo} is ${upTo - sequence} ledgers after the genesis in ${sequence}`,
      {
        next: `pin the ledger of the genesis, or one at most ${HEADERS_MAX - 1} after it`,
      },
    )
  }
  const ledger = await fetchLedger(sequence, parts)
  if (ledger === undefined) return undefined
  const header = parseHeader(ledger.header)
  const found = await findGeneses(await readTransactionSet(ledger.transactions, header), genesis)
  const envelope = await succeeded(found, ledger.results, header, genesis.passphrase)
  if (envelope === undefined) return undefined
  const headers = [ledger.header]
  let following: Uint8Array = new Uint8Array()
  const from = new Set([ledger.from])
  if (upTo > sequence) {
    const next = await fetchLedger(sequence + 1, parts, { whole: false })
    if (next !== undefined) {
      headers.push(next.header)
      following = next.transactions
      from.add(next.from)
      const more = await headersOf(sequence + 2, upTo, parts)
      headers.push(...more.headers)
      if (more.from !== undefined) from.add(more.from)
    }
  }
  const proof = fitted({ envelope, results: ledger.results, headers, transactions: ledger.transactions, following })
  return proof === undefined ? undefined : { proof, from: [...from] }
}

/** Headers of these ledgers without a gap, as far as somebody has them: from the Horizons, else from an archive. */
const headersOf = async (
  first: number,
  last: number,
  parts: LedgerSourceParts,
): Promise<{ headers: readonly Uint8Array[]; from: string | undefined }> => {
  if (first > last) return { headers: [], from: undefined }
  const headers: Uint8Array[] = []
  try {
    for (let at = first; at <= last; at++) {
      const { value } = await parts.servers.answers((horizon) => horizon.header(at))
      headers.push(value[0]!)
    }
    return { headers, from: 'GET /ledgers/{n}' }
  } catch (error) {
    if (!(error instanceof TransientError)) throw error
  }
  for (const url of parts.archives) {
    try {
      const archived = await archivedHeaders(url, first, last, parts)
      if (archived !== undefined && archived.length > headers.length) {
        return { headers: archived, from: `${url} (headers)` }
      }
    } catch (error) {
      if (!(error instanceof TransientError)) throw error
    }
  }
  return { headers, from: headers.length === 0 ? undefined : 'GET /ledgers/{n}' }
}

/** The ledger's own set first: the results bind the transaction without it. */
const fitted = (proof: AnchorProof): Uint8Array | undefined => {
  const nothing = new Uint8Array()
  for (const smaller of [proof, { ...proof, transactions: nothing }, { ...proof, transactions: nothing, following: nothing }]) {
    const { envelope, results, headers, transactions, following } = smaller
    const size = [envelope, results, ...headers, transactions, following].reduce((sum, { length }) => sum + length + 8, 8)
    if (size <= PROOF_BYTES_MAX) return encodeProof(smaller)
  }
  return undefined
}

/**
 * In which ledger the genesis is, where the account was made before it, by a stranger: looked up among the account's first
 * transactions, as a server tells them. undefined: not there.
 */
export const genesisLedger = async (
  genesis: { readonly clusterId: Uint8Array; readonly passphrase: string },
  servers: Servers,
): Promise<number | undefined> => {
  const { value: pages } = await servers.answers((horizon) => horizon.firstTransactions(genesis.clusterId))
  for (const { ledger, envelope } of pages.flat()) {
    if ((await findGeneses([envelope], genesis)).length > 0) return ledger
  }
  return undefined
}

const findGeneses = async (
  envelopes: readonly Uint8Array[],
  { clusterId, passphrase }: { clusterId: Uint8Array; passphrase: string },
): Promise<readonly Uint8Array[]> => {
  const found: Uint8Array[] = []
  // Whoever speaks of the cluster has its key's bytes in it; most have not.
  for (const envelope of envelopes.filter((each) => Buffer.from(each).includes(Buffer.from(clusterId)))) {
    try {
      const genesis = await readGenesis((await openEnvelope(envelope)).body, passphrase)
      if (Buffer.from(genesis.clusterId).equals(clusterId)) found.push(envelope)
    } catch (error) {
      if (!(error instanceof RefusedError)) throw error
    }
  }
  return found
}

/** Two TDs with one secret may be in one ledger, one of them as a failure: the other one. Otherwise whatever there is. */
const succeeded = async (
  envelopes: readonly Uint8Array[],
  results: Uint8Array,
  header: LedgerHeader,
  passphrase: string,
): Promise<Uint8Array | undefined> => {
  for (const envelope of envelopes) {
    try {
      const { body } = await openEnvelope(envelope)
      await checkResults(results, header, transactionHash(networkId(passphrase), body))
      return envelope
    } catch (error) {
      if (!(error instanceof RefusedError)) throw error
    }
  }
  return envelopes[0]
}
