import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { parseCatalogue, readCatalogue } from '../../../testnet/chaos/catalogue.ts'
import { readScenarios } from '../../../testnet/chaos/scenario.ts'

const numbered = (letter: string, count: number): string[] => Array.from({ length: count }, (_, index) => `${letter}${index + 1}`)
const ROWS = [...numbered('A', 25), ...numbered('K', 9), ...numbered('N', 13), ...numbered('Q', 10), ...numbered('S', 6)]

describe('the catalogue of faults', () => {
  const rows = readCatalogue()
  const scenarios = readScenarios()

  it('holds each of its 63 rows once, in order', () => {
    assert.equal(ROWS.length, 63)
    assert.deepEqual(
      rows.map(({ row }) => row),
      ROWS,
    )
  })

  it('names scenarios that there are, and each of these names the row', () => {
    for (const { row, scenarios: ids } of rows) {
      for (const id of ids) assert.ok(scenarios.find((scenario) => scenario.id === id)?.rows.includes(row), `${row}: ${id}`)
    }
  })

  it('names, for each scenario, all the rows that it says it covers', () => {
    for (const { id, rows: covered } of scenarios)
      for (const row of covered) assert.ok(rows.find((known) => known.row === row)?.scenarios.includes(id), `${id}: ${row}`)
  })

  it('names tests that there are, by words that stand in them', () => {
    for (const { row, tests } of rows)
      for (const { file, words } of tests)
        assert.ok(readFileSync(file, 'utf8').replaceAll("\\'", "'").includes(words), `${row}: ${file} does not say "${words}"`)
  })

  it('is refused where a row says nothing, or something that nobody knows', () => {
    for (const [text, problem] of [
      ['- { row: A1, fault: some }', /say what covers A1/],
      ['- { row: A1, fault: some, scenario: [x] }', /unknown scenario/],
      ['- { row: A1, fault: some, tests: [x] }', /tests must be/],
      ['- { row: 1, fault: some, open: why }', /must be texts/],
      ['row: A1', /expected a list/],
    ] as const)
      assert.throws(() => parseCatalogue(text), problem)
  })
})
