/** The devnet as a program. */
import { Command, InvalidArgumentError } from 'commander'
import { MeshError, messageOf } from '../../src/index.ts'
import { type RunningDevnet, startDevnet, WARNING } from './index.ts'

interface Options {
  port: number
  host: string
  state?: string
  closeEvery: number
  json?: boolean
}

const PORT_DEFAULT = 8000
const CLOSE_MS_MIN = 100
const CLOSE_MS_MAX = 60_000

const portNumber = (text: string): number => {
  const port = Number(text)
  if (!/^[0-9]+$/.test(text) || port > 65_535) throw new InvalidArgumentError('a number from 0 (any free port) to 65535')
  return port
}

/** `500ms`, `1s`, in milliseconds. */
const duration = (text: string): number => {
  const [, digits = '', unit] = /^([0-9]{1,5})(ms|s)$/.exec(text) ?? []
  const ms = Number(digits) * (unit === 's' ? 1000 : 1)
  if (unit === undefined || ms < CLOSE_MS_MIN || ms > CLOSE_MS_MAX) throw new InvalidArgumentError('a time from 100ms to 60s')
  return ms
}

const print = (devnet: RunningDevnet, { state }: Options): void => {
  process.stdout.write(`${WARNING}

horizon     ${devnet.url}
rpc         ${devnet.url}/rpc
friendbot   ${devnet.url}/friendbot?addr=G…
passphrase  ${devnet.passphrase}
node        ${devnet.nodeId}
ledger      ${devnet.head.ledger} ${devnet.head.hash}
state       ${state ?? 'in memory: gone when this process ends'}

Running until Ctrl-C.
`)
}

const run = async (options: Options): Promise<void> => {
  const interrupted = new Promise<number>((resolve) => {
    process.on('SIGINT', () => resolve(130))
    process.on('SIGTERM', () => resolve(143))
    process.on('SIGHUP', () => resolve(129))
    // Started by a program with a channel to it: end when that program does.
    if (process.channel !== undefined) process.once('disconnect', () => resolve(1))
    process.channel?.unref()
  })
  const { port, host, state, closeEvery, json } = options
  const devnet = await startDevnet({ port, host, stateFile: state, closeEveryMs: closeEvery })
  try {
    const { url, passphrase, nodeId, head } = devnet
    if (json) process.stdout.write(`${JSON.stringify({ url, rpc: `${url}/rpc`, passphrase, nodeId, head, warning: WARNING })}\n`)
    else print(devnet, options)
    process.exitCode = await interrupted
  } finally {
    await devnet.stop()
  }
}

const main = async (): Promise<void> => {
  const command = new Command('dstack-mesh devnet')
    .description('A Stellar ledger in one process, for rehearsals. Whoever runs it can rewrite it.')
    .option('--port <port>', 'where to listen', portNumber, PORT_DEFAULT)
    .option('--host <address>', 'on which address', '127.0.0.1')
    .option('--state <file>', 'keep the ledger in this file, and go on from it')
    .option('--close-every <time>', 'how often a ledger closes', duration, 1000)
    .option('--json', 'print one object { url, rpc, passphrase, nodeId, head, warning } when it listens')
    .addHelpText('after', '\nExamples:\n  dstack-mesh devnet\n  dstack-mesh devnet --state devnet.jsonl --close-every 5s')
    .parse()
  const options = command.opts<Options>()
  try {
    await run(options)
  } catch (error) {
    const next = error instanceof MeshError ? error.next : undefined
    if (options.json)
      process.stdout.write(`${JSON.stringify({ error: messageOf(error), ...(next !== undefined && { next }) })}\n`)
    else process.stderr.write(`error: ${messageOf(error)}\n${next === undefined ? '' : `next:  ${next}\n`}`)
    process.exitCode = 1
  }
}

await main()
