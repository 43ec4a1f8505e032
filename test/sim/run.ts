/**
 * Runs seeds, a range of them in as many processes as there are cores:
 *   npm run sim -- --seeds 2000 --from 0 [--jobs 2]
 * One seed again, with all that happens in it: `npm run sim -- --seed 17`, or SEED=17.
 */
import { spawn } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import { makePeers } from './peers.ts'
import { standInSignatures } from './signatures.ts'
import { type Outcome, PEERS, World } from './world.ts'

const HOUR_MS = 3_600_000

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '2000' },
    from: { type: 'string', default: '0' },
    seed: { type: 'string' },
    jobs: { type: 'string', default: String(availableParallelism()) },
    /** Instead of seeds: no quotes and no collateral for anybody in 23 hours, with the policy's own times. */
    outage: { type: 'boolean', default: false },
    /** Without judges the seeds must fail: whether anybody would notice. */
    'no-judges': { type: 'boolean', default: false },
    /** Of a part, for the process that counts them together. */
    json: { type: 'boolean', default: false },
  },
})

interface Counts {
  seeds: number
  simulatedMs: number
  checks: number
  violations: number
  cpuMs: number
  /** The longest that any seed took to heal. */
  healedMs: number
  /** Of all traces, in order. */
  traces: string
}

const simulate = async (seed: number, log?: (line: string) => void): Promise<Outcome> => ({
  seed,
  ...(await new World(seed, { judges: !values['no-judges'], ...(log !== undefined && { log }) }).run()),
})

const outage = (): Promise<Omit<Outcome, 'seed'>> => {
  const there = (services: boolean) => (world: World) => Object.assign(world.services, { quotes: services, collateral: services })
  const faults = [{ name: 'outage', atMs: 600_000, begin: there(false), end: { atMs: 600_000 + 23 * HOUR_MS, run: there(true) } }]
  const shape = { nodes: 3, lifetimeMs: HOUR_MS, lapsedServeMs: 24 * HOUR_MS, byzantine: false, healMs: HOUR_MS }
  return new World(1, { shape, faults }).run()
}

const runPart = async (from: number, seeds: number): Promise<Counts> => {
  const counts: Counts = { seeds, simulatedMs: 0, checks: 0, violations: 0, cpuMs: 0, healedMs: 0, traces: '' }
  const startedCpu = process.cpuUsage()
  for (let seed = from; seed < from + seeds; seed++) {
    const outcome = await simulate(seed)
    counts.simulatedMs += outcome.simulatedMs
    counts.checks += outcome.checks
    counts.healedMs = Math.max(counts.healedMs, outcome.healedMs)
    counts.traces += outcome.traceHash
    if (outcome.violation === undefined) continue
    counts.violations++
    process.stderr.write(
      `seed ${seed}: ${outcome.violation}\n  faults: ${outcome.faults.join(', ')}\n  again: npm run sim -- --seed ${seed}\n`,
    )
  }
  counts.cpuMs = process.cpuUsage(startedCpu).user / 1_000
  return counts
}

const runInProcess = async (from: number, seeds: number): Promise<Counts> => {
  const part = ['--from', String(from), '--seeds', String(seeds), '--jobs', '1', '--json']
  if (values['no-judges']) part.push('--no-judges')
  const child = spawn(process.execPath, [...process.execArgv, import.meta.filename, ...part], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let counts: Counts | undefined
  for await (const line of createInterface({ input: child.stdout })) counts = JSON.parse(line) as Counts
  if (counts === undefined) throw new Error(`the process for seeds ${from} to ${from + seeds - 1} ended without counts`)
  return counts
}

const total = (parts: readonly Counts[]): Counts =>
  parts.reduce((a, b) => ({
    seeds: a.seeds + b.seeds,
    simulatedMs: a.simulatedMs + b.simulatedMs,
    checks: a.checks + b.checks,
    violations: a.violations + b.violations,
    cpuMs: a.cpuMs + b.cpuMs,
    healedMs: Math.max(a.healedMs, b.healedMs),
    traces: a.traces + b.traces,
  }))

const main = async (): Promise<boolean> => {
  const [from, seeds, jobs] = [Number(values.from), Number(values.seeds), Number(values.jobs)]
  const one = values.seed ?? process.env.SEED
  if (jobs <= 1 || one !== undefined || values.outage) {
    standInSignatures()
    await makePeers(PEERS)
  }
  if (one !== undefined) {
    const outcome = await simulate(Number(one), (line) => console.log(line))
    console.log(outcome)
    return outcome.violation === undefined
  }
  if (values.outage) {
    const outcome = await outage()
    console.log(outcome)
    return outcome.violation === undefined
  }
  const startedMs = performance.now()
  const each = Math.ceil(seeds / jobs)
  const parts = Array.from({ length: jobs }, (_, job) => ({ from: from + job * each, seeds: Math.min(each, seeds - job * each) }))
  const counts =
    jobs <= 1
      ? await runPart(from, seeds)
      : total(await Promise.all(parts.filter((part) => part.seeds > 0).map((part) => runInProcess(part.from, part.seeds))))
  if (values.json) console.log(JSON.stringify(counts))
  else {
    const { simulatedMs, checks, violations, cpuMs, healedMs } = counts
    console.log(
      `${counts.seeds} seeds, ${(simulatedMs / 3_600_000).toFixed(1)} hours simulated, ${checks} checks, ${violations} violations; ` +
        `all healed within ${(healedMs / 1000).toFixed(0)} s; took ${((performance.now() - startedMs) / 1000).toFixed(0)} s, ` +
        `${(cpuMs / 1000).toFixed(0)} s of one core`,
    )
  }
  return counts.violations === 0
}

process.exitCode = (await main()) ? 0 : 1
