/** `npm run chaos`: plays scenarios of faults on a mesh of real nodes in network namespaces of this machine. */
import { Command, InvalidArgumentError } from 'commander'
import { MeshError, messageOf, UsageError } from '../../src/index.ts'
import { readCatalogue } from './catalogue.ts'
import { ScenarioError } from './fields.ts'
import { removeDeadTraces } from './lab/index.ts'
import { type Outcome, play } from './play.ts'
import { catalogueText, listText, outcomeText, stepsText } from './report.ts'
import { readScenarios, type Scenario } from './scenario.ts'

const JOBS_MAX = 16

interface Options {
  short?: boolean
  long?: boolean
  only?: string[]
  list?: boolean
  steps?: boolean
  catalogue?: boolean
  clean?: boolean
  json?: boolean
  jobs: number
}

const chosen = (scenarios: readonly Scenario[], { only, short, long }: Options): Scenario[] => {
  if (only === undefined) return scenarios.filter(({ run }) => (short === long ? true : run === (short ? 'short' : 'long')))
  return only.map((id) => {
    const scenario = scenarios.find((known) => known.id === id)
    if (scenario === undefined)
      throw new UsageError('no_scenario', `there is no scenario ${id}`, { next: 'npm run chaos -- --list' })
    return scenario
  })
}

const jobCount = (text: string): number => {
  const count = Number(text)
  if (!Number.isInteger(count) || count < 1 || count > JOBS_MAX) throw new InvalidArgumentError(`a number from 1 to ${JOBS_MAX}`)
  return count
}

const run = async (options: Options): Promise<void> => {
  const print = (text: string): void => {
    process.stdout.write(`${text}\n`)
  }
  if (options.clean) return print(`removed what these left: ${(await removeDeadTraces()).join(', ') || 'nobody'}`)
  if (options.steps) return print(stepsText())
  const rows = readCatalogue()
  if (options.catalogue) return print(options.json ? JSON.stringify(rows) : catalogueText(rows, []))
  const scenarios = chosen(readScenarios(), options)
  if (options.list) return print(options.json ? JSON.stringify(scenarios) : listText(scenarios))

  const waiting = [...scenarios]
  const outcomes: Outcome[] = []
  const playSome = async (): Promise<void> => {
    for (let scenario = waiting.shift(); scenario !== undefined; scenario = waiting.shift()) {
      const outcome = await play(scenario)
      outcomes.push(outcome)
      if (!options.json) print(outcomeText(outcome))
    }
  }
  await Promise.all(Array.from({ length: options.jobs }, playSome))
  const failed = outcomes.filter(({ ok }) => !ok).length
  if (options.json) {
    print(
      JSON.stringify({
        outcomes: outcomes.map(({ scenario, ...outcome }) => ({ id: scenario.id, ...outcome })),
        catalogue: rows,
      }),
    )
  } else {
    if (options.only === undefined) print(`\n${catalogueText(rows, outcomes)}`)
    print(`\n${outcomes.length - failed} scenarios as expected, ${failed} not`)
  }
  if (failed > 0) process.exitCode = 1
}

const main = async (): Promise<void> => {
  const command = new Command('npm run chaos --')
    .description(
      'Plays scenarios of faults on a mesh of real nodes, each node in a network namespace of this machine. Needs root.',
    )
    .option('--short', 'only those that CI plays')
    .option('--long', 'only the others')
    .option('--only <id>', 'only this one; may be repeated', (id: string, ids: string[] = []) => [...ids, id])
    .option('--list', 'say which there are')
    .option('--steps', 'say what a scenario can say')
    .option('--catalogue', 'say what covers each row of the catalogue')
    .option('--clean', 'remove what killed runs left (every run does so first)')
    .option('--jobs <n>', 'play so many at a time, each in a lab of its own', jobCount, 1)
    .option('--json', 'print one object')
    .parse()
  try {
    await run(command.opts<Options>())
  } catch (error) {
    process.stderr.write(`error: ${messageOf(error)}\n`)
    if (error instanceof MeshError && error.next !== undefined) process.stderr.write(`next:  ${error.next}\n`)
    process.exitCode = error instanceof UsageError || error instanceof ScenarioError ? 2 : 1
  }
}

await main()
