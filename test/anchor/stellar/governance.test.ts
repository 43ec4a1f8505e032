import assert from 'node:assert/strict'
import { Account, Keypair, Operation, TransactionBuilder } from '@stellar/stellar-sdk/base'
import { localFunder } from '../../../src/anchor/index.ts'
import { publishGenesis } from '../../../src/anchor/stellar/publish.ts'
import { Servers } from '../../../src/anchor/stellar/servers.ts'
import { silentLog, systemClock } from '../../../src/base/index.ts'
import { type RunningDevnet, startDevnet } from '../../../testnet/stellar/index.ts'
import { TestKey } from './stand-in.ts'
import { code, Ledgers, newCluster } from './support.ts'

describe('a genesis with governance, on a devnet ledger', function () {
  this.timeout(30_000)
  let devnet: RunningDevnet
  before(async () => {
    devnet = await startDevnet({ port: 0, closeEveryMs: 100 })
  })
  after(() => devnet.stop())

  it('makes the account of the successors, whose head is followed, and changed only by the threshold of the keys', async () => {
    const payer = new TestKey('payer of governance')
    await fetch(`${devnet.url}/friendbot?addr=${payer.id}`)
    const next = new TestKey('next')
    const governors = ['a', 'b', 'c'].map((word) => new TestKey(word))
    const { record, keys } = newCluster()
    const servers = new Servers([devnet.url], systemClock)
    const entries = { ...record, boot: [], next: next.publicKey }
    await publishGenesis(
      {
        passphrase: devnet.passphrase,
        clusterId: record.clusterId,
        entries,
        funder: localFunder(payer.seed),
        signer: keys,
        next: {
          account: next.publicKey,
          keys: governors.map(({ publicKey }) => publicKey),
          threshold: 2,
          sign: (hash) => next.sign(hash),
        },
      },
      { servers, clock: systemClock, log: silentLog, signal: undefined },
    )
    const network = {
      witness: 'devnet' as const,
      passphrase: devnet.passphrase,
      horizons: [devnet.url],
      rpcs: [],
      archives: [],
    }
    const anchor = new Ledgers().anchor({ network, clock: systemClock })
    assert.equal((await anchor.read(record.clusterId)).proof, 'account')

    const view = async () => (await servers.account(next.publicKey)).value!
    const account = await view()
    assert.deepEqual(account.thresholds, { low: 2, medium: 2, high: 2 })
    assert.deepEqual(
      account.signers.map(({ key, weight }) => [key, weight]).sort(),
      [[next.id, 0], ...governors.map(({ id }) => [id, 1])].sort(),
    )

    /** A successor's name, signed by these. */
    const propose = async (...signers: TestKey[]) => {
      const { sequence } = await view()
      const transaction = new TransactionBuilder(new Account(next.id, String(sequence)), {
        fee: '100',
        networkPassphrase: devnet.passphrase,
        timebounds: { minTime: 0, maxTime: 0 },
      })
        .addOperation(Operation.bumpSequence({ bumpTo: '0' }))
        .build()
      for (const signer of signers) transaction.sign(Keypair.fromRawEd25519Seed(signer.seed))
      const tx = transaction.toEnvelope().toXDR('base64')
      const response = await fetch(`${devnet.url}/transactions`, { method: 'POST', body: new URLSearchParams({ tx }) })
      return JSON.stringify(await response.json())
    }
    // The account has no money of its own: what is refused here is refused for who signed it, before that.
    assert.match(await propose(next), /tx_bad_auth/)
    assert.match(await propose(governors[0]!), /tx_bad_auth/)
    assert.match(await propose(governors[0]!, governors[2]!), /tx_insufficient_balance/)

    // A head that this version does not understand is not joined past: another pays for the reserve.
    const payerView = (await servers.account(payer.publicKey)).value!
    const name = new TransactionBuilder(new Account(payer.id, String(payerView.sequence)), {
      fee: '100',
      networkPassphrase: devnet.passphrase,
      timebounds: { minTime: 0, maxTime: 0 },
    })
      .addOperation(Operation.beginSponsoringFutureReserves({ sponsoredId: next.id }))
      .addOperation(Operation.manageData({ name: 'dstack.head', value: Buffer.alloc(32, 1), source: next.id }))
      .addOperation(Operation.endSponsoringFutureReserves({ source: next.id }))
      .build()
    for (const signer of [payer, governors[0]!, governors[1]!]) name.sign(Keypair.fromRawEd25519Seed(signer.seed))
    const response = await fetch(`${devnet.url}/transactions`, {
      method: 'POST',
      body: new URLSearchParams({ tx: name.toEnvelope().toXDR('base64') }),
    })
    assert.equal(response.status, 200, await response.clone().text())
    await assert.rejects(anchor.read(record.clusterId), code('unsupported'))
    await assert.rejects(anchor.verify(record.clusterId, new Uint8Array(8)), code('bad_xdr'))
  })
})
