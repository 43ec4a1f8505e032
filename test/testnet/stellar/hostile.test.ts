import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { Operation, xdr } from '@stellar/stellar-sdk/base'
import fc from 'fast-check'
import { type RunningDevnet, startDevnet } from '../../../testnet/stellar/index.ts'
import { base64Of, build, Person } from './people.ts'

const FORM = { 'content-type': 'application/x-www-form-urlencoded' }
const PROBLEM = 'https://stellar.org/horizon-errors/'

interface ProblemBody {
  type: string
  status: number
  extras?: Record<string, unknown>
}

describe('devnet ledger, whatever is sent', () => {
  let devnet: RunningDevnet
  let root: Person

  before(async () => {
    devnet = await startDevnet({ port: 0, closeEveryMs: 'at-once' })
    root = Person.root(devnet.passphrase)
  })
  after(() => devnet.stop())

  const assertAlive = async (): Promise<void> => {
    const response = await fetch(`${devnet.url}/`)
    assert.equal(response.status, 200)
  }
  const post = (
    path: string,
    body: string | Uint8Array<ArrayBuffer>,
    headers: Record<string, string> = FORM,
  ): Promise<Response> => fetch(`${devnet.url}${path}`, { method: 'POST', body, headers })
  const submit = (tx: string): Promise<Response> => post('/transactions', new URLSearchParams({ tx }).toString())
  const assertProblem = async (response: Response, status: number, kind: string): Promise<ProblemBody> => {
    const body = (await response.json()) as ProblemBody
    assert.deepEqual([response.status, body.status, body.type], [status, status, `${PROBLEM}${kind}`])
    assert.match(response.headers.get('content-type') ?? '', /^application\/problem\+json/)
    assert.match(response.headers.get('dstack-devnet-warning') ?? '', /one process/)
    return body
  }

  /** A transaction that would be fine. */
  const good = (): string => {
    const operations = [Operation.createAccount({ destination: Person.named('anybody').id, startingBalance: '1' })]
    return base64Of(build(devnet.passphrase, { source: root, sequence: 1n, operations, signers: [root] }))
  }

  it('says on every page that one process can rewrite it', async () => {
    const pages = ['/', '/fee_stats', '/ledgers/2', '/ledgers/2/proof', `/accounts/${root.id}`, '/nothing', '/ledgers/x']
    for (const page of pages) {
      const response = await fetch(`${devnet.url}${page}`)
      assert.match(((await response.json()) as { warning: string }).warning, /one process runs it and can rewrite it/, page)
      assert.match(response.headers.get('dstack-devnet-warning') ?? '', /one process runs it and can rewrite it/, page)
    }
  })

  it('answers a transaction cut off anywhere as malformed', async () => {
    const bytes = Buffer.from(good(), 'base64')
    for (let size = 0; size < bytes.length; size += 7) {
      const response = await submit(bytes.toString('base64', 0, size))
      await assertProblem(response, 400, size === 0 ? 'bad_request' : 'transaction_malformed')
    }
    await assertProblem(await submit(Buffer.concat([bytes, Buffer.alloc(4)]).toString('base64')), 400, 'transaction_malformed')
  })

  it('answers bytes of any kind with a refusal', async function () {
    this.timeout(20_000)
    const bytes = Buffer.from(good(), 'base64')
    const flipped = fc
      .tuple(fc.nat({ max: bytes.length - 1 }), fc.integer({ min: 1, max: 255 }))
      .map(([at, mask]) => Buffer.from(bytes.map((byte, i) => (i === at ? byte ^ mask : byte))))
    await fc.assert(
      fc.asyncProperty(fc.oneof(flipped, fc.uint8Array({ maxLength: 400 }).map(Buffer.from)), async (wrong) => {
        const response = await submit(wrong.toString('base64'))
        const { type } = (await response.json()) as ProblemBody
        assert.equal(response.status, 400)
        assert.match(type, /transaction_malformed$|transaction_failed$|bad_request$/)
      }),
      { numRuns: 250, seed: 1 },
    )
    await assertAlive()
  })

  it('answers unknown unions and impossible lengths as malformed', async () => {
    const header = Buffer.from(good(), 'base64').subarray(0, 4 + 36 + 4 + 8)
    const u32 = (...values: number[]): Buffer => {
      const out = Buffer.alloc(values.length * 4)
      for (const [i, value] of values.entries()) out.writeUInt32BE(value, i * 4)
      return out
    }
    const wrong: Record<string, Buffer> = {
      'unknown envelope': u32(99),
      'unknown precondition': Buffer.concat([header, u32(7)]),
      'unknown memo': Buffer.concat([header, u32(0, 9)]),
      'a million operations announced': Buffer.concat([header, u32(0, 0, 1_000_000)]),
      'four thousand million operations announced': Buffer.concat([header, u32(0, 0, 0xffff_ffff)]),
      'unknown operation': Buffer.concat([header, u32(0, 0, 1, 0, 77)]),
      'huge text memo': Buffer.concat([header, u32(0, 1, 0x7fff_ffff)]),
    }
    for (const [what, bytes] of Object.entries(wrong)) {
      const body = await assertProblem(await submit(bytes.toString('base64')), 400, 'transaction_malformed')
      assert.equal(body.extras?.envelope_xdr, bytes.toString('base64'), what)
    }
  })

  it('refuses a million operations that are really there, before it reads them', async () => {
    const million = Buffer.alloc(12 * 1_000_000).toString('base64')
    await assertProblem(await submit(million), 413, 'payload_too_large')
    await assertAlive()
  })

  it('reads values nested without end as malformed', async () => {
    // An invocation of a contract whose argument is a vector of a vector of a vector…
    const header = Buffer.from(good(), 'base64').subarray(0, 4 + 36 + 4 + 8)
    const start = [0, 0, 1, 0, 24, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0x6100_0000, 1]
    const vectors = Array.from({ length: 15_000 }, () => [16, 1, 1]).flat()
    const nested = Buffer.alloc((start.length + vectors.length) * 4)
    for (const [i, word] of [...start, ...vectors].entries()) nested.writeUInt32BE(word, i * 4)
    const response = await submit(Buffer.concat([header, nested]).toString('base64'))
    await assertProblem(response, 400, 'transaction_malformed')
    await assertAlive()
  })

  it('refuses base64 that is not in its one form', async () => {
    const text = good()
    for (const wrong of [`${text} `, `${text}\n`, `${text}=`, text.replaceAll('A', '-'), 'é', '%00', '====']) {
      await assertProblem(await submit(wrong), 400, 'transaction_malformed')
    }
  })

  it('takes forms only, and only of bearable size', async () => {
    const tx = new URLSearchParams({ tx: good() }).toString()
    await assertProblem(await post('/transactions', tx, { 'content-type': 'text/plain' }), 415, 'unsupported_media_type')
    await assertProblem(await post('/transactions', tx, { 'content-type': 'application/json' }), 415, 'unsupported_media_type')
    await assertProblem(await post('/transactions', new Uint8Array(0), {}), 415, 'unsupported_media_type')
    await assertProblem(await post('/transactions', ''), 400, 'bad_request')
    await assertProblem(await post('/transactions', 'tx='), 400, 'bad_request')
    await assertProblem(await post('/transactions', 'TX=AAAA'), 400, 'bad_request')
    await assertProblem(await post('/transactions', 'a=b&'.repeat(60_000)), 400, 'bad_request')
    await assertProblem(await post('/transactions', 'a'.repeat(300_000)), 413, 'payload_too_large')
    await assertProblem(await post('/transactions_async', '%'.repeat(1000)), 400, 'bad_request')
    await assertProblem(await post('/transactions_async', 'tx=%FF%FE'), 400, 'transaction_malformed')
  })

  it('answers other methods with 405 and other places with 404', async () => {
    for (const [method, path, allow] of [
      ['DELETE', '/', 'GET'],
      ['PUT', `/accounts/${root.id}`, 'GET'],
      ['POST', '/ledgers/2', 'GET'],
      ['PATCH', '/transactions', 'POST'],
      ['GET', '/transactions', 'POST'],
      ['GET', '/rpc', 'POST'],
      ['OPTIONS', '/friendbot', 'GET'],
    ] as const) {
      const response = await fetch(`${devnet.url}${path}`, { method })
      assert.equal(response.headers.get('allow'), allow, `${method} ${path}`)
      await assertProblem(response, 405, 'method_not_allowed')
    }
    for (const path of ['/operations', '/accounts', '/ledgers', '/transactions/..%2f', '/accounts/a/b/c']) {
      const response = await fetch(`${devnet.url}${path}`)
      assert([400, 404].includes(response.status), `${path}: ${response.status}`)
    }
    await assertProblem(await fetch(`${devnet.url}/accounts/%ff`), 400, 'bad_request')
  })

  it('answers bad names of things, and things that are not there', async () => {
    const get = (path: string): Promise<Response> => fetch(`${devnet.url}${path}`)
    const nobody = Person.named('nobody').id
    for (const wrong of [`/accounts/${nobody.slice(1)}`, '/accounts/x', `/accounts/${nobody.toLowerCase()}`, '/ledgers/-1']) {
      await assertProblem(await get(wrong), 400, 'bad_request')
    }
    for (const wrong of [
      '/ledgers/0',
      '/ledgers/1e3',
      '/ledgers/99999999999',
      `/transactions/${'G'.repeat(64)}`,
      '/transactions/1',
    ]) {
      await assertProblem(await get(wrong), 400, 'bad_request')
    }
    for (const missing of [
      `/accounts/${nobody}`,
      `/accounts/${nobody}/data/x`,
      `/accounts/${root.id}/data/x`,
      `/accounts/${root.id}/data/__proto__`,
      '/ledgers/4000000000',
      '/ledgers/1/proof',
      `/transactions/${'0'.repeat(64)}`,
    ]) {
      await assertProblem(await get(missing), 404, 'not_found')
    }
    for (const query of ['', '?addr=', '?addr=G', `?addr=${nobody}&addr=${nobody}`, '?addr[]=x', '?addr=%ff']) {
      await assertProblem(await get(`/friendbot${query}`), 400, 'bad_request')
    }
  })

  it('answers bad JSON-RPC by the rules of JSON-RPC', async () => {
    const call = async (body: string): Promise<{ id: unknown; error?: { code: number } }> =>
      (await post('/rpc', body, { 'content-type': 'application/json' })).json() as Promise<{ id: unknown }>
    const request = (method: unknown, params?: unknown, id: unknown = 1): string =>
      JSON.stringify({ jsonrpc: '2.0', id, method, params })
    const cases: [string, number][] = [
      ['', -32_700],
      ['{', -32_700],
      ['['.repeat(100_000), -32_700],
      ['[]', -32_600],
      ['null', -32_600],
      ['{"jsonrpc":"1.0","id":1,"method":"getNetwork"}', -32_600],
      [request(7), -32_600],
      [request('getNetwork', undefined, {}), -32_600],
      [request('constructor'), -32_601],
      [request('__proto__'), -32_601],
      [request('sendTransaction', {}), -32_601],
      [request('getNetwork', []), -32_602],
      [request('getTransaction', {}), -32_602],
      [request('getTransaction', { hash: 'x'.repeat(64) }), -32_602],
      [request('getLedgers', {}), -32_602],
      [request('getLedgers', { startLedger: 1 }), -32_602],
      [request('getLedgers', { startLedger: 2.5 }), -32_602],
      [request('getLedgers', { startLedger: 2, pagination: { limit: 1e9 } }), -32_602],
      [request('getLedgers', { startLedger: 2, pagination: { cursor: '2' } }), -32_602],
      [request('getLedgers', { pagination: { cursor: 'x' } }), -32_602],
      [request('getTransactions', { startLedger: 9e9 }), -32_602],
      [request('getLedgers', { startLedger: 2, xdrFormat: 'json' }), -32_602],
    ]
    for (const [body, code] of cases) assert.equal((await call(body)).error?.code, code, body.slice(0, 80))
    const past = await call(request('getLedgers', { pagination: { cursor: '9223372036854775807' } }))
    assert.deepEqual((past as unknown as { result: { ledgers: unknown[] } }).result.ledgers, [])
  })

  it('refuses contracts and assets, which it does not know, by their proper code', async () => {
    const alice = Person.named('alice')
    assert.equal((await fetch(`${devnet.url}/friendbot?addr=${alice.id}`)).status, 200)
    const account = (await (await fetch(`${devnet.url}/accounts/${alice.id}`)).json()) as { sequence: string }
    const operations = [new xdr.Operation({ sourceAccount: null, body: xdr.OperationBody.inflation() })]
    const transaction = build(devnet.passphrase, {
      source: alice,
      sequence: BigInt(account.sequence) + 1n,
      operations,
      signers: [alice],
    })
    const body = await assertProblem(await submit(base64Of(transaction)), 400, 'transaction_failed')
    assert.deepEqual(body.extras?.result_codes, { transaction: 'tx_failed', operations: ['op_not_supported'] })
  })

  it('does not wait for clients that never finish', async function () {
    this.timeout(20_000)
    const { hostname, port } = new URL(devnet.url)
    const heads = [
      'POST /transactions HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: 1000\r\n\r\ntx=',
      'GET / HTTP/1.1\r\nhost: x\r\nx-slow: ',
    ]
    const answers = heads.map(async (head) => {
      const socket = connect(Number(port), hostname)
      let answer = ''
      socket.on('data', (data) => {
        answer += data.toString()
      })
      await once(socket, 'connect')
      socket.write(head)
      await once(socket, 'close')
      return answer
    })
    for (const answer of await Promise.all(answers)) assert.match(answer, /^HTTP\/1\.1 408 /)
    await assertAlive()
  })

  it('bounds what one address asks of friendbot', async () => {
    const statuses = new Map<number, number>()
    for (let i = 0; i < 120; i++) {
      const response = await fetch(`${devnet.url}/friendbot?addr=x`)
      await response.arrayBuffer()
      statuses.set(response.status, (statuses.get(response.status) ?? 0) + 1)
      if (response.status === 429) assert.match(response.headers.get('retry-after') ?? '', /^[1-9]/)
    }
    assert((statuses.get(429) ?? 0) > 0, JSON.stringify([...statuses]))
    assert.deepEqual([...statuses.keys()].sort(), [400, 429])
  })
})
