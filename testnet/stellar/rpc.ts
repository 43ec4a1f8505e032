/** The reading part of Stellar RPC (JSON-RPC 2.0), as far as a light check needs it. */
import type { Chain, PastLedger, PastTransaction } from './chain.ts'
import { PROTOCOL } from './devnet.ts'
import { closeMetaXdr, historyEntryXdr, rpcTransactionView } from './views.ts'

type Json = Record<string, unknown>

/** JSON-RPC 2.0, section 5.1. */
const PARSE_ERROR = -32_700
const INVALID_REQUEST = -32_600
const METHOD_NOT_FOUND = -32_601
const INVALID_PARAMS = -32_602

class RpcError extends Error {
  override readonly name = 'RpcError'
  constructor(
    readonly code: number,
    message: string,
  ) {
    super(message)
  }
}

/** Stellar RPC's default; and less than its most, as each ledger comes whole. */
const LIMIT_DEFAULT = 50
const LIMIT_MAX = 100

const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value)
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')

/** The ledger of genesis has no transaction set: it is not served. */
const FIRST_SERVED = 2

const bounds = (chain: Chain): { oldest: PastLedger; latest: PastLedger } => {
  const at = (sequence: number): PastLedger => {
    const past = chain.ledger(sequence)
    if (typeof past !== 'object') throw new Error(`ledger ${sequence} is not kept`)
    return past
  }
  return { oldest: at(Math.max(FIRST_SERVED, chain.elder)), latest: at(chain.head.header.ledgerSeq) }
}

interface Page {
  readonly start: bigint
  readonly limit: number
}

/** A page from `startLedger`, or after a cursor that an earlier page gave. Cursors are opaque to clients. */
const pageOf = (chain: Chain, params: Json, startOf: (ledger: number) => bigint): Page => {
  const { startLedger, pagination = {}, xdrFormat = 'base64' } = params
  if (!isObject(pagination)) throw new RpcError(INVALID_PARAMS, 'pagination must be an object')
  if (xdrFormat !== 'base64') throw new RpcError(INVALID_PARAMS, 'only xdrFormat base64 is served')
  const { cursor, limit = LIMIT_DEFAULT } = pagination
  if (typeof limit !== 'number' || !Number.isInteger(limit) || limit < 1 || limit > LIMIT_MAX) {
    throw new RpcError(INVALID_PARAMS, `limit must be a number from 1 to ${LIMIT_MAX}`)
  }
  if (cursor !== undefined) {
    if (startLedger !== undefined) throw new RpcError(INVALID_PARAMS, 'startLedger and cursor cannot both be set')
    if (typeof cursor !== 'string' || !/^[0-9]{1,19}$/.test(cursor)) throw new RpcError(INVALID_PARAMS, 'invalid cursor')
    return { start: BigInt(cursor) + 1n, limit }
  }
  if (typeof startLedger !== 'number' || !Number.isInteger(startLedger)) {
    throw new RpcError(INVALID_PARAMS, 'startLedger must be a number')
  }
  const { oldest, latest } = bounds(chain)
  if (startLedger < oldest.ledger || startLedger > latest.ledger) {
    throw new RpcError(
      INVALID_PARAMS,
      `start ledger must be between the oldest ledger: ${oldest.ledger} and the latest ledger: ${latest.ledger}`,
    )
  }
  return { start: startOf(startLedger), limit }
}

const getLatestLedger = (chain: Chain): Json => {
  const { latest } = bounds(chain)
  return {
    id: hex(latest.hash),
    protocolVersion: PROTOCOL,
    sequence: latest.ledger,
    closeTime: String(latest.closeTime),
    headerXdr: base64(latest.headerXdr),
    metadataXdr: closeMetaXdr(chain, latest),
  }
}

const getLedgers = (chain: Chain, params: Json): Json => {
  const { start, limit } = pageOf(chain, params, BigInt)
  const { oldest, latest } = bounds(chain)
  const ledgers: Json[] = []
  let last = start - 1n
  for (let sequence = start; sequence <= latest.ledger && ledgers.length < limit; sequence++) {
    const past = chain.ledger(Number(sequence))
    if (typeof past !== 'object') continue
    last = sequence
    ledgers.push({
      hash: hex(past.hash),
      sequence: past.ledger,
      ledgerCloseTime: String(past.closeTime),
      headerXdr: historyEntryXdr(past),
      metadataXdr: closeMetaXdr(chain, past),
    })
  }
  return {
    ledgers,
    latestLedger: latest.ledger,
    latestLedgerCloseTime: Number(latest.closeTime),
    oldestLedger: oldest.ledger,
    oldestLedgerCloseTime: Number(oldest.closeTime),
    cursor: String(last),
  }
}

const getTransaction = (chain: Chain, { hash, xdrFormat = 'base64' }: Json): Json => {
  if (typeof hash !== 'string' || !/^[0-9a-f]{64}$/.test(hash))
    throw new RpcError(INVALID_PARAMS, 'hash must be 64 lower-case hex digits')
  if (xdrFormat !== 'base64') throw new RpcError(INVALID_PARAMS, 'only xdrFormat base64 is served')
  const { oldest, latest } = bounds(chain)
  const transaction = chain.transaction(hash)
  return {
    latestLedger: latest.ledger,
    latestLedgerCloseTime: String(latest.closeTime),
    oldestLedger: oldest.ledger,
    oldestLedgerCloseTime: String(oldest.closeTime),
    ...(transaction === undefined
      ? { status: 'NOT_FOUND', txHash: hash }
      : { ...rpcTransactionView(transaction), txHash: hash, createdAt: String(transaction.closeTime) }),
  }
}

/** A transaction's place among all: ledger, then order in it, 20 bits of it as in Horizon's ids. */
const placeOf = ({ ledger, order }: Pick<PastTransaction, 'ledger' | 'order'>): bigint => (BigInt(ledger) << 20n) | BigInt(order)

const getTransactions = (chain: Chain, params: Json): Json => {
  const { start, limit } = pageOf(chain, params, (ledger) => placeOf({ ledger, order: 0 }))
  const { oldest, latest } = bounds(chain)
  const found = chain.transactionsFrom(Number(start >> 20n), Number(start & 0xfffffn), limit)
  return {
    transactions: found.map(rpcTransactionView),
    latestLedger: latest.ledger,
    latestLedgerCloseTimestamp: Number(latest.closeTime),
    oldestLedger: oldest.ledger,
    oldestLedgerCloseTimestamp: Number(oldest.closeTime),
    cursor: String(found.length > 0 ? placeOf(found.at(-1)!) : start - 1n),
  }
}

const METHODS: Readonly<Record<string, (chain: Chain, params: Json, base: string) => Json>> = {
  getHealth(chain) {
    const { oldest, latest } = bounds(chain)
    return {
      status: 'healthy',
      latestLedger: latest.ledger,
      oldestLedger: oldest.ledger,
      ledgerRetentionWindow: latest.ledger - oldest.ledger + 1,
    }
  },
  getNetwork: (chain, _params, base) => ({
    friendbotUrl: `${base}/friendbot`,
    passphrase: chain.network.passphrase,
    protocolVersion: PROTOCOL,
  }),
  getLatestLedger,
  getLedgers,
  getTransaction,
  getTransactions,
}

const answer = (id: unknown, body: Json): Json => ({ jsonrpc: '2.0', id, ...body })
const refuse = (id: unknown, code: number, message: string): Json => answer(id, { error: { code, message } })

/** Answers one request; batches are not served. Never throws for what was asked. */
export const answerRpc = (chain: Chain, body: string, base: string): Json => {
  let request: unknown
  try {
    request = JSON.parse(body)
  } catch {
    return refuse(null, PARSE_ERROR, 'not JSON')
  }
  const { jsonrpc, id = null, method, params } = isObject(request) ? request : {}
  const goodId = id === null || typeof id === 'string' || typeof id === 'number'
  if (jsonrpc !== '2.0' || typeof method !== 'string' || !goodId)
    return refuse(null, INVALID_REQUEST, 'not a JSON-RPC 2.0 request')
  if (!Object.hasOwn(METHODS, method)) return refuse(id, METHOD_NOT_FOUND, 'method not found')
  // The SDK sends null where a method takes none.
  const named = params ?? {}
  if (!isObject(named)) return refuse(id, INVALID_PARAMS, 'params must be an object')
  try {
    return answer(id, { result: METHODS[method]!(chain, named, base) })
  } catch (error) {
    if (error instanceof RpcError) return refuse(id, error.code, error.message)
    throw error
  }
}
