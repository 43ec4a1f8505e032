import { DeadlineError, MeshError, messageOf, TransientError } from '../base/index.ts'

/** An answer other than 200. */
export interface Failure {
  status: number
  message: string
  retryAfterMs?: number
}

/** When a caller should ask again, where nothing better is known. */
export const RETRY_AFTER_MS = 1_000

/** What a route throws to answer with a status of its own. */
export class StatusError extends Error {
  constructor(readonly failure: Failure) {
    super(failure.message)
  }
}

/**
 * dstack 0.6's codes: 400 where the method ran and failed; here also 503 where it is not possible yet. What nobody foresaw is
 * a 500 that says nothing: its text may come from anywhere.
 */
export const failureOf = (error: unknown): Failure => {
  if (error instanceof StatusError) return error.failure
  if (error instanceof TransientError || error instanceof DeadlineError) {
    return { status: 503, message: messageOf(error), retryAfterMs: RETRY_AFTER_MS }
  }
  if (error instanceof MeshError) return { status: 400, message: error.message }
  return { status: 500, message: 'internal error' }
}
