import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { cpSync, existsSync, mkdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join, resolve } from 'node:path'
import { createEmulatedPki } from '../../src/attest/emulator/index.ts'
import { systemClock } from '../../src/base/index.ts'
import { ask, Bench, getKey } from '../mesh/support.ts'

describe('the command line', function () {
  this.timeout(60_000)
  let bench: Bench
  beforeEach(async () => {
    bench = await Bench.open()
  })
  afterEach(() => bench.close())

  /** Runs to its end; gives exit code and output. */
  const run = async (...args: string[]) => {
    const program = bench.cli(...args)
    const { code } = await program.end()
    return { code, stdout: program.stdout, stderr: program.stderr }
  }

  it('shows examples in the help of every command', async () => {
    for (const command of [[], ['up'], ['status'], ['key'], ['quote', 'show'], ['api'], ['devnet']]) {
      const { code, stdout } = await run(...command, '--help')
      assert.equal(code, 0)
      assert.match(stdout, /Examples?:\n/, command.join(' '))
    }
  })

  it('exits with 2 on wrong use, and names what is wrong', async () => {
    for (const [args, words] of [
      [['nonsense'], /unknown command/],
      [['up', '--nonsense'], /unknown option/],
      [['up', '--new', '--cluster', 'GAAA'], /not a cluster id/],
      [['up', '--cluster', `G${'A'.repeat(55)}`, '--peer', '/ip4/127.0.0.1/tcp/1'], /not a cluster id/],
      [['up', '--peer', 'localhost:4001', '--new'], /not a multiaddr/],
      [['up', '--new', '--tee', 'sgx'], /none of auto, tdx, emulator/],
      [['up', '--new', '--anchor', 'ledger'], /not an anchor/],
      [['up', '--new', '--config', '/nonexistent'], /cannot read the configuration/],
      [['key'], /missing required argument/],
    ] as const) {
      const { code, stdout, stderr } = await run(...args)
      assert.equal(code, 2, args.join(' '))
      assert.match(stderr, words)
      assert.equal(stdout, '')
      assert.doesNotMatch(stderr, /\n\s+at /, 'no stack trace')
    }
  })

  it('explains both ways when `up` is told neither', async () => {
    const { code, stderr } = await run('up', '--data-dir', bench.dataDir('a'))
    assert.equal(code, 2)
    assert.match(stderr, /up --new/)
    assert.match(stderr, /up --cluster G… --peer/)
  })

  it('answers errors as one JSON object when asked for JSON, and with a stack trace when asked to be verbose', async () => {
    const { stdout } = await run('up', '--json', '--data-dir', bench.dataDir('a'))
    const answer = JSON.parse(stdout) as { error: string; code: string; next: string }
    assert.equal(answer.code, 'no_entry')
    assert.match(answer.next, /--new/)
    for (const args of [['statsu'], ['status', '--bogus'], ['key']]) {
      const wrong = JSON.parse((await run(...args, '--json')).stdout) as { code: string; next: string }
      assert.equal(wrong.code, 'wrong_use')
      assert.match(wrong.next, /--help/)
    }
    assert.match((await run('up', '--verbose', '--data-dir', bench.dataDir('a'))).stderr, /\n\s+at /)
  })

  it('never takes the emulator by itself: without TDX, auto stops and explains', async () => {
    const { code, stderr } = await run('up', '--new', '--data-dir', bench.dataDir('a'), '--socket', bench.socket('a'))
    assert.equal(code, 2)
    assert.match(stderr, /no TDX quotes/)
    assert.match(stderr, /--tee emulator/)
  })

  describe('configuration', () => {
    const configure = (document: unknown): string => {
      const path = join(bench.folder, 'node.json')
      writeFileSync(path, JSON.stringify(document))
      return path
    }

    it('names an unknown key, at the top and in an app', async () => {
      const top = await run('up', '--config', configure({ new: true, colour: 'red' }))
      assert.equal(top.code, 2)
      assert.match(top.stderr, /unknown key "colour"/)
      const app = await run('up', '--config', configure({ new: true, apps: [{ name: 'a', socket: 's', port: 1 }] }))
      assert.match(app.stderr, /apps\[0\]: unknown key "port"/)
    })

    it('refuses values of the wrong type', async () => {
      for (const document of [
        { listen: '/ip4/127.0.0.1/tcp/1' },
        { new: 'yes' },
        { policy: 7 },
        { apps: [{ name: 'A b', socket: 's' }] },
        [],
        null,
      ]) {
        const { code } = await run('up', '--config', configure(document))
        assert.equal(code, 2, JSON.stringify(document))
      }
    })

    it('lets a flag win over the environment, and that over the file', async () => {
      const compose = ['file', 'environment', 'flag'].map((name) => {
        const path = join(bench.folder, `${name}.yml`)
        writeFileSync(path, name)
        return path
      })
      const config = configure({ compose: compose[0], logLevel: 'silent' })
      const appId = async (name: string, env: Record<string, string>, flags: string[]) => {
        const program = bench.run(
          process.execPath,
          ['bin/dstack-mesh.js', 'up', '--new', '--json', '--config', config, ...bench.flags(name), ...flags],
          env,
        )
        const { apps } = JSON.parse(await program.firstLine()) as { apps: { appId: string }[] }
        program.child.kill('SIGTERM')
        await program.end()
        return apps[0]!.appId
      }
      const idOf = (name: string): string => createHash('sha256').update(name).digest('hex').slice(0, 40)
      assert.equal(await appId('a', {}, []), idOf('file'))
      assert.equal(await appId('b', { DSTACK_MESH_COMPOSE: compose[1]! }, []), idOf('environment'))
      assert.equal(await appId('c', { DSTACK_MESH_COMPOSE: compose[1]! }, ['--compose', compose[2]!]), idOf('flag'))
    })
  })

  it('gives each of several apps a socket and keys of its own', async () => {
    const config = join(bench.folder, 'node.json')
    const apps = ['one', 'two'].map((name) => {
      writeFileSync(join(bench.folder, `${name}.yml`), `name: ${name}\n`)
      return { name, compose: join(bench.folder, `${name}.yml`), socket: bench.socket(name), mode: '0600' }
    })
    writeFileSync(config, JSON.stringify({ apps }))
    const flags = bench.flags('a').slice(0, -2)
    const program = bench.cli('up', '--new', '--json', '--config', config, ...flags)
    await program.firstLine()
    const keys = await Promise.all(apps.map(({ socket }) => getKey(socket, 'p')))
    assert.notEqual(keys[0], keys[1])
    const shown = await run('key', 'p', '--app', 'two', '--data-dir', bench.dataDir('a'))
    assert.equal(shown.stdout.trim(), keys[1])
    const unnamed = await run('key', 'p', '--data-dir', bench.dataDir('a'))
    assert.equal(unnamed.code, 2)
    assert.match(unnamed.stderr, /one, two/)
  })

  describe('against a running node', () => {
    it('shows its status, and the key that its app gets', async () => {
      const { status } = await bench.up('a', '--new')
      const shown = await run('status', '--json', '--data-dir', bench.dataDir('a'))
      assert.equal((JSON.parse(shown.stdout) as { cluster: string }).cluster, status.cluster)
      const words = await run('status', '--data-dir', bench.dataDir('a'))
      assert.match(words.stdout, /INSECURE: root of trust: an emulator/)
      assert.ok(!words.stdout.includes('\u001b'), 'no colours where there is no terminal')

      const key = await getKey(bench.socket('a'), 'some/path')
      assert.equal((await run('key', 'some/path', '--data-dir', bench.dataDir('a'))).stdout, `${key}\n`)
      const fingerprint = createHash('sha256').update(Buffer.from(key, 'hex')).digest('hex').slice(0, 16)
      assert.equal((await run('key', 'some/path', '--fingerprint', '--data-dir', bench.dataDir('a'))).stdout, `${fingerprint}\n`)
    })

    it('says what to do where no node runs', async () => {
      for (const command of [['status'], ['key', 'p']]) {
        const { code, stderr } = await run(...command, '--data-dir', bench.dataDir('nobody'))
        assert.equal(code, 1)
        assert.match(stderr, /no node answers/)
        assert.match(stderr, /dstack-mesh up/)
      }
    })

    it('shows the fields of a quote, as binary, hex or base64', async () => {
      await bench.up('a', '--new')
      const { text } = await ask(bench.socket('a'), '/GetQuote', { report_data: '0102' })
      const { quote } = JSON.parse(text) as { quote: string }
      const bytes = Buffer.from(quote, 'hex')
      for (const form of [bytes, quote, `0x${quote}\n`, bytes.toString('base64')]) {
        writeFileSync(join(bench.folder, 'quote'), form)
        const shown = await run('quote', 'show', join(bench.folder, 'quote'), '--json')
        const fields = JSON.parse(shown.stdout) as Record<string, string>
        assert.equal(fields.report_data, `0102${'00'.repeat(62)}`)
        assert.equal(fields.version, '4')
        assert.match(fields.td_attributes!, /SEPT_VE_DISABLE/)
      }
      writeFileSync(join(bench.folder, 'quote'), bytes.subarray(0, 700))
      const cut = await run('quote', 'show', join(bench.folder, 'quote'))
      assert.notEqual(cut.code, 0)
      assert.doesNotMatch(cut.stderr, /\n\s+at /)
    })

    it('keeps the control socket to its owner', async () => {
      await bench.up('a', '--new')
      assert.equal(statSync(join(bench.dataDir('a'), 'control.sock')).mode & 0o777, 0o600)
      assert.equal(statSync(bench.dataDir('a')).mode & 0o777, 0o700)
    })
  })

  describe('when something is in the way', () => {
    it('refuses a second node in one data folder', async () => {
      const { status } = await bench.up('a', '--new')
      const second = await run('up', ...bench.flags('a'), '--peer', status.addresses[0]!)
      assert.equal(second.code, 2)
      assert.match(second.stderr, /another process is listening on .*control\.sock/)
    })

    it('refuses an app socket that a live node serves, and leaves that one alone', async () => {
      const { status } = await bench.up('a', '--new')
      const flags = bench.flags('b')
      flags[flags.indexOf('--socket') + 1] = bench.socket('a')
      const second = await run('up', ...flags, '--cluster', status.cluster!, '--peer', status.addresses[0]!)
      assert.equal(second.code, 2)
      assert.match(second.stderr, /another process is listening on/)
      assert.equal((await getKey(bench.socket('a'), 'p')).length, 64)
    })

    it('says so when a socket path is too long', async () => {
      const flags = bench.flags('a')
      flags[flags.indexOf('--socket') + 1] = join(bench.folder, 'x'.repeat(120))
      const { code, stderr } = await run('up', '--new', ...flags)
      assert.equal(code, 2)
      assert.match(stderr, /at most 107 bytes/)
    })

    it('says so when the port is in use, and publishes nothing', async () => {
      const server = createServer()
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
      try {
        const { port } = server.address() as { port: number }
        const flags = bench.flags('a')
        flags[flags.indexOf('--listen') + 1] = `/ip4/127.0.0.1/tcp/${port}`
        const { code, stderr } = await run('up', '--new', ...flags)
        assert.equal(code, 2)
        assert.match(stderr, /EADDRINUSE/)
        assert.match(stderr, /another port/)
        assert.ok(!existsSync(join(bench.folder, 'anchor.jsonl')))
        assert.ok(!existsSync(join(bench.dataDir('a'), 'cluster')))
      } finally {
        server.close()
      }
    })

    it('refuses --new beside a remembered cluster, and another cluster too', async () => {
      const { program, status } = await bench.up('a', '--new')
      program.child.kill('SIGTERM')
      await program.end()
      const again = await run('up', '--new', ...bench.flags('a'))
      assert.equal(again.code, 2)
      assert.ok(again.stderr.includes(status.cluster!))
      const other = await bench.up('b', '--new')
      const joined = await run(
        'up',
        ...bench.flags('a'),
        '--cluster',
        other.status.cluster!,
        '--peer',
        other.status.addresses[0]!,
      )
      assert.equal(joined.code, 2)
      assert.match(joined.stderr, /remembers another cluster/)
    })

    it('gives up when no peer can be reached, and tells what each answered', async () => {
      const { program, status } = await bench.up('a', '--new')
      program.child.kill('SIGKILL')
      await program.end()
      const dead = status.addresses[0]!
      const { code, stderr } = await run(
        'up',
        ...bench.flags('b'),
        '--cluster',
        status.cluster!,
        '--peer',
        dead,
        '--peer',
        '/ip4/127.0.0.1/tcp/1',
        '--join-timeout',
        '3s',
      )
      assert.equal(code, 1)
      assert.match(stderr, /could not join within 3 s/)
      assert.ok(stderr.includes(`${dead}: `))
      assert.ok(stderr.includes('/ip4/127.0.0.1/tcp/1: '))
    })

    it('ends without a complaint when it is interrupted while nobody answers', async () => {
      const { status } = await bench.up('a', '--new')
      const joins = ['--cluster', status.cluster!, '--peer', '/ip4/127.0.0.1/tcp/1']
      for (const signal of ['SIGINT', 'SIGTERM'] as const) {
        const program = bench.cli('up', ...joins, ...bench.flags('b'))
        await program.printed('net.listening', 'stderr')
        program.child.kill(signal)
        assert.deepEqual(await program.end(), { code: 0, signal: null }, signal)
        assert.doesNotMatch(program.stderr, /error:/)
        assert.ok(!existsSync(bench.socket('b')))
      }
    })

    it('gives up at once when the peers serve another cluster', async () => {
      const [a, b] = [await bench.up('a', '--new'), await bench.up('b', '--new')]
      const began = systemClock.monotonicMs()
      const { code, stderr } = await run(
        'up',
        ...bench.flags('c'),
        '--cluster',
        a.status.cluster!,
        '--peer',
        b.status.addresses[0]!,
      )
      assert.equal(code, 1)
      assert.match(stderr, /refused: wrong_cluster/)
      assert.ok(systemClock.monotonicMs() - began < 60_000, 'long before the two minutes of the join timeout')
    })

    it('stops when the policy does not admit the node itself: as the first, and as a joiner', async () => {
      const { status } = await bench.up('a', '--new')
      const strange = createEmulatedPki({ nowMs: systemClock.now() })
      const policy = join(bench.folder, 'policy.json')
      const h = '0'.repeat(96)
      writeFileSync(
        policy,
        JSON.stringify({ version: 1, roots: [strange.rootName], tee: ['tdx'], measurements: [{ mrTd: h, rtmr1: h, rtmr2: h }] }),
      )
      const first = await run('up', '--new', ...bench.flags('b'), '--policy', policy)
      assert.equal(first.code, 1)
      assert.match(first.stderr, /does not admit this TD itself/)
      // A joiner that insists on another policy than the cluster's.
      const joiner = await run(
        'up',
        ...bench.flags('c'),
        '--cluster',
        status.cluster!,
        '--peer',
        status.addresses[0]!,
        '--policy',
        policy,
      )
      assert.equal(joiner.code, 1)
      assert.match(joiner.stderr, /insist/)
    })

    it('refuses an unusable data folder', async () => {
      const file = join(bench.folder, 'file')
      writeFileSync(file, '')
      const flags = bench.flags('a')
      flags[flags.indexOf('--data-dir') + 1] = join(file, 'below')
      const { code, stderr } = await run('up', '--new', ...flags)
      assert.equal(code, 2)
      assert.match(stderr, /data folder/)
      mkdirSync(bench.dataDir('b'))
      writeFileSync(join(bench.dataDir('b'), 'cluster'), 'not a cluster id\n')
      const damaged = await run('up', '--new', ...bench.flags('b'))
      assert.equal(damaged.code, 2)
      assert.match(damaged.stderr, /does not hold a cluster id/)
    })
  })
})

describe('a build without the emulator', function () {
  this.timeout(60_000)
  let bench: Bench
  beforeEach(async () => {
    bench = await Bench.open()
  })
  afterEach(() => bench.close())

  it('cannot be talked into emulating by configuration', async () => {
    // What a production image does: it leaves the folder out.
    for (const part of ['bin', 'dist']) cpSync(part, join(bench.folder, part), { recursive: true })
    cpSync('package.json', join(bench.folder, 'package.json'))
    symlinkSync(resolve('node_modules'), join(bench.folder, 'node_modules'))
    rmSync(join(bench.folder, 'dist/src/attest/emulator'), { recursive: true })
    const program = bench.run(process.execPath, [join(bench.folder, 'bin/dstack-mesh.js'), 'up', '--new', ...bench.flags('a')])
    assert.equal((await program.end()).code, 2)
    assert.match(program.stderr, /this build holds no emulator/)
  })
})
