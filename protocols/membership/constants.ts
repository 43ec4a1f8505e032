import { CREDENTIAL_LIMIT_BYTES, ISSUED_AHEAD_MAX_MS, MEMBER_RECORD_LIMIT_BYTES } from '../records/index.ts'
import { EVIDENCE_LIMIT_BYTES, MESSAGE_LIMIT_BYTES, PEER_ID_BYTES } from '../wire/index.ts'

// Specification constants: another value is another protocol and needs a new protocol id.

export const MEMBERSHIP_PROTOCOL = '/dstack/membership/1.0.0'
/** A cluster's topic is `/dstack/<first 16 hex digits of SHA-256 of its id>/members/1.0.0`. */
export const TOPIC_HASH_DIGITS = 16
/** Members in one table, and so in one exchange. */
export const MEMBERS_MAX = 10_000
export const SEQUENCE_MAX = 0xffff_ffff_ffff_ffffn
/** How far ahead of our clock a record or a hint may have been sent. */
export const SENT_AHEAD_MAX_MS = ISSUED_AHEAD_MAX_MS
/** A hint that is older says nothing about now. */
export const HINT_AGE_MAX_MS = 60_000
/** Of an envelope's SHA-256, in a digest: tells apart two records of one sequence. */
export const DIGEST_HASH_BYTES = 8
export const DIGEST_BYTES = PEER_ID_BYTES + 8 + DIGEST_HASH_BYTES
/** Digests or wanted peer ids in one page; the pages of {@link MEMBERS_MAX} members are ten. */
export const PAGE_ENTRIES_MAX = 1024
/** Records in one message: as many as its limit holds, at most. */
export const RECORDS_PER_MESSAGE_MAX = 64
/** Revocations whose proof a member keeps for others, and names in an exchange. */
export const REVOCATION_PROOFS_MAX = 16

// Limits of each message.

export const HELLO_LIMIT_BYTES = MEMBER_RECORD_LIMIT_BYTES + 64
/** Digests, Records, Want, Probe. */
export const SYNC_LIMIT_BYTES = MESSAGE_LIMIT_BYTES
/** Challenge and answer, evidence included. */
export const REVOCATION_BYTES_MAX = EVIDENCE_LIMIT_BYTES + CREDENTIAL_LIMIT_BYTES
/** The largest message of the topic and of the protocol. */
export const MEMBERSHIP_LIMIT_BYTES = REVOCATION_BYTES_MAX + 64

// Implementation constants: tuning.

/** A member publishes its record this often in a small cluster. Higher: slower to repair what gossip lost. Lower: more traffic. */
export const REPUBLISH_MIN_MS = 10_000
/** Records a second that the whole cluster republishes at most; the interval grows with the table to keep to it. */
export const REPUBLISH_TOTAL_PER_SECOND = 0.5
/** Anti-entropy with a random member, in a small cluster. */
export const SYNC_MIN_MS = 60_000
/** Each member more makes that interval so much longer: digests grow with the table, their rate does not. */
export const SYNC_PER_MEMBER_MS = 1_000
/** A member that is asked to probe another gives up after this, so that the asker hears it in time. */
export const PROBE_TIMEOUT_MS = 1_000
/** Inbound streams of all connections. */
export const OPEN_STREAMS_MAX = 64
/** Of these, for peers that no table lists. */
export const OPEN_STRANGERS_MAX = 16
export const MAX_STREAMS_PER_CONNECTION = 4
/** Exchanges of tables that one member is served within {@link SYNC_WINDOW_MS}. */
export const SYNCS_PER_WINDOW = 6
/** Probes that one member is served within {@link SYNC_WINDOW_MS}. */
export const PROBES_PER_WINDOW = 120
export const SYNC_WINDOW_MS = 60_000
/** Received records of an unknown issuer that wait until the exchange has brought their issuer. */
export const WAITING_RECORDS_MAX = 1_024
/** Peer ids of revoked members that are remembered. */
export const REVOKED_MAX = 10_000
export const BUSY_RETRY_AFTER_MS = 1_000
