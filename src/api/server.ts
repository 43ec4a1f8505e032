import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { messageOf } from '../base/index.ts'
import { Answers } from './answers.ts'
import { type Failure, failureOf, StatusError } from './errors.ts'
import type { ApiHost } from './host.ts'
import { API_LIMITS, type ApiLimits, LargeBodies, SlowRequests } from './limits.ts'
import { type Message, parseJson, parseProtobuf, parseQuery, toJson, toProtobuf, type Values, wipeSecrets } from './message.ts'
import { PLAIN_ROUTES, type PlainRoute } from './plain-routes.ts'
import { RPC_ROUTES, type RpcRoute } from './rpc-routes.ts'
import { listenOnUnixSocket, type SocketPlace, type UnixSocket } from './socket.ts'

/** The API of one app, for one socket. */
export interface AppServer {
  readonly server: Server
  listen(place: SocketPlace): Promise<UnixSocket>
  /** Forgets all kept answers: call it when the keyring is wiped. */
  forgetKeys(): void
  /** Removes the socket, lets answers under way finish for a while, then closes every connection. */
  stop(): Promise<void>
}

const JSON_TYPE = 'application/json'
const PROTOBUF_TYPE = 'application/octet-stream'
const TYPES = { text: 'text/plain; charset=utf-8', json: JSON_TYPE, bytes: PROTOBUF_TYPE } as const

const NO_BODY = Buffer.alloc(0)

/** Loads what a server is made of, for who has to wait for something else first. */
export const loadAppServer = async (): Promise<void> => {
  await import('fastify')
}

/**
 * The guest agent's API of one app: dstack's v0, v1 and Tappd, the seeds' routes, and ours. `host` decides whose keys it
 * serves; nothing in a request can.
 */
export const createAppServer = async (host: ApiHost, limits: Readonly<ApiLimits> = API_LIMITS): Promise<AppServer> => {
  // Lazily: whoever only describes the routes, or brings others, needs no HTTP server.
  const { fastify } = await import('fastify')
  const app = fastify({
    bodyLimit: limits.bodyBytes,
    connectionTimeout: limits.idleTimeoutMs,
    keepAliveTimeout: limits.idleTimeoutMs,
    requestTimeout: limits.requestTimeoutMs,
    http: {
      headersTimeout: limits.headersTimeoutMs,
      connectionsCheckingInterval: Math.min(1_000, limits.headersTimeoutMs),
      maxHeaderSize: limits.headerBytes,
    },
    routerOptions: { maxParamLength: limits.headerBytes },
    exposeHeadRoutes: false,
    clientErrorHandler,
    frameworkErrors: (error, request, reply) => sendFailure(reply, wantsJson(request), failureOfHttp(error)),
  })
  app.server.maxConnections = limits.connections

  // Every body arrives as bytes: the route knows what it is.
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
  app.setErrorHandler((error, request, reply) => {
    const failure = failureOfHttp(error)
    // An app decides how often it asks: only what is our fault is worth a line of the operator's log.
    if (failure.status === 500) host.log.error('api.failed', { path: pathOf(request.url), reason: messageOf(error) })
    return sendFailure(reply, wantsJson(request), failure)
  })
  app.setNotFoundHandler((request, reply) => notFound(request, reply))

  const { onAnswered } = host
  if (onAnswered !== undefined) {
    app.addHook('onResponse', (request, reply, done) => {
      onAnswered({ route: request.routeOptions.url, status: reply.statusCode, ms: reply.elapsedTime })
      done()
    })
  }

  const bodies = new LargeBodies(limits)
  app.addHook('onRequest', (request, reply, done) => done(bodies.admit(request, reply)))

  const answers = new Answers()
  const slow = new SlowRequests(host.clock, limits)
  for (const route of RPC_ROUTES) {
    for (const url of route.paths) {
      app.route({ method: ['GET', 'POST'], url, handler: rpcHandler(route, host, answers, slow) })
    }
  }
  for (const route of PLAIN_ROUTES) app.route({ method: route.method, url: route.path, handler: plainHandler(route, host) })
  await app.ready()

  let socket: UnixSocket | undefined
  return {
    server: app.server,
    listen: async (place) => {
      socket = await listenOnUnixSocket(app.server, place)
      return socket
    },
    forgetKeys: () => answers.wipe(),
    stop: () => stop(app, socket, host, limits).finally(() => answers.wipe()),
  }
}

/** How often a stopping server looks for connections that an answer, or the rest of a refused body, has left idle. */
const IDLE_LOOK_MS = 20

const stop = async (app: FastifyInstance, socket: UnixSocket | undefined, host: ApiHost, limits: ApiLimits): Promise<void> => {
  using grace = host.clock.deadline(limits.stopGraceMs)
  grace.signal.addEventListener('abort', () => app.server.closeAllConnections())
  let stopped = false
  const stopping = Promise.resolve(socket?.stop())
    .then(() => app.close())
    .finally(() => {
      stopped = true
    })
  while (!stopped) {
    app.server.closeIdleConnections()
    await Promise.race([stopping, host.clock.sleep(IDLE_LOOK_MS)])
  }
  await stopping
}

const pathOf = (url: string): string => url.split('?', 1)[0]!

const bodyOf = (request: FastifyRequest): Buffer => (Buffer.isBuffer(request.body) ? request.body : NO_BODY)

/** JSON for GET, for a JSON body, and for ?json, ?json=1 and ?json=true; anything else is protobuf. */
const wantsJson = (request: FastifyRequest): boolean => {
  if (request.method === 'GET') return true
  const type = request.headers['content-type']
  if (type === JSON_TYPE || (type !== undefined && type.split(';', 1)[0]!.trim().toLowerCase() === JSON_TYPE)) return true
  const at = request.url.indexOf('?')
  return at >= 0 && ['', '1', 'true'].includes(new URLSearchParams(request.url.slice(at + 1)).get('json') ?? 'absent')
}

const requireMember = (host: ApiHost): void => {
  const membership = host.membership()
  if (membership.member) return
  throw new StatusError({
    status: 503,
    message: `not a member of the cluster: ${membership.why}`,
    retryAfterMs: membership.retryAfterMs,
  })
}

const rpcHandler =
  (route: RpcRoute, host: ApiHost, answers: Answers, slow: SlowRequests) =>
  (request: FastifyRequest, reply: FastifyReply): Promise<void> | undefined => {
    const json = wantsJson(request)
    const body = bodyOf(request)
    if (route.needsMember) requireMember(host)
    const name = route.repeatable ? Answers.nameOf(request.method, request.url, json, body) : undefined
    const kept = name === undefined ? undefined : answers.get(name)
    if (kept !== undefined) {
      reply.type(json ? JSON_TYPE : PROTOBUF_TYPE).send(kept)
      return undefined
    }

    const { request: message, response } = route
    const query = () => request.url.slice(pathOf(request.url).length + 1)
    const values =
      request.method === 'GET' ? parseQuery(message, query()) : json ? parseJson(message, body) : parseProtobuf(message, body)
    const send = (answer: Values<Message>) => {
      const bytes = json ? Buffer.from(JSON.stringify(toJson(response, answer))) : Buffer.from(toProtobuf(response, answer))
      wipeSecrets(response, answer)
      if (name !== undefined) answers.keep(name, bytes)
      reply.type(json ? JSON_TYPE : PROTOBUF_TYPE).send(bytes)
    }
    if (!route.slow) {
      const answer = route.handle(values, { host, signal: neverAborts })
      if (answer instanceof Promise) return answer.then(send)
      // Nothing is returned where nothing is awaited: fastify would watch a returned reply to its end.
      send(answer)
      return undefined
    }
    return slow.run(request, (signal) => Promise.resolve(route.handle(values, { host, signal }))).then(send)
  }

const neverAborts = new AbortController().signal

const plainHandler = (route: PlainRoute, host: ApiHost) => async (request: FastifyRequest, reply: FastifyReply) => {
  if (route.needsMember) requireMember(host)
  const answer = await route.handle({ params: request.params as Record<string, string>, body: bodyOf(request) }, host)
  return reply
    .type(TYPES[route.answers])
    .send(typeof answer === 'string' ? Buffer.from(answer) : Buffer.from(answer.buffer, answer.byteOffset, answer.length))
}

const errorJson = (message: string): string => JSON.stringify({ error: message }, null, 2)

const sendFailure = (reply: FastifyReply, json: boolean, { status, message, retryAfterMs }: Failure) => {
  reply.code(status)
  if (retryAfterMs !== undefined) reply.header('retry-after', String(Math.max(1, Math.ceil(retryAfterMs / 1000))))
  if (json) return reply.type(JSON_TYPE).send(Buffer.from(errorJson(message)))
  // prpc's ProtoError.
  return reply.type(PROTOBUF_TYPE).send(Buffer.from(toProtobuf({ message: { type: 'string', number: 1 } }, { message })))
}

/** fastify's own errors have a status; ours are known by their class. */
const failureOfHttp = (error: unknown): Failure => {
  const { statusCode, code } = error as { statusCode?: unknown; code?: unknown }
  if (typeof code !== 'string' || !code.startsWith('FST_') || typeof statusCode !== 'number') return failureOf(error)
  if (statusCode === 413) return { status: 413, message: 'payload too large' }
  return { status: statusCode >= 500 ? 500 : 400, message: statusCode >= 500 ? 'internal error' : messageOf(error) }
}

/** Where methods are mounted: /<Method>, /v0/<Method>, /v1/<Method>, /prpc/<Method>, /prpc/v0/<Method>. */
const MOUNTED = /^\/(?:v0\/|v1\/|prpc\/(?:v0\/)?)?([A-Za-z][A-Za-z0-9_.]*)$/

/** As dstack 0.6 tells them apart: JSON for a method that a mounted interface has not, a page where nothing is mounted. */
const notFound = (request: FastifyRequest, reply: FastifyReply) => {
  const method = MOUNTED.exec(pathOf(request.url))?.[1]
  if (method === undefined || (request.method !== 'GET' && request.method !== 'POST')) {
    return reply.code(404).type(TYPES.text).send('404: nothing is served here\n')
  }
  return sendFailure(reply, wantsJson(request), { status: 404, message: `Service not found: ${method}` })
}

/** What is not HTTP, too slow or too long. The connection ends: what follows on it cannot be told from the rest of this. */
const clientErrorHandler = (error: NodeJS.ErrnoException, socket: Socket): void => {
  if (error.code === 'ECONNRESET' || socket.destroyed || !socket.writable) {
    socket.destroy()
    return
  }
  const [status, message] =
    error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
      ? ['408 Request Timeout', 'the request did not arrive in time']
      : error.code === 'HPE_HEADER_OVERFLOW'
        ? ['431 Request Header Fields Too Large', 'the request line and headers are too long']
        : ['400 Bad Request', 'not an HTTP request, or Content-Length does not count its bytes (bytes, not characters)']
  const body = errorJson(message)
  socket.end(
    `HTTP/1.1 ${status}\r\ncontent-type: ${JSON_TYPE}\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
  )
  socket.destroySoon()
}
