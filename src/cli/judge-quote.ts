import { createHash } from 'node:crypto'
import {
  type Collateral,
  DcapError,
  explainQuote,
  INTEL_ROOT,
  judgePlatform,
  judgeTd,
  type Policy,
  type PreparedCache,
  parseQuote,
  type Quote,
  quoteRoot,
  rootNameOf,
  type VerifiedQuote,
  verifyQuote,
} from '../index.ts'

/** Why not: a code for programs (the verifier's reasons, the protocol's refusal codes) and words for people. */
export interface Reason {
  code: string
  reason: string
}

export interface QuoteVerdict {
  /** What the verifier says, and the policy where there is one. */
  ok: boolean
  /** Everything that is wrong, as far as it can be told; the first is the weightiest. */
  reasons: Reason[]
  /** What is odd, or will be refused soon. */
  warnings: string[]
  /** Taken apart, not verified. */
  quote?: Quote
  /** Present when every signature holds, also where the policy refuses. */
  verified?: VerifiedQuote
}

export interface JudgeInit {
  quote: Uint8Array
  /** What it is, or the error why there is none. */
  collateral: Collateral | DcapError | undefined
  /** DER. Left out: Intel's; with a policy, the quote's own if the policy trusts it. */
  root?: Uint8Array | undefined
  policy?: Policy | undefined
  atMs: number
  cache: PreparedCache
}

const fromDcap = (error: unknown): Reason => {
  if (error instanceof DcapError) return { code: error.reason, reason: error.message }
  throw error
}

/**
 * Judges a lone quote, thoroughly. It comes without an event log and without what its report data was made from, so neither
 * which apps the TD runs nor what it was asked is judged here: a node does that when the TD joins.
 */
export const judgeQuote = ({ quote: bytes, collateral, root, policy, atMs, cache }: JudgeInit): QuoteVerdict => {
  const verdict: QuoteVerdict = { ok: false, reasons: [], warnings: [] }
  const { reasons } = verdict
  try {
    const quote = parseQuote(bytes)
    verdict.quote = quote
    if (policy !== undefined) reasons.push(...judgeTd(policy, quote.td))
    const rootDer = root ?? (policy === undefined ? INTEL_ROOT : quoteRoot(quote))
    const rootName = rootNameOf(rootDer)
    if (policy !== undefined && !policy.roots.has(rootName)) {
      reasons.push({ code: 'root_untrusted', reason: `the policy does not trust the root of trust ${rootName}` })
      return verdict
    }
    if (collateral instanceof DcapError) throw collateral
    if (collateral === undefined) {
      reasons.push({ code: 'collateral_missing', reason: 'without collateral no signature and no TCB status can be checked' })
      return verdict
    }
    const prepared = cache.prepare(collateral, rootDer, atMs)
    const verified = verifyQuote(quote, prepared, atMs)
    if (!verified.ok) {
      reasons.push({ code: verified.reason, reason: verified.detail })
      return verdict
    }
    verdict.verified = verified
    if (policy !== undefined) {
      const facts = { ...verified, platformId: platformIdOf(verified), collateralIssuedMs: prepared.issuedAtMs }
      const { findings, warnings } = judgePlatform(policy, facts, atMs)
      reasons.push(...findings)
      verdict.warnings.push(...warnings)
    } else {
      if (quote.td.tdAttributes[0] !== 0) {
        verdict.warnings.push('the TD is not protected from its host (debug or profiling attributes): a policy refuses it')
      }
      if (verified.status !== 'UpToDate') {
        verdict.warnings.push(`TCB status is ${verified.status}: a policy refuses it unless it lists it`)
      }
    }
    verdict.ok = reasons.length === 0
  } catch (error) {
    reasons.push(fromDcap(error))
  }
  return verdict
}

/** SHA-256 of the PPID, as policies list platforms. */
export const platformIdOf = ({ ppid }: VerifiedQuote): Uint8Array => Uint8Array.from(createHash('sha256').update(ppid).digest())

const NOT_OF_THE_TD: readonly string[] = ['version', 'size', 'qe_isv_svn', 'qe_mr_signer']

/** The TD's part of a quote by its fields' names, in hex; `attributes` are the names of the bits that are set. */
export const tdFields = (quote: Quote): Record<string, string | string[]> => {
  const fields = Object.fromEntries(Object.entries(explainQuote(quote)).filter(([name]) => !NOT_OF_THE_TD.includes(name)))
  const [bits, names] = fields.td_attributes!.split(/ \((.*)\)$/) as [string, string]
  return { ...fields, td_attributes: bits, attributes: names === 'none' ? [] : names.split(/ (?!\d)/) }
}

/** Runs `read`; a DcapError is its answer. */
export const orDcapError = async <T>(read: () => Promise<T>): Promise<T | DcapError> => {
  try {
    return await read()
  } catch (error) {
    if (error instanceof DcapError) return error
    throw error
  }
}
