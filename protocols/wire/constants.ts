// Specification constants: another value is another protocol and needs a new protocol id.

/** First 16 bytes of the report data of every quote that members make about themselves (protocols/README.md, "Report data"). */
export const REPORT_DATA_PREFIX = 'dstack-mesh/v1'
export const REPORT_DATA_PREFIX_BYTES = 16
export const REPORT_DATA_BYTES = 64
/** Contexts of report data. `recover/1` is reserved for a recovering TD. */
export const REPORT_DATA_CONTEXTS = ['genesis/1', 'onboard/1', 'member/1', 'challenge/1', 'recover/1', 'evidence/1'] as const
export type ReportDataContext = (typeof REPORT_DATA_CONTEXTS)[number]

/** Domains of signatures: by the cluster key, and by a peer key. */
export const CLUSTER_SIGNATURE_DOMAIN = 'dstack-mesh/sig/1'
export const PEER_SIGNATURE_DOMAIN = 'dstack-mesh/peer/1'

export const CLUSTER_ID_BYTES = 32
export const NONCE_BYTES = 32
export const HASH_BYTES = 32
export const ED25519_SIGNATURE_BYTES = 64
/** An ed25519 peer id is an identity multihash of its 36-byte protobuf public key. */
export const PEER_ID_BYTES = 38

// Implementation constants: tuning.

/** A message that carries no evidence. */
export const MESSAGE_LIMIT_BYTES = 64 * 1024
/** Quote, collateral, event log and binding together. */
export const EVIDENCE_LIMIT_BYTES = 256 * 1024
/** One message sent or received. */
export const STEP_TIMEOUT_MS = 10_000
/** One exchange from its first message to its last. */
export const EXCHANGE_TIMEOUT_MS = 30_000
/** How many addresses a `busy` refusal may offer. */
export const REFUSAL_ADDRESSES_MAX = 8
export const REFUSAL_ADDRESS_BYTES_MAX = 256
/** The longest retry-after that is believed. */
export const RETRY_AFTER_MAX_MS = 600_000
