import assert from 'node:assert/strict'
import fc from 'fast-check'
import { concat, parseClusterId, u32be, verifyEd25519 } from '../../../protocols/wire/index.ts'
import { parseHeader } from '../../../src/anchor/proof/header.ts'
import {
  decodeProof,
  encodeProof,
  leaderValue,
  type Pins,
  parseCheckpoint,
  verifyProof,
} from '../../../src/anchor/proof/proof.ts'
import { buildGenesis, sealEnvelope } from '../../../src/anchor/stellar/genesis.ts'
import { fetchProof } from '../../../src/anchor/stellar/ledger-source.ts'
import { NETWORKS, networkId } from '../../../src/anchor/stellar/networks.ts'
import { Servers } from '../../../src/anchor/stellar/servers.ts'
import { systemClock } from '../../../src/base/index.ts'
import { type StandIn, sha256, TestKey } from '../stellar/stand-in.ts'
import { code, funder, Ledgers, newCluster, PASSPHRASE } from '../stellar/support.ts'

const none: Pins = { checkpoints: [], validators: [] }

describe("an anchor's proof", function () {
  this.timeout(20_000)
  const ledgers = new Ledgers()
  let ledger: StandIn
  let cluster: ReturnType<typeof newCluster>
  let proof: Uint8Array
  let expected: { clusterId: Uint8Array; passphrase: string }
  before(async () => {
    ledger = await ledgers.open()
    ledger.close([])
    ledger.fund(funder.id)
    cluster = newCluster()
    proof = (await ledgers.anchor().publish(cluster.record, cluster.keys))!
    expected = { clusterId: cluster.record.clusterId, passphrase: PASSPHRASE }
  })
  after(() => ledgers.close())

  const pin = (sequence: number, hash = ledger.ledgers[sequence - 1]!.hash): Pins => ({
    checkpoints: [{ sequence, hash }],
    validators: [],
  })
  const where = async () => (await verifyProof(proof, expected, none)).ledger.sequence
  const changed = (change: Partial<ReturnType<typeof decodeProof>>) => encodeProof({ ...decodeProof(proof), ...change })

  it('proves the entries, the ledger and its time, at the level of what is pinned', async () => {
    const proven = await verifyProof(proof, expected, none)
    assert.equal(proven.level, 'transaction')
    assert.deepEqual(proven.entries.genesisHash, cluster.record.genesisHash)
    assert.deepEqual(proven.funder, funder.publicKey)
    assert.deepEqual(Buffer.from(proven.ledger.hash), ledger.ledgers[proven.ledger.sequence - 1]!.hash)
    assert.equal(proven.ledger.closedAtMs, ledger.now * 1_000)
    assert.equal(proven.upTo, proven.ledger.sequence + 1)
  })

  it('reaches the level ledger by a checkpoint at its ledger or after it, and by none before: hashes chain backwards', async () => {
    const at = await where()
    assert.equal((await verifyProof(proof, expected, pin(at))).level, 'ledger')
    assert.equal((await verifyProof(proof, expected, pin(at + 1))).level, 'ledger')
    assert.equal((await verifyProof(proof, expected, pin(at - 1))).level, 'transaction')
    assert.equal((await verifyProof(proof, expected, pin(at + 2, Buffer.alloc(32)))).level, 'transaction')
    for (const other of [at, at + 1]) {
      await assert.rejects(verifyProof(proof, expected, pin(other, Buffer.alloc(32))), code('anchor_checkpoint'))
    }
  })

  it('is extended to a later checkpoint with the headers in between', async () => {
    const at = await where()
    while (ledger.ledgers.length < at + 20) ledger.close([])
    const servers = new Servers(ledgers.urls, systemClock)
    const parts = { servers, rpcs: [], archives: [], clock: systemClock, signal: undefined }
    const longer = await fetchProof({ ...expected, sequence: at, upTo: at + 20 }, parts)
    assert.equal((await verifyProof(longer!.proof, expected, pin(at + 20))).level, 'ledger')
    assert.deepEqual(longer!.from.at(-1), 'GET /ledgers/{n}')
    await assert.rejects(fetchProof({ ...expected, sequence: at, upTo: at + 64 }, parts), code('checkpoint_too_far'))
  })

  it('reaches the level ledger by a pinned validator that signed the next ledger on top of it', async () => {
    const pins = { checkpoints: [], validators: [ledger.validator.publicKey] }
    assert.equal((await verifyProof(proof, expected, pins)).level, 'ledger')
    assert.equal((await verifyProof(proof, expected, { ...pins, validators: [funder.publicKey] })).level, 'transaction')
    // Its signature on this very ledger is not enough: it covers neither results nor header.
    const alone = changed({ headers: decodeProof(proof).headers.slice(0, 1), following: new Uint8Array() })
    assert.equal((await verifyProof(alone, expected, pins)).level, 'transaction')
    assert.equal((await verifyProof(changed({ following: new Uint8Array() }), expected, pins)).level, 'transaction')
  })

  it('does not hold when a header was made to fit around a value that a validator did sign', async () => {
    // A ledger of the attacker's own results, below a genuine signature of the transaction set.
    const at = await where()
    const { header } = ledger.ledgers[at - 1]!
    const { resultsHash } = parseHeader(header)
    const forged = Buffer.from(header)
    const place = forged.indexOf(Buffer.from(resultsHash))
    const results = Buffer.concat([u32be(1), decodeProof(proof).results.subarray(4, 36), Buffer.alloc(20)])
    sha256(results).copy(forged, place)
    const headers = [forged, ...decodeProof(proof).headers.slice(1)]
    const pins = { checkpoints: [], validators: [ledger.validator.publicKey] }
    await assert.rejects(verifyProof(changed({ headers, results }), expected, pins), code('proof_invalid'))
    const alone = changed({ headers: [forged], results })
    assert.equal((await verifyProof(alone, expected, pins)).level, 'transaction')
    await assert.rejects(verifyProof(alone, expected, pin(at)), code('anchor_checkpoint'))
  })

  it('is of one cluster on one network', async () => {
    const other = newCluster().record.clusterId
    await assert.rejects(verifyProof(proof, { ...expected, clusterId: other }, none), code('proof_invalid'))
    await assert.rejects(verifyProof(proof, { ...expected, passphrase: 'another network' }, none), code('proof_invalid'))
  })

  it('does not hold without the cluster’s signature, or for a transaction that failed', async () => {
    const stranger = new TestKey('stranger')
    const entries = { ...cluster.record, boot: [] }
    const genesis = {
      ...{ passphrase: PASSPHRASE, funder: stranger.publicKey, sequence: 2n, operationFee: 100, maxTime: ledger.now + 100 },
      ...{ clusterId: cluster.record.clusterId, entries, create: true },
    }
    const { body, hash } = await buildGenesis(genesis)
    const close = (signatures: Parameters<typeof sealEnvelope>[1], result: Buffer) => {
      const envelope = Buffer.from(sealEnvelope(body, signatures))
      const closed = ledger.close([{ envelope, hash: Buffer.from(hash), result }])
      const { header, results, transactions } = closed
      return encodeProof({ envelope, results, headers: [header], transactions, following: new Uint8Array() })
    }
    const success = Buffer.alloc(20)
    const failed = Buffer.concat([Buffer.alloc(8), Buffer.from('fffffffb', 'hex'), Buffer.alloc(4)])
    const byStranger = { publicKey: stranger.publicKey, signature: stranger.sign(hash) }
    const signature = cluster.keys.signStellarTransaction(networkId(PASSPHRASE), body)
    const byCluster = { publicKey: cluster.record.clusterId, signature }
    await verifyProof(close([byStranger, byCluster], success), expected, none)
    await assert.rejects(verifyProof(close([byStranger], success), expected, none), code('proof_invalid'))
    await assert.rejects(verifyProof(close([byStranger, byCluster], failed), expected, none), code('proof_invalid'))
  })

  it('is of the genesis that got in, where one ledger also holds another of the same cluster, that failed', async () => {
    const { clusterId } = cluster.record
    const sealed = async (word: string) => {
      const payer = new TestKey(word)
      const { body, hash } = await buildGenesis({
        ...{ passphrase: PASSPHRASE, funder: payer.publicKey, sequence: 2n, operationFee: 100, maxTime: ledger.now + 100 },
        ...{ clusterId, entries: { ...cluster.record, boot: [] }, create: true },
      })
      const byCluster = { publicKey: clusterId, signature: cluster.keys.signStellarTransaction(networkId(PASSPHRASE), body) }
      const envelope = Buffer.from(sealEnvelope(body, [{ publicKey: payer.publicKey, signature: payer.sign(hash) }, byCluster]))
      return { envelope, hash: Buffer.from(hash), payer: payer.publicKey }
    }
    const [lost, won] = [await sealed('lost'), await sealed('won')]
    const failed = Buffer.concat([Buffer.alloc(8), Buffer.from('ffffffff', 'hex'), Buffer.alloc(8)])
    const late = { ...lost, result: failed }
    const good = { ...won, result: Buffer.alloc(20) }
    const servers = new Servers(ledgers.urls, systemClock)
    const parts = { servers, rpcs: [], archives: [], clock: systemClock, signal: undefined }
    for (const applied of [
      [late, good],
      [good, late],
    ]) {
      const { sequence } = ledger.close(applied)
      const fetched = await fetchProof({ ...expected, sequence, upTo: sequence }, parts)
      assert.deepEqual((await verifyProof(fetched!.proof, expected, pin(sequence))).funder, won.payer)
    }
  })

  it('does not hold with any part of another ledger, or with anything changed in it', async () => {
    const parts = decodeProof(proof)
    const foreign = ledger.ledgers[0]!
    for (const change of [
      { headers: [foreign.header] },
      { headers: [parts.headers[0]!, foreign.header] },
      { headers: [...parts.headers].reverse() },
      { headers: [parts.headers[0]!, parts.headers[0]!] },
      { headers: [] },
      { results: foreign.results },
      { transactions: foreign.transactions },
      { results: concat([u32be(2), parts.results.subarray(4), parts.results.subarray(4)]) },
    ]) {
      await assert.rejects(verifyProof(changed(change), expected, none), code('proof_invalid'))
    }
    const at = await where()
    await fc.assert(
      fc.asyncProperty(fc.nat(proof.length - 1), fc.integer({ min: 1, max: 255 }), async (index, flip) => {
        const bytes = Uint8Array.from(proof)
        bytes[index]! ^= flip
        try {
          // The next ledger's parts are not needed for a checkpoint at this one, nor is the funder's signature: the ledger judged it.
          const proven = await verifyProof(bytes, expected, pin(at))
          assert.deepEqual(proven.entries.genesisHash, cluster.record.genesisHash)
        } catch (error) {
          assert.ok(error instanceof Error && error.name === 'RefusedError', String(error))
        }
      }),
      { numRuns: 1_000 },
    )
  })

  it('of any bytes is a refusal, and never much work', async () => {
    const refused = async (bytes: Uint8Array) =>
      assert.rejects(verifyProof(bytes, expected, none), (error: Error) => error.name === 'RefusedError')
    for (let length = 0; length < proof.length; length += 7) await refused(proof.subarray(0, length))
    await refused(concat([proof, u32be(0)]))
    await refused(new Uint8Array(200 * 1024))
    // A list of a million operations, and one whose length only claims to be so long.
    const { envelope } = decodeProof(proof)
    const count = Buffer.from(envelope).indexOf(u32be(8), 40)
    const endless = Uint8Array.from(envelope)
    endless.set(u32be(1_000_000), count)
    await refused(changed({ envelope: endless }))
    await refused(changed({ results: concat([u32be(0xffff_ffff), new Uint8Array(100_000)]) }))
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 2_000 }), async (bytes) => refused(bytes)),
      { numRuns: 300 },
    )
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ maxLength: 600 }),
        fc.constantFrom('envelope', 'results', 'transactions'),
        async (bytes, part) => refused(changed({ [part]: concat([u32be(part === 'envelope' ? 2 : 1), bytes]) })),
      ),
      { numRuns: 300 },
    )
  })

  it('knows what a validator signs: ledger 60643919 of pubnet, as it was published', () => {
    const value = {
      transactionSetHash: Buffer.from('5d64d128b9ca1201f8799fee806986e5d98294f0afef65dec3b024063e366f34', 'hex'),
      closeTime: 1_767_708_487,
    }
    const signature =
      '0466d76095facbf157b86f248bf6506c739c65290d6270207bac1997f3182cab5e7d434cad91c1726095ef10c0cbadc456a35baeb970c1deea8a1a45eb5e200d'
    const validator = parseClusterId('GAAV2GCVFLNN522ORUYFV33E76VPC22E72S75AQ6MBR5V45Z5DWVPWEU')!
    const signed = leaderValue(networkId(NETWORKS.pubnet.passphrase), value)
    assert.ok(verifyEd25519(validator, signed, Buffer.from(signature, 'hex')))
  })

  it('takes checkpoints as they are printed, and nothing else', () => {
    assert.deepEqual(parseCheckpoint(`7:${'0a'.repeat(32)}`), { sequence: 7, hash: new Uint8Array(32).fill(10) })
    for (const text of [
      '',
      '7',
      `0:${'0a'.repeat(32)}`,
      `7:${'0a'.repeat(31)}`,
      `7:${'0A'.repeat(32)}`,
      `4294967296:${'0a'.repeat(32)}`,
    ]) {
      assert.throws(() => parseCheckpoint(text), code('bad_configuration'), text)
    }
  })
})
