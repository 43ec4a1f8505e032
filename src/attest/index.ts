// The emulator is not here: whoever wants it imports its own folder, and an image can leave that out.
export type { Attester, TdEvent } from './attester.ts'
export * from './collateral/index.ts'
export * from './dcap/index.ts'
export {
  APPS_MAX,
  type AppIdentity,
  EventLogError,
  eventDigest,
  extendRtmr,
  readIdentity,
  replayRtmr,
  type TdIdentity,
  tdEvents,
} from './events.ts'
export { explainQuote } from './explain-quote.ts'
export {
  type AcceptedVerdict,
  createVerifier,
  type JudgedTd,
  type JudgeOptions,
  type RefusedVerdict,
  rootNameOf,
  tdDigest,
  type Verdict,
  type Verifier,
  type VerifierInit,
} from './judge.ts'
export * from './policy/index.ts'
export { PreparedCache } from './prepared.ts'
export * from './tdx/index.ts'
export { AppReportDataError, appReportData } from './wall.ts'
