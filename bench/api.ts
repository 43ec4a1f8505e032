// How fast an app socket answers: npx tsx bench/api.ts [seconds for each row]
// The server runs in a process of its own; autocannon asks it over the unix socket on 50 connections.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import { cpus } from 'node:os'
import { fileURLToPath } from 'node:url'
import { createAppServer } from '../src/api/index.ts'
import { secp256k1 } from '../src/keys/index.ts'
import { TestHost, TestSockets } from '../test/api/host.ts'

const CONNECTIONS = 50

interface Load {
  url: string
  socketPath: string
  connections: number
  duration: number
  requests: { method: string; path: string; headers?: object; body?: string; setupRequest?: (request: object) => object }[]
}
interface Result {
  requests: { average: number }
  latency: { p50: number; p99: number }
  non2xx: number
  errors: number
  statusCodeStats: Record<string, { count: number }>
}
const autocannon = createRequire(import.meta.url)('autocannon') as (load: Load) => Promise<Result>

const headers = { 'content-type': 'application/json' }
let count = 0
const rows: { name: string; request: Load['requests'][number] }[] = [
  {
    name: 'GetKey, a new path each time',
    request: {
      method: 'POST',
      path: '/GetKey',
      headers,
      setupRequest: (request) => ({ ...request, body: `{"path":"p${count++}"}` }),
    },
  },
  { name: 'GetKey, one path', request: { method: 'POST', path: '/GetKey', headers, body: '{"path":"p"}' } },
  {
    name: 'v1 GetKey ed25519, a new domain each time',
    request: {
      method: 'POST',
      path: '/v1/GetKey',
      headers,
      setupRequest: (request) => ({ ...request, body: `{"domain":"p${count++}","algorithm":"ed25519"}` }),
    },
  },
  { name: 'Sign secp256k1', request: { method: 'POST', path: '/Sign', headers, body: '{"algorithm":"secp256k1","data":"00"}' } },
  {
    name: 'GetTlsKey',
    request: {
      method: 'POST',
      path: '/GetTlsKey',
      headers,
      body: '{"subject":"a","alt_names":["a.example"],"usage_server_auth":true}',
    },
  },
  { name: 'status', request: { method: 'GET', path: '/status' } },
]

if (process.argv[2] === 'serve') {
  const server = await createAppServer(new TestHost())
  await server.listen({ path: process.argv[3]! })
  process.once('disconnect', () => void server.stop())
  process.send!('ready')
} else {
  const duration = Number(process.argv[2] ?? 5)
  await using sockets = await TestSockets.create()
  const server = fork(fileURLToPath(import.meta.url), ['serve', sockets.path()])
  try {
    await once(server, 'message')
    console.log(
      `${cpus().length} x ${cpus()[0]!.model}, Node ${process.version}, secp256k1: ${secp256k1().name}, ${CONNECTIONS} connections`,
    )
    for (const { name, request } of rows) {
      const load = { url: 'http://localhost', socketPath: sockets.path(), connections: CONNECTIONS, requests: [request] }
      await autocannon({ ...load, duration: 1 })
      const result = await autocannon({ ...load, duration })
      const failed = result.non2xx + result.errors
      console.log(
        `${name.padEnd(44)} ${String(Math.round(result.requests.average)).padStart(7)}/s   p50 ${result.latency.p50} ms   p99 ${result.latency.p99} ms${failed > 0 ? `   ${failed} FAILED` : ''}`,
      )
    }
  } finally {
    server.disconnect()
    await once(server, 'exit')
  }
}
