import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { Bench, getKey } from './support.ts'

/** Far beyond what a handshake takes, and well within a Request or a Grant, each of which carries a quote with its collateral. */
const WITHIN_A_MESSAGE_BYTES = 5_000

interface Hooks {
  /** Whether a connection is let through now. */
  open(): boolean
  /** Bytes of one connection so far, that way; the piece that makes them so many is not handed on. false: nor is anything after. */
  passes(way: 'to member' | 'to joiner', bytes: number): boolean
}

/** A line between joiner and member, under the test's control. */
class Line {
  readonly #sockets = new Set<Socket>()
  readonly #server: Server
  private constructor(server: Server) {
    this.#server = server
  }
  get address(): string {
    return `/ip4/127.0.0.1/tcp/${(this.#server.address() as AddressInfo).port}`
  }
  static async to(member: string, hooks: Hooks): Promise<Line> {
    const port = Number(/\/tcp\/(\d+)/.exec(member)![1])
    const server = createServer((joiner) => {
      line.#keep(joiner)
      if (!hooks.open()) return void joiner.destroy()
      const onward = connect(port, '127.0.0.1')
      line.#keep(onward)
      const carry = (from: Socket, to: Socket, way: 'to member' | 'to joiner') => {
        let bytes = 0
        from.on('data', (piece) => {
          bytes += piece.length
          if (hooks.passes(way, bytes)) to.write(piece)
        })
        from.on('close', () => to.destroy())
      }
      carry(joiner, onward, 'to member')
      carry(onward, joiner, 'to joiner')
    })
    const line = new Line(server)
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return line
  }
  #keep(socket: Socket): void {
    this.#sockets.add(socket)
    socket.on('error', () => {}).on('close', () => this.#sockets.delete(socket))
  }
  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    await new Promise((resolve) => this.#server.close(resolve))
  }
}

describe('an onboarder that is killed in the middle of a join', function () {
  this.timeout(90_000)
  let bench: Bench
  const lines: Line[] = []
  beforeEach(async () => {
    bench = await Bench.open()
  })
  afterEach(async () => {
    await Promise.all(lines.splice(0).map((line) => line.close()))
    await bench.close()
  })

  for (const [message, killing] of [
    ['Request', 'to member'],
    ['Grant', 'to joiner'],
  ] as const) {
    it(`costs the joiner one try: within the ${message}, it gets in through another member, with the same keys`, async () => {
      const first = await bench.up('a', '--new')
      const cluster = first.status.cluster!
      const second = await bench.up('b', '--cluster', cluster, '--peer', first.status.addresses[0]!)
      const key = await getKey(bench.socket('a'), 'p')
      let killed = false
      const toFirst = await Line.to(first.status.addresses[0]!, {
        open: () => true,
        passes: (way, bytes) => {
          if (way === killing && bytes > WITHIN_A_MESSAGE_BYTES && !killed) {
            killed = true
            first.program.child.kill('SIGKILL')
          }
          return !killed
        },
      })
      // Until then the joiner has the first one only.
      const toSecond = await Line.to(second.status.addresses[0]!, { open: () => killed, passes: () => true })
      lines.push(toFirst, toSecond)
      const joiner = await bench.up('c', '--cluster', cluster, '--peer', toFirst.address, '--peer', toSecond.address)
      assert.ok(killed)
      assert.deepEqual(await first.program.end(), { code: null, signal: 'SIGKILL' })
      assert.equal(joiner.status.state, 'member')
      assert.equal(joiner.status.credential!.issuer, second.status.peerId)
      assert.equal(await getKey(bench.socket('c'), 'p'), key)
      assert.equal(await getKey(bench.socket('b'), 'p'), key)
    })
  }
})
