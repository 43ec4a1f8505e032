import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import type { Connection, PeerId } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { systemClock } from '../../src/base/index.ts'
import type { Network } from '../../src/net/index.ts'
import { isRefusal, Pinger } from '../../src/net/pinger.ts'
import { FakeClock } from '../protocols/support.ts'
import { startNetwork } from './support.ts'

/** Longer than any answer here takes, however busy the machine. */
const LONG_MS = 60_000
const PATIENCE_MS = 10_000

const addressOf = (network: Network): Multiaddr =>
  multiaddr(
    network.libp2p
      .getMultiaddrs()[0]!
      .toString()
      .replace(/\/p2p\/.*/, ''),
  )

describe('a ping', function () {
  this.timeout(60_000)
  const networks: Network[] = []
  const children: ChildProcess[] = []
  const servers: { server: Server; sockets: Socket[] }[] = []
  const start = async (init: Parameters<typeof startNetwork>[0] = {}): Promise<Network> => {
    const network = await startNetwork(init)
    networks.push(network)
    return network
  }
  afterEach(async () => {
    await Promise.all(networks.splice(0).map((network) => network.stop()))
    for (const child of children.splice(0)) child.kill('SIGKILL')
    for (const { server, sockets } of servers.splice(0)) {
      server.close()
      for (const socket of sockets) socket.destroy()
    }
  })
  const knows = async (one: Network, peer: PeerId, ...addresses: Multiaddr[]): Promise<void> => {
    await one.know(peer, addresses)
  }

  it('is answered by who is there, dialed for it or connected already, however many ask at once', async () => {
    const [one, other] = [await start(), await start()]
    await knows(one, other.peerId, addressOf(other))
    const ten = () => Promise.all(Array.from({ length: 10 }, () => one.ping(other.peerId, LONG_MS)))
    assert.deepEqual(new Set(await ten()), new Set(['answered']))
    assert.equal(one.libp2p.getConnections().length, 1)
    assert.deepEqual(new Set(await ten()), new Set(['answered']))
    assert.equal(one.libp2p.getConnections().length, 1)
  })

  it('is refused where nobody listens any more, also by who was connected until then', async () => {
    const [one, other] = [await start(), await start()]
    const address = addressOf(other)
    await knows(one, other.peerId, address)
    for (let i = 0; i < 20; i++) assert.equal(await one.ping(other.peerId, LONG_MS), 'answered')
    await other.stop()
    assert.equal(await one.ping(other.peerId, LONG_MS), 'refused')
  })

  it('is refused where somebody else listens now', async () => {
    const [one, gone, heir] = [await start(), await start(), await start()]
    await knows(one, gone.peerId, addressOf(heir))
    assert.equal(await one.ping(gone.peerId, LONG_MS), 'refused')
  })

  it('is tried but a few times while a connection is closing, which may take for ever', async () => {
    let pings = 0
    const closing = { status: 'closing', abort: () => {} }
    const libp2p = { getConnections: () => [closing] as unknown as Connection[] }
    const ping = async (): Promise<number> => {
      // What loops without end leaves no time for the test's own limit.
      if (++pings === 100) await new Promise(() => {})
      throw new Error('the node is stopping')
    }
    const peer = peerIdFromString('12D3KooWCNjScxpPRWtxvVMZr13JaK6XWVapxmZdoNSQPgmvRgoP')
    assert.equal(await new Pinger(libp2p, { ping }, systemClock).ping(peer, LONG_MS), 'silent')
    assert.ok(pings <= 3, `${pings} pings`)
  })

  it('is silent about who has no address, or only one that takes connections and says nothing', async () => {
    const one = await start()
    const mute = (await start()).peerId
    assert.equal(await one.ping(mute, LONG_MS), 'silent')
    const sockets: Socket[] = []
    const server = createServer((socket) => void sockets.push(socket.on('error', () => {})))
    servers.push({ server, sockets })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    await knows(one, mute, multiaddr(`/ip4/127.0.0.1/tcp/${(server.address() as { port: number }).port}`))
    assert.equal(await one.ping(mute, 200), 'silent')
  })

  it('is silent about who closes each connection at once: somebody listens there', async () => {
    const one = await start()
    const full = (await start()).peerId
    const server = createServer((socket) => void socket.on('error', () => {}).destroy())
    servers.push({ server, sockets: [] })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    await knows(one, full, multiaddr(`/ip4/127.0.0.1/tcp/${(server.address() as { port: number }).port}`))
    assert.equal(await one.ping(full, LONG_MS), 'silent')
  })

  it('is refused by a process that ended while it was dialed, and reset what it had taken', async () => {
    const [one, other] = [await start(), await start()]
    let taken = 0
    const server = createServer((socket) => {
      taken++
      server.close()
      socket.resetAndDestroy()
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    servers.push({ server, sockets: [] })
    const { port } = server.address() as { port: number }
    await knows(one, other.peerId, multiaddr(`/ip4/127.0.0.1/tcp/${port}`))
    assert.equal(await one.ping(other.peerId, LONG_MS), 'refused')
    assert.equal(taken, 1)
  })

  it('of a process that is stopped is silent, ends the connection after ten seconds, and is answered when it goes on', async () => {
    const clock = new FakeClock()
    const one = await start({ clock })
    const child = spawn(process.execPath, ['--import', 'tsx', fileURLToPath(new URL('sleeper.ts', import.meta.url))], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    children.push(child)
    const [line] = (await once(child.stdout, 'data')) as [Buffer]
    const [address] = (JSON.parse(line.toString()) as string[]).map((each) => multiaddr(each))
    const peer = peerIdFromString(address!.getComponents().find(({ name }) => name === 'p2p')!.value!)
    await knows(one, peer, address!)
    assert.equal(await one.ping(peer, LONG_MS), 'answered')
    child.kill('SIGSTOP')
    const [connection] = one.libp2p.getConnections(peer)
    const closed = once(connection!, 'close')
    const pinged = one.ping(peer, 1_500)
    await clock.armed(1_500)
    clock.pass(1_500)
    assert.equal(await pinged, 'silent')
    // Whoever asks in between learns nothing else, and moves nothing.
    const again = one.ping(peer, 1_000)
    clock.pass(1_000)
    assert.equal(await again, 'silent')
    clock.pass(PATIENCE_MS - 2_501)
    assert.equal(connection!.status, 'open')
    clock.pass(1)
    await closed
    child.kill('SIGCONT')
    assert.equal(await one.ping(peer, LONG_MS), 'answered')
  })

  it('that is late, but not too late, leaves the connection as it is', async () => {
    const clock = new FakeClock()
    const [one, other] = [await start({ clock }), await start()]
    let release = () => {}
    const released = new Promise<void>((resolve) => {
      release = resolve
    })
    await other.libp2p.unhandle('/ipfs/ping/1.0.0')
    await other.libp2p.handle('/ipfs/ping/1.0.0', async (stream) => {
      stream.addEventListener('message', ({ data }) => void released.then(() => stream.send(data)))
    })
    await one.connect(other.peerId, other.libp2p.getMultiaddrs(), AbortSignal.timeout(LONG_MS))
    const short = one.ping(other.peerId, 1_500)
    const long = one.ping(other.peerId, LONG_MS)
    clock.pass(PATIENCE_MS - 1)
    assert.equal(await short, 'silent')
    release()
    assert.equal(await long, 'answered')
    clock.pass(1)
    assert.equal(one.libp2p.getConnections()[0]!.status, 'open')
  })

  it('ends with its asker, and leaves those of others alone', async () => {
    const [one, other] = [await start(), await start()]
    await knows(one, other.peerId, addressOf(other))
    const asker = new AbortController()
    const ended = one.ping(other.peerId, LONG_MS, asker.signal)
    const stays = one.ping(other.peerId, LONG_MS)
    asker.abort(new Error('enough'))
    await assert.rejects(ended, /enough/)
    assert.equal(await stays, 'answered')
    await assert.rejects(one.ping(other.peerId, LONG_MS, asker.signal), /enough/)
  })
})

describe('a dial that failed', () => {
  const failed = (code: string) => Object.assign(new Error(`connect ${code}`), { code })

  it('says that the peer is gone where its host said so, and nothing where only the network did', () => {
    assert.ok(isRefusal(failed('ECONNREFUSED')))
    for (const code of [
      'EHOSTUNREACH',
      'ENETUNREACH',
      'ENETDOWN',
      'ETIMEDOUT',
      'ECONNRESET',
      'EADDRNOTAVAIL',
      'EMFILE',
      'EPERM',
    ]) {
      assert.ok(!isRefusal(failed(code)), code)
    }
    assert.ok(!isRefusal(new Error('the dial request is blocked')))
    assert.ok(!isRefusal('nothing'))
  })

  it('says so only where no address of several said anything else', () => {
    const all = (...errors: unknown[]) => isRefusal(new AggregateError(errors, 'all failed'))
    assert.ok(all(failed('ECONNREFUSED'), failed('ECONNREFUSED')))
    assert.ok(!all(failed('ECONNREFUSED'), failed('EHOSTUNREACH')))
    assert.ok(!all(failed('ETIMEDOUT'), failed('ECONNREFUSED')))
    assert.ok(!all())
  })
})
