import { readFile, stat } from 'node:fs/promises'
import { Command } from 'commander'
import { messageOf, UsageError } from '../base/index.ts'
import { explainQuote, parseQuote } from '../index.ts'
import { type CommonOptions, printJson, printLine, table } from './output.ts'

const FILE_LIMIT_BYTES = 1024 * 1024

/** A quote as it is, or as hex or base64 text. */
const readQuote = async (path: string): Promise<Uint8Array> => {
  let bytes: Buffer
  try {
    if ((await stat(path)).size > FILE_LIMIT_BYTES) throw new Error(`larger than ${FILE_LIMIT_BYTES} bytes`)
    bytes = await readFile(path)
  } catch (cause) {
    throw new UsageError('quote_unreadable', `cannot read the quote: ${messageOf(cause)}`, { next: 'check the path', cause })
  }
  const text = bytes.toString('latin1').trim()
  if (/^(0x)?([0-9a-fA-F]{2})+$/.test(text)) return Uint8Array.from(Buffer.from(text.replace(/^0x/, ''), 'hex'))
  if (/^[A-Za-z0-9+/\s]+=*$/.test(text)) return Uint8Array.from(Buffer.from(text, 'base64'))
  return Uint8Array.from(bytes)
}

const showCommand = (): Command =>
  new Command('show')
    .description('The fields of a quote, by name. Verifies nothing.')
    .argument('<file>', 'a quote: binary, hex or base64')
    .addHelpText('after', '\nExample:\n  npx dstack-mesh quote show quote.bin --json | jq -r .mr_td')
    .action(async (path: string, options: CommonOptions) => {
      const fields = explainQuote(parseQuote(await readQuote(path)))
      if (options.json) printJson(fields)
      else printLine(table(Object.entries(fields)))
    })

export const quoteCommand = (): Command => new Command('quote').description('Look at quotes.').addCommand(showCommand())
