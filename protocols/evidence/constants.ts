// Specification constants: another value is another protocol and needs another version of the answer.

/** Of the JSON that answers; a reader refuses any other. */
export const ANSWER_VERSION = 1
/** What one asker draws. Shorter ones could be guessed and asked for in advance. */
export const OUTSIDER_NONCE_BYTES_MIN = 16
export const OUTSIDER_NONCE_BYTES_MAX = 64
/** Before the bytes of a leaf, and before two hashes (RFC 6962, 2.1). */
export const LEAF_PREFIX = 0x00
export const NODE_PREFIX = 0x01

// Implementation constants: tuning.

/** From one quote for outsiders to the next, at least. */
export const OUTSIDER_QUOTE_PAUSE_MS = 10_000
/** Nonces under one root; each asker is sent the whole answer. */
export const OUTSIDERS_MAX = 256
/** How long a path a reader takes: that of a tree of 2^20. */
export const PATH_MAX = 20
/** Of the whole answer's JSON: the longest genesis bundle, evidence and credential in base64 take less. */
export const ANSWER_LIMIT_BYTES = 1_200_000
