import assert from 'node:assert/strict'
import { type Collateral, parseQuote } from '../../../src/attest/dcap/index.ts'
import { collateral, flipped, judge, platform } from './forge.ts'
import { heapBytes, Mutations } from './mutations.ts'

describe('mutations', function () {
  this.timeout(60_000)

  it('never make the verifier throw, accept, or grow', () => {
    const mutations = new Mutations(20_251_101)
    mutations.run(1_000)
    const before = heapBytes()
    mutations.run(6_000)
    const grown = heapBytes() - before
    assert.ok(grown < 8 * 1024 * 1024, `the heap grew by ${grown} bytes`)
    // They got everywhere: past every signature, and into most of the reasons.
    assert.ok(mutations.tally.size > 12, [...mutations.tally.keys()].join(', '))
  })

  const quotes = {
    v4: platform.quote({ padding: Buffer.alloc(10) }),
    'v5 TD 1.5': platform.quote({ version: 5, bodyType: 3, chainPem: `${platform.chainPem}\0` }),
  }
  for (const [kind, quote] of Object.entries(quotes)) {
    it(`of one bit in any byte of a ${kind} quote are refused, but for padding`, () => {
      const length = parseQuote(quote).bytes.length
      for (let at = 0; at < length; at++) {
        assert.notEqual(judge(flipped(quote, at, at % 8)), 'UpToDate', `byte ${at}`)
      }
      for (let at = length; at < quote.length; at++) assert.equal(judge(flipped(quote, at, 3)), 'UpToDate')
    })
  }

  it('of one bit here and there in each piece of collateral are refused', () => {
    const sound = platform.quote()
    for (const [field, value] of Object.entries(collateral) as [keyof Collateral, string | Uint8Array][]) {
      const bytes = Buffer.from(value as Uint8Array)
      const step = Math.ceil(bytes.length / 60)
      for (let at = 0; at < bytes.length; at += step) {
        const changed = Buffer.from(flipped(bytes, at, at % 8))
        const piece = typeof value === 'string' ? changed.toString('latin1') : Uint8Array.from(changed)
        assert.notEqual(judge(sound, { ...collateral, [field]: piece }), 'UpToDate', `${field}, byte ${at}`)
      }
    }
  })
})
