// Specification constants.

export const GENESIS_VERSION = 1
/** The building blocks of this version, by the names their specifications use. */
export const SUITE = ['ed25519', 'hpke-base/x-wing/hkdf-sha256/chacha20-poly1305', 'intel-tdx-dcap'] as const
/** The `network` of a genesis that is anchored in a file. */
export const FILE_NETWORK = 'file'
export const TD_DIGEST_BYTES = 48
export const MEASUREMENT_BYTES = 48
export const APP_ID_BYTES = 20
export const PLATFORM_ID_BYTES = 32
/** How far ahead of our clock a record may be issued. */
export const ISSUED_AHEAD_MAX_MS = 120_000
/** Domain and payload type of a member record's libp2p envelope. */
export const MEMBER_ENVELOPE_DOMAIN = 'dstack-mesh/member-record/1'
export const MEMBER_ENVELOPE_TYPE = '/dstack/member-record/1'

// Implementation constants.

export const GENESIS_RECORD_LIMIT_BYTES = 1024
export const POLICY_LIMIT_BYTES = 64 * 1024
export const ANCHOR_PROOF_LIMIT_BYTES = 128 * 1024
export const CREDENTIAL_LIMIT_BYTES = 4 * 1024
export const MEMBER_RECORD_LIMIT_BYTES = 8 * 1024
export const QUOTE_LIMIT_BYTES = 16 * 1024
export const EVENTS_MAX = 256
export const EVENT_NAME_BYTES_MAX = 64
export const EVENT_PAYLOAD_BYTES_MAX = 1024
export const BINDING_FIELDS_MAX = 8
export const BINDING_FIELD_BYTES_MAX = 2048
export const MEMBER_ADDRESSES_MAX = 8
export const MEMBER_ADDRESS_BYTES_MAX = 256
export const APPS_MAX = 64
