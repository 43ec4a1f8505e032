/** Runs seeds, a range of them in as many processes as there are cores, or one seed again with all that happens in it. */
import { spawn } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { createInterface } from 'node:readline'
import { Command, InvalidArgumentError, Option } from 'commander'
import { makePeers } from './peers.ts'
import { standInSignatures } from './signatures.ts'
import { Tally, type TallyInit } from './tally.ts'
import { type Outcome, PEERS, World } from './world.ts'

const HOUR_MS = 3_600_000

interface Options {
  seeds: number
  from: number
  seed?: number
  jobs: number
  outage?: boolean
  judges: boolean
  json?: boolean
  step?: number
}

const whole =
  (min: number) =>
  (text: string): number => {
    const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN
    if (!(value >= min)) throw new InvalidArgumentError(`a whole number, at least ${min}`)
    return value
  }

const values = new Command('npm run sim --')
  .description(
    'A membership under faults, simulated: whatever goes wrong follows from the seed. Exit code 1: something that must hold did not.',
  )
  .option('--seeds <n>', 'how many', whole(1), 2_000)
  .option('--from <n>', 'the first', whole(0), 0)
  .addOption(new Option('--seed <n>', 'this one, with all that happens in it').argParser(whole(0)).env('SEED'))
  .option('--jobs <n>', 'processes', whole(1), availableParallelism())
  .option(
    '--outage',
    'instead of seeds: 23 hours without quotes and collateral for anybody, with the times of the standard policy',
  )
  .option('--no-judges', 'whether anybody would notice: without judges seeds must fail')
  .option('--json', 'the result as one object')
  .addOption(
    new Option('--step <n>', 'of a part: each outcome as a line, and of the seeds every so many').argParser(whole(1)).hideHelp(),
  )
  .addHelpText(
    'after',
    '\nExamples:\n  npm run sim\n  npm run sim -- --seeds 100000\n  npm run sim -- --seed 17\n\nInterrupted, it tells what it has counted and where to go on.',
  )
  .parse()
  .opts<Options>()

const simulate = async (seed: number, log?: (line: string) => void): Promise<Outcome> => ({
  seed,
  ...(await new World(seed, { judges: values.judges, ...(log !== undefined && { log }) }).run()),
})

const outage = (): Promise<Omit<Outcome, 'seed'>> => {
  const there = (services: boolean) => (world: World) => Object.assign(world.services, { quotes: services, collateral: services })
  const faults = [{ name: 'outage', atMs: 600_000, begin: there(false), end: { atMs: 600_000 + 23 * HOUR_MS, run: there(true) } }]
  const shape = { nodes: 3, lifetimeMs: HOUR_MS, lapsedServeMs: 24 * HOUR_MS, byzantine: false, healMs: HOUR_MS }
  return new World(1, { shape, faults }).run()
}

/** What a process says of one seed. */
interface Line {
  outcome: Outcome
  /** All that it has used since it began. */
  cpuMs: number
}

const cpuMs = (): number => process.cpuUsage().user / 1_000

const runHere = async (seeds: Iterable<number>, told: (line: Line) => void): Promise<void> => {
  const sinceMs = cpuMs()
  for (const seed of seeds) told({ outcome: await simulate(seed), cpuMs: cpuMs() - sinceMs })
}

/** Every `jobs`-th seed from `from` on, in a process of its own. */
const runInProcess = async (from: number, until: number, jobs: number, told: (line: Line) => void): Promise<void> => {
  const part = ['--from', String(from), '--seeds', String(until - from), '--step', String(jobs)]
  if (!values.judges) part.push('--no-judges')
  const child = spawn(process.execPath, [...process.execArgv, import.meta.filename, ...part], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let left = Math.ceil((until - from) / jobs)
  for await (const line of createInterface({ input: child.stdout })) {
    left--
    told(JSON.parse(line) as Line)
  }
  if (left > 0) throw new Error(`a process ended with ${left} seeds still to do`)
}

function* range(from: number, until: number, step: number): Generator<number> {
  for (let seed = from; seed < until; seed += step) yield seed
}

const isWell = (outcome: { violation?: string }): boolean => {
  console.log(outcome)
  return outcome.violation === undefined
}

const runAll = async (init: TallyInit, jobs: number): Promise<boolean> => {
  const tally = new Tally(init)
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const) {
    process.once(signal, () => {
      tally.end(true)
      process.exit(code)
    })
  }
  const [from, until] = [init.from, init.from + init.seeds]
  if (jobs <= 1) await runHere(range(from, until, 1), ({ outcome, cpuMs }) => tally.add(outcome, 0, cpuMs))
  else {
    await Promise.all(
      Array.from({ length: Math.min(jobs, init.seeds) }, (_, job) =>
        runInProcess(from + job, until, jobs, ({ outcome, cpuMs }) => tally.add(outcome, job, cpuMs)),
      ),
    )
  }
  tally.end(false)
  return tally.violations === 0
}

const main = async (): Promise<boolean> => {
  const { from, seeds, jobs, seed: one } = values
  if (jobs <= 1 || one !== undefined || values.outage || values.step !== undefined) {
    standInSignatures()
    await makePeers(PEERS)
  }
  if (one !== undefined) return isWell(await simulate(one, (line) => console.log(line)))
  if (values.outage) return isWell(await outage())
  if (values.step !== undefined) {
    // Whoever counts is told of a signal as well, and says what has been counted; when that one is gone, nobody reads this.
    process.on('SIGINT', () => {})
    process.stdout.on('error', () => process.exit(1))
    await runHere(range(from, from + seeds, values.step), (line) => void process.stdout.write(`${JSON.stringify(line)}\n`))
    return true
  }
  return runAll({ from, seeds, json: values.json === true }, jobs)
}

process.exitCode = (await main()) ? 0 : 1
