import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { type Message, toProtobuf } from '../../src/api/message.ts'
import { PLAIN_ROUTES } from '../../src/api/plain-routes.ts'
import { RPC_ROUTES } from '../../src/api/rpc-routes.ts'
import { type Answer, TestHost, TestSockets, testKeyring } from './host.ts'

// Two apps of one cluster on one node. Every route must be sorted here: a new one fails the first test until somebody has
// thought about whose keys it gives.

const OTHER_APP = new Uint8Array(20).fill(9)
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

/** Routes whose answers are, or are made with, an app's keys: what to ask, and what must differ between two apps. */
const KEYED: Record<string, { request: Record<string, unknown>; of: (answer: Record<string, unknown>) => unknown[] }> = {
  'v0.GetKey': {
    request: { path: 'a', purpose: 'b' },
    of: ({ key, signature_chain }) => [key, ...(signature_chain as string[])],
  },
  'v0.GetTlsKey': { request: { subject: 'a' }, of: ({ certificate_chain }) => [appCa(certificate_chain)] },
  'v0.Sign': { request: { algorithm: 'ed25519', data: '00' }, of: ({ signature, public_key }) => [signature, public_key] },
  'v1.GetKey': { request: { domain: 'a', algorithm: 'secp256k1' }, of: ({ key, public_key }) => [key, public_key] },
  'v1.IssueCert': { request: { subject: 'a' }, of: ({ certificate_chain }) => [appCa(certificate_chain)] },
  'tappd.DeriveKey': { request: { path: 'a' }, of: ({ key, certificate_chain }) => [key, appCa(certificate_chain)] },
  'tappd.DeriveK256Key': { request: { path: 'a' }, of: ({ k256_key }) => [k256_key] },
  'worker.GetAttestationForAppKey': { request: { algorithm: 'ed25519' }, of: ({ report_data }) => [report_data] },
  'mesh.domain': { request: { domains: ['a.example'] }, of: ({ key, certificate_request }) => [key, certificate_request] },
}
/** Routes that know no app's key: they quote the caller's bytes, check, describe, or refuse. */
const KEYLESS = [
  ...['v0.GetQuote', 'v0.Attest', 'v0.Info', 'v0.Verify', 'v0.EmitEvent', 'v0.Version'],
  ...['v1.Attest', 'v1.AttestGpu', 'v1.Info', 'v1.Version', 'tappd.TdxQuote', 'tappd.RawQuote', 'tappd.Info', 'tappd.Version'],
  'mesh.cluster',
]
const PLAIN_KEYED = ['GET /getkey/:tag', 'POST /getkey', 'GET /attest/:tag/:data']
const PLAIN_KEYLESS = ['GET /appdata/:tag/:data', 'GET /getnodekey', 'GET /status']

const appCa = (chain: unknown): string =>
  hex(new X509Certificate((chain as string[])[1]!).publicKey.export({ format: 'der', type: 'spki' }))

describe('two apps on one node', () => {
  let sockets: TestSockets
  before(async () => {
    sockets = await TestSockets.create()
    const keyring = testKeyring()
    await sockets.serve(new TestHost(keyring), { name: 'one.sock' })
    await sockets.serve(new TestHost(keyring, OTHER_APP), { name: 'two.sock' })
    await sockets.serve(new TestHost(testKeyring()), { name: 'one-elsewhere.sock' })
  })
  after(() => sockets[Symbol.asyncDispose]())

  it('are kept apart on every route that there is', () => {
    assert.deepEqual(
      new Set(RPC_ROUTES.map(({ surface, name }) => `${surface}.${name}`)),
      new Set([...Object.keys(KEYED), ...KEYLESS]),
    )
    assert.deepEqual(
      new Set(PLAIN_ROUTES.map(({ method, path }) => `${method} ${path}`)),
      new Set([...PLAIN_KEYED, ...PLAIN_KEYLESS]),
    )
  })

  it('get nothing alike for the same request, under any path of the route', async () => {
    for (const { surface, name, paths } of RPC_ROUTES) {
      const keyed = KEYED[`${surface}.${name}`]
      if (keyed === undefined) continue
      for (const path of paths) {
        const ask = async (socket: string): Promise<unknown[]> => {
          const answer = await sockets.post(path, keyed.request, socket)
          assert.equal(answer.status, 200, `${path} ${answer.body}`)
          return keyed.of(answer.json())
        }
        const [one, two, elsewhere] = await Promise.all(['one.sock', 'two.sock', 'one-elsewhere.sock'].map(ask))
        assert.deepEqual(one, elsewhere, `${path}: the same app on another member`)
        for (const [index, value] of one!.entries()) assert.notDeepEqual(value, two![index], path)
      }
    }
    for (const route of PLAIN_KEYED) {
      const [method, path] = route.split(' ') as [string, string]
      const ask = (socket: string): Promise<Answer> =>
        sockets.send(path.replace(':tag', 'a').replace(':data', '00'), {
          method,
          socket,
          ...(method === 'POST' && { body: '{"tag":"a"}' }),
        })
      const [one, two, elsewhere] = await Promise.all(['one.sock', 'two.sock', 'one-elsewhere.sock'].map(ask))
      assert.equal(one!.status, 200)
      assert.deepEqual(one!.body, elsewhere!.body)
      assert.notDeepEqual(one!.body, two!.body)
    }
  })

  it('cannot name each other: not by a field, a header, a query or a message of protobuf', async () => {
    const expected = (await sockets.post('/GetKey', { path: 'a' }, 'one.sock')).json().key
    const other = hex(OTHER_APP)
    const named = { app_id: other, appId: other, app: other, instance_id: other, epoch: 0 }
    const query = new URLSearchParams({ path: 'a', app_id: other, appId: other, app: other })
    const route = RPC_ROUTES.find(({ paths }) => paths.includes('/GetKey'))!
    // Every field number that dstack's message does not have, with the other app's id in it.
    const strange: Message = Object.fromEntries(
      Array.from({ length: 30 }, (_, at) => [`f${at}`, { type: 'bytes', number: at + 5 }]),
    )
    const protobuf = Buffer.concat([
      toProtobuf(route.request, { path: 'a', purpose: '', algorithm: '', epoch: 0 } as never),
      toProtobuf(strange, Object.fromEntries(Object.keys(strange).map((name) => [name, OTHER_APP])) as never),
    ])
    const answers = [
      (await sockets.post('/GetKey', { path: 'a', ...named }, 'one.sock')).json().key,
      (await sockets.send(`/GetKey?${query}`, { socket: 'one.sock' })).json().key,
      hex(
        (await sockets.send('/GetKey', { body: protobuf, type: 'application/octet-stream', socket: 'one.sock' })).body.subarray(
          2,
          34,
        ),
      ),
    ]
    for (const key of answers) assert.equal(key, expected)
  })

  it("have no route to the node's own: status, members, volumes and domains of the control socket", async () => {
    for (const path of ['/volume-key', '/domain-key', '/domain-request', '/members', '/key', '/v1/volume', '/v0/volume-key']) {
      for (const method of ['GET', 'POST']) {
        const { status } = await sockets.send(path, { method, body: '{"volume":"data","app":"app"}', socket: 'one.sock' })
        assert.equal(status, 404, `${method} ${path}`)
      }
    }
    assert.equal((await sockets.send('/status', { socket: 'one.sock' })).body.toString(), 'Live')
  })

  it("never see the key of a volume, whatever they ask: not their own app's, not the other's", async () => {
    const volumes = [undefined, OTHER_APP].flatMap((id) =>
      ['a', 'data', 'volume'].map((name) => testKeyring().volumeKey(id ?? new TestHost().appId, name)),
    )
    for (const { surface, name, paths, request } of RPC_ROUTES) {
      for (const text of ['a', 'data', 'volume', `volume\0${hex(OTHER_APP)}data`]) {
        const body = Object.fromEntries(
          Object.entries(request).map(([field, { type, repeated }]) => {
            const value =
              type === 'string' ? (field === 'algorithm' ? 'secp256k1' : text) : type === 'bytes' ? hex(Buffer.from(text)) : 0
            return [field, repeated ? [value] : value]
          }),
        )
        const answer = (await sockets.post(paths[0]!, body, 'one.sock')).body
        for (const volume of volumes) {
          for (const form of [hex(volume), Buffer.from(volume).toString('base64'), Buffer.from(volume)]) {
            assert.equal(answer.includes(form), false, `${surface}.${name}`)
          }
        }
      }
    }
  })
})
