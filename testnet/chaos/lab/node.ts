import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { controlSocketPath, type NodeStatus, systemClock } from '../../../src/index.ts'
import { keyFingerprint } from '../../local/ask.ts'
import type { Host } from './host.ts'

const PROGRAM = fileURLToPath(new URL('../../../bin/dstack-mesh.js', import.meta.url))
const CONTROL_TIMEOUT_MS = 5_000
const LOG_LINES_MAX = 20_000
const LAST_LINES = 12

export interface LogLine {
  readonly event: string
  /** Monotonic, when it was read. */
  readonly atMs: number
  readonly fields: Readonly<Record<string, unknown>>
}

/** A node: a process of the built CLI on a host. */
export class LabNode {
  readonly startedAtMs = systemClock.monotonicMs()
  /** Resolves, when it is a member, with how many milliseconds it took; rejects when it ends before. */
  readonly ready: Promise<number>
  /** Resolves with its exit code or signal. */
  readonly ended: Promise<number | string>
  readonly log: LogLine[] = []
  readonly #child: ChildProcess
  readonly #listeners = new Set<(line: LogLine) => void>()
  readonly #lastLines: string[] = []
  #end: number | string | undefined

  constructor(
    readonly host: Host,
    readonly dataDir: string,
    flags: readonly string[],
  ) {
    const args = [PROGRAM, 'up', '--json', '--data-dir', dataDir, '--socket', this.socket, ...flags]
    this.#child = host.spawn(process.execPath, args, {
      // A channel, so that it ends with us; a group of its own, so that Ctrl-C reaches only us.
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      detached: true,
      env: { ...process.env, NODE_OPTIONS: '', NO_COLOR: '1' },
    })
    this.ended = once(this.#child, 'exit').then(([code, signal]) => {
      this.#end = (signal ?? code) as number | string
      return this.#end
    })
    this.ready = this.#readReady()
    this.ready.catch(() => {})
    createInterface({ input: this.#child.stderr as Readable }).on('line', (text) => this.#read(text))
  }

  get name(): string {
    return this.host.name
  }
  get pid(): number {
    return this.#child.pid!
  }
  get socket(): string {
    return join(this.host.folder, 'dstack.sock')
  }
  /** How it ended; undefined while it runs. */
  get end(): number | string | undefined {
    return this.#end
  }
  /** Its last words, for a report. */
  get lastLines(): string {
    return this.#lastLines.join('\n')
  }

  async #readReady(): Promise<number> {
    const early = this.ended.then((how) => {
      throw new Error(`${this.name} ended before it was a member (${how})\n${this.lastLines}`)
    })
    const [line] = (await Promise.race([once(createInterface({ input: this.#child.stdout as Readable }), 'line'), early])) as [
      string,
    ]
    const answer = JSON.parse(line) as { error?: string }
    if (answer.error !== undefined) throw new Error(`${this.name}: ${answer.error}`)
    return systemClock.monotonicMs() - this.startedAtMs
  }

  #read(text: string): void {
    this.#lastLines.push(text)
    if (this.#lastLines.length > LAST_LINES) this.#lastLines.shift()
    let fields: Record<string, unknown>
    try {
      fields = JSON.parse(text) as Record<string, unknown>
    } catch {
      return // Not a line of the log: a warning of Node's, say. It is kept above.
    }
    const line = { event: String(fields.event), atMs: systemClock.monotonicMs(), fields }
    if (this.log.length < LOG_LINES_MAX) this.log.push(line)
    for (const listener of this.#listeners) listener(line)
  }

  /** Told each line of the log from now on, until the function returned is called. */
  onLog(listener: (line: LogLine) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** What `dstack-mesh status --json` prints, from the control socket itself. */
  status(): Promise<NodeStatus> {
    return new Promise((resolve, reject) => {
      const asked = request(
        { socketPath: controlSocketPath(this.dataDir), path: '/status', timeout: CONTROL_TIMEOUT_MS },
        (response) => {
          let text = ''
          response.setEncoding('utf8').on('data', (part: string) => {
            text += part
          })
          response.on('error', reject)
          response.on('end', () => {
            if (response.statusCode === 200) resolve(JSON.parse(text) as NodeStatus)
            else reject(new Error(`${this.name} answered ${response.statusCode}: ${text}`))
          })
        },
      )
      asked.on('timeout', () => asked.destroy(new Error(`${this.name} does not answer`)))
      asked.on('error', reject)
      asked.end()
    })
  }

  /** Of the key that its app gets for `path`. */
  keyFingerprint(path: string): Promise<string> {
    return keyFingerprint(this.socket, path)
  }

  signal(signal: NodeJS.Signals): void {
    if (this.#end === undefined) process.kill(this.pid, signal)
  }

  /** kill -9, and it is gone when this resolves. */
  async kill(): Promise<void> {
    this.signal('SIGKILL')
    await this.ended
  }

  residentBytes(): number {
    const [, kilobytes] = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${this.pid}/status`, 'utf8')) ?? []
    return Number(kilobytes) * 1024
  }

  openFiles(): number {
    return readdirSync(`/proc/${this.pid}/fd`).length
  }
}
