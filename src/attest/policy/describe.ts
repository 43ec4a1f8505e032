import { canonicalPolicy, MEASUREMENT_NAMES, type MeasurementRule, type Policy, policyHash } from './policy.ts'

const list = (values: Iterable<string>): string => [...values].join(', ')
const HOUR_MS = 3_600_000

const hours = (ms: number): string => (ms % HOUR_MS === 0 ? `${ms / HOUR_MS} h` : `${ms / 1000} s`)

/** What in a policy gives away a protection, in words. Shown to everyone, wherever a node tells what it is. */
export const insecurities = ({ roots, measurements, tdAttributes }: Policy): string[] => [
  ...[...roots]
    .filter((root) => root !== 'intel')
    .map((root) => `root of trust: an emulator (${root}), whose TDs keep no secret from their hosts`),
  ...measurements.filter(({ any }) => any).map(({ name }) => `measurements: "${name}" accepts any software in a TD`),
  ...(tdAttributes.debug ? ['TDs may be debugged: their hosts can read their memory'] : []),
]

const measurement = ({ name, registers }: MeasurementRule): string =>
  `measurements: "${name}" pins ${list(MEASUREMENT_NAMES.filter((register) => registers[register] !== undefined))}`

/** A policy in words, a line for each rule; {@link insecurities} come first, each after `INSECURE: `. */
export const describePolicy = (policy: Policy): string[] => {
  const { tcb, tdAttributes, apps, platforms, recovery, governance } = policy
  return [
    `policy ${Buffer.from(policyHash(policy)).toString('hex')}, ${canonicalPolicy(policy).length} bytes`,
    ...insecurities(policy).map((line) => `INSECURE: ${line}`),
    ...(policy.roots.has('intel') ? ['root of trust: Intel'] : []),
    ...policy.measurements.filter(({ any }) => !any).map(measurement),
    ...(tdAttributes.migratable ? ['TDs may be migratable'] : []),
    ...(tdAttributes.septVeDisable ? [] : ['TDs may run without SEPT_VE_DISABLE: hosts can take pages away unnoticed']),
    apps === undefined
      ? 'apps: any, each with the id that its compose file hashes to'
      : `apps: ${list([...apps].map(([id, compose]) => `${id} (compose files: ${compose.size})`))}`,
    `TCB: accepts ${list(tcb.accept)}${tcb.graceDays > 0 ? `, and out of date for ${tcb.graceDays} days` : ''}`,
    ...(tcb.denyAdvisories.size > 0 ? [`TCB: refuses platforms with ${list(tcb.denyAdvisories)}`] : []),
    `collateral: TCB evaluation data number ${tcb.minEvaluationDataNumber} or later, at most ${tcb.collateralMaxAgeDays} days old`,
    platforms === undefined ? 'platforms: any genuine one' : `platforms: ${platforms.size} listed`,
    `credentials last ${hours(policy.credentialLifetimeMs)}; a lapsed member serves its apps for ${hours(policy.lapsedServeMs)}`,
    ...(recovery === undefined
      ? ['recovery: none; the cluster ends with its last member']
      : [
          `recovery: any ${recovery.threshold} of ${recovery.custodians.length} custodians (${list(recovery.custodians.map(({ name }) => name))}) could restore the secret`,
          'recovery: this version does not carry it out; the cluster ends with its last member',
        ]),
    ...(governance === undefined
      ? ['governance: none; this policy is final']
      : [
          `governance: any ${governance.threshold} of ${governance.keys.length} keys could replace this policy by another, ${hours(governance.delayMs)} after they announced it`,
          ...governance.keys.map((key) => `governance: key ${key}`),
          'governance: this version does not carry it out; with such a policy no cluster is made, and none is joined',
        ]),
  ]
}

/** Whether anything in it gives away a protection. */
export const isInsecure = (policy: Policy): boolean => insecurities(policy).length > 0
