import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { Account, Asset, Keypair, Memo, Operation, TransactionBuilder, type xdr } from '@stellar/stellar-sdk/base'
import fc from 'fast-check'
import { formatClusterId } from '../../../protocols/wire/index.ts'
import { buildGenesis, openEnvelope, readGenesis, sealEnvelope } from '../../../src/anchor/stellar/genesis.ts'
import { readResult } from '../../../src/anchor/stellar/results.ts'
import { TestKey } from './stand-in.ts'
import { code, funder, newCluster, PASSPHRASE } from './support.ts'

const RECORDED = new URL('../../../../shared/reference/stellar-core19-verdicts.json', import.meta.url)

describe('a genesis transaction', () => {
  const { record } = newCluster()
  const cluster = formatClusterId(record.clusterId)
  const plain = {
    passphrase: PASSPHRASE,
    funder: funder.publicKey,
    sequence: 12_884_901_889n,
    operationFee: 100,
    maxTime: 2_000_000_000,
    clusterId: record.clusterId,
    entries: {
      genesisHash: record.genesisHash,
      quoteHash: record.quoteHash,
      policyHash: record.policyHash,
      boot: ['/dns4/mesh.example.org/tcp/4001'],
    },
    create: true,
  }

  it('is what the SDK hashes and reads, and is read back as it was built', async () => {
    for (const genesis of [plain, { ...plain, create: false }, { ...plain, homeDomain: 'example.org' }]) {
      const { body, hash } = await buildGenesis(genesis)
      assert.deepEqual(await readGenesis(body, PASSPHRASE), genesis)
      const transaction = TransactionBuilder.fromXDR(Buffer.from(sealEnvelope(body, [])).toString('base64'), PASSPHRASE)
      assert.deepEqual(Buffer.from(transaction.hash()), Buffer.from(hash))
    }
  })

  it('with governance makes the account of the successors by the same dance, ruled by the governance keys', async () => {
    const [next, ...keys] = ['next', 'a', 'b', 'c'].map((word) => new TestKey(word).publicKey)
    const entries = { ...plain.entries, next: next! }
    const governed = { ...plain, entries, next: { account: next!, keys, threshold: 2 } }
    const { body } = await buildGenesis(governed)
    assert.deepEqual(await readGenesis(body, PASSPHRASE), governed)
    await assert.rejects(buildGenesis({ ...governed, next: { account: next!, keys, threshold: 4 } }), code('not_a_genesis'))
    await assert.rejects(buildGenesis({ ...plain, entries }), code('not_a_genesis'))
  })

  it('is no genesis with anything more, less or else in it', async () => {
    const { body } = await buildGenesis(plain)
    const text = Buffer.from(sealEnvelope(body, [])).toString('base64')
    const original = TransactionBuilder.fromXDR(text, PASSPHRASE)
    assert.ok('source' in original)
    const operations = original.toEnvelope().value.tx as xdr.Transaction
    const stranger = new TestKey('stranger').id
    const all = operations.operations
    const pay = Operation.payment({ destination: stranger, asset: Asset.native(), amount: '1000' })
    const variants: Record<string, xdr.Operation[]> = {
      'a payment at the end': [...all, pay],
      'a payment in the middle': [...all.slice(0, 3), pay, ...all.slice(3)],
      'another order': [all[0]!, all[1]!, all[3]!, all[2]!, ...all.slice(4)],
      'an entry left out': [...all.slice(0, 3), ...all.slice(4)],
      'an entry twice': [...all.slice(0, 3), all[2]!, ...all.slice(3)],
      'no freeze': [...all.slice(0, -2), all.at(-1)!],
      'no end of the sponsorship': all.slice(0, -1),
      'another signer': [
        ...all.slice(0, -2),
        Operation.setOptions({ source: cluster, signer: { ed25519PublicKey: stranger, weight: 1 } }),
        ...all.slice(-2),
      ],
      'money for the cluster': [
        all[0]!,
        Operation.createAccount({ destination: cluster, startingBalance: '5' }),
        ...all.slice(2),
      ],
      'a second sponsored account': [...all, Operation.beginSponsoringFutureReserves({ sponsoredId: stranger })],
      'an entry on the funder': [
        ...all.slice(0, 2),
        Operation.manageData({ name: 'dstack.version', value: '1' }),
        ...all.slice(3),
      ],
      nothing: [],
    }
    const build = (operations: xdr.Operation[], change: (builder: TransactionBuilder) => void = () => {}) => {
      const builder = new TransactionBuilder(new Account(funder.id, '12884901888'), {
        fee: '100',
        networkPassphrase: PASSPHRASE,
        timebounds: { minTime: 0, maxTime: 2_000_000_000 },
      })
      for (const operation of operations) builder.addOperation(operation)
      change(builder)
      const envelope = Buffer.from(builder.build().toEnvelope().toXDR('raw'))
      return envelope.subarray(4, -4)
    }
    assert.deepEqual(await readGenesis(build(all), PASSPHRASE), plain)
    for (const [name, operations] of Object.entries(variants)) {
      await assert.rejects(readGenesis(build(operations), PASSPHRASE), code('not_a_genesis'), name)
    }
    const preconditions: Record<string, (builder: TransactionBuilder) => void> = {
      memo: (builder) => void builder.addMemo(Memo.text('x')),
      'ledger bounds': (builder) => void builder.setLedgerbounds(1, 2),
      'minimum sequence': (builder) => void builder.setMinAccountSequence('1'),
    }
    for (const [name, change] of Object.entries(preconditions)) {
      await assert.rejects(readGenesis(build(all, change), PASSPHRASE), code('not_a_genesis'), name)
    }
  })

  it('never comes out of any change of its bytes as another one of the same cluster', async () => {
    const { body } = await buildGenesis(plain)
    await fc.assert(
      fc.asyncProperty(fc.nat(body.length - 1), fc.integer({ min: 1, max: 255 }), async (index, flip) => {
        const bytes = Uint8Array.from(body)
        bytes[index]! ^= flip
        try {
          assert.notDeepEqual(await readGenesis(bytes, PASSPHRASE), plain)
        } catch (error) {
          assert.ok(code('not_a_genesis')(error), String(error))
        }
      }),
      { numRuns: 500 },
    )
  })

  it('in an envelope is opened strictly', async () => {
    const { body, hash } = await buildGenesis(plain)
    const envelope = sealEnvelope(body, [{ publicKey: funder.publicKey, signature: funder.sign(hash) }])
    assert.deepEqual((await openEnvelope(envelope)).body, body)
    const bump = TransactionBuilder.buildFeeBumpTransaction(
      Keypair.fromRawEd25519Seed(funder.seed),
      '200',
      TransactionBuilder.fromXDR(Buffer.from(envelope).toString('base64'), PASSPHRASE) as never,
      PASSPHRASE,
    )
    for (const bytes of [envelope.subarray(1), envelope.subarray(0, -1), Buffer.concat([envelope, Buffer.alloc(4)])]) {
      await assert.rejects(openEnvelope(bytes), code('bad_xdr'))
    }
    await assert.rejects(openEnvelope(Buffer.from(bump.toEnvelope().toXDR('raw'))), code('bad_xdr'))
    await assert.rejects(openEnvelope(new Uint8Array(9_000)), code('bad_xdr'))
  })

  it('refuses values that the ledger would not take', async () => {
    for (const homeDomain of ['', 'x'.repeat(33), 'münchen.example', 'a b']) {
      await assert.rejects(buildGenesis({ ...plain, homeDomain }), code('not_a_genesis'), homeDomain)
    }
  })
})

describe('the result of a transaction', () => {
  it('means what a real stellar-core meant by it', async function () {
    if (!existsSync(RECORDED)) return this.skip()
    const { records } = JSON.parse(readFileSync(RECORDED, 'utf8')) as {
      records: { label: string; result: string | null; applied: string | null; admission: string | null }[]
    }
    const verdicts = new Map<string, string>()
    for (const { label, result } of records) {
      if (typeof result === 'string')
        verdicts.set(label.split(' ')[0]!, (await readResult(Buffer.from(result, 'base64'))).verdict)
    }
    assert.equal(verdicts.get('A1'), 'success')
    for (const lost of ['A2', 'E14']) assert.equal(verdicts.get(lost), 'somebody_first', lost)
    for (const poor of ['E1', 'B4']) assert.equal(verdicts.get(poor), 'funder_poor', poor)
    assert.equal(verdicts.get('E22'), 'failed')
  })

  it('of any bytes is a refusal', async () => {
    for (const bytes of [new Uint8Array(), new Uint8Array(19), Buffer.alloc(24, 0xff)]) {
      await assert.rejects(readResult(bytes), code('bad_xdr'))
    }
  })
})
