import assert from 'node:assert/strict'
import { type StdioOptions, spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { BIN, Program } from '../mesh/support.ts'

export interface Ended {
  code: number | null
  stdout: string
  stderr: string
}

/** A folder for files and the programs that read them; both are gone after {@link Workshop.close}. */
export class Workshop {
  readonly #programs: Program[] = []
  private constructor(readonly folder: string) {}

  static async open(): Promise<Workshop> {
    return new Workshop(await mkdtemp('/tmp/dsm-cli-'))
  }

  path(name: string): string {
    return join(this.folder, name)
  }

  async file(name: string, content: string | Uint8Array | object): Promise<string> {
    const bytes = typeof content === 'string' || content instanceof Uint8Array ? content : JSON.stringify(content)
    await writeFile(this.path(name), bytes)
    return this.path(name)
  }

  start(args: readonly string[], stdio: StdioOptions = ['ignore', 'pipe', 'pipe']): Program {
    const child = spawn(process.execPath, [BIN, ...args], { stdio, env: { ...process.env, NO_COLOR: '1' } })
    const program = new Program(child)
    this.#programs.push(program)
    return program
  }

  /** Runs to its end, fed with what `input` yields. */
  async run(args: readonly string[], input?: Iterable<string | Uint8Array>): Promise<Ended> {
    const program = this.start(args, [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'])
    const fed = input === undefined ? undefined : pipeline(Readable.from(input), program.child.stdin!)
    const { code } = await program.end()
    await fed
    return { code, stdout: program.stdout, stderr: program.stderr }
  }

  /** Runs what must fail: with this code, words on standard error, nothing on standard output, and no stack trace. */
  async fails(code: number, words: RegExp, ...args: string[]): Promise<void> {
    const ended = await this.run(args)
    assert.equal(ended.code, code, `${args.join(' ')}: ${ended.stderr}${ended.stdout}`)
    assert.match(ended.stderr, words)
    assert.equal(ended.stdout, '')
    assert.doesNotMatch(ended.stderr, /\n\s+at /, 'no stack trace')
  }

  async close(): Promise<void> {
    for (const { child } of this.#programs) if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
    await Promise.all(this.#programs.map(({ ended }) => ended))
    await rm(this.folder, { recursive: true, force: true })
  }
}

/** Runs tasks on both cores. */
export const inPairs = async (tasks: readonly (() => Promise<void>)[]): Promise<void> => {
  const waiting = [...tasks]
  const work = async (): Promise<void> => {
    for (let task = waiting.shift(); task !== undefined; task = waiting.shift()) await task()
  }
  await Promise.all([work(), work()])
}
