import { createHash } from 'node:crypto'
import type { Transaction as TransactionXdr, xdr as xdrTypes } from '@stellar/stellar-sdk/base'
import { equals, formatClusterId, parseClusterId } from '../../../protocols/wire/index.ts'
import { messageOf, RefusedError } from '../../base/index.ts'
import { badXdr, concat, toBase64, u32be, varOpaque } from '../xdr.ts'
import { dataEntries, type GenesisEntries, readEntries } from './entries.ts'

// The genesis transaction (design: policy and anchor). Built, and whenever it comes from outside: read, built again from what
// was read, and compared byte for byte. So nothing can be in it that is not below.

/** The account that names the head of the successors, frozen but for its signers. */
export interface NextAccount {
  /** 32 bytes. */
  readonly account: Uint8Array
  /** ed25519 public keys, 32 bytes each, of weight 1. */
  readonly keys: readonly Uint8Array[]
  readonly threshold: number
}

export interface GenesisTransaction {
  readonly passphrase: string
  /** 32 bytes: pays the fee and sponsors the reserves; has no power over the cluster. */
  readonly funder: Uint8Array
  /** The transaction's own: one above the funder's at that time. */
  readonly sequence: bigint
  /** The most that an operation may cost, in stroops. */
  readonly operationFee: number
  /** Unix seconds. */
  readonly maxTime: number
  readonly clusterId: Uint8Array
  readonly entries: GenesisEntries
  /** At most 32 bytes of ASCII. */
  readonly homeDomain?: string
  /** False where a stranger created the account first: the same without `createAccount`. */
  readonly create: boolean
  /** With `entries.next`. */
  readonly next?: NextAccount
}

/** A transaction as XDR without its envelope, and its hash. */
export interface BuiltTransaction {
  readonly body: Uint8Array
  /** 32 bytes: what is signed. */
  readonly hash: Uint8Array
}

export interface TransactionSignature {
  readonly publicKey: Uint8Array
  readonly signature: Uint8Array
}

const ENVELOPE_TYPE_TX = 2
/** Larger than any genesis: 22 operations of at most 200 bytes, three signatures. */
export const ENVELOPE_BYTES_MAX = 8 * 1024
const SIGNATURES_MAX = 20
const SIGNATURE_BYTES_MAX = 64
/** AUTH_IMMUTABLE: the account can never be merged away, nor its flags changed. */
const AUTH_IMMUTABLE = 4
const NEXT_KEYS_MAX = 20
const HOME_DOMAIN = /^[\x21-\x7e]{1,32}$/

/** Loaded when it is first needed: it costs a third of a second and 60 MB. */
const sdk = () => import('@stellar/stellar-sdk/base')

export const transactionHash = (networkId: Uint8Array, body: Uint8Array): Uint8Array =>
  Uint8Array.from(createHash('sha256').update(networkId).update(u32be(ENVELOPE_TYPE_TX)).update(body).digest())

const sha256 = (text: string): Uint8Array => Uint8Array.from(createHash('sha256').update(text, 'utf8').digest())

/** Throws RefusedError `bad_genesis` on values that no ledger would take. */
export const buildGenesis = async (genesis: GenesisTransaction): Promise<BuiltTransaction> => {
  const { homeDomain, next, entries } = genesis
  if (homeDomain !== undefined && !HOME_DOMAIN.test(homeDomain)) throw notGenesis('a home domain has 1 to 32 bytes of ASCII')
  if ((next === undefined) !== (entries.next === undefined))
    throw notGenesis('dstack.next and the account that it names go together')
  const { Account, Operation, TransactionBuilder } = await sdk()
  const cluster = formatClusterId(genesis.clusterId)
  const builder = new TransactionBuilder(new Account(formatClusterId(genesis.funder), String(genesis.sequence - 1n)), {
    fee: String(genesis.operationFee),
    networkPassphrase: genesis.passphrase,
    timebounds: { minTime: 0, maxTime: genesis.maxTime },
  })
  builder.addOperation(Operation.beginSponsoringFutureReserves({ sponsoredId: cluster }))
  if (genesis.create) builder.addOperation(Operation.createAccount({ destination: cluster, startingBalance: '0' }))
  for (const [name, value] of dataEntries(entries)) {
    builder.addOperation(Operation.manageData({ name, value: Buffer.from(value), source: cluster }))
  }
  builder.addOperation(
    Operation.setOptions({
      source: cluster,
      setFlags: AUTH_IMMUTABLE,
      masterWeight: 0,
      lowThreshold: 1,
      medThreshold: 1,
      highThreshold: 1,
      ...(homeDomain !== undefined && { homeDomain }),
    }),
  )
  builder.addOperation(Operation.endSponsoringFutureReserves({ source: cluster }))
  if (next !== undefined) for (const operation of nextOperations(next, Operation)) builder.addOperation(operation)
  const transaction = builder.build()
  const envelope = Uint8Array.from(transaction.toEnvelope().toXDR('raw'))
  // Type, body, an empty list of signatures.
  const body = envelope.subarray(4, envelope.length - 4)
  return { body, hash: transactionHash(sha256(genesis.passphrase), body) }
}

/** The same dance for the account of the successors: its signers are the governance keys, with their threshold. */
const nextOperations = (
  { account, keys, threshold }: NextAccount,
  Operation: Awaited<ReturnType<typeof sdk>>['Operation'],
): xdrTypes.Operation[] => {
  if (
    keys.length === 0 ||
    keys.length > NEXT_KEYS_MAX ||
    !Number.isInteger(threshold) ||
    threshold < 1 ||
    threshold > keys.length
  ) {
    throw notGenesis(`${threshold} of ${keys.length} governance keys`)
  }
  const next = formatClusterId(account)
  return [
    Operation.beginSponsoringFutureReserves({ sponsoredId: next }),
    Operation.createAccount({ destination: next, startingBalance: '0' }),
    ...keys.map((key) => Operation.setOptions({ source: next, signer: { ed25519PublicKey: formatClusterId(key), weight: 1 } })),
    Operation.setOptions({
      source: next,
      masterWeight: 0,
      lowThreshold: threshold,
      medThreshold: threshold,
      highThreshold: threshold,
    }),
    Operation.endSponsoringFutureReserves({ source: next }),
  ]
}

/** An envelope of exactly these signatures: one too many, and the ledger refuses it. */
export const sealEnvelope = (body: Uint8Array, signatures: readonly TransactionSignature[]): Uint8Array =>
  concat([
    u32be(ENVELOPE_TYPE_TX),
    body,
    u32be(signatures.length),
    // A signature's hint is the last four bytes of its key.
    ...signatures.flatMap(({ publicKey, signature }) => [publicKey.subarray(-4), varOpaque(signature)]),
  ])

export interface OpenedEnvelope {
  readonly body: Uint8Array
  readonly signatures: readonly { readonly hint: Uint8Array; readonly signature: Uint8Array }[]
}

/** Body and signatures of an envelope. Throws RefusedError `bad_xdr`. */
export const openEnvelope = async (envelope: Uint8Array): Promise<OpenedEnvelope> => {
  if (envelope.length > ENVELOPE_BYTES_MAX) throw badXdr('transaction', `${envelope.length} bytes, at most ${ENVELOPE_BYTES_MAX}`)
  const { xdr } = await sdk()
  let opened: OpenedEnvelope
  try {
    const parsed = xdr.TransactionEnvelope.fromXdr(envelope)
    if (parsed.type !== 'envelopeTypeTx') throw new Error(`an envelope of type ${parsed.type}`)
    opened = {
      body: Uint8Array.from(parsed.v1.tx.toXdr()),
      signatures: parsed.v1.signatures.map(({ hint, signature }) => ({ hint: hint.toBytes(), signature: signature.toBytes() })),
    }
  } catch (error) {
    throw badXdr('transaction', messageOf(error))
  }
  const { body, signatures } = opened
  if (signatures.length > SIGNATURES_MAX || signatures.some(({ signature }) => signature.length > SIGNATURE_BYTES_MAX)) {
    throw badXdr('transaction', 'too many signatures, or too long ones')
  }
  const again = concat([
    u32be(ENVELOPE_TYPE_TX),
    body,
    u32be(signatures.length),
    ...signatures.flatMap(({ hint, signature }) => [hint, varOpaque(signature)]),
  ])
  if (!equals(again, envelope)) throw badXdr('transaction', 'not in its one form')
  return opened
}

const notGenesis = (found: string): RefusedError =>
  new RefusedError('not_a_genesis', `this is not the genesis transaction of a cluster: ${found}`, {
    next: 'do not sign it; have it prepared anew by the node that makes the cluster',
  })

/** What a genesis transaction says. Throws RefusedError `not_a_genesis` when there is anything else in it. */
export const readGenesis = async (body: Uint8Array, passphrase: string): Promise<GenesisTransaction> => {
  const { xdr, Transaction } = await sdk()
  let transaction: TransactionXdr
  try {
    const envelope = sealEnvelope(body, [])
    if (envelope.length > ENVELOPE_BYTES_MAX) throw new Error(`${envelope.length} bytes`)
    transaction = new Transaction(xdr.TransactionEnvelope.fromXdr(envelope), passphrase)
    const read = readOperations(transaction, passphrase)
    const built = await buildGenesis(read)
    if (!equals(built.body, body)) throw new Error('it has more in it, or in another order')
    return read
  } catch (error) {
    throw notGenesis(messageOf(error))
  }
}

const account = (text: string | undefined): Uint8Array => {
  const id = text === undefined ? undefined : parseClusterId(text)
  if (id === undefined) throw new Error(`${text} where an account should be`)
  return id
}

/** The values of a genesis; what is not read here is found by building it again. */
const readOperations = (transaction: TransactionXdr, passphrase: string): GenesisTransaction => {
  const { operations, timeBounds } = transaction
  const [first] = operations
  if (first?.type !== 'beginSponsoringFutureReserves') throw new Error('it does not begin with a sponsorship')
  const end = operations.findIndex(({ type }) => type === 'endSponsoringFutureReserves')
  const own = operations.slice(0, end + 1)
  const data = new Map<string, Uint8Array>()
  let homeDomain: string | undefined
  for (const operation of own) {
    if (operation.type === 'manageData' && operation.value !== undefined)
      data.set(operation.name, Uint8Array.from(operation.value))
    if (operation.type === 'setOptions') homeDomain = operation.homeDomain
  }
  const entries = readEntries(data)
  return {
    passphrase,
    funder: account(transaction.source),
    sequence: BigInt(transaction.sequence),
    operationFee: Number(transaction.fee) / operations.length,
    maxTime: Number(timeBounds?.maxTime),
    clusterId: account(first.sponsoredId),
    entries,
    ...(homeDomain !== undefined && { homeDomain }),
    create: own.some(({ type }) => type === 'createAccount'),
    ...(entries.next !== undefined && { next: readNext(entries.next, operations.slice(end + 1)) }),
  }
}

const readNext = (next: Uint8Array, operations: TransactionXdr['operations']): NextAccount => {
  const keys: Uint8Array[] = []
  let threshold = 0
  for (const operation of operations) {
    if (operation.type !== 'setOptions') continue
    const { signer } = operation
    if (signer !== undefined && 'ed25519PublicKey' in signer) keys.push(account(signer.ed25519PublicKey as string))
    threshold = operation.lowThreshold ?? threshold
  }
  return { account: next, keys, threshold }
}

/** For people and files: base64. */
export const envelopeText = (body: Uint8Array, signatures: readonly TransactionSignature[] = []): string =>
  toBase64(sealEnvelope(body, signatures))
