import assert from 'node:assert/strict'
import { createHash, X509Certificate } from 'node:crypto'
import { createRequire } from 'node:module'
import { DstackClient, TappdClient, verifyEnvEncryptPublicKey, verifyEnvEncryptPublicKeyLegacy } from '@phala/dstack-sdk'
import { verifyAppCertificate } from '../../src/keys/verify-certificate.ts'
import { APP_ID, COMPOSE, TestHost, TestSockets, testKeyring } from '../api/host.ts'

// The official SDK, as npm delivers it, over a real unix socket: what an app that was built for dstack does.

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

describe("an app with dstack's own SDK", () => {
  let sockets: TestSockets
  let host: TestHost
  let client: DstackClient
  let tappd: TappdClient
  const { warn } = console
  before(async () => {
    // The SDK warns of everything that is deprecated in it.
    console.warn = () => {}
    sockets = await TestSockets.create()
    host = new TestHost()
    await sockets.serve(host)
    await sockets.serve(host, { name: 'tappd.sock' })
    client = new DstackClient(sockets.path())
    tappd = new TappdClient(sockets.path('tappd.sock'))
  })
  after(async () => {
    console.warn = warn
    await sockets[Symbol.asyncDispose]()
  })

  it('runs the unmodified package of the interop workspace', () => {
    const path = createRequire(import.meta.url).resolve('@phala/dstack-sdk')
    assert.match(path, /test\/interop\/node_modules\/@phala\/dstack-sdk\/dist\/index\.js$/)
  })

  it('gets keys, the same that the keyring derives', async () => {
    for (const [path, purpose, algorithm] of [
      ['wallet/eth', 'mainnet', 'secp256k1'],
      ['wallet/eth', 'mainnet', 'k256'],
      ['x', '', 'ed25519'],
      ['', '', ''],
    ] as const) {
      const expected = testKeyring().app(APP_ID).getKey(path, purpose, algorithm)
      const { key, signature_chain } = await client.getKey(path, purpose, algorithm)
      assert.equal(hex(key), hex(expected.key))
      assert.deepEqual(signature_chain.map(hex), expected.signatureChain.map(hex))
    }
    assert.equal((await client.getKey()).key.length, 32)
    assert.equal(hex((await tappd.getKey('a')).key), hex((await client.getKey('a')).key))
  })

  it('gets a clear error for a path beyond ASCII, whose length it states wrongly', async () => {
    // It reads our 400 as a response without a key, and so throws: no wrong key, no hanging.
    await assert.rejects(client.getKey('ключ'))
    await client.getKey('still here')
  })

  it('gets TLS keys and certificates', async () => {
    const notBefore = Math.floor(Date.now() / 1000)
    const answer = await client.getTlsKey({
      subject: 'app.example',
      altNames: ['app.example', '127.0.0.1'],
      usageRaTls: true,
      usageServerAuth: true,
      usageClientAuth: true,
      withAppInfo: true,
      notBefore,
      notAfter: notBefore + 3600,
    })
    assert.equal(answer.certificate_chain.length, 3)
    assert.equal(answer.asUint8Array().length, 138)
    assert.equal(answer.asUint8Array(32).length, 32)
    const leaf = new X509Certificate(answer.certificate_chain[0]!)
    assert.equal(leaf.validToDate.getTime() / 1000, notBefore + 3600)
    const verified = await verifyAppCertificate(answer.certificate_chain, {
      caRootPublicKey: testKeyring().publicKeys().caRoot,
      nowMs: Date.now(),
      appId: APP_ID,
      usage: 'client',
      serverName: '127.0.0.1',
    })
    assert.equal(hex(verified.evidence!.quote), hex(Buffer.concat([Buffer.from('quote:'), verified.reportData])))
    assert.equal((await client.getTlsKey()).certificate_chain.length, 3)
  })

  it('gets quotes and attestations', async () => {
    for (const data of ['hello', Buffer.from('hello'), new TextEncoder().encode('hello')]) {
      const quote = await client.getQuote(data)
      assert.equal(quote.report_data, hex(Buffer.from('hello')).padEnd(128, '0'))
      assert.equal(quote.quote, hex(Buffer.from('quote:')) + quote.report_data)
      const [zero, , , rtmr3] = quote.replayRtmrs()
      assert.equal(zero, '00'.repeat(48))
      assert.equal(rtmr3, createHash('sha384').update(new Uint8Array(48)).update(new Uint8Array(48).fill(11)).digest('hex'))
    }
    const { attestation } = await client.attest('hello')
    assert.equal(attestation.slice(0, 2), '83')
    await assert.rejects(client.getQuote('dstack-mesh/v1'), /prefix/)
    await assert.rejects(client.attest(Buffer.from('dstack-mesh/v1\0\0rest')), /prefix/)
    assert.equal((await client.tdxQuote('x', 'raw')).report_data!.length, 128)
  })

  it('gets information and the version, and finds the socket reachable', async () => {
    const info = await client.info()
    assert.equal(info.app_id, hex(APP_ID))
    assert.equal(info.tcb_info.app_compose, COMPOSE)
    assert.equal(info.tcb_info.event_log[0]!.event, 'app-id')
    const { version, rev } = await client.version()
    assert.deepEqual({ version, rev }, host.version)
    assert.equal(await client.isReachable(), true)
    assert.equal(await tappd.isReachable(), true)
    assert.equal((await tappd.info()).app_id, hex(APP_ID))
  })

  it('signs and verifies in every mode', async () => {
    const data = Buffer.from('payload')
    const digest = createHash('sha256').update(data).digest()
    for (const [algorithm, bytes] of [
      ['secp256k1', data],
      ['secp256k1_prehashed', digest],
      ['ed25519', data],
    ] as const) {
      const { signature, public_key, signature_chain } = await client.sign(algorithm, bytes)
      assert.equal(signature_chain.length, 3)
      assert.equal((await client.verify(algorithm, bytes, signature, public_key)).valid, true)
      const other = Uint8Array.from(bytes)
      other[0]! ^= 1
      assert.equal((await client.verify(algorithm, other, signature, public_key)).valid, false)
    }
  })

  it('may call emitEvent, which the SDK takes for done; it is refused and nothing is extended', async () => {
    await client.emitEvent('event', 'payload')
    const answer = await sockets.post('/EmitEvent', { event: 'event', payload: '00' })
    assert.equal(answer.status, 400)
    await assert.rejects(client.emitEvent('', 'payload'), /empty/)
  })

  it('finds deriveKey where it was: gone from dstack, there in tappd', async () => {
    await assert.rejects(client.deriveKey('x'), /deprecated/)
    const [one, two] = [await tappd.deriveKey('tls', 'app.example', ['app.example']), await tappd.deriveKey('tls')]
    assert.equal(one.key, two.key)
    assert.equal(one.certificate_chain.length, 3)
    assert.equal(one.asUint8Array(32).length, 32)
  })

  it('gets the quotes of tappd, hashed in every way and raw', async () => {
    for (const algorithm of [
      'sha256',
      'sha384',
      'sha512',
      'sha3-256',
      'sha3-384',
      'sha3-512',
      'keccak256',
      'keccak384',
      'keccak512',
    ] as const) {
      const { quote, event_log } = await tappd.tdxQuote('hello', algorithm)
      assert.ok(quote.startsWith(hex(Buffer.from('quote:'))))
      assert.ok(JSON.parse(event_log).length > 0)
    }
    const raw = await tappd.tdxQuote('hello', 'raw')
    // The SDK pads on the left.
    assert.equal(raw.quote, hex(Buffer.from('quote:')) + hex(Buffer.from('hello')).padStart(128, '0'))
    assert.equal((await tappd.tdxQuote('hello')).quote.length, 2 * (6 + 64))
    await assert.rejects(tappd.tdxQuote(Buffer.from('dstack-mesh/v1').toString().padEnd(64, '\0'), 'raw'), /prefix/)
  })

  it('verifies the key to which its environment is encrypted, by the k256 root', () => {
    const now = Math.floor(Date.now() / 1000)
    const { publicKey, signature, legacySignature } = testKeyring().envPublicKey(APP_ID, now)
    const root = `0x${hex(testKeyring().publicKeys().k256Root)}`
    assert.equal(verifyEnvEncryptPublicKey(publicKey, signature, hex(APP_ID), now), root)
    assert.equal(verifyEnvEncryptPublicKeyLegacy(publicKey, legacySignature, hex(APP_ID)), root)
    assert.notEqual(verifyEnvEncryptPublicKey(publicKey, signature, '00'.repeat(20), now), root)
  })

  it('gets the same keys from every member of the cluster, and others as another app', async () => {
    await sockets.serve(new TestHost(testKeyring()), { name: 'member.sock' })
    await sockets.serve(new TestHost(testKeyring(), new Uint8Array(20).fill(1)), { name: 'other.sock' })
    const key = hex((await client.getKey('db')).key)
    assert.equal(hex((await new DstackClient(sockets.path('member.sock')).getKey('db')).key), key)
    assert.notEqual(hex((await new DstackClient(sockets.path('other.sock')).getKey('db')).key), key)
  })
})
