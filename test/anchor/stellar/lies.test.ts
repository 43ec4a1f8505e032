import assert from 'node:assert/strict'
import { formatClusterId, parseClusterId } from '../../../protocols/wire/index.ts'
import { inspectAnchor, localFunder, type Network, proveAnchor } from '../../../src/anchor/index.ts'
import { MeshError, systemClock } from '../../../src/base/index.ts'
import { startDevnet } from '../../../testnet/stellar/index.ts'
import { type StandIn, TestKey } from './stand-in.ts'
import { code, funder, hastyClock, Ledgers, newCluster, PASSPHRASE } from './support.ts'

// Every field of every answer of Horizon that is read, with every kind of lie about it. Which fields are read is not written down
// from memory: it is recorded, property by property, and compared with the table.

type Json = Record<string, unknown>

/** `GET /accounts/G…` → `GET /accounts/{id}`. */
const shapeOf = (route: string): string =>
  route
    .replace(/\?.*$/, '')
    .replace(/\/[GC][A-Z2-7]{55}/, '/{id}')
    .replace(/\/[0-9a-f]{64}/, '/{hash}')
    .replace(/\/\d+/, '/{n}')

/** `_embedded.records[0].ledger`, as a path of names. */
const at = (path: string): string[] => path.split(/[.[\]]+/).filter((part) => part !== '')
/** Names of data entries have dots of their own. */
const partsOf = (path: string): string[] => (path.startsWith('data.') ? ['data', path.slice('data.'.length)] : at(path))

const valueAt = (body: unknown, path: string): unknown =>
  partsOf(path).reduce<unknown>((value, name) => (value as Json | undefined)?.[name], body)

const changedAt = (body: Json, path: string, value: unknown): Json => {
  const copy = structuredClone(body)
  const parts = partsOf(path)
  const last = parts.pop()!
  const holder = parts.reduce<Json>((each, name) => each[name] as Json, copy)
  if (value === undefined) delete holder[last]
  else holder[last] = value
  return copy
}

/** What no honest server would say, whatever the field. */
const NONSENSE: Record<string, unknown> = {
  missing: undefined,
  null: null,
  text: 'x',
  'empty text': '',
  negative: -1,
  fraction: 0.5,
  huge: 1e300,
  'a long text': 'A'.repeat(100_000),
  list: [1],
  'empty list': [],
  object: { a: 1 },
  'empty object': {},
  true: true,
}

const other64 = (value: unknown): unknown => {
  const bytes = Buffer.from(value as string, 'base64')
  bytes[bytes.length - 1]! ^= 1
  return bytes.toString('base64')
}
const otherHex = (value: unknown): unknown => `${(value as string).slice(0, -1)}${(value as string).endsWith('0') ? '1' : '0'}`
const more = (value: unknown): unknown => (typeof value === 'string' ? String(BigInt(value) + 1n) : (value as number) + 1)
const stranger = new TestKey('stranger').id

/**
 * The fields that are read, with another value that an honest server could have said. `harmless`: why nothing follows from it
 * where the answer is used although it lies; where that is left out, the lie must be caught.
 */
const ACCOUNT: Record<string, (value: unknown) => unknown> = {
  account_id: () => stranger,
  sequence: more,
  subentry_count: more,
  home_domain: () => 'evil.example',
  'thresholds.low_threshold': more,
  'thresholds.med_threshold': more,
  'thresholds.high_threshold': more,
  'flags.auth_required': () => true,
  'flags.auth_revocable': () => true,
  'flags.auth_immutable': () => false,
  'flags.auth_clawback_enabled': () => true,
  'signers[0].key': () => stranger,
  'signers[0].weight': () => 1,
  'data.dstack.version': other64,
  'data.dstack.genesis': other64,
  'data.dstack.quote': other64,
  'data.dstack.policy': other64,
  'data.dstack.boot.0': () => Buffer.from('/dns4/evil.example/tcp/4001').toString('base64'),
}
const FEES: Record<string, (value: unknown) => unknown> = { last_ledger: more, 'fee_charged.p95': () => '4000000000' }
const LEDGER: Record<string, (value: unknown) => unknown> = { header_xdr: other64, hash: otherHex }
const PROOF: Record<string, (value: unknown) => unknown> = { header_xdr: other64, tx_set_xdr: other64, results_xdr: other64 }
const TRANSACTION: Record<string, (value: unknown) => unknown> = {
  hash: otherHex,
  ledger: more,
  // The fee that was charged: an outcome of the same meaning, and one that means a failure.
  result_xdr: () => Buffer.concat([Buffer.alloc(8), Buffer.from('fffffffb', 'hex'), Buffer.alloc(4)]).toString('base64'),
}
const SUBMITTED: Record<string, (value: unknown) => unknown> = { result_xdr: TRANSACTION.result_xdr! }
const PAGE: Record<string, (value: unknown) => unknown> = {
  '_embedded.records[0].ledger': more,
  '_embedded.records[0].envelope_xdr': other64,
}

const READ: Record<string, Record<string, (value: unknown) => unknown>> = {
  'GET /accounts/{id}': ACCOUNT,
  'GET /fee_stats': FEES,
  'GET /ledgers/{n}': LEDGER,
  'GET /ledgers/{n}/proof': PROOF,
  'GET /transactions/{hash}': TRANSACTION,
  'POST /transactions': SUBMITTED,
  'GET /accounts/{id}/transactions': PAGE,
}
/** Read in the answer of a refused submission, not of one that was taken. */
const OF_A_REFUSAL = new Set(['extras', 'extras.result_xdr'])

/** Which properties of parsed answers are looked at while `work` runs: `path` of each, under the route that gave the text. */
const recorded = async (routeOf: (text: string) => string | undefined, work: () => Promise<unknown>): Promise<Set<string>> => {
  const read = new Set<string>()
  const watch = (value: unknown, route: string, path: string): unknown => {
    if (typeof value !== 'object' || value === null) return value
    return new Proxy(value, {
      get(target, name) {
        const found = Reflect.get(target, name) as unknown
        if (typeof name !== 'string' || !Object.hasOwn(target, name)) return found
        const isItem = Array.isArray(target)
        if (isItem && name === 'length') return found
        const inner = isItem ? `${path}[${name}]` : path === '' ? name : `${path}.${name}`
        if (typeof found !== 'object' || found === null) read.add(`${route} ${inner}`)
        return watch(found, route, inner)
      },
    })
  }
  const parse = JSON.parse
  JSON.parse = (text: string, reviver?: Parameters<typeof parse>[1]) => {
    const value = parse(text, reviver) as unknown
    const route = routeOf(text)
    return route === undefined ? value : watch(value, route, '')
  }
  try {
    await work()
  } finally {
    JSON.parse = parse
  }
  return read
}

describe('a Horizon that lies about a single field', function () {
  this.timeout(120_000)
  const ledgers = new Ledgers()
  afterEach(() => ledgers.close())
  const boot = ['/dns4/mesh.example.org/tcp/4001']

  const published = async () => {
    const ledger = await ledgers.open()
    ledger.fund(funder.id)
    const cluster = newCluster()
    const anchor = ledgers.anchor({ boot, homeDomain: 'example.org' })
    const proof = (await anchor.publish(cluster.record, cluster.keys))!
    return { ledger, ...cluster, proof, id: formatClusterId(cluster.record.clusterId) }
  }

  /** Makes `liar` tell each lie about the fields of these routes in turn, and does something with it. */
  const eachLie = async (
    liar: StandIn,
    routes: Record<string, Record<string, (value: unknown) => unknown>>,
    about: (route: string) => boolean,
    check: (what: string) => Promise<void>,
  ): Promise<number> => {
    let told = 0
    for (const [route, fields] of Object.entries(routes)) {
      for (const [path, plausible] of Object.entries(fields)) {
        for (const [kind, value] of [...Object.entries(NONSENSE), ['plausible', undefined] as const]) {
          // The truth.
          if (path === 'flags.auth_immutable' && kind === 'true') continue
          let lied = false
          liar.trick = ({ route: asked, status, body }) => {
            if (status !== 200 || shapeOf(asked) !== route || !about(asked)) return { status, body }
            const truth = valueAt(body, path)
            if (truth === undefined) return { status, body }
            lied = true
            const lie = kind === 'plausible' ? plausible(truth) : value
            return { status, body: changedAt(body, path, lie) }
          }
          await check(`${route} ${path}: ${kind}`)
          assert.ok(lied, `nobody asked for ${route} ${path}`)
          told++
        }
      }
    }
    liar.trick = undefined
    return told
  }
  const refusal = (what: string) => (error: unknown) => {
    assert.ok(error instanceof MeshError, `${what}: ${error}`)
    return true
  }

  it('could lie about these and no others: they are all that is read of the answers of the devnet', async () => {
    const devnet = await startDevnet({ port: 0, closeEveryMs: 100 })
    const original = globalThis.fetch
    const routes = new Map<string, string>()
    try {
      const payer = new TestKey('payer of lies')
      await fetch(`${devnet.url}/friendbot?addr=${payer.id}`)
      // Which answer is parsed is known by its text.
      globalThis.fetch = async (input, init) => {
        const response = await original(input, init)
        const text = await response.clone().text()
        routes.set(text, shapeOf(`${init?.method ?? 'GET'} ${new URL(String(input)).pathname}`))
        return response
      }
      const network: Network = {
        witness: 'devnet',
        passphrase: devnet.passphrase,
        horizons: [devnet.url],
        rpcs: [],
        archives: [],
      }
      const { record, keys } = newCluster()
      // A stranger makes the account first, so that the ledger of the genesis must be looked up.
      await original(`${devnet.url}/friendbot?addr=${formatClusterId(record.clusterId)}`)
      const anchor = ledgers.anchor({
        ...{ network, clock: systemClock, boot, homeDomain: 'example.org' },
        funder: async () => localFunder(payer.seed),
      })
      const read = await recorded(
        (text) => routes.get(text),
        async () => {
          assert.ok((await anchor.publish(record, keys)) !== undefined)
          await anchor.read(record.clusterId)
          await inspectAnchor(record.clusterId, network, systemClock)
          const none = { checkpoints: [], validators: [] }
          const { proof: found } = await proveAnchor(record.clusterId, network, { clock: systemClock, pins: none })
          const { ledger } = await anchor.verify(record.clusterId, found)
          assert.equal(await anchor.confirms(ledger!), true)
        },
      )
      const table = Object.entries(READ).flatMap(([route, fields]) => Object.keys(fields).map((path) => `${route} ${path}`))
      // All items of a list are read alike.
      const found = [...read].map((each) => each.replace(/records\[\d+\]/, 'records[0]'))
      assert.deepEqual([...new Set(found)].filter((each) => !OF_A_REFUSAL.has(each)).sort(), table.sort())
    } finally {
      globalThis.fetch = original
      await devnet.stop()
    }
  })

  it('is caught in an account by another server, whatever the field and the lie', async () => {
    const { ledger, record } = await published()
    const liar = await ledgers.open(ledger.copy())
    const anchor = ledgers.anchor()
    const told = await eachLie(
      liar,
      { 'GET /accounts/{id}': ACCOUNT },
      () => true,
      async (what) => {
        await assert.rejects(anchor.read(record.clusterId), refusal(what), what)
      },
    )
    assert.equal(told, Object.keys(ACCOUNT).length * (Object.keys(NONSENSE).length + 1) - 1)
    assert.deepEqual(await anchor.read(record.clusterId), { ...record, boot, proof: 'account' })
  })

  it('alone can make nobody believe another account than what a genesis makes; what it changes in it, the genesis bundle contradicts', async () => {
    const { ledger, record } = await published()
    const anchor = ledgers.anchor()
    const truth = await anchor.read(record.clusterId)
    const believed: string[] = []
    await eachLie(
      ledger,
      { 'GET /accounts/{id}': ACCOUNT },
      () => true,
      async (what) => {
        try {
          const reading = await anchor.read(record.clusterId)
          const same = (['genesisHash', 'quoteHash', 'policyHash'] as const).every((name) =>
            Buffer.from(reading[name]).equals(truth[name]),
          )
          believed.push(`${what.replace('GET /accounts/{id} ', '')}${same ? '' : ' (compared with the bundle of the onboarder)'}`)
        } catch (error) {
          refusal(what)(error)
        }
      },
    )
    assert.deepEqual(believed, [
      // Only tells in which ledger to look for the proof.
      'sequence: plausible',
      // Shown to people; decides nothing.
      'home_domain: missing',
      'home_domain: text',
      'home_domain: empty text',
      'home_domain: plausible',
      // A joiner compares all three with what the onboarder gives, and with the proof.
      'data.dstack.genesis: plausible (compared with the bundle of the onboarder)',
      'data.dstack.quote: plausible (compared with the bundle of the onboarder)',
      'data.dstack.policy: plausible (compared with the bundle of the onboarder)',
      // Whoever answers there has to prove the cluster's key.
      'data.dstack.boot.0: plausible',
    ])
  })

  it('alone can neither prove what is not so up to a pinned ledger, nor say when it was', async () => {
    const { ledger, record, proof } = await published()
    const anchor = ledgers.anchor()
    const { ledger: holder } = await anchor.verify(record.clusterId, proof)
    const network: Network = { witness: 'devnet', passphrase: PASSPHRASE, horizons: ledgers.urls, rpcs: [], archives: [] }
    const pins = { checkpoints: [holder!], validators: [] }
    const clock = hastyClock()
    const { report: truth } = await proveAnchor(record.clusterId, network, { clock, pins })
    assert.equal(truth.proof, 'ledger')
    const {
      'GET /accounts/{id}': account,
      'GET /fee_stats': fees,
      'GET /ledgers/{n}': header,
      'GET /ledgers/{n}/proof': parts,
    } = READ
    const routes = {
      'GET /accounts/{id}': account!,
      'GET /fee_stats': { last_ledger: fees!.last_ledger! },
      'GET /ledgers/{n}': header!,
      'GET /ledgers/{n}/proof': parts!,
    }
    await eachLie(
      ledger,
      routes,
      () => true,
      async (what) => {
        try {
          const { report } = await proveAnchor(record.clusterId, network, { clock, pins })
          // How far beyond the genesis its headers reach may differ, and so the bytes; nothing else.
          assert.deepEqual({ ...report, upTo: 0, bytes: 0, from: [] }, { ...truth, upTo: 0, bytes: 0, from: [] }, what)
        } catch (error) {
          refusal(what)(error)
        }
      },
    )
    await eachLie(
      ledger,
      { 'GET /ledgers/{n}': LEDGER },
      () => true,
      async (what) => {
        // A field that cannot be what it should is no ledger at all.
        const confirmed = await anchor.confirms(holder!).catch((error: unknown) => refusal(what)(error) && undefined)
        assert.notEqual(confirmed, true, what)
      },
    )
    // A ledger of its own making is another hash: that of the proof is not confirmed.
    ledger.trick = ({ route, status, body }) => {
      if (!/^GET \/ledgers\/\d+$/.test(route)) return { status, body }
      const { header: bytes, hash } = ledger.ledgers[0]!
      return { status, body: { ...body, header_xdr: bytes.toString('base64'), hash: hash.toString('hex') } }
    }
    await assert.rejects(anchor.confirms(holder!), code('proof_invalid'))
  })

  it('alone can spoil a publication, but never make it double, or believed where it is not', async () => {
    const routes = {
      'GET /fee_stats': FEES,
      'GET /ledgers/{n}': LEDGER,
      'GET /transactions/{hash}': TRANSACTION,
      'POST /transactions': SUBMITTED,
      'GET /ledgers/{n}/proof': PROOF,
    }
    const ledger = await ledgers.open()
    ledger.fund(funder.id)
    // Time at the ledger passes with the node's, so that a transaction whose time is over is known to be.
    const clock = hastyClock((ms) => {
      ledger.now += ms / 1_000
      if (Math.round(ledger.now) % 60 === 0) ledger.close([])
    })
    const check =
      (about: 'funder' | 'cluster' | 'all', fresh: { cluster: ReturnType<typeof newCluster> }) => async (what: string) => {
        const { cluster } = fresh
        fresh.cluster = newCluster()
        const before = [...ledger.found.values()].filter(({ successful }) => successful).length
        let resolved = false
        try {
          await ledgers.anchor({ clock }).publish(cluster.record, cluster.keys)
          resolved = true
        } catch (error) {
          refusal(`${what} (${about})`)(error)
        }
        const after = [...ledger.found.values()].filter(({ successful }) => successful).length
        const account = ledger.accounts.get(formatClusterId(cluster.record.clusterId))
        assert.ok(after - before <= 1, `${what}: ${after - before} genesis transactions`)
        if (resolved) {
          assert.equal(account?.frozen, true, what)
          assert.deepEqual(account?.data.get('dstack.genesis'), Buffer.from(cluster.record.genesisHash), what)
        }
      }
    const fresh = { cluster: newCluster() }
    await eachLie(ledger, routes, () => true, check('all', fresh))
    const { sequence, account_id, subentry_count } = ACCOUNT
    // Of the funder only its number matters.
    const funderFields = { account_id: account_id!, sequence: sequence!, subentry_count: subentry_count! }
    await eachLie(ledger, { 'GET /accounts/{id}': funderFields }, (route) => route.includes(funder.id), check('funder', fresh))
    const { 'data.dstack.boot.0': _, home_domain: __, ...clusterFields } = ACCOUNT
    await eachLie(
      ledger,
      { 'GET /accounts/{id}': clusterFields },
      (route) => route.includes(formatClusterId(fresh.cluster.record.clusterId)) || !route.includes(funder.id),
      check('cluster', fresh),
    )
    assert.ok(parseClusterId(funder.id) !== undefined)
  })
})
