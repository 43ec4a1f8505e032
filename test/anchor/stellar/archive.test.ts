import assert from 'node:assert/strict'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { formatClusterId, u32be } from '../../../protocols/wire/index.ts'
import { type Network, proveAnchor } from '../../../src/anchor/index.ts'
import { verifyProof } from '../../../src/anchor/proof/proof.ts'
import { archivedHeaders, archivedLedger, archivePath, checkpointOf } from '../../../src/anchor/stellar/archive.ts'
import { MeshError, systemClock } from '../../../src/base/index.ts'
import type { StandIn } from './stand-in.ts'
import { code, funder, Ledgers, newCluster, PASSPHRASE } from './support.ts'

const parts = { clock: systemClock, signal: undefined }
const CATEGORIES = ['ledger', 'transactions', 'results'] as const
const record = (bytes: Uint8Array) => Buffer.concat([u32be((0x8000_0000 | bytes.length) >>> 0), bytes])

/** The three files of a checkpoint, not packed, as a validator writes them. */
const filesOf = (ledger: StandIn, checkpoint: number): Map<string, Buffer> => {
  const ledgers = ledger.ledgers.filter(({ sequence }) => checkpointOf(sequence) === checkpoint)
  const withTransactions = ledgers.filter(({ results }) => results.readUInt32BE() > 0)
  const written: Record<(typeof CATEGORIES)[number], Buffer[]> = {
    ledger: ledgers.map(({ hash, header }) => Buffer.concat([hash, header, u32be(0)])),
    transactions: withTransactions.map(({ sequence, transactions }) =>
      // An empty set of the old kind, then the new kind in the extension.
      Buffer.concat([u32be(sequence), Buffer.alloc(32), u32be(0), u32be(1), transactions]),
    ),
    results: withTransactions.map(({ sequence, results }) => Buffer.concat([u32be(sequence), results, u32be(0)])),
  }
  return new Map(CATEGORIES.map((name) => [`/${archivePath(name, checkpoint)}`, Buffer.concat(written[name].map(record))]))
}

/** Serves files as an archive does, packed; `trick` answers in its stead where it returns true. */
class Archive {
  readonly files = new Map<string, Buffer>()
  readonly asked: string[] = []
  trick: ((path: string, response: ServerResponse) => boolean) | undefined
  readonly #server = createServer((request, response) => {
    const path = request.url ?? ''
    this.asked.push(path)
    if (this.trick?.(path, response)) return
    const file = this.files.get(path)
    if (file === undefined) return void response.writeHead(404).end('<Error>no such key</Error>')
    response.writeHead(200, { 'content-type': 'application/gzip' }).end(gzipSync(file))
  })
  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }
  async stop(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }
}

describe('a history archive', function () {
  this.timeout(30_000)
  const ledgers = new Ledgers()
  const archives: Archive[] = []
  let ledger: StandIn
  let cluster: ReturnType<typeof newCluster>
  let sequence: number
  let network: Network
  let archive: Archive
  before(async () => {
    ledger = await ledgers.open()
    while (ledger.ledgers.length < 100) ledger.close([])
    ledger.fund(funder.id)
    cluster = newCluster()
    const anchor = ledgers.anchor()
    const proof = await anchor.publish(cluster.record, cluster.keys)
    sequence = (await anchor.verify(cluster.record.clusterId, proof!)).ledger!.sequence
    while (ledger.ledgers.length < 200) ledger.close([])
  })
  beforeEach(async () => {
    archive = new Archive()
    archives.push(archive)
    const url = await archive.listen()
    for (const [path, file] of [...filesOf(ledger, 127), ...filesOf(ledger, 191)]) archive.files.set(path, file)
    // A Horizon as the public ones are: no sets, no results.
    ledger.trick = ({ route, ...answer }) => (route.endsWith('/proof') ? { status: 404, body: { status: 404 } } : answer)
    network = { witness: 'devnet', passphrase: PASSPHRASE, horizons: ledgers.urls, rpcs: [], archives: [url] }
  })
  afterEach(() => Promise.all(archives.splice(0).map((each) => each.stop())))
  after(() => ledgers.close())

  const prove = (change: Partial<Network> = {}, checkpoint = sequence) =>
    proveAnchor(
      cluster.record.clusterId,
      { ...network, ...change },
      {
        clock: systemClock,
        pins: { checkpoints: [{ sequence: checkpoint, hash: ledger.ledgers[checkpoint - 1]!.hash }], validators: [] },
      },
    )

  it('names its files by the last ledger of each 64', () => {
    assert.deepEqual([1, 63, 64, 127, 128].map(checkpointOf), [63, 63, 127, 127, 191])
    assert.equal(archivePath('transactions', 0x1234567), 'transactions/01/23/45/transactions-0123457f.xdr.gz')
  })

  it('gives the parts of a proof that no server has, and is named as where they came from', async () => {
    const { report } = await prove()
    assert.deepEqual([report.proof, report.from], ['ledger', [`${network.archives[0]} (files of checkpoint 127)`]])
    assert.deepEqual(archive.asked.slice(0, 1), ['/ledger/00/00/00/ledger-0000007f.xdr.gz'])
  })

  it('gives the headers up to a later checkpoint too, over the end of a file, where Horizon has forgotten them', async () => {
    const later = 150
    ledger.trick = ({ route, ...answer }) =>
      /ledgers\/(?:\d+\/proof|1[0-4]\d|150)$/.test(route) ? { status: 404, body: { status: 404 } } : answer
    const { report, proof } = await prove({}, later)
    assert.deepEqual([report.proof, report.upTo], ['ledger', later])
    assert.deepEqual(report.from.at(-1), `${network.archives[0]} (headers)`)
    const pins = { checkpoints: [{ sequence: later, hash: ledger.ledgers[later - 1]!.hash }], validators: [] }
    const proven = await verifyProof(proof, { clusterId: cluster.record.clusterId, passphrase: PASSPHRASE }, pins)
    assert.equal(proven.level, 'ledger')
  })

  it('is passed over for the next one where it lies, is silent, or has not got there yet', async () => {
    const good = network.archives[0]!
    const other = new Archive()
    archives.push(other)
    const url = await other.listen()
    const swapped = filesOf(ledger, 127)
    const path = `/${archivePath('results', 127)}`
    // Results of a failed transaction, in place of those of this ledger.
    const forged = Buffer.from(swapped.get(path)!)
    forged[forged.length - 10]! ^= 1
    const tricks: Record<string, NonNullable<Archive['trick']>> = {
      'not yet': () => false,
      'not there, as a store says it': (_, response) => Boolean(response.writeHead(403).end()),
      'an error': (_, response) => Boolean(response.writeHead(500).end('no')),
      'a redirect': (_, response) => Boolean(response.writeHead(302, { location: good }).end()),
      html: (_, response) => Boolean(response.end('<html>')),
      'not packed, and no records': (_, response) => Boolean(response.end(Buffer.alloc(1000))),
      'cut off': (asked, response) => Boolean(response.end(gzipSync(swapped.get(asked)!).subarray(0, 50))),
      'packed twice': (asked, response) => Boolean(response.end(gzipSync(gzipSync(swapped.get(asked)!)))),
      'half a record': (asked, response) => Boolean(response.end(gzipSync(swapped.get(asked)!.subarray(0, -7)))),
      'half of it there': (asked, response) => asked !== path && Boolean(response.end(gzipSync(swapped.get(asked)!))),
      forged: (asked, response) => Boolean(response.end(gzipSync(asked === path ? forged : swapped.get(asked)!))),
      'a record that is huge': (_, response) => Boolean(response.end(gzipSync(Buffer.from('ffffffff00', 'hex')))),
      'a connection that ends': (_, response) => {
        response.writeHead(200, { 'content-length': 1000 })
        response.write(Buffer.from([0x1f, 0x8b]))
        response.destroy()
        return true
      },
    }
    for (const [what, trick] of Object.entries(tricks)) {
      other.trick = trick
      const { report } = await prove({ archives: [url, good] })
      assert.deepEqual([report.proof, report.from[0]], ['ledger', `${good} (files of checkpoint 127)`], what)
      await assert.rejects(prove({ archives: [url] }), MeshError, what)
    }
  })

  it('may be unpacked on its way, as some servers do', async () => {
    const file = filesOf(ledger, 127)
    archive.trick = (path, response) => {
      response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(file.get(path)!))
      return true
    }
    assert.equal((await prove()).report.proof, 'ledger')
  })

  it('that never ends, or swells, costs a bound and no more', async () => {
    const url = network.archives[0]!
    // 24 MiB and more of one record, out of a few kilobytes.
    const bomb = gzipSync(Buffer.concat([u32be((0x8000_0000 | (24 * 1024 * 1024 + 4)) >>> 0), Buffer.alloc(25 * 1024 * 1024)]))
    assert.ok(bomb.length < 50_000)
    archive.trick = (_, response) => Boolean(response.end(bomb))
    await assert.rejects(archivedLedger(url, sequence, parts), code('bad_xdr'))
    // Silent in the middle: until the deadline.
    archive.trick = (_, response) => Boolean(response.write(gzipSync(Buffer.alloc(100)).subarray(0, 12)))
    const hasty = { ...systemClock, deadline: (_: number, parent?: AbortSignal) => systemClock.deadline(200, parent) }
    await assert.rejects(archivedLedger(url, sequence, { clock: hasty, signal: undefined }), code('anchor_unreachable'))
    const stop = new AbortController()
    const reading = archivedLedger(url, sequence, { ...parts, signal: stop.signal })
    stop.abort(new Error('stopping'))
    await assert.rejects(reading, /stopping/)
  })

  it('gives headers in a row, or none', async () => {
    const url = network.archives[0]!
    const headers = await archivedHeaders(url, 120, 135, parts)
    assert.deepEqual(
      headers?.map((each) => Buffer.from(each)),
      ledger.ledgers.slice(119, 135).map(({ header }) => header),
    )
    assert.equal(await archivedHeaders(url, 300, 301, parts), undefined)
    assert.equal((await archivedHeaders(url, 190, 195, parts))?.length, 2)
    // A gap ends the row.
    const path = `/${archivePath('ledger', 127)}`
    const entries = ledger.ledgers.slice(63, 127).filter(({ sequence }) => sequence !== 122)
    archive.files.set(path, Buffer.concat(entries.map(({ hash, header }) => record(Buffer.concat([hash, header, u32be(0)])))))
    assert.equal((await archivedHeaders(url, 120, 127, parts))?.length, 2)
  })

  it('makes of any change in a file a refusal, another source, or the truth', async () => {
    const files = [...filesOf(ledger, 127)]
    await fc.assert(
      fc.asyncProperty(fc.nat(2), fc.nat(), fc.integer({ min: 1, max: 255 }), async (which, where, flip) => {
        const [path, file] = files[which]!
        const changed = Buffer.from(file)
        changed[where % changed.length]! ^= flip
        archive.files.set(path, changed)
        try {
          const { report } = await prove()
          assert.equal(report.cluster, formatClusterId(cluster.record.clusterId))
          assert.equal(report.genesis, Buffer.from(cluster.record.genesisHash).toString('hex'))
        } catch (error) {
          assert.ok(error instanceof MeshError, String(error))
        } finally {
          archive.files.set(path, file)
        }
      }),
      { numRuns: 150 },
    )
  })
})
