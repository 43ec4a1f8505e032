/** The catalogue of faults: which scenario or test covers each, or why none does yet. */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parse } from 'yaml'
import { isObject, ScenarioError } from './fields.ts'

const FILE = fileURLToPath(new URL('./catalogue.yaml', import.meta.url))
const KEYS = ['row', 'fault', 'scenarios', 'tests', 'open']

export interface Row {
  readonly row: string
  readonly fault: string
  readonly scenarios: readonly string[]
  /** File, and words that stand in it. */
  readonly tests: readonly { readonly file: string; readonly words: string }[]
  /** What is not covered, and why; undefined: nothing is open. */
  readonly open: string | undefined
}

const readRow = (entry: unknown, index: number): Row => {
  const where = `catalogue, entry ${index + 1}`
  if (!isObject(entry)) throw new ScenarioError(`${where}: expected ${KEYS.join(', ')}`)
  for (const key of Object.keys(entry))
    if (!KEYS.includes(key)) throw new ScenarioError(`${where}: unknown ${key}; known: ${KEYS.join(', ')}`)
  const { row, fault, scenarios = [], tests = {}, open } = entry
  if (typeof row !== 'string' || typeof fault !== 'string') throw new ScenarioError(`${where}: row and fault must be texts`)
  if (!Array.isArray(scenarios) || !scenarios.every((id) => typeof id === 'string'))
    throw new ScenarioError(`${where}: scenarios must be a list of ids`)
  if (!isObject(tests) || !Object.values(tests).every((words) => typeof words === 'string'))
    throw new ScenarioError(`${where}: tests must be written { file: words that stand in it }`)
  if (open !== undefined && typeof open !== 'string') throw new ScenarioError(`${where}: open must be a text`)
  if (open === undefined && scenarios.length + Object.keys(tests).length === 0)
    throw new ScenarioError(`${where}: say what covers ${row}, or in open why nothing does`)
  return { row, fault, scenarios, tests: Object.entries(tests).map(([file, words]) => ({ file, words: words as string })), open }
}

/** @throws ScenarioError, which says where */
export const parseCatalogue = (text: string): Row[] => {
  const entries: unknown = parse(text)
  if (!Array.isArray(entries)) throw new ScenarioError('catalogue: expected a list')
  return entries.map(readRow)
}

export const readCatalogue = (): Row[] => parseCatalogue(readFileSync(FILE, 'utf8'))
