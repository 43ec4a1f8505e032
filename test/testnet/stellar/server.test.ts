import assert from 'node:assert/strict'
import {
  Asset,
  AuthImmutableFlag,
  BASE_FEE,
  Horizon,
  Keypair,
  Operation,
  rpc,
  type Transaction,
  TransactionBuilder,
  TransactionFailedError,
} from '@stellar/stellar-sdk'
import { systemClock, systemRandom } from '../../../src/index.ts'
import { type RunningDevnet, startDevnet } from '../../../testnet/stellar/index.ts'
import { base64Of, build, Person } from './people.ts'
import { inWords } from './words.ts'

const key = (name: string): Keypair => Keypair.fromRawEd25519Seed(Buffer.alloc(32, name))

const friendbot = async (devnet: RunningDevnet, address: string): Promise<Response> =>
  fetch(`${devnet.url}/friendbot?addr=${address}`)

/** A frozen account with one entry, its reserves paid by the funder: as a cluster's genesis. */
const genesisOf = async (
  horizon: Horizon.Server,
  devnet: RunningDevnet,
  funder: Keypair,
  cluster: Keypair,
): Promise<Transaction> => {
  const source = cluster.publicKey()
  const transaction = new TransactionBuilder(await horizon.loadAccount(funder.publicKey()), {
    fee: BASE_FEE,
    networkPassphrase: devnet.passphrase,
    timebounds: await horizon.fetchTimebounds(60),
  })
    .addOperation(Operation.beginSponsoringFutureReserves({ sponsoredId: source }))
    .addOperation(Operation.createAccount({ destination: source, startingBalance: '0' }))
    .addOperation(Operation.manageData({ name: 'dstack.version', value: '1', source }))
    .addOperation(
      Operation.setOptions({
        source,
        masterWeight: 0,
        lowThreshold: 1,
        medThreshold: 1,
        highThreshold: 1,
        setFlags: AuthImmutableFlag,
        homeDomain: 'cluster.example',
      }),
    )
    .addOperation(Operation.endSponsoringFutureReserves({ source }))
    .build()
  transaction.sign(funder, cluster)
  return transaction
}

describe('devnet ledger, with the Stellar SDK', () => {
  const funder = key('funder')
  const cluster = key('cluster')
  let devnet: RunningDevnet
  let horizon: Horizon.Server

  before(async () => {
    devnet = await startDevnet({ port: 0, closeEveryMs: 'at-once' })
    horizon = new Horizon.Server(devnet.url, { allowHttp: true })
    assert.equal((await friendbot(devnet, funder.publicKey())).status, 200)
  })
  after(() => devnet.stop())

  it('publishes a frozen account and reads it back', async () => {
    const transaction = await genesisOf(horizon, devnet, funder, cluster)
    const submitted = await horizon.submitTransaction(transaction)
    assert.equal(submitted.hash, Buffer.from(transaction.hash()).toString('hex'))
    assert.equal(submitted.successful, true)
    const account = await horizon.loadAccount(cluster.publicKey())
    assert.equal(account.sequenceNumber(), String(BigInt(submitted.ledger) << 32n))
    assert.deepEqual(account.data_attr, { 'dstack.version': Buffer.from('1').toString('base64') })
    assert.deepEqual(account.thresholds, { low_threshold: 1, med_threshold: 1, high_threshold: 1 })
    assert.equal(account.flags.auth_immutable, true)
    assert.deepEqual(account.signers, [{ weight: 0, key: cluster.publicKey(), type: 'ed25519_public_key' }])
    assert.equal(account.sponsor, funder.publicKey())
    assert.equal(account.num_sponsored, 3)
    assert.equal(account.balances[0]?.balance, '0.0000000')
    assert.equal((await horizon.loadAccount(funder.publicKey())).num_sponsoring, 3)
    const found = await horizon.transactions().transaction(submitted.hash).call()
    assert.equal(found.fee_charged, '500')
    const ledger = await horizon.ledgers().ledger(submitted.ledger).call()
    assert.equal((ledger as unknown as { successful_transaction_count: number }).successful_transaction_count, 1)
  })

  it('answers a transaction that is in already as it went then', async () => {
    const other = key('twice')
    const transaction = await genesisOf(horizon, devnet, funder, other)
    const first = await horizon.submitTransaction(transaction)
    const second = await horizon.submitTransaction(transaction)
    assert.deepEqual([second.hash, second.ledger], [first.hash, first.ledger])
  })

  it('says why a transaction failed, in Horizon’s words', async () => {
    const transaction = await genesisOf(horizon, devnet, funder, cluster)
    await assert.rejects(horizon.submitTransaction(transaction), (error: TransactionFailedError) => {
      assert(error instanceof TransactionFailedError)
      const { status, type, extras } = error.response.data as unknown as {
        status: number
        type: string
        extras: { result_codes: unknown }
      }
      assert.equal(status, 400)
      assert.equal(type, 'https://stellar.org/horizon-errors/transaction_failed')
      assert.deepEqual(extras.result_codes, {
        transaction: 'tx_failed',
        operations: ['op_success', 'op_success', 'op_bad_auth', 'op_success', 'op_success'],
      })
      return true
    })
  })

  it('tells a light client by Stellar RPC what Horizon tells', async () => {
    const client = new rpc.Server(`${devnet.url}/rpc`, { allowHttp: true })
    assert.equal((await client.getNetwork()).passphrase, devnet.passphrase)
    const latest = await client.getLatestLedger()
    assert.deepEqual([latest.sequence, latest.id], [devnet.head.ledger, devnet.head.hash])
    const transaction = await genesisOf(horizon, devnet, funder, key('rpc'))
    const { hash, ledger } = await horizon.submitTransaction(transaction)
    const found = await client.getTransaction(hash)
    assert.equal(found.status, rpc.Api.GetTransactionStatus.SUCCESS)
    const { ledgers } = await client.getLedgers({ startLedger: ledger, pagination: { limit: 1 } })
    assert.equal(ledgers[0]?.sequence, ledger)
    const { transactions } = await client.getTransactions({ startLedger: ledger, pagination: { limit: 1 } })
    assert.equal(transactions[0]?.txHash, hash)
  })

  it('pays by fee bump, and knows it by both hashes', async () => {
    const poor = key('poor')
    const create = new TransactionBuilder(await horizon.loadAccount(funder.publicKey()), {
      fee: BASE_FEE,
      networkPassphrase: devnet.passphrase,
      timebounds: await horizon.fetchTimebounds(60),
    })
      .addOperation(Operation.createAccount({ destination: poor.publicKey(), startingBalance: '1' }))
      .build()
    create.sign(funder)
    await horizon.submitTransaction(create)
    const inner = new TransactionBuilder(await horizon.loadAccount(poor.publicKey()), {
      fee: BASE_FEE,
      networkPassphrase: devnet.passphrase,
      timebounds: await horizon.fetchTimebounds(60),
    })
      .addOperation(Operation.bumpSequence({ bumpTo: '0' }))
      .build()
    inner.sign(poor)
    const bump = TransactionBuilder.buildFeeBumpTransaction(funder, '200', inner, devnet.passphrase)
    bump.sign(funder)
    const { hash } = await horizon.submitTransaction(bump)
    const outer = await horizon.transactions().transaction(hash).call()
    assert.equal(outer.fee_account, funder.publicKey())
    assert.equal(outer.fee_charged, '200')
    const innerHash = Buffer.from(inner.hash()).toString('hex')
    assert.equal(outer.inner_transaction?.hash, innerHash)
    assert.equal((await horizon.transactions().transaction(innerHash).call()).hash, innerHash)
  })

  it('funds an account once', async () => {
    const response = await friendbot(devnet, funder.publicKey())
    // The funder has paid fees: it is topped up, and then it has enough.
    assert.equal(response.status, 200)
    const again = await friendbot(devnet, funder.publicKey())
    assert.equal(again.status, 400)
    assert.match(((await again.json()) as { detail: string }).detail, /already funded/)
  })

  it('pays between accounts', async () => {
    const to = key('payee')
    assert.equal((await friendbot(devnet, to.publicKey())).status, 200)
    const pay = new TransactionBuilder(await horizon.loadAccount(funder.publicKey()), {
      fee: String(await horizon.fetchBaseFee()),
      networkPassphrase: devnet.passphrase,
      timebounds: await horizon.fetchTimebounds(60),
    })
      .addOperation(Operation.payment({ destination: to.publicKey(), asset: Asset.native(), amount: '12.5' }))
      .build()
    pay.sign(funder)
    await horizon.submitTransaction(pay)
    assert.equal((await horizon.loadAccount(to.publicKey())).balances[0]?.balance, '10012.5000000')
  })
})

describe('devnet ledger, when the answer comes too late', () => {
  it('says so with the hash, takes the same envelope again, and tells what became of it', async () => {
    // Nobody waits longer than this here.
    const clock = { ...systemClock, deadline: (_ms: number, parent?: AbortSignal) => systemClock.deadline(20, parent) }
    const devnet = await startDevnet({ port: 0, closeEveryMs: 3_600_000 }, { clock, random: systemRandom })
    try {
      const root = Person.root(devnet.passphrase)
      const operations = [Operation.createAccount({ destination: key('late').publicKey(), startingBalance: '5' })]
      const tx = base64Of(build(devnet.passphrase, { source: root, sequence: 1n, operations, signers: [root] }))
      const submit = async (path: string): Promise<[number, Record<string, unknown>]> => {
        const response = await fetch(`${devnet.url}${path}`, { method: 'POST', body: new URLSearchParams({ tx }) })
        return [response.status, (await response.json()) as Record<string, unknown>]
      }
      const [status, late] = await submit('/transactions')
      assert.equal(status, 504)
      assert.equal(late.type, 'https://stellar.org/horizon-errors/transaction_submission_timeout')
      const { hash } = late.extras as { hash: string }
      assert.equal((await fetch(`${devnet.url}/transactions/${hash}`)).status, 404)
      assert.equal((await submit('/transactions'))[0], 504)
      assert.deepEqual((await submit('/transactions_async')).slice(0, 1), [409])
      devnet.closeLedger()
      assert.equal((await fetch(`${devnet.url}/transactions/${hash}`)).status, 200)
      const [again, found] = await submit('/transactions')
      assert.deepEqual([again, found.hash, found.successful], [200, hash, true])
      // stellar-core itself knows only that the sequence number is used up.
      const [code, answer] = await submit('/transactions_async')
      assert.deepEqual([code, answer.tx_status, inWords(answer.error_result_xdr as string)], [400, 'ERROR', 'txBadSeq fee=100'])
    } finally {
      await devnet.stop()
    }
  })

  it('takes nothing more when it stopped', async () => {
    const devnet = await startDevnet({ port: 0, closeEveryMs: 'at-once' })
    await devnet.stop()
    await devnet.stop()
    assert.throws(() => devnet.closeLedger(), { code: 'stopped' })
    await assert.rejects(fetch(devnet.url))
  })
})
