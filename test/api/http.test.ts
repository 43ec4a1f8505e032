import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { API_LIMITS, type ApiLimits } from '../../src/api/limits.ts'
import { TestHost, TestSockets } from './host.ts'

const SMALL: ApiLimits = { ...API_LIMITS, connections: 4, headersTimeoutMs: 150, requestTimeoutMs: 300, bodyBytes: 1000 }
const get = (path: string, more = '') => `GET ${path} HTTP/1.1\r\nHost: x\r\n${more}\r\n`
const post = (body: string, length = Buffer.byteLength(body), more = '') =>
  `POST /GetKey HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${length}\r\n${more}\r\n${body}`
const statuses = (text: string) => [...text.matchAll(/HTTP\/1\.1 (\d+)/g)].map((match) => Number(match[1]))

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

  it('answers only GET and POST', async () => {
    for (const method of ['PUT', 'DELETE', 'PATCH', 'OPTIONS', 'HEAD']) {
      assert.equal((await sockets.send('/GetKey', { method })).status, 404)
    }
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
