/** A scenario: a file that says what is done to a mesh and what is expected of it. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parse } from 'yaml'
import { isObject, readFields, ScenarioError } from './fields.ts'
import { STEPS } from './steps/index.ts'

export const SCENARIOS = fileURLToPath(new URL('./scenarios', import.meta.url))
const KEYS = ['about', 'rows', 'run', 'hosts', 'steps']

export interface Step {
  readonly kind: string
  readonly args: unknown
}

export interface Scenario {
  /** The file's name. */
  readonly id: string
  readonly about: string
  /** Rows of the catalogue that it covers. */
  readonly rows: readonly string[]
  /** `short` ones are played in CI. */
  readonly run: 'short' | 'long'
  readonly hosts: readonly string[]
  readonly steps: readonly Step[]
}

const isTexts = (value: unknown): value is string[] =>
  Array.isArray(value) && value.length > 0 && value.every((item) => typeof item === 'string')

/** `$it` in every text replaced. */
const withIt = (value: unknown, it: string): unknown => {
  if (typeof value === 'string') return value.replaceAll('$it', it)
  if (Array.isArray(value)) return value.map((item) => withIt(item, it))
  if (isObject(value)) return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, withIt(item, it)]))
  return value
}

/** `repeat: { for: […], steps: […] }` stands for its steps, once for each, `$it` being the one. */
const unrolled = (steps: unknown, where: string): unknown[] => {
  if (!Array.isArray(steps) || steps.length === 0) throw new ScenarioError(`${where} must be a list`)
  return steps.flatMap((entry) => {
    if (!isObject(entry) || !('repeat' in entry)) return [entry]
    const { repeat } = entry
    if (
      Object.keys(entry).length !== 1 ||
      !isObject(repeat) ||
      Object.keys(repeat).toSorted().join() !== 'for,steps' ||
      !isTexts(repeat.for)
    )
      throw new ScenarioError(`${where}: repeat is written { for: [texts], steps: […] }`)
    return repeat.for.flatMap((it) => unrolled(withIt(repeat.steps, it), `${where}: repeat`))
  })
}

const readStep = (entry: unknown, hosts: readonly string[], where: string): Step => {
  const [kind, ...more] = isObject(entry) ? Object.keys(entry) : []
  if (kind === undefined || more.length > 0) throw new ScenarioError(`${where}: a step is written { kind: { fields } }`)
  const known = Object.hasOwn(STEPS, kind) ? STEPS[kind]! : undefined
  if (known === undefined) throw new ScenarioError(`${where}: no step ${kind}; known: ${Object.keys(STEPS).join(', ')}`)
  return { kind, args: readFields(known.fields, (entry as Record<string, unknown>)[kind] ?? {}, hosts, `${where} (${kind})`) }
}

/** @throws ScenarioError, which says where */
export const parseScenario = (id: string, text: string): Scenario => {
  const document: unknown = parse(text)
  if (!isObject(document)) throw new ScenarioError(`${id}: expected ${KEYS.join(', ')}`)
  for (const key of Object.keys(document))
    if (!KEYS.includes(key)) throw new ScenarioError(`${id}: unknown ${key}; known: ${KEYS.join(', ')}`)
  const { about, rows, run, hosts, steps } = document
  if (typeof about !== 'string' || about === '') throw new ScenarioError(`${id}: about must be a text`)
  if (!isTexts(rows)) throw new ScenarioError(`${id}: rows must be a list of rows of the catalogue`)
  if (run !== 'short' && run !== 'long') throw new ScenarioError(`${id}: run must be short or long`)
  if (!isTexts(hosts)) throw new ScenarioError(`${id}: hosts must be a list of names`)
  return {
    id,
    about,
    rows,
    run,
    hosts,
    steps: unrolled(steps, `${id}: steps`).map((entry, index) => readStep(entry, hosts, `${id}: step ${index + 1}`)),
  }
}

/** All that are there, by name. */
export const readScenarios = (folder = SCENARIOS): Scenario[] =>
  readdirSync(folder)
    .filter((name) => name.endsWith('.yaml'))
    .toSorted()
    .map((name) => parseScenario(name.slice(0, -'.yaml'.length), readFileSync(join(folder, name), 'utf8')))
