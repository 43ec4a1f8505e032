import { Command, Option } from 'commander'
import { systemClock, UsageError } from '../base/index.ts'
import { insecurities, type Policy, PreparedCache } from '../index.ts'
import { readCollateral, readPolicy, readQuote, readRoot } from './files.ts'
import { judgeQuote, orDcapError, platformIdOf, type QuoteVerdict, tdFields } from './judge-quote.ts'
import { type CommonOptions, paint, printJson, printLine, safe, table } from './output.ts'
import { answerLines } from './quote-lines.ts'
import { instant } from './values.ts'

interface VerifyOptions extends CommonOptions {
  quote?: string
  collateral?: string
  root?: string
  policy?: string
  at?: number
  lines?: boolean
}

const NOT_JUDGED = [
  'apps: a quote alone does not say which apps its TD runs; that takes the event log behind RTMR3',
  'report data: who made the quote, and for what, is between the TD and whoever asked it',
]

const iso = (ms: number): string => new Date(ms).toISOString()
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

const asJson = ({ ok, reasons, warnings, quote, verified }: QuoteVerdict, policy: Policy | undefined, atMs: number) => ({
  ok,
  status: verified?.status ?? null,
  advisories: verified?.advisories ?? [],
  reasons,
  warnings,
  ...(policy !== undefined && { insecure: insecurities(policy), notJudged: NOT_JUDGED }),
  at: iso(atMs),
  ...(verified !== undefined && {
    tcbDate: iso(verified.tcbDateMs),
    tcbEvaluationDataNumber: verified.tcbEvaluationDataNumber,
    validUntil: iso(verified.expiresMs),
    fmspc: hex(verified.fmspc),
    platformId: `sha256:${hex(platformIdOf(verified))}`,
  }),
  /** Whether the signatures hold: without them anybody could have written `td`. */
  verified: verified !== undefined,
  td: quote === undefined ? null : tdFields(quote),
})

/** Prints a verdict, and sets the exit code by it. */
export const printVerdict = (
  verdict: QuoteVerdict,
  context: CommonOptions & { policy?: Policy | undefined; atMs: number },
): void => {
  const { policy, atMs, json } = context
  const { ok, reasons, warnings, quote, verified } = verdict
  process.exitCode = ok ? 0 : 1
  if (json) {
    printJson(asJson(verdict, policy, atMs))
    return
  }
  printLine(`${ok ? paint('green', 'accepted') : paint('red', 'refused')} as of ${iso(atMs)}`)
  for (const { code, reason } of reasons) printLine(`  ${paint('red', code)}: ${safe(reason)}`)
  for (const warning of warnings) printLine(`  ${paint('yellow', 'warning')}: ${safe(warning)}`)
  for (const words of policy === undefined ? [] : insecurities(policy)) printLine(`  ${paint('red', safe(`INSECURE: ${words}`))}`)
  for (const words of policy === undefined ? [] : NOT_JUDGED) printLine(`  not judged: ${words}`)
  if (verified !== undefined) {
    printLine()
    printLine(
      table([
        ['TCB status', verified.status],
        ['advisories', safe(verified.advisories.join(' ')) || 'none'],
        ['TCB date', iso(verified.tcbDateMs)],
        ['TCB evaluation data number', String(verified.tcbEvaluationDataNumber)],
        ['valid until', iso(verified.expiresMs)],
        ['FMSPC', hex(verified.fmspc)],
        ['platform', `sha256:${hex(platformIdOf(verified))}`],
      ]),
    )
  }
  if (quote === undefined) return
  printLine()
  printLine(verified === undefined ? 'The quote says (not verified):' : 'The TD:')
  printLine(table(Object.entries(tdFields(quote)).map(([name, value]) => [name, [value].flat().join(' ') || 'none'])))
}

export const verifyCommand = (): Command =>
  new Command('verify')
    .description('Verify a quote as Intel does: signatures, revocation, TCB status; with --policy judge it as a cluster does.')
    .addOption(new Option('--quote <file>', 'binary, hex or base64').conflicts('lines'))
    .addOption(new Option('--collateral <file>', "JSON of Intel's nine pieces: pck_crl_issuer_chain, …").conflicts('lines'))
    .option('--root <file>', "the trusted root certificate, PEM or DER (default: Intel's; with --policy, any that it trusts)")
    .option('--policy <file>', 'the policy decides too: measurements, TD attributes, accepted TCB, platform')
    .option('--at <time>', 'judge as of this time, such as 2025-07-01T12:00:00Z (default: now)', instant)
    .option('--lines', 'one verdict a line for one question a line on standard input; see below')
    .addHelpText(
      'after',
      `
Exit codes: 0 accepted, 1 refused, 2 wrong use.

With --lines a question is {"id", "quote": hex, "collateral": {…}, "root": hex of DER, "at": Unix seconds}, of which root and
at can be left out; its answer is {"id", "ok", "status", "reasons": [codes], "td"}, in the order of the questions, and "td" is
null unless every signature holds. The exit code is 0 when all lines were answered.

Examples:
  npx dstack-mesh quote verify --quote quote.bin --collateral collateral.json
  npx dstack-mesh quote verify --quote quote.hex --collateral collateral.json --policy policy.json --json | jq .reasons
  npx dstack-mesh quote verify --lines < questions.jsonl > verdicts.jsonl`,
    )
    .action(async (options: VerifyOptions) => {
      const policy = options.policy === undefined ? undefined : await readPolicy(options.policy)
      const root = options.root === undefined ? undefined : await readRoot(options.root)
      if (options.lines) return answerLines({ policy, root, now: () => options.at ?? systemClock.now() })
      const { quote, collateral } = options
      if (quote === undefined || collateral === undefined) {
        throw new UsageError('missing_option', `no --${quote === undefined ? 'quote' : 'collateral'}`, {
          next: 'give --quote <file> and --collateral <file>, or --lines; see dstack-mesh quote verify --help',
        })
      }
      const atMs = options.at ?? systemClock.now()
      const verdict = judgeQuote({
        quote: await readQuote(quote),
        collateral: await orDcapError(() => readCollateral(collateral)),
        root,
        policy,
        atMs,
        cache: new PreparedCache(),
      })
      printVerdict(verdict, { ...options, policy, atMs })
    })
