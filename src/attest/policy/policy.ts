import { createHash } from 'node:crypto'
import type { ErrorObject, ValidateFunction } from 'ajv'
import canonicalize from 'canonicalize'
import { parseClusterId } from '../../../protocols/wire/cluster-id.ts'
import type { TcbStatus } from '../dcap/index.ts'
import { PolicyError, parseStrictJson } from './json.ts'
import { validate } from './policy.validator.ts'

/** Registers that a policy can pin, in the order in which they are told. */
export const MEASUREMENT_NAMES = [
  'mrTd',
  'rtmr0',
  'rtmr1',
  'rtmr2',
  'mrConfigId',
  'mrOwner',
  'mrOwnerConfig',
  'xfam',
  'mrSeam',
] as const
export type MeasurementName = (typeof MEASUREMENT_NAMES)[number]

/** The document as it is written; `policy.schema.json` describes it. */
export interface PolicyDocument {
  version: 1
  roots: string[]
  tee: 'tdx'[]
  measurements: ({ name?: string; any?: true } & { [register in MeasurementName]?: string })[]
  apps?: { appId: string; compose: string[] }[]
  tcb?: {
    accept?: TcbStatus[]
    graceDays?: number
    minEvaluationDataNumber?: number
    denyAdvisories?: string[]
    collateralMaxAgeDays?: number
  }
  tdAttributes?: { debug?: boolean; septVeDisable?: boolean; migratable?: boolean }
  platforms?: string[]
  credentialLifetime?: string
  lapsedServe?: string
  recovery?: { custodians: { name: string; recipient: string }[]; threshold: number }
  governance?: { keys: string[]; threshold: number; delay: string }
}

/** One alternative: `any`, or the registers that must have these values (lower-case hex). */
export interface MeasurementRule {
  readonly name: string
  readonly any: boolean
  readonly registers: Readonly<{ [register in MeasurementName]?: string }>
}

/** A policy with its defaults filled in. Hashes are lower-case hex without a prefix, so that sets hold them. */
export interface Policy {
  readonly document: Readonly<PolicyDocument>
  /** `intel`, or `emulator:<sha256>`. */
  readonly roots: ReadonlySet<string>
  readonly measurements: readonly MeasurementRule[]
  /** App id → compose hashes; undefined: every app with the id that its compose file hashes to. */
  readonly apps: ReadonlyMap<string, ReadonlySet<string>> | undefined
  readonly tcb: {
    readonly accept: ReadonlySet<TcbStatus>
    readonly graceDays: number
    readonly minEvaluationDataNumber: number
    readonly denyAdvisories: ReadonlySet<string>
    readonly collateralMaxAgeDays: number
  }
  readonly tdAttributes: { readonly debug: boolean; readonly septVeDisable: boolean; readonly migratable: boolean }
  /** Platform ids (SHA-256 of the PPID); undefined: every genuine one. */
  readonly platforms: ReadonlySet<string> | undefined
  readonly credentialLifetimeMs: number
  readonly lapsedServeMs: number
  readonly recovery:
    | { readonly custodians: readonly { name: string; recipient: string }[]; readonly threshold: number }
    | undefined
  readonly governance: { readonly keys: readonly string[]; readonly threshold: number; readonly delayMs: number } | undefined
}

const UNIT_MS = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }
const DAY_MS = UNIT_MS.d
const PROBLEMS_MAX = 16

/** `90s`, `1h`, `3d` in milliseconds. The schema has checked the form. */
const durationMs = (text: string): number => Number(text.slice(0, -1)) * UNIT_MS[text.at(-1) as keyof typeof UNIT_MS]

/** Compiled when the program is built: compiling at every start would cost tens of milliseconds. */
const conforms = validate as unknown as ValidateFunction<PolicyDocument>

const inWords = ({ instancePath, message, keyword, params, propertyName }: ErrorObject): string => {
  const where = instancePath === '' ? 'the policy' : instancePath.slice(1)
  if (propertyName !== undefined) return `${where} has "any" and cannot have ${JSON.stringify(propertyName)} beside it`
  if (keyword === 'additionalProperties') return `${where} has an unknown key ${JSON.stringify(params.additionalProperty)}`
  if (keyword === 'enum') return `${where} must be one of ${params.allowedValues.join(', ')}`
  return `${where} ${message}`
}

const repeated = (values: readonly string[]): string[] => [...new Set(values.filter((v, i) => values.indexOf(v) !== i))]

/** What a schema cannot say. */
const problemsOf = (document: PolicyDocument): string[] => {
  const problems: string[] = []
  const kinds = new Set(document.roots.map((root) => root.split(':')[0]))
  if (kinds.size > 1) problems.push('roots trusts both Intel and an emulator: an emulated TD keeps no secret from its host')
  for (const name of repeated(document.measurements.flatMap(({ name }) => name ?? []))) {
    problems.push(`measurements has two alternatives named "${name}"`)
  }
  for (const id of repeated(document.apps?.map(({ appId }) => appId) ?? [])) problems.push(`apps lists ${id} twice`)
  const lifetimeMs = durationMs(document.credentialLifetime ?? '1h')
  if (lifetimeMs < 1_000 || lifetimeMs > 7 * DAY_MS) problems.push('credentialLifetime must be from 1s to 7d')
  if (durationMs(document.lapsedServe ?? '0s') > 90 * DAY_MS) problems.push('lapsedServe must be at most 90d')
  const { recovery, governance } = document
  if (recovery !== undefined) {
    if (recovery.threshold > recovery.custodians.length) problems.push('recovery.threshold is more than there are custodians')
    for (const field of ['name', 'recipient'] as const) {
      const twice = repeated(recovery.custodians.map((custodian) => custodian[field]))
      if (twice.length > 0) problems.push(`recovery.custodians has a ${field} twice`)
    }
  }
  if (governance !== undefined) {
    if (governance.threshold > governance.keys.length) problems.push('governance.threshold is more than there are keys')
    for (const key of governance.keys) {
      if (parseClusterId(key) === undefined) problems.push(`governance.keys: ${key} is not a Stellar account (wrong checksum)`)
    }
    if (durationMs(governance.delay) > 365 * DAY_MS) problems.push('governance.delay must be at most 365d')
  }
  return problems
}

const hex = (prefixed: string): string => prefixed.slice('sha256:'.length)

const freeze = <T>(value: T): T => {
  if (typeof value === 'object' && value !== null) Object.values(Object.freeze(value)).forEach(freeze)
  return value
}

/**
 * The policy that `input` is: JSON text, UTF-8 of at most 64 KiB. Unknown and repeated keys are refused.
 * Throws {@link PolicyError} with all that is wrong.
 */
export const parsePolicy = (input: string | Uint8Array): Policy => {
  const document = parseStrictJson(input)
  if (!conforms(document)) {
    // The branches of a condition report its failing once more.
    const errors = (conforms.errors ?? []).filter(({ keyword }) => keyword !== 'if' && keyword !== 'propertyNames')
    throw new PolicyError([...new Set(errors.map(inWords))].slice(0, PROBLEMS_MAX))
  }
  const problems = problemsOf(document)
  if (problems.length > 0) throw new PolicyError(problems.slice(0, PROBLEMS_MAX))
  const { tcb = {}, tdAttributes = {}, apps, platforms, recovery, governance } = freeze(document)
  return Object.freeze({
    document,
    roots: new Set(document.roots),
    measurements: document.measurements.map(({ name, any, ...registers }, index) => ({
      name: name ?? `alternative ${index + 1}`,
      any: any ?? false,
      registers,
    })),
    apps: apps && new Map(apps.map(({ appId, compose }) => [appId, new Set(compose.map(hex))])),
    tcb: {
      accept: new Set<TcbStatus>(tcb.accept ?? ['UpToDate']),
      graceDays: tcb.graceDays ?? 0,
      minEvaluationDataNumber: tcb.minEvaluationDataNumber ?? 0,
      denyAdvisories: new Set(tcb.denyAdvisories),
      collateralMaxAgeDays: tcb.collateralMaxAgeDays ?? 7,
    },
    tdAttributes: { debug: false, septVeDisable: true, migratable: false, ...tdAttributes },
    platforms: platforms && new Set(platforms.map(hex)),
    credentialLifetimeMs: durationMs(document.credentialLifetime ?? '1h'),
    lapsedServeMs: durationMs(document.lapsedServe ?? '24h'),
    recovery,
    governance: governance && {
      keys: governance.keys,
      threshold: governance.threshold,
      delayMs: durationMs(governance.delay),
    },
  })
}

/** RFC 8785: the one text that is hashed, stored in the genesis bundle and compared. */
export const canonicalPolicy = ({ document }: Pick<Policy, 'document'>): string => canonicalize(document)!

/** SHA-256 of the canonical form: 32 bytes. It names the policy in the genesis record and on the anchor. */
export const policyHash = (policy: Pick<Policy, 'document'>): Uint8Array =>
  Uint8Array.from(createHash('sha256').update(canonicalPolicy(policy)).digest())
