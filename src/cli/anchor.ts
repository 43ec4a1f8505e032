import { writeFile } from 'node:fs/promises'
import { Command, Option } from 'commander'
import { MeshError, messageOf, systemClock, UsageError } from '../base/index.ts'
import { anchorTools, type HandoverTransaction, parseClusterId, standardDataDir } from '../index.ts'
import { askNode } from './control-client.ts'
import { readBounded } from './files.ts'
import { type CommonOptions, printJson, printLine, safe, table } from './output.ts'
import { controlSocketOf, dataDirOption } from './running-node.ts'
import { collect, naturalNumber } from './values.ts'

const PREPARED_LIMIT_BYTES = 64 * 1024
const PROOF_LIMIT_BYTES = 128 * 1024
/** How long `prepare` waits for a node that is still making its quotes. */
const PREPARE_TIMEOUT_MS = 60_000
/** The same for one that was started a moment ago. */
const NODE_TIMEOUT_MS = 30_000
const PREPARE_PAUSE_MS = 500

interface NetworkOptions extends CommonOptions {
  anchor: string
  horizon?: string[]
  stellarRpc?: string[]
  stellarArchive?: string[]
  stellarPassphrase?: string
}

const networkOptions = (command: Command): Command =>
  command
    .addOption(
      new Option('--anchor <network>', 'devnet, testnet, pubnet, or stellar with the two options below').default('testnet'),
    )
    .addOption(new Option('--horizon <url>', "a server in place of the network's; may be repeated").argParser(collect))
    .addOption(new Option('--stellar-rpc <url>', 'a Stellar RPC server; may be repeated').argParser(collect))
    .addOption(new Option('--stellar-archive <url>', 'a history archive, for old ledgers; may be repeated').argParser(collect))
    .addOption(new Option('--stellar-passphrase <text>', 'with --anchor stellar: which network'))

const networkOf = async (options: NetworkOptions) => {
  const { networkOf: find } = await anchorTools()
  const network = find(options)
  if (network !== undefined) return network
  throw new UsageError('bad_configuration', `${JSON.stringify(options.anchor)} is not a ledger`, {
    next: 'give --anchor devnet, testnet or pubnet',
  })
}

const clusterOf = (text: string): Uint8Array => {
  const id = parseClusterId(text)
  if (id !== undefined) return id
  throw new UsageError('bad_configuration', `${JSON.stringify(text)} is not a cluster id`, {
    next: 'a cluster id is G and 55 letters and digits',
  })
}

const prepareCommand = (): Command =>
  new Command('prepare')
    .description('The genesis transaction that the node of this machine wants its funder to sign.')
    .addOption(dataDirOption())
    .option('--out <file>', 'write it there')
    .addHelpText(
      'after',
      '\nStart the node with `up --new --anchor testnet --funder G…` first; it waits for up to an hour.\n\nExample:\n  npx dstack-mesh anchor prepare --out genesis.json',
    )
    .action(async (options: CommonOptions & { dataDir?: string; out?: string }) => {
      const socket = controlSocketOf(options)
      const from = systemClock.monotonicMs()
      for (;;) {
        try {
          const waiting = await askNode(socket, 'GET', '/anchor/transaction')
          return options.out === undefined ? printJson(waiting) : await writeFile(options.out, `${JSON.stringify(waiting)}\n`)
        } catch (error) {
          const limitMs = await mayComeWithin(error, socket)
          if (systemClock.monotonicMs() - from > limitMs) throw error
          await systemClock.sleep(PREPARE_PAUSE_MS)
        }
      }
    })

/** How long to wait for a transaction after such an answer; 0: there never will be one. */
const mayComeWithin = async (error: unknown, socket: string): Promise<number> => {
  if (!(error instanceof MeshError)) return 0
  if (error.code === 'no_node') return NODE_TIMEOUT_MS
  if (error.code !== 'nothing_waits') return 0
  const { state } = (await askNode(socket, 'GET', '/status')) as { state: string }
  return state === 'starting' || state === 'anchoring' ? PREPARE_TIMEOUT_MS : 0
}

const readPrepared = async (path: string): Promise<HandoverTransaction> => {
  const bytes = await readBounded(path === '-' ? '/dev/stdin' : path, 'transaction', PREPARED_LIMIT_BYTES)
  try {
    const { envelope, passphrase, funder, maxTime } = JSON.parse(bytes.toString('utf8')) as Partial<HandoverTransaction>
    if (typeof envelope !== 'string' || typeof passphrase !== 'string') throw new Error('envelope or passphrase is missing')
    return { envelope, passphrase, funder: String(funder), maxTime: Number(maxTime) }
  } catch (cause) {
    throw new UsageError('bad_transaction', `this is not what \`anchor prepare\` prints: ${messageOf(cause)}`, {
      next: 'check the file',
    })
  }
}

const xlm = (stroops: number): string => `${(stroops / 1e7).toFixed(7).replace(/\.?0+$/, '')} XLM`

const signCommand = (): Command =>
  new Command('sign')
    .description("Sign a prepared genesis transaction, on the funder's machine. Signs nothing else.")
    .argument('<file>', 'what `anchor prepare` printed; - is standard input')
    .addOption(new Option('--secret-file <file>', 'secret key (S…) of the funder').conflicts('secretFd'))
    .addOption(new Option('--secret-fd <number>', 'a file descriptor to read it from').argParser(naturalNumber))
    .option('--out <file>', 'write it there')
    .addHelpText(
      'after',
      '\nExamples:\n  npx dstack-mesh anchor sign genesis.json --secret-file funder.secret --out signed.json\n  npx dstack-mesh anchor sign genesis.json --secret-fd 3 3< <(pass show stellar/funder) > signed.json',
    )
    .action(async (path: string, options: CommonOptions & { secretFile?: string; secretFd?: number; out?: string }) => {
      const source = options.secretFile ?? options.secretFd
      if (source === undefined) throw new UsageError('no_secret', 'who signs?', { next: 'give --secret-file or --secret-fd' })
      const prepared = await readPrepared(path)
      const { signPrepared, localFunder, readSecret } = await anchorTools()
      const funder = localFunder(await readSecret(source))
      try {
        const signed = await signPrepared(prepared, funder)
        process.stderr.write(
          `${table([
            ['network', safe(signed.passphrase)],
            ['cluster', signed.cluster],
            ['paid by', signed.funder],
            ['fee', `at most ${xlm(signed.feeAtMost)} for ${signed.operations} operations`],
            ['locked', `${xlm(signed.reserve)} for good`],
            ['good until', new Date(signed.maxTime * 1_000).toISOString()],
          ])}\n`,
        )
        if (options.out === undefined) printJson(signed)
        else await writeFile(options.out, `${JSON.stringify(signed)}\n`)
      } finally {
        funder.wipe()
      }
    })

const submitCommand = (): Command =>
  new Command('submit')
    .description('Give the signed transaction back to the node, which signs it for the cluster and publishes it.')
    .argument('<file>', 'what `anchor sign` printed; - is standard input')
    .addOption(dataDirOption())
    .addHelpText('after', '\nExample:\n  npx dstack-mesh anchor submit signed.json')
    .action(async (path: string, options: CommonOptions & { dataDir?: string }) => {
      const { envelope } = await readPrepared(path)
      const answer = await askNode(controlSocketOf(options), 'POST', '/anchor/transaction', { envelope })
      if (options.json) printJson(answer)
      else printLine('accepted; the node publishes it now: dstack-mesh status')
    })

const showCommand = (): Command =>
  networkOptions(new Command('show'))
    .description('What a cluster has made public, as the servers of the ledger tell it.')
    .argument('<cluster>', "G…; or C…, the contract of rs-modular-dstack's simple-cluster")
    .addHelpText('after', '\nExample:\n  npx dstack-mesh anchor show G… --anchor testnet')
    .action(async (text: string, options: NetworkOptions) => {
      if (text.startsWith('C')) return showContract(text, options)
      const cluster = clusterOf(text)
      const { inspectAnchor } = await anchorTools()
      const report = await inspectAnchor(cluster, await networkOf(options), systemClock)
      if (options.json) return printJson(report)
      printLine(
        table([
          ['cluster', report.cluster],
          ['witness', report.witness],
          ['proof', `${report.proof}: the servers' word (dstack-mesh anchor verify checks more)`],
          ['genesis', report.genesis],
          ['quote', report.quote],
          ['policy', report.policy],
          ...report.boot.map((address) => ['boot', safe(address)]),
          ...(report.homeDomain === null ? [] : [['domain', safe(report.homeDomain)]]),
          ['ledger', String(report.ledger)],
          ...report.servers.map(({ url, answer }) => ['server', safe(`${url}: ${answer}`)]),
        ]),
      )
    })

const showContract = async (text: string, options: NetworkOptions): Promise<void> => {
  const { rpcs, witness } = await networkOf(options)
  const [url] = rpcs
  if (url === undefined)
    throw new UsageError('no_rpc', 'a contract is read from a Stellar RPC server', { next: 'give --stellar-rpc' })
  const { readContract, WEAK_WITNESS } = await anchorTools()
  const report = await readContract(text, url, systemClock)
  const warning = `weak: ${WEAK_WITNESS}`
  if (options.json) return printJson({ ...report, witness, warning })
  printLine(
    table([
      ['contract', report.contract],
      ['shared key', safe(report.sharedPublicKey)],
      ['witness', `${witness}, a contract (${warning})`],
      ['changed in ledger', String(report.lastModifiedLedger)],
      ['lives until ledger', report.liveUntilLedger === undefined ? 'unknown' : String(report.liveUntilLedger)],
      ['newest ledger', String(report.latestLedger)],
    ]),
  )
}

interface VerifyOptions extends NetworkOptions {
  checkpoint?: string[]
  validator?: string[]
  proof?: string
  dataDir?: string
  save?: string
}

const verifyCommand = (): Command =>
  networkOptions(new Command('verify'))
    .description('Check that the genesis of a cluster is in a ledger, by our own hashing.')
    .argument('<cluster>', 'G…')
    .addOption(
      new Option(
        '--checkpoint <SEQ:HASH>',
        'a ledger that you trust: the one of the genesis, or one of the 63 after it',
      ).argParser(collect),
    )
    .addOption(new Option('--validator <G…>', 'a validator that you trust').argParser(collect))
    .option('--proof <file>', 'a proof at hand, such as anchor-proof in the data folder of a member')
    .addOption(dataDirOption())
    .option('--save <file>', 'keep the proof there')
    .addHelpText(
      'after',
      `
Without a checkpoint or a validator the level is \`transaction\`: the cluster signed it, and the ledger is consistent in itself, but
anybody could have made such a ledger. A checkpoint is good when it comes from somebody else than who gave the proof.

Example:
  npx dstack-mesh anchor verify G… --anchor testnet --checkpoint 51234567:9f86d081…`,
    )
    .action(async (text: string, options: VerifyOptions) => {
      const cluster = clusterOf(text)
      const network = await networkOf(options)
      const { parseCheckpoint, proveAnchor, rememberedCluster, rememberedProof } = await anchorTools()
      const pins = {
        checkpoints: (options.checkpoint ?? []).map(parseCheckpoint),
        validators: (options.validator ?? []).map(clusterOf),
      }
      const dataDir = options.dataDir ?? standardDataDir(process.env)
      const own = async (): Promise<Uint8Array | undefined> => {
        const remembered = await rememberedCluster(dataDir).catch(() => undefined)
        return remembered !== undefined && Buffer.from(remembered).equals(cluster) ? rememberedProof(dataDir) : undefined
      }
      const proof = options.proof === undefined ? await own() : await readBounded(options.proof, 'proof', PROOF_LIMIT_BYTES)
      const kept = proof === undefined ? {} : { kept: { proof: Uint8Array.from(proof), from: options.proof ?? dataDir } }
      const proven = await proveAnchor(cluster, network, { clock: systemClock, pins, ...kept })
      if (options.save !== undefined) await writeFile(options.save, proven.proof)
      const { report } = proven
      if (options.json) return printJson(report)
      printLine(
        table([
          ['cluster', report.cluster],
          ['witness', report.witness],
          ['proof', report.proof],
          ['genesis', report.genesis],
          ['quote', report.quote],
          ['policy', report.policy],
          ...report.boot.map((address) => ['boot', safe(address)]),
          ['transaction', report.transaction],
          ['paid by', report.funder],
          ['in ledger', report.checkpoint],
          ['closed', report.closedAt],
          ['reaches ledger', String(report.upTo)],
          ...report.from.map((source) => ['from', safe(source)]),
        ]),
      )
    })

export const anchorCommand = (): Command =>
  new Command('anchor')
    .description("A cluster's public identity on the Stellar ledger: pay for it, look at it, prove it.")
    .addCommand(prepareCommand())
    .addCommand(signCommand())
    .addCommand(submitCommand())
    .addCommand(showCommand())
    .addCommand(verifyCommand())
