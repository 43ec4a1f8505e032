import assert from 'node:assert/strict'
import type { Connection, PeerId } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { type Clock, silentLog } from '../../src/base/index.ts'
import { keptConnections, wantedConnections } from '../../src/net/degrees.ts'
import { Discovery, type DiscoveryInit } from '../../src/net/index.ts'

const peer = (n: number): PeerId => {
  const text = `peer ${String(n).padStart(3, '0')}`
  return { toString: () => text, equals: (other: { toString(): string }) => other.toString() === text } as unknown as PeerId
}
const settled = () => new Promise((resolve) => setImmediate(resolve))

/** Time that passes only when a test says so; whoever sleeps wakes then. */
class Steps {
  nowMs = 0
  #wake: () => void = () => {}
  readonly clock: Clock = {
    now: () => this.nowMs,
    monotonicMs: () => this.nowMs,
    sleep: (_ms, signal) =>
      new Promise((resolve, reject) => {
        this.#wake = resolve
        signal?.addEventListener('abort', () => reject(signal.reason))
      }),
    deadline: () => ({ signal: new AbortController().signal, clear() {}, [Symbol.dispose]() {} }),
  }
  async pass(ms: number): Promise<void> {
    this.nowMs += ms
    this.#wake()
    await settled()
  }
}

interface Held {
  id: string
  remotePeer: PeerId
  direction: 'inbound' | 'outbound'
  status: 'open' | 'closed'
  timeline: { open: number }
  busy: boolean
}

/** A network of connections that are only looked at. */
class Wires {
  readonly held: Held[] = []
  readonly dialed: string[] = []
  answers: (peer: PeerId) => boolean = () => true
  ids = 0
  constructor(readonly self: PeerId) {}

  add(remotePeer: PeerId, over: Partial<Held> = {}): Held {
    const id = `c${this.ids++}`
    const connection: Held = {
      id,
      remotePeer,
      direction: 'inbound',
      status: 'open',
      timeline: { open: this.ids },
      busy: false,
      ...over,
    }
    this.held.push(connection)
    return connection
  }
  of = (remote: PeerId): Held[] => this.held.filter(({ remotePeer, status }) => status === 'open' && remotePeer.equals(remote))
  open = (): Held[] => this.held.filter(({ status }) => status === 'open')

  readonly network = {
    peerId: undefined as unknown as PeerId,
    libp2p: { getConnections: (remote: PeerId) => this.of(remote) },
    isConnected: (remote: PeerId) => this.of(remote).length > 0,
    isIdle: (connection: Connection) => !(connection as unknown as Held).busy,
    release: (connection: Connection) => {
      ;(connection as unknown as Held).status = 'closed'
    },
    connect: async (remote: PeerId) => {
      this.dialed.push(remote.toString())
      if (!this.answers(remote)) throw new Error('nobody there')
      return this.add(remote, { direction: 'outbound' })
    },
    find: async () => [],
    know: async () => {},
    forget: async () => {},
    mend() {},
  }
}

describe('the number of connections', () => {
  const running: Discovery[] = []
  afterEach(() => Promise.all(running.splice(0).map((discovery) => discovery.stop())))

  const start = async (self: PeerId, others: number) => {
    const wires = new Wires(self)
    wires.network.peerId = self
    const steps = new Steps()
    const members = Array.from({ length: others }, (_, n) => ({ peer: peer(n), addresses: [multiaddr('/ip4/192.0.2.1/tcp/1')] }))
    const discovery = new Discovery({
      network: wires.network as unknown as DiscoveryInit['network'],
      members: () => members,
      bootstrap: [],
      clock: steps.clock,
      random: { bytes: (length: number) => new Uint8Array(length), uniform: Math.random } as DiscoveryInit['random'],
      log: silentLog,
    })
    running.push(discovery)
    discovery.start()
    await settled()
    return { wires, steps }
  }

  it('grows to the wanted one, and then by one member that is tried out at a time', async () => {
    const { wires, steps } = await start(peer(999), 100)
    for (let i = 0; i < 20; i++) await steps.pass(10)
    assert.equal(wires.open().length, wantedConnections(100))
    // Half of it is what an exploration waits for at least.
    await steps.pass(4_000)
    assert.equal(wires.open().length, wantedConnections(100))
    await steps.pass(11_000)
    assert.equal(wires.open().length, wantedConnections(100) + 1)
  })

  it('never grows beyond what is kept for long: newest first, and none that is used', async () => {
    const { wires, steps } = await start(peer(999), 100)
    for (let n = 0; n < 60; n++)
      if (wires.of(peer(n)).length === 0) wires.add(peer(n), { timeline: { open: 1_000 + n }, busy: n === 59 })
    await steps.pass(1)
    assert.ok(wires.open().length >= 60)
    await steps.pass(29_000)
    assert.ok(wires.open().length >= 60, 'what may be used again is not closed')
    const before = new Set(wires.open())
    await steps.pass(2_000)
    await steps.pass(31_000)
    assert.ok(wires.open().length <= keptConnections(100) + 2, `${wires.open().length}`)
    assert.ok(wires.of(peer(59)).length === 1, 'one that is used stays')
    const closed = [...before].filter(({ status }) => status === 'closed')
    const stayed = [...before].filter(({ status, busy }) => status === 'open' && !busy)
    assert.ok(closed.length > 0)
    assert.ok(Math.min(...closed.map(({ timeline }) => timeline.open)) > Math.max(...stayed.map(({ timeline }) => timeline.open)))
  })

  it('is one for each member, and of two both sides keep the same', async () => {
    for (const [self, other] of [
      [peer(1), peer(0)],
      [peer(0), peer(1)],
    ] as const) {
      const { wires, steps } = await start(self, 2)
      wires.held.length = 0
      const [mine, theirs] = [wires.add(other, { direction: 'outbound' }), wires.add(other)]
      await steps.pass(1)
      await steps.pass(31_000)
      // The one that the smaller id dialed.
      const kept = self.toString() < other.toString() ? mine : theirs
      assert.deepEqual(wires.of(other), [kept])
    }
  })

  it('is not sought at members that do not answer more and more often, nor at ones that close at once', async () => {
    const { wires, steps } = await start(peer(999), 3)
    wires.held.length = 0
    wires.dialed.length = 0
    wires.answers = () => false
    for (let i = 0; i < 1_000; i++) await steps.pass(60)
    // A minute of at least four seconds between two dials of one member, and of some first ones that follow faster.
    assert.ok(wires.dialed.length <= 3 * (60 / 4 + 5), `${wires.dialed.length} dials`)
    wires.dialed.length = 0
    wires.answers = () => true
    for (let i = 0; i < 100; i++) {
      await steps.pass(60)
      for (const connection of wires.open()) connection.status = 'closed'
    }
    assert.ok(wires.dialed.length <= 3 * 6 * 4, `${wires.dialed.length} dials in six seconds`)
  })
})
