import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DockerEngine, until } from '../support/docker-engine.ts'

// The Dockerfile and docker-compose.yml on a real engine from Debian's packages, without any registry. Needs root, and says so by failing.

const BASE = 'dstack-mesh-base:local'
const REHEARSAL = 'dstack-mesh-insecure-rehearsal'
const NODE = '/usr/local/bin/node'
const SERVING_LIMIT_MS = 240_000
const IMAGE_BYTES_MAX = 350_000_000

interface Fetched {
  member: string
  alone: boolean
  fingerprint: string
  status?: { reachable: boolean; state?: string }
}

describe('containers', function () {
  this.timeout(300_000)
  let engine: DockerEngine
  let context: string
  const build = { BASE, PACKAGES: 'context' }

  before(async function () {
    this.timeout(900_000)
    engine = await DockerEngine.start()
    await engine.importBase(BASE)
    context = await engine.context()
    await engine.compose(context, ['build'], build)
    await image('production')
  })
  after(async function () {
    this.timeout(120_000)
    await engine?.stop()
    assert.deepEqual(engine?.leftovers(), [])
  })

  const image = async (target: string, tag = target, ...flags: string[]): Promise<string> => {
    const args = Object.entries(build).flatMap(([name, value]) => ['--build-arg', `${name}=${value}`])
    await engine.out('build', '--quiet', '--target', target, '--tag', tag, ...args, ...flags, context)
    return tag
  }
  /** Every file of an image's file system with kind, mode, owner, time and content. */
  const contents = async (tag: string): Promise<string[]> => {
    const container = await engine.out('create', tag)
    const file = join(engine.folder, `${tag}.tar`)
    await engine.out('export', '--output', file, container)
    await engine.out('rm', container)
    return entriesOf(readFileSync(file))
  }
  const compose = (...args: string[]) => engine.compose(context, args)
  const containersOf = async (service: string): Promise<string[]> =>
    (await compose('ps', '--quiet', service)).split('\n').filter((id) => id !== '')
  const inspect = async (id: string) => JSON.parse(await engine.out('inspect', id))[0]
  const running = async (service: string): Promise<string[]> => {
    const ids = await containersOf(service)
    const states = await Promise.all(ids.map(async (id) => (await inspect(id)).State.Running as boolean))
    return ids.filter((_, index) => states[index])
  }
  const hostName = (id: string): string => id.slice(0, 12)
  /** What an app printed last. */
  const lastLine = async (app: string): Promise<{ event: string } & Fetched> =>
    JSON.parse((await engine.out('logs', '--tail', '1', app)) || '{}')
  /** Waits until `count` apps each have a member of their own, and gives what they fetched. */
  const allServed = (count: number): Promise<Fetched[]> =>
    until(`${count} apps with a member each`, SERVING_LIMIT_MS, async () => {
      const lines = await Promise.all((await running('app')).map(lastLine))
      if (lines.length !== count || !lines.every(({ event, alone }) => event === 'key' && alone)) {
        throw new Error(JSON.stringify(lines))
      }
      return new Set(lines.map(({ member }) => member)).size === count && lines
    })
  const inNode = async (id: string, program: string): Promise<string> => engine.out('exec', id, NODE, '-e', program)
  const isMember = async (id: string): Promise<boolean> => (await engine.docker('exec', id, NODE, '/app/health.mjs')).code === 0
  const status = async (id: string): Promise<{ cluster: string; peerId: string; policy: { insecure: boolean } }> =>
    JSON.parse(await engine.out('exec', id, NODE, '/app/bin/dstack-mesh.js', 'status', '--json'))

  describe('the images', () => {
    it('hold Node and the program, and neither a shell nor npm, a compiler or what the production image must not know', async () => {
      const { Size, Config } = (await inspect('production')) as { Size: number; Config: Record<string, unknown> }
      assert.ok(Size <= IMAGE_BYTES_MAX, `${Size} bytes`)
      assert.equal(Config.User, '1000:1000')
      assert.equal(Config.StopSignal, 'SIGTERM')
      const files = (await contents('production')).map((line) => line.split(' ')[0]!)
      assert.ok(files.includes('app/dist/src/cli/main.js'))
      const unwanted =
        /(^|\/)(sh|bash|dash|npm|npx|apt|dpkg|perl|python3?|gcc|tsc)$|node_modules\/typescript\/|emulator\/|testnet\/|\.d\.ts$|\.map$/
      assert.deepEqual(
        files.filter((file) => unwanted.test(file)),
        [],
      )
      const rehearsal = (await contents(REHEARSAL)).map((line) => line.split(' ')[0]!)
      assert.ok(rehearsal.includes('app/dist/src/attest/emulator/index.js'))
      assert.match((await inspect(REHEARSAL)).Config.Labels['dstack-mesh.insecure'], /^INSECURE/)
    })

    it('are the same, file by file, when they are built twice', async function () {
      this.timeout(600_000)
      const again = await image('rehearsal', 'again', '--no-cache')
      const [one, two] = [await contents(REHEARSAL), await contents(again)]
      assert.ok(one.length > 500)
      assert.deepEqual(two, one)
    })

    it('of production tells how it is used, and cannot be talked into a rehearsal', async () => {
      assert.match(await engine.out('run', '--rm', 'production', '--help'), /^Usage: dstack-mesh/)
      const emulated = await engine.docker(
        'run',
        '--rm',
        'production',
        'up',
        '--new',
        '--tee',
        'emulator',
        '--emulator-root',
        '/tmp/r',
      )
      assert.equal(emulated.code, 2)
      assert.match(emulated.stderr, /this build holds no emulator/)
      const devnet = await engine.docker('run', '--rm', 'production', 'devnet')
      assert.equal(devnet.code, 2)
      assert.match(devnet.stderr, /this build holds no devnet/)
    })

    it('run no code that their environment names', async () => {
      const injected = 'NODE_OPTIONS=--import=data:text/javascript,process.exit(77)'
      assert.equal(await engine.out('run', '--rm', '--env', injected, 'production', '--version'), '0.1.0')
      const { Healthcheck } = (await inspect('production')).Config
      const [, program, ...args] = Healthcheck.Test as string[]
      const checked = await engine.docker('run', '--rm', '--env', injected, '--entrypoint', program!, 'production', ...args)
      assert.equal(checked.code, 1)
      // What it would do otherwise.
      const otherwise = await engine.docker('run', '--rm', '--env', injected, '--entrypoint', NODE, 'production', '-e', '0')
      assert.equal(otherwise.code, 77)
    })

    for (const signal of ['TERM', 'INT']) {
      it(`run as process 1 without core dumps, and end on SIG${signal}`, async () => {
        const folders = ['/var/lib/dstack-mesh', '/run/dstack'].flatMap((path) => ['--tmpfs', `${path}:uid=1000,gid=1000`])
        const hardened = ['--read-only', '--cap-drop', 'ALL', '--security-opt', 'no-new-privileges', '--network', 'none']
        const flags = ['--tee', 'emulator', '--emulator-root', '/var/lib/dstack-mesh/root', '--socket', '/run/dstack/dstack.sock']
        const id = await engine.out('run', '--detach', ...hardened, ...folders, REHEARSAL, 'up', '--new', ...flags)
        try {
          await until('a member', SERVING_LIMIT_MS, async () => {
            assert.ok((await inspect(id)).State.Running, await engine.out('logs', id))
            return isMember(id)
          })
          const limits = await inNode(id, "process.stdout.write(require('fs').readFileSync('/proc/1/limits','utf8'))")
          assert.match(limits, /^Max core file size +0 +0 /m)
          await engine.out('kill', '--signal', signal, id)
          assert.equal(await engine.out('wait', id), '0')
        } finally {
          await engine.docker('rm', '--force', id)
        }
      })
    }
  })

  describe('the mesh of docker-compose.yml', () => {
    let fingerprint: string
    let cluster: string

    it('comes up by one command: three members, and an app beside each with the same key', async () => {
      await compose('up', '--detach')
      const served = await allServed(3)
      fingerprint = served[0]!.fingerprint
      assert.match(fingerprint, /^[0-9a-f]{32}$/)
      assert.deepEqual(new Set(served.map((each) => each.fingerprint)), new Set([fingerprint]))
      assert.deepEqual(
        served.map((each) => [each.status?.reachable, each.status?.state]),
        served.map(() => [true, 'member']),
      )
      const members = [...(await running('founder')), ...(await running('member'))]
      assert.deepEqual(served.map(({ member }) => member).sort(), members.map(hostName).sort())
      const states = await Promise.all(members.map(status))
      cluster = states[0]!.cluster
      assert.deepEqual(new Set(states.map((each) => each.cluster)), new Set([cluster]))
      assert.ok(states.every(({ policy }) => policy.insecure))
      for (const id of members) assert.match(await engine.out('logs', id), /INSECURE/)
    })

    it('gives no container more than it needs', async () => {
      const ids = (await compose('ps', '--quiet')).split('\n')
      for (const id of ids) {
        const { HostConfig, Config, State } = await inspect(id)
        assert.equal(HostConfig.ReadonlyRootfs, true)
        assert.deepEqual(HostConfig.CapDrop, ['ALL'])
        assert.deepEqual(HostConfig.SecurityOpt, ['no-new-privileges:true'])
        assert.notEqual(Config.User, '')
        assert.match(readFileSync(`/proc/${State.Pid}/limits`, 'utf8'), /^Max core file size +0 +0 /m)
        assert.match(readFileSync(`/proc/${State.Pid}/status`, 'utf8'), /^CapBnd:\s+0+$/m)
      }
    })

    it('shows no key in an environment, an argument, a label or a log', async () => {
      const [app] = await running('app')
      const { member } = await lastLine(app!)
      const key = await inNode(
        app!,
        `const r=require('http').request({socketPath:'/run/dstack/${member}/dstack.sock',path:'/GetKey',method:'POST',headers:{'content-type':'application/json'}},a=>a.pipe(process.stdout));r.end(JSON.stringify({path:'ping-host',purpose:'ping-host'}))`,
      )
      const bytes = Buffer.from(JSON.parse(key).key, 'hex')
      assert.equal(createHash('sha256').update('ping-host/fingerprint\0').update(bytes).digest('hex').slice(0, 32), fingerprint)
      for (const id of (await compose('ps', '--quiet')).split('\n')) {
        const { stdout, stderr } = await engine.docker('logs', id)
        const shown = `${JSON.stringify(await inspect(id))}${stdout}${stderr}`
        for (const form of ['hex', 'base64'] as const) assert.ok(!shown.includes(bytes.toString(form)))
      }
    })

    it("lets an app neither change its members' sockets nor reach a control socket or the members' files", async () => {
      const [app] = await running('app')
      const tries = `
        const fs = require('fs'), net = require('net')
        const tried = (f) => { try { f(); return 'done' } catch (e) { return e.code } }
        const [member] = fs.readdirSync('/run/dstack')
        console.log(JSON.stringify({
          make: tried(() => fs.writeFileSync('/run/dstack/x', '')),
          remove: tried(() => fs.unlinkSync('/run/dstack/' + member + '/dstack.sock')),
          cluster: tried(() => fs.readdirSync('/cluster')),
          control: tried(() => fs.readdirSync('/var/lib/dstack-mesh')),
          root: tried(() => fs.writeFileSync('/x', '')),
          groups: process.getgroups(), uid: process.getuid(),
        }))`
      assert.deepEqual(JSON.parse(await inNode(app!, tries)), {
        make: 'EROFS',
        remove: 'EROFS',
        cluster: 'ENOENT',
        control: 'ENOENT',
        root: 'EROFS',
        groups: [1000],
        uid: 1001,
      })
    })

    it('goes on when a member is killed, and its app moves to another', async () => {
      const [killed] = await running('founder')
      await engine.out('kill', killed!)
      await until('keys from the two that are left', SERVING_LIMIT_MS, async () => {
        const lines = await Promise.all((await running('app')).map(lastLine))
        return lines.every(
          (line) => line.event === 'key' && line.fingerprint === fingerprint && line.member !== hostName(killed!),
        )
      })
    })

    it('grows to eight through those that are left, and takes the first node back into the same cluster', async () => {
      await compose('up', '--detach', '--scale', 'member=7', '--scale', 'app=8')
      const served = await allServed(8)
      assert.deepEqual(new Set(served.map((each) => each.fingerprint)), new Set([fingerprint]))
      assert.equal((await status((await running('founder'))[0]!)).cluster, cluster)
    })

    it('keeps serving keys on a member that is cut off, and has it take in others when the network is whole again', async () => {
      const [cut] = await running('member')
      const network = Object.keys((await inspect(cut!)).NetworkSettings.Networks)[0]!
      await engine.out('network', 'disconnect', network, cut!)
      const app = await until('its app', SERVING_LIMIT_MS, async () => {
        for (const id of await running('app')) if ((await lastLine(id)).member === hostName(cut!)) return id
        return undefined
      })
      const key = await inNode(
        app,
        `import('/app/node_modules/@phala/dstack-sdk/dist/index.mjs').then(async ({DstackClient})=>{const {key}=await new DstackClient('/run/dstack/${hostName(cut!)}/dstack.sock').getKey('ping-host','ping-host');console.log(require('crypto').createHash('sha256').update('ping-host/fingerprint\\0').update(key).digest('hex').slice(0,32))})`,
      )
      assert.equal(key, fingerprint)

      await engine.out('network', 'connect', '--alias', 'member', '--alias', hostName(cut!), network, cut!)
      const peers = `DSTACK_MESH_PEERS=/dns4/${hostName(cut!)}/tcp/4001`
      const joiner = (await compose('run', '--detach', '--no-deps', '-e', peers, 'member')).split('\n').at(-1)!
      await until('a member that joined through it', SERVING_LIMIT_MS, () => isMember(joiner))
      assert.equal((await status(joiner)).cluster, cluster)
    })

    it('goes down and leaves nothing behind', async () => {
      await compose('down', '--volumes', '--remove-orphans')
      const left = await engine.out('ps', '--all', '--quiet')
      if (left !== '') await engine.out('rm', '--force', ...left.split('\n'))
      assert.equal(await engine.out('volume', 'ls', '--quiet'), '')
      assert.equal(await engine.out('network', 'ls', '--quiet', '--filter', 'type=custom'), '')
      assert.ok(!readFileSync('/proc/mounts', 'utf8').includes(join(engine.folder, 'data/volumes')))
    })

    it('can be pointed at the official quickstart image', async () => {
      const shown = await compose('--env-file', 'testnet/stellar/quickstart.env', 'config')
      assert.match(shown, /DSTACK_MESH_ANCHOR: stellar/)
      assert.match(shown, /docker\.io\/stellar\/quickstart/)
      assert.match(shown, /Standalone Network ; February 2017/)
    })
  })
})

const BLOCK = 512

/** `path kind mode uid:gid time digest` of each entry of a tar file, without what every container gets from the engine. */
const entriesOf = (tar: Buffer): string[] => {
  const entries: string[] = []
  let longName: string | undefined
  for (let at = 0; at + BLOCK <= tar.length && tar[at] !== 0; ) {
    const field = (offset: number, length: number): string =>
      tar
        .toString('utf8', at + offset, at + offset + length)
        .replace(/\0.*$/s, '')
        .trim()
    const size = Number.parseInt(field(124, 12) || '0', 8)
    const content = tar.subarray(at + BLOCK, at + BLOCK + size)
    const kind = field(156, 1)
    at += BLOCK + Math.ceil(size / BLOCK) * BLOCK
    if (kind === 'L') longName = content.toString('utf8').replace(/\0.*$/s, '')
    else if (kind === 'x') longName = / path=(.*)\n/.exec(content.toString('utf8'))?.[1] ?? longName
    else {
      const header = at - BLOCK - Math.ceil(size / BLOCK) * BLOCK
      const text = (offset: number, length: number): string =>
        tar
          .toString('utf8', header + offset, header + offset + length)
          .replace(/\0.*$/s, '')
          .trim()
      const prefix = text(345, 155)
      const path = longName ?? (prefix === '' ? text(0, 100) : `${prefix}/${text(0, 100)}`)
      longName = undefined
      // The engine's own, in every container; a folder's time is when the layer was made.
      if (/^(dev|proc|sys|etc\/(hosts|hostname|resolv\.conf|mtab)|\.dockerenv)/.test(path)) continue
      const time = kind === '5' ? '' : text(136, 12)
      const digest = createHash('sha256').update(content).digest('hex')
      entries.push(`${path} ${kind} ${text(100, 8)} ${text(108, 8)}:${text(116, 8)} ${time} ${digest} ${text(157, 100)}`)
    }
  }
  return entries.sort()
}
