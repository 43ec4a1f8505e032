import { Command, Option } from 'commander'
import { systemClock, systemRandom, UsageError } from '../base/index.ts'
import { type ClusterCheck, parseClusterId, type VerifiedCluster, verifyCluster } from '../index.ts'
import { evidenceUrl, fetchEvidence } from './fetch-evidence.ts'
import { readPolicy } from './files.ts'
import { type CommonOptions, paint, printJson, printLine, safe, table } from './output.ts'
import { collect } from './values.ts'

interface VerifyOptions extends CommonOptions {
  cluster: string
  policy?: string
  insecure?: boolean
  checkpoint?: string[]
  validator?: string[]
  stellarPassphrase?: string
}

const NONCE_BYTES = 32

/** What each check is about, for people. */
const QUESTIONS: Readonly<Record<ClusterCheck['name'], string>> = {
  answer: 'the answer has its form',
  nonce: 'it is to our question',
  genesis: 'the cluster made it',
  policy: "the cluster's policy",
  'genesis evidence': 'its first TD',
  protection: 'what it protects',
  anchor: 'it is public',
  credential: 'this member is one',
  quote: 'its TD, just now',
  'same TD': 'credential and quote',
}

export const verifyCommand = (): Command =>
  new Command('verify')
    .description('Judge a cluster from outside: ask one of its members for a fresh quote, and check everything.')
    .argument('<url>', "a member's status page")
    .addOption(new Option('--cluster <G…>', 'the cluster it must be').makeOptionMandatory())
    .option('--policy <file>', 'insist on this policy')
    .option('--insecure', "accept also a policy of the cluster's that gives a protection away: a rehearsal")
    .addOption(
      new Option('--checkpoint <SEQ:HASH>', 'a ledger that you trust: the genesis must be proven up to it').argParser(collect),
    )
    .addOption(new Option('--validator <G…>', 'a validator that you trust').argParser(collect))
    .option('--stellar-passphrase <text>', 'of a network without a name')
    .addHelpText(
      'after',
      `
Nothing that the server says is believed: the cluster id is a public key, and all else must follow from it. Without --policy the
cluster's own is taken, and printed: read whether it is good enough for you.

Examples:
  npx dstack-mesh verify http://127.0.0.1:8091/ --cluster G…
  npx dstack-mesh verify https://mesh.example.org/ --cluster G… --policy policy.json --checkpoint 51234567:9f86d081… --json`,
    )
    .action(async (text: string, options: VerifyOptions) => {
      const clusterId = parseClusterId(options.cluster)
      if (clusterId === undefined) {
        throw new UsageError('bad_cluster', `${JSON.stringify(options.cluster.slice(0, 80))} is not a cluster id`, {
          next: 'a cluster id is G and 55 letters and digits; check for a typing error',
        })
      }
      const policy = options.policy === undefined ? undefined : await readPolicy(options.policy)
      const nonce = systemRandom.bytes(NONCE_BYTES)
      const answer = await fetchEvidence(evidenceUrl(text, nonce))
      const verified = await verifyCluster({
        clusterId,
        nonce,
        answer,
        policy,
        acceptInsecure: options.insecure === true,
        anchor: {
          ...(options.checkpoint !== undefined && { checkpoints: options.checkpoint }),
          ...(options.validator !== undefined && { validators: options.validator }),
          ...(options.stellarPassphrase !== undefined && { stellarPassphrase: options.stellarPassphrase }),
        },
        clock: systemClock,
        random: systemRandom,
      })
      if (options.json) printJson(verified)
      else printVerified(verified, options)
      if (!verified.ok) process.exitCode = 1
    })

const mark = (holds: boolean | undefined): string =>
  holds === undefined ? paint('yellow', 'unknown') : holds ? paint('green', 'holds  ') : paint('red', 'NO     ')

const printVerified = ({ ok, checks, insecure, policy, peerId, tcbStatus }: VerifiedCluster, options: VerifyOptions): void => {
  printLine(table(checks.map(({ name, holds, words }) => [mark(holds), QUESTIONS[name], safe(words)])))
  if (policy.length > 0 && options.policy === undefined) {
    printLine()
    printLine(paint('bold', 'what the cluster admits (its own policy; --policy insists on yours):'))
    for (const words of policy.filter((line) => !line.startsWith('INSECURE'))) printLine(`  ${safe(words)}`)
  }
  printLine()
  for (const words of insecure) printLine(paint('red', `INSECURE: ${safe(words)}`))
  printLine(
    ok
      ? `${paint('green', 'accepted')}: ${peerId} is a member of ${options.cluster} (TCB ${safe(tcbStatus ?? '-')})`
      : `${paint('red', 'refused')}: not everything holds`,
  )
}
