import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { systemClock } from '../../src/base/index.ts'
import { Lab, type LabNode, LISTEN_PORT } from '../../testnet/chaos/lab/index.ts'
import { within } from '../mesh/support.ts'

// Seven real nodes on seven hosts: a stranger among them, a partition, and the death of three. Needs root and the built program.

const STRANGER = fileURLToPath(new URL('./stranger.ts', import.meta.url))
const SEVEN = ['m1', 'm2', 'm3', 'm4', 'm5', 'm6', 'm7']
const START_LIMIT_MS = 60_000
const CONVERGE_LIMIT_MS = 60_000
const PARTITION_MS = 60_000
/** From the end of a partition to one table everywhere. */
const HEALED_LIMIT_MS = 15_000
const NOTICED_LIMIT_MS = 30_000
const LOOK_EVERY_MS = 200
const KEY_PATH = 'partition'

describe('seven nodes on seven hosts', function () {
  this.timeout(400_000)
  let lab: Lab
  let key: string

  /** Who the table of a node says is there: peer ids of itself and of the active members, sorted. */
  const active = async (node: LabNode): Promise<string[]> =>
    (await node.status()).members
      .filter(({ state }) => state === 'self' || state === 'active')
      .map(({ peerId }) => peerId)
      .toSorted()

  const nodesOf = (names: readonly string[]): LabNode[] => names.map((name) => lab.node(name))
  const peerIdsOf = async (names: readonly string[]): Promise<string[]> =>
    (await Promise.all(nodesOf(names).map(async (node) => (await node.status()).peerId!))).toSorted()

  const started = async (name: string, through: string): Promise<LabNode> => {
    const node = await lab.start(name, { through: [lab.node(through)] })
    await within(START_LIMIT_MS, `${name} to become a member`, node.ready)
    assert.equal(await node.keyFingerprint(KEY_PATH), key)
    return node
  }

  /** Until each of `names` holds exactly the table `wanted`; milliseconds. */
  const agreed = async (names: readonly string[], wanted: readonly string[], limitMs: number): Promise<number> => {
    const start = systemClock.monotonicMs()
    for (;;) {
      const tables = await Promise.all(nodesOf(names).map(active))
      const ms = systemClock.monotonicMs() - start
      if (tables.every((table) => table.join() === wanted.join())) return ms
      const sizes = names.map((name, index) => `${name}: ${tables[index]!.length}`).join(', ')
      assert.ok(ms < limitMs, `no one table of ${wanted.length} after ${Math.round(ms)} ms; active in the table of ${sizes}`)
      await systemClock.sleep(LOOK_EVERY_MS)
    }
  }

  before(async () => {
    lab = await Lab.open([...SEVEN, 'x', 'y', 'z', 'stranger'])
    const first = await lab.start('m1')
    await within(START_LIMIT_MS, 'm1 to become a member', first.ready)
    key = await first.keyFingerprint(KEY_PATH)
    for (const name of SEVEN.slice(1)) await started(name, 'm1')
    await agreed(SEVEN, await peerIdsOf(SEVEN), CONVERGE_LIMIT_MS)
  })
  after(() => lab?.close())

  it("show no member's address to a stranger: neither in the packets of his session nor in what he is told in it", async () => {
    const host = lab.host('stranger')
    const packets = join(host.folder, 'packets')
    const asked = lab.host('m1').address
    const stopCapture = await host.capture(packets, 'ip')
    const child = host.spawn(
      process.execPath,
      ['--import', 'tsx', STRANGER, `/ip4/${asked}/tcp/${LISTEN_PORT}`, (await lab.node('m1').status()).cluster!],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    )
    let text = ''
    child.stdout!.setEncoding('utf8').on('data', (part: string) => {
      text += part
    })
    await within(START_LIMIT_MS, 'the stranger', once(child, 'close'))
    await stopCapture()

    const told = JSON.parse(text) as {
      opened: Record<string, { bytes: number; hex: string } | string>
      peers: { id: string; addresses: string[] }[]
    }
    const challenge = told.opened['/dstack/onboard/1.0.0']
    assert.ok(typeof challenge === 'object' && challenge.bytes > 100, `his Hello was answered: ${JSON.stringify(told.opened)}`)
    assert.deepEqual(
      told.peers.map(({ id }) => id),
      [(await lab.node('m1').status()).peerId],
    )
    // Who talked to him at all.
    const lines = await host.run('tcpdump', '-nn', '-q', '-r', packets)
    const ends = new Set([...lines.matchAll(/\b(10\.77\.\d+\.\d+)\.\d+\b/g)].map(([, address]) => address))
    assert.deepEqual([...ends].toSorted(), [asked, host.address].toSorted())

    const heard = Object.values(told.opened).map((answer) => (typeof answer === 'string' ? answer : answer.hex))
    const places = [readFileSync(packets), Buffer.from(heard.join('\n')), Buffer.from(JSON.stringify(told.peers))]
    for (const name of SEVEN.slice(1)) {
      const { address } = lab.host(name)
      const raw = Buffer.from(address.split('.').map(Number))
      const { peerId } = await lab.node(name).status()
      for (const form of [raw, Buffer.from(raw.toString('hex')), Buffer.from(`${address}/`), Buffer.from(peerId!)])
        assert.ok(!places.some((place) => place.includes(form)), `${name} can be seen`)
    }
  })

  it('go on in two halves that each let a new one in, and are one mesh of nine when the line is back', async () => {
    const [four, three] = [
      [...SEVEN.slice(0, 4), 'x'],
      [...SEVEN.slice(4), 'y'],
    ]
    await lab.partition([four, three])
    const healAt = systemClock.monotonicMs() + PARTITION_MS
    await started('x', 'm2')
    await started('y', 'm6')
    for (const side of [four, three]) await agreed(side, await peerIdsOf(side), CONVERGE_LIMIT_MS)
    assert.ok((await lab.counts()).cut > 0, 'somebody tried the line')
    await systemClock.sleep(Math.max(0, healAt - systemClock.monotonicMs()))
    const nine = await peerIdsOf([...four, ...three])
    await lab.heal()
    const ms = await agreed([...four, ...three], nine, HEALED_LIMIT_MS)
    console.log(`      one table of nine ${Math.round(ms)} ms after the line was back`)
    for (const node of nodesOf([...four, ...three])) assert.equal(await node.keyFingerprint(KEY_PATH), key)
  })

  it('notice that three are killed at once, serve on and let a new one in', async () => {
    const dead = ['m1', 'm3', 'm6']
    const left = [...SEVEN, 'x', 'y'].filter((name) => !dead.includes(name))
    const wanted = await peerIdsOf(left)
    await Promise.all(nodesOf(dead).map((node) => node.kill()))
    const ms = await agreed(left, wanted, NOTICED_LIMIT_MS)
    console.log(`      all ${left.length} noticed the death of three within ${Math.round(ms)} ms`)
    for (const node of nodesOf(left)) assert.equal(await node.keyFingerprint(KEY_PATH), key)
    await started('z', 'm7')
    await agreed([...left, 'z'], await peerIdsOf([...left, 'z']), CONVERGE_LIMIT_MS)
  })
})
