import { Buffer } from 'node:buffer'
import { readCrl } from '../dcap/certificates.ts'
import type { Collateral, PreparedCollateral } from '../dcap/index.ts'

/** How new each signed part of some collateral is. Times are Unix milliseconds. */
export interface CollateralVersion {
  /** Intel counts TCB recovery events; a higher number knows of more weaknesses. */
  readonly tcbInfoEvaluationNumber: number
  readonly tcbInfoIssuedMs: number
  readonly qeIdentityEvaluationNumber: number
  readonly qeIdentityIssuedMs: number
  readonly rootCaCrlIssuedMs: number
  readonly pckCrlIssuedMs: number
}

/** @param prepared what `prepareCollateral` made of `collateral`: unverified numbers and dates mean nothing */
export const versionOf = (collateral: Collateral, { tcbInfo, qeIdentity }: PreparedCollateral): CollateralVersion => ({
  tcbInfoEvaluationNumber: tcbInfo.tcbEvaluationDataNumber,
  tcbInfoIssuedMs: tcbInfo.issueDateMs,
  qeIdentityEvaluationNumber: qeIdentity.tcbEvaluationDataNumber,
  qeIdentityIssuedMs: qeIdentity.issueDateMs,
  rootCaCrlIssuedMs: readCrl(Buffer.from(collateral.rootCaCrl)).thisUpdateMs,
  pckCrlIssuedMs: readCrl(Buffer.from(collateral.pckCrl)).thisUpdateMs,
})

/**
 * The parts in which `offered` is older than `held`. All of them count: a service that mixes today's TCB info with last
 * month's revocation list hides a revoked key.
 */
export const olderParts = (offered: CollateralVersion, held: CollateralVersion): (keyof CollateralVersion)[] =>
  (Object.keys(held) as (keyof CollateralVersion)[]).filter((part) => offered[part] < held[part])

type Newness = Pick<PreparedCollateral, 'tcbEvaluationDataNumber' | 'issuedAtMs'>

/** Whether `a` knows more than `b`: a higher evaluation number, or the same one and issued later. */
export const newer = (a: Newness, b: Newness): boolean =>
  a.tcbEvaluationDataNumber === b.tcbEvaluationDataNumber
    ? a.issuedAtMs > b.issuedAtMs
    : a.tcbEvaluationDataNumber > b.tcbEvaluationDataNumber
