import type { RefusalCode, ReportDataContext } from '../wire/index.ts'
import type { Evidence } from './evidence.ts'

/** What a piece of evidence must be about. */
export interface Expectation {
  /** Contexts that its report data may have. */
  contexts: readonly ReportDataContext[]
  /** First field of the binding, and what RTMR3's key-provider event must name. */
  clusterId: Uint8Array
  /** Second field of the binding. Absent only for a genesis, whose single field is the record. */
  peerId?: Uint8Array
  /** The whole list of fields, where the reader knows it. */
  fields?: readonly Uint8Array[]
}

export interface Accepted {
  accepted: true
  judged: {
    /** SHA-384 of the TD body. */
    tdDigest: Uint8Array
  }
}
export interface Refused {
  accepted: false
  code: RefusalCode
  /** Every reason, in words, for the log. */
  reasons: string[]
}

/** Judges evidence under one policy. Never throws on hostile evidence. */
export interface EvidenceJudge<A extends Accepted = Accepted> {
  /** @param options.atMs - judge the collateral as of then (a genesis); everything else as of now */
  judge(evidence: Evidence, expected: Expectation, options?: { atMs?: number }): A | Refused
}
