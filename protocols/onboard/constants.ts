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
/** Of these, one host's: four hosts, not one, can keep others waiting. */
export const MAX_OPEN_EXCHANGES_PER_HOST = 64
/** Onboard streams that one connection may have open. */
export const MAX_STREAMS_PER_CONNECTION = 2
/** Exchanges of one connection that may end without a new member; then it is closed. An honest joiner closes it after the first. */
export const MAX_FAILURES_PER_CONNECTION = 8

// A Challenge costs a token of the joiner's peer id and one of its host. Peer ids cost nothing, so it is the host's that bounds
// what an attacker takes: at most 25 times a second a signature (0.1 ms), and the judging of garbage (at most some 0.5 ms).
// Both come back at a steady rate and nobody is banned, so whoever shares an address with an attacker draws lots with him for the
// next token, at every try anew.

export const HOST_BURST = 64
export const HOST_REFILL_MS = 40
/** As often as an honest joiner begins again: after 250 ms, then twice as long each time. */
export const PEER_BURST = 4
export const PEER_REFILL_MS = 1_000
/** Buckets that are remembered: some 150 bytes each. Only those that are not full are. */
export const MAX_HOSTS = 8_192
export const MAX_PEERS = 8_192

/**
 * Judging and sealing: both keep this thread busy, so more at once makes nothing faster. Two, because part of sealing is done
 * elsewhere.
 */
export const MAX_TURNS_AT_ONCE = 2
/** Requests that wait for their turn; one more is answered `busy`. More than one host may have open. */
export const MAX_TURNS_WAITING = 128
/** Waiting and work together take less than the step that the joiner waits for its grant. */
export const MAX_TURN_WAIT_MS = 4_000
export const MAX_TURN_WORK_MS = 4_000
/** When `busy`: come back after this and what the queue needs, but at most the second. */
export const BUSY_RETRY_AFTER_MS = 1_000
export const BUSY_RETRY_AFTER_MAX_MS = 10_000
