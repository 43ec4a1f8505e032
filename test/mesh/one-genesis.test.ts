import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { createInterface, type Interface } from 'node:readline'
import { systemClock, systemRandom } from '../../src/base/index.ts'
import { formatClusterId, type NodeStatus } from '../../src/index.ts'
import { Keyring } from '../../src/keys/index.ts'
import { Bench, Program, within } from './support.ts'

// Two TDs, each a process of the built program, that make the cluster of one secret at once; the ledger is a third process.

const LIMIT_MS = 60_000

interface Outcome {
  status?: NodeStatus
  refusal?: { name: string; code: string; message: string; next: string | null }
}

/** The other side of twin.mjs. */
class Twin {
  readonly #lines: AsyncIterator<string>
  readonly #reader: Interface
  constructor(
    readonly name: string,
    readonly program: Program,
  ) {
    this.#reader = createInterface({ input: program.child.stdout! })
    this.#lines = this.#reader[Symbol.asyncIterator]()
  }
  tell(line: unknown): void {
    this.program.child.stdin!.write(`${JSON.stringify(line)}\n`)
  }
  async said(): Promise<unknown> {
    const { value, done } = await within(LIMIT_MS, `a line from the TD ${this.name}`, this.#lines.next())
    assert.ok(done !== true, this.program.stderr)
    return JSON.parse(value as string)
  }
  async end(): Promise<void> {
    this.program.child.stdin!.end()
    assert.equal((await this.program.end()).code, 0, this.program.stderr)
  }
}

/** In which order two transactions that wait at the ledger's door are let in. */
type Order = 'first, then last' | 'last, then first' | 'both at once'

interface Held {
  readonly request: IncomingMessage
  readonly body: Buffer
  readonly response: ServerResponse
}

/** Stands before a ledger, and holds back what is handed in until there are two of them. */
class Gate {
  readonly #held: Held[] = []
  #open = false
  #server: Server | undefined
  constructor(
    readonly ledger: string,
    readonly order: Order,
  ) {}

  async listen(): Promise<string> {
    this.#server = createServer(async (request, response) => {
      const chunks: Buffer[] = []
      for await (const chunk of request) chunks.push(chunk as Buffer)
      const held = { request, body: Buffer.concat(chunks), response }
      if (this.#open || request.method !== 'POST' || request.url !== '/transactions') return this.#pass(held)
      this.#held.push(held)
      if (this.#held.length < 2) return
      this.#open = true
      const waiting = this.order === 'last, then first' ? this.#held.reverse() : this.#held
      if (this.order === 'both at once') return void (await Promise.all(waiting.map((each) => this.#pass(each))))
      // The ledger answers when the one before is in it.
      for (const each of waiting) await this.#pass(each)
    })
    await new Promise<void>((resolve) => this.#server!.listen(0, '127.0.0.1', resolve))
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  async #pass({ request, body, response }: Held): Promise<void> {
    const { method = 'GET', url = '/', headers } = request
    const answer = await fetch(this.ledger + url, {
      method,
      ...(method === 'POST' && { body: Uint8Array.from(body), headers: { 'content-type': headers['content-type'] ?? '' } }),
    })
    response.writeHead(answer.status, { 'content-type': 'application/json' }).end(await answer.text())
  }

  async stop(): Promise<void> {
    this.#server?.closeAllConnections()
    await new Promise((resolve) => (this.#server === undefined ? resolve(0) : this.#server.close(resolve)))
  }
}

describe('two TDs that make the cluster of one secret at once', function () {
  this.timeout(180_000)
  let bench: Bench
  let ledger: string
  const gates: Gate[] = []
  const twinsToEnd: Twin[] = []
  before(async () => {
    bench = await Bench.open()
    const devnet = bench.cli('devnet', '--port', '0', '--close-every', '200ms', '--json')
    ledger = (JSON.parse(await devnet.firstLine()) as { url: string }).url
  })
  afterEach(() => Promise.all(gates.splice(0).map((gate) => gate.stop())))
  after(async () => {
    for (const { program } of twinsToEnd) if (program.child.exitCode === null) program.child.kill('SIGKILL')
    await Promise.all(twinsToEnd.map(({ program }) => program.ended))
    await bench.close()
  })

  const twin = async (name: string, horizon: string, secret: Uint8Array): Promise<Twin> => {
    const settings = {
      ...{ new: true, tee: 'emulator', emulatorRoot: join(bench.folder, 'root.json'), listen: ['/ip4/127.0.0.1/tcp/0'] },
      ...{ dataDir: bench.dataDir(name), socket: bench.socket(name), statusListen: 'none' },
      ...{ anchor: 'devnet', horizon: [horizon], friendbot: true },
    }
    const child = spawn(process.execPath, ['test/mesh/twin.mjs'], { stdio: 'pipe' })
    const started = new Twin(name, new Program(child))
    twinsToEnd.push(started)
    started.tell({ settings, secret: Buffer.from(secret).toString('hex') })
    assert.equal(await started.said(), 'prepared')
    return started
  }

  /** One race to its end: one cluster with one account, a clear refusal, and the way for the loser into the cluster. */
  const race = async (word: string, horizon: string, start: (twins: readonly Twin[]) => Promise<void>): Promise<void> => {
    const secret = systemRandom.bytes(32)
    const { clusterId } = Keyring.fromSecrets([{ epoch: 0, secret }])
    const twins = await Promise.all(['a', 'b'].map((name) => twin(`${word}-${name}`, horizon, secret)))
    await start(twins)
    const outcomes = (await Promise.all(twins.map((each) => each.said()))) as Outcome[]
    const told = JSON.stringify(outcomes)
    const winners = outcomes.flatMap(({ status }) => (status === undefined ? [] : [status]))
    const losers = outcomes.flatMap(({ refusal }, index) => (refusal === undefined ? [] : [{ refusal, twin: twins[index]! }]))
    assert.deepEqual([winners.length, losers.length], [1, 1], told)
    const [winner, lost] = [winners[0]!, losers[0]!]
    assert.deepEqual([lost.refusal.name, lost.refusal.code], ['RefusedError', 'anchor_taken'], told)
    assert.match(lost.refusal.message, /another genesis is public for G/)
    assert.ok(lost.refusal.next !== null)
    // The loser keeps nothing of the cluster that is not its own.
    await lost.twin.end()
    for (const file of ['cluster', 'genesis', 'anchor-proof']) {
      assert.equal(existsSync(join(bench.dataDir(lost.twin.name), file)), false, file)
    }

    // One account, and it is that of the winner: what the ledger shows is what the winner's own proof proves.
    const cluster = formatClusterId(clusterId)
    assert.deepEqual([winner.state, winner.proof, winner.cluster], ['member', 'transaction', cluster])
    const won = twins.find((each) => each !== lost.twin)!
    const account = (await (await fetch(`${ledger}/accounts/${cluster}`)).json()) as { data: Record<string, string> }
    const verifying = bench.cli(
      'anchor',
      'verify',
      cluster,
      '--json',
      '--anchor',
      'devnet',
      '--data-dir',
      bench.dataDir(won.name),
    )
    const proven = JSON.parse(await verifying.firstLine()) as { genesis: string; from: string[] }
    assert.deepEqual(proven.from, [bench.dataDir(won.name)])
    assert.equal(Buffer.from(account.data['dstack.genesis']!, 'base64').toString('hex'), proven.genesis)

    // And one cluster: the loser joins as anybody may.
    const joined = bench.cli(
      ...['up', '--json', '--tee', 'emulator', '--emulator-root', join(bench.folder, 'root.json'), '--status-listen', 'none'],
      ...[
        '--data-dir',
        bench.dataDir(lost.twin.name),
        '--socket',
        bench.socket(lost.twin.name),
        '--listen',
        '/ip4/127.0.0.1/tcp/0',
      ],
      ...['--anchor', 'devnet', '--horizon', horizon, '--cluster', cluster, '--peer', winner.addresses[0]!],
    )
    const status = JSON.parse(await joined.firstLine()) as NodeStatus
    assert.deepEqual([status.state, status.cluster], ['member', cluster])
    joined.child.kill('SIGTERM')
    await joined.end()
    await won.end()
  }

  for (const [index, order] of (['first, then last', 'last, then first', 'both at once'] as const).entries()) {
    it(`with two transactions at the ledger's door before either is in it: ${order}`, async () => {
      const gate = new Gate(ledger, order)
      gates.push(gate)
      await race(`gate-${index}`, await gate.listen(), async (twins) => {
        for (const each of twins) each.tell('go')
      })
    })
  }

  it('at times that differ by chance', async () => {
    for (let round = 0; round < 2; round++) {
      await race(`chance-${round}`, ledger, async (twins) => {
        // What a start costs is some hundreds of milliseconds: any step of one may meet any step of the other.
        const order = systemRandom.uniform() < 0.5 ? twins : [...twins].reverse()
        order[0]!.tell('go')
        await systemClock.sleep(systemRandom.uniform() * 800)
        order[1]!.tell('go')
      })
    }
  })
})
