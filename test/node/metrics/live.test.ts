import assert from 'node:assert/strict'
import { systemRandom } from '../../../src/base/index.ts'
import type { MeshNode } from '../../../src/index.ts'
import { ask, within } from '../../mesh/support.ts'
import { InProcess, Recorder } from '../support.ts'
import { Scrape } from './scrape.ts'

const LIMIT_MS = 10_000
const scrape = async (node: MeshNode): Promise<Scrape> => new Scrape((await node.metrics())!.body)

describe('the metrics of running nodes', function () {
  this.timeout(30_000)
  let mesh: InProcess
  let first: MeshNode
  let second: MeshNode
  before(async () => {
    mesh = await InProcess.open()
    const log = new Recorder()
    first = await mesh.first({ metrics: true, log })
    const stranger = await mesh.node('stranger', {
      entry: mesh.entry(first),
      attester: mesh.td({ measurements: { rtmr2: systemRandom.bytes(48) } }),
    })
    await assert.rejects(stranger.start())
    second = await mesh.node('second', { entry: mesh.entry(first), metrics: true })
    await second.start()
    await within(LIMIT_MS, 'the second admitted', log.seen('onboard.admitted'))
    await ask(mesh.socket('first'), '/GetKey', { path: 'p' })
    await ask(mesh.socket('first'), '/getkey/some-tag')
    await ask(mesh.socket('first'), '/GetKey', { path: 7 })
    await ask(mesh.socket('first'), '/a/path/of/the/asker?with=words')
  })
  after(() => mesh.close())

  it('tell joins, judging, members, credential, collateral and what apps asked', async () => {
    const seen = await scrape(first)
    assert.equal(seen.value('dstack_mesh_joins_total', { outcome: 'admitted' }), 1)
    assert.equal(seen.value('dstack_mesh_joins_total', { outcome: 'refused', code: 'measurement_unacceptable' }), 1)
    assert.equal(seen.value('dstack_mesh_judging_seconds_count', { accepted: 'no' }), 1)
    assert.equal(seen.value('dstack_mesh_members', { state: 'active' }), 1)
    assert.equal(seen.value('dstack_mesh_members', { state: 'self' }), 1)
    assert.equal(seen.value('dstack_mesh_state', { state: 'member' }), 1)
    assert.ok(seen.value('dstack_mesh_credential_remaining_seconds')! > 0)
    assert.ok(seen.value('dstack_mesh_collateral_remaining_seconds')! > 0)
    assert.ok(seen.value('dstack_mesh_collateral_evaluation_data_number')! > 0)
    const requests = seen.all('dstack_mesh_api_requests_total').map(({ labels, value }) => ({ ...labels, value }))
    assert.deepEqual(
      requests.sort((a, b) => JSON.stringify(a).localeCompare(JSON.stringify(b))),
      [
        { app: 'app', route: '/GetKey', status: '200', value: 1 },
        { app: 'app', route: '/GetKey', status: '400', value: 1 },
        { app: 'app', route: '/getkey/:tag', status: '200', value: 1 },
        { app: 'app', route: 'none', status: '404', value: 1 },
      ],
    )
    assert.equal(seen.value('dstack_mesh_api_request_seconds_count', { route: '/GetKey' }), 2)
  })

  it("hold libp2p's own, each node's apart", async () => {
    for (const node of [first, second]) {
      const seen = await scrape(node)
      const bytes = seen
        .all('libp2p_data_transfer_bytes_total')
        .filter(({ labels }) => labels.protocol?.startsWith('/dstack/onboard/'))
      assert.ok(
        bytes.some(({ value }) => value > 1_000),
        'a join was transferred',
      )
      assert.ok(seen.all('libp2p_connection_manager_connections').length > 0)
    }
  })

  it('name no peer and no address of another member', async () => {
    const [one, other] = await Promise.all([scrape(first), scrape(second)])
    for (const node of [first, second]) {
      for (const { body } of [one, other]) assert.ok(!body.includes(node.status().peerId!), 'a peer id')
    }
    for (const address of second.addresses())
      assert.ok(!one.body.includes(address.split('/').at(-1)!), 'where the second listens')
  })

  it('are served on the status port', async () => {
    const shown = await mesh.node('shown', { entry: mesh.entry(first), statusPort: { host: '127.0.0.1', port: 0 } })
    await shown.start()
    const answer = await fetch(new URL('/metrics', shown.status().statusUrl!), { signal: AbortSignal.timeout(LIMIT_MS) })
    assert.equal(answer.status, 200)
    assert.match(answer.headers.get('content-type')!, /^text\/plain; version=0\.0\.4/)
    assert.equal(new Scrape(await answer.text()).value('dstack_mesh_state', { state: 'member' }), 1)
  })

  it('are not there where nobody asked for them', async () => {
    const plain = await mesh.node('plain', { entry: mesh.entry(first) })
    await plain.start()
    assert.equal(await plain.metrics(), undefined)
  })
})
