export { pemOf } from './certificates.ts'
export {
  type Collateral,
  collateralFromJson,
  collateralToJson,
  type PreparedCollateral,
  prepareCollateral,
} from './collateral.ts'
export { INTEL_ROOT } from './intel-root.ts'
export { parseQuote, type QeReport, type Quote, type TdBody } from './quote.ts'
export { DCAP_REASONS, DcapError, type DcapReason } from './reasons.ts'
export {
  type DcapRefusal,
  quoteRoot,
  TCB_STATUSES,
  type TcbStatus,
  type VerifiedQuote,
  verifyQuote,
} from './verdict.ts'
