import { Command } from 'commander'
import { describeRoutes } from '../index.ts'
import { type CommonOptions, printJson, printLine } from './output.ts'

export const apiCommand = (): Command =>
  new Command('api')
    .description('The routes of the app socket, as a Markdown table.')
    .addHelpText('after', '\nExample:\n  npx dstack-mesh api > routes.md')
    .action(async (options: CommonOptions) => {
      const text = await describeRoutes()
      if (options.json) printJson({ routes: text.split('\n').slice(2) })
      else printLine(text)
    })
