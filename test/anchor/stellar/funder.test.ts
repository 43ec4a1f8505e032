import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Keypair } from '@stellar/stellar-sdk/base'
import { HandoverFunder, localFunder, readSecret } from '../../../src/anchor/index.ts'
import { parseSecret } from '../../../src/anchor/stellar/funder.ts'
import { buildGenesis, sealEnvelope } from '../../../src/anchor/stellar/genesis.ts'
import { systemClock } from '../../../src/base/index.ts'
import { TestKey } from './stand-in.ts'
import { code, funder, Ledgers, newCluster, PASSPHRASE } from './support.ts'

const text = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64')

describe("a funder's secret", () => {
  const keypair = Keypair.fromRawEd25519Seed(funder.seed)

  it('is read from a file as Stellar writes it, and is the key of its account', async () => {
    const folder = await mkdtemp('/tmp/dsm-funder-')
    try {
      for (const ending of ['', '\n', '\r\n']) {
        await writeFile(join(folder, 'secret'), keypair.secret() + ending)
        assert.deepEqual(localFunder(await readSecret(join(folder, 'secret'))).account, funder.publicKey)
      }
      await assert.rejects(readSecret(join(folder, 'none')), code('secret_unreadable'))
      await writeFile(join(folder, 'big'), Buffer.alloc(100_000, 0x53))
      await assert.rejects(readSecret(join(folder, 'big')), code('bad_secret'))
    } finally {
      await rm(folder, { recursive: true })
    }
  })

  it('with a typing error, or of another kind, is refused without being repeated', () => {
    const secret = keypair.secret()
    const swapped = secret.slice(0, 20) + (secret[20] === 'A' ? 'B' : 'A') + secret.slice(21)
    for (const wrong of [
      '',
      secret.slice(1),
      `${secret}A`,
      swapped,
      keypair.publicKey(),
      secret.toLowerCase(),
      `S${'1'.repeat(55)}`,
    ]) {
      assert.throws(
        () => parseSecret(Buffer.from(wrong)),
        (error: Error) => code('bad_secret')(error) && (wrong === '' || !error.message.includes(wrong.slice(0, 12))),
      )
    }
  })

  it('is wiped where it was given, and the key is gone after use', async () => {
    const seed = funder.seed
    const local = localFunder(seed)
    assert.ok(seed.every((byte) => byte === 0))
    local.wipe()
    await assert.rejects(local.sign({ body: seed, hash: seed, passphrase: '', maxTime: 0 }), code('wiped'))
  })
})

describe('a funder on another machine', function () {
  this.timeout(20_000)
  const ledgers = new Ledgers()
  afterEach(() => ledgers.close())

  /** A cluster that waits for its funder. */
  const waiting = async () => {
    const ledger = await ledgers.open()
    ledger.fund(funder.id)
    const handover = new HandoverFunder(funder.id, systemClock)
    const cluster = newCluster()
    const anchor = ledgers.anchor({ handover, clock: systemClock })
    const published = anchor.publish(cluster.record, cluster.keys)
    published.catch(() => {})
    while (handover.waiting() === undefined) await new Promise((resolve) => setTimeout(resolve, 5))
    const shown = handover.waiting()!
    const envelope = Buffer.from(shown.envelope, 'base64')
    return { ledger, handover, cluster, anchor, published, shown, body: envelope.subarray(4, -4), envelope }
  }
  const sealed = async (body: Uint8Array, ...keys: TestKey[]) => {
    const { transactionHash } = await import('../../../src/anchor/stellar/genesis.ts')
    const { networkId } = await import('../../../src/anchor/stellar/networks.ts')
    const hash = transactionHash(networkId(PASSPHRASE), body)
    return text(
      sealEnvelope(
        body,
        keys.map((key) => ({ publicKey: key.publicKey, signature: key.sign(hash) })),
      ),
    )
  }

  it('gets the transaction without signatures, signs it, and the cluster comes to be', async () => {
    const { handover, cluster, anchor, published, shown, body } = await waiting()
    assert.deepEqual([shown.funder, shown.passphrase], [funder.id, PASSPHRASE])
    await handover.deliver(await sealed(body, funder))
    assert.ok((await published) !== undefined)
    assert.equal((await anchor.read(cluster.record.clusterId)).proof, 'account')
    assert.equal(handover.waiting(), undefined)
  })

  it('cannot bring back anything but that transaction, with one signature of its own; nothing is signed here before', async () => {
    const { ledger, handover, cluster, anchor, body, published } = await waiting()
    const other = newCluster()
    const genesis = {
      passphrase: PASSPHRASE,
      funder: funder.publicKey,
      sequence: 4294967297n,
      operationFee: 100,
      maxTime: 2e9,
      create: true,
    }
    const altered = Uint8Array.from(body)
    altered[45]! ^= 1
    const of = async (record: typeof other.record) =>
      (await buildGenesis({ ...genesis, clusterId: record.clusterId, entries: { ...record, boot: [] } })).body
    const cases: [string, string][] = [
      ['transaction_altered', await sealed(await of(other.record), funder)],
      ['transaction_altered', await sealed(await of({ ...cluster.record, policyHash: other.record.policyHash }), funder)],
      ['bad_xdr', await sealed(altered.subarray(0, -4), funder)],
      ['not_signed_by_funder', await sealed(body)],
      ['not_signed_by_funder', await sealed(body, new TestKey('stranger'))],
      ['not_signed_by_funder', await sealed(body, funder, new TestKey('stranger'))],
      ['bad_xdr', 'not base64!'],
      ['bad_xdr', 'A'.repeat(50_000)],
    ]
    for (const [expected, envelope] of cases) await assert.rejects(handover.deliver(envelope), code(expected), expected)
    assert.equal(ledger.asked.includes('POST /transactions'), false)
    // The right one is still welcome.
    await handover.deliver(await sealed(body, funder))
    await published
    assert.equal((await anchor.read(cluster.record.clusterId)).proof, 'account')
    await assert.rejects(handover.deliver(await sealed(body, funder)), code('nothing_waits'))
  })

  it('is not waited for after the transaction’s time, nor when the node stops', async () => {
    const handover = new HandoverFunder(funder.id, systemClock)
    const { body, hash } = await buildGenesis({
      ...{ passphrase: PASSPHRASE, funder: funder.publicKey, sequence: 2n, operationFee: 100, maxTime: 2e9, create: true },
      ...{ clusterId: newCluster().record.clusterId, entries: { ...newCluster().record, boot: [] } },
    })
    await assert.rejects(handover.sign({ body, hash, passphrase: PASSPHRASE, maxTime: 1 }), code('handover_expired'))
    const stop = new AbortController()
    const signing = handover.sign({ body, hash, passphrase: PASSPHRASE, maxTime: Date.now() / 1_000 + 100 }, stop.signal)
    stop.abort(new Error('stopping'))
    await assert.rejects(signing, /stopping/)
    assert.equal(handover.waiting(), undefined)
  })
})
