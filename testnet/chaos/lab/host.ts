import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync } from 'node:fs'
import { mkdir, open, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { UsageError } from '../../../src/index.ts'
import { type Limits, limitGroups } from './groups.ts'
import { run } from './shell.ts'

const FILL_BYTES = 64 * 1024

/** Debian's package `libfaketime`; the folder is named after the architecture. */
const faketimeLibrary = (): string => {
  const found = readdirSync('/usr/lib')
    .map((name) => join('/usr/lib', name, 'faketime/libfaketimeMT.so.1'))
    .find((path) => existsSync(path))
  if (found !== undefined) return found
  throw new UsageError('no_faketime', 'clocks are moved by libfaketime, which is not installed', {
    next: 'apt-get install libfaketime',
  })
}

/** One machine of a lab: a network namespace with an address, and a folder. What is started here can be limited. */
export class Host {
  /** Control groups that what is started here enters. */
  readonly #groups = new Set<string>()
  #files: number | undefined
  #clock: string | undefined

  constructor(
    readonly name: string,
    /** Number on the switch. */
    readonly port: number,
    readonly namespace: string,
    readonly folder: string,
    public address: string,
  ) {}

  /** Starts a program on this host. Its process id is the child's: what comes before it replaces itself. */
  spawn(command: string, args: readonly string[], options: SpawnOptions = {}): ChildProcess {
    const limited = this.#files === undefined ? [] : ['prlimit', `--nofile=${this.#files}:${this.#files}`, '--']
    // Groups are entered before anything of the program's own is allocated.
    const entering = ['sh', '-c', 'for group; do shift; [ "$group" = -- ] && break; echo $$ > "$group"; done; exec "$@"', 'sh']
    const groups = [...this.#groups].map((group) => join(group, 'cgroup.procs'))
    return spawn('nsenter', [`--net=/run/netns/${this.namespace}`, ...entering, ...groups, '--', ...limited, command, ...args], {
      ...options,
      env: { ...(options.env ?? process.env), ...this.#clockEnvironment() },
    })
  }

  /** Runs a program on this host to its end; rejects when it fails. */
  run(command: string, ...args: string[]): Promise<string> {
    return run('nsenter', `--net=/run/netns/${this.namespace}`, command, ...args)
  }

  /** Processor and memory, from now on, for what is started later and for `pid`. */
  async limit(limits: Limits, pid?: number): Promise<void> {
    for (const group of await limitGroups(this.namespace, limits)) {
      this.#groups.add(group)
      if (pid !== undefined) await writeFile(join(group, 'cgroup.procs'), String(pid))
    }
  }

  /** How many files what is started later may open at once, and `pid` from now on. */
  async limitFiles(count: number, pid?: number): Promise<void> {
    this.#files = count
    if (pid !== undefined) await run('prlimit', '--pid', String(pid), `--nofile=${count}:${count}`)
  }

  /** How far this host's wall clock is off, such as `+31d`, for what is started later and what was started since the first call. */
  async setClock(offset: string): Promise<void> {
    this.#clock = join(this.folder, 'clock')
    await writeFile(this.#clock, `${offset}\n`)
  }

  #clockEnvironment(): Record<string, string> {
    if (this.#clock === undefined) return {}
    return {
      LD_PRELOAD: faketimeLibrary(),
      FAKETIME_TIMESTAMP_FILE: this.#clock,
      FAKETIME_NO_CACHE: '1',
      // A host can set the wall clock; how fast time passes it cannot.
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
    }
  }

  /** A disk of its own for a folder below this host's, `size` as mount takes it. */
  async mountDisk(folder: string, size: string): Promise<void> {
    await mkdir(folder, { recursive: true })
    await run('mount', '-t', 'tmpfs', '-o', `size=${size},mode=0700`, 'dsm-lab', folder)
  }

  async fillDisk(folder: string): Promise<void> {
    const file = await open(join(folder, 'filler'), 'w')
    try {
      for (let size = FILL_BYTES; size > 0; ) {
        try {
          await file.write(new Uint8Array(size))
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
          size >>= 1
        }
      }
    } finally {
      await file.close()
    }
  }

  freeDisk(folder: string): Promise<void> {
    return rm(join(folder, 'filler'))
  }

  async setDiskWritable(folder: string, writable: boolean): Promise<void> {
    await run('mount', '-o', `remount,${writable ? 'rw' : 'ro'}`, folder)
  }

  /** Another address instead of the present one; connections of the old one hang. */
  async move(address: string): Promise<void> {
    await this.run('ip', 'address', 'delete', `${this.address}/16`, 'dev', 'eth0')
    await this.run('ip', 'address', 'add', `${address}/16`, 'dev', 'eth0')
    this.address = address
  }

  /** Writes this host's packets, all or those of a tcpdump filter, to `path` until the function returned is called. */
  async capture(path: string, ...filter: string[]): Promise<() => Promise<void>> {
    // At once, or what came last is lost at the end; as root, for the folder is root's.
    const child = this.spawn('tcpdump', ['-i', 'eth0', '--immediate-mode', '-U', '-Z', 'root', '-w', path, ...filter], {
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    let said = ''
    const ended = once(child, 'close')
    await Promise.race([
      new Promise<void>((resolve) => {
        child.stderr!.setEncoding('utf8').on('data', (text: string) => {
          said += text
          if (said.includes('listening on')) resolve()
        })
      }),
      ended.then(() => {
        throw new Error(`tcpdump ended: ${said}`)
      }),
    ])
    return async () => {
      child.kill('SIGINT')
      await ended
    }
  }
}
