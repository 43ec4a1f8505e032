import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { systemClock } from '../../src/index.ts'

const PROGRAM = fileURLToPath(new URL('../../../bin/dstack-mesh.js', import.meta.url))
/** From SIGTERM to SIGKILL. */
const STOP_TIMEOUT_MS = 8_000
const LAST_LINES = 20

/** What `up --json` prints when it is ready, as far as it is used here. */
export interface Ready {
  cluster: string
  peerId: string
  addresses: string[]
  apps: { socket: string }[]
  /** Of the status page. */
  statusUrl: string | null
}

/** One line of a member's log. */
export interface LogLine {
  event: string
  /** Unix milliseconds. */
  at: number
  joinId: string | undefined
}

/** A member of the local mesh: one process of the built CLI. */
export class MemberProcess {
  readonly startedAt = systemClock.now()
  /** Resolves when it is a member; rejects when it ends before. */
  readonly ready: Promise<Ready>
  /** Resolves with how it ended. */
  readonly ended: Promise<string>
  readonly #child: ChildProcess
  readonly #lastLines: string[] = []

  constructor(
    readonly name: string,
    readonly dataDir: string,
    flags: readonly string[],
    onLog: (line: LogLine) => void,
  ) {
    this.#child = spawn(process.execPath, [PROGRAM, 'up', '--json', '--data-dir', dataDir, ...flags], {
      // A channel, so that a member ends with us whatever ends us; and a group of its own, so that Ctrl-C reaches only us.
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      detached: true,
    })
    this.ended = once(this.#child, 'exit').then(([code, signal]) => (signal === null ? `exit code ${code}` : String(signal)))
    this.ready = this.#readReady()
    // Whoever starts members waits for `ready`; until then a rejection is nobody's surprise.
    this.ready.catch(() => {})
    this.#readLog(onLog)
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  async #readReady(): Promise<Ready> {
    const line = await Promise.race([
      once(createInterface({ input: this.#child.stdout as Readable }), 'line').then(([text]) => text as string),
      this.ended.then((how) => {
        throw new Error(`${this.name} ended before it was ready (${how})\n${this.#lastLines.join('\n')}`)
      }),
    ])
    const answer = JSON.parse(line) as Ready & { error?: string; next?: string }
    if (answer.error !== undefined)
      throw new Error(`${this.name}: ${answer.error}${answer.next === undefined ? '' : `\n${answer.next}`}`)
    return answer
  }

  #readLog(onLog: (line: LogLine) => void): void {
    createInterface({ input: this.#child.stderr as Readable }).on('line', (text) => {
      this.#lastLines.push(text)
      if (this.#lastLines.length > LAST_LINES) this.#lastLines.shift()
      try {
        const { event, time, joinId } = JSON.parse(text) as { event?: string; time?: string; joinId?: string }
        if (event !== undefined && time !== undefined) onLog({ event, at: Date.parse(time), joinId })
      } catch {
        // Not a log line: kept above, for when the member ends early.
      }
    })
  }

  /** SIGTERM, and SIGKILL for one that does not end. */
  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    this.#child.kill('SIGTERM')
    const deadline = systemClock.deadline(STOP_TIMEOUT_MS)
    deadline.signal.addEventListener('abort', () => this.#child.kill('SIGKILL'))
    await this.ended
    deadline.clear()
  }
}
