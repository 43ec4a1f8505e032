/** A Docker engine of a test's own, from Debian's packages: its data, its network namespace and its cgroup go with it. Needs root. */
import { AssertionError } from 'node:assert/strict'
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream, existsSync, readdirSync, readFileSync, readlinkSync, realpathSync } from 'node:fs'
import { cp, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import { systemClock } from '../../src/base/index.ts'

const START_LIMIT_MS = 60_000
const STOP_LIMIT_MS = 30_000
const COMMAND_LIMIT_MS = 60_000
const BUILD_LIMIT_MS = 600_000

export interface Ran {
  code: number
  stdout: string
  stderr: string
}

/** Asks until it holds; throws with what `holds` last returned, or threw, when that takes too long. */
export const until = async <T>(what: string, limitMs: number, ask: () => Promise<T | undefined | false>): Promise<T> => {
  const endMs = systemClock.monotonicMs() + limitMs
  for (let last: unknown; ; ) {
    try {
      const answer = await ask()
      if (answer !== undefined && answer !== false) return answer
      last = answer
    } catch (error) {
      // What a test asserts will not come right by waiting.
      if (error instanceof AssertionError) throw error
      last = error
    }
    if (systemClock.monotonicMs() > endMs) throw new Error(`${what}: not within ${limitMs / 1000} s`, { cause: last })
    await systemClock.sleep(250)
  }
}

export const run = (
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  limitMs: number,
  cwd?: string,
): Promise<Ran> =>
  new Promise((done, fail) => {
    const options = { env, cwd, timeout: limitMs, killSignal: 'SIGKILL' as const, maxBuffer: 64 * 1024 * 1024 }
    execFile(command, args, options, (error, stdout, stderr) => {
      if (error !== null && typeof error.code !== 'number')
        return fail(new Error(`${command} ${args.join(' ')}: ${error.message}`))
      done({ code: (error?.code as number | undefined) ?? 0, stdout, stderr })
    })
  })

/** Processes that `holds` for, by their folder in /proc. */
const processes = (holds: (folder: string) => boolean): number[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => {
      try {
        return holds(`/proc/${name}`)
      } catch {
        return false
      }
    })
    .map(Number)

export class DockerEngine {
  readonly #daemon: ChildProcess
  readonly #cgroup: string
  #namespace = ''
  /** For a `docker` of one's own: where this engine listens. */
  readonly env: NodeJS.ProcessEnv

  private constructor(
    readonly folder: string,
    log: string,
  ) {
    this.#cgroup = basename(folder)
    this.env = {
      ...process.env,
      // Debian's programs, also where a newer client lies beside them; and nobody's configuration.
      PATH: `/usr/bin:/bin:/usr/sbin:/sbin:${process.env.PATH}`,
      DOCKER_HOST: `unix://${join(folder, 'docker.sock')}`,
      DOCKER_CONFIG: join(folder, 'config'),
      DOCKER_BUILDKIT: '1',
      COMPOSE_DOCKER_CLI_BUILD: '1',
      COMPOSE_PROJECT_NAME: 'mesh',
    }
    const paths = ['--data-root', join(folder, 'data'), '--exec-root', join(folder, 'exec'), '--pidfile', join(folder, 'pid')]
    const flags = [...paths, '--host', this.env.DOCKER_HOST!, '--cgroup-parent', this.#cgroup]
    // By unshare and not by `ip netns exec`, which would mount another /sys and so lose the cgroups.
    const started = ['--net', 'sh', '-c', 'ip link set lo up && exec dockerd "$@"', 'sh', ...flags]
    this.#daemon = spawn('unshare', started, { stdio: ['ignore', 'pipe', 'pipe'], env: this.env })
    const file = createWriteStream(log)
    this.#daemon.stdout?.pipe(file)
    this.#daemon.stderr?.pipe(file)
  }

  static async start(): Promise<DockerEngine> {
    for (const program of ['/usr/bin/docker', '/usr/sbin/dockerd', '/usr/bin/docker-compose', '/usr/bin/mmdebstrap'])
      if (!existsSync(program))
        throw new Error(`${program} is missing: apt-get install docker.io docker-compose mmdebstrap iptables`)
    const folder = await mkdtemp('/tmp/dsm-docker-')
    const log = join(folder, 'dockerd.log')
    const engine = new DockerEngine(folder, log)
    try {
      await until('an answer from the engine', START_LIMIT_MS, async () => {
        if (engine.#daemon.exitCode !== null) throw new Error('dockerd ended')
        return (await engine.docker('version')).code === 0
      })
      engine.#namespace = readlinkSync(`/proc/${engine.#daemon.pid}/ns/net`)
      return engine
    } catch (error) {
      const lines = (await readFile(log, 'utf8').catch(() => '')).split('\n').slice(-20).join('\n')
      await engine.stop()
      throw new Error(`the Docker engine did not start:\n${lines}`, { cause: error })
    }
  }

  docker(...args: string[]): Promise<Ran> {
    return run('/usr/bin/docker', args, this.env, args[0] === 'build' ? BUILD_LIMIT_MS : COMMAND_LIMIT_MS)
  }

  /** Standard output of a command that must succeed. */
  async out(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.docker(...args)
    if (code !== 0) throw new Error(`docker ${args.join(' ')}: ${code}\n${stdout}${stderr}`)
    return stdout.trim()
  }

  /** docker-compose in `cwd`; must succeed. */
  async compose(cwd: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<string> {
    const limitMs = args[0] === 'build' ? BUILD_LIMIT_MS : 4 * COMMAND_LIMIT_MS
    const { code, stdout, stderr } = await run('/usr/bin/docker-compose', args, { ...this.env, ...env }, limitMs, cwd)
    if (code !== 0) throw new Error(`docker-compose ${args.join(' ')}: ${code}\n${stdout}${stderr}`)
    return stdout.trim()
  }

  /** An image of Debian's essential packages and the Node that npm installed: what a registry would give, made here. */
  async importBase(name: string): Promise<void> {
    const tar = join(this.folder, 'base.tar')
    const codename = /^VERSION_CODENAME=(\w+)$/m.exec(await readFile('/etc/os-release', 'utf8'))?.[1] ?? 'bookworm'
    const mirror = 'http://deb.debian.org/debian'
    const flags = ['--quiet', '--mode=root', '--variant=essential', '--include=libstdc++6']
    const node = resolve('node_modules/node')
    for (const [command, args] of [
      ['mmdebstrap', [...flags, codename, tar, mirror]],
      [
        'tar',
        ['--append', '-f', tar, '--owner=0', '--group=0', '-C', node, '--transform', 's,^bin/,usr/local/bin/,', 'bin/node'],
      ],
    ] as const) {
      const { code, stderr } = await run(command, args, this.env, BUILD_LIMIT_MS)
      if (code !== 0) throw new Error(`${command}: ${code}\n${stderr}`)
    }
    await this.out('import', tar, name)
    await rm(tar)
  }

  /** What a build of this checkout is sent: the files that git knows of, and the packages that npm installed. */
  async context(): Promise<string> {
    const folder = join(this.folder, 'context')
    const { stdout } = await run(
      'git',
      ['ls-files', '-z', '--cached', '--others', '--exclude-standard'],
      process.env,
      COMMAND_LIMIT_MS,
    )
    await mkdir(folder)
    // A worktree may have the packages by link.
    const files = stdout.split('\0').filter((file) => file !== '' && !/(^|\/)node_modules$/.test(file) && existsSync(file))
    for (const file of files) await cp(file, join(folder, file), { recursive: true })
    for (const packages of ['node_modules', 'test/interop/node_modules']) {
      const { code, stderr } = await run(
        'cp',
        ['-al', realpathSync(packages), join(folder, packages)],
        process.env,
        COMMAND_LIMIT_MS,
      )
      if (code !== 0) throw new Error(stderr)
    }
    return folder
  }

  /** What is left of this engine: processes, mounts, cgroups. */
  leftovers(): string[] {
    const own = processes(
      (folder) =>
        readFileSync(`${folder}/cmdline`, 'utf8').includes(this.folder) ||
        (this.#namespace !== '' && readlinkSync(`${folder}/ns/net`) === this.#namespace),
    )
    const mounts = readFileSync('/proc/mounts', 'utf8')
      .split('\n')
      .filter((line) => line.includes(this.folder))
    return [...own.map((pid) => `process ${pid}`), ...mounts, ...this.#cgroups().filter((path) => existsSync(path))]
  }

  #cgroups(): string[] {
    const root = '/sys/fs/cgroup'
    return [root, ...readdirSync(root).map((name) => join(root, name))].map((path) => join(path, this.#cgroup))
  }

  /** Ends the engine and all that runs on it, whatever state it is in. */
  async stop(): Promise<void> {
    const ids = (await this.docker('ps', '-aq').catch(() => undefined))?.stdout.trim().split('\n').filter(Boolean) ?? []
    if (ids.length > 0) await this.docker('rm', '-f', ...ids).catch(() => {})
    const ended =
      this.#daemon.exitCode === null && this.#daemon.signalCode === null ? once(this.#daemon, 'exit') : Promise.resolve()
    this.#daemon.kill('SIGTERM')
    const deadline = systemClock.deadline(STOP_LIMIT_MS)
    deadline.signal.addEventListener('abort', () => this.#daemon.kill('SIGKILL'))
    await ended
    deadline.clear()
    for (const pid of processes((folder) => readFileSync(`${folder}/cmdline`, 'utf8').includes(this.folder))) {
      try {
        process.kill(pid, 'SIGKILL')
      } catch {
        // It ended by itself.
      }
    }
    const mounts = readFileSync('/proc/mounts', 'utf8')
      .split('\n')
      .map((line) => line.split(' ')[1] ?? '')
    for (const path of mounts.filter((each) => each.startsWith(this.folder)).reverse())
      await run('umount', ['-l', path], process.env, COMMAND_LIMIT_MS)
    for (const path of this.#cgroups().filter((each) => existsSync(each)))
      await run('find', [path, '-depth', '-type', 'd', '-exec', 'rmdir', '{}', ';'], process.env, COMMAND_LIMIT_MS)
    await rm(this.folder, { recursive: true, force: true })
  }
}
