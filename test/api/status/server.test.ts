import assert from 'node:assert/strict'
import { once } from 'node:events'
import fc from 'fast-check'
import { hostAllowed } from '../../../src/api/status/hosts.ts'
import { FakeNode, StatusBench, until } from './support.ts'

const EVENTS = 'GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n'
const codes = (text: string) => [...text.matchAll(/HTTP\/1\.1 (\d+)/g)].map((match) => Number(match[1]))

describe('the status port', () => {
  let bench: StatusBench
  afterEach(() => bench.close())

  it('serves a page that may load nothing, be framed by nobody and run its own script only', async () => {
    bench = await StatusBench.open()
    const { status, headers, body } = await bench.get('/')
    assert.equal(status, 200)
    assert.equal(headers['content-type'], 'text/html; charset=utf-8')
    const policy = headers['content-security-policy'] as string
    assert.match(
      policy,
      /^default-src 'none'; script-src 'sha256-[\w+/=]{44}'; style-src 'sha256-[\w+/=]{44}'; connect-src 'self'/,
    )
    assert.match(policy, /frame-ancestors 'none'/)
    assert.doesNotMatch(policy, /unsafe|\*/)
    assert.ok(body.length < 150 * 1024, `${body.length} bytes`)
    assert.doesNotMatch(body, /\/\*STYLE\*\/|\/\*SCRIPT\*\//)
    for (const name of ['x-content-type-options', 'referrer-policy', 'x-frame-options', 'cross-origin-resource-policy']) {
      assert.ok(headers[name] !== undefined, name)
    }
  })

  it('answers health by its status code', async () => {
    bench = await StatusBench.open()
    assert.deepEqual([(await bench.get('/healthz')).status, (await bench.get('/healthz')).body], [200, 'member\n'])
    bench.node.healthy = false
    assert.deepEqual([(await bench.get('/healthz')).status, (await bench.get('/healthz')).body], [503, 'joining\n'])
  })

  it('serves what others register, tells nobody why it failed, and lets a handler know that its asker is gone', async () => {
    const gone = Promise.withResolvers<void>()
    const asked = Promise.withResolvers<void>()
    bench = await StatusBench.open({
      routes: [
        { path: '/metrics', handle: ({ query }) => ({ type: 'text/plain', body: `# ${query.get('x')}` }) },
        {
          path: '/broken',
          handle: () => {
            throw new Error('a detail')
          },
        },
        {
          path: '/slow',
          handle: ({ signal }) => {
            asked.resolve()
            return new Promise((_, reject) =>
              signal.addEventListener('abort', () => {
                gone.resolve()
                reject(signal.reason)
              }),
            )
          },
        },
      ],
    })
    assert.equal((await bench.get('/metrics?x=1')).body, '# 1')
    const broken = await bench.get('/broken')
    assert.deepEqual([broken.status, broken.body], [500, 'internal error\n'])
    const socket = await bench.socket()
    socket.write('GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n')
    await asked.promise
    socket.destroy()
    await gone.promise
  })

  it('answers nothing but its routes, whatever the path', async () => {
    bench = await StatusBench.open()
    const paths = [
      '/../etc/passwd',
      '/%2e%2e/page.css',
      '/page/page.css',
      '//',
      '/status/',
      '/STATUS',
      'http://x/status',
      '/..%2f..',
    ]
    for (const path of paths) {
      const text = await bench.raw(`GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`)
      assert.deepEqual(codes(text), [404], path)
    }
  })

  it('refuses every method but GET and HEAD, and ends the connection', async () => {
    bench = await StatusBench.open()
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS', 'TRACE', 'PATCH']) {
      const { status, headers } = await bench.get('/status', { method })
      assert.deepEqual([status, headers.allow, headers.connection], [405, 'GET, HEAD', 'close'], method)
    }
    const head = await bench.get('/status', { method: 'HEAD' })
    assert.deepEqual([head.status, head.body], [200, ''])
    const expecting = await bench.raw('POST / HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n')
    assert.deepEqual(codes(expecting), [405])
  })

  it('answers addresses and its own names only, so that no foreign name can be pointed at it', async () => {
    bench = await StatusBench.open({ names: ['Mesh.Example.org'] })
    for (const host of ['localhost', '127.0.0.1:8091', '[::1]:8091', '192.0.2.7', 'mesh.example.org:8091', 'MESH.example.org.']) {
      assert.equal((await bench.get('/status', { headers: { host } })).status, 200, host)
    }
    const foreign = ['evil.example', 'localhost.evil.example', 'mesh.example.org.evil', '127.0.0.1.evil', 'a@localhost', '[evil]']
    for (const host of foreign) assert.equal((await bench.get('/status', { headers: { host } })).status, 421, host)
    for (const none of ['', 'Host: \r\n']) assert.deepEqual(codes(await bench.raw(`GET / HTTP/1.0\r\n${none}\r\n`)), [421])
  })

  it('takes no host name but its own', () => {
    const own = new Set(['mesh'])
    fc.assert(fc.property(fc.domain(), (name) => !hostAllowed(name, own)))
    fc.assert(fc.property(fc.string(), (text) => !hostAllowed(`${text}.example`, own)))
    fc.assert(fc.property(fc.ipV4(), (address) => hostAllowed(address, own)))
    fc.assert(fc.property(fc.ipV6(), (address) => hostAllowed(`[${address}]:80`, own)))
    bench = { close: async () => {} } as StatusBench
  })

  it('answers 431 to headers without end and 400 to what is not HTTP', async () => {
    bench = await StatusBench.open()
    assert.deepEqual(codes(await bench.raw(`GET / HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`)), [431])
    assert.deepEqual(codes(await bench.raw(`GET /?${'x'.repeat(20_000)} HTTP/1.1\r\nHost: localhost\r\n\r\n`)), [431])
    assert.deepEqual(codes(await bench.raw('\x16\x03\x01 hello\r\n\r\n')), [400])
  })

  it('ends connections whose request does not arrive, and keeps answering others meanwhile', async () => {
    bench = await StatusBench.open({ limits: { headersTimeoutMs: 150, requestTimeoutMs: 300 } })
    const halves = await Promise.all(
      ['GET / HT', 'GET / HTTP/1.1\r\nHost: localhost\r\n', ''].map(async (part) => {
        const socket = await bench.socket()
        socket.write(part)
        socket.resume()
        return once(socket, 'close')
      }),
    )
    assert.equal(halves.length, 3)
    assert.equal((await bench.get('/healthz')).status, 200)
  })

  it('answers one request of a connection, however many come at once, and makes no view for each asker', async () => {
    bench = await StatusBench.open({ limits: { headersTimeoutMs: 300 } })
    const text = await bench.raw('GET /view HTTP/1.1\r\nHost: 1.1.1.1\r\n\r\n'.repeat(1_000))
    assert.deepEqual(codes(text).filter((code) => code === 200).length, 1)
    await Promise.all(Array.from({ length: 50 }, () => bench.get('/view')))
    assert.ok(bench.node.views < 25, `${bench.node.views} views`)
  })

  it('takes no more connections than its limit', async () => {
    bench = await StatusBench.open({ limits: { connections: 3 } })
    const held = [await bench.socket(), await bench.socket(), await bench.socket()]
    const refused = await bench.socket()
    await once(refused, 'close')
    for (const socket of held) socket.destroy()
    await Promise.all(held.map((socket) => (socket.closed ? undefined : once(socket, 'close'))))
  })

  it('opens its port on request only where it is free, or anywhere when told so', async () => {
    bench = await StatusBench.open()
    const other = await StatusBench.open()
    await other.server.stop()
    const place = { host: '127.0.0.1', port: bench.port }
    const { createStatusServer } = await import('../../../src/api/status/index.ts')
    const { silentLog, systemClock } = await import('../../../src/base/index.ts')
    const server = await createStatusServer({ source: new FakeNode().source, clock: systemClock, log: silentLog })
    await assert.rejects(server.listen(place), { code: 'EADDRINUSE' })
    const url = new URL(await server.listen({ ...place, otherwiseAny: true }))
    assert.notEqual(Number(url.port), bench.port)
    await server.stop()
  })
})

describe("the status port's event streams", () => {
  let bench: StatusBench
  afterEach(() => bench.close())

  it('sends the view at once, and anew when it has changed', async () => {
    bench = await StatusBench.open({ limits: { viewPauseMs: 1, viewEveryMs: 20 } })
    const socket = await bench.socket()
    socket.write(EVENTS)
    const first = await until(socket, 'data: {"status":{"state":"member"}}\n\n')
    assert.match(first, /content-type: text\/event-stream/i)
    bench.node.view = { status: { state: 'lapsed' } }
    bench.server.changed()
    const second = await until(socket, 'lapsed')
    assert.ok(second.includes('event: view\ndata: {"status":{"state":"lapsed"}}\n\n'))
  })

  it('makes one view for all streams, and none when nobody looks', async () => {
    bench = await StatusBench.open({ limits: { viewPauseMs: 1, viewEveryMs: 20 } })
    assert.equal(bench.node.views, 0)
    const sockets = await Promise.all(Array.from({ length: 20 }, () => bench.socket()))
    for (const socket of sockets) socket.write(EVENTS)
    await Promise.all(sockets.map((socket) => until(socket, '\n\n')))
    const before = bench.node.views
    bench.node.view = { changed: true }
    bench.server.changed()
    await Promise.all(sockets.map((socket) => until(socket, 'changed')))
    assert.ok(bench.node.views - before < 20, `${bench.node.views - before} views for 20 streams`)
  })

  it('answers 503 beyond its limit, however many ask, and the page and others as ever', async () => {
    bench = await StatusBench.open({ limits: { streams: 100 } })
    const open = async (): Promise<number> => {
      const socket = await bench.socket()
      socket.write(EVENTS)
      return codes(await until(socket, '\r\n\r\n'))[0]!
    }
    const answers: number[] = []
    for (let i = 0; i < 1_000; i++) answers.push(await open())
    assert.equal(answers.filter((code) => code === 200).length, 100)
    assert.equal(answers.filter((code) => code === 503).length, 900)
    assert.equal((await bench.get('/')).status, 200)
  })

  it('frees the place of a reader that is gone', async () => {
    bench = await StatusBench.open({ limits: { streams: 1 } })
    const first = await bench.socket()
    first.write(EVENTS)
    await until(first, '\n\n')
    first.destroy()
    for (;;) {
      const next = await bench.socket()
      next.write(EVENTS)
      if (codes(await until(next, '\r\n\r\n'))[0] === 200) return
    }
  })

  it('ends a stream whose reader does not read', async () => {
    bench = await StatusBench.open({ limits: { viewPauseMs: 1, viewEveryMs: 5, streamStuckMs: 50 } })
    const socket = await bench.socket()
    bench.node.view = { filler: 'x'.repeat(32 * 1024 * 1024) }
    socket.pause()
    socket.write(EVENTS)
    const turn = () => new Promise((resolve) => setImmediate(resolve))
    while (bench.server.openStreams() === 0) await turn()
    while (bench.server.openStreams() > 0) await turn()
    const closed = once(socket, 'close')
    socket.resume()
    await closed
    assert.ok(socket.bytesRead < 32 * 1024 * 1024)
  })
})
