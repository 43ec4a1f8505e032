import { CREDENTIAL_LIMIT_BYTES } from '../records/index.ts'
import { EVIDENCE_LIMIT_BYTES, type RefusalCode } from '../wire/index.ts'

// Specification constants: another value is another protocol and needs a new protocol id.

export const CHALLENGE_PROTOCOL = '/dstack/challenge/1.0.0'
/** A member answers each verifier at most once in this share of a credential's lifetime. */
export const ANSWER_SHARE = 1 / 4
/**
 * What a member's own signed answer can be that throws the member out. Each follows from the answer's bytes and the policy
 * alone, so that every judge finds the same. Nothing that depends on time or collateral is here, since hosts choose those;
 * nor `bad_signature`, since an answer that its member did not sign proves nothing against the member.
 */
export const PROVING_CODES = [
  'bad_binding',
  'quote_invalid',
  'measurement_unacceptable',
  'app_unacceptable',
  'platform_unacceptable',
] as const satisfies readonly RefusalCode[]
export type ProvingCode = (typeof PROVING_CODES)[number]

// Limits of each message: the sum of what it may carry, no more.

export const ASK_LIMIT_BYTES = 256
export const CHALLENGE_LIMIT_BYTES = 256
export const ANSWER_LIMIT_BYTES = EVIDENCE_LIMIT_BYTES + 1024
export const VERDICT_LIMIT_BYTES = CREDENTIAL_LIMIT_BYTES + 1024
export const REVOCATION_LIMIT_BYTES = ANSWER_LIMIT_BYTES + 1024

// Implementation constants: tuning.

/** A quote may take a second on many kernels, and several when others wait for one too. */
export const QUOTE_TIMEOUT_MS = 20_000
/** How long the same verifier waits after a challenge that ended without an answer, and the same asker after an Ask. */
export const PAUSE_MS = 10_000
/** Exchanges open at once that others began; one more is answered `busy`. */
export const MAX_OPEN_EXCHANGES = 64
/** Of these, begun by peers that nobody here may challenge. */
export const OPEN_STRANGERS_MAX = 8
/** When `busy`: come back after this. */
export const BUSY_RETRY_AFTER_MS = 5_000
/** Challenge streams that one connection may have open. */
export const MAX_STREAMS_PER_CONNECTION = 2
/** Peers whose pauses are remembered: as many as a table holds. */
export const PAUSES_MAX = 10_000
