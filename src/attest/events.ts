import { createHash } from 'node:crypto'
import { CLUSTER_ID_BYTES, HASH_BYTES } from '../../protocols/wire/constants.ts'
import type { TdEvent } from './attester.ts'

/** An app as RTMR3 states it (keys.md, "Who is the app?"). */
export interface AppIdentity {
  /** 20 bytes. */
  appId: Uint8Array
  /** SHA-256 of its compose file. */
  composeHash: Uint8Array
  /** At most 20 bytes; empty for an app without instance ids. */
  instanceId: Uint8Array
}

/** What an event log says that the TD runs, and whose keys its apps get. */
export interface TdIdentity {
  apps: AppIdentity[]
  /** The cluster id: 32 bytes. */
  keyProvider: Uint8Array
}

/** A log, or the beginnings of one, that does not state an identity. */
export class EventLogError extends Error {
  override readonly name = 'EventLogError'
}

export const RTMR_BYTES = 48
export const APP_ID_BYTES = 20
const INSTANCE_ID_BYTES_MAX = 20
/** How many apps one TD may state. */
export const APPS_MAX = 64

/** Before the first event. */
export const RTMR_ZERO = new Uint8Array(RTMR_BYTES)
/** dstack's event type for run time events of RTMR3, little endian. */
const EVENT_TYPE = Uint8Array.of(0x01, 0x00, 0x00, 0x08)

/** SHA-384(u32le(0x08000001) ‖ ":" ‖ name ‖ ":" ‖ payload): dstack's digest of an event. */
export const eventDigest = ({ name, payload }: TdEvent): Uint8Array =>
  createHash('sha384').update(EVENT_TYPE).update(':').update(name, 'utf8').update(':').update(payload).digest()

/** The register's next value: SHA-384(register ‖ digest), as the TDX module extends it. */
export const extendRtmr = (rtmr: Uint8Array, event: TdEvent): Uint8Array =>
  Uint8Array.from(createHash('sha384').update(rtmr).update(eventDigest(event)).digest())

/** What RTMR3 holds after these events. */
export const replayRtmr = (events: readonly TdEvent[]): Uint8Array => events.reduce(extendRtmr, RTMR_ZERO)

/** The events that a node extends RTMR3 with before its network and its sockets open. */
export const tdEvents = (apps: readonly AppIdentity[], clusterId: Uint8Array): TdEvent[] => {
  const events = [
    ...apps.flatMap(({ appId, composeHash, instanceId }) => [
      { name: 'app-id', payload: appId },
      { name: 'compose-hash', payload: composeHash },
      { name: 'instance-id', payload: instanceId },
    ]),
    { name: 'key-provider', payload: clusterId },
  ]
  // What this side writes is what the other side reads: never extend with what every judge would refuse.
  readIdentity(events)
  return events
}

/**
 * What a log states: one to 64 times app-id, compose-hash, instance-id, then key-provider, and nothing else.
 * Throws {@link EventLogError}.
 */
export const readIdentity = (events: readonly TdEvent[]): TdIdentity => {
  const groups = (events.length - 1) / 3
  if (!Number.isInteger(groups) || groups < 1 || groups > APPS_MAX) {
    throw new EventLogError(`${events.length} events: not three for each of 1 to ${APPS_MAX} apps and one for the cluster`)
  }
  const payload = (index: number, name: string, minBytes: number, maxBytes = minBytes): Uint8Array => {
    const event = events[index]!
    if (event.name !== name) throw new EventLogError(`event ${index} is not ${name}`)
    const { length } = event.payload
    if (length < minBytes || length > maxBytes) throw new EventLogError(`event ${index}, ${name}, has ${length} bytes`)
    return event.payload
  }
  const apps: AppIdentity[] = []
  const seen = new Set<string>()
  for (let at = 0; at < events.length - 1; at += 3) {
    const appId = payload(at, 'app-id', APP_ID_BYTES)
    const id = Buffer.from(appId).toString('hex')
    if (seen.has(id)) throw new EventLogError(`app ${id} is stated twice`)
    seen.add(id)
    apps.push({
      appId,
      composeHash: payload(at + 1, 'compose-hash', HASH_BYTES),
      instanceId: payload(at + 2, 'instance-id', 0, INSTANCE_ID_BYTES_MAX),
    })
  }
  return { apps, keyProvider: payload(events.length - 1, 'key-provider', CLUSTER_ID_BYTES) }
}
