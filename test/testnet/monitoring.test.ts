import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { parse } from 'yaml'
import { SERIES } from '../../src/node/metrics/index.ts'
import { Scrape } from '../node/metrics/scrape.ts'
import { InProcess } from '../node/support.ts'

interface Rule {
  alert: string
  expr: string
  labels: { severity: string }
  annotations: Readonly<Record<'summary' | 'description' | 'runbook', string>>
}
interface Panel {
  id: number
  title: string
  gridPos: { x: number; y: number; w: number; h: number }
  targets: { expr: string }[]
}

const { groups } = parse(readFileSync('testnet/monitoring/alerts.yml', 'utf8')) as { groups: { rules: Rule[] }[] }
const rules = groups.flatMap((group) => group.rules)
const { panels } = JSON.parse(readFileSync('testnet/monitoring/dashboard.json', 'utf8')) as { panels: Panel[] }
const queries = panels.flatMap(({ targets }) => targets.map(({ expr }) => expr))

const OPERATORS = ['and', 'or', 'unless', 'offset']
/** The names of series in a query: words that are not within braces, brackets or `by (…)`, and neither function nor operator. */
const namesIn = (query: string): string[] =>
  [...query.replace(/\{[^}]*\}|\[[^\]]*\]|\b(?:by|without|on|ignoring) *\([^)]*\)/g, '').matchAll(/\b[a-z_:][\w:]*\b(?! *\()/g)]
    .map(([name]) => name)
    .filter((name) => !OPERATORS.includes(name))

/** Label names that a query selects, groups or shows by. */
const labelsIn = (query: string): string[] => [
  ...[...query.matchAll(/([a-z_]+) *(?:=~|!~|!=|=)/g)].map((match) => match[1]!),
  ...[...query.matchAll(/\bby *\(([^)]*)\)/g)].flatMap((match) => match[1]!.split(',').map((label) => label.trim())),
]
/** Of the scraping itself. */
const OF_PROMETHEUS = ['job', 'instance', 'le']

describe('the dashboard and the alert rules', function () {
  this.timeout(30_000)
  let names: Set<string>
  before(async () => {
    const mesh = await InProcess.open()
    try {
      const node = await mesh.first({ metrics: true })
      names = new Scrape((await node.metrics())!.body).names()
    } finally {
      await mesh.close()
    }
  })

  it('ask only for series that a running node has', () => {
    const asked = new Set([...queries, ...rules.map(({ expr }) => expr)].flatMap(namesIn))
    assert.ok(asked.size > 20)
    for (const name of asked) assert.ok(name === 'up' || names.has(name), `no node has ${name}`)
  })

  it('select and group by labels that these series have', () => {
    for (const query of [...queries, ...rules.map(({ expr }) => expr)]) {
      const own = Object.values(SERIES).filter(({ name }) => namesIn(query).some((asked) => asked.startsWith(name)))
      if (own.length === 0) continue
      const known = [...OF_PROMETHEUS, ...own.flatMap(({ labels }) => Object.keys(labels))]
      for (const label of labelsIn(query)) assert.ok(known.includes(label), `${label} in ${query}`)
    }
  })

  it('show every series of ours', () => {
    const shown = queries.flatMap(namesIn)
    for (const { name } of Object.values(SERIES))
      assert.ok(
        shown.some((each) => each.startsWith(name)),
        `no panel shows ${name}`,
      )
  })

  it('say of each alert how bad it is and what to do', () => {
    assert.equal(new Set(rules.map(({ alert }) => alert)).size, rules.length)
    for (const { alert, labels, annotations } of rules) {
      assert.match(alert, /^Mesh[A-Z][A-Za-z]+$/)
      assert.match(labels.severity, /^(critical|warning)$/)
      assert.ok(annotations.summary.length > 10 && annotations.description.length > 30, alert)
      const expected = alert === 'MeshAlarm' ? '{{ $labels.alarm }}' : alert.toLowerCase()
      assert.equal(annotations.runbook, `docs/operating.md#${expected}`)
    }
  })

  it('lay each panel out in a place of its own', () => {
    assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length)
    const taken = new Set<string>()
    for (const { title, gridPos } of panels) {
      assert.ok(gridPos.x + gridPos.w <= 24, title)
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          assert.ok(!taken.has(`${x},${y}`), `${title} lies over another panel`)
          taken.add(`${x},${y}`)
        }
      }
    }
  })
})
