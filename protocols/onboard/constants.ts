import { ANCHOR_PROOF_LIMIT_BYTES } from '../records/index.ts'
import { EVIDENCE_LIMIT_BYTES, MESSAGE_LIMIT_BYTES } from '../wire/index.ts'

// Specification constants: another value is another protocol and needs a new protocol id.

export const ONBOARD_PROTOCOL = '/dstack/onboard/1.0.0'
/** HPKE's `info`. */
export const HPKE_INFO = ONBOARD_PROTOCOL
/** X-Wing (draft-connolly-cfrg-xwing-kem): ML-KEM-768 ‖ X25519. */
export const KEM_PUBLIC_KEY_BYTES = 1216
export const KEM_ENC_BYTES = 1120
/** ChaCha20-Poly1305. */
export const AEAD_TAG_BYTES = 16
export const SECRET_BYTES = 32
/** Epochs that a keyring may hold. */
export const KEYRING_EPOCHS_MAX = 64

// Limits of each message: the sum of what it may carry, no more.

export const HELLO_LIMIT_BYTES = 256
export const CHALLENGE_LIMIT_BYTES = 4 * 1024
export const REQUEST_LIMIT_BYTES = EVIDENCE_LIMIT_BYTES + 4 * 1024
/** Two pieces of evidence (genesis and onboarder's), the policy, the anchor's proof, two credentials, the keyring. */
export const GRANT_LIMIT_BYTES = 2 * EVIDENCE_LIMIT_BYTES + ANCHOR_PROOF_LIMIT_BYTES + 2 * MESSAGE_LIMIT_BYTES
export const DONE_LIMIT_BYTES = 64

// Implementation constants: tuning.

/** A quote may take a second on many kernels, and several when others wait for one too (reference: TDX kernel interface). */
export const QUOTE_TIMEOUT_MS = 20_000
/** Exchanges that an onboarder has open at once, over all connections; one more is answered `busy`. */
export const MAX_OPEN_EXCHANGES = 256
/** When `busy`: come back after this. */
export const BUSY_RETRY_AFTER_MS = 1_000
/** Onboard streams that one connection may have open. */
export const MAX_STREAMS_PER_CONNECTION = 2
