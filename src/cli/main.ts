import { Command, type CommanderError, Option } from 'commander'
import { UsageError } from '../base/index.ts'
import { anchorCommand } from './anchor.ts'
import { apiCommand } from './api.ts'
import { certCommand } from './cert.ts'
import { devnetCommand } from './devnet.ts'
import { eventLogCommand } from './event-log.ts'
import { keyCommand } from './key.ts'
import { leaveCommand } from './leave.ts'
import { membersCommand } from './members.ts'
import { exitCodeOf, printError } from './output.ts'
import { policyCommand } from './policy.ts'
import { quoteCommand } from './quote.ts'
import { statusCommand } from './status.ts'
import { tlsCommand } from './tls.ts'
import { upCommand } from './up.ts'
import { verifyCommand } from './verify.ts'

const COMMANDS = [
  upCommand,
  statusCommand,
  membersCommand,
  leaveCommand,
  verifyCommand,
  anchorCommand,
  keyCommand,
  tlsCommand,
  policyCommand,
  quoteCommand,
  eventLogCommand,
  certCommand,
  apiCommand,
  devnetCommand,
]

const addCommonOptions = (command: Command): void => {
  for (const child of command.commands) addCommonOptions(child)
  const isGroup = command.commands.length > 0 && command.registeredArguments.length === 0
  if (isGroup) return
  command.addOption(new Option('--json', 'answer in JSON'))
  command.addOption(new Option('--verbose', 'show where an error came from'))
}

/** What the parser found wrong, as any other error of ours. Help that was asked for, and the version, end this way too. */
class ParserEnd {
  constructor(
    readonly cause: CommanderError,
    readonly command: Command,
  ) {}

  /** Undefined: there is nothing more to say. */
  get error(): UsageError | undefined {
    const { code, message, exitCode } = this.cause
    if (exitCode === 0 || code === 'commander.help') return undefined
    const names: string[] = []
    for (let at: Command | null = this.command; at !== null; at = at.parent) names.unshift(at.name())
    const [found = message, ...hints] = message.replace(/^error: /, '').split('\n')
    return new UsageError('wrong_use', [found, ...hints].join(' '), { next: `npx ${names.join(' ')} --help shows how` })
  }
}

const throwInsteadOfExit = (command: Command): void => {
  command.configureOutput({ outputError: () => {} })
  command.exitOverride((error) => {
    throw new ParserEnd(error, command)
  })
  for (const child of command.commands) throwInsteadOfExit(child)
}

/** The whole command line. */
export const program = (): Command => {
  const root = new Command('dstack-mesh')
    .description('A peer-to-peer mesh of confidential VMs that share one secret and serve keys to their apps.')
    .version('0.1.0')
    .addHelpText(
      'after',
      `
Examples:
  npx dstack-mesh up --new                                   make a cluster on TDX hardware
  npx dstack-mesh up --cluster G… --peer /ip4/…/tcp/4001     join it
  npx dstack-mesh status                                     what the node of this machine does
  npx dstack-mesh members --watch                            who is in the cluster
  npx dstack-mesh verify http://…:8091/ --cluster G…         judge a cluster from outside
  npx dstack-mesh key my/path                                the key that its app gets
  npx dstack-mesh policy check policy.json                   what a policy says, or what is wrong with it
  npx dstack-mesh quote verify --quote q --collateral c.json whether a quote holds, and its TCB status

Exit codes: 0 accepted or done, 1 refused or failed, 2 wrong use.`,
    )
  for (const make of COMMANDS) root.addCommand(make())
  for (const command of root.commands) addCommonOptions(command)
  throwInsteadOfExit(root)
  return root
}

/** Runs one command and sets the exit code. */
export const main = async (argv: readonly string[]): Promise<void> => {
  // A reader that is gone (`| head`) ends us; it is no failure of ours.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0)
    throw error
  })
  try {
    await program().parseAsync([...argv])
  } catch (error) {
    const told = error instanceof ParserEnd ? error.error : error
    // What `--raw` writes to standard output is taken for a key by whoever reads it: an error never goes there.
    const json = argv.includes('--json') && !argv.includes('--raw')
    if (told !== undefined) printError(told, { json, verbose: argv.includes('--verbose') })
    process.exitCode = error instanceof ParserEnd ? (error.cause.exitCode === 0 ? 0 : 2) : exitCodeOf(error)
  }
}
