import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { connect, type Socket } from 'node:net'
import type { Readable } from 'node:stream'
import {
  createStatusServer,
  STATUS_LIMITS,
  type StatusLimits,
  type StatusRoute,
  type StatusServer,
} from '../../../src/api/status/index.ts'
import { silentLog, systemClock } from '../../../src/base/index.ts'

/** What a node would tell; a test changes it. */
export class FakeNode {
  view: unknown = { status: { state: 'member' } }
  healthy = true
  views = 0
  source = {
    status: () => ({ state: 'member' }),
    view: () => {
      this.views++
      return this.view
    },
    health: () => ({ healthy: this.healthy, words: this.healthy ? 'member' : 'joining' }),
  }
}

export interface Got {
  status: number
  headers: IncomingMessage['headers']
  body: string
}

/** A status port on loopback and its askers; all gone after {@link StatusBench.close}. */
export class StatusBench {
  readonly #sockets: Socket[] = []
  private constructor(
    readonly node: FakeNode,
    readonly server: StatusServer,
    readonly url: URL,
  ) {}

  static async open(
    options: { limits?: Partial<StatusLimits>; routes?: StatusRoute[]; names?: string[]; node?: FakeNode } = {},
  ): Promise<StatusBench> {
    const { node = new FakeNode(), limits, ...more } = options
    const server = await createStatusServer({
      source: node.source,
      clock: systemClock,
      log: silentLog,
      limits: { ...STATUS_LIMITS, ...limits },
      ...more,
    })
    return new StatusBench(node, server, new URL(await server.listen({ host: '127.0.0.1', port: 0 })))
  }

  get port(): number {
    return Number(this.url.port)
  }

  get(path: string, options: { method?: string; headers?: Record<string, string> } = {}): Promise<Got> {
    return new Promise((resolve, reject) => {
      const asked = request({ host: '127.0.0.1', port: this.port, path, agent: false, ...options }, (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('error', reject)
        response.on('end', () =>
          resolve({
            status: response.statusCode!,
            headers: response.headers,
            body: Buffer.concat(chunks).toString('utf8'),
          }),
        )
      })
      asked.setTimeout(5_000, () => asked.destroy(new Error('no answer')))
      asked.on('error', reject)
      asked.end()
    })
  }

  async socket(): Promise<Socket> {
    const socket = connect({ host: '127.0.0.1', port: this.port })
    this.#sockets.push(socket)
    socket.on('error', () => {})
    await once(socket, 'connect')
    return socket
  }

  /** Sends these bytes and reads until the server closes. */
  async raw(bytes: string): Promise<string> {
    const socket = await this.socket()
    const read = textOf(socket)
    socket.write(bytes)
    return read
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets.splice(0)) socket.destroy()
    await this.server.stop()
  }
}

const textOf = async (stream: Readable): Promise<string> => {
  let text = ''
  for await (const chunk of stream.setEncoding('utf8')) text += chunk
  return text
}

/** Reads a socket until what came contains `part`; rejects when it closes before. */
export const until = async (socket: Socket, part: string | RegExp, already = ''): Promise<string> => {
  let text = already
  const has = () => (typeof part === 'string' ? text.includes(part) : part.test(text))
  while (!has()) {
    const [chunk] = (await Promise.race([
      once(socket, 'data'),
      once(socket, 'close').then(() => {
        throw new Error(`closed after: ${text}`)
      }),
    ])) as [Buffer]
    text += chunk.toString('utf8')
  }
  return text
}
