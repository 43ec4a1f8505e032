import assert from 'node:assert/strict'
import { localFunder } from '../../../src/anchor/index.ts'
import { verifyProof } from '../../../src/anchor/proof/proof.ts'
import { fetchLedger, fetchProof } from '../../../src/anchor/stellar/ledger-source.ts'
import { Servers } from '../../../src/anchor/stellar/servers.ts'
import { silentLog, systemClock } from '../../../src/base/index.ts'
import { type RunningDevnet, startDevnet } from '../../../testnet/stellar/index.ts'
import { TestKey } from '../stellar/stand-in.ts'
import { code, Ledgers, newCluster } from '../stellar/support.ts'

describe('the parts of a proof', function () {
  this.timeout(20_000)
  const ledgers = new Ledgers()
  let devnet: RunningDevnet
  before(async () => {
    devnet = await startDevnet({ port: 0, closeEveryMs: 100 })
  })
  after(async () => {
    await ledgers.close()
    await devnet.stop()
  })

  it('come from Stellar RPC where Horizon has none, and hash to the same', async () => {
    const payer = new TestKey('payer')
    await fetch(`${devnet.url}/friendbot?addr=${payer.id}`)
    const { record, keys } = newCluster()
    const network = { witness: 'devnet' as const, passphrase: devnet.passphrase, horizons: [devnet.url], rpcs: [], archives: [] }
    const anchor = ledgers.anchor({ clock: systemClock, log: silentLog, funder: async () => localFunder(payer.seed), network })
    const proof = (await anchor.publish(record, keys))!
    const expected = { clusterId: record.clusterId, passphrase: devnet.passphrase }
    const own = await verifyProof(proof, expected, { checkpoints: [], validators: [] })

    // A Horizon as the public ones are: it knows nothing of proofs.
    const plain = await ledgers.open()
    plain.trick = () => ({ status: 404, body: { status: 404 } })
    const parts = {
      servers: new Servers(ledgers.urls, systemClock),
      rpcs: [`${devnet.url}/rpc`],
      archives: [],
      clock: systemClock,
      signal: undefined,
    }
    const { sequence } = own.ledger
    const fetched = (await fetchProof({ ...expected, sequence, upTo: sequence + 1 }, parts))!
    const proven = await verifyProof(fetched.proof, expected, { checkpoints: [own.ledger], validators: [] })
    assert.equal(proven.level, 'ledger')
    assert.deepEqual(fetched.from, [`${devnet.url}/rpc getLedgers`])

    assert.equal(await fetchLedger(1_000_000, parts), undefined)
    assert.equal(await fetchProof({ ...expected, sequence: sequence + 1, upTo: sequence + 1 }, parts), undefined)
    await assert.rejects(fetchProof({ ...expected, sequence, upTo: sequence + 64 }, parts), code('checkpoint_too_far'))
  })
})
