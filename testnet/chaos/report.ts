/** What is printed: what scenarios saw, and what covers the catalogue. */
import { styleText } from 'node:util'
import type { Row } from './catalogue.ts'
import { aboutField } from './fields.ts'
import type { Outcome } from './play.ts'
import type { Scenario } from './scenario.ts'
import { STEPS } from './steps/index.ts'
import { seconds } from './world.ts'

const mark = (ok: boolean): string => (ok ? styleText('green', '✔') : styleText('red', '✘'))

export const outcomeText = ({ scenario, ok, ms, findings, frames, logs }: Outcome): string =>
  [
    `${mark(ok)} ${styleText('bold', scenario.id)} (${scenario.rows.join(', ')}), ${seconds(ms)}${
      frames === undefined ? '' : `, ${frames.passed} frames passed, ${frames.lost} lost, ${frames.cut} cut`
    }`,
    ...findings.map((finding) => `    ${mark(finding.ok)} ${finding.expected}: ${styleText('dim', finding.seen)}`),
    ...Object.entries(logs).flatMap(([node, lines]) => [
      `    last of ${node}:`,
      ...lines.split('\n').map((line) => `      ${line}`),
    ]),
  ].join('\n')

export const listText = (scenarios: readonly Scenario[]): string => {
  const width = Math.max(...scenarios.map(({ id }) => id.length))
  return scenarios
    .map(({ id, run, rows, about }) => `${id.padEnd(width)}  ${run.padEnd(5)}  ${rows.join(' ')}\n    ${about}`)
    .join('\n')
}

export const stepsText = (): string =>
  Object.entries(STEPS)
    .map(([kind, { about, fields }]) =>
      [
        `${styleText('bold', kind)}: ${about}`,
        ...Object.entries(fields).map(
          ([name, field]) => `    ${name}: ${aboutField(field)}${field.endsWith('?') ? ' (may be left out)' : ''}`,
        ),
      ].join('\n'),
    )
    .join('\n')

/** One line for each row; `outcomes` says of the scenarios that were played how they went. */
export const catalogueText = (rows: readonly Row[], outcomes: readonly Outcome[]): string => {
  const played = new Map(outcomes.map(({ scenario, ok }) => [scenario.id, ok]))
  const lines = rows.flatMap(({ row, fault, scenarios, tests, open }) => [
    `${row.padEnd(4)}${fault}`,
    ...scenarios.map((id) => `      ${played.has(id) ? mark(played.get(id)!) : ' '} scenario ${id}`),
    ...tests.map(({ file, words }) => `        ${file}: ${words}`),
    ...(open === undefined ? [] : [styleText('yellow', `        open: ${open}`)]),
  ])
  const whole = rows.filter(({ open }) => open === undefined).length
  const partly = rows.filter(({ open, scenarios, tests }) => open !== undefined && scenarios.length + tests.length > 0).length
  return [...lines, `${rows.length} rows: ${whole} covered, ${partly} in part, ${rows.length - whole - partly} not yet`].join(
    '\n',
  )
}
