import type { AppFacts, AppQuote, CertificateEvidence, QuotedEvent } from './host.ts'
import { hexOf } from './message.ts'

// dstack's encodings of a quote and of an app's identity. Sources: dstack-attest/src/v1.rs, cc-eventlog (TdxEvent,
// RuntimeEvent), both written by rmp_serde's to_vec_named.

/** dstack's event type for run time events of RTMR3. */
const RUNTIME_EVENT_TYPE = 0x08000001

/** The JSON text of an event log, as GetQuote and the SDKs have it. */
export const eventLogJson = (events: readonly QuotedEvent[]): string => JSON.stringify(events.map(eventJson))

export const eventJson = ({ imr, eventType, digest, event, payload }: QuotedEvent) => ({
  imr,
  event_type: eventType,
  digest: hexOf(digest),
  event,
  event_payload: hexOf(payload),
})

/** dstack's VersionedAttestation, version 1, platform "tdx". `config` is the VM configuration as JSON. */
export const encodeAttestation = ({ quote, reportData, events }: AppQuote, config: string): Uint8Array =>
  encode({
    version: 1,
    platform: {
      kind: 'tdx',
      data: {
        quote: [...quote],
        event_log: events.map(({ imr, eventType, digest, event, payload }) => ({
          imr,
          event_type: eventType,
          digest,
          event,
          event_payload: payload,
        })),
      },
    },
    stack: {
      kind: 'dstack',
      data: {
        report_data: [...reportData],
        runtime_events: events
          .filter(({ imr, eventType }) => imr === 3 && eventType === RUNTIME_EVENT_TYPE)
          .map(({ event, payload }) => ({ event, payload })),
        config,
      },
    },
  })

/** What an RA-TLS certificate carries of a quote. */
export const certificateEvidence = (quoted: AppQuote, config: string): CertificateEvidence => ({
  quote: quoted.quote,
  eventLog: eventLogJson(quoted.events),
  attestation: encodeAttestation(quoted, config),
})

/** dstack's APP_INFO certificate extension. */
export const encodeAppInfo = (facts: AppFacts): Uint8Array =>
  encode({
    app_id: facts.appId,
    compose_hash: facts.composeHash,
    instance_id: facts.instanceId,
    device_id: facts.deviceId,
    mr_system: facts.mrSystem,
    mr_aggregated: facts.mrAggregated,
    os_image_hash: facts.osImageHash,
    key_provider_info: Buffer.from(facts.keyProviderInfo),
  })

/** What MessagePack is made of here. A number array is what Rust makes of a plain Vec<u8>; Uint8Array is `bin`. */
type Packable = number | string | Uint8Array | readonly Packable[] | { readonly [key: string]: Packable }

const head = (
  small: number | undefined,
  smallMax: number,
  codes: readonly [number | undefined, number, number],
  length: number,
): Buffer => {
  if (small !== undefined && length <= smallMax) return Buffer.from([small | length])
  const [code8, code16, code32] = codes
  if (code8 !== undefined && length <= 0xff) return Buffer.from([code8, length])
  if (code16 !== undefined && length <= 0xffff) return Buffer.from([code16, length >> 8, length & 0xff])
  const out = Buffer.alloc(5)
  out[0] = code32!
  out.writeUInt32BE(length, 1)
  return out
}

const pack = (value: Packable, out: Uint8Array[]): void => {
  if (typeof value === 'number') {
    out.push(head(0, 0x7f, [0xcc, 0xcd, 0xce], value))
  } else if (typeof value === 'string') {
    const bytes = Buffer.from(value)
    out.push(head(0xa0, 31, [0xd9, 0xda, 0xdb], bytes.length), bytes)
  } else if (value instanceof Uint8Array) {
    out.push(head(undefined, 0, [0xc4, 0xc5, 0xc6], value.length), value)
  } else if (Array.isArray(value)) {
    out.push(head(0x90, 15, [undefined, 0xdc, 0xdd], value.length))
    for (const element of value) pack(element, out)
  } else {
    const entries = Object.entries(value)
    out.push(head(0x80, 15, [undefined, 0xde, 0xdf], entries.length))
    for (const [key, element] of entries) {
      pack(key, out)
      pack(element, out)
    }
  }
}

/** MessagePack of unsigned numbers below 2^32, texts, bytes, arrays and maps. */
const encode = (value: Packable): Uint8Array => {
  const out: Uint8Array[] = []
  pack(value, out)
  return Buffer.concat(out)
}
