import type { AddressInfo } from 'node:net'
import { StrKey } from '@stellar/stellar-sdk/base'
import { type FastifyError, type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from 'fastify'
import type { Clock } from '../../src/index.ts'
import type { PastLedger } from './chain.ts'
import { resultCodes } from './codes.ts'
import { type Devnet, WARNING } from './devnet.ts'
import { ProblemError, type ProblemKind, problem } from './problems.ts'
import { Rate } from './rate.ts'
import { answerRpc } from './rpc.ts'
import { type Envelope, MalformedError } from './transaction.ts'
import { resultOf, succeeded } from './verdict.ts'
import {
  accountTransactionsView,
  accountView,
  dataView,
  feeStatsView,
  ledgerView,
  proofView,
  rootView,
  transactionView,
} from './views.ts'

/** The largest transaction in base64, percent-encoded, fits several times. */
const BODY_BYTES_MAX = 256 * 1024
const HEADER_BYTES_MAX = 16 * 1024
const CONNECTIONS_MAX = 512
/** From a request's first byte to the end of its headers, and to its last. */
const HEADERS_TIMEOUT_MS = 3_000
const REQUEST_TIMEOUT_MS = 5_000
const IDLE_TIMEOUT_MS = 65_000
/** Horizon's: how long `POST /transactions` waits for the ledger. */
const SUBMIT_TIMEOUT_MS = 30_000
const REQUESTS_PER_SECOND = 500
const REQUESTS_BURST = 2_000
const FRIENDBOT_PER_SECOND = 10
const FRIENDBOT_BURST = 100
const RETRY_AFTER_SECONDS = 1

const FORM = 'application/x-www-form-urlencoded'
const JSON_TYPE = 'application/json'
/** HTTP fields are ASCII. */
const WARNING_HEADER = 'dstack-devnet-warning'

type Answer = Record<string, unknown>
type Handler = (request: FastifyRequest, reply: FastifyReply, base: string) => Answer | Promise<Answer>

interface Route {
  readonly method: 'GET' | 'POST'
  readonly url: string
  readonly bodyType?: string
  readonly handle: Handler
}

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')

const refuse = (...args: Parameters<typeof problem>): ProblemError => new ProblemError(problem(...args))

const invalid = (field: string, reason: string): ProblemError => refuse('bad_request', { invalid_field: field, reason })

const addressIn = (value: unknown, field: string): string => {
  if (typeof value !== 'string' || !StrKey.isValidEd25519PublicKey(value)) throw invalid(field, 'not an account address (G…)')
  return value
}

const parametersOf = (request: FastifyRequest): Record<string, string> => request.params as Record<string, string>

const ledgerIn = (devnet: Devnet, request: FastifyRequest): PastLedger => {
  const { sequence = '' } = parametersOf(request)
  if (!/^[1-9][0-9]{0,9}$/.test(sequence)) throw invalid('ledger_id', 'not the sequence number of a ledger')
  const past = devnet.chain.ledger(Number(sequence))
  if (past === undefined) throw refuse('not_found')
  if (past === 'pruned') throw refuse('before_history')
  return past
}

/** The field `tx` of a form, read. */
const envelopeIn = (devnet: Devnet, request: FastifyRequest): Envelope => {
  const text = new URLSearchParams(typeof request.body === 'string' ? request.body : '').get('tx')
  if (text === null || text === '') throw invalid('tx', 'the form has no field tx')
  try {
    return devnet.read(text)
  } catch (error) {
    if (error instanceof MalformedError) throw refuse('transaction_malformed', { envelope_xdr: text })
    throw error
  }
}

const failure = (envelope: Envelope, result: ReturnType<typeof resultOf>): ProblemError =>
  refuse('transaction_failed', {
    envelope_xdr: base64(envelope.xdr),
    result_codes: resultCodes(result),
    result_xdr: base64(result.toXdr()),
  })

/** Submits, and waits for the ledger. What is in one already is answered as it went then: sending it again is safe. */
const submitAndWait = async (devnet: Devnet, envelope: Envelope, base: string): Promise<Answer> => {
  const { hashHex } = envelope
  if (devnet.chain.transaction(hashHex) === undefined) {
    const admission = devnet.submit(envelope)
    if (admission.status === 'ERROR') throw failure(envelope, resultOf(envelope, admission.verdict))
    if (admission.status === 'TRY_AGAIN_LATER') throw new ProblemError(problem('server_over_capacity'), RETRY_AFTER_SECONDS)
  }
  const included = await devnet.included(hashHex, SUBMIT_TIMEOUT_MS)
  if (included === undefined) {
    throw refuse('transaction_submission_timeout', { envelope_xdr: base64(envelope.xdr), hash: hashHex })
  }
  if (!succeeded(included.verdict)) throw failure(envelope, included.result)
  return transactionView(included, hashHex, base)
}

/** stellar-core's own answer, at once. */
const ASYNC_STATUS = { PENDING: 201, DUPLICATE: 409, TRY_AGAIN_LATER: 503, ERROR: 400 } as const

const submitAndGo = (devnet: Devnet, envelope: Envelope, reply: FastifyReply): Answer => {
  const admission = devnet.submit(envelope)
  reply.code(ASYNC_STATUS[admission.status])
  return {
    ...(admission.status === 'ERROR' && { error_result_xdr: base64(resultOf(envelope, admission.verdict).toXdr()) }),
    tx_status: admission.status,
    hash: envelope.hashHex,
  }
}

const fund = (devnet: Devnet, request: FastifyRequest, base: string): Promise<Answer> => {
  const { addr } = request.query as Record<string, unknown>
  const envelope = devnet.fund(addressIn(addr, 'addr'))
  if (envelope === undefined) throw refuse('bad_request', undefined, 'account already funded to starting balance')
  return submitAndWait(devnet, envelope, base)
}

const accountIn = (devnet: Devnet, request: FastifyRequest) => {
  const account = devnet.chain.get(addressIn(parametersOf(request).id, 'account_id'))
  if (account === undefined) throw refuse('not_found')
  return account
}

/** What is served, in one list. */
const routesOf = (devnet: Devnet, friendbot: Rate): Route[] => [
  { method: 'GET', url: '/', handle: (_request, _reply, base) => rootView(devnet.chain, base) },
  {
    method: 'GET',
    url: '/accounts/:id',
    handle: (request, _reply, base) => accountView(devnet.chain, accountIn(devnet, request), base),
  },
  {
    method: 'GET',
    url: '/accounts/:id/transactions',
    handle(request, _reply, base) {
      const account = accountIn(devnet, request)
      const { order = 'asc', limit = '10' } = request.query as Record<string, unknown>
      if (order !== 'asc') throw invalid('order', 'only asc is served')
      if (typeof limit !== 'string' || !/^(?:[1-9]\d?|1\d\d|200)$/.test(limit)) throw invalid('limit', 'a number from 1 to 200')
      return accountTransactionsView(devnet.chain, account, Number(limit), base)
    },
  },
  {
    method: 'GET',
    url: '/accounts/:id/data/:key',
    handle(request) {
      const view = dataView(accountIn(devnet, request), parametersOf(request).key ?? '')
      if (view === undefined) throw refuse('not_found')
      return view
    },
  },
  { method: 'GET', url: '/fee_stats', handle: () => feeStatsView(devnet.chain) },
  {
    method: 'GET',
    url: '/ledgers/:sequence',
    handle: (request, _reply, base) => ledgerView(devnet.chain, ledgerIn(devnet, request), base),
  },
  {
    method: 'GET',
    url: '/ledgers/:sequence/proof',
    handle(request) {
      const past = ledgerIn(devnet, request)
      // Genesis has no transaction set and no results: there is nothing to prove it with.
      if (past.ledger === 1) throw refuse('not_found')
      return proofView(devnet.chain, past)
    },
  },
  {
    method: 'GET',
    url: '/transactions/:hash',
    handle(request, _reply, base) {
      const { hash = '' } = parametersOf(request)
      if (!/^[0-9a-f]{64}$/.test(hash)) throw invalid('tx_id', 'not a hash of 64 lower-case hex digits')
      const transaction = devnet.chain.transaction(hash)
      if (transaction === undefined) throw refuse('not_found')
      return transactionView(transaction, hash, base)
    },
  },
  {
    method: 'POST',
    url: '/transactions',
    bodyType: FORM,
    handle: (request, _reply, base) => submitAndWait(devnet, envelopeIn(devnet, request), base),
  },
  {
    method: 'POST',
    url: '/transactions_async',
    bodyType: FORM,
    handle: (request, reply) => submitAndGo(devnet, envelopeIn(devnet, request), reply),
  },
  {
    method: 'GET',
    url: '/friendbot',
    handle(request, _reply, base) {
      const wait = friendbot.take(request.ip)
      if (wait !== undefined) throw new ProblemError(problem('rate_limit_exceeded'), wait)
      return fund(devnet, request, base)
    },
  },
  {
    method: 'POST',
    url: '/rpc',
    bodyType: JSON_TYPE,
    handle: (request, _reply, base) => answerRpc(devnet.chain, typeof request.body === 'string' ? request.body : '', base),
  },
]

/** Which problem an error of the HTTP layer is. */
const kindOf = ({ statusCode = 500 }: FastifyError): ProblemKind => {
  if (statusCode === 413) return 'payload_too_large'
  if (statusCode === 415) return 'unsupported_media_type'
  return statusCode >= 400 && statusCode < 500 ? 'bad_request' : 'internal_server_error'
}

const sendProblem = (reply: FastifyReply, { problem: body, retryAfterSeconds }: ProblemError): FastifyReply => {
  if (retryAfterSeconds !== undefined) reply.header('retry-after', String(retryAfterSeconds))
  return reply
    .code(body.status)
    .header(WARNING_HEADER, WARNING)
    .type('application/problem+json; charset=utf-8')
    .send(JSON.stringify({ ...body, warning: WARNING }))
}

const otherMethods = (method: Route['method']): string[] =>
  ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'].filter((other) => other !== method)

const addRoute = (app: FastifyInstance, { method, url, bodyType, handle }: Route): void => {
  app.route({
    method,
    url,
    async handler(request, reply) {
      if (bodyType !== undefined && request.headers['content-type']?.split(';')[0]?.trim().toLowerCase() !== bodyType) {
        throw refuse('unsupported_media_type')
      }
      const { address, family, port } = app.server.address() as AddressInfo
      const base = `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`
      const answer = await handle(request, reply, base)
      reply.type('application/json; charset=utf-8')
      // JSON-RPC has a form of its own; the header says it there.
      return reply.send(JSON.stringify(url === '/rpc' || url === '/' ? answer : { ...answer, warning: WARNING }))
    },
  })
  app.route({
    method: otherMethods(method),
    url,
    handler(_request, reply) {
      reply.header('allow', method)
      throw refuse('method_not_allowed')
    },
  })
}

/** The HTTP server, listening. */
export const serve = async (devnet: Devnet, clock: Clock, host: string, port: number): Promise<FastifyInstance> => {
  const app = fastify({
    bodyLimit: BODY_BYTES_MAX,
    connectionTimeout: IDLE_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: IDLE_TIMEOUT_MS,
    forceCloseConnections: true,
    routerOptions: { maxParamLength: 256 },
    http: { maxHeaderSize: HEADER_BYTES_MAX, headersTimeout: HEADERS_TIMEOUT_MS, connectionsCheckingInterval: 1_000 },
    frameworkErrors: (error, _request, reply) => sendProblem(reply as FastifyReply, refuse(kindOf(error))),
  })
  app.server.maxConnections = CONNECTIONS_MAX
  app.removeAllContentTypeParsers()
  app.addContentTypeParser([FORM, JSON_TYPE], { parseAs: 'string' }, (_request, body, done) => done(null, body))

  const requests = new Rate(clock, REQUESTS_PER_SECOND, REQUESTS_BURST)
  app.addHook('onRequest', async (request, reply) => {
    reply.header(WARNING_HEADER, WARNING)
    const wait = requests.take(request.ip)
    if (wait !== undefined) throw new ProblemError(problem('rate_limit_exceeded'), wait)
  })
  app.setErrorHandler((error: FastifyError, _request, reply) =>
    sendProblem(reply, error instanceof ProblemError ? error : refuse(kindOf(error))),
  )
  app.setNotFoundHandler((_request, reply) => sendProblem(reply, refuse('not_found')))
  for (const route of routesOf(devnet, new Rate(clock, FRIENDBOT_PER_SECOND, FRIENDBOT_BURST))) addRoute(app, route)
  await app.listen({ host, port })
  return app
}
