import type { RefusalCode } from '../../../protocols/wire/refusal-codes.ts'
import type { TcbStatus, TdBody } from '../dcap/index.ts'
import type { TdIdentity } from '../events.ts'
import { attributeProblems } from './attributes.ts'
import { MEASUREMENT_NAMES, type MeasurementName, type MeasurementRule, type Policy } from './policy.ts'

/** Why not: the code for the wire, the words for the log and for `dstack-mesh quote verify`. */
export interface Finding {
  code: RefusalCode
  reason: string
}

/** What verification found out about the machine under a TD. */
export interface PlatformFacts {
  status: TcbStatus
  advisories: readonly string[]
  /** The date of the TCB level that the machine matched, Unix milliseconds. */
  tcbDateMs: number
  tcbEvaluationDataNumber: number
  /** SHA-256 of the PPID. */
  platformId: Uint8Array
  /** When the oldest piece of the collateral was issued, Unix milliseconds. */
  collateralIssuedMs: number
}

const DAY_MS = 86_400_000

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

/** The registers of a TD body that a policy can pin, as hex. */
export const registersOf = (td: TdBody): Record<MeasurementName, string> => ({
  mrTd: hex(td.mrTd),
  rtmr0: hex(td.rtmr[0]),
  rtmr1: hex(td.rtmr[1]),
  rtmr2: hex(td.rtmr[2]),
  mrConfigId: hex(td.mrConfigId),
  mrOwner: hex(td.mrOwner),
  mrOwnerConfig: hex(td.mrOwnerConfig),
  xfam: hex(td.xfam),
  mrSeam: hex(td.mrSeam),
})

const mismatches = (rule: MeasurementRule, found: Record<MeasurementName, string>): string[] =>
  MEASUREMENT_NAMES.flatMap((register) => {
    const wanted = rule.registers[register]
    return wanted === undefined || wanted === found[register] ? [] : `${register} is ${found[register]}, not ${wanted}`
  })

const measurementFindings = (policy: Policy, td: TdBody): Finding[] => {
  const found = registersOf(td)
  const alternatives = policy.measurements.map((rule) => ({ rule, wrong: rule.any ? [] : mismatches(rule, found) }))
  if (alternatives.some(({ wrong }) => wrong.length === 0)) return []
  return alternatives.map(({ rule, wrong }) => ({
    code: 'measurement_unacceptable',
    reason: `not "${rule.name}": ${wrong.join(', ')}`,
  }))
}

/** What is wrong with the apps that a TD states: the rule of keys.md, "Who is the app?". */
export const judgeApps = (policy: Policy, { apps }: TdIdentity): Finding[] =>
  apps.flatMap((app): Finding[] => {
    const appId = hex(app.appId)
    const compose = hex(app.composeHash)
    const refuse = (why: string): Finding[] => [{ code: 'app_unacceptable', reason: `app ${appId} ${why}` }]
    if (policy.apps === undefined) {
      // Without a list only the compose file can give an app its id.
      return compose.startsWith(appId) ? [] : refuse(`is not what its compose file ${compose} hashes to`)
    }
    const allowed = policy.apps.get(appId)
    if (allowed === undefined) return refuse('is not in the policy')
    return allowed.has(compose) ? [] : refuse(`may not run the compose file ${compose}`)
  })

/**
 * The cheap half of the verdict: what the policy says to a TD's own bytes. Comparisons only, so it runs before any signature
 * is checked. Everything that is wrong; empty when nothing is.
 */
export const judgeTd = (policy: Policy, td: TdBody): Finding[] => {
  const attributes = attributeProblems(td.tdAttributes, policy.tdAttributes)
  if (td.mrServiceTd?.some((byte) => byte !== 0)) attributes.push('a service TD is bound to the TD')
  return [
    ...attributes.map((reason): Finding => ({ code: 'measurement_unacceptable', reason })),
    ...measurementFindings(policy, td),
  ]
}

/** What a status is for as long as the grace lasts. */
const GRACE: Partial<Record<TcbStatus, TcbStatus>> = {
  OutOfDate: 'UpToDate',
  OutOfDateConfigurationNeeded: 'ConfigurationNeeded',
}

const tcbFindings = ({ tcb }: Policy, facts: PlatformFacts, nowMs: number, warnings: string[]): Finding[] => {
  const findings: Finding[] = []
  if (!tcb.accept.has(facts.status)) {
    const within = GRACE[facts.status]
    const endsMs = facts.tcbDateMs + tcb.graceDays * DAY_MS
    if (within !== undefined && tcb.accept.has(within) && tcb.graceDays > 0 && nowMs <= endsMs) {
      warnings.push(`TCB status is ${facts.status}: accepted until ${new Date(endsMs).toISOString()}, then refused`)
    } else {
      const reason = `TCB status is ${facts.status}; the policy accepts ${[...tcb.accept].join(', ')}`
      findings.push({ code: 'tcb_unacceptable', reason })
    }
  }
  for (const advisory of facts.advisories) {
    if (tcb.denyAdvisories.has(advisory))
      findings.push({ code: 'tcb_unacceptable', reason: `${advisory} applies to the platform` })
  }
  return findings
}

/**
 * The other half, over what verification found: TCB status, advisories, the edition and age of the collateral, the machine.
 * Everything that is wrong, and what will be wrong soon.
 */
export const judgePlatform = (
  policy: Policy,
  facts: PlatformFacts,
  nowMs: number,
): { findings: Finding[]; warnings: string[] } => {
  const warnings: string[] = []
  const findings = tcbFindings(policy, facts, nowMs, warnings)
  const { minEvaluationDataNumber, collateralMaxAgeDays } = policy.tcb
  if (facts.tcbEvaluationDataNumber < minEvaluationDataNumber) {
    findings.push({
      code: 'collateral_expired',
      reason: `collateral has TCB evaluation data number ${facts.tcbEvaluationDataNumber}; the policy asks for ${minEvaluationDataNumber}`,
    })
  }
  if (nowMs - facts.collateralIssuedMs > collateralMaxAgeDays * DAY_MS) {
    findings.push({
      code: 'collateral_expired',
      reason: `collateral was issued ${new Date(facts.collateralIssuedMs).toISOString()}, more than ${collateralMaxAgeDays} days ago`,
    })
  }
  const platform = hex(facts.platformId)
  if (policy.platforms !== undefined && !policy.platforms.has(platform)) {
    findings.push({ code: 'platform_unacceptable', reason: `platform sha256:${platform} is not in the policy` })
  }
  return { findings, warnings }
}
