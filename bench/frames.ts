/**
 * What a peer can cost a node by what lies below every protocol: floods of Yamux frames and Noise messages, as fast as the other
 * side takes them, over loopback TCP, by a peer that dials again whenever it is cut off. For each kind of flood and for a stranger
 * and a member:
 *   cpu      share of one core that the attacked process spends
 *   frames   a second that left the attacker
 *   dials    connections that it needed
 *   honest   a member's libp2p ping beside it, worst of all
 * `npm run bench:frames [-- --seconds 5 --json]`; also writes .bench/frames.json.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { cpus } from 'node:os'
import { parseArgs } from 'node:util'
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import type { MessageStream } from '@libp2p/interface'
import { type Ping, ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { systemClock } from '../src/index.ts'
import { createNetwork, createPeerKey } from '../src/net/index.ts'
import { belowYamux } from '../test/net/yamux.ts'

const [DATA, WINDOW_UPDATE, PING] = [0, 1, 2]
const [SYN, RST] = [1, 8]
/** A Noise message holds so many bytes. */
const BATCH_BYTES = 65_000
const CLOCK_TICKS_PER_SECOND = 100
const PING_PATIENCE_MS = 10_000

const frame = (type: number, flags: number, stream: number, length: number, data = 0): Uint8Array => {
  const bytes = Buffer.alloc(12 + data)
  bytes.writeUInt8(type, 1)
  bytes.writeUInt16BE(flags, 2)
  bytes.writeUInt32BE(stream, 4)
  bytes.writeUInt32BE(length, 8)
  return bytes
}
const batch = (frames: readonly Uint8Array[], times = Math.floor(BATCH_BYTES / Buffer.concat(frames).length)): Uint8Array =>
  Uint8Array.from(Buffer.concat(Array.from({ length: times }, () => Buffer.concat(frames))))

interface Sealed {
  handshake: { encrypt(bytes: Uint8Array): { subarray(): Uint8Array } }
  stream: MessageStream
}
/** Sends one batch; returns how many frames, or messages, it was. */
const floods: Record<string, (connection: MessageStream) => number> = {
  'nothing but dials': (connection) => {
    connection.abort(new Error('again'))
    return 0
  },
  pings: (connection) => {
    connection.send(PINGS)
    return PINGS.length / 12
  },
  'frames of no stream': (connection) => {
    connection.send(UPDATES)
    return UPDATES.length / 12
  },
  'streams begun and reset': (connection) => {
    let streams: Uint8Array[] = []
    for (let i = 0; i < 500; i++, nextStream += 2) {
      streams = [...streams, frame(WINDOW_UPDATE, SYN, nextStream, 0), frame(WINDOW_UPDATE, RST, nextStream, 0)]
    }
    connection.send(Uint8Array.from(Buffer.concat(streams)))
    return 1_000
  },
  'data of no stream': (connection) => {
    for (let i = 0; i < 8; i++) connection.send(LARGE)
    return 8
  },
  'empty Noise messages': (connection) => {
    const { handshake, stream } = connection as unknown as Sealed
    const messages: Uint8Array[] = []
    for (let i = 0; i < 500; i++) {
      const message = handshake.encrypt(new Uint8Array(0)).subarray()
      messages.push(Uint8Array.of(0, message.length), Uint8Array.from(message))
    }
    stream.send(Uint8Array.from(Buffer.concat(messages)))
    return 500
  },
}
let nextStream = 1_001
const PINGS = batch([frame(PING, SYN, 0, 7)])
const UPDATES = batch([frame(WINDOW_UPDATE, 0, 9_999_999, 1)])
const LARGE = frame(DATA, 0, 9_999_999, BATCH_BYTES, BATCH_BYTES)

/** In a process of its own: what is attacked. `members`: the attacker is one. */
const beAttacked = async (attackerIsMember: boolean): Promise<void> => {
  let honest = ''
  const network = await createNetwork({
    peerKey: await createPeerKey(),
    listen: ['/ip4/127.0.0.1/tcp/0'],
    services: {},
    clock: systemClock,
    isMember: (peer) => attackerIsMember || peer.toString() === honest,
    gossip: { topic: 'bench', maxBytes: 1_000, validate: async () => 'accept' },
  })
  await network.start()
  process.on('message', (peer: string) => {
    honest = peer
    process.send!('known')
  })
  process.send!(network.libp2p.getMultiaddrs()[0]!.toString())
}

/** Until it takes more, or has ended. */
const drained = (connection: MessageStream, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    for (const event of ['drain', 'close'] as const) connection.addEventListener(event, () => resolve(), { once: true })
    signal.addEventListener('abort', () => resolve(), { once: true })
  })

const measure = async (kind: string, asMember: boolean, seconds: number) => {
  const child = fork(import.meta.filename, ['attacked', String(asMember)])
  const [address] = (await once(child, 'message')) as [string]
  const target = multiaddr(address)
  // From outside: a process that is kept busy answers nobody.
  const cpuMs = async (): Promise<number> => {
    const fields = (await readFile(`/proc/${child.pid}/stat`, 'utf8')).split(' ')
    return (Number(fields[13]) + Number(fields[14])) * (1_000 / CLOCK_TICKS_PER_SECOND)
  }
  const honest = await createLibp2p({
    // Of another host: what one host may have, the attacker uses up.
    transports: [tcp({ dialOpts: { localAddress: '127.0.0.2' } as object })],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    services: { ping: ping({ maxOutboundStreams: 8 }) },
  })
  child.send(honest.peerId.toString())
  await once(child, 'message')
  // It takes all answers and looks at none.
  const hostile = await belowYamux({ taker: () => () => {} })
  const stopping = new AbortController()
  const stop = stopping.signal
  let [sent, dials, worstPingMs] = [0, 0, 0]
  const attacking = (async () => {
    while (!stop.aborted) {
      try {
        dials++
        const connection = await hostile.connect(target, { signal: AbortSignal.timeout(5_000) })
        while (!stop.aborted && connection.status === 'open') {
          sent += floods[kind]!(connection)
          // The library's onDrain() resolves for ever once it has resolved.
          if (connection.writableNeedsDrain && connection.status === 'open') await drained(connection, stop)
          else await new Promise(setImmediate)
        }
        connection.abort(new Error('again'))
      } catch {
        await new Promise(setImmediate)
      }
    }
  })()
  const pinging = (async () => {
    const service = honest.services.ping as Ping
    while (!stop.aborted) {
      const ms = await service.ping(target, { signal: AbortSignal.timeout(PING_PATIENCE_MS) }).catch(() => PING_PATIENCE_MS)
      worstPingMs = Math.max(worstPingMs, ms)
      await systemClock.sleep(100)
    }
  })()
  await systemClock.sleep(1_000)
  const [began, atMs, sentBefore] = [await cpuMs(), performance.now(), sent]
  await systemClock.sleep(seconds * 1_000)
  const [spent, elapsedMs] = [(await cpuMs()) - began, performance.now() - atMs]
  const frames = sent - sentBefore
  stopping.abort()
  child.kill('SIGKILL')
  await Promise.all([attacking, pinging])
  await Promise.all([honest.stop(), hostile.node.stop()])
  return {
    kind,
    by: asMember ? 'member' : 'stranger',
    cpuPercent: Math.round((100 * spent) / elapsedMs),
    framesPerSecond: Math.round((frames * 1_000) / elapsedMs),
    dials,
    honestPingMs: Math.round(worstPingMs),
  }
}

const [role, asMember] = process.argv.slice(2)
if (role === 'attacked') await beAttacked(asMember === 'true')
else {
  const { values } = parseArgs({
    options: { seconds: { type: 'string', default: '5' }, json: { type: 'boolean', default: false } },
  })
  const results: Awaited<ReturnType<typeof measure>>[] = []
  for (const by of [false, true]) {
    for (const kind of Object.keys(floods)) {
      const result = await measure(kind, by, Number(values.seconds))
      results.push(result)
      if (values.json) continue
      const { cpuPercent, framesPerSecond, dials, honestPingMs } = result
      console.log(
        `${result.by.padEnd(9)} ${kind.padEnd(24)} cpu ${String(cpuPercent).padStart(4)} %  ${String(framesPerSecond).padStart(8)} frames/s  ${String(dials).padStart(5)} dials  honest ping ${honestPingMs} ms`,
      )
    }
  }
  const machine = { cpu: cpus()[0]?.model ?? 'unknown', cores: cpus().length, node: process.version }
  await mkdir('.bench', { recursive: true })
  await writeFile('.bench/frames.json', `${JSON.stringify({ machine, results }, null, 2)}\n`)
  if (values.json) console.log(JSON.stringify({ machine, results }))
  process.exit(0)
}
