import { createHash } from 'node:crypto'
import { Command } from 'commander'
import { askNode } from './control-client.ts'
import { type CommonOptions, printJson, printLine } from './output.ts'
import { controlSocketOf, dataDirOption } from './running-node.ts'

interface KeyAnswer {
  app: string
  appId: string
  path: string
  key: string
}

/** First 16 hex digits of the key's SHA-256: enough to compare by eye, nothing to attack. */
const fingerprintOf = (key: string): string => createHash('sha256').update(Buffer.from(key, 'hex')).digest('hex').slice(0, 16)

export const keyCommand = (): Command =>
  new Command('key')
    .description('The key that an app of the running node gets for a path.')
    .argument('<path>', 'as the app would ask: POST /GetKey {"path": …}')
    .addOption(dataDirOption())
    .option('--app <name>', 'whose key, where the node serves several apps')
    .option('--fingerprint', 'only a fingerprint of the key')
    .addHelpText(
      'after',
      '\nExamples:\n  npx dstack-mesh key storage/main --fingerprint\n  npx dstack-mesh key storage/main --json',
    )
    .action(async (path: string, options: CommonOptions & { dataDir?: string; app?: string; fingerprint?: boolean }) => {
      const answer = (await askNode(controlSocketOf(options), 'POST', '/key', { path, app: options.app })) as KeyAnswer
      const { key, ...about } = answer
      const fingerprint = fingerprintOf(key)
      if (options.json) printJson(options.fingerprint ? { ...about, fingerprint } : { ...answer, fingerprint })
      else printLine(options.fingerprint ? fingerprint : key)
    })
