import { Command, Option } from 'commander'
import { askNode, askNodeForBytes } from './control-client.ts'
import { type CommonOptions, printJson, printLine, safe } from './output.ts'
import { controlSocketOf, dataDirOption } from './running-node.ts'
import { checkSecretOutput, writeSecret, writeSecretFile } from './secret-output.ts'
import { collect, descriptor } from './values.ts'

interface CsrOptions extends CommonOptions {
  dataDir?: string
  app?: string
  san?: string[]
  keyOut?: string
  keyFd?: number
}

interface CsrAnswer {
  app: string
  appId: string
  domains: string[]
  request: string
}

const csrCommand = (): Command =>
  new Command('csr')
    .description('A certificate request (PKCS#10, PEM) for the key with which every member serves TLS for a domain.')
    .argument('<domain>', 'what the key is derived from, and the common name')
    .addOption(dataDirOption())
    .option('--app <name>', 'whose key, where the node serves several apps')
    .option('--san <name>', 'a further DNS name or IP address; may be repeated', collect)
    .option('--key-out <file>', 'write the private key (PKCS#8, PEM) to this new file, mode 0600')
    .addOption(new Option('--key-fd <n>', 'write it to this open file descriptor').argParser(descriptor).conflicts('keyOut'))
    .addHelpText(
      'after',
      `
The key is the same on all members, so one certificate of a public authority is good on all of them. The request goes to
standard output; the private key only where it is asked to go.

Examples:
  npx dstack-mesh tls csr app.example.org > app.csr
  npx dstack-mesh tls csr app.example.org --san www.example.org --key-out app.key > app.csr`,
    )
    .action(async (domain: string, options: CsrOptions) => {
      const { keyOut, keyFd, app } = options
      if (keyFd !== undefined) checkSecretOutput(keyFd)
      const socket = controlSocketOf(options)
      const question = { domains: [domain, ...(options.san ?? [])], app }
      const answer = (await askNode(socket, 'POST', '/domain-request', question)) as CsrAnswer
      if (keyOut !== undefined || keyFd !== undefined) {
        const key = await askNodeForBytes(socket, '/domain-key', question)
        try {
          if (keyOut !== undefined) writeSecretFile(keyOut, key)
          else writeSecret(keyFd!, key)
        } finally {
          key.fill(0)
        }
      }
      if (options.json) return printJson(answer)
      printLine(safe(answer.request.trimEnd()))
    })

export const tlsCommand = (): Command =>
  new Command('tls').description('Certificates of public authorities.').addCommand(csrCommand())
