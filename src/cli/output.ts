import { stripVTControlCharacters, styleText } from 'node:util'
import { MeshError, messageOf, safe, safeJson, UsageError } from '../base/index.ts'

export { safe }

/** What every command takes. */
export interface CommonOptions {
  json?: boolean
  verbose?: boolean
}

type Style = Parameters<typeof styleText>[0]

/** Styled on a terminal, plain anywhere else (and under NO_COLOR). */
export const paint = (style: Style, text: string, stream: NodeJS.WriteStream = process.stdout): string =>
  styleText(style, text, { stream, validateStream: true })

export const printLine = (text = ''): void => {
  process.stdout.write(`${text}\n`)
}

/** JSON on one line. What could move a cursor is escaped, which changes nothing for who parses it. */
export const toJson = (value: unknown): string => safeJson(JSON.stringify(value))

export const printJson = (value: unknown): void => printLine(toJson(value))

/** As a terminal shows it: without its colours. */
const widthOf = (cell: string): number => stripVTControlCharacters(cell).length

/** A line end in what somebody sent must not begin a row of his own. */
const onOneLine = (cell: string): string => cell.replace(/[\n\t]/g, (char) => (char === '\n' ? '\\n' : '\\t'))

/** A table whose columns are as wide as their widest cell; a row is a line. */
export const table = (cells: readonly (readonly string[])[]): string => {
  const rows = cells.map((row) => row.map(onOneLine))
  const widths: number[] = []
  for (const row of rows) for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, widthOf(cell))
  const padded = (cell: string, i: number): string => cell + ' '.repeat(widths[i]! - widthOf(cell))
  return rows.map((row) => row.map((cell, i) => (i === row.length - 1 ? cell : padded(cell, i))).join('  ')).join('\n')
}

/** 0 accepted or done, 1 refused or failed, 2 wrong use. */
export const exitCodeOf = (error: unknown): number => (error instanceof UsageError ? 2 : 1)

/** Without a stack trace, unless asked. With `--json` one object on standard output. */
export const printError = (error: unknown, { json, verbose }: CommonOptions): void => {
  const next = error instanceof MeshError ? error.next : undefined
  if (json) {
    printJson({
      error: messageOf(error),
      code: error instanceof MeshError ? error.code : 'failed',
      ...(next !== undefined && { next }),
    })
    return
  }
  const lines = [`${paint('red', 'error:', process.stderr)} ${safe(messageOf(error))}`]
  if (next !== undefined) lines.push(`${paint('bold', 'next:', process.stderr)}  ${safe(next)}`)
  if (verbose && error instanceof Error && error.stack !== undefined) lines.push(paint('dim', error.stack, process.stderr))
  process.stderr.write(`${lines.join('\n')}\n`)
}
