// What an anchor on a ledger costs a node, in milliseconds of one core; medians.
//   npx tsx bench/anchor.ts [--json]
// The ledger is the tests' stand-in in this process: its answers are free, so this is our own work, and the wait for a slow server.
import { cpus } from 'node:os'
import { localFunder, StellarAnchor } from '../src/anchor/index.ts'
import { decodeProof, verifyProof } from '../src/anchor/proof/proof.ts'
import { buildGenesis, sealEnvelope } from '../src/anchor/stellar/genesis.ts'
import { networkId } from '../src/anchor/stellar/networks.ts'
import { silentLog, systemClock } from '../src/base/index.ts'
import { funder, Ledgers, newCluster, PASSPHRASE } from '../test/anchor/stellar/support.ts'

const ROUNDS = 300
const SLOW_ROUNDS = 3

const median = async (rounds: number, run: () => unknown): Promise<number> => {
  const times: number[] = []
  for (let round = 0; round < rounds; round++) {
    const start = process.hrtime.bigint()
    await run()
    times.push(Number(process.hrtime.bigint() - start) / 1e6)
  }
  // The first third warms up.
  const measured = times.slice(Math.floor(times.length / 3)).sort((a, b) => a - b)
  return measured[Math.floor(measured.length / 2)]!
}

const ledgers = new Ledgers()
const ledger = await ledgers.open()
ledger.fund(funder.id)
const { record, keys } = newCluster()
const boot = ['/dns4/mesh.example.org/tcp/4001']
const proof = (await ledgers.anchor({ boot }).publish(record, keys))!
const local = localFunder(funder.seed)
const genesis = {
  passphrase: PASSPHRASE,
  funder: local.account,
  sequence: 7n,
  operationFee: 100,
  maxTime: 2_000_000_000,
  clusterId: record.clusterId,
  entries: { ...record, boot },
  create: true,
}
const buildAndSign = async (): Promise<Uint8Array> => {
  const built = await buildGenesis(genesis)
  const byFunder = await local.sign({ ...built, passphrase: PASSPHRASE, maxTime: genesis.maxTime })
  const byCluster = keys.signStellarTransaction(networkId(PASSPHRASE), built.body)
  return sealEnvelope(built.body, [
    { publicKey: local.account, signature: byFunder },
    { publicKey: record.clusterId, signature: byCluster },
  ])
}
const expected = { clusterId: record.clusterId, passphrase: PASSPHRASE }
const build = await median(ROUNDS, buildAndSign)
const check = await median(ROUNDS, () => verifyProof(proof, expected, { checkpoints: [], validators: [] }))

const silent = await ledgers.open(ledger.copy())
const network = { witness: 'devnet' as const, passphrase: PASSPHRASE, horizons: ledgers.urls, rpcs: [], archives: [] }
const pins = { checkpoints: [], validators: [] }
const anchor = new StellarAnchor({ network, clock: systemClock, log: silentLog, pins, required: true })
const read = await median(ROUNDS, () => anchor.read(record.clusterId))
silent.trick = () => undefined
const slow = await median(SLOW_ROUNDS, () => anchor.read(record.clusterId))
await ledgers.close()

const rows = {
  'build and sign a genesis': build,
  [`light check of a proof of ${proof.length} bytes, ${decodeProof(proof).headers.length} headers`]: check,
  'read the account at two servers': read,
  'the same, one of them silent': slow,
}
if (process.argv.includes('--json')) process.stdout.write(`${JSON.stringify(rows)}\n`)
else {
  process.stdout.write(`${cpus()[0]?.model}, Node ${process.version}\n`)
  for (const [what, ms] of Object.entries(rows)) process.stdout.write(`${ms.toFixed(2).padStart(10)} ms  ${what}\n`)
}
