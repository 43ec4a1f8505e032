/**
 * What kad-dht costs, side by side: with its own settings, with ours (src/net/dht.ts), and behind our gate, where it dials nobody.
 * Networks in one process over TCP on loopback; the plain ones know of one other when they begin.
 *   settling   the first `--settle` seconds: bytes, connections, requests of kad-dht, processor time
 *   rest       the next `--rest` seconds
 * In the numbers of our network are gossip and discovery too. `npm run bench:dht [-- --nodes 10,25 --settle 20 --rest 60]`.
 */
import { subscribe } from 'node:diagnostics_channel'
import type { Socket } from 'node:net'
import { parseArgs } from 'node:util'
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { identify } from '@libp2p/identify'
import type { Libp2p, Metrics, PeerId, Stream } from '@libp2p/interface'
import { kadDHT, passthroughMapper } from '@libp2p/kad-dht'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { createLibp2p } from 'libp2p'
import { silentLog, systemClock, systemRandom } from '../src/base/index.ts'
import { TUNING } from '../src/net/dht.ts'
import { createNetwork, createPeerKey, Discovery, type KnownMember } from '../src/net/index.ts'

const { values } = parseArgs({
  options: {
    nodes: { type: 'string', default: '10,25' },
    settle: { type: 'string', default: '20' },
    rest: { type: 'string', default: '60' },
  },
})

interface Node {
  libp2p: Libp2p
  stop(): Promise<void>
}

const sockets = new Set<Socket>()
for (const channel of ['net.client.socket', 'net.server.socket']) {
  subscribe(channel, (message) => void sockets.add((message as { socket: Socket }).socket))
}
let kadRequests = 0
const series = { update() {}, increment() {}, decrement() {}, reset() {}, observe() {}, timer: () => () => {} }
/** Takes every series and counts one thing. */
const metrics = (): Metrics =>
  ({
    trackMultiaddrConnection() {},
    trackProtocolStream({ protocol, direction }: Stream) {
      if (protocol.includes('/kad/') && direction === 'inbound') kadRequests++
    },
    registerMetric: () => series,
    registerMetricGroup: () => series,
    registerCounter: () => series,
    registerCounterGroup: () => series,
    registerHistogram: () => series,
    registerHistogramGroup: () => series,
    registerSummary: () => series,
    registerSummaryGroup: () => series,
    traceFunction: (_name: string, run: unknown) => run,
    createTrace: () => ({}),
  }) as unknown as Metrics

const listen = ['/ip4/127.0.0.1/tcp/0']

/** Plain libp2p, in which kad-dht dials whom it likes. */
const plain = async (count: number, tuning: Partial<typeof TUNING>): Promise<Node[]> => {
  const nodes: Node[] = []
  for (let i = 0; i < count; i++) {
    const libp2p = await createLibp2p({
      addresses: { listen },
      transports: [tcp()],
      connectionEncrypters: [noise()],
      streamMuxers: [yamux()],
      metrics,
      // All of them are on one host here.
      connectionManager: { inboundConnectionThreshold: 1_000 },
      // Its pings are no cost of kad-dht, and our networks have none.
      connectionMonitor: { enabled: false },
      services: {
        identify: identify(),
        ping: ping(),
        dht: kadDHT({ ...tuning, protocol: '/bench/kad/1.0.0', clientMode: false, peerInfoMapper: passthroughMapper }),
      },
    })
    nodes.push({ libp2p, stop: async () => libp2p.stop() })
    const through = nodes[Math.floor(systemRandom.uniform() * i)]
    if (i > 0) await libp2p.dial(through!.libp2p.getMultiaddrs())
  }
  return nodes
}

const ours = async (count: number): Promise<Node[]> => {
  const nodes: Node[] = []
  const members: KnownMember[] = []
  for (let i = 0; i < count; i++) {
    const isMember = (peer: PeerId): boolean => members.some((member) => member.peer.equals(peer))
    const network = await createNetwork({
      peerKey: await createPeerKey(),
      listen,
      services: {},
      clock: systemClock,
      isMember,
      gossip: { topic: '/bench/members/1.0.0', maxBytes: 1_000, validate: async () => 'accept' },
      metrics,
    })
    await network.start()
    members.push({ peer: network.peerId, addresses: network.libp2p.getMultiaddrs() })
    const discovery = new Discovery({
      network,
      members: () => members.filter(({ peer }) => !peer.equals(network.peerId)),
      bootstrap: [],
      clock: systemClock,
      random: systemRandom,
      log: silentLog,
    })
    network.size(count)
    discovery.start()
    nodes.push({
      libp2p: network.libp2p as unknown as Libp2p,
      stop: async () => {
        await discovery.stop()
        await network.stop()
      },
    })
  }
  return nodes
}

interface Total {
  bytes: number
  requests: number
  cpuMs: number
}
const total = (): Total => {
  const { user, system } = process.cpuUsage()
  return {
    bytes: [...sockets].reduce((sum, { bytesWritten }) => sum + bytesWritten, 0),
    requests: kadRequests,
    cpuMs: (user + system) / 1_000,
  }
}
const since = (then: Total, count: number, seconds: number): string => {
  const now = total()
  const perNode = (value: number): string => (value / count / seconds).toFixed(value / count / seconds < 10 ? 2 : 0)
  return [
    `${perNode(now.bytes - then.bytes)} B/s`,
    `${perNode(now.requests - then.requests)} kad requests/s`,
    `${perNode(now.cpuMs - then.cpuMs)} ms CPU/s`,
  ].join(', ')
}

const variants = {
  'its own settings': (count: number) => plain(count, {}),
  'our settings': (count: number) => plain(count, TUNING),
  'our network': ours,
}
const [settleS, restS] = [Number(values.settle), Number(values.rest)]
for (const count of values.nodes.split(',').map(Number)) {
  for (const [name, start] of Object.entries(variants)) {
    const began = total()
    const nodes = await start(count)
    await systemClock.sleep(settleS * 1_000)
    console.log(`${count} nodes, ${name}, settling: ${since(began, count, settleS)} a node`)
    const settled = total()
    await systemClock.sleep(restS * 1_000)
    const connections = nodes.map(({ libp2p }) => libp2p.getConnections().length)
    console.log(
      `${count} nodes, ${name}, rest:     ${since(settled, count, restS)} a node; connections ${Math.min(...connections)}-${Math.max(...connections)}`,
    )
    await Promise.all(nodes.map((node) => node.stop()))
    sockets.clear()
  }
}
