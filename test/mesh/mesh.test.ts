import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createEmulatedTd, emulatedPkiFromJson, measureProgram } from '../../src/attest/emulator/index.ts'
import { createNode, type KeyDeriver, systemClock, systemRandom } from '../../src/index.ts'
import { keyDeriver } from '../../src/node/parts.ts'
import { ask, Bench, getKey, type Program } from './support.ts'

const filesBelow = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))

describe('a mesh of real processes', function () {
  this.timeout(90_000)
  let bench: Bench
  beforeEach(async () => {
    bench = await Bench.open()
  })
  afterEach(() => bench.close())

  it('gives an app the same key from each member, and goes on when the first member is killed', async () => {
    const first = await bench.up('a', '--new')
    const cluster = first.status.cluster!
    const second = await bench.up('b', '--cluster', cluster, '--peer', first.status.addresses[0]!)
    const third = await bench.up('c', '--cluster', cluster, '--peer', second.status.addresses[0]!)
    const keys = await Promise.all(['a', 'b', 'c'].map((name) => getKey(bench.socket(name), 'storage/main')))
    assert.equal(new Set(keys).size, 1)
    assert.match(keys[0]!, /^[0-9a-f]{64}$/)
    assert.notEqual(keys[0], await getKey(bench.socket('a'), 'storage/other'))

    first.program.child.kill('SIGKILL')
    await first.program.end()
    const fourth = await bench.up('d', '--cluster', cluster, '--peer', second.status.addresses[0]!)
    assert.equal(await getKey(bench.socket('d'), 'storage/main'), keys[0])
    assert.equal(await getKey(bench.socket('c'), 'storage/main'), keys[0])
    assert.equal(third.status.cluster, cluster)
    assert.equal(fourth.status.credential!.issuer, second.status.peerId)
    assert.notEqual(fourth.status.peerId, first.status.peerId)

    // The killed one comes back in its own data folder and socket place as a new peer.
    const again = await bench.up('a', '--peer', second.status.addresses[0]!)
    assert.equal(again.status.cluster, cluster)
    assert.notEqual(again.status.peerId, first.status.peerId)
    assert.equal(await getKey(bench.socket('a'), 'storage/main'), keys[0])
  })

  it('leaves no socket behind when it is told to stop', async () => {
    const { program, status } = await bench.up('a', '--new')
    assert.ok(existsSync(bench.socket('a')))
    const joiner = await bench.up('b', '--cluster', status.cluster!, '--peer', status.addresses[0]!)
    program.child.kill('SIGINT')
    joiner.program.child.kill('SIGTERM')
    assert.deepEqual(await program.end(), { code: 0, signal: null })
    assert.deepEqual(await joiner.program.end(), { code: 0, signal: null })
    for (const name of ['a', 'b']) {
      assert.ok(!existsSync(bench.socket(name)))
      assert.ok(!existsSync(join(bench.dataDir(name), 'control.sock')))
    }
  })

  it('shows the secret in no log, file, argument or environment of any member', async () => {
    const first = await bench.up('a', '--new', '--log-level', 'debug')
    const { cluster, addresses } = first.status
    const second = await bench.up('b', '--cluster', cluster!, '--peer', addresses[0]!, '--log-level', 'debug')

    // A member of our own that looks at what it was given.
    const secrets: Uint8Array[] = []
    const own = keyDeriver(systemRandom)
    const spy: KeyDeriver = {
      generate: () => own.generate(),
      adopt: (entries) => {
        secrets.push(...entries.map(({ secret }) => secret.slice()))
        return own.adopt(entries)
      },
    }
    const pki = emulatedPkiFromJson(readFileSync(join(bench.folder, 'root.json'), 'utf8'))
    // The members run the built program: its measurements, not those of this checkout's sources.
    const measurements = await measureProgram('dist', '.js')
    const node = await createNode({
      entry: { kind: 'join', cluster: cluster!, peers: addresses },
      dataDir: bench.dataDir('spy'),
      apps: [{ name: 'app', socket: { path: bench.socket('spy') } }],
      listen: ['/ip4/127.0.0.1/tcp/0'],
      attester: createEmulatedTd({ pki, measurements, clock: systemClock }),
      keys: spy,
    })
    await node.start()
    try {
      // Some failures, whose messages could say too much.
      await ask(bench.socket('a'), '/GetKey', { path: 'x', algorithm: 'none' })
      await ask(bench.socket('a'), '/GetQuote', { report_data: 'zz' })
      const failed = bench.cli('up', ...bench.flags('b'), '--cluster', cluster!, '--peer', addresses[0]!)
      assert.equal((await failed.end()).code, 2)
      assert.equal(secrets.length, 1)

      const texts = [first.program, second.program, failed].flatMap((program: Program) => [program.stdout, program.stderr])
      const processes = [first.program, second.program].flatMap(({ child }) =>
        ['cmdline', 'environ'].map((file) => readFileSync(`/proc/${child.pid}/${file}`)),
      )
      const files = filesBelow(bench.folder).map((path) => readFileSync(path))
      assert.ok(files.length >= 6, 'there are files to look at')
      assert.ok(texts.join('').includes('onboard.sealed'), 'there are logs to look at')
      const haystacks = [...texts.map((text) => Buffer.from(text)), ...processes, ...files]
      for (const secret of secrets) {
        const bytes = Buffer.from(secret)
        for (const form of [bytes, bytes.toString('hex'), bytes.toString('base64'), bytes.toString('base64url')]) {
          assert.ok(!haystacks.some((haystack) => haystack.includes(form)), 'the secret is in the open')
        }
      }
    } finally {
      await node.stop()
    }
  })
})

describe('npm start', function () {
  this.timeout(90_000)
  let bench: Bench
  beforeEach(async () => {
    bench = await Bench.open()
  })
  afterEach(() => bench.close())

  const start = (...args: string[]) =>
    bench.run(process.execPath, ['dist/testnet/local/main.js', ...args], { TMPDIR: bench.folder })

  it('with --once --json makes a mesh of three, prints one object with one fingerprint, and leaves nothing', async () => {
    const program = start('--once', '--json')
    assert.deepEqual(await program.end(), { code: 0, signal: null }, program.stderr)
    const mesh = JSON.parse(program.stdout) as {
      cluster: string
      members: { name: string; peerId: string; address: string; socket: string; fingerprint: string }[]
    }
    assert.match(mesh.cluster, /^G[A-Z2-7]{55}$/)
    assert.deepEqual(
      mesh.members.map(({ name }) => name),
      ['node-1', 'node-2', 'node-3'],
    )
    assert.equal(new Set(mesh.members.map(({ peerId }) => peerId)).size, 3)
    assert.equal(new Set(mesh.members.map(({ fingerprint }) => fingerprint)).size, 1)
    assert.deepEqual(readdirSync(bench.folder), [])
  })

  it('with --once offers nothing to try on a mesh that is over', async () => {
    const program = start('--once', '--nodes', '1')
    assert.deepEqual(await program.end(), { code: 0, signal: null }, program.stderr)
    assert.match(program.stdout, /^cluster G[A-Z2-7]{55}$/m)
    assert.doesNotMatch(program.stdout, /^Try|Ctrl-C/m)
  })

  it('with --anchor devnet makes its identity public on a ledger of its own', async () => {
    const program = start('--nodes', '2', '--anchor', 'devnet', '--json')
    const mesh = JSON.parse(await program.firstLine()) as { members: { socket: string; fingerprint: string }[] }
    assert.equal(new Set(mesh.members.map(({ fingerprint }) => fingerprint)).size, 1)
    const { text } = await ask(mesh.members[1]!.socket, '/v1/cluster', {})
    assert.equal((JSON.parse(text) as { witness: string }).witness, 'devnet')
    program.child.kill('SIGINT')
    assert.equal((await program.end()).signal, null)
    assert.deepEqual(readdirSync(bench.folder), [])
  })

  it('prints commands that work when they are pasted, whatever the temporary folder is called', async () => {
    const folder = join(bench.folder, "it's here")
    mkdirSync(folder)
    const program = bench.run(process.execPath, ['dist/testnet/local/main.js', '--nodes', '1'], { TMPDIR: folder })
    await program.firstLine()
    await program.printed('Running until Ctrl-C.')
    const line = /^ {2}(curl .*)$/m.exec(program.stdout)![1]!
    // The shell takes the line apart; curl itself only where the machine has it.
    const words = bench.run('/bin/sh', ['-c', `printf '%s\\n' ${line}`])
    await words.end()
    const [, , socket, , header, , body, url] = words.stdout.split('\n')
    assert.equal(header, 'content-type: application/json')
    const { key } = JSON.parse((await ask(socket!, new URL(url!).pathname, JSON.parse(body!))).text) as { key: string }
    assert.match(key, /^[0-9a-f]{64}$/)
    if (existsSync('/usr/bin/curl')) {
      const pasted = bench.run('/bin/sh', ['-c', line.replace('curl ', 'curl -s --max-time 10 ')])
      assert.equal((await pasted.end()).code, 0)
      assert.ok(pasted.stdout.includes(key))
    }
    program.child.kill('SIGINT')
    await program.end()
  })

  it('stays up until it is interrupted, and then leaves no process and no file', async () => {
    const program = start('--nodes', '2', '--json')
    const mesh = JSON.parse(await program.firstLine()) as { members: { socket: string; fingerprint: string }[] }
    assert.equal(mesh.members.length, 2)
    assert.equal((await getKey(mesh.members[1]!.socket, 'demo')).length, 64)
    program.child.kill('SIGINT')
    assert.equal((await program.end()).signal, null)
    assert.deepEqual(readdirSync(bench.folder), [])
  })

  it('takes its members with it when it is killed', async () => {
    const program = start('--nodes', '1', '--json')
    const mesh = JSON.parse(await program.firstLine()) as { members: { socket: string }[] }
    program.child.kill('SIGKILL')
    // Its standard error is the members' no more than its own: 'close' says only that it is gone itself.
    await program.end()
    const { socket } = mesh.members[0]!
    for (let i = 0; existsSync(socket) && i < 300; i++) await systemClock.sleep(50)
    assert.ok(!existsSync(socket), 'the member has ended and removed its socket')
  })

  it('explains a wrong number of nodes', async () => {
    const program = start('--nodes', '0')
    assert.notEqual((await program.end()).code, 0)
    assert.match(program.stderr, /a number from 1 to/)
  })
})
