import assert from 'node:assert/strict'
import { TransactionBuilder } from '@stellar/stellar-sdk/base'
import { formatClusterId } from '../../../protocols/wire/index.ts'
import { code, funder, hastyClock, Ledgers, newCluster, PASSPHRASE } from './support.ts'

describe('publishing a genesis on a ledger', function () {
  this.timeout(20_000)
  const ledgers = new Ledgers()
  afterEach(() => ledgers.close())

  const ledgerWithFunder = async () => {
    const ledger = await ledgers.open()
    ledger.fund(funder.id)
    return ledger
  }

  it('is read back as it was published, from an account that nobody can change any more, with a proof', async () => {
    const ledger = await ledgerWithFunder()
    const { record, keys } = newCluster()
    const boot = ['/dns4/mesh.example.org/tcp/4001', '/ip4/192.0.2.1/tcp/4001']
    const anchor = ledgers.anchor({ boot, homeDomain: 'example.org' })
    const proof = await anchor.publish(record, keys)
    assert.deepEqual(await anchor.read(record.clusterId), { ...record, boot, proof: 'account' })
    assert.ok(proof !== undefined)
    const { ledger: holder, ...proven } = await anchor.verify(record.clusterId, proof)
    assert.deepEqual(proven, { ...record, boot, proof: 'transaction' })
    assert.deepEqual(Buffer.from(holder!.hash), ledger.ledgers[holder!.sequence - 1]!.hash)
    const account = ledger.accounts.get(formatClusterId(record.clusterId))!
    assert.deepEqual([account.frozen, account.homeDomain, account.data.size], [true, 'example.org', 6])
  })

  it('is a transaction of nine operations with a time and a fee that end, signed by exactly two', async () => {
    const ledger = await ledgerWithFunder()
    const { record, keys } = newCluster()
    let seen = ''
    const submit = ledger.submit.bind(ledger)
    ledger.submit = (text) => {
      seen = text
      return submit(text)
    }
    await ledgers.anchor({ boot: ['/dns4/mesh.example.org/tcp/4001'] }).publish(record, keys)
    const transaction = TransactionBuilder.fromXDR(seen, PASSPHRASE)
    assert.ok('source' in transaction)
    assert.deepEqual(
      transaction.operations.map(({ type, source }) => [type, source === undefined ? 'funder' : 'cluster']),
      [
        ['beginSponsoringFutureReserves', 'funder'],
        ['createAccount', 'funder'],
        ...Array.from({ length: 5 }, () => ['manageData', 'cluster']),
        ['setOptions', 'cluster'],
        ['endSponsoringFutureReserves', 'cluster'],
      ],
    )
    assert.equal(transaction.signatures.length, 2)
    assert.equal(transaction.fee, '900')
    const left = Number(transaction.timeBounds!.maxTime) - Date.now() / 1_000
    assert.ok(left > 200 && left < 400)
    assert.equal(transaction.minAccountSequence, undefined)
  })

  it('twice for one cluster: the same changes nothing, another is refused', async () => {
    const ledger = await ledgerWithFunder()
    const { record, keys } = newCluster()
    const anchor = ledgers.anchor()
    await anchor.publish(record, keys)
    const before = ledger.ledgers.length
    assert.ok((await anchor.publish(record, keys)) !== undefined)
    assert.equal(ledger.ledgers.length, before)
    await assert.rejects(anchor.publish({ ...record, genesisHash: record.quoteHash }, keys), code('anchor_taken'))
    assert.deepEqual((await anchor.read(record.clusterId)).genesisHash, record.genesisHash)
  })

  it('at once by two with one cluster key: one of them, and the other is refused', async () => {
    await ledgerWithFunder()
    const { record, keys } = newCluster()
    const rival = { ...record, quoteHash: record.policyHash }
    const settled = await Promise.allSettled([ledgers.anchor().publish(record, keys), ledgers.anchor().publish(rival, keys)])
    assert.deepEqual(settled.map(({ status }) => status).sort(), ['fulfilled', 'rejected'])
    const lost = settled.find((each) => each.status === 'rejected')!
    assert.ok(code('anchor_taken')(lost.reason), String(lost.reason))
    const won = settled[0]!.status === 'fulfilled' ? record : rival
    assert.deepEqual((await ledgers.anchor().read(record.clusterId)).quoteHash, won.quoteHash)
  })

  it('at once by two clusters with one funder: both get in, one of them with a second transaction', async () => {
    const ledger = await ledgerWithFunder()
    const [a, b] = [newCluster(), newCluster()]
    await Promise.all([a, b].map(({ record, keys }) => ledgers.anchor().publish(record, keys)))
    for (const { record } of [a, b])
      assert.deepEqual((await ledgers.anchor().read(record.clusterId)).policyHash, record.policyHash)
    assert.equal([...ledger.found.values()].filter(({ successful }) => successful).length, 2)
  })

  it('of an account that a stranger made empty first: the same without making it', async () => {
    const ledger = await ledgerWithFunder()
    const { record, keys } = newCluster()
    const id = formatClusterId(record.clusterId)
    // After the account was looked for, before the transaction is applied.
    ledger.onSubmit = () => {
      if (!ledger.accounts.has(id)) ledger.fund(id)
    }
    const anchor = ledgers.anchor()
    const proof = await anchor.publish(record, keys)
    assert.equal(ledger.asked.filter((route) => route === 'POST /transactions').length, 2)
    assert.equal((await anchor.read(record.clusterId)).proof, 'account')
    assert.equal((await anchor.verify(record.clusterId, proof!)).proof, 'transaction')
  })

  it('that a time-out hid is found, whether it got in or not, and never twice in a ledger', async () => {
    for (const gotIn of [true, false]) {
      const ledger = await ledgerWithFunder()
      const { record, keys } = newCluster()
      let posts = 0
      const submit = ledger.submit.bind(ledger)
      ledger.submit = (text) => {
        posts++
        return posts > 1 || gotIn ? submit(text) : { status: 504, body: {} }
      }
      ledger.trick = ({ route, ...answer }) =>
        route === 'POST /transactions' && posts === 1 ? { status: 504, body: { title: 'Timeout' } } : answer
      await ledgers.anchor().publish(record, keys)
      assert.equal(posts, gotIn ? 1 : 2)
      assert.equal([...ledger.found.values()].length, 1)
      await ledgers.close()
    }
  })

  it('waits as long as a busy server asks, and hands the same envelope in again', async () => {
    const ledger = await ledgerWithFunder()
    const { record, keys } = newCluster()
    const slept: number[] = []
    let posts = 0
    const submit = ledger.submit.bind(ledger)
    const seen = new Set<string>()
    ledger.submit = (text) => {
      seen.add(text)
      return ++posts < 3 ? { status: 429, body: {} } : submit(text)
    }
    ledger.trick = ({ route, ...answer }, response) => {
      if (route === 'POST /transactions') response.setHeader('retry-after', '7')
      return answer
    }
    await ledgers.anchor({ clock: hastyClock((ms) => slept.push(ms)) }).publish(record, keys)
    assert.equal(seen.size, 1)
    assert.ok(slept.includes(7_000))
  })

  it('makes a new transaction when a ledger has closed after the first one was good, not before', async () => {
    const ledger = await ledgerWithFunder()
    const { record, keys } = newCluster()
    const seen = new Set<string>()
    const submit = ledger.submit.bind(ledger)
    ledger.submit = (text) => {
      seen.add(text)
      return seen.size === 1 ? { status: 504, body: {} } : submit(text)
    }
    // The ledger's time passes with the node's.
    const clock = hastyClock((ms) => {
      ledger.now += ms / 1_000
      if (Math.round(ledger.now) % 60 === 0) ledger.close([])
    })
    await ledgers.anchor({ clock }).publish(record, keys)
    assert.equal(seen.size, 2)
    assert.equal(ledger.found.size, 1)
  })

  it('says what the funder lacks, and publishes nothing', async () => {
    const ledger = await ledgers.open()
    const { record, keys } = newCluster()
    await assert.rejects(
      ledgers.anchor({ boot: ['/dns4/a.example/tcp/1'] }).publish(record, keys),
      (error: Error & { next?: string }) => code('funder_poor')(error) && /needs 3\.5 XLM.*0\.00009 XLM/.test(error.next!),
    )
    assert.equal(ledger.asked.includes('POST /transactions'), false)
    await assert.rejects(ledgers.anchor({ funder: undefined } as never).publish(record, keys), code('no_funder'))
  })

  it('never offers more than its maximum fee, however dear a server says it is', async () => {
    const ledger = await ledgerWithFunder()
    const { record, keys } = newCluster()
    let fee = 0
    const submit = ledger.submit.bind(ledger)
    ledger.submit = (text) => {
      fee = Number(TransactionBuilder.fromXDR(text, PASSPHRASE).fee)
      return submit(text)
    }
    ledger.trick = ({ route, status, body }) => ({
      status,
      body: route === 'GET /fee_stats' ? { ...body, fee_charged: { p95: '4000000000' } } : body,
    })
    await ledgers.anchor().publish(record, keys)
    assert.equal(fee, 8 * 10_000)
  })

  it('does not believe a server that says it is in a ledger when the account is not there', async () => {
    const ledger = await ledgerWithFunder()
    const { record, keys } = newCluster()
    // Fee 0, txSuccess, no operations.
    const result_xdr = Buffer.alloc(20).toString('base64')
    ledger.submit = () => ({ status: 200, body: { result_xdr } })
    ledger.trick = ({ route, ...answer }) =>
      route.startsWith('GET /transactions/') ? { status: 200, body: { hash: route.slice(-64), ledger: 3, result_xdr } } : answer
    await assert.rejects(ledgers.anchor().publish(record, keys), code('anchor_unconfirmed'))
  })

  it('goes to the next server when the first one does not take it, or answers nonsense', async () => {
    const ledger = await ledgerWithFunder()
    // Two doors to one ledger.
    ledgers.urls.push(ledgers.urls[0]!)
    for (const answer of [
      { status: 503, body: {} },
      { status: 400, body: { extras: 7 } },
      { status: 200, body: {} },
    ]) {
      const { record, keys } = newCluster()
      let posts = 0
      ledger.trick = ({ route, ...real }) => (route === 'POST /transactions' && posts === 1 ? answer : real)
      const submit = ledger.submit.bind(ledger)
      ledger.submit = (text) => (++posts === 1 ? answer : submit(text))
      await ledgers.anchor().publish(record, keys)
      assert.equal(posts, 2)
      ledger.submit = submit
    }
  })

  it('stops at once when the node does', async () => {
    const ledger = await ledgerWithFunder()
    const { record, keys } = newCluster()
    const stop = new AbortController()
    ledger.submit = () => {
      stop.abort(new Error('stopping'))
      return { status: 504, body: {} }
    }
    await assert.rejects(ledgers.anchor().publish(record, keys, stop.signal), /stopping/)
  })
})
