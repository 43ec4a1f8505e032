import assert from 'node:assert/strict'
import { appendFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { clusterSignedBytes } from '../../protocols/wire/index.ts'
import { type AnchorRecord, fileAnchor, noAnchor } from '../../src/anchor/index.ts'
import { systemRandom } from '../../src/base/index.ts'
import { Keyring } from '../../src/keys/index.ts'

const code = (expected: string) => (error: unknown) => error instanceof Error && 'code' in error && error.code === expected

describe('the file anchor', () => {
  let folder: string
  let path: string
  beforeEach(async () => {
    folder = await mkdtemp('/tmp/dsm-anchor-')
    path = join(folder, 'anchor.jsonl')
  })
  afterEach(() => rm(folder, { recursive: true, force: true }))

  const cluster = () => {
    const keys = Keyring.generate(systemRandom)
    const record: AnchorRecord = {
      clusterId: keys.clusterId,
      genesisHash: systemRandom.bytes(32),
      quoteHash: systemRandom.bytes(32),
      policyHash: systemRandom.bytes(32),
    }
    return { keys, record }
  }

  it('gives back what was published, for each of several clusters', async () => {
    const anchor = fileAnchor(path)
    const [a, b] = [cluster(), cluster()]
    assert.equal(await anchor.read(a.record.clusterId), undefined)
    await anchor.publish(a.record, a.keys)
    await anchor.publish(b.record, b.keys)
    assert.deepEqual(await anchor.read(a.record.clusterId), a.record)
    assert.deepEqual(await fileAnchor(path).read(b.record.clusterId), b.record)
  })

  it('publishes once: the same record again changes nothing, another one is refused', async () => {
    const anchor = fileAnchor(path)
    const { record, keys } = cluster()
    await anchor.publish(record, keys)
    const before = await readFile(path, 'utf8')
    await anchor.publish(record, keys)
    assert.equal(await readFile(path, 'utf8'), before)
    await assert.rejects(anchor.publish({ ...record, genesisHash: systemRandom.bytes(32) }, keys), code('anchor_taken'))
    assert.equal(await readFile(path, 'utf8'), before)
  })

  it('lets the first record count, whatever is appended', async () => {
    const anchor = fileAnchor(path)
    const { record, keys } = cluster()
    await anchor.publish(record, keys)
    // Even one that the cluster itself signed.
    const other = join(folder, 'other')
    await fileAnchor(other).publish({ ...record, policyHash: systemRandom.bytes(32) }, keys)
    await appendFile(path, await readFile(other))
    assert.deepEqual(await anchor.read(record.clusterId), record)
  })

  it('notices every changed field, and what is no record', async () => {
    const { record, keys } = cluster()
    await fileAnchor(path).publish(record, keys)
    const line = JSON.parse(await readFile(path, 'utf8')) as Record<string, string>
    for (const field of ['genesis', 'quote', 'policy', 'signature']) {
      const first = line[field]![0] === '0' ? '1' : '0'
      await writeFile(path, `${JSON.stringify({ ...line, [field]: first + line[field]!.slice(1) })}\n`)
      await assert.rejects(fileAnchor(path).read(record.clusterId), code('anchor_forged'), field)
    }
    for (const broken of [
      '{',
      '[]',
      'null',
      '{}',
      JSON.stringify({ ...line, version: 2 }),
      JSON.stringify({ ...line, genesis: 7 }),
      '{"__proto__":{"cluster":"x"}}',
    ]) {
      await writeFile(path, `${broken}\n`)
      await assert.rejects(fileAnchor(path).read(record.clusterId), code('anchor_damaged'), broken)
    }
  })

  it('does not take a record signed in another context', async () => {
    const { record, keys } = cluster()
    await assert.rejects(
      fileAnchor(path).publish(record, {
        signAsCluster: (_, bytes) => keys.signAsCluster('genesis', bytes),
        signStellarTransaction: () => assert.fail('no ledger here'),
      }),
      code('anchor_forged'),
    )
    assert.notDeepEqual(clusterSignedBytes('genesis', record.genesisHash), clusterSignedBytes('file-anchor', record.genesisHash))
  })

  it('bounds the file, and says which path cannot be used', async () => {
    await writeFile(path, Buffer.alloc(5 * 1024 * 1024, 10))
    await assert.rejects(fileAnchor(path).read(new Uint8Array(32)), code('anchor_unreadable'))
    const { record, keys } = cluster()
    await assert.rejects(fileAnchor(join(folder, 'no', 'such', 'folder')).publish(record, keys), code('anchor_unwritable'))
    await assert.rejects(fileAnchor(folder).read(record.clusterId), code('anchor_unreadable'))
  })
})

describe('no anchor', () => {
  it('knows nothing and makes no cluster', async () => {
    assert.equal(await noAnchor.read(new Uint8Array(32)), undefined)
    const record = {
      clusterId: new Uint8Array(32),
      genesisHash: new Uint8Array(32),
      quoteHash: new Uint8Array(32),
      policyHash: new Uint8Array(32),
    }
    await assert.rejects(noAnchor.publish(record, Keyring.generate(systemRandom)), code('no_anchor'))
  })
})
