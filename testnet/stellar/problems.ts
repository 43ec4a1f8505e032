/** Horizon's error answers (RFC 7807). */
export interface Problem {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly detail: string
  readonly extras?: Readonly<Record<string, unknown>>
}

const KINDS = {
  bad_request: [400, 'Bad Request', 'The request you sent was invalid in some way.'],
  transaction_failed: [
    400,
    'Transaction Failed',
    'The transaction failed when submitted to the network. The `extras.result_codes` field on this response contains further details.',
  ],
  transaction_malformed: [
    400,
    'Transaction Malformed',
    'The transaction envelope could not be read: it is not base64 of exactly one TransactionEnvelope.',
  ],
  not_found: [404, 'Resource Missing', 'The resource at the url requested was not found.'],
  method_not_allowed: [405, 'Method Not Allowed', 'The resource does not take this method.'],
  before_history: [
    410,
    'Data Requested Is Before Recorded History',
    'This ledger no longer keeps the part of its past that was asked for.',
  ],
  payload_too_large: [413, 'Payload Too Large', 'The request is larger than any transaction.'],
  unsupported_media_type: [415, 'Unsupported Media Type', 'Transactions are sent as application/x-www-form-urlencoded.'],
  rate_limit_exceeded: [429, 'Rate Limit Exceeded', 'Too many requests from this address; see Retry-After.'],
  internal_server_error: [500, 'Internal Server Error', 'The ledger could not answer.'],
  server_over_capacity: [503, 'Server Over Capacity', 'The ledger takes no more transactions for now.'],
  transaction_submission_timeout: [
    504,
    'Transaction Submission Timeout',
    'The transaction is not in a ledger yet. It may still get in: ask for its hash, or send the same envelope again.',
  ],
} as const satisfies Readonly<Record<string, readonly [number, string, string]>>

export type ProblemKind = keyof typeof KINDS

export const problem = (kind: ProblemKind, extras?: Readonly<Record<string, unknown>>, say?: string): Problem => {
  const [status, title, detail] = KINDS[kind]
  return {
    type: `https://stellar.org/horizon-errors/${kind}`,
    title,
    status,
    detail: say ?? detail,
    ...(extras !== undefined && { extras }),
  }
}

/** Thrown where an answer is not what was asked for. */
export class ProblemError extends Error {
  override readonly name = 'ProblemError'
  constructor(
    readonly problem: Problem,
    readonly retryAfterSeconds?: number,
  ) {
    super(problem.title)
  }
}
