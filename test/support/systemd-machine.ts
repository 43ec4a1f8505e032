/** A machine as systemd sees one: it is process 1 of namespaces of their own, on Debian's essential packages. Needs root. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { type Ran, run, until } from './docker-engine.ts'

const MAKE_LIMIT_MS = 300_000
const START_LIMIT_MS = 60_000
const COMMAND_LIMIT_MS = 90_000

/** `sh -c BOOT sh ROOT [FROM TO]…`: each FROM is seen read-only at TO. */
const BOOT = `
set -e
root=$1
shift
mount --bind "$root" "$root"
cd "$root"
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
for folder in run tmp dev; do mount -t tmpfs -o mode=755 tmpfs "$folder"; done
for device in null zero full random urandom tty; do touch "dev/$device"; mount --bind "/dev/$device" "dev/$device"; done
mkdir dev/pts dev/shm
ln -s /proc/self/fd dev/fd
mount -t devpts -o newinstance,ptmxmode=666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
while [ $# -gt 0 ]; do mount --bind -o ro "$1" "./$2"; shift 2; done
ip link set lo up
mkdir -p .outside
pivot_root . .outside
umount -l /.outside
exec env -i container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --unit=multi-user.target --log-target=journal --show-status=0
`

/** Where cgroups of the second version are, also beside the first. */
const cgroups = (): string =>
  ['/sys/fs/cgroup/unified', '/sys/fs/cgroup'].find((path) => existsSync(join(path, 'cgroup.procs'))) ?? '/sys/fs/cgroup'

export class SystemdMachine {
  readonly #cgroup: string
  #program: ChildProcess | undefined
  /** systemd's process, as this machine counts. */
  #first = 0

  private constructor(readonly folder: string) {
    this.#cgroup = join(cgroups(), basename(folder))
  }

  get root(): string {
    return join(this.folder, 'root')
  }

  /** @param prepare puts files below the root, before anything runs there */
  static async start(files: ReadonlyMap<string, string>, prepare: (root: string) => void): Promise<SystemdMachine> {
    const machine = new SystemdMachine(mkdtempSync('/tmp/dsm-systemd-'))
    try {
      await machine.#make()
      prepare(machine.root)
      await machine.#boot(files)
      return machine
    } catch (error) {
      await machine.stop()
      throw error
    }
  }

  async #make(): Promise<void> {
    const codename = /^VERSION_CODENAME=(\w+)$/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? 'bookworm'
    const flags = ['--quiet', '--mode=root', '--variant=essential', '--include=systemd,libstdc++6']
    const { code, stderr } = await run(
      'mmdebstrap',
      [...flags, codename, this.root, 'http://deb.debian.org/debian'],
      process.env,
      MAKE_LIMIT_MS,
    )
    if (code !== 0) throw new Error(`mmdebstrap: ${code}\n${stderr}`)
  }

  async #boot(files: ReadonlyMap<string, string>): Promise<void> {
    const mounts: string[] = []
    for (const [from, to] of files) {
      const isFolder = readdirOrUndefined(from) !== undefined
      mkdirSync(join(this.root, isFolder ? to : dirname(to)), { recursive: true })
      if (!isFolder) writeFileSync(join(this.root, to), '')
      mounts.push(realpathSync(from), to)
    }
    mkdirSync(this.#cgroup)
    const namespaces = ['--mount', '--pid', '--fork', '--kill-child', '--net', '--uts', '--ipc', '--cgroup']
    const enter = 'echo $$ > "$0/cgroup.procs" && exec unshare "$@"'
    const booted = ['-c', enter, this.#cgroup, ...namespaces, 'sh', '-c', BOOT, 'sh', this.root, ...mounts]
    const program = spawn('sh', booted, { stdio: ['ignore', 'ignore', 'pipe'] })
    this.#program = program
    let said = ''
    program.stderr?.setEncoding('utf8').on('data', (text: string) => {
      said = `${said}${text}`.slice(-4_096)
    })
    await until('a machine that runs', START_LIMIT_MS, async () => {
      if (program.exitCode !== null) throw new Error(`it ended with ${program.exitCode}: ${said}`)
      this.#first = Number(readFileSync(`/proc/${program.pid}/task/${program.pid}/children`, 'utf8').split(' ')[0])
      if (this.#first === 0) return false
      const { stdout } = await this.run('systemctl', 'is-system-running')
      if (stdout.trim() !== 'running') throw new Error(`systemd says ${stdout}; ${said}`)
      return true
    })
  }

  /** A command on that machine, as its root. */
  run(...command: string[]): Promise<Ran> {
    return run('nsenter', ['--target', String(this.#first), '--all', ...command], process.env, COMMAND_LIMIT_MS)
  }

  /** Standard output of a command that must succeed. */
  async out(...command: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.run(...command)
    if (code !== 0) throw new Error(`${command.join(' ')}: ${code}\n${stdout}${stderr}`)
    return stdout.trim()
  }

  /** Processes of a unit, as this machine counts. */
  processes(unit: string): number[] {
    const file = join(this.#cgroup, 'system.slice', unit, 'cgroup.procs')
    return readFileSync(file, 'utf8').split('\n').filter(Boolean).map(Number)
  }

  /** Whatever state it is in: with process 1 all others end, and with them their mounts. */
  async stop(): Promise<void> {
    const program = this.#program
    if (program !== undefined && program.exitCode === null && program.signalCode === null) {
      const ended = once(program, 'exit')
      program.kill('SIGKILL')
      await ended
    }
    if (existsSync(this.#cgroup)) {
      await until('no process that is left', START_LIMIT_MS, async () => {
        removeEmpty(this.#cgroup)
        return !existsSync(this.#cgroup)
      })
    }
    rmSync(this.folder, { recursive: true, force: true })
  }
}

const readdirOrUndefined = (path: string): string[] | undefined => {
  try {
    return readdirSync(path)
  } catch {
    return undefined
  }
}

/** A cgroup and those in it; throws EBUSY while a process is in one. */
const removeEmpty = (path: string): void => {
  for (const entry of readdirSync(path, { withFileTypes: true })) if (entry.isDirectory()) removeEmpty(join(path, entry.name))
  rmdirSync(path)
}

/** The program as it is installed beside systemd: what the image holds below /app, taken from this checkout. */
export const installedProgram = (): ReadonlyMap<string, string> =>
  new Map([
    [process.execPath, '/usr/bin/node'],
    ['packaging/health.mjs', '/usr/lib/dstack-mesh/health.mjs'],
    ...['bin', 'dist', 'node_modules', 'package.json'].map((name) => [name, `/usr/lib/dstack-mesh/${name}`] as const),
  ])

/** What docs/containers.md installs. */
export const installUnit = (root: string): void => {
  for (const folder of ['etc/systemd/system', 'usr/lib/sysusers.d', 'etc/dstack-mesh'])
    mkdirSync(join(root, folder), { recursive: true })
  cpSync(resolve('packaging/systemd/dstack-mesh.service'), join(root, 'etc/systemd/system/dstack-mesh.service'))
  cpSync(resolve('packaging/systemd/dstack-mesh.sysusers'), join(root, 'usr/lib/sysusers.d/dstack-mesh.conf'))
}
