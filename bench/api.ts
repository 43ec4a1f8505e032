/**
 * How fast an app socket answers, measured on this machine: the server in a process of its own, pinned to one core;
 * autocannon asks it over the unix socket, on 50 connections, from another core.
 * `npm run bench:api [-- --seconds 5 --runs 3 --json]`; medians of the runs. Also writes .bench/api.json.
 */
import { execFileSync, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { cpus } from 'node:os'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { createAppServer } from '../src/api/index.ts'
import { secp256k1 } from '../src/keys/index.ts'
import { TestHost, TestSockets } from '../test/api/host.ts'

const CONNECTIONS = 50
const SERVER_CORE = '0'

interface Load {
  url: string
  socketPath: string
  connections: number
  duration: number
  requests: { method: string; path: string; headers?: object; body?: string; setupRequest?: (request: object) => object }[]
}
interface Result {
  requests: { average: number; total: number }
  latency: { p50: number; p99: number }
  non2xx: number
  errors: number
}
const autocannon = createRequire(import.meta.url)('autocannon') as (load: Load) => Promise<Result>

const headers = { 'content-type': 'application/json' }
let count = 0
const post = (path: string, body: string): Load['requests'][number] => ({ method: 'POST', path, headers, body })
/** Another body each time. */
const distinct = (path: string, body: (count: number) => string): Load['requests'][number] => ({
  method: 'POST',
  path,
  headers,
  setupRequest: (request) => ({ ...request, body: body(count++) }),
})

interface Row {
  name: string
  request: Load['requests'][number]
  aim?: { perSecond: number; p99Ms: number }
}
const rows: readonly Row[] = [
  {
    name: 'GetKey, a new path each time',
    request: distinct('/GetKey', (n) => `{"path":"p${n}"}`),
    aim: { perSecond: 3_000, p99Ms: 30 },
  },
  { name: 'GetKey, one path', request: post('/GetKey', '{"path":"p"}'), aim: { perSecond: 15_000, p99Ms: 5 } },
  {
    name: 'v1 GetKey ed25519, a new domain each time',
    request: distinct('/v1/GetKey', (n) => `{"domain":"p${n}","algorithm":"ed25519"}`),
  },
  { name: 'Sign secp256k1', request: post('/Sign', '{"algorithm":"secp256k1","data":"00"}') },
  {
    name: 'GetTlsKey',
    request: post('/GetTlsKey', '{"subject":"a","alt_names":["a.example"],"usage_server_auth":true}'),
  },
]

const serve = async (path: string): Promise<void> => {
  const server = await createAppServer(new TestHost())
  await server.listen({ path })
  process.once('disconnect', () => void server.stop())
  process.send!('ready')
}

/** Whether this machine can pin processes, and then this one is on another core than the server will be. */
const pinned = (): boolean => {
  try {
    execFileSync('taskset', ['-cp', cpus().length > 1 ? `1-${cpus().length - 1}` : SERVER_CORE, String(process.pid)], {
      stdio: 'ignore',
    })
    return true
  } catch {
    return false
  }
}

/** What a process has used of the processor so far, in microseconds: counted, whatever else the machine does. */
const cpuMicros = async (pid: number): Promise<number> => {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined)
  // After the name in brackets: utime and stime are fields 14 and 15 (proc(5)), in hundredths of a second.
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ')
  return fields === undefined ? Number.NaN : (Number(fields[11]) + Number(fields[12])) * 10_000
}

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1]!

const measure = async (): Promise<void> => {
  const { values } = parseArgs({
    options: {
      seconds: { type: 'string', default: '5' },
      runs: { type: 'string', default: '3' },
      json: { type: 'boolean', default: false },
    },
  })
  const [duration, runs] = [Number(values.seconds), Number(values.runs)]
  const isPinned = pinned()
  await using sockets = await TestSockets.create()
  const server = fork(
    fileURLToPath(import.meta.url),
    ['serve', sockets.path()],
    isPinned ? { execPath: 'taskset', execArgv: ['-c', SERVER_CORE, process.execPath, ...process.execArgv] } : {},
  )
  try {
    await once(server, 'message')
    const machine = { cpu: cpus()[0]?.model ?? 'unknown', cores: cpus().length, node: process.version }
    const about = { machine, pinned: isPinned, connections: CONNECTIONS, secp256k1: secp256k1().name, seconds: duration, runs }
    if (!values.json) {
      console.log(`machine   ${machine.cpu}, ${machine.cores} cores, Node ${machine.node}, secp256k1: ${about.secp256k1}`)
      console.log(
        `load      ${CONNECTIONS} connections, ${duration} s, median of ${runs}; server ${isPinned ? 'pinned to one core' : 'not pinned: there is no taskset here'}`,
      )
    }
    const results = []
    for (const { name, request, aim } of rows) {
      const load = { url: 'http://localhost', socketPath: sockets.path(), connections: CONNECTIONS, requests: [request] }
      await autocannon({ ...load, duration: 1 })
      const measured: Result[] = []
      const usedBefore = await cpuMicros(server.pid!)
      for (let run = 0; run < runs; run++) measured.push(await autocannon({ ...load, duration }))
      const answers = measured.reduce((sum, { requests }) => sum + requests.total, 0)
      const result = {
        name,
        cpuMicros: Math.round(((await cpuMicros(server.pid!)) - usedBefore) / answers),
        perSecond: Math.round(median(measured.map(({ requests }) => requests.average))),
        p50Ms: median(measured.map(({ latency }) => latency.p50)),
        p99Ms: median(measured.map(({ latency }) => latency.p99)),
        failed: measured.reduce((sum, { non2xx, errors }) => sum + non2xx + errors, 0),
        ...(aim !== undefined && { aim }),
      }
      results.push(result)
      if (values.json) continue
      const reached =
        aim === undefined ? '' : result.perSecond >= aim.perSecond && result.p99Ms <= aim.p99Ms ? 'reached' : 'MISSED'
      const aimed = aim === undefined ? '' : `   aim ≥ ${aim.perSecond}/s, p99 ≤ ${aim.p99Ms} ms: ${reached}`
      const failures = result.failed > 0 ? `   ${result.failed} FAILED` : ''
      console.log(
        `${name.padEnd(44)}${String(result.perSecond).padStart(7)}/s   p50 ${result.p50Ms} ms   p99 ${result.p99Ms} ms   ${result.cpuMicros} µs of processor each${aimed}${failures}`,
      )
    }
    await mkdir('.bench', { recursive: true })
    await writeFile('.bench/api.json', `${JSON.stringify({ ...about, results }, null, 2)}\n`)
    if (values.json) console.log(JSON.stringify({ ...about, results }))
    if (results.some(({ failed }) => failed > 0)) process.exitCode = 1
  } finally {
    server.disconnect()
    await once(server, 'exit')
  }
}

if (process.argv[2] === 'serve') await serve(process.argv[3]!)
else await measure()
