import assert from 'node:assert/strict'
import fc from 'fast-check'
import { type Field, type Message, schemaOf, toProtobuf } from '../../src/api/message.ts'
import { PLAIN_ROUTES } from '../../src/api/plain-routes.ts'
import { RPC_ROUTES } from '../../src/api/rpc-routes.ts'
import { type Answer, TestHost, TestSockets } from './host.ts'

const PROTOBUF = 'application/octet-stream'

/** Values of a field by its schema, with the words that handlers look for among them. */
const oneOf = ({ type }: Field): fc.Arbitrary<unknown> => {
  switch (type) {
    case 'bool':
      return fc.boolean()
    case 'uint64':
      return fc.oneof(fc.constantFrom(0, 1, 2 ** 32, Number.MAX_SAFE_INTEGER), fc.maxSafeNat())
    case 'string':
      return fc.oneof(
        fc.constantFrom(
          '',
          'secp256k1',
          'ed25519',
          'k256',
          'secp256k1_prehashed',
          'raw',
          'sha256',
          'a.example',
          '::1',
          '127.0.0.1',
          '*.a',
        ),
        fc.string({ maxLength: 40 }),
        fc.constantFrom('é', 'k\0:ey', '日本語', '\u{1f980}'),
      )
    case 'bytes':
      return fc.oneof(
        fc.constantFrom(32, 33, 64, 65).chain((length) => fc.uint8Array({ minLength: length, maxLength: length })),
        fc.uint8Array({ maxLength: 80 }),
      )
  }
}
const valuesOf = (message: Message): fc.Arbitrary<Record<string, unknown>> =>
  fc.record(
    Object.fromEntries(
      Object.entries(message).map(([name, field]) => [
        name,
        field.repeated ? fc.array(oneOf(field), { maxLength: 4 }) : oneOf(field),
      ]),
    ),
    { requiredKeys: [] },
  )
const hexed = (_key: string, value: unknown) => (value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value)

const fine = ({ status, headers, body }: Answer, what: string) => {
  assert.ok([200, 400, 404, 413].includes(status), `${what}: ${status} ${body}`)
  assert.equal(headers['content-length'], String(body.length))
}

describe('the routes of an app socket, asked at random', () => {
  let sockets: TestSockets
  before(async () => {
    sockets = await TestSockets.create()
    await sockets.serve(new TestHost())
  })
  after(() => sockets[Symbol.asyncDispose]())

  for (const route of RPC_ROUTES) {
    it(`never fail on what the schema of ${route.surface}.${route.name} allows, in each encoding`, async () => {
      const full = Object.fromEntries(
        Object.entries(route.request).map(([name, { repeated }]) => [name, repeated ? [] : undefined]),
      )
      await fc.assert(
        fc.asyncProperty(valuesOf(route.request), async (values) => {
          const path = route.paths[0]!
          const text = JSON.stringify(values, hexed)
          fine(await sockets.send(path, { body: text }), `${path} ${text}`)
          fine(
            await sockets.send(path, { body: toProtobuf(route.request, { ...full, ...values } as never), type: PROTOBUF }),
            `${path} protobuf of ${text}`,
          )
          const query = new URLSearchParams(
            Object.entries(JSON.parse(text) as Record<string, unknown>).map(([name, value]) => [name, String(value)]),
          )
          fine(await sockets.send(`${path}?${query}`), `${path}?${query}`)
        }),
        { numRuns: 12 },
      )
    })
  }

  it('never fail on a body of any JSON, any bytes, any content type, on any path', async () => {
    const paths = [...RPC_ROUTES.flatMap((route) => route.paths), ...PLAIN_ROUTES.map(({ path }) => path), '/', '/x']
    const wrong = fc.oneof(
      fc.json(),
      fc
        .dictionary(fc.constantFrom(...RPC_ROUTES.flatMap(({ request }) => Object.keys(request))), fc.jsonValue())
        .map((body) => JSON.stringify(body)),
      fc.uint8Array({ maxLength: 64 }),
    )
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...paths),
        wrong,
        fc.constantFrom(
          'application/json',
          PROTOBUF,
          'text/plain',
          'x',
          'application/json; charset=latin1',
          'multipart/form-data',
        ),
        async (path, body, type) => fine(await sockets.send(path, { body, type }), `${path} ${type} ${body}`),
      ),
      { numRuns: 300 },
    )
  })

  it('never fail on any path or query', async () => {
    const text = fc.string({ maxLength: 30 }).map((raw) => encodeURI(raw).replaceAll('%', '').replaceAll('#', ''))
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom('/', '/getkey/', '/appdata/a/', '/attest/a/', '/v1/', '/prpc/', '/GetKey?'),
        text,
        fc.constantFrom('', '%00', '%', '%zz', '%C3%A9', '%FF'),
        async (head, tail, odd) => fine(await sockets.send(`${head}${tail}${odd}`, { type: '' }), `${head}${tail}${odd}`),
      ),
      { numRuns: 200 },
    )
  })

  it('have a schema for each request', () => {
    for (const { request } of [...RPC_ROUTES, ...PLAIN_ROUTES]) assert.equal(schemaOf(request).type, 'object')
  })
})
