import assert from 'node:assert/strict'
import type { EvidenceJudge } from '../../protocols/records/index.ts'
import { type AcceptedVerdict, createVerifier } from '../../src/attest/index.ts'
import { systemClock } from '../../src/base/index.ts'
import type { MeshNode } from '../../src/index.ts'
import type { NodeEvent } from '../../src/node/events.ts'
import { MEASUREMENTS, policyFor } from '../attest/support.ts'
import { getKey, within } from '../mesh/support.ts'
import { InProcess, Recorder } from './support.ts'

const LIMIT_MS = 40_000

/** Resolves once `holds`, looked at after every event of the node. */
const until = (node: MeshNode, what: string, holds: (event?: NodeEvent) => boolean): Promise<void> =>
  within(
    LIMIT_MS,
    what,
    new Promise((resolve) => {
      const look = (event?: NodeEvent): void => {
        if (!holds(event)) return
        deaf()
        resolve()
      }
      const deaf = node.events.listen(look)
      look()
    }),
  )

/** Who is in. */
const peersOf = (node: MeshNode): string[] =>
  node
    .members()
    .filter(({ state }) => state !== 'leaving')
    .map(({ peerId }) => peerId)
const knowsAll = (node: MeshNode, nodes: readonly MeshNode[]): boolean => {
  const known = new Set(peersOf(node))
  return known.size === nodes.length && nodes.every((other) => known.has(other.status().peerId!))
}
const allKnow = (nodes: readonly MeshNode[]): Promise<unknown> =>
  Promise.all(nodes.map((node) => until(node, 'a complete table', () => knowsAll(node, nodes))))

describe('the members of a cluster', function () {
  this.timeout(120_000)
  let mesh: InProcess
  beforeEach(async () => {
    mesh = await InProcess.open()
  })
  afterEach(() => mesh.close())

  /** A chain: each joins through the one before. */
  const chain = async (count: number, init: Partial<Parameters<InProcess['node']>[1]> = {}): Promise<MeshNode[]> => {
    const nodes = [await mesh.first(init)]
    for (let i = 1; i < count; i++) {
      const node = await mesh.node(`node-${i}`, { ...init, entry: mesh.entry(nodes.at(-1)!) })
      await node.start()
      nodes.push(node)
    }
    return nodes
  }

  it('all know each other, through whomever each joined, and none has only its own word', async () => {
    const nodes = await chain(5)
    await allKnow(nodes)
    const [first] = nodes as [MeshNode]
    // The first one issued itself its credential; now there is somebody to judge it.
    await until(first, 'a credential by another', () => !first.status().credential!.selfIssued)
    for (const node of nodes.slice(1)) {
      await until(node, "the first one's new credential", () =>
        node.members().some(({ peerId, selfIssued }) => peerId === first.status().peerId && !selfIssued),
      )
    }
  })

  it('see at once when one leaves, which tells nobody anything afterwards', async () => {
    const nodes = await chain(4)
    await allKnow(nodes)
    const leaver = nodes.pop()!
    const left = nodes.map((node) => until(node, 'the leaving', (event) => event?.kind === 'member' && event.change === 'left'))
    const { peerId } = leaver.status()
    await leaver.stop()
    await Promise.all(left)
    for (const node of nodes) assert.ok(!peersOf(node).includes(peerId!))
  })

  it('leaves only when asked twice if nobody else holds the secret', async () => {
    const [first] = (await chain(1)) as [MeshNode]
    await assert.rejects(first.leave(), (error: Error & { code?: string }) => error.code === 'last_member')
    assert.equal(first.status().state, 'member')
    assert.deepEqual(await first.leave({ force: true }), { cluster: first.status().cluster })
    await within(LIMIT_MS, 'the end', first.ended)
  })

  it('have each other judged anew again and again, long before their credentials end', async () => {
    const policy = policyFor(mesh.pki, { credentialLifetime: '12s' })
    const nodes = [await mesh.first({ entry: { kind: 'new', policy } })]
    const alarms: NodeEvent[] = []
    for (let i = 1; i < 3; i++) {
      const node = await mesh.node(`node-${i}`, { entry: mesh.entry(nodes[0]!) })
      await node.start()
      nodes.push(node)
    }
    for (const node of nodes) node.events.listen((event) => void (event.kind === 'alarm' && alarms.push(event)))
    await Promise.all(
      nodes.map(async (node) => {
        let renewals = 0
        await until(node, 'two renewals by others', (event) => {
          if (event?.kind === 'renewed' && !event.selfIssued) renewals++
          return renewals >= 2
        })
        assert.equal(node.status().state, 'member')
        assert.notEqual(node.status().credential!.issuer, node.status().peerId)
      }),
    )
    assert.deepEqual(
      alarms.filter((event) => event.kind === 'alarm' && event.alarm === 'lapsed'),
      [],
    )
  })

  it('throw out for good whoever answers a challenge with what no member may be, on everybody’s own judgement', async () => {
    const policy = policyFor(mesh.pki, { credentialLifetime: '12s' })
    const good = mesh.td()
    // What it became after it joined; and it does not judge itself by the policy that all others have.
    const other = mesh.td({ measurements: { mrTd: new Uint8Array(48).fill(0x66) } })
    let turned = false
    const lenient = (own: EvidenceJudge<AcceptedVerdict>): EvidenceJudge<AcceptedVerdict> => ({
      judge: (evidence, expected, options) => {
        const verdict = own.judge(evidence, expected, options)
        if (verdict.accepted || !turned) return verdict
        return lastAccepted!
      },
    })
    let lastAccepted: AcceptedVerdict | undefined
    const log = new Recorder()
    const first = await mesh.first({ entry: { kind: 'new', policy }, log })
    const second = await mesh.node('second', { entry: mesh.entry(first) })
    await second.start()
    const traitor = await mesh.node('traitor', {
      entry: mesh.entry(first),
      attester: {
        ...good,
        extend: async (events) => {
          await good.extend(events)
          await other.extend(events)
        },
        quote: (data, signal) => (turned ? other.quote(data, signal) : good.quote(data, signal)),
      },
      verifier: (of) => {
        const own = createVerifier({ policy: of, clock: systemClock, ownCollateral: () => undefined })
        return lenient({
          judge: (evidence, expected, options) => {
            const verdict = own.judge(evidence, expected, options)
            if (verdict.accepted) lastAccepted = verdict
            return verdict
          },
        })
      },
    })
    await traitor.start()
    const honest = [first, second]
    await allKnow([...honest, traitor])
    const peerId = traitor.status().peerId!
    const out = honest.map((node) =>
      until(node, 'the revocation', (event) => event?.kind === 'member' && event.change === 'revoked' && event.peerId === peerId),
    )
    turned = true
    await Promise.all(out)
    for (const node of honest) assert.ok(!peersOf(node).includes(peerId))
    // The rest is whole.
    assert.ok(peersOf(first).includes(second.status().peerId!))
    assert.equal(await getKey(mesh.socket('first'), 'p'), await getKey(mesh.socket('second'), 'p'))
    assert.notDeepEqual(MEASUREMENTS.mrTd, new Uint8Array(48).fill(0x66))
  })
})
