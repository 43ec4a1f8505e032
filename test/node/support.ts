import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import type { Attester } from '../../src/attest/attester.ts'
import {
  createEmulatedPki,
  createEmulatedTd,
  type EmulatedPki,
  type Measurements,
  type QuoteFields,
} from '../../src/attest/emulator/index.ts'
import { type Clock, type Log, type LogFields, systemClock } from '../../src/base/index.ts'
import { createNode, type MeshNode, type NodeInit } from '../../src/index.ts'
import { MEASUREMENTS } from '../attest/support.ts'

/** A port that nobody listens at now. */
export const freePort = async (): Promise<number> => {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** A log that remembers. */
export class Recorder implements Log {
  readonly lines: { level: string; event: string; fields: LogFields }[] = []
  debug = (event: string, fields: LogFields = {}) => this.#note('debug', event, fields)
  info = (event: string, fields: LogFields = {}) => this.#note('info', event, fields)
  warn = (event: string, fields: LogFields = {}) => this.#note('warn', event, fields)
  error = (event: string, fields: LogFields = {}) => this.#note('error', event, fields)
  child = (): Log => this
  #waiting: { event: string; resolve(fields: LogFields): void }[] = []
  #note(level: string, event: string, fields: LogFields): void {
    this.lines.push({ level, event, fields })
    for (const waiting of this.#waiting.filter((each) => each.event === event)) waiting.resolve(fields)
    this.#waiting = this.#waiting.filter((each) => each.event !== event)
  }
  all(event: string): LogFields[] {
    return this.lines.filter((line) => line.event === event).map(({ fields }) => fields)
  }
  /** Resolves with the next line of this event, or one that is already there. */
  seen(event: string): Promise<LogFields> {
    const [first] = this.all(event)
    return first === undefined ? new Promise((resolve) => this.#waiting.push({ event, resolve })) : Promise.resolve(first)
  }
}

/** Nodes in this process, on loopback, on emulated TDs of one PKI; all gone after {@link InProcess.close}. */
export class InProcess {
  readonly nodes: MeshNode[] = []
  private constructor(
    readonly folder: string,
    readonly pki: EmulatedPki,
  ) {}

  static async open(): Promise<InProcess> {
    return new InProcess(await mkdtemp('/tmp/dsm-in-'), createEmulatedPki({ nowMs: systemClock.now() }))
  }

  td(
    options: { measurements?: Partial<Measurements>; quoteFields?: QuoteFields; pki?: EmulatedPki; clock?: Clock } = {},
  ): Attester {
    return createEmulatedTd({
      pki: options.pki ?? this.pki,
      measurements: { ...MEASUREMENTS, ...options.measurements },
      clock: options.clock ?? systemClock,
      ...(options.quoteFields !== undefined && { quoteFields: options.quoteFields }),
    })
  }

  async node(name: string, init: Pick<NodeInit, 'entry'> & Partial<NodeInit>): Promise<MeshNode> {
    const node = await createNode({
      dataDir: join(this.folder, name),
      apps: [{ name: 'app', socket: { path: this.socket(name) } }],
      listen: ['/ip4/127.0.0.1/tcp/0'],
      attester: this.td(),
      ...init,
    })
    this.nodes.push(node)
    return node
  }

  async first(init: Partial<NodeInit> = {}): Promise<MeshNode> {
    const node = await this.node('first', { entry: { kind: 'new' }, ...init })
    await node.start()
    return node
  }

  /** How a node joins through `member`. */
  entry(member: MeshNode, timeoutMs = 20_000): NodeInit['entry'] {
    return { kind: 'join', cluster: member.status().cluster!, peers: member.addresses(), timeoutMs }
  }

  socket(name: string): string {
    return join(this.folder, `${name}.sock`)
  }

  async close(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.stop()))
    await rm(this.folder, { recursive: true, force: true })
  }
}
