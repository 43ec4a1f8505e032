import { Command } from 'commander'
import { explainQuote, parseQuote } from '../index.ts'
import { readQuote } from './files.ts'
import { type CommonOptions, printJson, printLine, table } from './output.ts'
import { verifyCommand } from './quote-verify.ts'

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

export const quoteCommand = (): Command =>
  new Command('quote').description('Look at quotes, and verify them.').addCommand(showCommand()).addCommand(verifyCommand())
