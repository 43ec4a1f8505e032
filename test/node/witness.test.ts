import assert from 'node:assert/strict'
import type { GenesisBundle, GenesisRecord } from '../../protocols/records/index.ts'
import { genesisHash } from '../../protocols/records/index.ts'
import type { Anchor, AnchorReading } from '../../src/anchor/index.ts'
import { RefusedError } from '../../src/base/index.ts'
import { genesisWitness } from '../../src/node/witness.ts'
import { funder, Ledgers, newCluster } from '../anchor/stellar/support.ts'

describe('the time of a genesis', function () {
  this.timeout(20_000)
  const ledgers = new Ledgers()
  afterEach(() => ledgers.close())

  /** A cluster on a ledger, and its genesis as an onboarder gives it. */
  const published = async () => {
    const ledger = await ledgers.open()
    ledger.fund(funder.id)
    const { keys, record } = newCluster()
    const bytes = new Uint8Array([1, 2, 3])
    const anchored = { ...record, genesisHash: genesisHash(bytes) }
    const proof = (await ledgers.anchor().publish(anchored, keys))!
    const genesis = { record: bytes, anchorProof: proof } as unknown as GenesisBundle
    const genesisRecord = {
      network: ledgers.anchor().network,
      clusterPublicKey: record.clusterId,
      policyHash: record.policyHash,
    } as unknown as GenesisRecord
    const since = (anchor: Anchor, answers: boolean, reading?: AnchorReading) =>
      genesisWitness({ reading, answers, mustProve: false }, anchor).publicSince(genesis, genesisRecord)
    return { ledger, since, closedAtMs: ledger.now * 1_000, proof, clusterId: record.clusterId }
  }

  it('is the ledger’s where the servers show that ledger, or where it is pinned; a proof alone says nothing', async () => {
    const { ledger, since, closedAtMs, proof, clusterId } = await published()
    assert.equal(await since(ledgers.anchor(), true), closedAtMs)
    assert.equal(await since(ledgers.anchor(), false), undefined)
    const holder = (await ledgers.anchor().verify(clusterId, proof)).ledger!
    const pins = { checkpoints: [holder], validators: [] }
    assert.equal(await since(ledgers.anchor({ pins }), false), closedAtMs)
    // A server that has forgotten the ledger, or is silent, does not know better.
    ledger.trick = () => ({ status: 404, body: { status: 404 } })
    assert.equal(await since(ledgers.anchor(), true), undefined)
    ledger.trick = (_, response) => void response.destroy()
    assert.equal(await since(ledgers.anchor(), true), undefined)
  })

  it('of a ledger that the servers show otherwise is a lie of the onboarder', async () => {
    const { ledger, since } = await published()
    ledger.now += 1_000
    const other = ledger.close([])
    ledger.trick = ({ route, ...answer }) =>
      route.startsWith('GET /ledgers/')
        ? { status: 200, body: { hash: other.hash.toString('hex'), header_xdr: other.header.toString('base64') } }
        : answer
    await assert.rejects(since(ledgers.anchor(), true), /another ledger/)
  })

  it('is nobody’s where the proof is refused', async () => {
    const { since } = await published()
    const refusing = Object.assign(ledgers.anchor(), {
      verify: async () => {
        throw new RefusedError('proof_invalid', 'no')
      },
    })
    await assert.rejects(since(refusing, true), { name: 'FalseOnboarderError' })
  })
})
