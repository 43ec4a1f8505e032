import { type ChildProcess, fork, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { TdxPaths } from '../../src/attest/tdx/index.ts'
import type { ServerCommand, ServerReady, ServerReply } from './tsm-fuse-server.ts'
import type { Trouble } from './tsm-fuse-tree.ts'

const START_TIMEOUT_MS = 20_000
const STOP_TIMEOUT_MS = 5_000

/** The kernel's interface to a TD, served over /dev/fuse by a process of its own. Needs root. */
export class TsmFuse {
  readonly mountPoint: string
  readonly paths: TdxPaths
  readonly #child: ChildProcess
  /** Of the emulated platform that makes the quotes. */
  readonly platform: ServerReady

  private constructor(mountPoint: string, child: ChildProcess, ready: ServerReady) {
    this.mountPoint = mountPoint
    this.paths = {
      report: join(mountPoint, 'report'),
      rtmr3: join(mountPoint, 'measurements', 'rtmr3:sha384'),
      eventLog: join(mountPoint, 'CCEL'),
    }
    this.#child = child
    this.platform = ready
  }

  static async start(): Promise<TsmFuse> {
    const mountPoint = mkdtempSync(join(tmpdir(), 'tsm-fuse-'))
    const child = fork(fileURLToPath(new URL('./tsm-fuse-server.ts', import.meta.url)), [mountPoint], {
      execArgv: ['--import=tsx'],
      serialization: 'advanced',
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    try {
      const signal = AbortSignal.timeout(START_TIMEOUT_MS)
      const [ready] = await Promise.race([
        once(child, 'message', { signal }),
        once(child, 'exit', { signal }).then(([code]) =>
          Promise.reject(new Error(`the file system's process ended with ${code}`)),
        ),
      ])
      return new TsmFuse(mountPoint, child, ready as ServerReady)
    } catch (error) {
      child.kill('SIGKILL')
      unmount(mountPoint)
      throw error
    }
  }

  get pid(): number {
    return this.#child.pid!
  }

  async #ask(command: ServerCommand): Promise<ServerReply> {
    const answer = once(this.#child, 'message', { signal: AbortSignal.timeout(STOP_TIMEOUT_MS) })
    this.#child.send(command)
    return (await answer)[0] as ServerReply
  }

  async trouble(trouble: Trouble): Promise<void> {
    await this.#ask({ trouble })
  }
  async set(set: Extract<ServerCommand, { set: unknown }>['set']): Promise<void> {
    await this.#ask({ set })
  }
  /** Quotes are not finished until it is false again. */
  async hold(hold: boolean): Promise<void> {
    await this.#ask({ hold })
  }
  /** What other software in the TD does to RTMRs. */
  async extend(index: number, digest: Uint8Array): Promise<void> {
    await this.#ask({ extend: { index, digest } })
  }
  async look(): Promise<ServerReply> {
    return await this.#ask({ look: true })
  }

  /** Ends the process and removes mount and directory; by force, should it not end by itself. */
  async stop(): Promise<void> {
    const exited = this.#child.exitCode === null ? once(this.#child, 'exit') : undefined
    if (this.#child.connected) this.#child.disconnect()
    const force = setTimeout(() => this.#child.kill('SIGKILL'), STOP_TIMEOUT_MS)
    await exited
    clearTimeout(force)
    unmount(this.mountPoint)
  }
}

/** What the process does itself, unless it was killed. */
const unmount = (mountPoint: string): void => {
  if (isMounted(mountPoint)) spawnSync('umount', ['-l', mountPoint])
  rmSync(mountPoint, { recursive: true, force: true })
}

export const isMounted = (mountPoint: string): boolean => readFileSync('/proc/self/mounts', 'utf8').includes(` ${mountPoint} `)
