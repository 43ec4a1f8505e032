/** Every way to say no on the wire. A closed set; never free text. */
export const REFUSAL_CODES = [
  'malformed',
  'unsupported',
  'wrong_cluster',
  'busy',
  'rate_limited',
  'not_member',
  'lapsed',
  'stale_epoch',
  'bad_binding',
  'bad_signature',
  'quote_invalid',
  'collateral_expired',
  'collateral_missing',
  'tcb_unacceptable',
  'measurement_unacceptable',
  'app_unacceptable',
  'platform_unacceptable',
  'internal',
] as const
export type RefusalCode = (typeof REFUSAL_CODES)[number]
