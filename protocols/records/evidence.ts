import { type Binding, decodeStrict, EVIDENCE_LIMIT_BYTES, MalformedError, type MessageShape } from '../wire/index.ts'
import {
  BINDING_FIELD_BYTES_MAX,
  BINDING_FIELDS_MAX,
  EVENT_NAME_BYTES_MAX,
  EVENT_PAYLOAD_BYTES_MAX,
  EVENTS_MAX,
  QUOTE_LIMIT_BYTES,
} from './constants.ts'
import { type Collateral, type Event, Evidence as EvidenceMessage } from './evidence.pb.ts'

export type { Collateral, Event }

/** Quote, the collateral to judge it with, RTMR3's events, and what the report data was made from. */
export interface Evidence {
  quote: Uint8Array
  /** Absent where the other side is known to have it; then the judge needs its own. */
  collateral?: Collateral
  eventLog: Event[]
  binding: Binding
}

const any = { min: 1, max: EVIDENCE_LIMIT_BYTES }
const collateralShape: MessageShape = {
  1: { name: 'pck_crl_issuer_chain', type: 'text', ...any },
  2: { name: 'root_ca_crl', type: 'bytes', ...any },
  3: { name: 'pck_crl', type: 'bytes', ...any },
  4: { name: 'tcb_info_issuer_chain', type: 'text', ...any },
  5: { name: 'tcb_info', type: 'text', ...any },
  6: { name: 'tcb_info_signature', type: 'bytes', min: 64, max: 64 },
  7: { name: 'qe_identity_issuer_chain', type: 'text', ...any },
  8: { name: 'qe_identity', type: 'text', ...any },
  9: { name: 'qe_identity_signature', type: 'bytes', min: 64, max: 64 },
}
const shape: MessageShape = {
  1: { name: 'quote', type: 'bytes', min: 1, max: QUOTE_LIMIT_BYTES },
  2: { name: 'collateral', type: 'message', shape: collateralShape, optional: true },
  3: {
    name: 'event_log',
    type: 'message',
    repeated: { max: EVENTS_MAX },
    shape: {
      1: { name: 'name', type: 'text', min: 1, max: EVENT_NAME_BYTES_MAX },
      2: { name: 'payload', type: 'bytes', min: 0, max: EVENT_PAYLOAD_BYTES_MAX, optional: true },
    },
  },
  4: {
    name: 'binding',
    type: 'message',
    shape: {
      1: { name: 'context', type: 'text', min: 1, max: 32 },
      2: { name: 'fields', type: 'bytes', min: 0, max: BINDING_FIELD_BYTES_MAX, repeated: { max: BINDING_FIELDS_MAX } },
    },
  },
}

export const encodeEvidence = (evidence: Evidence): Uint8Array => EvidenceMessage.encode(evidence)

/** Throws MalformedError. */
export const decodeEvidence = (bytes: Uint8Array): Evidence => {
  if (bytes.length > EVIDENCE_LIMIT_BYTES)
    throw new MalformedError(`Evidence: ${bytes.length} bytes, at most ${EVIDENCE_LIMIT_BYTES}`)
  const { binding, ...message } = decodeStrict('Evidence', EvidenceMessage, shape, bytes)
  if (binding === undefined) throw new MalformedError('Evidence.binding: missing')
  return { ...message, binding }
}
