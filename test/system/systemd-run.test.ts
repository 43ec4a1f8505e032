import assert from 'node:assert/strict'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { installedProgram, installUnit, SystemdMachine } from '../support/systemd-machine.ts'

// The unit under a real systemd, with emulated quotes. Needs root and mmdebstrap, and says so by failing.

const UNIT = 'dstack-mesh.service'
const SOCKET = '/run/dstack/web/dstack.sock'
const NODE_JSON = {
  new: true,
  clusterFile: '/var/lib/dstack-mesh/cluster-id',
  tee: 'emulator',
  emulatorRoot: '/var/lib/dstack-mesh/root.json',
  anchor: 'file:/var/lib/dstack-mesh/anchor.jsonl',
  listen: ['/ip4/127.0.0.1/tcp/4001'],
  apps: [{ name: 'web', compose: '/etc/dstack-mesh/web.yml', socket: SOCKET }],
}
/** What the service may do, tried from within: as its user, behind its filters. */
const TRIES = `
import { execFileSync } from 'node:child_process'
import { chownSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
const tried = (what) => { try { what(); return 'done' } catch (error) { return error.code ?? 'failed' } }
const write = (folder) => tried(() => { writeFileSync(folder + '/tried', ''); rmSync(folder + '/tried') })
const program = (name, ...args) => tried(() => execFileSync(name, args, { stdio: 'ignore' })) === 'done' ? 'done' : 'failed'
writeFileSync('/var/lib/dstack-mesh/tries.json', JSON.stringify({
  state: write('/var/lib/dstack-mesh'), sockets: write('/run/dstack'),
  usr: write('/usr/lib/dstack-mesh'), etc: write('/etc/dstack-mesh'), cache: write('/var/cache'), log: write('/var/log'), run: write('/run'),
  root: tried(() => process.setuid(0)), shell: program('/bin/true'),
  namespace: program('unshare', '--user', 'true'), mounts: program('mount', '-t', 'tmpfs', 'tmpfs', '/tmp'),
  priority: program('chrt', '--rr', '1', 'true'), hostName: program('hostname', 'other'),
  processes: readdirSync('/proc').filter((name) => /^[0-9]+$/.test(name)).includes('1') ? 'seen' : 'hidden',
  environment: Object.keys(process.env).filter((name) => name.startsWith('NODE_')),
}))
`

describe('a node run by systemd', function () {
  this.timeout(180_000)
  let machine: SystemdMachine
  const at = (path: string): string => join(machine.root, path)

  before(async function () {
    this.timeout(400_000)
    machine = await SystemdMachine.start(installedProgram(), (root) => {
      installUnit(root)
      writeFileSync(join(root, 'etc/dstack-mesh/web.yml'), 'services: {}\n')
      writeFileSync(join(root, 'etc/dstack-mesh/node.json'), JSON.stringify(NODE_JSON), { mode: 0o640 })
      writeFileSync(join(root, 'etc/dstack-mesh/tries.mjs'), TRIES)
    })
    await machine.out('systemd-sysusers')
    await machine.out('chgrp', 'dstack', '/etc/dstack-mesh/node.json')
    // As a manager's own defaults could have it, whoever set them.
    await machine.out('systemctl', 'set-environment', 'NODE_OPTIONS=--import=data:text/javascript,process.exit(77)')
    await machine.out('systemctl', 'daemon-reload')
  })
  after(async function () {
    this.timeout(60_000)
    await machine?.stop()
    if (machine !== undefined) assert.equal(existsSync(machine.folder), false)
  })

  it('is up when it is a member: what comes after it finds its socket, which gives keys', async () => {
    await machine.out('systemctl', 'start', UNIT)
    assert.equal(await machine.out('systemctl', 'is-active', UNIT), 'active')
    const ask = `const r=require('http').request({socketPath:'${SOCKET}',path:'/GetKey',method:'POST',headers:{'content-type':'application/json'}},a=>{a.resume();console.log(a.statusCode)});r.end('{"path":"a"}')`
    assert.equal(
      await machine.out('setpriv', '--reuid=65534', '--regid=dstack', '--clear-groups', '/usr/bin/node', '-e', ask),
      '200',
    )
    // Another user's program does not get there.
    const { code } = await machine.run('setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', '/usr/bin/node', '-e', ask)
    assert.notEqual(code, 0)
  })

  it('runs as a user of its own with one capability, no new privileges, filtered calls and no core dumps', async () => {
    const [pid] = machine.processes(UNIT)
    const limits = readFileSync(`/proc/${pid}/limits`, 'utf8')
    assert.match(limits, /^Max core file size +0 +0 /m)
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    const uid = await machine.out('id', '--user', 'dstack-mesh')
    assert.match(status, new RegExp(`^Uid:\\s+${uid}\\s+${uid}\\s+${uid}\\s+${uid}$`, 'm'))
    assert.notEqual(uid, '0')
    for (const set of ['CapPrm', 'CapEff', 'CapBnd', 'CapAmb'])
      assert.match(status, new RegExp(`^${set}:\\s+0000000000000002$`, 'm'))
    assert.match(status, /^NoNewPrivs:\s+1$/m)
    assert.match(status, /^Seccomp:\s+2$/m)
    assert.equal(readFileSync(`/proc/${pid}/coredump_filter`, 'utf8').trim(), '00000000')
  })

  it('opens no debugger when it is asked to', async () => {
    const [pid] = machine.processes(UNIT)
    process.kill(pid!, 'SIGUSR1')
    // An answer after the signal: it was ignored, and nothing listens for a debugger.
    await machine.out('/usr/bin/node', '/usr/lib/dstack-mesh/health.mjs')
    const listening = readFileSync(`/proc/${pid}/net/tcp`, 'utf8')
    assert.match(listening, /:0FA1 /)
    assert.doesNotMatch(listening, /:240D /)
  })

  it('ends cleanly when it is stopped, and leaves no socket', async () => {
    await machine.out('systemctl', 'stop', UNIT)
    const shown = await machine.out('systemctl', 'show', '--property=Result,ExecMainStatus,ActiveState,NRestarts', UNIT)
    assert.deepEqual(shown.split('\n').sort(), ['ActiveState=inactive', 'ExecMainStatus=0', 'NRestarts=0', 'Result=success'])
    assert.match(await machine.out('journalctl', '--unit', UNIT, '--output=cat'), /"event":"node\.stopped"/)
    assert.notEqual((await machine.run('test', '-e', '/run/dstack')).code, 0)
  })

  it('may write where its files are and nowhere else, and gain nothing', async () => {
    const dropIn = 'etc/systemd/system/dstack-mesh.service.d'
    await machine.out('mkdir', `/${dropIn}`)
    writeFileSync(
      at(`${dropIn}/tries.conf`),
      '[Service]\nExecStart=\nExecStart=/usr/bin/node /etc/dstack-mesh/tries.mjs\nExecStartPost=\nType=oneshot\n',
    )
    await machine.out('systemctl', 'daemon-reload')
    await machine.out('systemctl', 'start', UNIT)
    await machine.out('rm', '-r', `/${dropIn}`)
    await machine.out('systemctl', 'daemon-reload')
    assert.deepEqual(JSON.parse(readFileSync(at('var/lib/dstack-mesh/tries.json'), 'utf8')), {
      state: 'done',
      sockets: 'done',
      usr: 'EROFS',
      etc: 'EROFS',
      cache: 'EROFS',
      log: 'EROFS',
      run: 'EROFS',
      root: 'EPERM',
      shell: 'done',
      namespace: 'failed',
      mounts: 'failed',
      priority: 'failed',
      hostName: 'failed',
      processes: 'hidden',
      environment: [],
    })
  })

  it('is not tried again and again where its configuration is wrong', async () => {
    writeFileSync(at('etc/dstack-mesh/node.json'), JSON.stringify({ ...NODE_JSON, lisen: [] }))
    assert.notEqual((await machine.run('systemctl', 'start', UNIT)).code, 0)
    const shown = await machine.out('systemctl', 'show', '--property=Result,ExecMainStatus,ActiveState,NRestarts', UNIT)
    assert.deepEqual(shown.split('\n').sort(), ['ActiveState=failed', 'ExecMainStatus=2', 'NRestarts=0', 'Result=exit-code'])
  })
})
