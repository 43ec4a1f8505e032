import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import fc from 'fast-check'
import { formatClusterId } from '../../../protocols/wire/index.ts'
import { systemClock } from '../../../src/base/index.ts'
import type { Trick } from './stand-in.ts'
import { code, funder, hastyClock, Ledgers, newCluster } from './support.ts'

type Body = Record<string, unknown>

describe('reading an anchor account', function () {
  this.timeout(20_000)
  const ledgers = new Ledgers()
  afterEach(() => ledgers.close())

  const published = async () => {
    const ledger = await ledgers.open()
    ledger.fund(funder.id)
    const cluster = newCluster()
    await ledgers.anchor({ boot: ['/dns4/mesh.example.org/tcp/4001'] }).publish(cluster.record, cluster.keys)
    return { ledger, ...cluster, id: formatClusterId(cluster.record.clusterId) }
  }
  const onAccount =
    (change: (body: Body) => Body): Trick =>
    ({ route, status, body }) => ({ status, body: route.startsWith('GET /accounts/') && status === 200 ? change(body) : body })

  it('refuses each thing that no genesis makes, each by its name', async () => {
    const { ledger, record, id } = await published()
    const stranger = 'GAAZI4TCR3TY5OJHCTJC2A4QSY6CJWJH5IAJTGKIN2ER7LBNVKOCCWN7'
    const own = { key: id, weight: 0, type: 'ed25519_public_key' }
    const zero = Buffer.alloc(32).toString('base64')
    const cases: [string, (body: Body) => Body][] = [
      ['anchor_not_frozen', (body) => ({ ...body, flags: { ...(body.flags as Body), auth_immutable: false } })],
      ['anchor_not_frozen', (body) => ({ ...body, signers: [{ ...own, weight: 1 }] })],
      ['anchor_extra_signer', (body) => ({ ...body, signers: [own, { ...own, key: stranger, weight: 1 }] })],
      ['anchor_extra_signer', (body) => ({ ...body, signers: [own, { ...own, key: stranger }] })],
      ['anchor_thresholds', (body) => ({ ...body, thresholds: { low_threshold: 0, med_threshold: 1, high_threshold: 1 } })],
      ['anchor_thresholds', (body) => ({ ...body, thresholds: { low_threshold: 1, med_threshold: 2, high_threshold: 1 } })],
      ['anchor_flags', (body) => ({ ...body, flags: { ...(body.flags as Body), auth_required: true } })],
      ['anchor_flags', (body) => ({ ...body, flags: { ...(body.flags as Body), auth_clawback_enabled: true } })],
      ['anchor_entries', (body) => ({ ...body, subentry_count: 6 })],
      ['anchor_entries', (body) => ({ ...body, data: {} })],
    ]
    for (const name of ['dstack.version', 'dstack.genesis', 'dstack.quote', 'dstack.policy', 'dstack.boot.0']) {
      cases.push([
        'anchor_entries',
        (body) => ({ ...body, data: Object.fromEntries(Object.entries(body.data as Body).filter(([key]) => key !== name)) }),
      ])
    }
    for (const [name, value] of [
      ['dstack.epoch', zero],
      ['other', 'AA=='],
      ['dstack.boot.2', 'AA=='],
      ['dstack.version', Buffer.from('2').toString('base64')],
      ['dstack.genesis', Buffer.alloc(31).toString('base64')],
      [
        'dstack.boot.0',
        Buffer.from('/ip4/192.0.2.1/tcp/1/p2p/12D3KooWGRUf7FzNfwDZ5jzkP4nvPzyHoBGGd84WRoCZYbpzpQnU')
          .subarray(0, 64)
          .toString('base64'),
      ],
      ['dstack.boot.0', Buffer.from('no address').toString('base64')],
    ] as const) {
      cases.push(['anchor_entries', (body) => ({ ...body, data: { ...(body.data as Body), [name]: value } })])
    }
    for (const [expected, change] of cases) {
      ledger.trick = onAccount(change)
      await assert.rejects(ledgers.anchor().read(record.clusterId), code(expected), `${expected} ${change}`)
    }
  })

  it('tells an account that a stranger made empty from a genesis', async () => {
    const ledger = await ledgers.open()
    const { record } = newCluster()
    ledger.fund(formatClusterId(record.clusterId))
    await assert.rejects(ledgers.anchor().read(record.clusterId), code('anchor_not_frozen'))
  })

  it('catches a server that lies about any single field, where another tells the truth', async () => {
    const { ledger, record, id } = await published()
    const liar = await ledgers.open(ledger.copy())
    const truth = liar.accountJson(id)!
    const entries = truth.data as Record<string, string>
    const lies: [string, Body][] = [
      ['sequence', { ...truth, sequence: String(BigInt(truth.sequence as string) + 1n) }],
      ['home_domain', { ...truth, home_domain: 'evil.example' }],
      ['account_id', { ...truth, account_id: funder.id }],
      ...Object.keys(entries).map((name): [string, Body] => [
        name,
        { ...truth, data: { ...entries, [name]: Buffer.from(entries[name]!, 'base64').fill(0x32).toString('base64') } },
      ]),
      ...(['thresholds', 'flags', 'signers', 'data', 'sequence', 'subentry_count'] as const).flatMap((name): [string, Body][] => [
        [`no ${name}`, Object.fromEntries(Object.entries(truth).filter(([key]) => key !== name))],
        [`${name} null`, { ...truth, [name]: null }],
        [`${name} text`, { ...truth, [name]: 'x' }],
        [`${name} negative`, { ...truth, [name]: -1 }],
        [`${name} huge`, { ...truth, [name]: 1e300 }],
      ]),
    ]
    for (const [what, body] of lies) {
      liar.trick = ({ route, ...answer }) => (route.startsWith('GET /accounts/') ? { status: 200, body } : answer)
      await assert.rejects(ledgers.anchor().read(record.clusterId), /Refused/, what)
    }
    liar.trick = ({ route, ...answer }) => (route.startsWith('GET /accounts/') ? { status: 404, body: { status: 404 } } : answer)
    await assert.rejects(ledgers.anchor().read(record.clusterId), code('anchor_views_differ'))
    liar.trick = undefined
    assert.equal((await ledgers.anchor().read(record.clusterId)).proof, 'account')
  })

  it('is as slow as the deadline when one of two servers never answers, and no slower', async () => {
    const { ledger, record } = await published()
    const slow = await ledgers.open(ledger.copy())
    slow.trick = () => undefined
    const deadlines: number[] = []
    const aborting = {
      ...systemClock,
      // The deadline's length is noted; it ends as soon as the other server has answered.
      deadline: (ms: number, parent?: AbortSignal) => {
        deadlines.push(ms)
        return systemClock.deadline(300, parent)
      },
    }
    assert.equal((await ledgers.anchor({ clock: aborting }).read(record.clusterId)).proof, 'account')
    assert.deepEqual(deadlines, [5_000, 5_000])
  })

  it('takes an outage for an outage, whatever it looks like', async () => {
    const { ledger, record } = await published()
    const tricks: Record<string, Trick> = {
      html: (_, response) => void response.end('<html>busy</html>'),
      'html with an error': (_, response) => void response.writeHead(503).end('<html>busy</html>'),
      429: () => ({ status: 429, body: {} }),
      500: () => ({ status: 500, body: {} }),
      '404 of a proxy': (_, response) => void response.writeHead(404).end('<h1>no such host</h1>'),
      cut: (_, response) => {
        response.writeHead(200, { 'content-length': 1000 })
        response.write('{"id":')
        response.destroy()
        return undefined
      },
      huge: (_, response) => void response.end(`{"a":"${'x'.repeat(2_000_000)}"}`),
      redirect: (_, response) => void response.writeHead(302, { location: 'http://127.0.0.1:9/' }).end(),
    }
    for (const [name, trick] of Object.entries(tricks)) {
      ledger.trick = trick
      await assert.rejects(ledgers.anchor().read(record.clusterId), code('anchor_unreachable'), name)
    }
    const [url] = ledgers.urls
    const tls = url!.replace('http:', 'https:')
    await assert.rejects(ledgers.anchor({ horizons: [tls] }).read(record.clusterId), code('anchor_unreachable'), 'TLS')
    // One that answers is enough.
    await ledgers.open(ledger.copy())
    assert.equal((await ledgers.anchor().read(record.clusterId)).proof, 'account')
  })

  it('follows no redirect to another host', async () => {
    const { ledger, record } = await published()
    let visits = 0
    const other = createServer((_, response) => {
      visits++
      response.end('{}')
    })
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
    try {
      const { port } = other.address() as AddressInfo
      ledger.trick = (_, response) => void response.writeHead(307, { location: `http://127.0.0.1:${port}/` }).end()
      await assert.rejects(ledgers.anchor().read(record.clusterId), code('anchor_unreachable'))
      assert.equal(visits, 0)
    } finally {
      other.close()
    }
  })

  it('says of a cluster that is not there that the network may have been reset, but only on a ledger that still closes', async () => {
    const ledger = await ledgers.open()
    const { record } = newCluster()
    await assert.rejects(
      ledgers.anchor().read(record.clusterId),
      (error: Error & { next?: string }) => code('anchor_missing')(error) && /was reset/.test(error.next!),
    )
    ledger.now -= 3_600
    ledger.close([])
    await assert.rejects(ledgers.anchor().read(record.clusterId), code('anchor_stale'))
  })

  it('of a cluster with governance follows the head, and refuses one that it does not understand', async () => {
    const { ledger, record, id } = await published()
    const next = newCluster().record.clusterId
    const account = ledger.accounts.get(id)!
    account.data.set('dstack.next', Buffer.from(next))
    await assert.rejects(ledgers.anchor().read(record.clusterId), code('anchor_head_missing'))
    ledger.fund(formatClusterId(next))
    await assert.rejects(ledgers.anchor().read(record.clusterId), code('anchor_head_open'))
    ledger.accounts.get(formatClusterId(next))!.frozen = true
    assert.equal((await ledgers.anchor().read(record.clusterId)).proof, 'account')
    ledger.accounts.get(formatClusterId(next))!.data.set('dstack.successor.1', Buffer.alloc(32))
    await assert.rejects(ledgers.anchor().read(record.clusterId), code('unsupported'))
    // An old view of the head may hide a new one.
    ledger.accounts.get(formatClusterId(next))!.data.clear()
    ledger.now -= 3_600
    ledger.close([])
    await assert.rejects(ledgers.anchor().read(record.clusterId), code('anchor_stale'))
  })

  it('makes of any JSON a refusal or an outage, never another error', async () => {
    const { ledger, record, id } = await published()
    const truth = ledger.accountJson(id)!
    const names = Object.keys(truth)
    const anchor = ledgers.anchor({ clock: hastyClock() })
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...names), fc.jsonValue(), fc.boolean(), async (name, value, whole) => {
        const body = whole ? (value as Body) : { ...truth, [name]: value }
        ledger.trick = ({ route, ...answer }) => (route.startsWith('GET /accounts/') ? { status: 200, body } : answer)
        try {
          const reading = await anchor.read(record.clusterId)
          assert.deepEqual(reading.genesisHash, record.genesisHash)
        } catch (error) {
          assert.ok(error instanceof Error && /RefusedError|TransientError/.test(error.name), String(error))
        }
      }),
      { numRuns: 300 },
    )
  })
})
