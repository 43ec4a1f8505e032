import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createPublicKey } from 'node:crypto'
import { closeSync, copyFileSync, existsSync, openSync, readFileSync, statSync } from 'node:fs'
import { createServer, request } from 'node:http'
import { join } from 'node:path'
import { connect, createServer as createTlsServer } from 'node:tls'
import { systemClock } from '../../src/base/index.ts'
import { clusterServerIdentity, type NodeStatus, verifyClusterCertificate } from '../../src/index.ts'
import { openControl } from '../../src/node/control.ts'
import { ask, Bench, within } from '../mesh/support.ts'
import { inPairs, Workshop } from './support.ts'

const KEY_BYTES = 32
const DOMAIN = 'app.example.org'

/** Every route of the control socket that gives a secret, or what is made with one. */
const SECRET_ROUTES = ['/key', '/volume-key', '/domain-key', '/domain-request']

describe('secrets and certificates on the command line', function () {
  this.timeout(60_000)
  let bench: Bench
  let shop: Workshop
  let status: NodeStatus
  let issued: { key: string; certificate_chain: string[] }
  let chain: string
  let genesis: string
  before(async () => {
    bench = await Bench.open()
    shop = await Workshop.open()
    ;({ status } = await bench.up('a', '--new'))
    const joined = bench.up('b', '--cluster', status.cluster!, '--peer', status.addresses[0]!)
    const { text } = await ask(bench.socket('a'), '/GetTlsKey', {
      subject: 'app',
      alt_names: [DOMAIN],
      usage_server_auth: true,
      usage_ra_tls: true,
    })
    issued = JSON.parse(text) as typeof issued
    chain = await shop.file('chain.pem', issued.certificate_chain.join('\n'))
    genesis = join(bench.dataDir('a'), 'genesis')
    await joined
  })
  after(async () => {
    await shop.close()
    await bench.close()
  })

  const on = (name: string): string[] => ['--data-dir', bench.dataDir(name)]
  const intoFile = async (
    args: readonly string[],
    fd: 1 | 3,
  ): Promise<{ code: number | null; bytes: Buffer; stdout: string }> => {
    const path = shop.path(`out${Math.trunc(systemClock.monotonicMs() * 1000)}`)
    const file = openSync(path, 'w', 0o600)
    const program = shop.start(args, ['ignore', fd === 1 ? file : 'pipe', 'pipe', ...(fd === 3 ? [file] : [])])
    closeSync(file)
    const { code } = await program.end()
    return { code, bytes: readFileSync(path), stdout: program.stdout }
  }

  it('shows examples in the help of every command', async () => {
    await inPairs(
      ['key', 'key volume', 'tls csr', 'cert verify'].map((command) => async () => {
        const { code, stdout } = await shop.run([...command.split(' '), '--help'])
        assert.equal(code, 0)
        assert.match(stdout, /Examples?:\n/)
      }),
    )
  })

  describe('key volume', () => {
    it('writes the 32 bytes of a volume, the same on every member, and another for another name', async () => {
      const [a, b, other] = await Promise.all([
        intoFile(['key', 'volume', 'app', 'data', '--raw', ...on('a')], 1),
        intoFile(['key', 'volume', 'app', 'data', '--fd', '3', '--json', ...on('b')], 3),
        intoFile(['key', 'volume', 'app', 'data2', '--raw', ...on('a')], 1),
      ])
      assert.deepEqual([a.code, b.code, other.code], [0, 0, 0])
      assert.equal(a.bytes.length, KEY_BYTES)
      assert.deepEqual(a.bytes, b.bytes)
      assert.notDeepEqual(a.bytes, other.bytes)
      assert.deepEqual(JSON.parse(b.stdout), { app: 'app', volume: 'data', bytes: KEY_BYTES })
    })

    it('goes through a pipe whole', () => {
      const out = execFileSync(
        'sh',
        ['-c', `"$0" bin/dstack-mesh.js key volume app data --raw ${on('a').join(' ')} | cat`, process.execPath],
        {
          timeout: 15_000,
        },
      )
      assert.equal(out.length, KEY_BYTES)
    })

    it('shows no secret on a terminal', function () {
      if (!existsSync('/usr/bin/script')) return this.skip()
      const command = `${process.execPath} bin/dstack-mesh.js key volume app data --raw ${on('a').join(' ')}; echo "code $?"`
      const shown = execFileSync('/usr/bin/script', ['-qc', command, '/dev/null'], { timeout: 15_000, encoding: 'utf8' })
      assert.match(shown, /is a terminal/)
      assert.match(shown, /code 2/)
    })

    it('writes nothing to standard output when it fails, or cannot tell where to', async () => {
      const volume = ['key', 'volume', 'app', 'data', ...on('a')]
      const cases: [number, RegExp, ...string[]][] = [
        [2, /never as text/, ...volume],
        [2, /cannot be used with/, ...volume, '--raw', '--json'],
        [2, /cannot be used with/, 'key', '--json', 'volume', 'app', 'data', '--raw', ...on('a')],
        [2, /cannot be used with/, ...volume, '--raw', '--fd', '3'],
        [2, /3 or more/, ...volume, '--fd', '1'],
        [2, /3 or more/, ...volume, '--fd', '-1'],
        [2, /not open for writing/, ...volume, '--fd', '999999'],
        [2, /no name of a volume/, 'key', 'volume', 'app', '--raw', ...on('a')],
        [2, /no app is named other/, 'key', 'volume', 'other', 'data', '--raw', ...on('a')],
        [2, /volume name of 256 bytes/, 'key', 'volume', 'app', 'x'.repeat(256), '--raw', ...on('a')],
        [1, /no node answers/, 'key', 'volume', 'app', 'data', '--raw', '--data-dir', shop.path('nobody')],
      ]
      await inPairs(
        cases.map(
          ([code, words, ...args]) =>
            () =>
              shop.fails(code, words, ...args),
        ),
      )
    })

    it('never writes into what Node opened for itself', async () => {
      await inPairs(
        [3, 5, 8, 10, 13, 16].map(
          (fd) => () => shop.fails(2, /not open for writing/, 'key', 'volume', 'app', 'data', '--fd', String(fd), ...on('a')),
        ),
      )
    })

    it('leaves the keys of paths as they were, that of the path "volume" too', async () => {
      const [path, volume, json] = await Promise.all([
        shop.run(['key', 'some/path', ...on('a')]),
        shop.run(['key', 'volume', ...on('a')]),
        shop.run(['key', 'volume', '--json', ...on('a')]),
      ])
      const { text } = await ask(bench.socket('a'), '/GetKey', { path: 'volume' })
      assert.match(path.stdout, /^[0-9a-f]{64}\n$/)
      assert.equal(volume.stdout.trim(), (JSON.parse(text) as { key: string }).key)
      assert.equal((JSON.parse(json.stdout) as { key: string }).key, volume.stdout.trim())
    })

    it('takes nothing but 32 bytes for a key', async () => {
      const folder = shop.path('false')
      execFileSync('mkdir', [folder])
      const server = createServer((_, response) => response.end('x'.repeat(31)))
      await new Promise<void>((resolve) => server.listen(join(folder, 'control.sock'), resolve))
      try {
        await shop.fails(1, /no node answers/, 'key', 'volume', 'app', 'data', '--raw', '--data-dir', folder)
      } finally {
        server.close()
      }
    })
  })

  it('no app reaches these routes', async () => {
    for (const route of SECRET_ROUTES) {
      const { status: code } = await ask(bench.socket('a'), route, { app: 'app', path: 'p', volume: 'data', domains: [DOMAIN] })
      assert.equal(code, 404, route)
    }
  })

  it('the control socket answers each malformed question, and goes on', async () => {
    const control = join(bench.dataDir('a'), 'control.sock')
    for (const route of SECRET_ROUTES) {
      for (const body of [[], {}, null, { path: 1, volume: 1, domains: 1 }, { path: 'p', volume: 'v', domains: [1], app: 7 }]) {
        const { status: code, text } = await ask(control, route, body)
        assert.equal(code, 400, `${route} ${JSON.stringify(body)}`)
        assert.equal((JSON.parse(text) as { code: string }).code, 'bad_request')
      }
    }
    const { status: code, text } = await ask(control, '/domain-request', { domains: ['bad name'] })
    assert.deepEqual([code, (JSON.parse(text) as { code: string }).code], [400, 'bad_alt_name'])
  })

  describe('tls csr', () => {
    it('gives a request for the key that every member has, and the key only to a new file of this user', async () => {
      const keyFile = shop.path('app.key')
      const csr = ['tls', 'csr', 'App.Example.org.', '--san', 'www.example.org', '--san', '192.0.2.1']
      const [a, b] = await Promise.all([
        shop.run([...csr, '--key-out', keyFile, ...on('a')]),
        shop.run([...csr, '--json', ...on('b')]),
      ])
      assert.deepEqual([a.code, b.code], [0, 0])
      assert.equal(a.stdout, (JSON.parse(b.stdout) as { request: string }).request)
      assert.doesNotMatch(a.stdout + b.stdout, /PRIVATE KEY/)
      assert.equal(statSync(keyFile).mode & 0o777, 0o600)
      const openssl = (args: string[], input: string | Buffer) =>
        execFileSync('openssl', args, { input, encoding: 'utf8', timeout: 10_000, stdio: ['pipe', 'pipe', 'ignore'] })
      const text = openssl(['req', '-noout', '-text', '-verify', '-pubkey'], a.stdout)
      assert.match(text, /CN ?= ?app\.example\.org/)
      assert.match(text, /DNS:app\.example\.org, DNS:www\.example\.org, IP Address:192\.0\.2\.1/)
      const publicKey = createPublicKey(readFileSync(keyFile)).export({ type: 'spki', format: 'pem' }) as string
      assert.ok(text.includes(publicKey.trim()))

      await shop.fails(2, /EEXIST/, ...csr, '--key-out', keyFile, ...on('a'))
      const viaFd = await intoFile([...csr, '--key-fd', '3', ...on('b')], 3)
      assert.deepEqual(viaFd.bytes, readFileSync(keyFile))
    })

    it('refuses names that no certificate can carry', async () => {
      await inPairs([
        () => shop.fails(2, /DNS name/, 'tls', 'csr', 'bad name', ...on('a')),
        () => shop.fails(2, /expected 1 to 255/, 'tls', 'csr', '', ...on('a')),
        () => shop.fails(2, /./, 'tls', 'csr', `${'a.'.repeat(200)}org`, ...on('a')),
        () => shop.fails(1, /no node answers/, 'tls', 'csr', DOMAIN, '--data-dir', shop.path('nobody')),
      ])
    })
  })

  describe('cert verify', () => {
    const verify = (...more: string[]) => ['cert', 'verify', chain, '--app', status.apps[0]!.appId, ...more]

    it('accepts an app’s certificate from the cluster id alone, with a genesis from anywhere', async () => {
      const elsewhere = shop.path('genesis')
      copyFileSync(genesis, elsewhere)
      const { code, stdout } = await shop.run(
        verify('--cluster', status.cluster!, '--genesis', elsewhere, '--name', DOMAIN, '--json'),
      )
      assert.equal(code, 0)
      const answer = JSON.parse(stdout) as { ok: boolean; appId: string; quote: string }
      assert.deepEqual([answer.ok, answer.appId, answer.quote], [true, status.apps[0]!.appId, 'binds the key'])
      const fromOwn = await shop.run(verify('--cluster', status.cluster!, ...on('b')))
      assert.equal(fromOwn.code, 0)
    })

    it('refuses another cluster, a changed genesis, another app, name, usage and time', async () => {
      const bytes = readFileSync(genesis)
      const changed = Buffer.from(bytes)
      changed[100]! ^= 1
      const other = await bench.up('c', '--new', '--anchor', `file:${join(bench.folder, 'other.jsonl')}`)
      const mine = ['--cluster', status.cluster!, '--genesis', genesis]
      const cases: [number, RegExp, ...string[]][] = [
        [1, /it is of another cluster/, ...verify('--cluster', other.status.cluster!, '--genesis', genesis)],
        [1, /signature|suite|Genesis/, ...verify('--cluster', status.cluster!, '--genesis', await shop.file('changed', changed))],
        [
          1,
          /genesis does not tell/,
          ...verify('--cluster', status.cluster!, '--genesis', await shop.file('none', 'not a genesis')),
        ],
        [1, /a signature is not good/, ...verify('--cluster', other.status.cluster!, ...on('c'))],
        [1, /of another app/, 'cert', 'verify', chain, '--app', '00'.repeat(20), ...mine],
        [1, /does not name/, ...verify(...mine, '--name', 'evil.example.org')],
        [1, /not for a client/, ...verify(...mine, '--usage', 'client')],
        [1, /not valid now/, ...verify(...mine, '--at', '2001-01-01')],
        [1, /2 or 3 certificates/, 'cert', 'verify', genesis, '--app', '00'.repeat(20), ...mine],
        [2, /not a cluster id/, ...verify('--cluster', 'GABC', '--genesis', genesis)],
        [2, /no cluster to verify/, ...verify()],
        [2, /cannot be used with/, ...verify(...mine, '--ca-root', '02'.repeat(33))],
        [1, /no point of P-256/, ...verify('--ca-root', '05'.repeat(33))],
        [2, /cannot read the genesis/, ...verify('--cluster', status.cluster!, '--genesis', shop.path('missing'))],
      ]
      await inPairs(
        cases.map(
          ([code, words, ...args]) =>
            () =>
              shop.fails(code, words, ...args),
        ),
      )
    })

    it('as a library, guards a TLS handshake', async () => {
      const trust = { cluster: status.cluster!, genesis: Uint8Array.from(readFileSync(genesis)) }
      const appId = Uint8Array.from(Buffer.from(status.apps[0]!.appId, 'hex'))
      const verified = await verifyClusterCertificate(issued.certificate_chain, {
        ...trust,
        appId,
        usage: 'server',
        serverName: DOMAIN,
        nowMs: systemClock.now(),
      })
      assert.ok(verified.evidence !== undefined)

      const server = createTlsServer({ key: issued.key, cert: issued.certificate_chain.join('\n') }, (socket) => {
        socket.on('error', () => {})
        socket.end('hello')
      })
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
      const { port } = server.address() as { port: number }
      const handshake = async (of: Uint8Array, servername: string): Promise<string> => {
        const checkServerIdentity = await clusterServerIdentity({ ...trust, appId: of, clock: systemClock })
        const ca = issued.certificate_chain.at(-1)!
        return within(
          5_000,
          'a handshake',
          new Promise((resolve) => {
            const socket = connect({ port, host: '127.0.0.1', servername, ca, checkServerIdentity })
            socket.on('error', ({ message }) => resolve(message))
            socket.on('data', (data: Buffer) => resolve(data.toString()))
          }),
        )
      }
      try {
        assert.equal(await handshake(appId, DOMAIN), 'hello')
        assert.match(await handshake(appId, 'evil.example.org'), /does not name/)
        assert.match(await handshake(new Uint8Array(20), DOMAIN), /another app/)
      } finally {
        server.close()
      }
    })
  })

  it('the control socket wipes a secret once it is sent, or given up', async () => {
    const secrets: Uint8Array[] = []
    const volumeKey = (): Uint8Array => {
      const secret = new Uint8Array(KEY_BYTES).fill(7)
      secrets.push(secret)
      return secret
    }
    const none = (): never => {
      throw new Error('not asked for')
    }
    const path = shop.path('wiping.sock')
    const control = await openControl(path, {
      volumeKey,
      status: none,
      members: none,
      leave: none,
      key: none,
      domainKey: none,
      domainRequest: none,
    })
    try {
      const { text } = await ask(path, '/volume-key', { volume: 'data' })
      assert.equal(text, '\u0007'.repeat(KEY_BYTES))
      const wiped = async (): Promise<void> => {
        while (!secrets.every((secret) => secret.every((byte) => byte === 0))) await systemClock.sleep(5)
      }
      await within(5_000, 'wiping', wiped())
      assert.equal(secrets.length, 1)
    } finally {
      await control.stop()
    }
  })

  it('answers a client that goes away while a secret is on its way', async () => {
    const control = join(bench.dataDir('a'), 'control.sock')
    for (let i = 0; i < 20; i++) {
      const asked = request({ socketPath: control, method: 'POST', path: '/volume-key' })
      asked.on('error', () => {})
      asked.end(JSON.stringify({ app: 'app', volume: 'data' }))
      asked.destroy()
    }
    assert.equal((await ask(control, '/volume-key', { app: 'app', volume: 'data' })).status, 200)
  })
})
