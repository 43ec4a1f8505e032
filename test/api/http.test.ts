import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Server, type Socket } from 'node:net'
import { API_LIMITS, type ApiLimits } from '../../src/api/limits.ts'
import { TestHost, TestSockets } from './host.ts'

const SMALL: ApiLimits = { ...API_LIMITS, connections: 4, headersTimeoutMs: 150, requestTimeoutMs: 300, bodyBytes: 1000 }
const get = (path: string, more = '') => `GET ${path} HTTP/1.1\r\nHost: x\r\n${more}\r\n`
const post = (body: string, length = Buffer.byteLength(body), more = '') =>
  `POST /GetKey HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${length}\r\n${more}\r\n${body}`
const statuses = (text: string) => [...text.matchAll(/HTTP\/1\.1 (\d+)/g)].map((match) => Number(match[1]))

const connectionsOf = (server: Server): Promise<number> =>
  new Promise((resolve, reject) => server.getConnections((error, count) => (error ? reject(error) : resolve(count))))

describe('the HTTP of an app socket', () => {
  let sockets: TestSockets
  const open: Socket[] = []
  beforeEach(async () => {
    sockets = await TestSockets.create()
    await sockets.serve(new TestHost(), { limits: SMALL })
  })
  afterEach(async () => {
    for (const socket of open.splice(0)) socket.destroy()
    await sockets[Symbol.asyncDispose]()
  })
  const client = async (): Promise<Socket> => {
    const socket = connect({ path: sockets.path() })
    open.push(socket)
    socket.on('error', () => {})
    await once(socket, 'connect')
    return socket
  }
  const alive = async () => assert.equal((await sockets.send('/status')).body.toString(), 'Live')

  it('states a length in every answer and never chunks', async () => {
    const answers = [
      await sockets.post('/GetKey', { path: 'a' }),
      await sockets.post('/GetKey', { path: 'a' }),
      await sockets.post('/GetKey', { algorithm: 'rsa' }),
      await sockets.send('/Version', { body: '', type: 'application/octet-stream' }),
      await sockets.send('/EmitEvent', { body: '', type: 'application/octet-stream' }),
      await sockets.send('/status'),
      await sockets.send('/attest/a/00'),
      await sockets.send('/nothing/here'),
      await sockets.send('/Nothing'),
      await sockets.send('/getkey/%zz'),
    ]
    for (const { headers, body } of answers) {
      assert.equal(headers['content-length'], String(body.length))
      assert.equal(headers['transfer-encoding'], undefined)
    }
  })

  it('answers 413 to a body beyond the limit, stated or sent in chunks', async () => {
    const { status, json } = await sockets.send('/GetKey', { body: JSON.stringify({ path: 'x'.repeat(1000) }) })
    assert.equal(status, 413)
    assert.deepEqual(json(), { error: 'payload too large' })
    const chunks = `${(1001).toString(16)}\r\n${'x'.repeat(1001)}\r\n0\r\n\r\n`
    const text = await sockets.raw(`POST /GetKey HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n${chunks}`)
    assert.deepEqual(statuses(text), [413])
  })

  it('answers 413 to a client that sends more than 10 MiB before it reads, and takes 10 MiB', async () => {
    await using other = await TestSockets.create()
    await other.serve(new TestHost())
    const body = (bytes: number) => `{"path":"a","x":"${'x'.repeat(bytes - 19)}"}`
    assert.equal((await other.send('/GetKey', { body: body(10 * 1024 * 1024) })).status, 200)
    const { status, json } = await other.send('/GetKey', { body: body(12 * 1024 * 1024) })
    assert.equal(status, 413)
    assert.deepEqual(json(), { error: 'payload too large' })
  })

  it('takes no more of large bodies together than its limit, and small ones all the while', async () => {
    await using other = await TestSockets.create()
    await other.serve(new TestHost(), { limits: { ...API_LIMITS, bodiesBytes: 300_000 } })
    const head = (length: number) =>
      `POST /Verify HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${length}\r\n\r\n`
    const held = connect({ path: other.path() })
    held.on('error', () => {})
    held.write(`${head(200_000)}{`)
    const large = () => other.post('/Verify', { data: '00'.repeat(90_000) })
    // Until the server has seen the one that is held.
    while ((await large()).status !== 503);
    assert.equal((await large()).headers['retry-after'], '1')
    assert.equal((await other.post('/GetKey', { path: 'a' })).status, 200)
    held.destroy()
    while ((await large()).status === 503);
  })

  it('answers 400, clearly, when Content-Length counts characters instead of bytes', async () => {
    const body = '{"path":"ключ-é"}'
    const text = await sockets.raw(post(body, body.length))
    assert.deepEqual(statuses(text), [400])
    assert.match(text, /Content-Length/)
    const alone = await sockets.raw(post(body, body.length).slice(0, -3), { until: (so) => so.includes('}') })
    assert.deepEqual(statuses(alone), [400])
    await alive()
  })

  for (const [what, bytes] of [
    ['both Content-Length and Transfer-Encoding', `${post('{}', 2, 'Transfer-Encoding: chunked\r\n')}`],
    ['two lengths', post('{}', 2, 'Content-Length: 3\r\n')],
    ['a negative length', post('{}', -2)],
    ['a length with a sign', 'POST /GetKey HTTP/1.1\r\nHost: x\r\nContent-Length: +2\r\n\r\n{}'],
    ['a broken chunk size', 'POST /GetKey HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n'],
    ['another transfer encoding', 'POST /GetKey HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n{}'],
    ['a space before the colon', 'GET /status HTTP/1.1\r\nHost : x\r\n\r\n'],
    ['a folded header', 'GET /status HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n'],
    ['a bare line feed', 'GET /status HTTP/1.1\nHost: x\n\n'],
    ['no host', 'GET /status HTTP/1.1\r\n\r\n'],
    ['a zero byte in a header', 'GET /status HTTP/1.1\r\nHost: x\0y\r\n\r\n'],
    ['another protocol', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    ['TLS', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'],
  ] as const) {
    it(`refuses ${what} and ends the connection, without answering what follows`, async () => {
      const text = await sockets.raw(Buffer.from(`${bytes}${get('/getkey/smuggled')}`, 'latin1'))
      assert.deepEqual(statuses(text), [400])
      assert.doesNotMatch(text, /[0-9a-f]{64}/)
      await alive()
    })
  }

  it('answers 431 to headers that are too long', async () => {
    const text = await sockets.raw(get('/status', `A: ${'x'.repeat(SMALL.headerBytes)}\r\n`))
    assert.deepEqual(statuses(text), [431])
  })

  it('answers pipelined requests in their order', async () => {
    const text = await sockets.raw(
      `${get('/GetKey?path=a')}${get('/appdata/t/00')}${get('/status')}${get('/Nope', 'Connection: close\r\n')}`,
    )
    assert.deepEqual(statuses(text), [200, 200, 200, 404])
    assert.match(text, /signature_chain.*Live.*Service not found/s)
  })

  it('answers requests whose bytes arrive in turns on several connections, each with its own', async () => {
    await using other = await TestSockets.create()
    await other.serve(new TestHost())
    const paths = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']
    const requests = paths.map((path) => post(`{"path":"${path}"}`))
    const clients = paths.map(() => connect({ path: other.path() }))
    open.push(...clients)
    const answers = clients.map((socket) => once(socket, 'data').then(([chunk]) => String(chunk)))
    for (let at = 0; at < requests[0]!.length; at += 9) {
      for (const [index, socket] of clients.entries()) socket.write(requests[index]!.slice(at, at + 9))
      await new Promise(setImmediate)
    }
    for (const [index, text] of (await Promise.all(answers)).entries()) {
      const { key } = (await other.post('/GetKey', { path: paths[index] })).json<{ key: string }>()
      assert.ok(text.includes(key), paths[index])
    }
  })

  it('outlives clients that die in the middle of an answer', async () => {
    await using other = await TestSockets.create()
    const host = new TestHost()
    const large = { ...host.cluster(), genesis: new Uint8Array(1024 * 1024) }
    host.cluster = () => large
    const { server } = await other.serve(host)
    for (let times = 0; times < 20; times++) {
      const socket = connect({ path: other.path() })
      socket.on('error', () => {})
      // Megabytes that nobody reads: the answers are cut wherever the kernel's buffer ends.
      socket.write(get('/v1/cluster').repeat(4))
      await once(socket, 'readable')
      socket.destroy()
    }
    assert.equal((await other.send('/v1/cluster')).status, 200)
    while ((await connectionsOf(server)) > 1) await new Promise(setImmediate)
  })

  it('answers a path of a megabyte with 400 in a body and 431 in the request line', async () => {
    await using other = await TestSockets.create()
    await other.serve(new TestHost())
    const long = 'x'.repeat(1024 * 1024)
    for (const [path, body] of [
      ['/GetKey', { path: long }],
      ['/GetKey', { purpose: long }],
      ['/v1/GetKey', { domain: long, algorithm: 'ed25519' }],
      ['/prpc/Tappd.DeriveKey', { path: long }],
      ['/prpc/DeriveK256Key', { path: long }],
      ['/getkey', { tag: long }],
      ['/v1/domain', { domains: [long] }],
      ['/GetTlsKey', { subject: long }],
      ['/GetTlsKey', { alt_names: [long] }],
    ] as const) {
      assert.equal((await other.post(path, body)).status, 400, path)
    }
    for (const path of [`/getkey/${long}`, `/GetKey?path=${long}`, `/${long}`]) {
      assert.deepEqual(statuses(await other.raw(get(path))), [431])
    }
    assert.equal((await other.send('/status')).status, 200)
  })

  it('takes paths with zero bytes and beyond ASCII as what they are', async () => {
    const keys = new Set<string>()
    for (const path of ['a', 'a\0', '\0a', 'a\0b', 'ä', 'a\u0308', 'ключ', '\u{1f511}']) {
      const json = (await sockets.post('/GetKey', { path })).json<{ key: string }>()
      const query = (await sockets.send(`/GetKey?path=${encodeURIComponent(path)}`)).json<{ key: string }>()
      assert.equal(json.key, query.key)
      keys.add(json.key)
    }
    assert.equal(keys.size, 8)
  })

  it('answers a client that has closed its side', async () => {
    assert.match(await sockets.raw(get('/status'), { end: true }), /Live$/)
  })

  it('gives up on a client that sends its headers or its body too slowly, and only on that one', async () => {
    const started = [get('/status').slice(0, 20), post('{"path":"a"}', 400), 'POST /GetKey HTTP/1.1\r\n']
    const texts = Promise.all(started.map((bytes) => sockets.raw(bytes)))
    await alive()
    for (const text of await texts) assert.deepEqual(statuses(text), [408])
  })

  it('takes no more connections than its limit, and more once some are gone', async () => {
    const held = await Promise.all(Array.from({ length: 4 }, client))
    for (const socket of held) {
      socket.write(get('/status'))
      await once(socket, 'data')
    }
    const extra = await client()
    const closed = new Promise((resolve) => extra.once('close', resolve))
    extra.write(get('/status'))
    await closed
    held[0]!.destroy()
    // The server hears of it in its own time.
    for (;;) {
      const answer = await sockets.send('/status').catch(() => undefined)
      if (answer !== undefined) break
    }
  })

  it('goes on serving while 10,000 connections are opened and left', async function () {
    this.timeout(30_000)
    await using other = await TestSockets.create()
    const { server } = await other.serve(new TestHost(), { limits: { ...API_LIMITS, connections: 64 } })
    const working = connect({ path: other.path() })
    open.push(working)
    let refused = 0
    server.on('drop', () => refused++)
    for (let batch = 0; batch < 40; batch++) {
      const idle = Array.from({ length: 250 }, () => connect({ path: other.path() }).on('error', () => {}))
      // Those beyond the limit are closed at once; the others are left open and silent.
      const closing = idle.map((socket) => once(socket, 'close'))
      const wanted = (batch + 1) * (250 - 63)
      while (refused < wanted) await new Promise(setImmediate)
      working.write(get('/status'))
      assert.match(String((await once(working, 'data'))[0]), /Live$/)
      for (const socket of idle) socket.destroy()
      await Promise.all(closing)
      while ((await connectionsOf(server)) > 1) await new Promise(setImmediate)
    }
    assert.equal(refused, 40 * (250 - 63))
  })

  it('answers only GET and POST', async () => {
    for (const method of ['PUT', 'DELETE', 'PATCH', 'OPTIONS', 'HEAD']) {
      assert.equal((await sockets.send('/GetKey', { method })).status, 404)
    }
  })

  it('stops as soon as the answers under way are given: connections that stay open after them do not keep it', async () => {
    await using other = await TestSockets.create()
    const host = new TestHost()
    const quote = host.quote
    const { promise, resolve } = Promise.withResolvers<void>()
    host.quote = (data, signal) => promise.then(() => quote(data, signal))
    // Longer than this test may take.
    const server = await other.serve(host, { limits: { ...API_LIMITS, stopGraceMs: 60_000 } })
    const under = connect({ path: other.path() })
    open.push(under)
    under.write(get('/GetQuote'))
    while (host.quoted.length === 0) await new Promise(setImmediate)
    const stopped = server.stop()
    resolve()
    assert.match(String((await once(under, 'data'))[0]), /^HTTP\/1\.1 200/)
    await stopped
  })

  it('stops while clients hang: nothing keeps it', async () => {
    await using other = await TestSockets.create()
    const host = new TestHost()
    host.quote = () => new Promise(() => {})
    const server = await other.serve(host, { limits: { ...API_LIMITS, stopGraceMs: 50 } })
    const hanging = other.post('/GetQuote', { report_data: '00' }).then(
      () => 'answered',
      () => 'closed',
    )
    const idle = connect({ path: other.path() })
    idle.on('error', () => {})
    await once(idle, 'connect')
    while (host.quoted.length === 0) await new Promise(setImmediate)
    await server.stop()
    assert.equal(await hanging, 'closed')
  })
})
