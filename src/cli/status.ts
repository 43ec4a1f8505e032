import { Command } from 'commander'
import type { NodeStatus } from '../index.ts'
import { askNode } from './control-client.ts'
import { membersTable } from './members.ts'
import { type CommonOptions, paint, printJson, printLine, safe, table } from './output.ts'
import { controlSocketOf, dataDirOption } from './running-node.ts'

export const statusCommand = (): Command =>
  new Command('status')
    .description('What the running node is and does.')
    .addOption(dataDirOption())
    .addHelpText('after', '\nExample:\n  npx dstack-mesh status --json | jq .members')
    .action(async (options: CommonOptions & { dataDir?: string }) => {
      const status = (await askNode(controlSocketOf(options), 'GET', '/status')) as NodeStatus
      if (options.json) return printJson(status)
      printStatus(status)
    })

/** What is wrong now, what it is about, and what to do. */
const alarmRows = ({ alarms, anchorNotes }: NodeStatus): string[][] =>
  alarms.flatMap(({ alarm, since, peerId, about, words, next }) => {
    const subject = peerId ?? about
    // What the anchor says of itself is more than its alarm's words.
    const told = anchorNotes.find(({ code }) => code === alarm)?.words ?? words
    return [
      ['ALARM', safe(`${alarm}${subject === undefined ? '' : ` (${subject})`} since ${since}`)].map((cell) => paint('red', cell)),
      ['', safe(told)],
      ['', safe(`next: ${next}`)],
    ]
  })

const INSECURE = 'INSECURE'

const genesisWords = ({ createdAt, publicSince }: NonNullable<NodeStatus['genesis']>): string =>
  publicSince === null ? `${createdAt} (by its own word: unwitnessed)` : `${createdAt}, public since ${publicSince}`

const printStatus = (status: NodeStatus): void => {
  const stateStyle = status.state === 'member' ? 'green' : 'yellow'
  const rows = [
    ['state', paint(stateStyle, status.state)],
    ...(status.policy?.insecure === true
      ? [['', paint('red', `${INSECURE}: this cluster keeps no secret from the machines it runs on`)]]
      : []),
    ...alarmRows(status),
    ['cluster', status.cluster ?? '-'],
    ['peer id', status.peerId ?? '-'],
    ...status.addresses.map((address) => ['listens', safe(address)]),
    ['tee', status.tee ?? '-'],
    ['witness', status.proof === null ? status.witness : `${status.witness}, proof: ${status.proof}`],
    ...(status.genesis === null ? [] : [['genesis', genesisWords(status.genesis)]]),
    ...status.anchorNotes
      .filter(({ code }) => !status.alarms.some(({ alarm }) => alarm === code))
      .map(({ words, alarm }) => ['anchor', alarm ? paint('red', safe(`ALARM: ${words}`)) : safe(words)]),
    ...(status.credential === null
      ? []
      : [['credential', `until ${status.credential.expiresAt}${status.credential.selfIssued ? ', self-issued' : ''}`]]),
    ...status.apps.map((app) => ['app', safe(`${app.name} on ${app.socket} (app id ${app.appId})`)]),
    ...(status.statusUrl === null ? [] : [['page', status.statusUrl]]),
  ]
  printLine(table(rows))
  if (status.policy !== null) {
    printLine()
    printLine(paint('bold', 'what the cluster admits'))
    for (const words of status.policy.words)
      printLine(`  ${words.startsWith(INSECURE) ? paint('red', safe(words)) : safe(words)}`)
  }
  printLine()
  printLine(paint('bold', `members known here: ${status.members.length}`))
  if (status.members.length > 0) printLine(membersTable(status.members))
}
