import { equals, formatClusterId, verifyEd25519 } from '../../../protocols/wire/index.ts'
import { type Clock, type Log, MeshError, messageOf, RefusedError, TransientError, UsageError } from '../../base/index.ts'
import type { AnchorSigner } from '../anchor.ts'
import { isFrozen, judgeAccount } from './account.ts'
import { type GenesisEntries, sameEntries } from './entries.ts'
import type { Funder } from './funder.ts'
import {
  type BuiltTransaction,
  buildGenesis,
  type GenesisTransaction,
  type NextAccount,
  readGenesis,
  sealEnvelope,
} from './genesis.ts'
import type { Submission } from './horizon.ts'
import { networkId } from './networks.ts'
import { type Outcome, readResult } from './results.ts'
import type { Servers } from './servers.ts'

/** What is to be made public, and by whom. */
export interface Publication {
  readonly passphrase: string
  readonly clusterId: Uint8Array
  readonly entries: GenesisEntries
  readonly homeDomain?: string
  readonly funder: Funder
  readonly signer: AnchorSigner
  /** With `entries.next`: the account of the successors, and what signs once for making it. */
  readonly next?: NextAccount & { sign(hash: Uint8Array): Uint8Array }
}

export interface PublishParts {
  readonly servers: Servers
  readonly clock: Clock
  readonly log: Log
  readonly signal: AbortSignal | undefined
}

/** The ledger's floor for one operation, and the most that this program ever offers: 9 operations for at most 0.009 XLM. */
const OPERATION_FEE_MIN = 100
const OPERATION_FEE_MAX = 10_000
/** New transactions after ones that can never get in any more. */
const ATTEMPTS_MAX = 5
/** How long after a transaction's time the servers may take to show a ledger that closed after it. */
const CONFIRMATION_GRACE_MS = 2 * 60_000
const POLL_MS = 1_000
/** Looks at the account after the transaction was seen, one each second. */
const CONFIRMATIONS_MAX = 30
/** The same envelope again, in case it was lost. */
const RESUBMIT_EVERY = 10

/** What a genesis costs its funder: fee at least, and what stays locked as reserve, in stroops. */
export const genesisCost = (dataEntries: number): { operations: number; fee: number; reserve: number } => {
  const operations = dataEntries + 4
  return { operations, fee: operations * OPERATION_FEE_MIN, reserve: (2 + dataEntries) * 5_000_000 }
}

/**
 * Makes a genesis public once; nothing to do where it already is. The ledger that it got into, where this call brought it in. Throws RefusedError `anchor_taken` when another genesis is;
 * TransientError when it is not known whether it got in.
 */
export const publishGenesis = async (publication: Publication, parts: PublishParts): Promise<number | undefined> => {
  const { funder } = publication
  await funder.fund?.()
  for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt++) {
    const state = await stateOf(publication, parts)
    if (state === 'published') return undefined
    const genesis = await planGenesis(publication, parts, state === 'absent')
    const envelope = await signGenesis(genesis, publication, parts)
    const delivered = await deliver(envelope, genesis.maxTime, parts)
    if (delivered === 'expired') {
      parts.log.warn('anchor.expired', { attempt })
      continue
    }
    parts.log.info('anchor.decided', { words: delivered.words, hash: hex(envelope.hash) })
    switch (delivered.verdict) {
      case 'success':
        await confirm(envelope.hash, publication, parts)
        return delivered.ledger
      case 'somebody_first':
      case 'bad_sequence':
      case 'too_late':
        continue
      case 'funder_poor':
        throw poor(publication, delivered)
      case 'fee_too_low':
        throw new TransientError('fee_too_low', `the ledger asks for more than ${OPERATION_FEE_MAX} stroops an operation`, {
          next: 'try again when the network is less busy',
        })
      default:
        throw new RefusedError('transaction_failed', `the ledger refused the genesis transaction: ${delivered.words}`)
    }
  }
  throw new TransientError('anchor_contended', `${ATTEMPTS_MAX} genesis transactions in a row came too late`, {
    next: 'give the funder to this node alone, and start again',
  })
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

/** Throws `anchor_taken` when the account is frozen with anything else in it. */
const stateOf = async (publication: Publication, { servers }: PublishParts): Promise<'absent' | 'empty' | 'published'> => {
  const { value: account } = await servers.account(publication.clusterId)
  if (account === undefined) return 'absent'
  if (!isFrozen(account)) return 'empty'
  if (sameEntries(judgeAccount(account), publication.entries)) return 'published'
  throw new RefusedError('anchor_taken', `another genesis is public for ${formatClusterId(publication.clusterId)}`, {
    next: 'start a cluster of its own',
  })
}

/** Only the account itself is an anchor; a server may be a ledger behind the one that told of the transaction. */
const confirm = async (hash: Uint8Array, publication: Publication, parts: PublishParts): Promise<void> => {
  for (let left = CONFIRMATIONS_MAX; left > 0; left--) {
    try {
      if ((await stateOf(publication, parts)) === 'published') return
    } catch (error) {
      const lags = error instanceof TransientError || (error instanceof RefusedError && error.code === 'anchor_views_differ')
      if (!lags) throw error
    }
    await parts.clock.sleep(POLL_MS, parts.signal)
  }
  throw unconfirmed(hash)
}

const planGenesis = async (publication: Publication, parts: PublishParts, create: boolean): Promise<GenesisTransaction> => {
  const { funder, passphrase, clusterId, entries, homeDomain, next } = publication
  const { servers, clock } = parts
  const sequence = await sequenceOf(funder.account, servers)
  if (sequence === undefined) throw poor(publication, { verdict: 'funder_poor', words: 'no such account' })
  return {
    passphrase,
    funder: funder.account,
    sequence: sequence + 1n,
    operationFee: await offeredFee(servers),
    maxTime: Math.floor((clock.now() + funder.signingMs) / 1_000),
    clusterId,
    entries,
    ...(homeDomain !== undefined && { homeDomain }),
    create,
    ...(next !== undefined && { next: { account: next.account, keys: next.keys, threshold: next.threshold } }),
  }
}

/** The greatest that a server tells, since one that lags would have us reuse a number; undefined: no such account. */
export const sequenceOf = async (account: Uint8Array, servers: Servers): Promise<bigint | undefined> => {
  const { value: views } = await servers.answers((horizon) => horizon.account(account))
  const sequences = views.flatMap((view) => (view === undefined ? [] : [view.sequence]))
  return sequences.reduce<bigint | undefined>(
    (greatest, each) => (greatest === undefined || each > greatest ? each : greatest),
    undefined,
  )
}

/** For one operation, in stroops: what the servers see others pay, up to the maximum. */
export const offeredFee = async (servers: Servers): Promise<number> => {
  const { value: fees } = await servers.answers((horizon) => horizon.operationFee())
  return Math.min(OPERATION_FEE_MAX, Math.max(OPERATION_FEE_MIN, ...fees))
}

interface Signed extends BuiltTransaction {
  readonly sealed: Uint8Array
}

/** The funder first: the cluster signs last, and only what it built itself. */
const signGenesis = async (genesis: GenesisTransaction, publication: Publication, parts: PublishParts): Promise<Signed> => {
  const { funder, signer, clusterId, passphrase, next } = publication
  const built = await buildGenesis(genesis)
  const read = await readGenesis(built.body, passphrase)
  if (!equals(read.clusterId, clusterId) || !sameEntries(read.entries, publication.entries)) {
    throw new RefusedError('transaction_altered', 'the genesis transaction does not say what it was built from')
  }
  parts.log.info('anchor.prepared', { hash: hex(built.hash), sequence: String(genesis.sequence), maxTime: genesis.maxTime })
  const byFunder = await funder.sign({ ...built, passphrase, maxTime: genesis.maxTime }, parts.signal)
  if (!verifyEd25519(funder.account, built.hash, byFunder)) {
    throw new RefusedError('not_signed_by_funder', 'the funder signed something else')
  }
  const byCluster = signer.signStellarTransaction(networkId(passphrase), built.body)
  const sealed = sealEnvelope(built.body, [
    { publicKey: funder.account, signature: byFunder },
    { publicKey: clusterId, signature: byCluster },
    ...(next === undefined ? [] : [{ publicKey: next.account, signature: next.sign(built.hash) }]),
  ])
  return { ...built, sealed }
}

interface Decided extends Outcome {
  readonly ledger: number | undefined
}

/**
 * Hands one envelope in, again and again, until a ledger has decided about it, or one has closed after its time. A refusal is
 * believed only when the transaction is not found: a time-out may have hidden that it got in.
 */
const deliver = async ({ sealed, hash }: Signed, maxTime: number, parts: PublishParts): Promise<Decided | 'expired'> => {
  const { servers, clock, log, signal } = parts
  for (let round = 0; ; round++) {
    signal?.throwIfAborted()
    let pauseMs = POLL_MS
    let refused: Outcome | undefined
    if (round % RESUBMIT_EVERY === 0) {
      for (const horizon of servers.all) {
        const submission = await submitTo(horizon.submit(sealed))
        log.info('anchor.submitted', { server: horizon.url, answer: submission.kind === 'unknown' ? submission.why : 'decided' })
        if (submission.kind === 'decided') {
          const outcome = await readResult(submission.result)
          if (outcome.verdict !== 'success') refused = outcome
          break
        }
        pauseMs = Math.max(pauseMs, submission.retryAfterMs ?? 0)
      }
    }
    // The order matters: a ledger that closed too late is looked for before the transaction is.
    const closedAfter = await closedAfterTime(maxTime, servers)
    const found = await find(hash, servers)
    if (found !== undefined) return { ...(await readResult(found.result)), ledger: found.ledger }
    if (refused !== undefined) return { ...refused, ledger: undefined }
    if (closedAfter) return 'expired'
    if (clock.now() > maxTime * 1_000 + CONFIRMATION_GRACE_MS) throw unconfirmed(hash)
    await clock.sleep(pauseMs, signal)
  }
}

const submitTo = async (submitting: Promise<Submission>): Promise<Submission> => {
  try {
    return await submitting
  } catch (error) {
    // Nonsense from one server decides nothing: the transaction may be on its way all the same.
    if (!(error instanceof MeshError)) throw error
    return { kind: 'unknown', retryAfterMs: undefined, why: messageOf(error) }
  }
}

const find = async (hash: Uint8Array, servers: Servers) => {
  try {
    return (await servers.answers((horizon) => horizon.transaction(hash))).value.find((found) => found !== undefined)
  } catch (error) {
    if (error instanceof TransientError) return undefined
    throw error
  }
}

/** Every server that answers shows a ledger that closed after this time. */
const closedAfterTime = async (maxTime: number, servers: Servers): Promise<boolean> => {
  try {
    return (await servers.latest()).closedAtMs > maxTime * 1_000
  } catch (error) {
    if (error instanceof TransientError) return false
    throw error
  }
}

const unconfirmed = (hash: Uint8Array): TransientError =>
  new TransientError('anchor_unconfirmed', `no server tells whether the genesis transaction ${hex(hash)} is in a ledger`, {
    next: 'this cluster is given up, its secret is wiped; should the transaction be in a ledger after all, it names a cluster without members',
  })

const poor = ({ funder, entries }: Publication, { words }: Outcome): UsageError => {
  const { fee, reserve } = genesisCost(4 + entries.boot.length)
  const xlm = (stroops: number) => (stroops / 1e7).toFixed(7).replace(/0+$/, '').replace(/\.$/, '')
  return new UsageError('funder_poor', `the funder ${formatClusterId(funder.account)} cannot pay for the genesis (${words})`, {
    next: `it needs ${xlm(reserve)} XLM to lock and at least ${xlm(fee)} XLM for the fee, on top of its own reserve of 1 XLM`,
  })
}
