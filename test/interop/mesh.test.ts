import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { DstackClient, TappdClient } from '@phala/dstack-sdk'
import { parseQuote } from '../../src/index.ts'
import { Bench } from '../mesh/support.ts'

// The official SDK, as npm delivers it, against real members of a real mesh.

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

describe("a mesh and dstack's own SDK", function () {
  this.timeout(60_000)
  let bench: Bench
  const names = ['a', 'b', 'c']
  const socket = (name: string): string => join(bench.folder, name, 'dstack.sock')
  const { warn } = console

  before(async () => {
    // The SDK warns of everything that is deprecated in it.
    console.warn = () => {}
    bench = await Bench.open()
    const flags = (name: string): string[] => {
      mkdirSync(dirname(socket(name)), { recursive: true })
      return ['--socket', socket(name)]
    }
    const { status } = await bench.up('a', '--new', ...flags('a'))
    const entry = ['--cluster', status.cluster!, '--peer', status.addresses[0]!]
    await Promise.all([bench.up('b', ...entry, ...flags('b')), bench.up('c', ...entry, ...flags('c'))])
  })
  after(async () => {
    console.warn = warn
    await bench.close()
  })

  it('gets the same key and signature chain from every member', async () => {
    const answers = await Promise.all(names.map((name) => new DstackClient(socket(name)).getKey('wallet', 'signing')))
    assert.equal(new Set(answers.map(({ key }) => hex(key))).size, 1)
    assert.equal(new Set(answers.map(({ signature_chain }) => signature_chain.map(hex).join())).size, 1)
    assert.equal(answers[0]!.key.length, 32)
  })

  it('gets the same key from every member as an old Tappd app', async () => {
    const answers = await Promise.all(
      names.map((name) => new TappdClient(join(bench.folder, name, 'tappd.sock')).deriveKey('path', 'subject')),
    )
    assert.equal(new Set(answers.map(({ key }) => key)).size, 1)
  })

  it('gets a quote of its own data from each, and what it states about the TD', async () => {
    for (const name of names) {
      const client = new DstackClient(socket(name))
      const { quote } = await client.getQuote(Buffer.from('my data'))
      const { td } = parseQuote(Uint8Array.from(Buffer.from(quote.replace(/^0x/, ''), 'hex')))
      assert.equal(Buffer.from(td.reportData).subarray(0, 7).toString(), 'my data')
      const info = await client.info()
      assert.equal(info.tcb_info.rtmr3, hex(td.rtmr[3]))
      assert.equal(info.tcb_info.mrtd, hex(td.mrTd))
    }
  })

  it('has no quote that begins with what members quote', async () => {
    const client = new DstackClient(socket('a'))
    const answer = (await client.getQuote(Buffer.from('dstack-mesh/v1\0\0anything')).catch((error: unknown) => ({ error }))) as {
      quote?: string
      error?: unknown
    }
    assert.equal(answer.quote, undefined)
    assert.ok(answer.error)
  })
})
