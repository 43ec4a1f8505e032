/**
 * What a large mesh would cost: the real Members of every node in one process, over a modelled network (test/sim):
 *   converge   from the last of five joins until every table is complete
 *   notice     from `kill -9` of a member until each other one holds it for unreachable
 *   rest       bytes a second that a member sends while nothing happens, from the messages that were really made; and who was
 *              falsely taken for unreachable
 * `npm run bench:mesh:sim [-- --nodes 25,100,300,1000 --kills 10 --rest 60 --json]`; also writes .bench/mesh-sim.json.
 *
 * Bytes a second a member = r · (L · (m + G) + (L + 1) · W) + c / T · (m + G) + H · (3 r · I + (1 − e^(−3 r)) · F) + p · P + s · S + b,
 * where the gossip's numbers are those that `bench:mesh -- --traffic` counts in 25 real nodes
 *   r  messages a second that the whole cluster publishes: one record in two seconds, whatever N, as long as members renew their
 *      credentials less often than that together; then 2 N / lifetime, from N = 900 on where that is an hour
 *   L  members that one relays a message to: of 4 to 6 links one brought it; it takes log N / log 4 steps
 *   m  bytes of a message, G those that gossipsub adds: author, sequence number, topic, signature and key
 *   W  bytes of an IDONTWANT, which goes to all links when a message comes
 *   c  connections, to all of which an author sends; T seconds between its records, N / r: less the more members there are
 *   H  members that are offered the messages of three heartbeats with each of them; I bytes of an id, F of a frame and topic
 *   p  pings a second: one in a second, whatever N; P bytes of one, both ways
 *   s  streams a second that a member opens; S what opening one costs, both ways
 *   b  bytes a second in streams: 54 of digests for each member, at intervals that grow with N from 60 on, so at most 54 a
 *      second and side; and each renewal's evidence
 * A death costs c hints, one by each that had a connection to it: who hears of it from three others adds none.
 * Nothing in it grows with N but c, as log N, over T, and r beyond that N: every member has to hear of each new credential.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { type JudgedRecord, judgeRecord, merge, nextRepublishMs, openRecord, recordRules } from '../protocols/membership/index.ts'
import type { NodeEvent } from '../src/node/events.ts'
import { attest, issue } from '../src/node/membership.ts'
import { joinAny } from '../test/sim/join.ts'
import { SimNetwork } from '../test/sim/network.ts'
import { type Cluster, clusterIdOf, SimNode } from '../test/sim/node.ts'
import { makePeers, peerOf } from '../test/sim/peers.ts'
import { standInSignatures } from '../test/sim/signatures.ts'
import { VOUCHED } from '../test/sim/td.ts'
import { SimRandom, START_MS, Timeline } from '../test/sim/time.ts'

const { values } = parseArgs({
  options: {
    nodes: { type: 'string', default: '25,100,300,1000' },
    kills: { type: 'string', default: '10' },
    rest: { type: 'string', default: '60' },
    json: { type: 'boolean', default: false },
  },
})
const JOINS = 5
const LIFETIME_MS = 3_600_000
/** As src/net has it. */
const CONNECTIONS = 12
const RELAYED_TO = 4.5
const OFFERED_TO = 4
const OFFERED_HEARTBEATS = 3
const ID_BYTES = 48
/** The topic, and what yamux and noise add. */
const OFFER_BYTES = 44 + 30
const IDONTWANT_BYTES = ID_BYTES + 10 + 30
// Of a message, beside its data: peer id 38, sequence number 8, topic 42, signature 64, key 36, and protobuf's own.
const GOSSIP_BYTES = 204
// Negotiated once (2 × 2 × 20 bytes of multistream and protocol id), 32 bytes there and back, each frame with yamux's 12 and
// noise's 18.
const STREAM_BYTES = 330
const PING_BYTES = STREAM_BYTES + 2 * (32 + 30)
/** What evidence has on a real machine and not here: quote, event log, certificates and revocation lists. */
const EVIDENCE_BYTES = 25_000

const quantile = (all: readonly number[], q: number): number => {
  const sorted = [...all].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN
}
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/**
 * Messages a second by all members at rest. Each publishes when its credential is renewed, at the ages that src/members/renewal.ts
 * draws, and when it has not for an interval.
 */
const publishedPerSecond = (members: number, random: SimRandom): number => {
  const life = (): number => LIFETIME_MS * (0.35 + Math.sqrt(-Math.log(1 - random.uniform()) / 30))
  const times = 10_000
  let nowMs = 0
  let renewedMs = life()
  for (let time = 0; time < times; time++) {
    const refreshedMs = nowMs + nextRepublishMs(members, random.uniform())
    nowMs = Math.min(renewedMs, refreshedMs)
    if (nowMs === renewedMs) renewedMs += life()
  }
  return (members * times * 1_000) / nowMs
}

class Mesh {
  readonly timeline = new Timeline()
  readonly random = new SimRandom(1)
  readonly network = new SimNetwork(this.timeline, this.random.fork())
  readonly nodes: SimNode[] = []
  onEvent: (node: SimNode, event: NodeEvent) => void = () => {}
  readonly cluster: Cluster = {
    key: peerOf(0),
    lifetimeMs: LIFETIME_MS,
    lapsedServeMs: 24 * LIFETIME_MS,
    services: { timeline: this.timeline, quotes: true, collateral: true, judges: true, collateralValidMs: 7 * 86_400_000 },
    timeline: this.timeline,
    network: this.network,
    random: this.random.fork(),
    quoteMs: 500,
    tell: (node, event) => this.onEvent(node, event),
    issued: () => {},
    over: new AbortController().signal,
  }

  constructor() {
    this.network.connections = CONNECTIONS
  }

  add(): SimNode {
    const index = this.nodes.length
    const node = new SimNode(this.cluster, peerOf(index + 1), { index, on: true })
    this.nodes.push(node)
    return node
  }

  /** Members that have known each other for long: tables complete, credentials of all ages. */
  async settle(size: number): Promise<void> {
    const nodes = Array.from({ length: size }, () => this.add())
    if (VOUCHED.accepted !== true) return
    const quoted = nodes.map(({ td, peer }) => attest(td, { context: 'member/1', fields: [clusterIdOf(this.cluster), peer.id] }))
    await this.until(1_000)
    const evidence = await Promise.all(quoted)
    const standings = nodes.map((node, at) => {
      const issuedAt = START_MS - Math.floor(this.random.uniform() * LIFETIME_MS * 0.5)
      const credential = issue(nodes[(at + 1) % size]!.issuer, node.peer.id, VOUCHED.judged, issuedAt)
      return { credential, evidence: evidence[at]! }
    })
    // What they say when they begin is heard by nobody.
    this.network.weather.loss = 1
    for (const [at, node] of nodes.entries()) {
      await node.join(standings[at]!)
      node.serves = true
      node.run()
      // Ticks of real nodes do not fall together.
      await this.until(this.timeline.nowMs + 1_000 / size)
    }
    await this.until(this.timeline.nowMs + 2_000)
    const records: JudgedRecord[] = []
    for (const [at, node] of nodes.entries()) {
      const opened = await openRecord(node.members!.role().ownRecord())
      const { judged } = judgeRecord(opened, START_MS + this.timeline.nowMs, this.#rules(nodes[at === 0 ? 1 : 0]!))
      records.push({ ...judged!, issuedHere: false })
    }
    // All at once what years of gossip have told each of them.
    for (const [at, node] of nodes.entries()) {
      const { keep, table, now } = node.members!.role()
      for (const record of records) if (record !== records[at]) keep(merge(table(), record, now(), { seed: true }))
    }
    await this.until(this.timeline.nowMs + 2_000)
    this.network.weather.loss = 0
  }

  #rules(node: SimNode) {
    const { signingPublicKey, peer } = node
    return recordRules({ clusterId: clusterIdOf(this.cluster), self: peer.id, lifetimeMs: LIFETIME_MS, signingPublicKey })
  }

  async until(endMs: number, done: () => boolean = () => false): Promise<boolean> {
    while (!done()) {
      if (!this.timeline.step(endMs)) return done()
      if (this.timeline.stirred) await settled()
    }
    return true
  }
}

const measure = async (size: number, kills: number, restMs: number) => {
  const doing = (what: string): void => console.error(`${size} nodes: ${what}`)
  const mesh = new Mesh()
  doing('settling')
  await mesh.settle(size - JOINS)
  const { timeline, network } = mesh

  doing('at rest')
  let falselyUnreachable = 0
  mesh.onEvent = (_, event) => {
    if (event.kind === 'member' && event.change === 'unreachable') falselyUnreachable++
  }
  const before = { ...network.sent }
  const fromMs = timeline.nowMs
  const members = mesh.nodes.length
  await mesh.until(fromMs + restMs)
  const seconds = restMs / 1000
  const sent = (key: keyof typeof before): number => network.sent[key] - before[key]
  const messages = publishedPerSecond(members, mesh.random)
  const messageBytes = network.sent.publishedBytes / network.sent.published
  const wholeBytes = messageBytes + GOSSIP_BYTES
  const relayed = messages * (RELAYED_TO * wholeBytes + (RELAYED_TO + 1) * IDONTWANT_BYTES)
  const authored = (messages / members) * Math.min(CONNECTIONS * 2, members) * wholeBytes
  const inWindow = OFFERED_HEARTBEATS * messages
  const offered = OFFERED_TO * (inWindow * ID_BYTES + (1 - Math.exp(-inWindow)) * OFFER_BYTES)
  const gossip = relayed + authored + offered
  const pings = (sent('pings') / seconds / members) * PING_BYTES
  const streams = (sent('streams') / seconds / members) * STREAM_BYTES + sent('streamBytes') / seconds / members
  // Credentials are renewed at half their life.
  const renewals = (2 / (LIFETIME_MS / 1000)) * EVIDENCE_BYTES

  let missing = 0
  mesh.onEvent = (_, event) => {
    if (event.kind === 'member' && event.change === 'joined') missing--
  }
  missing = JOINS * (size - JOINS) + JOINS * (size - 1)
  doing(`${JOINS} join`)
  const joiners = Array.from({ length: JOINS }, () => mesh.add())
  const settledNodes = mesh.nodes.slice(0, -JOINS)
  let lastJoinMs = 0
  for (const joiner of joiners) {
    void joinAny(joiner, () => settledNodes)
  }
  const joined = async (): Promise<void> => {
    await mesh.until(timeline.nowMs + 60_000, () => joiners.every((node) => node.members !== undefined))
    lastJoinMs = timeline.nowMs
  }
  await joined()
  const converged = await mesh.until(timeline.nowMs + 600_000, () => missing <= 0)
  const convergeMs = converged ? timeline.nowMs - lastJoinMs : Number.NaN

  const notices: number[] = []
  let [deathMessages, deathMs] = [0, 0]
  for (let kill = 0; kill < kills; kill++) {
    await mesh.until(timeline.nowMs + 5_000)
    const victim = mesh.random.pick(mesh.nodes.filter(({ alive }) => alive))!
    const killedMs = timeline.nowMs
    doing(`one is killed, ${kill + 1} of ${kills}`)
    let noticed = 0
    const others = mesh.nodes.filter(({ alive }) => alive).length - 1
    mesh.onEvent = (_, event) => {
      if (event.kind !== 'member' || event.change !== 'unreachable') return
      if (event.peerId !== victim.text) falselyUnreachable++
      else {
        noticed++
        notices.push(timeline.nowMs - killedMs)
      }
    }
    victim.alive = false
    const { published } = network.sent
    network.gone(victim)
    await mesh.until(killedMs + 120_000, () => noticed >= others)
    deathMessages += network.sent.published - published
    deathMs += timeline.nowMs - killedMs
  }
  // Without those of a mesh at rest.
  const deathHints = Math.round((deathMessages - (messages * deathMs) / 1_000) / kills)

  return {
    nodes: size,
    convergeMs: Math.round(convergeMs),
    noticeP50Ms: Math.round(quantile(notices, 0.5)),
    noticeP99Ms: Math.round(quantile(notices, 0.99)),
    noticed: notices.length,
    deathHints,
    falselyUnreachable,
    messagesPerSecond: Math.round(messages * 100) / 100,
    messageBytes: Math.round(messageBytes),
    restBytesPerSecond: {
      gossip: Math.round(gossip),
      pings: Math.round(pings),
      streams: Math.round(streams),
      renewals: Math.round(renewals),
      total: Math.round(gossip + pings + streams + renewals),
    },
  }
}

const sizes = values.nodes.split(',').map(Number)
standInSignatures()
await makePeers(Math.max(...sizes) + 2)
const results: Awaited<ReturnType<typeof measure>>[] = []
for (const size of sizes) {
  const result = await measure(size, Number(values.kills), Number(values.rest) * 1_000)
  results.push(result)
  if (values.json) continue
  const { convergeMs, noticeP50Ms, noticeP99Ms, deathHints, falselyUnreachable, restBytesPerSecond: rest } = result
  console.log(
    `${size} nodes: complete ${convergeMs} ms after the last join; a kill noticed p50 ${noticeP50Ms} ms, p99 ${noticeP99Ms} ms, by ${deathHints} hints; ` +
      `at rest ${rest.total} B/s a member (gossip ${rest.gossip}, pings ${rest.pings}, streams ${rest.streams}, ` +
      `renewals ${rest.renewals}); ${falselyUnreachable} falsely accused`,
  )
}
const text = JSON.stringify(results, undefined, 2)
await mkdir('.bench', { recursive: true })
await writeFile('.bench/mesh-sim.json', `${text}\n`)
if (values.json) console.log(text)
