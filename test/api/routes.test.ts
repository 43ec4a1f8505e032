import assert from 'node:assert/strict'
import { createHash, createPublicKey } from 'node:crypto'
import { secp256k1 } from '@noble/curves/secp256k1.js'
import { keccak_256 } from '@noble/hashes/sha3.js'
import { describeRoutes } from '../../src/api/describe.ts'
import { API_LIMITS } from '../../src/api/limits.ts'
import { parseProtobuf, toProtobuf } from '../../src/api/message.ts'
import { PLAIN_ROUTES } from '../../src/api/plain-routes.ts'
import { RPC_ROUTES } from '../../src/api/rpc-routes.ts'
import { DeadlineError, TransientError } from '../../src/base/index.ts'
import type { AppKeys } from '../../src/keys/app-keys.ts'
import { V0_VECTOR, V1_VECTORS, VMS_PUBLIC_KEYS, vectorApp } from '../keys/vectors.ts'
import { type Answer, APP_ID, COMPOSE, FACTS, TestHost, TestSockets, testKeyring } from './host.ts'

const PROTOBUF = 'application/octet-stream'
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
const errorOf = (answer: Answer): string => answer.json<{ error: string }>().error

class VectorHost extends TestHost {
  readonly #app = vectorApp()
  override keys = (): AppKeys => this.#app
}

describe('the routes of an app socket', () => {
  let sockets: TestSockets
  let host: TestHost
  beforeEach(async () => {
    sockets = await TestSockets.create()
    host = new TestHost()
    await sockets.serve(host)
  })
  afterEach(() => sockets[Symbol.asyncDispose]())
  const ok = async (path: string, body: unknown = {}) => {
    const answer = await sockets.post(path, body)
    assert.equal(answer.status, 200, answer.body.toString())
    assert.match(String(answer.headers['content-type']), /^application\/json/)
    return answer.json<Record<string, string> & { signature_chain: string[]; certificate_chain: string[] }>()
  }

  it('give every published vector of GetKey', async () => {
    await sockets.serve(new VectorHost(), { name: 'vectors.sock' })
    for (const path of ['/GetKey', '/v0/GetKey', '/prpc/Tappd.DeriveK256Key', '/prpc/DeriveK256Key']) {
      const answer = await sockets.post(path, { path: V0_VECTOR.path, purpose: V0_VECTOR.purpose }, 'vectors.sock')
      const json = answer.json<Record<string, string | string[]>>()
      assert.equal(json.key ?? json.k256_key, V0_VECTOR.key)
      assert.equal((json.signature_chain ?? json.k256_signature_chain)![0], V0_VECTOR.link)
    }
    for (const vector of V1_VECTORS) {
      const { domain, algorithm } = vector
      const json = (await sockets.post('/v1/GetKey', { domain, algorithm }, 'vectors.sock')).json()
      assert.equal(json.key, vector.key)
      assert.equal(json.public_key, vector.publicKey)
      if ('link' in vector) assert.equal((json.signature_chain as string[])[0], vector.link)
    }
  })

  it('give DIP-1 report data with the published public keys', async () => {
    const vectors = new VectorHost()
    await sockets.serve(vectors, { name: 'vectors.sock' })
    for (const path of [
      '/prpc/Worker.GetAttestationForAppKey',
      '/prpc/v0/GetAttestationForAppKey',
      '/prpc/GetAttestationForAppKey',
    ]) {
      for (const [algorithm, text] of [
        ['secp256k1', `dip1::secp256k1c-pk:${VMS_PUBLIC_KEYS.secp256k1}`],
        ['k256', `dip1::secp256k1c-pk:${VMS_PUBLIC_KEYS.secp256k1}`],
        ['secp256k1_prehashed', `dip1::secp256k1c-pk:${VMS_PUBLIC_KEYS.secp256k1}`],
        ['ed25519', `dip1::ed25519-pk:${VMS_PUBLIC_KEYS.ed25519}\0\0\0\0`],
      ]) {
        const answer = await sockets.post(path, { algorithm }, 'vectors.sock')
        assert.equal(answer.status, 200)
        assert.equal(answer.json<{ report_data: string }>().report_data, Buffer.from(text!).toString('hex'))
      }
    }
    assert.equal((await sockets.post('/prpc/GetAttestationForAppKey', {}, 'vectors.sock')).status, 400)
  })

  it('serve GetKey as dstack does: every form of the request, the same bytes', async () => {
    const expected = testKeyring().app(APP_ID).getKey('wallet', 'eth', 'secp256k1')
    const wanted = { key: hex(expected.key), signature_chain: expected.signatureChain.map(hex) }
    for (let times = 0; times < 2; times++) {
      assert.deepEqual(await ok('/GetKey', { path: 'wallet', purpose: 'eth', algorithm: 'k256', unknown: 1 }), wanted)
      const get = await sockets.send('/v0/GetKey?path=wallet&purpose=eth&algorithm=secp256k1')
      assert.deepEqual(get.json(), wanted)
      for (const type of ['application/json; charset=utf-8', 'Application/JSON']) {
        const answer = await sockets.send('/GetKey', { body: '{"path":"wallet","purpose":"eth"}', type })
        assert.deepEqual(answer.json(), wanted)
      }
      for (const query of ['?json', '?json=1', '?json=true', '?a=b&json=']) {
        const answer = await sockets.send(`/GetKey${query}`, { body: '{"path":"wallet","purpose":"eth"}', type: 'text/plain' })
        assert.deepEqual(answer.json(), wanted)
      }
      const route = RPC_ROUTES.find(({ paths }) => paths.includes('/GetKey'))!
      const request = toProtobuf(route.request, { path: 'wallet', purpose: 'eth', algorithm: '', epoch: 0 } as never)
      for (const type of [PROTOBUF, 'application/x-www-form-urlencoded', '']) {
        const answer = await sockets.send('/GetKey', { method: 'POST', body: request, type })
        assert.equal(answer.status, 200)
        assert.equal(answer.headers['content-type'], PROTOBUF)
        assert.equal(hex(answer.body), `0a20${wanted.key}${wanted.signature_chain.map((link) => `1241${link}`).join('')}`)
        assert.equal(hex((parseProtobuf(route.response, answer.body) as { key: Uint8Array }).key), wanted.key)
      }
    }
  })

  it('take an empty body as all defaults', async () => {
    const wanted = await ok('/GetKey', {})
    for (const [method, type] of [
      ['POST', 'application/json'],
      ['GET', ''],
    ]) {
      const answer = await sockets.send('/GetKey', { method: method!, type: type! })
      assert.deepEqual(answer.json(), wanted)
    }
    assert.equal((await sockets.send('/GetKey', { method: 'POST', type: '' })).headers['content-type'], PROTOBUF)
  })

  it('give the same keys from two servers that share a keyring, and others to another app', async () => {
    await sockets.serve(new TestHost(testKeyring()), { name: 'same.sock' })
    await sockets.serve(new TestHost(testKeyring(), new Uint8Array(20).fill(9)), { name: 'other.sock' })
    for (const [path, body] of [
      ['/GetKey', { path: 'a' }],
      ['/v1/GetKey', { domain: 'a', algorithm: 'ed25519' }],
      ['/getkey', { tag: 'a' }],
      ['/Sign', { algorithm: 'ed25519', data: '00' }],
      ['/v1/domain', { domains: ['a.example'] }],
    ] as const) {
      const [mine, same, other] = await Promise.all(
        ['dstack.sock', 'same.sock', 'other.sock'].map((name) => sockets.post(path, body, name)),
      )
      assert.equal(mine!.status, 200)
      assert.deepEqual(mine!.json(), same!.json())
      assert.notDeepEqual(mine!.json(), other!.json())
    }
  })

  it('have nothing in a request that names another app', async () => {
    const wanted = await ok('/GetKey', { path: 'a' })
    const other = '00'.repeat(20)
    assert.deepEqual(await ok('/GetKey', { path: 'a', app_id: other, appId: other }), wanted)
    assert.deepEqual((await sockets.send(`/GetKey?path=a&app_id=${other}`)).json(), wanted)
  })

  it('give the keys of another epoch to who asks for it', async () => {
    const [zero, one] = [await ok('/GetKey', { path: 'a' }), await ok('/GetKey', { path: 'a', epoch: 1 })]
    assert.deepEqual(await ok('/GetKey', { path: 'a', epoch: 0 }), zero)
    assert.equal(one.key, hex(testKeyring().app(APP_ID, 1).getKey('a').key))
    assert.notEqual(one.key, zero.key)
    const unknown = await sockets.post('/GetKey', { path: 'a', epoch: 2 })
    assert.equal(unknown.status, 400)
    assert.match(errorOf(unknown), /epoch 2/)
    // Not in protobuf: dstack's messages have no such field, and may get one of that number.
    const bytes = Buffer.from('0a01612001', 'hex')
    const answer = await sockets.send('/GetKey', { body: bytes, type: PROTOBUF })
    assert.equal(hex(answer.body).slice(4, 68), zero.key)
  })

  it("answer with dstack 0.6's codes and errors", async () => {
    const rows: [string, unknown, number, RegExp][] = [
      ['/GetKey', { algorithm: 'secp256k1_prehashed' }, 400, /^Unsupported algorithm$/],
      ['/GetKey', { algorithm: 'rsa' }, 400, /^Unsupported algorithm$/],
      ['/GetKey', { path: 1 }, 400, /path is not a string/],
      ['/v1/GetKey', { domain: 'a' }, 400, /`secp256k1` or `ed25519`/],
      ['/v1/GetKey', { domain: 'a', algorithm: 'k256' }, 400, /`secp256k1` or `ed25519`/],
      ['/Sign', { data: '00' }, 400, /^Unsupported algorithm$/],
      ['/Sign', { algorithm: 'secp256k1_prehashed', data: '00' }, 400, /32-byte digest, but received 1 bytes/],
      ['/Verify', { algorithm: '' }, 400, /^Unsupported algorithm$/],
      ['/Verify', { algorithm: 'ed25519' }, 400, /invalid public key/],
      ['/GetQuote', { report_data: '00'.repeat(65) }, 400, /^Report data is too long/],
      ['/v1/Attest', { report_data: '00'.repeat(65) }, 400, /^Report data is too long/],
      ['/prpc/Tappd.RawQuote', { report_data: '00' }, 400, /exactly 64 bytes/],
      ['/prpc/Tappd.TdxQuote', { report_data: '00', hash_algorithm: 'md5' }, 400, /invalid hash algorithm/],
      ['/prpc/Tappd.TdxQuote', { report_data: '00', hash_algorithm: '__proto__' }, 400, /invalid hash algorithm/],
      ['/prpc/Tappd.TdxQuote', { report_data: '00'.repeat(70_000), hash_algorithm: 'keccak256' }, 400, /hash them first/],
      ['/GetKey', { path: 'x'.repeat(70_000) }, 400, /at most 65536 bytes/],
      ['/GetTlsKey', { not_before: 5, not_after: 5 }, 400, /^not_before must be earlier than not_after$/],
      ['/v1/AttestGpu', { nonce: '00' }, 400, /GPU/],
      [
        '/EmitEvent',
        { event: 'x', payload: '00' },
        400,
        /^EmitEvent was removed in dstack 0\.6\.0; runtime RTMR3 events are system-owned and cannot be extended by apps$/,
      ],
      ['/v0/EmitEvent', {}, 400, /^EmitEvent was removed/],
      ['/Nope', {}, 404, /^Service not found: Nope$/],
      ['/v0/IssueCert', {}, 404, /^Service not found: IssueCert$/],
      ['/v1/Sign', {}, 404, /^Service not found: Sign$/],
      ['/v1/GetQuote', {}, 404, /^Service not found: GetQuote$/],
      ['/prpc/Tappd.Nope', {}, 404, /^Service not found: Tappd\.Nope$/],
      ['/DstackGuest.GetKey', {}, 404, /^Service not found: DstackGuest\.GetKey$/],
      ['/getKey', {}, 404, /^Service not found: getKey$/],
    ]
    for (const [path, body, status, message] of rows) {
      const answer = await sockets.post(path, body)
      assert.equal(answer.status, status, path)
      assert.match(errorOf(answer), message)
      assert.match(answer.body.toString(), /^\{\n {2}"error": "/, 'pretty-printed, as serde does')
      const protobuf = await sockets.send(path, { body: '', type: PROTOBUF })
      if (protobuf.status === 404) assert.equal(protobuf.body[0], 0x0a)
    }
    const emitted = await sockets.send('/EmitEvent', { body: '', type: PROTOBUF })
    assert.equal(emitted.headers['content-type'], PROTOBUF)
    const { message } = parseProtobuf({ message: { type: 'string', number: 1 } }, emitted.body)
    assert.match(message, /^EmitEvent was removed/)
    for (const path of ['/', '/v2/GetKey', '/a/b/c', '/v1/GetKey/x', '/v1/']) {
      const page = await sockets.post(path, {})
      assert.equal(page.status, 404)
      assert.throws(() => page.json(), 'a page, no JSON: nothing is mounted there')
    }
  })

  it('sign and verify', async () => {
    const data = Buffer.from('payload')
    for (const algorithm of ['secp256k1', 'k256', 'ed25519']) {
      const signed = await ok('/Sign', { algorithm, data: hex(data) })
      const { signature, public_key } = signed
      assert.equal(signed.signature_chain[0], signature)
      const verify = async (more: object) =>
        (await ok('/Verify', { algorithm, data: hex(data), signature, public_key, ...more })) as unknown as { valid: boolean }
      assert.deepEqual(await verify({}), { valid: true })
      assert.deepEqual(await verify({ data: '00' }), { valid: false })
    }
    const digest = createHash('sha256').update(data).digest()
    const prehashed = await ok('/Sign', { algorithm: 'secp256k1_prehashed', data: hex(digest) })
    assert.equal(
      secp256k1.verify(Buffer.from(prehashed.signature!, 'hex'), data, Buffer.from(prehashed.public_key!, 'hex')),
      true,
    )
  })

  it('quote report data filled up with zeros, with the event log as the SDKs read it', async () => {
    for (const path of ['/GetQuote', '/v0/GetQuote']) {
      const answer = await ok(path, { report_data: '0x0102' })
      assert.equal(answer.report_data, `0102${'00'.repeat(62)}`)
      assert.equal(answer.quote, `71756f74653a${answer.report_data}`)
      assert.equal(answer.vm_config, FACTS.vmConfig)
      assert.deepEqual(JSON.parse(answer.event_log!), [
        { imr: 3, event_type: 134217729, digest: '0b'.repeat(48), event: 'app-id', event_payload: hex(APP_ID) },
      ])
    }
  })

  it("hash report data as Tappd did: dstack's vector, every algorithm, tag and default", async () => {
    const quoted = async (body: object) => {
      const answer = await ok('/prpc/Tappd.TdxQuote', body)
      return [hex(host.quoted.at(-1)!), answer.hash_algorithm, answer.prefix]
    }
    const content = hex(Buffer.from('test content'))
    // From dstack's own tests of QuoteContentType::AppData.
    const vector =
      '7ea0b744ed5e9c0c83ff9f575668e1697652cd349f2027cdf26f918d4c53e8cd50b5ea9b449b4c3d50e20ae00ec29688d5a214e8daff8a10041f5d624dae8a01'
    assert.deepEqual(await quoted({ report_data: content }), [vector, 'sha512', 'app-data'])
    const digest = (name: string, tag: string) => createHash(name).update(`${tag}:test content`).digest('hex').padEnd(128, '0')
    for (const name of ['sha256', 'sha384', 'sha512', 'sha3-256', 'sha3-384', 'sha3-512']) {
      assert.deepEqual(await quoted({ report_data: content, hash_algorithm: name }), [digest(name, 'app-data'), name, 'app-data'])
      assert.deepEqual(await quoted({ report_data: content, hash_algorithm: name, prefix: 'x' }), [digest(name, 'x'), name, 'x'])
    }
    const keccak = hex(keccak_256(Buffer.from('app-data:test content'))).padEnd(128, '0')
    assert.deepEqual(await quoted({ report_data: content, hash_algorithm: 'keccak256' }), [keccak, 'keccak256', 'app-data'])
    for (const name of ['keccak384', 'keccak512'])
      assert.equal((await quoted({ report_data: content, hash_algorithm: name }))[1], name)
    const raw = 'ab'.repeat(64)
    assert.deepEqual(await quoted({ report_data: raw, hash_algorithm: 'raw' }), [raw, 'raw', ''])
    assert.equal((await ok('/prpc/Tappd.RawQuote', { report_data: raw })).hash_algorithm, 'raw')
    assert.equal(hex(host.quoted.at(-1)!), raw)
  })

  it("attest in dstack's versioned form", async () => {
    for (const path of ['/Attest', '/v0/Attest', '/v1/Attest']) {
      const { attestation } = await ok(path, { report_data: '0102' })
      const [decoded, rest] = unpack(Buffer.from(attestation!, 'hex'))
      assert.equal(rest.length, 0)
      const reportData = [1, 2, ...new Array(62).fill(0)]
      assert.deepEqual(decoded, {
        version: 1,
        platform: {
          kind: 'tdx',
          data: {
            quote: [...Buffer.from('quote:'), ...reportData],
            event_log: [{ imr: 3, event_type: 134217729, digest: '0b'.repeat(48), event: 'app-id', event_payload: hex(APP_ID) }],
          },
        },
        stack: {
          kind: 'dstack',
          data: { report_data: reportData, runtime_events: [{ event: 'app-id', payload: hex(APP_ID) }], config: FACTS.vmConfig },
        },
      })
    }
    assert.deepEqual((await ok('/v1/Attest', { include_boottime_gpu_evidence: true })).boottime_gpu_evidence, [])
  })

  it('tell who the app is', async () => {
    const v0 = await ok('/Info')
    assert.equal(v0.app_id, hex(APP_ID))
    assert.equal(v0.compose_hash, createHash('sha256').update(COMPOSE).digest('hex'))
    const tcb = JSON.parse(v0.tcb_info!)
    assert.equal(tcb.app_compose, COMPOSE)
    assert.equal(tcb.mrtd, '04'.repeat(48))
    assert.equal(v0.app_cert, 'PEM')
    for (const path of ['/v0/Info', '/prpc/Tappd.Info', '/prpc/Info', '/prpc/Worker.Info', '/prpc/v0/Info']) {
      assert.deepEqual(await ok(path), v0)
    }
    const v1 = await ok('/v1/Info')
    assert.equal(v1.app_compose, COMPOSE)
    assert.equal('tcb_info' in v1, false)
    for (const path of ['/Version', '/v0/Version', '/v1/Version', '/prpc/Tappd.Version', '/prpc/Worker.Version']) {
      assert.deepEqual(await ok(path), { version: '0.6.0', rev: 'test' })
    }
  })

  it('tell which cluster feeds the app, so that its chains can be checked', async () => {
    const cluster = await ok('/v1/cluster')
    assert.equal(cluster.witness, 'file')
    assert.equal(cluster.genesis, '0f'.repeat(100))
    assert.equal(cluster.k256_root_public_key, hex(testKeyring().publicKeys().k256Root))
    assert.deepEqual(cluster.epochs, [0, 1])
    assert.equal((await sockets.send('/v1/cluster')).json().cluster_id, 'GTEST')
  })

  it('issue certificates for fresh keys, and for the key at a path', async () => {
    const request = { subject: 'a.example', alt_names: ['a.example'], usage_server_auth: true }
    const fresh = await Promise.all(['/GetTlsKey', '/v0/GetTlsKey', '/v1/IssueCert'].map((path) => ok(path, request)))
    assert.equal(new Set(fresh.map(({ key }) => key)).size, 3)
    for (const { certificate_chain } of fresh) assert.equal(certificate_chain.length, 3)
    const derive = (more: object) => ok('/prpc/Tappd.DeriveKey', { path: 'tls', ...request, ...more })
    const [one, two, other, random] = [
      await derive({}),
      await derive({}),
      await derive({ path: 'x' }),
      await derive({ random_seed: true }),
    ]
    assert.equal(one.key, two.key)
    assert.equal(new Set([one.key, other.key, random.key]).size, 3)
    // The same 32 bytes as GetKey's at that path, read as a P-256 scalar: dstack's rule.
    const jwk = createPublicKey(one.key!).export({ format: 'jwk' })
    assert.equal(jwk.crv, 'P-256')
    const der = Buffer.from(one.key!.replace(/-----[^-]+-----|\s/g, ''), 'base64')
    assert.equal(hex(der.subarray(36, 68)), (await ok('/GetKey', { path: 'tls' })).key)
    const get = await sockets.send('/GetTlsKey?subject=a&alt_names[]=a.example&alt_names[]=b.example&usage_server_auth=true')
    assert.equal(get.status, 200)
  })

  it('put a quote that binds the key into a certificate, and the app info', async () => {
    await ok('/GetTlsKey', { subject: 'a', usage_ra_tls: true, with_app_info: true })
    assert.equal(host.quoted.length, 1)
    const { certificate_chain } = await ok('/GetTlsKey', { subject: 'a', usage_ra_tls: true })
    const der = Buffer.from(certificate_chain[0]!.replace(/-----[^-]+-----|\s/g, ''), 'base64')
    assert.ok(der.includes(Buffer.concat([Buffer.from('quote:'), host.quoted[1]!])))
  })

  it("serve the seeds' own routes", async () => {
    const text = async (path: string) => (await sockets.send(path, { type: '' })).body
    const key = (await text('/getkey/unstoppable_tls')).toString()
    assert.match(key, /^[0-9a-f]{64}$/)
    assert.equal(key, hex(testKeyring().app(APP_ID).tagKey('unstoppable_tls')))
    assert.equal((await sockets.post('/getkey', { tag: 'unstoppable_tls' })).body.toString(), JSON.stringify(key))
    assert.equal((await sockets.post('/getkey', {})).status, 400)
    assert.equal((await text('/getkey/a%2Fb%20%C3%A9')).toString(), hex(testKeyring().app(APP_ID).tagKey('a/b é')))
    const appData = await text('/appdata/s/68656c6c6f')
    assert.equal(hex(appData), hex(keccak_256(Buffer.from('shello'))))
    const signature = await text('/attest/s/0x68656c6c6f')
    assert.equal(signature.length, 65)
    const digest = keccak_256(Buffer.concat([Buffer.from('attest'), appData]))
    const recoverable = Uint8Array.from([signature[0]! - 27, ...signature.subarray(1)])
    const signer = secp256k1.recoverPublicKey(recoverable, digest, { prehash: false })
    assert.equal(hex(secp256k1.Point.fromBytes(signer).toBytes(true)), hex(testKeyring().app(APP_ID).publicKey))
    assert.equal((await sockets.send('/attest/s/xyz')).status, 400)
    assert.equal((await text('/status')).toString(), 'Live')
    assert.deepEqual((await sockets.send('/getnodekey')).json(), '0e'.repeat(32))
  })

  it('answer 503 with Retry-After before the node is a member, but for what needs no key', async () => {
    await ok('/GetKey', { path: 'kept' })
    host.membershipNow = { member: false, why: 'joining', retryAfterMs: 2_500 }
    for (const { paths, needsMember } of RPC_ROUTES) {
      for (const path of paths) {
        const answer = await sockets.post(path, { path: 'kept' })
        assert.equal(answer.status === 503, needsMember, path)
        if (!needsMember) continue
        assert.equal(answer.headers['retry-after'], '3')
        assert.match(errorOf(answer), /not a member of the cluster: joining/)
      }
    }
    for (const { method, path, needsMember } of PLAIN_ROUTES) {
      const answer = await sockets.send(path.replace(':tag', 'a').replace(':data', '00'), { method })
      assert.equal(answer.status === 503, needsMember, path)
    }
    host.membershipNow = { member: true }
    await ok('/GetKey', { path: 'kept' })
  })

  it('answer 503 to what may work later, and 500 without a word to what nobody foresaw', async () => {
    for (const [error, status] of [
      [new TransientError('quote_busy', 'the quoting service is busy'), 503],
      [new DeadlineError(5), 503],
      [new Error('secret detail'), 500],
      ['secret detail', 500],
    ] as const) {
      host.quote = async () => Promise.reject(error)
      const answer = await sockets.post('/GetQuote', {})
      assert.equal(answer.status, status)
      assert.equal(answer.headers['retry-after'] !== undefined, status === 503)
      assert.equal(answer.body.includes('secret detail'), false)
    }
  })

  it('bound the quotes under way, in number and time, and drop those whose asker is gone', async () => {
    const signals: AbortSignal[] = []
    const slow = new TestHost()
    slow.quote = (_data, signal) => {
      signals.push(signal)
      return new Promise(() => {})
    }
    await sockets.serve(slow, {
      name: 'slow.sock',
      limits: { ...API_LIMITS, slowRequests: 2, slowTimeoutMs: 300, stopGraceMs: 10 },
    })
    const waiting = [sockets.post('/GetQuote', {}, 'slow.sock'), sockets.post('/GetQuote', {}, 'slow.sock')]
    while (signals.length < 2) await new Promise(setImmediate)
    const busy = await sockets.post('/GetTlsKey', {}, 'slow.sock')
    assert.equal(busy.status, 503)
    assert.equal(busy.headers['retry-after'], '1')
    for (const answer of await Promise.all(waiting)) assert.equal(answer.status, 503)
    assert.equal(
      signals.every(({ aborted }) => aborted),
      true,
    )
    const controller = new AbortController()
    const { request } = await import('node:http')
    const client = request({ socketPath: sockets.path('slow.sock'), path: '/GetQuote', signal: controller.signal })
    client.on('error', () => {})
    client.end()
    while (signals.length < 3) await new Promise(setImmediate)
    const aborted = new Promise((resolve) => signals[2]!.addEventListener('abort', resolve))
    controller.abort()
    await aborted
  })

  it('keep answers of GetKey alone, and forget them with the keyring', async () => {
    let asked = 0
    const counting = new TestHost()
    const keys = counting.keys
    counting.keys = (epoch) => {
      asked++
      return keys(epoch)
    }
    const server = await sockets.serve(counting, { name: 'counting.sock' })
    const ask = async (path: string, body: unknown) => (await sockets.post(path, body, 'counting.sock')).json()
    const first = await ask('/GetKey', { path: 'a' })
    for (let times = 0; times < 3; times++) assert.deepEqual(await ask('/GetKey', { path: 'a' }), first)
    assert.equal(asked, 1)
    await ask('/v1/GetKey', { domain: 'a', algorithm: 'ed25519' })
    await ask('/GetKey', { path: 'b' })
    assert.notDeepEqual(await ask('/GetKey', { path: 'a', purpose: 'x' }), first)
    assert.equal(asked, 4)
    await ask('/Sign', { algorithm: 'ed25519', data: '00' })
    await ask('/Sign', { algorithm: 'ed25519', data: '00' })
    assert.equal(asked, 6)
    for (let times = 0; times < 2; times++) await ask('/GetKey', { path: 'x'.repeat(2000) })
    assert.equal(asked, 8)
    server.forgetKeys()
    assert.deepEqual(await ask('/GetKey', { path: 'a' }), first)
    assert.equal(asked, 9)
    counting.keyring.wipe()
    server.forgetKeys()
    const { status } = await sockets.post('/GetKey', { path: 'a' }, 'counting.sock')
    assert.equal(status, 503)
  })

  it('are written down by describeRoutes, each with its path', () => {
    const table = describeRoutes()
    for (const { paths } of RPC_ROUTES) for (const path of paths) assert.ok(table.includes(`\`${path}\``), path)
    for (const { path } of PLAIN_ROUTES) assert.ok(table.includes(`\`${path}\``), path)
    const widths = table.split('\n').map((line) => line.replaceAll('\\|', '').split('|').length)
    assert.deepEqual(new Set(widths), new Set([7]))
  })
})

/** Enough of MessagePack to read back what is written here; bytes as hex. */
const unpack = (bytes: Buffer): [unknown, Buffer] => {
  const code = bytes[0]!
  const rest = bytes.subarray(1)
  const many = (count: number, from: Buffer): [unknown[], Buffer] => {
    const out: unknown[] = []
    for (let index = 0; index < count; index++) {
      const [value, next] = unpack(from)
      out.push(value)
      from = next
    }
    return [out, from]
  }
  const map = (count: number, from: Buffer): [unknown, Buffer] => {
    const [flat, next] = many(count * 2, from)
    return [Object.fromEntries(Array.from({ length: count }, (_, index) => [flat[index * 2], flat[index * 2 + 1]])), next]
  }
  const text = (length: number, from: Buffer): [unknown, Buffer] => [from.toString('utf8', 0, length), from.subarray(length)]
  const bin = (length: number, from: Buffer): [unknown, Buffer] => [from.toString('hex', 0, length), from.subarray(length)]
  if (code <= 0x7f) return [code, rest]
  if (code <= 0x8f) return map(code & 15, rest)
  if (code <= 0x9f) return many(code & 15, rest)
  if (code <= 0xbf) return text(code & 31, rest)
  switch (code) {
    case 0xc4:
      return bin(rest[0]!, rest.subarray(1))
    case 0xcc:
      return [rest[0], rest.subarray(1)]
    case 0xce:
      return [rest.readUInt32BE(0), rest.subarray(4)]
    case 0xd9:
      return text(rest[0]!, rest.subarray(1))
    case 0xdc:
      return many(rest.readUInt16BE(0), rest.subarray(2))
    default:
      throw new Error(`MessagePack code ${code}`)
  }
}
