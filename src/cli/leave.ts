import { Command, Option } from 'commander'
import { askNode } from './control-client.ts'
import { type CommonOptions, printJson, printLine } from './output.ts'
import { controlSocketOf, dataDirOption } from './running-node.ts'

interface LeaveOptions extends CommonOptions {
  dataDir?: string
  force?: boolean
  forget?: boolean
}

export const leaveCommand = (): Command =>
  new Command('leave')
    .description('Take the running node out of its cluster: it tells the others, wipes its keys and ends.')
    .addOption(dataDirOption())
    .addOption(
      new Option('--forget', 'also remove what the data folder remembers of the cluster, so that it can be used for another'),
    )
    .addOption(
      new Option('--force', 'even when no other member answers: then the secret, and all that was encrypted under it, is lost'),
    )
    .addHelpText('after', '\nExamples:\n  npx dstack-mesh leave\n  npx dstack-mesh leave --forget')
    .action(async (options: LeaveOptions) => {
      const { force = false, forget = false } = options
      const answer = (await askNode(controlSocketOf(options), 'POST', '/leave', { force, forget })) as { cluster: string }
      if (options.json) printJson(answer)
      else printLine(`left ${answer.cluster}`)
    })
