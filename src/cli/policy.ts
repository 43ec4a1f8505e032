import { Command } from 'commander'
import { RefusedError, systemClock } from '../base/index.ts'
import {
  describePolicy,
  insecurities,
  judgeTd,
  type Policy,
  PolicyError,
  PreparedCache,
  parseQuote,
  policyFromQuote,
  policyHash,
  quoteRoot,
  rootNameOf,
} from '../index.ts'
import { readCollateral, readPolicy, readQuote } from './files.ts'
import { judgeQuote, orDcapError } from './judge-quote.ts'
import { type CommonOptions, paint, printJson, printLine, safe } from './output.ts'
import { printVerdict } from './quote-verify.ts'
import { instant, naturalNumber } from './values.ts'

const hashOf = (policy: Policy): string => Buffer.from(policyHash(policy)).toString('hex')
/** On standard error: standard output is the policy's. */
const note = (text: string): void => {
  process.stderr.write(`${paint('yellow', 'note:', process.stderr)} ${safe(text)}\n`)
}

const checkCommand = (): Command =>
  new Command('check')
    .description('Whether a policy is valid, with all that is wrong; or what it says, in words.')
    .argument('<file>', 'the policy, JSON')
    .addHelpText(
      'after',
      '\nExit codes: 0 valid, 1 not valid, 2 no such file.\n\nExample:\n  npx dstack-mesh policy check policy.json',
    )
    .action(async (path: string, { json }: CommonOptions) => {
      try {
        const policy = await readPolicy(path)
        const words = describePolicy(policy)
        if (json) return printJson({ valid: true, hash: hashOf(policy), insecure: insecurities(policy), words })
        for (const line of words) printLine(line.startsWith('INSECURE') ? paint('red', safe(line)) : safe(line))
      } catch (error) {
        if (!(error instanceof PolicyError)) throw error
        process.exitCode = 1
        if (json) return printJson({ valid: false, problems: error.problems })
        printLine(
          `${paint('red', 'not valid')}: ${error.problems.length === 1 ? 'one problem' : `${error.problems.length} problems`}`,
        )
        for (const problem of error.problems) printLine(`  ${safe(problem)}`)
      }
    })

const hashCommand = (): Command =>
  new Command('hash')
    .description('The hash that names a policy: SHA-256 of its canonical form (RFC 8785), 64 hex digits.')
    .argument('<file>', 'the policy, JSON')
    .addHelpText('after', '\nExample:\n  npx dstack-mesh policy hash policy.json')
    .action(async (path: string, { json }: CommonOptions) => {
      const hash = hashOf(await readPolicy(path))
      if (json) printJson({ hash })
      else printLine(hash)
    })

interface JudgeOptions extends CommonOptions {
  collateral?: string
  at?: number
}

const COLLATERAL = ['--collateral <file>', "JSON of Intel's nine pieces: pck_crl_issuer_chain, …"] as const
const AT = ['--at <time>', 'judge as of this time, such as 2025-07-01T12:00:00Z (default: now)'] as const

const explainCommand = (): Command =>
  new Command('explain')
    .description('Whether a policy accepts the machine and the TD of a quote, with every reason why not.')
    .argument('<policy>', 'the policy, JSON')
    .argument('<quote>', 'binary, hex or base64')
    .option(...COLLATERAL)
    .option(...AT, instant)
    .addHelpText(
      'after',
      `
Without collateral nothing is accepted, but what the policy says to the TD's own measurements and attributes is told.

Exit codes: 0 accepted, 1 refused, 2 wrong use.

Examples:
  npx dstack-mesh policy explain policy.json quote.bin --collateral collateral.json
  npx dstack-mesh policy explain policy.json quote.bin --json | jq .reasons`,
    )
    .action(async (policyPath: string, quotePath: string, options: JudgeOptions) => {
      const { collateral } = options
      const atMs = options.at ?? systemClock.now()
      const policy = await readPolicy(policyPath)
      const verdict = judgeQuote({
        quote: await readQuote(quotePath),
        collateral: collateral === undefined ? undefined : await orDcapError(() => readCollateral(collateral)),
        policy,
        atMs,
        cache: new PreparedCache(),
      })
      printVerdict(verdict, { ...options, policy, atMs })
    })

interface FromQuoteOptions extends JudgeOptions {
  name?: string
  minEvaluationDataNumber?: number
}

/** The number to ask for, from collateral that verifies this very quote. */
const evaluationDataNumber = async (bytes: Uint8Array, path: string, root: Uint8Array, atMs: number): Promise<number> => {
  const verdict = judgeQuote({
    quote: bytes,
    collateral: await orDcapError(() => readCollateral(path)),
    root,
    atMs,
    cache: new PreparedCache(),
  })
  if (verdict.verified === undefined) {
    const { code, reason } = verdict.reasons[0]!
    throw new RefusedError(code, `the quote does not verify by this collateral: ${code}: ${reason}`, {
      next: 'get collateral for this very machine; --at says as of when it is judged',
    })
  }
  for (const warning of verdict.warnings) note(warning)
  return verdict.verified.tcbEvaluationDataNumber
}

const fromQuoteCommand = (): Command =>
  new Command('from-quote')
    .description('The strictest policy that the TD of a quote meets: every register pinned, all else at its default.')
    .argument('<quote>', 'binary, hex or base64')
    .option(...COLLATERAL)
    .option('--name <name>', 'of these measurements, for people')
    .option('--min-evaluation-data-number <n>', "of TCB (default: the collateral's)", naturalNumber)
    .option(...AT, instant)
    .addHelpText(
      'after',
      `
The policy goes to standard output, and what to know about it to standard error.

Examples:
  npx dstack-mesh policy from-quote quote.bin --collateral collateral.json --name "image 0.1.0" > policy.json
  npx dstack-mesh policy from-quote quote.bin --min-evaluation-data-number 17 > policy.json`,
    )
    .action(async (path: string, options: FromQuoteOptions) => {
      const bytes = await readQuote(path)
      const quote = parseQuote(bytes)
      const root = quoteRoot(quote)
      const { collateral, name } = options
      const found =
        collateral === undefined
          ? undefined
          : await evaluationDataNumber(bytes, collateral, root, options.at ?? systemClock.now())
      const minEvaluationDataNumber = options.minEvaluationDataNumber ?? found ?? 0
      const policy = policyFromQuote(quote.td, {
        rootName: rootNameOf(root),
        minEvaluationDataNumber,
        ...(name !== undefined && { name }),
      })
      if (found === undefined) note('without --collateral the quote is not verified: whoever wrote it chose these measurements')
      if (minEvaluationDataNumber === 0) note('minEvaluationDataNumber is 0: collateral of every edition may judge, however old')
      for (const insecurity of insecurities(policy)) note(`INSECURE: ${insecurity}`)
      for (const { reason } of judgeTd(policy, quote.td)) note(`even this policy does not accept the TD: ${reason}`)
      printLine(JSON.stringify(policy.document, null, options.json ? 0 : 2))
    })

export const policyCommand = (): Command =>
  new Command('policy')
    .description('Check, name, explain and make policies.')
    .addCommand(checkCommand())
    .addCommand(hashCommand())
    .addCommand(explainCommand())
    .addCommand(fromQuoteCommand())
