import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { judge } from './forge.ts'
import { tcbCase } from './tcb-cases.ts'

/** What Intel's Quote Verification Library answered for each seed: one letter, by the legend. */
const vectors = JSON.parse(readFileSync(new URL('../../vectors/dcap-verdicts.json', import.meta.url), 'utf8')) as {
  legend: Record<string, string>
  verdicts: string
}

describe('TCB status beside Intel’s own verifier', function () {
  this.timeout(60_000)
  const step = 250
  for (let from = 0; from < vectors.verdicts.length; from += step) {
    it(`is Intel's for the random documents and platforms of seeds ${from} to ${from + step - 1}`, () => {
      const differences = []
      for (let seed = from; seed < from + step; seed++) {
        const { quote, collateral } = tcbCase(seed)
        const ours = judge(quote, collateral)
        const intels = vectors.legend[vectors.verdicts[seed]!]
        if (ours !== intels) differences.push({ seed, ours, intels })
      }
      assert.deepEqual(differences, [])
    })
  }
})
