import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { concat, u32be } from '../../../protocols/wire/index.ts'
import { verifyProof } from '../../../src/anchor/proof/proof.ts'
import { readContract } from '../../../src/anchor/stellar/contract.ts'
import { buildGenesis, openEnvelope, readGenesis, sealEnvelope } from '../../../src/anchor/stellar/genesis.ts'
import { fetchLedger } from '../../../src/anchor/stellar/ledger-source.ts'
import { readResult } from '../../../src/anchor/stellar/results.ts'
import { Servers } from '../../../src/anchor/stellar/servers.ts'
import { MeshError, systemClock } from '../../../src/base/index.ts'
import { code, funder, Ledgers, newCluster, PASSPHRASE } from './support.ts'

const run = promisify(execFile)

describe('a ledger’s server behind TLS', function () {
  this.timeout(30_000)
  let folder: string
  const servers: ReturnType<typeof createServer>[] = []
  before(async () => {
    folder = await mkdtemp('/tmp/dsm-tls-')
  })
  afterEach(async () => {
    for (const server of servers.splice(0)) {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    }
  })
  after(() => rm(folder, { recursive: true, force: true }))

  const openssl = (...args: string[]) => run('openssl', args, { cwd: folder })
  const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
  /** A key and a certificate for `name`, signed by itself, or by the test's own CA. */
  const certificate = async (file: string, name: string, signer: 'ca' | 'itself', days: [from: number, to: number] = [-1, 7]) => {
    const subject = ['-subj', `/CN=${name}`, '-addext', `subjectAltName=${/^[\d.]+$/.test(name) ? 'IP' : 'DNS'}:${name}`]
    if (signer === 'itself') {
      await openssl('req', '-x509', '-days', '7', ...NEW_KEY, ...subject, '-keyout', `${file}.key`, '-out', `${file}.pem`)
      return
    }
    await openssl('req', '-new', ...NEW_KEY, ...subject, '-keyout', `${file}.key`, '-out', `${file}.csr`)
    const [from, to] = days.map((each) => new Date(Date.now() + each * 86_400_000).toISOString().replace(/[-:T]|\.\d+/g, '')) as [
      string,
      string,
    ]
    await openssl(
      ...['ca', '-config', 'ca.conf', '-batch', '-notext', '-startdate', from, '-enddate', to],
      ...['-in', `${file}.csr`, '-out', `${file}.pem`],
    )
  }
  /** Serves nothing but counts who comes past the handshake. */
  const listen = async (file: string): Promise<{ url: string; heard: string[] }> => {
    const heard: string[] = []
    const [key, cert] = await Promise.all([readFile(join(folder, `${file}.key`)), readFile(join(folder, `${file}.pem`))])
    const server = createServer({ key, cert }, (request, response) => {
      heard.push(String(request.url))
      response.writeHead(404, { 'content-type': 'application/json' }).end('{"status":404}')
    })
    servers.push(server)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return { url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`, heard }
  }

  it('whose certificate is its own, of another name, or over, is an outage that is named, and hears nothing', async () => {
    await openssl('req', '-x509', '-days', '7', ...NEW_KEY, '-subj', '/CN=ca', '-keyout', 'ca.key', '-out', 'ca.pem')
    const settings = 'database=index\nnew_certs_dir=.\ndefault_md=sha256\npolicy=p\ncertificate=ca.pem\nprivate_key=ca.key'
    const config = `[ca]\ndefault_ca=d\n[d]\n${settings}\ncopy_extensions=copy\nunique_subject=no\nrand_serial=yes\n[p]\ncommonName=supplied\n`
    await Promise.all([writeFile(join(folder, 'ca.conf'), config), writeFile(join(folder, 'index'), '')])
    await certificate('itself', '127.0.0.1', 'itself')
    await certificate('other', 'horizon.example.org', 'ca')
    await certificate('over', '127.0.0.1', 'ca', [-9, -2])
    await certificate('good', '127.0.0.1', 'ca')
    const addresses: Record<string, string> = {}
    const heard: Record<string, string[]> = {}
    for (const name of ['itself', 'other', 'over', 'good']) {
      const server = await listen(name)
      addresses[name] = server.url
      heard[name] = server.heard
    }
    // A process of its own, since whom it trusts is told when it starts: the test's CA, so that nothing else is wrong.
    const program = `
      import { Servers } from './src/anchor/stellar/servers.ts'
      import { systemClock } from './src/base/index.ts'
      const said = {}
      for (const [name, url] of Object.entries(JSON.parse(process.argv[1]))) {
        try { said[name] = (await new Servers([url], systemClock).all[0].transaction(new Uint8Array(32))) ?? 'not found' }
        catch (error) { said[name] = [error.code, error.message] }
      }
      console.log(JSON.stringify(said))`
    const { stdout } = await run(
      process.execPath,
      ['--import', 'tsx', '--input-type=module', '-e', program, JSON.stringify(addresses)],
      { env: { ...process.env, NODE_EXTRA_CA_CERTS: join(folder, 'ca.pem') }, timeout: 20_000 },
    )
    const said = JSON.parse(stdout) as Record<string, string | [string, string]>
    assert.equal(said.good, 'not found')
    for (const [name, words] of [
      ['itself', /self-signed certificate/],
      ['other', /does not match certificate|IP: 127\.0\.0\.1 is not in the cert/],
      ['over', /certificate has expired/],
    ] as const) {
      assert.equal(said[name]![0], 'anchor_unreachable', name)
      assert.match(said[name]![1]!, words)
      assert.deepEqual(heard[name], [], name)
    }
  })
})

describe('the readers of XDR', function () {
  this.timeout(30_000)
  const ledgers = new Ledgers()
  afterEach(() => ledgers.close())
  const MILLION = 1_000_000
  const { record, keys } = newCluster()
  const plain = {
    ...{ passphrase: PASSPHRASE, funder: funder.publicKey, sequence: 2n, operationFee: 100, maxTime: 2_000_000_000 },
    ...{ clusterId: record.clusterId, entries: { ...record, boot: [] }, create: true },
  }
  const isRefusal = (error: unknown) => error instanceof MeshError && error.name === 'RefusedError'

  /** One operation: `endSponsoringFutureReserves`, without a source. */
  const operation = concat([u32be(0), u32be(17)])
  /** The genesis with another list of operations. */
  const withOperations = async (count: number, operations: Uint8Array): Promise<Uint8Array> => {
    const { body } = await buildGenesis(plain)
    // Source (36), fee (4), sequence (8), time bounds (4 + 16), no memo (4).
    const at = 36 + 4 + 8 + 20 + 4
    assert.equal(Buffer.from(body).readUInt32BE(at), 8)
    return concat([body.subarray(0, at), u32be(count), operations, u32be(0)])
  }

  it('refuse a million operations, whether they are there or only said to be, in every place where operations come in', async () => {
    const all = Buffer.alloc(operation.length * MILLION, operation)
    for (const operations of [all, all.subarray(0, 4_000), new Uint8Array()]) {
      const body = await withOperations(MILLION, operations)
      await assert.rejects(readGenesis(body, PASSPHRASE), isRefusal)
      await assert.rejects(openEnvelope(sealEnvelope(body, [])), isRefusal)
    }
    // Of results there are as many as operations: code txSUCCESS, then the list.
    for (const results of [Buffer.alloc(1_200), new Uint8Array()]) {
      const result = concat([new Uint8Array(8), u32be(0), u32be(MILLION), results, u32be(0)])
      await assert.rejects(readResult(result), isRefusal)
    }
    // Those that are all there are well-formed: they are too many before they are read.
    const ledger = await ledgers.open()
    for (const [count, expected] of [
      [MILLION, 'anchor_unreachable'],
      [10_000, 'anchor_malformed'],
    ] as const) {
      const whole = concat([new Uint8Array(8), u32be(0), u32be(count), Buffer.alloc(12 * count), u32be(0)])
      ledger.trick = ({ route }) => ({
        status: 200,
        body: { hash: route.slice(-64), ledger: 1, result_xdr: Buffer.from(whole).toString('base64') },
      })
      const [horizon] = new Servers(ledgers.urls, systemClock).all
      await assert.rejects(horizon!.transaction(new Uint8Array(32)), code(expected))
    }
    await assert.rejects(readGenesis(await withOperations(101, all.subarray(0, 101 * 8)), PASSPHRASE), code('not_a_genesis'))
  })

  it('refuse a million transactions in a set, from Horizon and from Stellar RPC, within the bound of what is downloaded', async () => {
    const ledger = await ledgers.open()
    ledger.fund(funder.id)
    const proof = (await ledgers.anchor().publish(record, keys))!
    const { sequence } = (await ledgers.anchor().verify(record.clusterId, proof)).ledger!
    const rpc = await ledgers.open()
    const horizons = [ledgers.urls[0]!]
    const parts = { servers: new Servers(horizons, systemClock), rpcs: [], archives: [], clock: systemClock, signal: undefined }
    const huge = [
      // Set of the new kind: previous hash, two phases, one component, a million transactions that are not there.
      concat([u32be(1), new Uint8Array(32), u32be(2), u32be(0), u32be(1), u32be(0), u32be(0), u32be(MILLION)]),
      Buffer.alloc(25 * 1024 * 1024),
    ]
    for (const set of huge) {
      ledger.trick = ({ route, status, body }) =>
        route.endsWith('/proof')
          ? { status, body: { ...body, tx_set_xdr: Buffer.from(set).toString('base64') } }
          : { status, body }
      const found = await fetchLedger(sequence, parts).catch((error: unknown) => error)
      assert.ok(found === undefined || isRefusal(found), String(found))
    }
    const meta = concat([u32be(1), u32be(0), new Uint8Array(500), u32be(MILLION)])
    rpc.trick = () => ({
      status: 200,
      body: { result: { ledgers: [{ sequence, metadataXdr: Buffer.from(meta).toString('base64') }] } },
    })
    const none = { ...parts, servers: new Servers([], systemClock), rpcs: [ledgers.urls[1]!] }
    await assert.rejects(fetchLedger(sequence, none), isRefusal)
  })

  it('refuse a union whose arm they do not know, each of them', async () => {
    const ledger = await ledgers.open()
    ledger.fund(funder.id)
    const cluster = newCluster()
    const proof = (await ledgers.anchor().publish(cluster.record, cluster.keys))!
    const expected = { clusterId: cluster.record.clusterId, passphrase: PASSPHRASE }
    const none = { checkpoints: [], validators: [] }
    const unknown = u32be(99)
    const { body } = await buildGenesis(plain)
    const bodies: Record<string, Uint8Array> = {
      'kind of account': concat([unknown, body.subarray(4)]),
      preconditions: concat([body.subarray(0, 48), unknown, body.subarray(52)]),
      memo: concat([body.subarray(0, 68), unknown, body.subarray(72)]),
      'kind of operation': concat([body.subarray(0, 80), unknown, body.subarray(84)]),
      extension: concat([body.subarray(0, -4), unknown]),
    }
    for (const [name, bytes] of Object.entries(bodies)) {
      await assert.rejects(readGenesis(bytes, PASSPHRASE), isRefusal, name)
      await assert.rejects(openEnvelope(sealEnvelope(bytes, [])), isRefusal, name)
    }
    await assert.rejects(openEnvelope(concat([unknown, sealEnvelope(body, []).subarray(4)])), code('bad_xdr'), 'envelope')
    const result = (...words: number[]) => concat([new Uint8Array(8), ...words.map((word) => u32be(word))])
    await assert.rejects(readResult(result(99, 0)), code('bad_xdr'), 'result')
    await assert.rejects(readResult(result(0, 1, 0, 99, 0, 0)), code('bad_xdr'), 'result of an operation')
    await assert.rejects(readResult(result(0, 0, 99)), code('bad_xdr'), 'extension of a result')

    // Any word of a proof replaced: an unknown arm somewhere in it never gets further than a refusal, nor changes what is proven.
    const truth = await verifyProof(proof, expected, none)
    let refused = 0
    for (let at = 0; at + 4 <= proof.length; at += 4) {
      const bytes = Uint8Array.from(proof)
      bytes.set(unknown, at)
      try {
        assert.deepEqual((await verifyProof(bytes, expected, none)).entries, truth.entries)
      } catch (error) {
        assert.ok(isRefusal(error), `word ${at}: ${error}`)
        refused++
      }
    }
    assert.ok(refused > proof.length / 8)

    // The ledger of a Stellar RPC, and the entry of a contract.
    const rpc = await ledgers.open()
    const url = ledgers.urls.at(-1)!
    rpc.trick = () => ({
      status: 200,
      body: { result: { ledgers: [{ sequence: 7, metadataXdr: Buffer.from(unknown).toString('base64') }] } },
    })
    const parts = { servers: new Servers([], systemClock), rpcs: [url], archives: [], clock: systemClock, signal: undefined }
    await assert.rejects(fetchLedger(7, parts), code('bad_xdr'))
    const contract = 'CAEQSCIJBEEQSCIJBEEQSCIJBEEQSCIJBEEQSCIJBEEQSCIJBEEQTD2L'
    const { instanceKey } = await import('../../../src/anchor/stellar/contract.ts')
    const entry = { key: Buffer.from(instanceKey(new Uint8Array(32).fill(9))).toString('base64'), lastModifiedLedgerSeq: 1 }
    rpc.trick = () => ({
      status: 200,
      body: { result: { latestLedger: 2, entries: [{ ...entry, xdr: Buffer.from(unknown).toString('base64') }] } },
    })
    await assert.rejects(readContract(contract, url, systemClock), code('bad_xdr'))
  })
})
