import assert from 'node:assert/strict'
import fc from 'fast-check'
import { REPORT_DATA_PREFIX } from '../../protocols/wire/constants.ts'
import { hasMemberPrefix, reportData } from '../../protocols/wire/report-data.ts'
import { type Field, toProtobuf } from '../../src/api/message.ts'
import { HASH_ALGORITHMS } from '../../src/api/report-data.ts'
import { RPC_ROUTES } from '../../src/api/rpc-routes.ts'
import { TestHost, TestSockets } from './host.ts'

// What an attacker's app would have quoted: a binding by which another machine is handed the cluster's secret.
const binding = reportData({ context: 'onboard/1', fields: [new Uint8Array(32), new Uint8Array(38)] })
const padded = Buffer.alloc(16)
padded.write(REPORT_DATA_PREFIX)
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

/** The routes that take report data, found by their fields, so that none is forgotten. */
const quoting = RPC_ROUTES.filter(({ request }) => 'report_data' in request)

describe('the wall between what members quote and what apps have quoted', () => {
  let sockets: TestSockets
  let host: TestHost
  beforeEach(async () => {
    sockets = await TestSockets.create()
    host = new TestHost()
    await sockets.serve(host)
  })
  afterEach(() => sockets[Symbol.asyncDispose]())

  it('stands in every route that takes report data', () => {
    assert.deepEqual(
      new Set(quoting.flatMap(({ paths }) => paths)),
      new Set([
        ...['/GetQuote', '/v0/GetQuote', '/Attest', '/v0/Attest', '/v1/Attest'],
        ...['/prpc/Tappd.TdxQuote', '/prpc/TdxQuote', '/prpc/Tappd.RawQuote', '/prpc/RawQuote'],
      ]),
    )
  })

  // The prefix itself ends in zeros: padding must not complete it.
  for (const data of [binding, padded, Buffer.from(REPORT_DATA_PREFIX), Buffer.from(`${REPORT_DATA_PREFIX}\0`)]) {
    it(`refuses the members' prefix in ${data.length} bytes, on each path, in each encoding`, async () => {
      for (const { paths, request } of quoting) {
        for (const path of paths) {
          const more = path.endsWith('TdxQuote') ? { hash_algorithm: 'raw' } : {}
          const query = new URLSearchParams({ report_data: hex(data), ...more })
          for (const answer of [
            await sockets.post(path, { report_data: hex(data), ...more }),
            await sockets.post(path, { report_data: `0X${hex(data).toUpperCase()}`, ...more, prefix: REPORT_DATA_PREFIX }),
            await sockets.send(`${path}?${query}`),
            await sockets.send(path, {
              body: toProtobuf(request, { report_data: data, ...more } as never),
              type: 'application/octet-stream',
            }),
          ]) {
            assert.equal(answer.status, 400, path)
          }
        }
      }
      assert.deepEqual(host.quoted, [])
    })
  }

  it('is not got round by any hash algorithm or tag', async () => {
    for (const hash_algorithm of ['', ...HASH_ALGORITHMS]) {
      for (const prefix of ['', REPORT_DATA_PREFIX, `${REPORT_DATA_PREFIX}\0\0`, 'raw']) {
        for (const data of [binding, padded, new Uint8Array(0)]) {
          const { status } = await sockets.post('/prpc/Tappd.TdxQuote', { report_data: hex(data), hash_algorithm, prefix })
          assert.equal(status, hash_algorithm === 'raw' ? 400 : 200)
        }
      }
    }
    assert.equal(host.quoted.some(hasMemberPrefix), false)
  })

  it('stands whatever an app asks of any route, under any path, in any encoding', async () => {
    const tricky = fc.oneof(
      fc.constantFrom(binding, padded, Buffer.from(REPORT_DATA_PREFIX), new Uint8Array(0)),
      fc.uint8Array({ maxLength: 48 }).map((rest) => Buffer.concat([padded, rest])),
      fc.uint8Array({ maxLength: 64 }),
    )
    const word = fc.constantFrom('', REPORT_DATA_PREFIX, 'ed25519', 'k256', 'a.example', ...HASH_ALGORITHMS)
    const anyOf = ({ type }: Field): fc.Arbitrary<unknown> =>
      type === 'bytes' ? tricky : type === 'string' ? word : type === 'bool' ? fc.constant(true) : fc.constantFrom(0, 1)
    const asked = (routes: typeof RPC_ROUTES) =>
      fc.constantFrom(...routes).chain(({ paths, request }) =>
        fc.record({
          path: fc.constantFrom(...paths),
          request: fc.constant(request),
          values: fc.record(
            Object.fromEntries(
              Object.entries(request).map(([name, field]) => [
                name,
                field.repeated ? fc.array(anyOf(field), { maxLength: 2 }) : anyOf(field),
              ]),
            ),
          ),
        }),
      )
    const quotes = new Set<string>()
    const hexed = (_name: string, value: unknown) => (value instanceof Uint8Array ? hex(value) : value)
    const stands = (routes: typeof RPC_ROUTES) =>
      fc.asyncProperty(asked(routes), async ({ path, request, values }) => {
        const before = host.quoted.length
        const json = JSON.stringify(values, hexed)
        const query = new URLSearchParams(
          Object.entries(JSON.parse(json) as Record<string, unknown>).flatMap(([name, value]) =>
            [value].flat().map((one) => [name, String(one)]),
          ),
        )
        await sockets.send(path, { body: json })
        await sockets.send(`${path}?${query}`)
        await sockets.send(path, { body: toProtobuf(request, values as never), type: 'application/octet-stream' })
        await sockets.send(`${path}?json`, { body: json, type: 'text/plain' })
        if (host.quoted.length > before) quotes.add(path)
        assert.equal(host.quoted.some(hasMemberPrefix), false)
      })
    const slow = RPC_ROUTES.filter((route) => route.slow)
    await fc.assert(stands(RPC_ROUTES), { numRuns: 400 })
    // Few of the words are an algorithm of keys: so many runs miss them all once in a billion.
    for (const route of slow) await fc.assert(stands([route]), { numRuns: 'algorithm' in route.request ? 125 : 50 })
    // What quotes is bounded as such, and the property has seen each way to a quote.
    for (const path of quotes)
      assert.ok(
        slow.some(({ paths }) => paths.includes(path)),
        path,
      )
    for (const name of ['GetQuote', 'Attest', 'TdxQuote', 'GetTlsKey', 'DeriveKey', 'GetAttestationForAppKey']) {
      assert.ok(
        [...quotes].some((path) => path.endsWith(name)),
        name,
      )
    }
  }).timeout(60_000)
})
