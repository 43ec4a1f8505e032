/** Real processes of the built CLI; every wait has a limit, and whatever a test started is gone when it ends. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { request } from 'node:http'
import { join } from 'node:path'
import { systemClock } from '../../src/base/index.ts'
import type { NodeStatus } from '../../src/index.ts'

export const BIN = 'bin/dstack-mesh.js'
const READY_LIMIT_MS = 30_000
const END_LIMIT_MS = 15_000

/** Rejects when `promise` takes longer. */
export const within = async <T>(ms: number, what: string, promise: Promise<T>): Promise<T> => {
  using deadline = systemClock.deadline(ms)
  const late = new Promise<never>((_, reject) => {
    deadline.signal.addEventListener('abort', () => reject(new Error(`${what} took longer than ${ms} ms`)))
  })
  // Awaited here: the deadline ends with this function.
  return await Promise.race([promise, late])
}

/** A started program with all that it printed. */
export class Program {
  stdout = ''
  stderr = ''
  readonly ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>

  constructor(readonly child: ChildProcess) {
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text
    })
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text
    })
    // 'close' and not 'exit': by then all output has been read.
    this.ended = once(child, 'close').then(([code, signal]) => ({ code, signal }))
  }

  end(): Promise<{ code: number | null; signal: NodeJS.Signals | null }> {
    return within(END_LIMIT_MS, `the end of ${this.child.spawnargs.join(' ')}`, this.ended)
  }

  /** Resolves when one of its outputs holds `text`. */
  printed(text: string, stream: 'stdout' | 'stderr' = 'stdout'): Promise<void> {
    const seen = new Promise<void>((resolve) => {
      const look = (): void => {
        if (this[stream].includes(text)) resolve()
      }
      look()
      this.child[stream]?.on('data', look)
    })
    return within(READY_LIMIT_MS, `"${text}" from ${this.child.spawnargs.join(' ')}`, seen)
  }

  /** The first line on standard output; rejects, with what was printed, when the program ends before. */
  async firstLine(): Promise<string> {
    const line = new Promise<string>((resolve) => {
      const look = (): void => {
        const end = this.stdout.indexOf('\n')
        if (end >= 0) resolve(this.stdout.slice(0, end))
      }
      look()
      this.child.stdout?.on('data', look)
    })
    const early = this.ended.then(({ code, signal }) => {
      if (this.stdout.includes('\n')) return this.stdout.slice(0, this.stdout.indexOf('\n'))
      throw new Error(`ended early (${code ?? signal}): ${this.stderr}`)
    })
    return within(READY_LIMIT_MS, `a first line from ${this.child.spawnargs.join(' ')}`, Promise.race([line, early]))
  }
}

/** Starts programs in one temporary folder and ends them all. */
export class Bench {
  readonly #programs: Program[] = []
  private constructor(readonly folder: string) {}

  static async open(): Promise<Bench> {
    return new Bench(await mkdtemp('/tmp/dsm-'))
  }

  run(command: string, args: readonly string[], env: Record<string, string> = {}): Program {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, NO_COLOR: '1', ...env } })
    const program = new Program(child)
    this.#programs.push(program)
    return program
  }

  cli(...args: string[]): Program {
    return this.run(process.execPath, [BIN, ...args])
  }

  dataDir(name: string): string {
    return join(this.folder, name)
  }

  socket(name: string): string {
    return join(this.folder, `${name}.sock`)
  }

  /** Flags of a node of this bench: emulated, on loopback, all with one root and one anchor. */
  flags(name: string): string[] {
    return [
      ...[
        '--tee',
        'emulator',
        '--emulator-root',
        join(this.folder, 'root.json'),
        '--anchor',
        `file:${join(this.folder, 'anchor.jsonl')}`,
      ],
      ...['--listen', '/ip4/127.0.0.1/tcp/0', '--data-dir', this.dataDir(name), '--socket', this.socket(name)],
    ]
  }

  /** `up --json` and its status when it is a member. */
  async up(name: string, ...args: string[]): Promise<{ program: Program; status: NodeStatus }> {
    const program = this.cli('up', '--json', ...this.flags(name), ...args)
    return { program, status: JSON.parse(await program.firstLine()) as NodeStatus }
  }

  async close(): Promise<void> {
    for (const { child } of this.#programs) if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
    await Promise.all(this.#programs.map(({ ended }) => ended))
    await rm(this.folder, { recursive: true, force: true })
  }
}

/** One HTTP request over a unix socket. */
export const ask = (
  socketPath: string,
  path: string,
  body?: unknown,
): Promise<{ status: number; headers: Record<string, unknown>; text: string }> =>
  new Promise((resolve, reject) => {
    const payload = body === undefined ? undefined : Buffer.from(JSON.stringify(body))
    const asked = request(
      {
        socketPath,
        path,
        method: payload === undefined ? 'GET' : 'POST',
        timeout: 5_000,
        headers: payload === undefined ? {} : { 'content-type': 'application/json', 'content-length': payload.length },
      },
      (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('error', reject)
        response.on('end', () =>
          resolve({ status: response.statusCode!, headers: response.headers, text: Buffer.concat(chunks).toString('utf8') }),
        )
      },
    )
    asked.on('timeout', () => asked.destroy(new Error('no answer')))
    asked.on('error', reject)
    asked.end(payload)
  })

export const getKey = async (socketPath: string, path: string): Promise<string> => {
  const { status, text } = await ask(socketPath, '/GetKey', { path })
  if (status !== 200) throw new Error(`${status}: ${text}`)
  return (JSON.parse(text) as { key: string }).key
}
