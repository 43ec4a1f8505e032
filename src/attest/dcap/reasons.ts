import { RefusedError } from '../../base/index.ts'

/** Every reason for which a quote or its collateral is refused. A closed set; `detail` says more, for a log. */
export const DCAP_REASONS = [
  // The quote.
  'unsupported', // a version, key type, TEE or certification data that this verifier does not read
  'quote_malformed',
  'quote_signature',
  'qe_report_signature',
  'qe_report_data', // the quoting enclave did not vouch for this attestation key
  'qe_identity_mismatch', // the quoting enclave is not the one of the QE identity
  'tdx_module_mismatch', // the TDX module is none of those of the TCB info
  'platform_mismatch', // FMSPC or PCE id of the PCK certificate differ from the TCB info's
  'tcb_not_supported', // no TCB level matches
  'tcb_revoked',
  // Certificates and revocation lists, of either side.
  'root_untrusted',
  'certificate_malformed',
  'certificate_role', // the chain's length, a name, or what the key may be used for
  'certificate_signature',
  'certificate_revoked',
  'crl_malformed',
  'crl_signature',
  // The collateral.
  'collateral_malformed',
  'tcb_info_malformed',
  'tcb_info_signature',
  'qe_identity_malformed',
  'qe_identity_signature',
  // Time.
  'expired',
  'not_yet_valid',
] as const
export type DcapReason = (typeof DCAP_REASONS)[number]

/** What {@link parseQuote} and {@link prepareCollateral} throw. `code` is `dcap_` + the reason. */
export class DcapError extends RefusedError {
  readonly reason: DcapReason
  /** Only with `not_yet_valid`: the time (Unix milliseconds) from which the otherwise verified collateral holds. */
  readonly notBeforeMs: number | undefined
  constructor(reason: DcapReason, detail: string, options: { notBeforeMs?: number; cause?: unknown } = {}) {
    super(`dcap_${reason}`, detail, { cause: options.cause })
    this.reason = reason
    this.notBeforeMs = options.notBeforeMs
  }
}

/** Throws a {@link DcapError} unless `holds`. */
export function check(holds: boolean, reason: DcapReason, detail: string): asserts holds {
  if (!holds) throw new DcapError(reason, detail)
}
