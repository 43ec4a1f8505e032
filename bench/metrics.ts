/**
 * What metrics cost, measured on this machine:
 *   scrape   one text of a node with 200 members in its table and every series filled; cpuMs is processor time, on all threads
 *   memory   heap of an idle node with metrics, less that of one without; each in a process of its own, after a collection
 * `npm run bench:metrics [-- --scrapes 200 --json]`
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { decodeCredential } from '../protocols/records/index.ts'
import { REFUSAL_CODES } from '../protocols/wire/index.ts'
import { type Clock, type MeshNode, systemClock } from '../src/index.ts'
import { MemberTable } from '../src/members/index.ts'
import { NodeEvents } from '../src/node/events.ts'
import type { NodeMetrics } from '../src/node/metrics/index.ts'
import { describeCredential } from '../src/node/status.ts'
import { InProcess } from '../test/node/support.ts'
import { credentialOf, LIFETIME_MS, peers } from '../test/protocols/membership/mesh.ts'

const { values } = parseArgs({
  options: { scrapes: { type: 'string', default: '200' }, json: { type: 'boolean', default: false }, idle: { type: 'string' } },
})
const MEMBERS = 200
const IDLE_MS = 2_000

/** In a process of its own: the heap of one node that does nothing. */
const idle = async (metrics: boolean): Promise<void> => {
  const mesh = await InProcess.open()
  const node = await mesh.first({ metrics })
  await node.metrics()
  await systemClock.sleep(IDLE_MS)
  globalThis.gc?.()
  process.send!(process.memoryUsage().heapUsed)
  await mesh.close()
}

const idleBytes = async (metrics: boolean): Promise<number> => {
  const child = fork(fileURLToPath(import.meta.url), ['--idle', String(metrics)], {
    execArgv: [...process.execArgv, '--expose-gc'],
  })
  const [bytes] = (await once(child, 'message')) as [number]
  await once(child, 'exit')
  return bytes
}

const fill = (events: NodeEvents, metrics: NodeMetrics): void => {
  for (const code of REFUSAL_CODES) events.emit({ kind: 'join', peerId: '', outcome: 'refused', code })
  for (const message of ['record', 'revocation', 'unreachable'] as const) {
    for (const fault of ['stale', 'unknown_issuer', 'self_issued', 'full'] as const)
      events.emit({ kind: 'gossip', message, verdict: 'ignore', fault })
  }
  for (const outcome of ['renewed', 'refused', 'no_answer', 'no_verdict']) {
    for (const side of ['verifier', 'member'] as const) events.emit({ kind: 'challenge', side, peerId: '', outcome })
  }
  for (let route = 0; route < 60; route++) {
    for (const status of [200, 400, 503]) metrics.answered({ app: 'app', route: `/route${route}`, status, ms: route })
  }
}

const scrape = async (node: MeshNode, scrapes: number) => {
  const table = new MemberTable()
  const now = systemClock.now()
  const [issuer, ...others] = await peers(MEMBERS + 1)
  for (const other of others) {
    const credential = decodeCredential(credentialOf(other, issuer!, { issuedAt: now, expiresAt: now + LIFETIME_MS })).body
    table.admit({ peerId: peerIdFromPrivateKey(other.key).toString(), credential, addresses: ['/ip4/192.0.2.7/tcp/4001'] }, now)
  }
  const members = () =>
    table.active(now).map(({ peerId, credential, addresses }) => ({
      peerId,
      addresses,
      state: 'active' as const,
      tcbStatus: credential.judged.tcbStatus,
      ...describeCredential(credential),
    }))
  const events = new NodeEvents()
  // Every text is a new one.
  let jumps = 0
  const clock: Clock = { ...systemClock, monotonicMs: () => systemClock.monotonicMs() + 10_000 * jumps++ }
  // Not before: the idle ones without metrics have not loaded this.
  const { NodeMetrics } = await import('../src/node/metrics/index.ts')
  const metrics = new NodeMetrics({
    source: { status: () => ({ ...node.status(), members: members() }), remainingMs: () => 1, collateral: () => undefined },
    events,
    clock,
    version: '0',
  })
  fill(events, metrics)
  let bytes = 0
  const times: number[] = []
  const used = process.cpuUsage()
  for (let i = 0; i < scrapes; i++) {
    const sinceMs = systemClock.monotonicMs()
    const { body } = await metrics.render()
    times.push(systemClock.monotonicMs() - sinceMs)
    bytes = body.length
    if (i === 0 && !body.includes(`dstack_mesh_members{state="active"} ${MEMBERS}`)) throw new Error('the members are not there')
  }
  const { user, system } = process.cpuUsage(used)
  const cpuMs = Math.round((user + system) / scrapes / 100) / 10
  times.sort((a, b) => a - b)
  const at = (q: number): number => Math.round(times[Math.min(times.length - 1, Math.floor(q * times.length))]! * 10) / 10
  return { members: MEMBERS, scrapes, bytes, p50Ms: at(0.5), p99Ms: at(0.99), maxMs: at(1), cpuMs }
}

if (values.idle !== undefined) await idle(values.idle === 'true')
else {
  const mesh = await InProcess.open()
  const node = await mesh.first({ metrics: true })
  await node.metrics()
  const result = { scrape: await scrape(node, Number(values.scrapes)), memory: { withBytes: 0, withoutBytes: 0 } }
  await mesh.close()
  result.memory = { withBytes: await idleBytes(true), withoutBytes: await idleBytes(false) }
  const { withBytes, withoutBytes } = result.memory
  if (values.json) console.log(JSON.stringify(result))
  else {
    console.log(result.scrape)
    console.log(
      `metrics take ${((withBytes - withoutBytes) / 2 ** 20).toFixed(1)} MiB of an idle node's ${(withBytes / 2 ** 20).toFixed(0)} MiB`,
    )
  }
}
