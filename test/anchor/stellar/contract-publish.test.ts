import assert from 'node:assert/strict'
import { Contract, type SorobanDataBuilder, StrKey } from '@stellar/stellar-sdk/base'
import fc from 'fast-check'
import { HandoverFunder } from '../../../src/anchor/index.ts'
import { silentLog, systemClock, systemRandom } from '../../../src/base/index.ts'
import { Recorder } from '../../node/support.ts'
import { ContractRpc, RESOURCE_FEE, type RpcTrick } from './contract-rpc.ts'
import { code, funder, hastyClock, Ledgers, newCluster, PASSPHRASE } from './support.ts'

type Json = Record<string, unknown>

describe("publishing to the seed's contract", function () {
  this.timeout(20_000)
  const ledgers = new Ledgers()
  const servers: ContractRpc[] = []
  afterEach(async () => {
    await ledgers.close()
    await Promise.all(servers.splice(0).map((server) => server.stop()))
  })

  /** A ledger with a funder, a contract beside it, and a cluster that wants to be in both. */
  const opened = async () => {
    const ledger = await ledgers.open()
    ledger.fund(funder.id)
    const rpc = new ContractRpc(PASSPHRASE, {
      sequence: (id) => ledger.accounts.get(id)?.sequence,
      taken: (id) => {
        ledger.accounts.get(id)!.sequence += 1n
      },
      now: () => ledger.now,
    })
    servers.push(rpc)
    const url = await rpc.listen()
    const { keys, record } = newCluster()
    const quote = systemRandom.bytes(4_800)
    const log = new Recorder()
    const anchor = (rpcs: readonly string[] = [url]) => ledgers.anchor({ rpcs, contract: rpc.id, log })
    const publish = (rpcs?: readonly string[]) => {
      const made = anchor(rpcs)
      return made.publish({ ...record, quote }, keys).then(() => made.notes())
    }
    return { ledger, rpc, url, keys, record, quote, log, anchor, publish, key: Buffer.from(record.clusterId).toString('hex') }
  }
  const on =
    (method: string, change: (result: Json) => Json | undefined): RpcTrick =>
    (call, body) =>
      call.method === method ? { result: change(body.result as Json) } : body

  it('calls bootstrap with the cluster’s key and its quote, once, and says how weak a witness that is', async () => {
    const { rpc, quote, key, publish, record, keys, anchor, log } = await opened()
    const notes = await publish()
    assert.deepEqual([rpc.shared, rpc.quotes], [key, [Buffer.from(quote).toString('base64')]])
    assert.deepEqual(
      notes.map((note) => [note.code, note.alarm]),
      [['contract_published', false]],
    )
    assert.match(notes[0]!.words, /weaker witness: anybody may have been the first/)
    assert.match(String(log.all('anchor.contract_published')[0]?.witness), /anybody may have been the first/)
    // Again: it is there, and nothing is sent.
    const sent = () => rpc.asked.filter(({ method }) => method === 'sendTransaction').length
    assert.equal(sent(), 1)
    await anchor().publish({ ...record, quote }, keys)
    assert.equal(sent(), 1)
  })

  it('of a contract that somebody else has bootstrapped is refused before anything is public', async () => {
    const { rpc, ledger, publish } = await opened()
    rpc.shared = 'ab'.repeat(32)
    await assert.rejects(publish(), code('contract_taken'))
    assert.equal(ledger.asked.includes('POST /transactions'), false)
  })

  it('that somebody else outruns leaves the account public, and says so', async () => {
    const { rpc, publish, anchor, record } = await opened()
    rpc.onSend = () => {
      rpc.shared ??= 'ab'.repeat(32)
    }
    const notes = await publish()
    assert.deepEqual(
      notes.map((note) => [note.code, note.alarm]),
      [['contract_failed', true]],
    )
    assert.match(notes[0]!.words, /holds another shared key/)
    assert.equal((await anchor().read(record.clusterId)).proof, 'account')
  })

  it('is asked of no contract that is not there, and of no address that is none', async () => {
    const { rpc, publish } = await opened()
    rpc.trick = on('getLedgerEntries', () => ({ entries: [], latestLedger: 8 }))
    await assert.rejects(publish(), code('contract_missing'))
    assert.throws(() => ledgers.anchor({ contract: 'CABC' }), code('bad_configuration'))
    const handover = new HandoverFunder(funder.id, systemClock)
    assert.throws(() => ledgers.anchor({ contract: rpc.id, handover }), code('bad_configuration'))
    await assert.rejects(publish([]), code('no_rpc'))
  })

  it('signs nothing that a server wants besides the call: other entries, authority, dear resources', async () => {
    const other = new Contract(StrKey.encodeContract(Buffer.alloc(32, 8))).getFootprint()
    const { rpc, url } = await opened()
    const built = (change: (builder: SorobanDataBuilder) => SorobanDataBuilder) => rpc.data(change)
    const dear = (10n ** 7n + 1n).toString()
    const lies: Record<string, (result: Json) => Json> = {
      'writes more': (result) => ({ ...result, transactionData: built((each) => each.setFootprint([], [rpc.key, other])) }),
      'writes another': (result) => ({ ...result, transactionData: built((each) => each.setFootprint([], [other])) }),
      'writes nothing': (result) => ({ ...result, transactionData: built((each) => each.setFootprint([rpc.key], [])) }),
      'reads a lot': (result) => ({
        ...result,
        transactionData: built((each) => each.setFootprint(Array(5).fill(other), [rpc.key])),
      }),
      dear: (result) => ({ ...result, minResourceFee: dear, transactionData: built((each) => each.setResourceFee(dear)) }),
      'two fees': (result) => ({ ...result, transactionData: built((each) => each.setResourceFee(String(RESOURCE_FEE + 1n))) }),
      'a negative fee': (result) => ({ ...result, minResourceFee: '-1' }),
      'no fee': ({ minResourceFee: _, ...result }) => result,
      'no data': ({ transactionData: _, ...result }) => result,
      'data that is none': (result) => ({ ...result, transactionData: 'AAAA' }),
      'data that is huge': (result) => ({ ...result, transactionData: 'A'.repeat(100_000) }),
      authority: (result) => ({ ...result, results: [{ auth: ['AAAA'], xdr: 'AAAAAQ==' }] }),
      'two results': (result) => ({ ...result, results: [{ auth: [] }, { auth: [] }] }),
      'no results': ({ results: _, ...result }) => result,
      'a refusal': () => ({ error: 'HostError: Error(WasmVm, InvalidAction)', latestLedger: 8 }),
      'an archived contract': (result) => ({ ...result, restorePreamble: { minResourceFee: '1', transactionData: 'AAAA' } }),
    }
    for (const [what, lie] of Object.entries(lies)) {
      rpc.trick = on('simulateTransaction', lie)
      const anchor = ledgers.anchor({ rpcs: [url], contract: rpc.id, log: silentLog })
      const { keys, record } = newCluster()
      await anchor.publish({ ...record, quote: new Uint8Array(8) }, keys)
      assert.deepEqual(
        anchor.notes().map((note) => note.code),
        ['contract_failed'],
        what,
      )
      assert.equal(
        rpc.asked.some(({ method }) => method === 'sendTransaction'),
        false,
        what,
      )
    }
  })
  it('is handed in again while it is lost, and made anew when its time is over', async () => {
    const { rpc, ledger, record, keys, quote, key, url } = await opened()
    let lost = 0
    rpc.trick = (call, body, response) => {
      if (call.method !== 'sendTransaction' || lost++ > 1) return body
      response.writeHead(503).end()
      return undefined
    }
    // The stand-in's ledgers close as the clock goes.
    const clock = hastyClock((ms) => {
      ledger.now += Math.round(ms / 1_000)
      ledger.close([])
    })
    const anchor = ledgers.anchor({ rpcs: [url], contract: rpc.id, clock })
    await anchor.publish({ ...record, quote }, keys)
    assert.deepEqual([rpc.shared, anchor.notes()[0]?.code], [key, 'contract_published'])
  })

  it('that is believed to be in only when the contract holds it, whatever a server says became of it', async () => {
    const { rpc, publish } = await opened()
    const success = Buffer.concat([
      Buffer.alloc(8),
      Buffer.alloc(4),
      Buffer.from('00000001000000000000001800000000', 'hex'),
      Buffer.alloc(36),
    ])
    rpc.trick = (call, body) => {
      const result = body.result as Json
      if (call.method === 'sendTransaction') return { result: { ...result, status: 'PENDING' } }
      if (call.method === 'getTransaction') {
        return { result: { ...result, status: 'SUCCESS', resultXdr: success.toString('base64') } }
      }
      return body
    }
    rpc.onSend = () => {
      throw new Error('lost')
    }
    const notes = await publish()
    assert.deepEqual(
      notes.map((note) => note.code),
      ['contract_failed'],
    )
  })

  it('goes to the next server when one is silent', async () => {
    const { rpc, url, publish, key } = await opened()
    const [note] = await publish(['http://127.0.0.1:9', url])
    assert.deepEqual([rpc.shared, note?.code], [key, 'contract_published'])
  })

  it('ends, whatever a server answers to any question', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom('simulateTransaction', 'sendTransaction', 'getTransaction'),
        fc.constantFrom(
          'status',
          'hash',
          'transactionData',
          'minResourceFee',
          'results',
          'resultXdr',
          'latestLedgerCloseTime',
          '',
        ),
        fc.jsonValue(),
        async (method, field, value) => {
          const { rpc, ledger, record, keys, quote, url } = await opened()
          const clock = hastyClock((ms) => {
            ledger.now += Math.ceil(ms / 1_000)
            ledger.close([])
          })
          rpc.trick = (call, body) => {
            if (call.method !== method) return body
            return field === '' ? { result: value } : { result: { ...(body.result as Json), [field]: value } }
          }
          const anchor = ledgers.anchor({ rpcs: [url], contract: rpc.id, clock })
          await anchor.publish({ ...record, quote }, keys)
          assert.match(anchor.notes()[0]!.code, /^contract_(?:published|failed)$/)
          assert.equal((await anchor.read(record.clusterId)).proof, 'account')
          await ledgers.close()
          await rpc.stop()
        },
      ),
      { numRuns: 40 },
    )
  })
})
