import assert from 'node:assert/strict'
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { removeDeadTraces } from '../../testnet/chaos/lab/index.ts'
import { Lab } from '../../testnet/chaos/lab/lab.ts'
import { within } from '../mesh/support.ts'

// The lab itself, without nodes: what it promises about lines, disks, clocks and limits, and that it leaves nothing. Needs root.

const SERVER =
  "require('node:net').createServer((c) => { c.on('error', () => {}); c.pipe(c) }).listen(9000, () => console.log('listens'))"
/** Prints what comes back of `hello`, or the error; gives up after the milliseconds of its second argument. */
const CLIENT = `const [host, limit] = process.argv.slice(1)
const c = require('node:net').connect(9000, host, () => c.write('hello'))
setTimeout(() => { console.log('nothing'); process.exit() }, Number(limit))
c.on('data', (d) => { console.log(String(d)); process.exit() }).on('error', (e) => { console.log(e.code); process.exit() })`

const outputOf = async (child: ChildProcess): Promise<string> => {
  let text = ''
  child.stdout!.setEncoding('utf8').on('data', (part: string) => {
    text += part
  })
  await within(20_000, 'a program of the lab', once(child, 'close'))
  return text.trim()
}
const piped: SpawnOptions & { stdio: ['ignore', 'pipe', 'inherit'] } = { stdio: ['ignore', 'pipe', 'inherit'] }

const namespacesOf = (labId: string): string[] => readdirSync('/run/netns').filter((name) => name.startsWith(`${labId}-`))

/** Whose command line names the lab. */
const processesOf = (labId: string): string[] =>
  readdirSync('/proc').filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(labId)
    } catch {
      return false
    }
  })

describe('a lab', () => {
  let lab: Lab
  before(async () => {
    lab = await Lab.open(['a', 'b', 'c'])
    const server = lab.host('a').spawn(process.execPath, ['-e', SERVER], piped)
    await within(20_000, 'the server', once(server.stdout!, 'data'))
  })
  after(() => lab?.close())

  const ask = (name: string, limitMs = 10_000): Promise<string> =>
    outputOf(lab.host(name).spawn(process.execPath, ['-e', CLIENT, lab.host('a').address, String(limitMs)], piped))

  it('joins its hosts, cuts lines both ways or one way, and heals them', async () => {
    assert.equal(await ask('b'), 'hello')
    await lab.partition([['a'], ['b', 'c']])
    assert.equal(await ask('b', 1_500), 'nothing')
    await lab.heal()
    assert.equal(await ask('b'), 'hello')
    const { cut } = await lab.counts()
    await lab.shapeOneWay({ down: true }, ['a'], ['b'])
    assert.equal(await ask('b', 1_500), 'nothing')
    assert.equal(await ask('c'), 'hello')
    assert.ok((await lab.counts()).cut > cut, 'it was the line that cut')
    await lab.heal()
  })

  it('delays and loses as it is told, and carries large messages over a bad line', async () => {
    await lab.shape({ delayMs: 20, jitterMs: 10, loss: 0.02, duplicate: 0.02, reorder: 0.02, rate: 4_000_000 })
    const big = `const c = require('node:net').connect(9000, '${lab.host('a').address}'); let n = 0
c.on('data', (d) => { n += d.length; if (n === 500000) { console.log(n); process.exit() } }); c.write(Buffer.alloc(500000))`
    assert.equal(await outputOf(lab.host('b').spawn(process.execPath, ['-e', big], piped)), '500000')
    assert.ok((await lab.counts()).lost > 0)
    await lab.restore()
  })

  it('moves a host to another address', async () => {
    await lab.host('c').move('10.77.1.3')
    assert.equal(await ask('c'), 'hello')
    assert.equal(lab.host('c').address, '10.77.1.3')
  })

  it('moves the wall clock of one host, before and while a program runs, and leaves its monotonic one', async () => {
    const host = lab.host('b')
    const folder = join(host.folder, 'clock')
    await host.setClock('+31d')
    const program = `const day = () => Math.round((Date.now() - ${Date.now()}) / 864e5); const start = performance.now()
console.log(day()); require('node:fs').writeFileSync('${folder}', '-1d\\n')
setTimeout(() => { console.log(day()); console.log(performance.now() - start < 60000) }, 200)`
    assert.equal(await outputOf(host.spawn(process.execPath, ['-e', program], piped)), '31\n-1\ntrue')
  })

  it('gives a host a disk that is full or read-only, and back', async () => {
    const host = lab.host('c')
    const folder = join(host.folder, 'disk')
    const write = (name: string): Promise<string> =>
      outputOf(
        host.spawn(
          'sh',
          ['-c', `(head -c 4096 /dev/zero > "${join(folder, name)}") 2>/dev/null && echo written || echo failed`],
          piped,
        ),
      )
    await host.mountDisk(folder, '64k')
    assert.equal(await write('one'), 'written')
    await host.fillDisk(folder)
    assert.equal(await write('two'), 'failed')
    await host.freeDisk(folder)
    assert.equal(await write('two'), 'written')
    await host.setDiskWritable(folder, false)
    assert.equal(await write('three'), 'failed')
    await host.setDiskWritable(folder, true)
    assert.equal(await write('three'), 'written')
  })

  it('limits processor, memory and files of a host', async () => {
    const host = lab.host('b')
    await host.limit({ cpu: 0.1, memoryBytes: 64 * 1024 * 1024 })
    await host.limitFiles(50)
    const busy =
      'const end = Date.now() + 2000; while (Date.now() < end); console.log(Math.round(process.cpuUsage().user / 1000))'
    await host.setClock('+0')
    const usedMs = Number(await outputOf(host.spawn(process.execPath, ['-e', busy], piped)))
    assert.ok(usedMs < 1_000, `used ${usedMs} ms of two seconds`)
    assert.equal(await outputOf(host.spawn('sh', ['-c', 'ulimit -n'], piped)), '50')
    const hungry = host.spawn(process.execPath, ['-e', 'const kept = []; for (;;) kept.push(Buffer.alloc(1 << 20, 1))'], piped)
    const [, signal] = await within(20_000, 'the hungry one', once(hungry, 'exit'))
    assert.equal(signal, 'SIGKILL')
  })

  it('captures the packets of a host', async () => {
    const file = join(lab.folder, 'packets')
    const stop = await lab.host('a').capture(file)
    assert.equal(await ask('c'), 'hello')
    await stop()
    assert.ok(readFileSync(file).includes('hello'))
  })

  it('removes every trace when it is closed, while another lab goes on', async () => {
    const other = await Lab.open(['a', 'b'])
    const sleeper = other.host('a').spawn('sleep', ['1000'])
    const frozen = other.host('b').spawn('sleep', ['1000'])
    await Promise.all([once(sleeper, 'spawn'), once(frozen, 'spawn')])
    frozen.kill('SIGSTOP')
    await other.host('a').mountDisk(join(other.folder, 'disk'), '64k')
    await other.host('a').limit({ cpu: 0.5 }, sleeper.pid!)
    assert.equal(namespacesOf(other.id).length, 4)
    const gone = Promise.all([once(sleeper, 'exit'), once(frozen, 'exit')])
    await other.close()
    await within(5_000, 'the end of its programs', gone)
    assert.deepEqual(namespacesOf(other.id), [])
    assert.ok(!existsSync(other.folder))
    assert.ok(!readFileSync('/proc/self/mounts', 'utf8').includes(other.id))
    assert.equal(await ask('c'), 'hello')
  })

  it('of a process that was killed is removed by the next one, and one that lives is not', async () => {
    const program = `import { Lab } from './testnet/chaos/lab/lab.ts'
const lab = await Lab.open(['a'])
// One that stands still, most often before it is in its namespace, and one that runs there.
const stopped = lab.host('a').spawn('sleep', ['1000'], { detached: true, stdio: 'ignore' })
stopped.kill('SIGSTOP')
lab.host('a').spawn('sleep', ['1000'], { detached: true, stdio: 'ignore' })
console.log(lab.id)
setInterval(() => {}, 1000)`
    const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', program], piped)
    const [line] = (await within(20_000, 'a lab of another process', once(child.stdout, 'data'))) as [Buffer]
    const id = line.toString().trim()
    assert.ok(!(await removeDeadTraces()).includes(id))
    assert.equal(namespacesOf(id).length, 3)
    const ended = once(child, 'exit')
    child.kill('SIGKILL')
    await ended
    assert.ok((await removeDeadTraces()).includes(id))
    assert.deepEqual(namespacesOf(id), [])
    assert.deepEqual(processesOf(id), [])
    assert.ok(!existsSync(`/tmp/${id}`))
  })

  it('says what it needs where it is not root', async () => {
    const program = `import { Lab } from './testnet/chaos/lab/lab.ts'
process.setuid(65534)
await Lab.open(['a']).catch((error) => console.log(error.name, error.message, error.next))`
    const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', program], piped)
    assert.match(await outputOf(child), /^UsageError .*only root.*run it as root/)
  })

  it('refuses names that are no names, or the same twice', async () => {
    for (const names of [['a', 'a'], ['../a'], ['A'], ['']]) await assert.rejects(Lab.open(names), /hosts with different names/)
  })
})
