// Every bit of three quotes flipped, then random mutations of quotes and collateral, with a bound on memory. Ends with an error at the first one that is accepted,
// or that makes anything but a refusal be thrown.
//   node --max-old-space-size=64 --import tsx test/soak/attest.ts [rounds = 1000000] [seed = 1]
import { parseQuote } from '../../src/attest/dcap/index.ts'
import { flipped, judge, platform } from '../attest/dcap/forge.ts'
import { heapBytes, Mutations } from '../attest/dcap/mutations.ts'

const [rounds = 1_000_000, seed = 1] = process.argv.slice(2).map(Number)
for (const quote of [
  platform.quote(),
  platform.quote({ version: 5, bodyType: 2 }),
  platform.quote({ version: 5, bodyType: 3 }),
]) {
  const bits = parseQuote(quote).bytes.length * 8
  for (let bit = 0; bit < bits; bit++) {
    if (judge(flipped(quote, bit >> 3, bit & 7)) === 'UpToDate') throw new Error(`accepted with bit ${bit} flipped`)
  }
  console.log(`${bits} bits of a v${quote[0]} quote flipped, all refused`)
}

const mutations = new Mutations(seed)
const started = process.hrtime.bigint()
const megabytes = (bytes: number) => `${(bytes / 1024 / 1024).toFixed(1)} MB`

const warmUp = Math.min(rounds, 10_000)
mutations.run(warmUp)
const before = heapBytes()
let highest = before
for (let done = warmUp; done < rounds; ) {
  const some = Math.min(50_000, rounds - done)
  mutations.run(some)
  done += some
  highest = Math.max(highest, heapBytes())
}
const seconds = Number(process.hrtime.bigint() - started) / 1e9
console.log(`${rounds} rounds from seed ${seed} in ${seconds.toFixed(0)} s`)
console.log(`heap after collection: ${megabytes(before)} after ${warmUp} rounds, ${megabytes(highest)} at most`)
console.table(Object.fromEntries([...mutations.tally].sort((a, b) => b[1] - a[1])))
if (highest - before > 8 * 1024 * 1024) throw new Error('the heap grows')
