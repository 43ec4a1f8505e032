import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { finished } from 'node:stream'
import type { Handover } from '../anchor/index.ts'
import { listenOnUnixSocket, type UnixSocket } from '../api/index.ts'
import { MeshError, messageOf, TransientError, UsageError } from '../base/index.ts'

/** What the CLI may ask a running node; answers are JSON, or bytes where they are a secret. */
export interface ControlHost {
  status(): unknown
  members(): unknown
  /** Tells the others, and ends. Throws UsageError where nobody else holds the secret, unless it is forced. */
  leave(options: { force: boolean; forget: boolean }): Promise<{ cluster: string }>
  /** Where a transaction may wait for a funder on another machine. */
  handover?: Handover | undefined
  /** The key of `path` for the app `name` (default: the only one), 64 hex digits. */
  key(path: string, name: string | undefined): { app: string; appId: string; path: string; key: string }
  /** The key of an app's encrypted volume, 32 bytes; wiped here once it is sent. */
  volumeKey(volume: string, name: string | undefined): Uint8Array
  /** The private key with which an app serves TLS for the first domain, PKCS#8 PEM; wiped here once it is sent. */
  domainKey(domains: readonly string[], name: string | undefined): Uint8Array
  /** A PKCS#10 request, PEM, for a certificate of that key on all the domains. */
  domainRequest(
    domains: readonly string[],
    name: string | undefined,
  ): { app: string; appId: string; domains: string[]; request: string }
}

const BODY_LIMIT_BYTES = 64 * 1024
const REQUEST_TIMEOUT_MS = 5_000
const CONNECTIONS_MAX = 32

/** The control socket: mode 0600, separate from the apps'. */
export const openControl = async (path: string, host: ControlHost): Promise<UnixSocket> => {
  const server = createServer(
    { requestTimeout: REQUEST_TIMEOUT_MS, headersTimeout: REQUEST_TIMEOUT_MS, keepAlive: false },
    (request, response) => {
      answer(request, host).then(
        (body) => send(response, 200, body),
        (error) => send(response, statusOf(error), asJson(error)),
      )
    },
  )
  server.maxConnections = CONNECTIONS_MAX
  const socket = await listenOnUnixSocket(server, { path, mode: 0o600 })
  return {
    path: socket.path,
    async stop() {
      server.closeAllConnections()
      await socket.stop()
    },
  }
}

/** The kind of error, which the other side makes one of again. */
const statusOf = (error: unknown): number => {
  if (error instanceof UsageError || error instanceof ControlError) return 400
  if (error instanceof TransientError) return 503
  return error instanceof MeshError ? 403 : 500
}

const asJson = (error: unknown) =>
  error instanceof MeshError
    ? { error: error.message, code: error.code, ...(error.next !== undefined && { next: error.next }) }
    : { error: messageOf(error), code: 'internal' }

const send = (response: ServerResponse, status: number, body: unknown): void => {
  const secret = body instanceof Uint8Array
  const bytes = secret ? body : Buffer.from(`${JSON.stringify(body)}\n`)
  const type = secret ? 'application/octet-stream' : 'application/json'
  // Sent, or given up: in both cases nobody needs it here any more.
  if (secret) finished(response, () => bytes.fill(0))
  response.writeHead(status, { 'content-type': type, 'content-length': bytes.length, connection: 'close' })
  response.end(bytes)
}

const answer = async (request: IncomingMessage, host: ControlHost): Promise<unknown> => {
  const route = `${request.method} ${request.url}`
  switch (route) {
    case 'GET /status':
      return host.status()
    case 'GET /members':
      return host.members()
    case 'GET /anchor/transaction': {
      const waiting = host.handover?.waiting()
      if (waiting === undefined) throw nothingWaits()
      return waiting
    }
    case 'POST /anchor/transaction': {
      const { envelope } = await readJson(request)
      if (typeof envelope !== 'string') throw new ControlError('envelope must be a text')
      if (host.handover === undefined) throw nothingWaits()
      await host.handover.deliver(envelope)
      return { accepted: true }
    }
    case 'POST /leave': {
      const { force, forget } = await readJson(request)
      return host.leave({ force: force === true, forget: forget === true })
    }
    case 'POST /key': {
      const { path, app } = await readJson(request)
      if (typeof path !== 'string') throw new ControlError('path must be a text')
      return host.key(path, appName(app))
    }
    case 'POST /volume-key': {
      const { volume, app } = await readJson(request)
      if (typeof volume !== 'string') throw new ControlError('volume must be a text')
      return host.volumeKey(volume, appName(app))
    }
    case 'POST /domain-key':
    case 'POST /domain-request': {
      const { domains, app } = await readJson(request)
      if (!isTextList(domains)) throw new ControlError('domains must be a list of texts')
      return route === 'POST /domain-key' ? host.domainKey(domains, appName(app)) : host.domainRequest(domains, appName(app))
    }
    default:
      throw new ControlError(`no such route: ${route}`)
  }
}

const nothingWaits = (): UsageError =>
  new UsageError('nothing_waits', 'no transaction waits for its funder here', {
    next: 'make the cluster with `dstack-mesh up --new --anchor testnet --funder G…`; it prepares one',
  })

const isTextList = (value: unknown): value is string[] =>
  Array.isArray(value) && value.every((entry) => typeof entry === 'string')

const appName = (app: unknown): string | undefined => {
  if (app !== undefined && typeof app !== 'string') throw new ControlError('app must be a text')
  return app
}

class ControlError extends MeshError {
  override readonly name = 'ControlError'
  constructor(message: string) {
    super('bad_request', message)
  }
}

const readJson = async (request: IncomingMessage): Promise<Record<string, unknown>> => {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > BODY_LIMIT_BYTES) throw new ControlError(`more than ${BODY_LIMIT_BYTES} bytes`)
    chunks.push(chunk)
  }
  let body: unknown
  try {
    body = JSON.parse(Buffer.concat(chunks).toString('utf8'))
  } catch {
    throw new ControlError('not JSON')
  }
  if (typeof body !== 'object' || body === null || Array.isArray(body)) throw new ControlError('expected an object')
  return body as Record<string, unknown>
}
