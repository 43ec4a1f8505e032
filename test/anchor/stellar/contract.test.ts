import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Contract, nativeToScVal, StrKey, xdr } from '@stellar/stellar-sdk/base'
import fc from 'fast-check'
import { readContract } from '../../../src/anchor/index.ts'
import { parseContract } from '../../../src/anchor/stellar/strkey.ts'
import { systemClock } from '../../../src/base/index.ts'
import { code } from './support.ts'

const id = Buffer.alloc(32, 9)
const CONTRACT = StrKey.encodeContract(id)
const PUBLIC = 'ab'.repeat(32)

/** The contract's entry, as the ledger keeps it. */
const entry = (storage: xdr.ScMapEntry[] | null, contract = CONTRACT): string =>
  xdr.LedgerEntryData.contractData(
    new xdr.ContractDataEntry({
      ext: xdr.ExtensionPoint.v0(),
      contract: new Contract(contract).address().toScAddress(),
      key: xdr.ScVal.scvLedgerKeyContractInstance(),
      durability: xdr.ContractDataDurability.persistent,
      val: xdr.ScVal.scvContractInstance(
        new xdr.ScContractInstance({ executable: xdr.ContractExecutable.contractExecutableStellarAsset(), storage }),
      ),
    }),
  ).toXdr('base64')
const shared = (value: xdr.ScVal, name = 'SharedPub') =>
  new xdr.ScMapEntry({ key: xdr.ScVal.scvVec([nativeToScVal(name, { type: 'symbol' })]), val: value })
const text = nativeToScVal(PUBLIC, { type: 'string' })

describe("the seed's contract", () => {
  let answer: (key: string) => unknown
  let url: string
  let asked: { method: string; params: { keys: string[] } }
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    asked = JSON.parse(Buffer.concat(chunks).toString()) as typeof asked
    response.end(JSON.stringify({ jsonrpc: '2.0', id: 1, ...(answer(asked.params.keys[0]!) as object) }))
  })
  before(async () => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  })
  after(() => void server.close())

  const holding =
    (xdrText: string, more: object = {}) =>
    (key: string) => ({
      result: { entries: [{ key, xdr: xdrText, lastModifiedLedgerSeq: 7, liveUntilLedgerSeq: 900, ...more }], latestLedger: 800 },
    })

  it('is read by the key that the SDK would ask for', async () => {
    answer = holding(entry([shared(text)]))
    assert.deepEqual(await readContract(CONTRACT, url, systemClock), {
      contract: CONTRACT,
      sharedPublicKey: PUBLIC,
      lastModifiedLedger: 7,
      liveUntilLedger: 900,
      latestLedger: 800,
    })
    assert.deepEqual(
      [asked.method, asked.params.keys],
      ['getLedgerEntries', [new Contract(CONTRACT).getFootprint().toXdr('base64')]],
    )
  })

  it('that is missing, empty, of another kind or of another address is refused', async () => {
    const other = StrKey.encodeContract(Buffer.alloc(32, 8))
    for (const [expected, reply] of [
      ['contract_missing', () => ({ result: { entries: [], latestLedger: 8 } })],
      ['contract_missing', () => ({ result: { entries: null, latestLedger: 8 } })],
      ['contract_missing', () => holding(entry([shared(text)]))('AAAA')],
      ['contract_empty', holding(entry(null))],
      ['contract_empty', holding(entry([shared(text, 'Other')]))],
      ['contract_empty', holding(entry([shared(nativeToScVal(7, { type: 'u32' }))]))],
      ['bad_xdr', holding(entry([shared(text)], other))],
      ['bad_xdr', holding('AAAA')],
      ['anchor_malformed', holding('not base64')],
      ['anchor_malformed', holding(entry([shared(text)]), { lastModifiedLedgerSeq: 'x' })],
      ['contract_unreadable', () => ({ error: { code: -32602, message: 'no' } })],
    ] as const) {
      answer = reply
      await assert.rejects(readContract(CONTRACT, url, systemClock), code(expected), expected)
    }
    await assert.rejects(readContract(`${CONTRACT.slice(0, -1)}A`, url, systemClock), code('bad_contract'))
  })

  it('makes of any entry a refusal or a key, never another error', async () => {
    const good = Buffer.from(entry([shared(text)]), 'base64')
    await fc.assert(
      fc.asyncProperty(fc.nat(good.length - 1), fc.integer({ min: 1, max: 255 }), async (index, flip) => {
        const bytes = Buffer.from(good)
        bytes[index]! ^= flip
        answer = holding(bytes.toString('base64'))
        await readContract(CONTRACT, url, systemClock).then(
          ({ contract }) => assert.equal(contract, CONTRACT),
          (error: Error) => assert.equal(error.name, 'RefusedError'),
        )
      }),
      { numRuns: 200 },
    )
  })

  it('has an address that is spelled in one way', () => {
    assert.deepEqual(Buffer.from(parseContract(CONTRACT)!), id)
    for (const wrong of ['', CONTRACT.slice(1), CONTRACT.toLowerCase(), `G${CONTRACT.slice(1)}`, CONTRACT.replace(/.$/, 'A')]) {
      assert.equal(parseContract(wrong), undefined, wrong)
    }
  })
})
