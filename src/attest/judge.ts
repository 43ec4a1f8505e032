import { createHash } from 'node:crypto'
import type { Evidence } from '../../protocols/records/evidence.ts'
import type { EvidenceJudge, Expectation } from '../../protocols/records/judge.ts'
import { equals } from '../../protocols/wire/bytes.ts'
import type { RefusalCode } from '../../protocols/wire/refusal-codes.ts'
import { type Binding, reportData } from '../../protocols/wire/report-data.ts'
import { type Clock, messageOf } from '../base/index.ts'
import { newer } from './collateral/version.ts'
import {
  type Collateral,
  DcapError,
  type DcapReason,
  INTEL_ROOT,
  type PreparedCollateral,
  parseQuote,
  type Quote,
  quoteRoot,
  type TcbStatus,
  type TdBody,
  type VerifiedQuote,
  verifyQuote,
} from './dcap/index.ts'
import { type AppIdentity, EventLogError, readIdentity, replayRtmr, type TdIdentity } from './events.ts'
import { JudgingTime } from './now.ts'
import { type Finding, judgeApps, judgePlatform, judgeTd } from './policy/judge-td.ts'
import type { Policy } from './policy/policy.ts'
import { PreparedCache } from './prepared.ts'

/** What names a TD in credentials: SHA-384 of the TD body that a quote signs. */
export const tdDigest = (td: Pick<TdBody, 'bytes'>): Uint8Array => Uint8Array.from(createHash('sha384').update(td.bytes).digest())

/** What is known of a TD whose evidence was accepted. */
export interface JudgedTd {
  /** SHA-384 of the TD body: names the TD in credentials and revocations. */
  tdDigest: Uint8Array
  td: TdBody
  apps: AppIdentity[]
  /** SHA-256 of the PPID. */
  platformId: Uint8Array
  tcbStatus: TcbStatus
  advisories: string[]
  tcbEvaluationDataNumber: number
  /** Of the collateral it was judged by: when its oldest piece was issued, and until when all of it is valid. */
  collateralIssuedMs: number
  collateralExpiresMs: number
}
export interface AcceptedVerdict {
  accepted: true
  judged: JudgedTd
  /** What will be refused soon, or was odd. For the log. */
  warnings: string[]
}
export interface RefusedVerdict {
  accepted: false
  code: RefusalCode
  /** In words, for the log and for `dstack-mesh quote verify`; never for the peer. */
  reasons: string[]
}
export type Verdict = AcceptedVerdict | RefusedVerdict

export interface JudgeOptions {
  /** Judge as of this time (a genesis: its anchor's close time) and by the evidence's own collateral. */
  atMs?: number
  /** Go on after the first step that refuses, to tell everything that is wrong. For people, not for peers: it costs more. */
  thorough?: boolean
}

export interface Verifier extends EvidenceJudge<AcceptedVerdict> {
  judge(evidence: Evidence, expected: Expectation, options?: JudgeOptions): Verdict
}

export interface VerifierInit {
  policy: Policy
  clock: Clock
  /** The newest collateral of this node's own machine. For machines of its family the newer one of it and the evidence's judges. */
  ownCollateral?: () => Collateral | undefined
}

/**
 * What the wire hears when collateral cannot be used. None of these counts in a revocation: a host chooses what collateral
 * its TD gets (protocols.md, "Revocation").
 */
const COLLATERAL_CODES = {
  unsupported: 'collateral_missing',
  quote_malformed: 'collateral_missing',
  quote_signature: 'collateral_missing',
  qe_report_signature: 'collateral_missing',
  qe_report_data: 'collateral_missing',
  qe_identity_mismatch: 'collateral_missing',
  tdx_module_mismatch: 'collateral_missing',
  platform_mismatch: 'collateral_missing',
  tcb_not_supported: 'collateral_missing',
  tcb_revoked: 'collateral_missing',
  root_untrusted: 'collateral_missing',
  certificate_malformed: 'collateral_missing',
  certificate_role: 'collateral_missing',
  certificate_signature: 'collateral_missing',
  certificate_revoked: 'collateral_missing',
  crl_malformed: 'collateral_missing',
  crl_signature: 'collateral_missing',
  collateral_malformed: 'collateral_missing',
  tcb_info_malformed: 'collateral_missing',
  tcb_info_signature: 'collateral_missing',
  qe_identity_malformed: 'collateral_missing',
  qe_identity_signature: 'collateral_missing',
  expired: 'collateral_expired',
  not_yet_valid: 'collateral_expired',
} as const satisfies Record<DcapReason, RefusalCode>

/** And when a quote does not verify: `quote_invalid` is what no collateral and no time could make valid. */
const QUOTE_CODES = {
  ...COLLATERAL_CODES,
  unsupported: 'unsupported',
  quote_malformed: 'quote_invalid',
  quote_signature: 'quote_invalid',
  qe_report_signature: 'quote_invalid',
  qe_report_data: 'quote_invalid',
  root_untrusted: 'quote_invalid',
  certificate_malformed: 'quote_invalid',
  certificate_role: 'quote_invalid',
  certificate_signature: 'quote_invalid',
  // By what the collateral says today.
  certificate_revoked: 'tcb_unacceptable',
  qe_identity_mismatch: 'tcb_unacceptable',
  tdx_module_mismatch: 'tcb_unacceptable',
  tcb_not_supported: 'tcb_unacceptable',
  tcb_revoked: 'tcb_unacceptable',
} as const satisfies Record<DcapReason, RefusalCode>

/** Ends the judging with what was found besides all that was found before; never leaves {@link createVerifier}. */
class Refusal extends Error {
  constructor(readonly findings: readonly Finding[]) {
    super('refused')
  }
}

const finding = (code: RefusalCode, reason: string): Finding => ({ code, reason })

/** Runs a step of the DCAP verifier; its refusal ends the judging with the table's code. */
const orRefuse = <T>(codes: Record<DcapReason, RefusalCode>, step: () => T): T => {
  try {
    return step()
  } catch (error) {
    if (error instanceof DcapError) throw new Refusal([finding(codes[error.reason], `${error.reason}: ${error.message}`)])
    throw error
  }
}

const bindingFindings = (binding: Binding, expected: Expectation, td: TdBody): Finding[] => {
  const { contexts, clusterId, peerId, fields } = expected
  const findings: Finding[] = []
  const bad = (reason: string) => findings.push(finding('bad_binding', reason))
  if (!(contexts as readonly string[]).includes(binding.context)) {
    bad(`the quote was made for ${JSON.stringify(binding.context)}, not for ${contexts.join(' or ')}`)
  }
  if (
    fields !== undefined &&
    !(fields.length === binding.fields.length && fields.every((f, i) => equals(f, binding.fields[i]!)))
  ) {
    bad('the quote binds other fields than those of this exchange')
  }
  if (binding.context === 'genesis/1') {
    // Its one field is the record; only who has the record can say whether it is this one.
    if (fields?.length !== 1) bad('a genesis can only be judged with its record')
  } else {
    const [cluster, peer] = binding.fields
    if (cluster === undefined || !equals(cluster, clusterId)) bad('the quote is about another cluster')
    if (peerId === undefined || peer === undefined || !equals(peer, peerId)) bad('the quote is about another peer')
  }
  if (!equals(reportData(binding), td.reportData)) bad('the report data of the quote was not made from this binding')
  return findings
}

/** The identity that the log states, if RTMR3 vouches for it. */
const readLog = (evidence: Evidence, clusterId: Uint8Array, td: TdBody): { identity?: TdIdentity; findings: Finding[] } => {
  let identity: TdIdentity
  try {
    identity = readIdentity(evidence.eventLog)
  } catch (error) {
    if (error instanceof EventLogError) return { findings: [finding('app_unacceptable', `event log: ${error.message}`)] }
    throw error
  }
  const findings: Finding[] = []
  if (!equals(replayRtmr(evidence.eventLog), td.rtmr[3])) {
    findings.push(finding('measurement_unacceptable', 'the event log does not give RTMR3'))
  }
  if (!equals(identity.keyProvider, clusterId)) {
    findings.push(finding('app_unacceptable', "the TD's key provider is another cluster"))
  }
  return { identity, findings }
}

/** Whether both are about the same machines: one CA's, of one family. */
const sameFamily = (a: PreparedCollateral, b: PreparedCollateral): boolean =>
  equals(a.fmspc, b.fmspc) && equals(a.pceId, b.pceId) && equals(a.issuerPem, b.issuerPem)

/** How a policy names a root of trust: `intel`, or `emulator:` and the SHA-256 of the certificate's DER. */
export const rootNameOf = (rootDer: Uint8Array): string =>
  equals(rootDer, INTEL_ROOT) ? 'intel' : `emulator:${createHash('sha256').update(rootDer).digest('hex')}`

/** Judges evidence under one policy, cheapest check first. Nothing that evidence can hold makes it throw. */
export const createVerifier = ({ policy, clock, ownCollateral }: VerifierInit): Verifier => {
  const time = new JudgingTime(clock)
  const cache = new PreparedCache()

  const prepare = (collateral: Collateral, root: { der: Uint8Array; name: string }, atMs: number | undefined) => {
    try {
      return cache.prepare(collateral, root.der, atMs ?? time.now())
    } catch (error) {
      const later = error instanceof DcapError ? error.notBeforeMs : undefined
      // Intel's signature proves that our clock is behind. An emulated issue date is only some node's own clock.
      if (later === undefined || atMs !== undefined || root.name !== 'intel') throw error
      time.notBefore(later)
      return cache.prepare(collateral, root.der, time.now())
    }
  }

  /** Usable collateral, the newest first; at least one. */
  const choose = (
    evidence: Evidence,
    root: { der: Uint8Array; name: string },
    atMs: number | undefined,
  ): { prepared: PreparedCollateral[]; warnings: string[] } => {
    const own = atMs === undefined ? ownCollateral?.() : undefined
    const refused: Finding[] = []
    const prepared: PreparedCollateral[] = []
    for (const [whose, collateral] of [
      ["the evidence's collateral", evidence.collateral],
      ['our collateral', own],
    ] as const) {
      if (collateral === undefined) continue
      try {
        const usable = prepare(collateral, root, atMs)
        const first = prepared[0]
        if (first === undefined || (first !== usable && sameFamily(first, usable))) prepared.push(usable)
      } catch (error) {
        if (!(error instanceof DcapError)) throw error
        refused.push(finding(COLLATERAL_CODES[error.reason], `${whose}: ${error.reason}: ${error.message}`))
      }
    }
    if (prepared.length === 0) {
      throw new Refusal(refused.length > 0 ? refused : [finding('collateral_missing', 'no collateral to judge the quote with')])
    }
    prepared.sort((a, b) => (newer(a, b) ? -1 : newer(b, a) ? 1 : 0))
    for (const { issueDateMs } of prepared) if (atMs === undefined) time.notBefore(issueDateMs)
    return { prepared, warnings: refused.map(({ reason }) => reason) }
  }

  /** By the newest; but revoked is revoked, also where only the other collateral has the later revocation list. */
  const verify = (quote: Quote, [newest, ...others]: readonly PreparedCollateral[], nowMs: number): VerifiedQuote => {
    const result = verifyQuote(quote, newest!, nowMs)
    const revoked = result.ok
      ? others.map((other) => verifyQuote(quote, other, nowMs)).find((each) => !each.ok && each.reason === 'certificate_revoked')
      : undefined
    const decisive = revoked ?? result
    if (decisive.ok) return decisive
    throw new Refusal([finding(QUOTE_CODES[decisive.reason], `${decisive.reason}: ${decisive.detail}`)])
  }

  const judge = (evidence: Evidence, expected: Expectation, { atMs, thorough = false }: JudgeOptions): AcceptedVerdict => {
    const found: Finding[] = []
    const add = (findings: readonly Finding[]): void => {
      found.push(...findings)
      if (found.length > 0 && !thorough) throw new Refusal([])
    }
    try {
      const quote = orRefuse(QUOTE_CODES, () => parseQuote(evidence.quote))
      const { td } = quote
      add(bindingFindings(evidence.binding, expected, td))
      add(judgeTd(policy, td))
      const { identity, findings } = readLog(evidence, expected.clusterId, td)
      add([...findings, ...(identity === undefined ? [] : judgeApps(policy, identity))])

      const der = orRefuse(QUOTE_CODES, () => quoteRoot(quote))
      const root = { der, name: rootNameOf(der) }
      if (!policy.roots.has(root.name)) {
        throw new Refusal([finding('quote_invalid', `the policy does not trust the root of trust ${root.name}`)])
      }
      const { prepared, warnings } = choose(evidence, root, atMs)
      const nowMs = atMs ?? time.now()
      const verified = verify(quote, prepared, nowMs)
      const collateral = prepared[0]!
      const platformId = Uint8Array.from(createHash('sha256').update(verified.ppid).digest())
      const platform = judgePlatform(policy, { ...verified, platformId, collateralIssuedMs: collateral.issuedAtMs }, nowMs)
      add(platform.findings)
      if (found.length > 0 || identity === undefined) throw new Refusal([])
      return {
        accepted: true,
        judged: {
          tdDigest: tdDigest(td),
          td,
          apps: identity.apps,
          platformId,
          tcbStatus: verified.status,
          advisories: verified.advisories,
          tcbEvaluationDataNumber: verified.tcbEvaluationDataNumber,
          collateralIssuedMs: collateral.issuedAtMs,
          collateralExpiresMs: collateral.expiresMs,
        },
        warnings: [...warnings, ...platform.warnings],
      }
    } catch (error) {
      if (error instanceof Refusal) throw new Refusal([...found, ...error.findings])
      throw error
    }
  }

  return {
    judge(evidence, expected, options = {}) {
      try {
        return judge(evidence, expected, options)
      } catch (error) {
        if (!(error instanceof Refusal)) {
          // Ours, not theirs: refused, but by a code that proves nothing against anybody.
          return { accepted: false, code: 'internal', reasons: [`judging failed: ${messageOf(error)}`] }
        }
        const { findings } = error
        return { accepted: false, code: findings[0]?.code ?? 'internal', reasons: findings.map(({ reason }) => reason) }
      }
    },
  }
}
