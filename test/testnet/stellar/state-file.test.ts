import assert from 'node:assert/strict'
import { appendFile, mkdtemp, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Operation } from '@stellar/stellar-sdk/base'
import { systemClock, systemRandom } from '../../../src/index.ts'
import { DEVNET_PASSPHRASE, Devnet } from '../../../testnet/stellar/devnet.ts'
import { base64Of, build, Person } from './people.ts'

const root = Person.root(DEVNET_PASSPHRASE)

describe('devnet ledger, its state file', () => {
  let folder: string
  let stateFile: string
  const opened: Devnet[] = []

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'devnet-'))
    stateFile = join(folder, 'state.jsonl')
  })
  afterEach(async () => {
    for (const devnet of opened.splice(0)) devnet.stop()
    await rm(folder, { recursive: true })
  })

  const open = async (passphrase?: string): Promise<Devnet> => {
    const devnet = await Devnet.open(
      { stateFile, closeEveryMs: 'at-once', passphrase },
      { clock: systemClock, random: systemRandom },
    )
    opened.push(devnet)
    return devnet
  }
  const headOf = ({ chain }: Devnet): [number, string] => [
    chain.head.header.ledgerSeq,
    Buffer.from(chain.head.hash).toString('hex'),
  ]

  /** Some transactions, good and bad. */
  const live = (devnet: Devnet, count: number): void => {
    for (let i = 0; i < count; i++) {
      const sequence = devnet.chain.get(root.id)!.sequence + 1n
      const operations = [
        i % 3 === 2
          ? Operation.manageData({ name: 'missing', value: null })
          : Operation.createAccount({ destination: Person.named(`settler ${sequence}`).id, startingBalance: '2' }),
      ]
      const transaction = build(DEVNET_PASSPHRASE, { source: root, sequence, operations, signers: [root] })
      assert.equal(devnet.submit(devnet.read(base64Of(transaction))).status, 'PENDING')
    }
    devnet.closeLedger()
  }

  it('comes back with the same head, the same accounts and the same transactions', async () => {
    const first = await open()
    live(first, 7)
    const head = headOf(first)
    const accounts = [...first.chain.accounts]
    first.stop()
    const second = await open()
    assert.deepEqual(headOf(second), head)
    assert.deepEqual([...second.chain.accounts], accounts)
    assert.equal(second.chain.node.address, first.chain.node.address)
    live(second, 2)
    const later = headOf(second)
    second.stop()
    assert.deepEqual(headOf(await open()), later)
  })

  it('forgets a last line that was not written to its end, wherever it was torn', async () => {
    const first = await open()
    live(first, 3)
    const heads = [headOf(first)]
    first.stop()
    const whole = await readFile(stateFile)
    const second = await open()
    live(second, 1)
    second.stop()
    const more = await readFile(stateFile)
    assert.deepEqual(more.subarray(0, whole.length), whole)
    const lineEnd = more.indexOf(0x0a, whole.length) + 1
    for (const size of [whole.length + 1, whole.length + 40, lineEnd - 2, lineEnd - 1]) {
      await writeFile(stateFile, more.subarray(0, size))
      const again = await open()
      assert.deepEqual(headOf(again), heads[0], `torn after ${size} of ${lineEnd}`)
      live(again, 1)
      const head = headOf(again)
      again.stop()
      const last = await open()
      assert.deepEqual(headOf(last), head)
      last.stop()
    }
  })

  it('forgets a last line of zeros, as a disk may leave behind', async () => {
    const first = await open()
    live(first, 2)
    const head = headOf(first)
    first.stop()
    await appendFile(stateFile, `${'\0'.repeat(100)}\n`)
    assert.deepEqual(headOf(await open()), head)
  })

  it('refuses a file that was changed', async () => {
    const first = await open()
    live(first, 3)
    first.stop()
    const text = await readFile(stateFile, 'utf8')
    const lines = text.trimEnd().split('\n')
    const withLine = (index: number, change: (line: string) => string): string =>
      `${lines.map((line, i) => (i === index ? change(line) : line)).join('\n')}\n`
    const parsed = JSON.parse(lines[2]!) as { closeTime: number; txs: string[] }
    const damaged: [string, string][] = [
      ['no JSON in the middle', withLine(2, () => '{')],
      ['another close time', withLine(2, () => JSON.stringify({ ...parsed, closeTime: parsed.closeTime + 1 }))],
      ['no transactions', withLine(2, () => JSON.stringify({ ...parsed, txs: [] }))],
      ['a transaction twice', withLine(2, () => JSON.stringify({ ...parsed, txs: [parsed.txs[0], parsed.txs[0]] }))],
      ['no transaction at all', withLine(2, () => JSON.stringify({ ...parsed, txs: ['AAAA'] }))],
      ['a ledger missing', `${lines.filter((_, i) => i !== 2).join('\n')}\n`],
      ['another key', withLine(0, (line) => line.replace(/"nodeSeed":"../, '"nodeSeed":"zz'))],
      ['another format', withLine(0, () => '{"format":"something else"}')],
      ['an array', withLine(1, () => '[]')],
    ]
    for (const [what, content] of damaged) {
      await writeFile(stateFile, content)
      await assert.rejects(open(), { name: 'UsageError', code: 'state-damaged' }, what)
      assert.equal(await readFile(stateFile, 'utf8'), content, `${what}: the file was touched`)
    }
  })

  it('cuts nothing off a file that is something else', async () => {
    for (const content of [
      'a line of text',
      'a line of text\n',
      '{"a":1}\n',
      '\0'.repeat(50),
      '{"format":"dstack-mesh devnet 2"}',
    ]) {
      await writeFile(stateFile, content)
      await assert.rejects(open(), { code: 'state-damaged' }, content)
      assert.equal(await readFile(stateFile, 'utf8'), content)
    }
  })

  it('refuses the file of another network', async () => {
    const first = await open()
    first.stop()
    await assert.rejects(open('another'), { code: 'state-of-another-network' })
  })

  it('stops before it mixes its lines with those of another process', async () => {
    const first = await open()
    live(first, 1)
    const second = await open()
    live(second, 1)
    const { size } = await stat(stateFile)
    assert.throws(() => live(first, 1), { code: 'state-shared' })
    assert.equal((await stat(stateFile)).size, size)
    // And takes nothing that it could not keep.
    const read = first.read(base64Of(build(DEVNET_PASSPHRASE, { source: root, sequence: 1n, operations: [], signers: [] })))
    assert.equal(first.submit(read).status, 'TRY_AGAIN_LATER')
  })

  it('keeps its file from others', async () => {
    await open()
    assert.equal((await stat(stateFile)).mode & 0o777, 0o600)
  })

  it('starts anew from an empty file', async () => {
    await writeFile(stateFile, '')
    const first = await open()
    const head = headOf(first)
    first.stop()
    assert.deepEqual(headOf(await open()), head)
    await truncate(stateFile, 5)
    // Torn in its very first line, nothing had happened yet.
    assert.equal(headOf(await open())[0], 2)
  })
})
