import assert from 'node:assert/strict'
import { createHash, X509Certificate } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { secp256k1 } from '@noble/curves/secp256k1.js'
import { keccak_256 } from '@noble/hashes/sha3.js'
import { DstackClient, TappdClient } from '@phala/dstack-sdk'
import { parseQuote } from '../../src/index.ts'
import { ask, Bench } from '../mesh/support.ts'

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

  it('has every method on every member, with equal answers where they must be equal', async () => {
    const data = Buffer.from('payload')
    const digest = createHash('sha256').update(data).digest()
    const seen = await Promise.all(
      names.map(async (name) => {
        const client = new DstackClient(socket(name))
        const tappd = new TappdClient(join(bench.folder, name, 'tappd.sock'))
        assert.equal(await client.isReachable(), true)
        assert.equal(await tappd.isReachable(), true)
        const equal: unknown[] = [await client.version()]
        for (const algorithm of ['secp256k1', 'k256', 'ed25519']) {
          const { key, signature_chain } = await client.getKey('wallet', 'signing', algorithm)
          equal.push(hex(key), signature_chain.map(hex))
        }
        for (const [algorithm, message] of [
          ['secp256k1', data],
          ['secp256k1_prehashed', digest],
          ['ed25519', data],
        ] as const) {
          const { signature, public_key, signature_chain } = await client.sign(algorithm, message)
          assert.equal((await client.verify(algorithm, message, signature, public_key)).valid, true)
          equal.push(hex(signature), hex(public_key), signature_chain.map(hex))
        }
        const tls = await client.getTlsKey({ subject: 'a', altNames: ['a.example'], usageRaTls: true, withAppInfo: true })
        equal.push(tls.certificate_chain.slice(1), (await tappd.deriveKey('path', 'subject')).key)
        assert.ok((await client.attest('data')).attestation.length > 2 * 4_000)
        assert.ok((await tappd.tdxQuote('data', 'sha256')).quote.length > 2 * 4_000)
        assert.ok((await tappd.info()).tcb_info.event_log.length > 0)
        const { app_id, app_cert, compose_hash, instance_id } = await client.info()
        assert.equal(new X509Certificate(app_cert).checkIssued(new X509Certificate(tls.certificate_chain[1]!)), true)
        equal.push(app_id, compose_hash)
        await client.emitEvent('event', 'refused without the SDK noticing')
        return { equal, unequal: [tls.key, tls.certificate_chain[0], instance_id] }
      }),
    )
    for (const { equal } of seen) assert.deepEqual(equal, seen[0]!.equal)
    for (const index of [0, 1, 2]) assert.equal(new Set(seen.map(({ unequal }) => unequal[index])).size, 3)
  })

  it("gets a chain that leads from each key to the cluster's k256 root, by a verifier of a few lines", async () => {
    const signer = (message: string | Uint8Array, link: Uint8Array): Uint8Array =>
      secp256k1.Signature.fromCompact(link.subarray(0, 64))
        .addRecoveryBit(link[64]!)
        .recoverPublicKey(keccak_256(Buffer.from(message as string)))
        .toRawBytes(true)
    for (const name of names) {
      const client = new DstackClient(socket(name))
      const { app_id } = await client.info()
      const { k256_root_public_key: root } = JSON.parse((await ask(socket(name), '/v1/cluster', {})).text) as Record<
        string,
        string
      >
      const { key, signature_chain } = await client.getKey('wallet', 'signing')
      const app = signer(`signing:${hex(secp256k1.getPublicKey(key))}`, signature_chain[0]!)
      const issued = Buffer.concat([Buffer.from('dstack-kms-issued:'), Buffer.from(app_id, 'hex'), app])
      assert.equal(hex(signer(issued, signature_chain[1]!)), root)
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
