import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { type Clock, type Log, messageOf } from '../../base/index.ts'
import { hostAllowed } from './hosts.ts'
import { KeptText } from './kept.ts'
import { STATUS_LIMITS, type StatusLimits } from './limits.ts'
import { loadPage, type Page } from './page.ts'
import { EventStreams } from './streams.ts'

/** A request for one of the routes. */
export interface StatusRequest {
  readonly query: URLSearchParams
  /** The asker's IP address. */
  readonly asker: string
  /** Aborts when the asker is gone or the server stops. */
  readonly signal: AbortSignal
}

export interface StatusAnswer {
  /** @default 200 */
  readonly status?: number
  /** Media type. */
  readonly type: string
  readonly body: string | Uint8Array
  readonly headers?: Readonly<Record<string, string>>
}

/** Something more that the port serves. What `handle` throws is answered with 500 and told to the log alone. */
export interface StatusRoute {
  /** Exactly this, such as `/metrics`. */
  readonly path: string
  handle(request: StatusRequest): StatusAnswer | Promise<StatusAnswer>
}

/** Where what is shown comes from. */
export interface StatusSource {
  /** The node's status; JSON. */
  status(): unknown
  /** What the page shows ({@link StatusView}); JSON. Called at most four times a second, and only while somebody looks. */
  view(): unknown
  /** Whether the node does what it is for; `words` on one line. */
  health(): { readonly healthy: boolean; readonly words: string }
}

export interface StatusServerInit {
  readonly source: StatusSource
  readonly routes?: readonly StatusRoute[]
  /** Host names, besides `localhost`, under which the port is asked for; IP addresses always are. */
  readonly names?: readonly string[]
  readonly clock: Clock
  readonly log: Log
  readonly limits?: Readonly<StatusLimits>
}

export interface StatusPlace {
  /** An IP address. */
  readonly host: string
  readonly port: number
  /** Takes any free port where this one is taken. */
  readonly otherwiseAny?: boolean
}

export interface StatusServer {
  /** Resolves to the URL of the page. */
  listen(place: StatusPlace): Promise<string>
  /** Something happened that the page may show. */
  changed(): void
  /** How many event streams are open. */
  openStreams(): number
  stop(): Promise<void>
}

const JSON_TYPE = 'application/json'
const TEXT_TYPE = 'text/plain; charset=utf-8'

/** In every answer: nothing here is to be kept, framed, guessed at, or read by another origin. */
const HEADERS = {
  'cache-control': 'no-store',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), geolocation=(), microphone=()',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
} as const
const NOTHING_ALLOWED = "default-src 'none'; frame-ancestors 'none'"

const text = (status: number, words: string, headers: Record<string, string> = {}): StatusAnswer => ({
  status,
  type: TEXT_TYPE,
  body: `${words}\n`,
  headers,
})

/** The status page and what stands beside it, over plain HTTP; reads only. */
export const createStatusServer = async (init: StatusServerInit): Promise<StatusServer> => {
  const limits = init.limits ?? STATUS_LIMITS
  const page = await loadPage()
  const texts = {
    status: new KeptText(() => init.source.status(), init.clock, limits.viewPauseMs),
    view: new KeptText(() => init.source.view(), init.clock, limits.viewPauseMs),
  }
  const streams = new EventStreams({ clock: init.clock, limits, view: () => texts.view.get() })
  const stopping = new AbortController()
  const handler = new Handler(init, page, streams, texts, stopping.signal)
  const server = createServer(
    {
      maxHeaderSize: limits.headerBytes,
      headersTimeout: limits.headersTimeoutMs,
      requestTimeout: limits.requestTimeoutMs,
      connectionsCheckingInterval: Math.min(1_000, limits.headersTimeoutMs),
      keepAliveTimeout: limits.headersTimeoutMs,
    },
    (request, response) => void handler.answer(request, response),
  )
  server.maxConnections = limits.connections
  server.timeout = limits.idleTimeoutMs
  // Who pipelines without reading would have every answer kept for him in memory.
  server.maxRequestsPerSocket = 1
  server.on('clientError', onClientError)
  // `Expect: 100-continue` comes with a body, which nothing here takes; an upgrade would hand over the socket.
  server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => void handler.answer(request, response))
  return {
    listen: (place) => listen(server, place),
    changed: () => streams.changed(),
    openStreams: () => streams.size,
    async stop() {
      stopping.abort(new Error('the node is stopping'))
      await streams.stop()
      await new Promise<void>((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      })
    },
  }
}

const listen = async (server: Server, { host, port, otherwiseAny = false }: StatusPlace): Promise<string> => {
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen({ host, port }, () => {
        server.off('error', reject)
        resolve()
      })
    })
  } catch (error) {
    if (otherwiseAny && (error as NodeJS.ErrnoException).code === 'EADDRINUSE') return listen(server, { host, port: 0 })
    throw error
  }
  const at = server.address()
  if (at === null || typeof at === 'string') throw new Error('the status port listens nowhere')
  return `http://${at.family === 'IPv6' ? `[${at.address}]` : at.address}:${at.port}/`
}

type Texts = Readonly<Record<'status' | 'view', KeptText>>

class Handler {
  readonly #source: StatusSource
  readonly #routes: ReadonlyMap<string, StatusRoute>
  readonly #names: ReadonlySet<string>
  readonly #log: Log
  readonly #page: Page
  readonly #streams: EventStreams
  readonly #texts: Texts
  readonly #stopping: AbortSignal

  constructor(init: StatusServerInit, page: Page, streams: EventStreams, texts: Texts, stopping: AbortSignal) {
    this.#source = init.source
    this.#routes = new Map((init.routes ?? []).map((route) => [route.path, route]))
    this.#names = new Set((init.names ?? []).map((name) => name.toLowerCase()))
    this.#log = init.log
    this.#page = page
    this.#streams = streams
    this.#texts = texts
    this.#stopping = stopping
  }

  /** Never rejects. */
  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = request.url ?? ''
    const path = url.split('?', 1)[0]!
    try {
      const refused = this.#refusal(request)
      if (refused === undefined && path === '/events' && request.method === 'GET') {
        this.#stream(response)
        return
      }
      send(request, response, refused ?? (await this.#routed(path, url.slice(path.length + 1), request, response)))
    } catch (error) {
      this.#log.error('status.failed', { path, reason: messageOf(error) })
      send(request, response, text(500, 'internal error'))
    }
  }

  #refusal({ method, headers }: IncomingMessage): StatusAnswer | undefined {
    if (!hostAllowed(headers.host, this.#names)) {
      return text(
        421,
        'this name is not served here: ask by IP address or localhost, or start the node with --status-name <name>',
      )
    }
    if (method !== 'GET' && method !== 'HEAD') return text(405, 'only GET and HEAD', { allow: 'GET, HEAD' })
    return undefined
  }

  #routed(path: string, query: string, request: IncomingMessage, response: ServerResponse): StatusAnswer | Promise<StatusAnswer> {
    switch (path) {
      case '/':
        return {
          type: 'text/html; charset=utf-8',
          body: this.#page.html,
          headers: { 'content-security-policy': this.#page.contentSecurityPolicy },
        }
      case '/status':
        return { type: JSON_TYPE, body: `${this.#texts.status.get()}\n` }
      case '/view':
        return { type: JSON_TYPE, body: `${this.#texts.view.get()}\n` }
      case '/events':
        return { type: 'text/event-stream', body: '' }
      case '/healthz': {
        const { healthy, words } = this.#source.health()
        return text(healthy ? 200 : 503, words)
      }
    }
    const route = this.#routes.get(path)
    if (route === undefined) return text(404, 'nothing is served here')
    const gone = new AbortController()
    response.once('close', () => gone.abort(new Error('the asker is gone')))
    return route.handle({
      query: new URLSearchParams(query),
      asker: request.socket.remoteAddress ?? '',
      signal: AbortSignal.any([gone.signal, this.#stopping]),
    })
  }

  #stream(response: ServerResponse): void {
    if (this.#streams.full || this.#stopping.aborted) {
      send(undefined, response, text(503, 'too many event streams; ask for /view now and then', { 'retry-after': '5' }))
      return
    }
    // Not the idle timeout of answers: a stream is watched by what its reader takes.
    response.socket?.setTimeout(0)
    response.writeHead(200, {
      ...HEADERS,
      'content-security-policy': NOTHING_ALLOWED,
      'content-type': 'text/event-stream',
      connection: 'close',
    })
    this.#streams.add(response)
  }
}

const send = (request: IncomingMessage | undefined, response: ServerResponse, answer: StatusAnswer): void => {
  if (response.headersSent || response.destroyed) return
  const { status = 200, type, body, headers } = answer
  const bytes = typeof body === 'string' ? Buffer.from(body) : body
  response.writeHead(status, {
    'content-security-policy': NOTHING_ALLOWED,
    ...HEADERS,
    ...headers,
    'content-type': type,
    'content-length': bytes.length,
    // Whoever was refused has nothing to say on this connection any more.
    ...(status >= 400 && { connection: 'close' }),
  })
  response.end(request?.method === 'HEAD' ? undefined : bytes)
}

/** What is not HTTP, too slow or too long. */
const onClientError = (error: NodeJS.ErrnoException, socket: Socket): void => {
  if (error.code === 'ECONNRESET' || socket.destroyed || !socket.writable) {
    socket.destroy()
    return
  }
  const status =
    error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
      ? '408 Request Timeout'
      : error.code === 'HPE_HEADER_OVERFLOW'
        ? '431 Request Header Fields Too Large'
        : '400 Bad Request'
  socket.end(`HTTP/1.1 ${status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n`)
  socket.destroySoon()
}
