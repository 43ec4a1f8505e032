import { Command } from 'commander'
import type { NodeStatus } from '../index.ts'
import { askNode } from './control-client.ts'
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

const genesisWords = ({ createdAt, publicSince }: NonNullable<NodeStatus['genesis']>): string =>
  publicSince === null ? `${createdAt} (by its own word: unwitnessed)` : `${createdAt}, public since ${publicSince}`

const printStatus = (status: NodeStatus): void => {
  const stateStyle = status.state === 'member' ? 'green' : 'yellow'
  const rows = [
    ['state', paint(stateStyle, status.state)],
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
    ...(status.policy?.words ?? []).map((words) => [
      'policy',
      words.startsWith('INSECURE') ? paint('red', safe(words)) : safe(words),
    ]),
  ]
  printLine(table(rows))
  printLine()
  printLine(paint('bold', `members known here: ${status.members.length}`))
  printLine(
    table([
      ['peer id', 'tcb', 'credential until', 'address'],
      ...status.members.map((member) =>
        [member.peerId, member.tcbStatus, member.expiresAt, member.addresses.join(' ')].map(safe),
      ),
    ]),
  )
}
