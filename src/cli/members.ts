import { Command, Option } from 'commander'
import { systemClock } from '../base/index.ts'
import type { MemberStatus, NodeStatus } from '../index.ts'
import { askNode } from './control-client.ts'
import { type CommonOptions, paint, printJson, printLine, safe, table } from './output.ts'
import { controlSocketOf, dataDirOption } from './running-node.ts'

interface MembersOptions extends CommonOptions {
  dataDir?: string
  watch?: boolean
}

const WATCH_EVERY_MS = 1_000
/** Of a terminal's rows: what stands above and below the members. */
const FRAME_ROWS = 6
const COLUMNS = ['peer id', 'state', 'tcb', 'credential', 'judged by', 'address']
/** Enough of a peer id to tell one from another: all begin alike. */
const PEER_DIGITS = 10

export const membersCommand = (): Command =>
  new Command('members')
    .description('Who is in the cluster, as the running node sees it.')
    .addOption(dataDirOption())
    .addOption(new Option('--watch', 'show it again whenever it changes, until Ctrl-C; with --json one line for each change'))
    .addHelpText(
      'after',
      `
States: self (this node), active, unreachable (answers nobody here; it stays until its credential ends), leaving (said goodbye a
moment ago), lapsed (its credential ran out; it comes back once it has been judged again).

Examples:
  npx dstack-mesh members
  npx dstack-mesh members --watch
  npx dstack-mesh members --json | jq -r '.[] | select(.state == "unreachable").peerId'`,
    )
    .action(async (options: MembersOptions) => {
      const path = controlSocketOf(options)
      if (options.watch) return watch(path, options)
      const status = (await askNode(path, 'GET', '/status')) as NodeStatus
      if (options.json) return printJson(status.members)
      printLine(picture(status))
    })

const watch = async (path: string, options: MembersOptions): Promise<void> => {
  const interrupted = new AbortController()
  process.once('SIGINT', () => interrupted.abort())
  process.once('SIGTERM', () => interrupted.abort())
  const terminal = process.stdout.isTTY
  let shown: string | undefined
  while (!interrupted.signal.aborted) {
    const status = (await askNode(path, 'GET', '/status')) as NodeStatus
    // On a terminal the remaining time counts down; elsewhere only what changed is worth a line.
    const state = JSON.stringify(status.members)
    if (options.json) {
      if (state !== shown) printJson(status.members)
    } else if (terminal) {
      process.stdout.write(
        `\x1b[H\x1b[2J${picture(status, process.stdout.rows - FRAME_ROWS)}\n\n${paint('dim', 'Ctrl-C ends.')}\n`,
      )
    } else if (state !== shown) printLine(`${picture(status)}\n`)
    shown = state
    await systemClock.sleep(WATCH_EVERY_MS, interrupted.signal).catch(() => {})
  }
}

/** Who answers, and a line for each member; `rows`: as many as there is room for. */
const picture = ({ cluster, members }: NodeStatus, rows = Number.POSITIVE_INFINITY): string => {
  const active = members.filter(({ state }) => state === 'self' || state === 'active').length
  const left = members.filter(({ state }) => state === 'leaving').length
  const head = `${paint('bold', cluster ?? 'no cluster yet')}   ${active} of ${members.length - left} members answer`
  const shown = members.length <= rows ? members : members.slice(0, Math.max(1, rows - 1))
  const more = members.length - shown.length
  return [head, '', membersTable(shown), ...(more === 0 ? [] : [paint('dim', `… and ${more} more`)])].join('\n')
}

/** Peer ids are whole where there is room for them, for who wants to copy one. */
export const membersTable = (members: readonly MemberStatus[]): string => {
  const nowMs = systemClock.now()
  const rows = (nameOf: (peerId: string) => string) => [
    COLUMNS,
    ...members.map((member) =>
      [
        nameOf(member.peerId),
        member.state,
        member.tcbStatus,
        remaining(Date.parse(member.expiresAt) - nowMs),
        judgedBy(member),
        member.addresses.join(' '),
      ].map(safe),
    ),
  ]
  const whole = table(rows((peerId) => peerId))
  const width = process.stdout.isTTY ? process.stdout.columns : Number.POSITIVE_INFINITY
  const fits = whole.split('\n').every((line) => line.length <= width)
  const [titles, ...lines] = (fits ? whole : table(rows(shortId))).split('\n')
  return [paint('dim', titles!), ...lines.map((line, at) => paint(STYLES[members[at]!.state] ?? 'reset', line))].join('\n')
}

const shortId = (peerId: string): string => `…${peerId.slice(-PEER_DIGITS)}`

const STYLES = { self: 'bold', active: 'reset', unreachable: 'red', leaving: 'dim', lapsed: 'yellow' } as const

const judgedBy = ({ issuer, selfIssued }: MemberStatus): string => (selfIssued ? 'itself' : shortId(issuer))

/** As `42m 10s`: what is left of a credential. */
const remaining = (ms: number): string => {
  if (ms <= 0) return 'ended'
  const seconds = Math.floor(ms / 1_000)
  const [hours, minutes] = [Math.floor(seconds / 3_600), Math.floor(seconds / 60) % 60]
  if (hours > 0) return `${hours}h ${minutes}m`
  return minutes > 0 ? `${minutes}m ${seconds % 60}s` : `${seconds}s`
}
