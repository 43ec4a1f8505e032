import { equals, formatClusterId, verifyEd25519 } from '../../../protocols/wire/index.ts'
import { type Clock, type Log, messageOf, RefusedError, TransientError, UsageError } from '../../base/index.ts'
import { toBase64, xdrFromBase64 } from '../xdr.ts'
import { instanceKey, readContract } from './contract.ts'
import type { Funder } from './funder.ts'
import { type BuiltTransaction, sealEnvelope, transactionHash } from './genesis.ts'
import type { Fields } from './http.ts'
import { networkId } from './networks.ts'
import { offeredFee, sequenceOf } from './publish.ts'
import { readResult } from './results.ts'
import { rpcAtAny } from './rpc.ts'
import type { Servers } from './servers.ts'
import { parseContract } from './strkey.ts'

// Publishing to the seed's contract: `bootstrap(shared_public, quote)`, once. The RPC server says what the call needs (footprint,
// resources, fee), which is the only thing of its making in what the funder signs: so it is bounded here.

export interface ContractPublication {
  /** `C…` */
  readonly contract: string
  readonly passphrase: string
  /** What the contract is to hold: 64 hex digits. */
  readonly sharedPublicKey: string
  /** Goes into the event of the call, base64. */
  readonly quote: Uint8Array
  readonly funder: Funder
}

export interface ContractParts {
  readonly servers: Servers
  readonly rpcs: readonly string[]
  readonly clock: Clock
  readonly log: Log
  readonly signal: AbortSignal | undefined
}

/** The most that the resources of the call may cost: 1 XLM. A quote in an event costs a tenth of that at most. */
export const RESOURCE_FEE_MAX = 10_000_000n
const TRANSACTION_DATA_BYTES_MAX = 16 * 1024
/** Code of the contract, and what the host may want besides. */
const READ_ONLY_KEYS_MAX = 4
const ATTEMPTS_MAX = 3
const GOOD_FOR_MS = 60_000
/** How long after its time the servers may take to show a ledger that closed after it. */
const CONFIRMATION_GRACE_MS = 60_000
const POLL_MS = 1_000
const RESUBMIT_EVERY = 10
const READ_BACKS_MAX = 15

const contractId = (contract: string): Uint8Array => {
  const id = parseContract(contract)
  if (id !== undefined) return id
  throw new UsageError('bad_configuration', `--anchor-contract ${JSON.stringify(contract)} is not a contract's address`, {
    next: 'write it as C… with 56 characters',
  })
}

/** Throws UsageError. */
export const checkContract = (contract: string): string => {
  contractId(contract)
  return contract
}

/** What the contract holds, as the first server that answers tells it; undefined: nobody has called its `bootstrap`. */
export const contractHolds = async (
  contract: string,
  { rpcs, clock, signal }: Pick<ContractParts, 'rpcs' | 'clock' | 'signal'>,
): Promise<string | undefined> => {
  let last: unknown = new UsageError('no_rpc', 'a contract is called through a Stellar RPC server', {
    next: 'give --stellar-rpc',
  })
  for (const url of rpcs) {
    try {
      return (await readContract(contract, url, clock, signal)).sharedPublicKey
    } catch (error) {
      if (error instanceof RefusedError && error.code === 'contract_empty') return undefined
      if (!(error instanceof TransientError)) throw error
      last = error
    }
  }
  throw last
}

/** Throws RefusedError `contract_taken` when the contract holds another key; true where it holds this one. */
export const isPublished = async (
  { contract, sharedPublicKey }: Pick<ContractPublication, 'contract' | 'sharedPublicKey'>,
  parts: Pick<ContractParts, 'rpcs' | 'clock' | 'signal'>,
): Promise<boolean> => {
  const held = await contractHolds(contract, parts)
  if (held === undefined || held === sharedPublicKey) return held !== undefined
  throw new RefusedError('contract_taken', `${contract} holds another shared key: somebody called its bootstrap first`, {
    next: 'deploy another simple-cluster contract, or leave --anchor-contract out',
  })
}

/**
 * Calls `bootstrap` once; nothing to do where the contract holds this key already. Throws RefusedError `contract_taken` when it
 * holds another; TransientError when it is not known whether the call got in.
 */
export const publishToContract = async (publication: ContractPublication, parts: ContractParts): Promise<void> => {
  for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt++) {
    if (await isPublished(publication, parts)) return
    const call = await buildCall(publication, parts)
    const delivered = await deliverCall(call, parts)
    parts.log.info('anchor.contract_decided', { contract: publication.contract, hash: hex(call.hash), words: delivered })
    if (delivered === 'txSuccess') return confirmContract(publication, parts)
    // Another's call came first, or the funder's sequence number moved on: the contract tells which.
    if (delivered === 'txBadSeq' || delivered === 'expired' || delivered.startsWith('txFailed')) continue
    throw new RefusedError('contract_failed', `the ledger refused the call of ${publication.contract}: ${delivered}`)
  }
  throw new RefusedError('contract_failed', `${ATTEMPTS_MAX} calls of ${publication.contract} in a row failed`, {
    next: "is it a simple-cluster contract, and is --funder's account used by nobody else meanwhile?",
  })
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

/** A server may be a ledger behind. */
const confirmContract = async (publication: ContractPublication, parts: ContractParts): Promise<void> => {
  for (let left = READ_BACKS_MAX; left > 0; left--) {
    if (await isPublished(publication, parts)) return
    await parts.clock.sleep(POLL_MS, parts.signal)
  }
  throw new TransientError(
    'contract_unconfirmed',
    `the call is said to be in a ledger, but ${publication.contract} holds nothing`,
  )
}

interface SignedCall extends BuiltTransaction {
  readonly sealed: Uint8Array
  readonly maxTime: number
}

const buildCall = async (publication: ContractPublication, parts: ContractParts): Promise<SignedCall> => {
  const { contract, passphrase, sharedPublicKey, quote, funder } = publication
  const { Account, Contract, TransactionBuilder, nativeToScVal, xdr } = await import('@stellar/stellar-sdk/base')
  const sequence = await sequenceOf(funder.account, parts.servers)
  if (sequence === undefined) throw new RefusedError('funder_poor', `the funder ${formatClusterId(funder.account)} is no account`)
  const fee = await offeredFee(parts.servers)
  const maxTime = Math.floor((parts.clock.now() + GOOD_FOR_MS) / 1_000)
  const text = (value: string) => nativeToScVal(value, { type: 'string' })
  const operation = new Contract(contract).call('bootstrap', text(sharedPublicKey), text(toBase64(quote)))
  const build = (sorobanData?: string): Uint8Array => {
    const builder = new TransactionBuilder(new Account(formatClusterId(funder.account), String(sequence)), {
      fee: String(fee),
      networkPassphrase: passphrase,
      timebounds: { minTime: 0, maxTime },
      ...(sorobanData !== undefined && { sorobanData }),
    })
    return Uint8Array.from(builder.addOperation(operation).build().toEnvelope().toXDR('raw'))
  }
  const { result, refusal } = await rpcAtAny(parts, parts.rpcs, 'simulateTransaction', { transaction: toBase64(build()) })
  if (result === undefined) throw notCallable(contract, refusal)
  const needs = readSimulation(result, contract)
  let data: InstanceType<typeof xdr.SorobanTransactionData>
  try {
    data = xdr.SorobanTransactionData.fromXdr(needs.transactionData)
  } catch (error) {
    throw result.bad('transactionData', `SorobanTransactionData (${messageOf(error)})`)
  }
  // The call writes the contract's own instance, and reads its code: nothing else is anybody's business in this transaction.
  const { readOnly, readWrite } = data.resources.footprint
  const own = readWrite.length === 1 && equals(Uint8Array.from(readWrite[0]!.toXdr()), instanceKey(contractId(contract)))
  if (!own || readOnly.length > READ_ONLY_KEYS_MAX || data.ext.type !== 'v0') {
    throw result.bad('transactionData', "what writes the contract's own entry and nothing else")
  }
  // `resourceFee` of the data is what the ledger takes; the server's other figure must agree.
  if (BigInt(data.resourceFee) !== needs.resourceFee || needs.resourceFee > RESOURCE_FEE_MAX) {
    throw result.bad('minResourceFee', `the fee of transactionData, at most ${RESOURCE_FEE_MAX} stroops`)
  }
  const envelope = build(toBase64(needs.transactionData))
  const body = envelope.subarray(4, envelope.length - 4)
  const built = { body, hash: transactionHash(networkId(passphrase), body) }
  const signature = await funder.sign({ ...built, passphrase, maxTime }, parts.signal)
  if (!verifyEd25519(funder.account, built.hash, signature)) {
    throw new RefusedError('not_signed_by_funder', 'the funder signed something else')
  }
  parts.log.info('anchor.contract_prepared', { contract, hash: hex(built.hash), resourceFee: String(needs.resourceFee) })
  return { ...built, maxTime, sealed: sealEnvelope(body, [{ publicKey: funder.account, signature }]) }
}

const notCallable = (contract: string, found: string): RefusedError =>
  new RefusedError('contract_failed', `${contract} cannot be called: ${found.slice(0, 200)}`, {
    next: 'is it a simple-cluster contract of rs-modular-dstack, on this network?',
  })

const readSimulation = (result: Fields, contract: string): { transactionData: Uint8Array; resourceFee: bigint } => {
  const error = result.raw('error')
  if (error !== undefined) throw notCallable(contract, String(error))
  if (result.raw('restorePreamble') !== undefined) {
    throw new RefusedError('contract_archived', `${contract} has expired and would have to be restored first`, {
      next: 'restore it, or deploy another one',
    })
  }
  // The seed's bootstrap asks nobody's leave; whatever a server wants signed besides is not what was asked for.
  for (const each of result.list('results', 1)) {
    const auth = each.raw('auth')
    if (auth !== undefined && auth !== null && !(Array.isArray(auth) && auth.length === 0)) throw each.bad('auth', 'empty')
  }
  return {
    transactionData: xdrFromBase64(
      result.text('transactionData', /^[\s\S]+$/, 'a text'),
      'transactionData',
      TRANSACTION_DATA_BYTES_MAX,
    ),
    resourceFee: BigInt(result.text('minResourceFee', /^(?:0|[1-9]\d{0,15})$/, 'a fee')),
  }
}

/** The ledger's word about the call, or `expired`: it can never get in any more. */
const deliverCall = async ({ sealed, hash, maxTime }: SignedCall, parts: ContractParts): Promise<string> => {
  for (let round = 0; ; round++) {
    parts.signal?.throwIfAborted()
    const refused = round % RESUBMIT_EVERY === 0 ? await send(sealed, hash, parts) : undefined
    const found = await lookUp(hash, parts)
    if (found?.words !== undefined) return found.words
    if (refused !== undefined) return refused
    if (found !== undefined && found.closedAt > maxTime) return 'expired'
    if (parts.clock.now() > maxTime * 1_000 + CONFIRMATION_GRACE_MS) {
      throw new TransientError('contract_unconfirmed', `no server tells whether the call ${hex(hash)} is in a ledger`)
    }
    await parts.clock.sleep(POLL_MS, parts.signal)
  }
}

/** Why it can never get in; undefined: it may. */
const send = async (sealed: Uint8Array, hash: Uint8Array, parts: ContractParts): Promise<string | undefined> => {
  try {
    const { result, refusal, url } = await rpcAtAny(parts, parts.rpcs, 'sendTransaction', { transaction: toBase64(sealed) })
    if (result === undefined) return refusal
    const status = result.text('status', /^(?:PENDING|DUPLICATE|TRY_AGAIN_LATER|ERROR)$/, 'a status')
    if (result.text('hash', /^[0-9a-f]{64}$/, 'a hash') !== hex(hash)) throw result.bad('hash', "this transaction's")
    parts.log.info('anchor.contract_submitted', { server: url, answer: status })
    if (status !== 'ERROR') return undefined
    return (await readResult(result.bytes('errorResultXdr', 64 * 1024))).words
  } catch (error) {
    if (error instanceof TransientError) return undefined
    throw error
  }
}

const lookUp = async (
  hash: Uint8Array,
  parts: ContractParts,
): Promise<{ words: string | undefined; closedAt: number } | undefined> => {
  try {
    const { result } = await rpcAtAny(parts, parts.rpcs, 'getTransaction', { hash: hex(hash) })
    if (result === undefined) return undefined
    const status = result.text('status', /^(?:SUCCESS|NOT_FOUND|FAILED)$/, 'a status')
    const closedAt = Number(result.text('latestLedgerCloseTime', /^[1-9]\d{0,11}$/, 'a time'))
    if (status === 'NOT_FOUND') return { words: undefined, closedAt }
    return { words: (await readResult(result.bytes('resultXdr', 64 * 1024))).words, closedAt }
  } catch (error) {
    if (error instanceof TransientError) return undefined
    throw error
  }
}
