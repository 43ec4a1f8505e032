import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { Command, Option } from 'commander'
import { systemClock, UsageError } from '../base/index.ts'
import {
  type AppCertificate,
  DcapError,
  parseQuote,
  standardDataDir,
  verifyAppCertificate,
  verifyClusterCertificate,
} from '../index.ts'
import { readBounded } from './files.ts'
import { type CommonOptions, paint, printJson, printLine, table } from './output.ts'
import { dataDirOption } from './running-node.ts'
import { hexBytes, instant } from './values.ts'

interface VerifyOptions extends CommonOptions {
  cluster?: string
  genesis?: string
  dataDir?: string
  caRoot?: Uint8Array
  app: Uint8Array
  usage: 'server' | 'client'
  name?: string
  at?: number
}

const CHAIN_LIMIT_BYTES = 1024 * 1024
const GENESIS_LIMIT_BYTES = 1024 * 1024
const APP_ID_BYTES = 20

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

/** Where the CA root is learnt from: the cluster id and what its key signed, or the operator's own word. */
const verify = async (chain: string, options: VerifyOptions): Promise<AppCertificate> => {
  const { cluster, caRoot, name } = options
  const expected = {
    appId: options.app,
    usage: options.usage,
    nowMs: options.at ?? systemClock.now(),
    ...(name !== undefined && { serverName: name }),
  }
  if (caRoot !== undefined) return verifyAppCertificate(chain, { ...expected, caRootPublicKey: caRoot })
  if (cluster === undefined) {
    throw new UsageError('missing_option', 'no cluster to verify the certificate by', {
      next: 'give --cluster G… and --genesis <file>, or --ca-root <hex> where you know that key',
    })
  }
  const path = options.genesis ?? join(options.dataDir ?? standardDataDir(process.env), 'genesis')
  const genesis = Uint8Array.from(await readBounded(path, 'genesis (--genesis)', GENESIS_LIMIT_BYTES))
  return verifyClusterCertificate(chain, { ...expected, cluster, genesis })
}

/** Whether the quote that a certificate may carry is about the certificate's own key. It is not judged here. */
const quoteOf = ({ evidence, reportData }: AppCertificate): 'none' | 'binds the key' | 'does not bind the key' | 'unreadable' => {
  if (evidence === undefined) return 'none'
  try {
    return Buffer.compare(parseQuote(evidence.quote).td.reportData, reportData) === 0 ? 'binds the key' : 'does not bind the key'
  } catch (error) {
    if (error instanceof DcapError) return 'unreadable'
    throw error
  }
}

const verifyCommand = (): Command =>
  new Command('verify')
    .description("Verify a certificate chain as an app's of a cluster.")
    .argument('<pem>', 'the chain: leaf, app CA and, ignored, the root')
    .requiredOption('--app <id>', "the app's id, 40 hex digits", hexBytes(APP_ID_BYTES))
    .addOption(new Option('--cluster <G…>', 'the cluster, as you know it from a source that you trust').conflicts('caRoot'))
    .addOption(
      new Option(
        '--genesis <file>',
        "the cluster's genesis: `genesis` in any member's data folder (default: in this node's)",
      ).conflicts('caRoot'),
    )
    .addOption(dataDirOption())
    .option('--ca-root <hex>', "instead of both: the public key of the cluster's CA root, SEC1", hexBytes(33, 65))
    .addOption(new Option('--usage <what>', 'what the peer uses it for').choices(['server', 'client']).default('server'))
    .option('--name <name>', 'the DNS name or IP address that was asked for')
    .option('--at <time>', 'as of this time, such as 2025-07-01T12:00:00Z (default: now)', instant)
    .addHelpText(
      'after',
      `
The cluster id is the cluster's public key. That key signed the genesis, which names the CA root: so the genesis may come from
anybody. Whether TDs of the right kind hold the cluster's keys is not said by a certificate; that is what the cluster id stands
for, to whoever checked it.

Exit codes: 0 accepted, 1 refused, 2 wrong use.

Examples:
  npx dstack-mesh cert verify chain.pem --cluster G… --genesis genesis --app 0123… --name app.example.org
  npx dstack-mesh cert verify chain.pem --ca-root 02ab… --app 0123… --usage client --json`,
    )
    .action(async (path: string, options: VerifyOptions) => {
      const chain = (await readBounded(path, 'certificate chain', CHAIN_LIMIT_BYTES)).toString('latin1')
      const certificate = await verify(chain, options)
      const facts = {
        appId: hex(certificate.appId),
        publicKeySha256: createHash('sha256').update(certificate.spki).digest('hex'),
        notBefore: new Date(certificate.notBeforeMs).toISOString(),
        notAfter: new Date(certificate.notAfterMs).toISOString(),
        quote: quoteOf(certificate),
      }
      if (options.json) return printJson({ ok: true, ...facts })
      printLine(paint('green', 'accepted'))
      printLine(
        table([
          ['app id', facts.appId],
          ['public key (SHA-256)', facts.publicKeySha256],
          ['valid from', facts.notBefore],
          ['valid until', facts.notAfter],
          ['quote (not judged)', facts.quote],
        ]),
      )
    })

export const certCommand = (): Command => new Command('cert').description("Apps' certificates.").addCommand(verifyCommand())
