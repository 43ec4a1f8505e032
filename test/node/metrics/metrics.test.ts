import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { Counter, register } from 'prom-client'
import { createEmulatedPki } from '../../../src/attest/emulator/index.ts'
import { collateralDates } from '../../../src/attest/index.ts'
import type { AlarmCode } from '../../../src/node/alarm-words.ts'
import { NodeEvents } from '../../../src/node/events.ts'
import { describeSeries, type MetricsSource, NodeMetrics, SERIES } from '../../../src/node/metrics/index.ts'
import type { MemberStatus, NodeStatus } from '../../../src/node/status.ts'
import { FakeClock } from '../../protocols/support.ts'
import { Scrape } from './scrape.ts'

const member = (peerId: string, state: MemberStatus['state']): MemberStatus => ({
  peerId,
  state,
  addresses: ['/ip4/192.0.2.7/tcp/4001'],
  tcbStatus: 'UpToDate',
  issuer: 'issuer',
  selfIssued: false,
  issuedAt: '2026-01-01T00:00:00.000Z',
  expiresAt: '2026-01-01T01:00:00.000Z',
})
const STATUS: NodeStatus = {
  state: 'member',
  cluster: `G${'A'.repeat(55)}`,
  peerId: '12D3KooWself',
  addresses: ['/ip4/192.0.2.1/tcp/4001'],
  tee: 'emulator',
  witness: 'file',
  proof: null,
  genesis: null,
  anchorNotes: [],
  alarms: [],
  policy: { hash: 'ab'.repeat(32), insecure: true, words: ['INSECURE: a rehearsal'] },
  epochs: [0],
  credential: null,
  members: [member('12D3KooWself', 'self'), member('12D3KooWother', 'active'), member('12D3KooWthird', 'unreachable')],
  apps: [{ name: 'app', appId: '00'.repeat(20), socket: '/run/app.sock' }],
  statusUrl: null,
  pid: 1,
}

class Node implements MetricsSource {
  readonly clock = new FakeClock()
  readonly events = new NodeEvents()
  readonly metrics = new NodeMetrics({ source: this, events: this.events, clock: this.clock, version: '1.2.3' })
  now: NodeStatus = STATUS
  remaining: number | undefined = 90_000
  asked = 0
  held: ReturnType<MetricsSource['collateral']>
  status = () => {
    this.asked++
    return this.now
  }
  remainingMs = () => this.remaining
  collateral = () => this.held
  async scrape(): Promise<Scrape> {
    this.clock.pass(2_000)
    return new Scrape((await this.metrics.render()).body)
  }
}

describe('the metrics of a node', () => {
  it('are counted from its events', async () => {
    const node = new Node()
    const peerId = '12D3KooWother'
    node.events.emit({ kind: 'join', peerId, outcome: 'admitted' })
    node.events.emit({ kind: 'join', peerId, outcome: 'refused', code: 'quote_invalid' })
    node.events.emit({ kind: 'join', peerId, outcome: 'refused', code: 'quote_invalid' })
    node.events.emit({ kind: 'judged', accepted: false, code: 'quote_invalid', ms: 3 })
    node.events.emit({ kind: 'member', peerId, change: 'unreachable' })
    node.events.emit({ kind: 'challenge', side: 'verifier', peerId, outcome: 'renewed' })
    node.events.emit({ kind: 'gossip', message: 'record', verdict: 'ignore', fault: 'stale' })
    node.events.emit({ kind: 'renewed', selfIssued: true, expiresAt: 1 })
    for (const about of ['12D3KooWother', '12D3KooWthird'])
      node.events.emit({ kind: 'alarm', alarm: 'member_clock', on: true, peerId: about })
    node.events.emit({ kind: 'alarm', alarm: 'lapsed', on: true })
    node.events.emit({ kind: 'alarm', alarm: 'lapsed', on: false })
    const scrape = await node.scrape()
    assert.equal(scrape.value('dstack_mesh_joins_total', { outcome: 'admitted', code: 'none' }), 1)
    assert.equal(scrape.value('dstack_mesh_joins_total', { outcome: 'refused', code: 'quote_invalid' }), 2)
    assert.equal(scrape.value('dstack_mesh_joins_total', { outcome: 'failed', code: 'none' }), 0, 'announced before it happens')
    assert.equal(scrape.value('dstack_mesh_judging_seconds_sum', { accepted: 'no' }), 0.003)
    assert.equal(scrape.value('dstack_mesh_member_changes_total', { change: 'unreachable' }), 1)
    assert.equal(scrape.value('dstack_mesh_challenges_total', { side: 'verifier', outcome: 'renewed' }), 1)
    assert.equal(scrape.value('dstack_mesh_gossip_messages_total', { message: 'record', verdict: 'ignore', fault: 'stale' }), 1)
    assert.equal(scrape.value('dstack_mesh_renewals_total', { issuer: 'self' }), 1)
    assert.equal(scrape.value('dstack_mesh_alarms_active', { alarm: 'member_clock' }), 2)
    assert.equal(scrape.value('dstack_mesh_alarms_active', { alarm: 'lapsed' }), 0)
    node.metrics.stop()
    node.events.emit({ kind: 'join', peerId, outcome: 'admitted' })
    assert.equal((await node.scrape()).value('dstack_mesh_joins_total', { outcome: 'admitted' }), 1, 'stopped')
  })

  it('are read from its status when they are scraped', async () => {
    const node = new Node()
    node.held = createEmulatedPki({ nowMs: node.clock.now() }).collateral(node.clock.now())
    const dates = collateralDates(node.held)!
    const scrape = await node.scrape()
    const [cluster] = scrape.all('dstack_mesh_cluster_info')
    assert.deepEqual(cluster?.labels, {
      cluster: STATUS.cluster,
      policy: STATUS.policy?.hash,
      tee: 'emulator',
      witness: 'file',
      proof: 'none',
    })
    assert.equal(scrape.value('dstack_mesh_build_info', { version: '1.2.3' }), 1)
    assert.equal(scrape.value('dstack_mesh_policy_insecure'), 1)
    assert.equal(scrape.value('dstack_mesh_state', { state: 'member' }), 1)
    assert.equal(scrape.value('dstack_mesh_state', { state: 'lapsed' }), 0)
    const members = scrape.all('dstack_mesh_members').map(({ labels, value }) => [labels.state, value])
    assert.deepEqual(members, [
      ['self', 1],
      ['active', 1],
      ['unreachable', 1],
      ['leaving', 0],
      ['lapsed', 0],
    ])
    assert.equal(scrape.value('dstack_mesh_credential_remaining_seconds'), 90)
    assert.equal(scrape.value('dstack_mesh_collateral_age_seconds'), (node.clock.now() - dates.issuedAtMs) / 1000)
    assert.equal(scrape.value('dstack_mesh_collateral_remaining_seconds'), (dates.nextUpdateMs - node.clock.now()) / 1000)
    assert.equal(scrape.value('dstack_mesh_collateral_evaluation_data_number'), dates.tcbEvaluationDataNumber)
    node.remaining = undefined
    node.held = { ...node.held, tcbInfo: '{"broken":' }
    node.now = { ...STATUS, state: 'joining', cluster: null, policy: null, members: [], apps: [] }
    const before = await node.scrape()
    for (const name of [
      'dstack_mesh_credential_remaining_seconds',
      'dstack_mesh_cluster_info',
      'dstack_mesh_policy_insecure',
      'dstack_mesh_collateral_age_seconds',
    ]) {
      assert.equal(before.value(name), undefined, `${name} says nothing where there is nothing to say`)
    }
    assert.equal(before.value('dstack_mesh_apps'), 0)
  })

  it('hold what the table of series says and nothing else of ours, and the document is that table', async () => {
    const scrape = await new Node().scrape()
    const own = [...scrape.types].filter(([name]) => name.startsWith('dstack_mesh_'))
    assert.deepEqual(
      own.sort(),
      Object.values(SERIES)
        .map(({ name, kind }) => [name, kind])
        .sort(),
    )
    for (const { name, kind } of Object.values(SERIES)) assert.equal(name.endsWith('_total'), kind === 'counter', name)
    for (const name of ['process_cpu_seconds_total', 'process_resident_memory_bytes', 'nodejs_eventloop_lag_p99_seconds']) {
      assert.ok(scrape.value(name) !== undefined, name)
    }
    assert.ok(readFileSync('docs/metrics.md', 'utf8').includes(describeSeries()), 'docs/metrics.md is old: npm run docs')
  })

  it('have no label that anybody else chooses, however many they send', async () => {
    const node = new Node()
    await fc.assert(
      fc.asyncProperty(fc.array(fc.string({ unit: 'binary', maxLength: 200 }), { maxLength: 300 }), async (words) => {
        for (const word of words) {
          node.events.emit({ kind: 'challenge', side: 'verifier', peerId: word, outcome: word })
          node.events.emit({ kind: 'alarm', alarm: word as AlarmCode, on: true, peerId: word })
          node.events.emit({ kind: 'join', peerId: word, joinId: word, outcome: 'refused', code: word as never, reasons: [word] })
          node.metrics.answered({ app: word, route: word, status: word.length * 1e6, ms: Number.NaN })
        }
        node.now = { ...STATUS, cluster: words[0] ?? '', tee: words[1] ?? '', witness: words[2] ?? '' }
        await node.scrape()
      }),
      { numRuns: 20 },
    )
    // Even words that look like ours are no way to more than a bounded number of series.
    for (let i = 0; i < 10_000; i++) {
      node.events.emit({ kind: 'challenge', side: 'verifier', peerId: '', outcome: `outcome_${i}` })
      node.events.emit({ kind: 'alarm', alarm: `alarm_${i}` as AlarmCode, on: true, peerId: `${i}` })
      node.metrics.answered({ app: 'app', route: `/route${i}`, status: 200 + (i % 300), ms: 1e300 })
    }
    const scrape = await node.scrape()
    assert.ok(scrape.all('dstack_mesh_challenges_total').length <= 66)
    assert.ok(scrape.all('dstack_mesh_alarms_active').length <= 66)
    assert.ok(scrape.all('dstack_mesh_api_requests_total').length <= 130 * 33)
    assert.ok(scrape.value('dstack_mesh_challenges_total', { outcome: 'other' })! > 9_000)
    for (const { name, labels } of scrape.samples) {
      for (const value of Object.values(labels))
        assert.match(value, /^[A-Za-z0-9_.:/+-]{1,80}$/, `${name}: ${JSON.stringify(value)}`)
    }
  })

  it('name no member and no address', async () => {
    const { body } = await new Node().scrape()
    assert.doesNotMatch(body, /12D3Koo|192\.0\.2\.|\/ip4/)
  })

  it('are made once for all who ask at the same time or soon after', async () => {
    const node = new Node()
    const texts = await Promise.all(Array.from({ length: 100 }, () => node.metrics.render()))
    assert.equal(node.asked, 1)
    assert.equal(new Set(texts.map(({ body }) => body)).size, 1)
    node.clock.pass(999)
    await node.metrics.render()
    assert.equal(node.asked, 1)
    node.clock.pass(1)
    await node.metrics.render()
    assert.equal(node.asked, 2)
  })

  it('are made anew after a scrape that failed', async () => {
    const node = new Node()
    const { status } = node
    node.status = () => {
      throw new Error('not now')
    }
    await assert.rejects(node.metrics.render(), /not now/)
    node.status = status
    assert.match((await node.metrics.render()).body, /dstack_mesh_state/)
  })

  it('leave the metrics of the program around them alone, and one node those of another', async () => {
    const theirs = new Counter({ name: 'theirs_total', help: 'of another program' })
    theirs.inc(7)
    const [one, other] = [new Node(), new Node()]
    const components = { logger: { forComponent: () => () => {} } } as never
    const libraries = [one, other].map(({ metrics }) => metrics.libp2p(components))
    for (const library of libraries) library.registerCounter('libp2p_test_total')?.increment()
    libraries[0]!.registerCounter('libp2p_test_total')?.increment()
    one.events.emit({ kind: 'join', peerId: '', outcome: 'admitted' })
    assert.match(await register.metrics(), /theirs_total 7/)
    register.removeSingleMetric('theirs_total')
    assert.doesNotMatch(await register.metrics(), /dstack_mesh|libp2p/)
    assert.equal((await other.scrape()).value('dstack_mesh_joins_total', { outcome: 'admitted' }), 0)
    assert.equal((await one.scrape()).value('dstack_mesh_joins_total', { outcome: 'admitted' }), 1)
  })
})
