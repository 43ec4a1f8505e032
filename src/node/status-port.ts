import { hostname } from 'node:os'
import {
  createStatusServer,
  evidenceRoute,
  History,
  type StatusPlace,
  type StatusRoute,
  type StatusView,
  VIEW_MEMBERS_MAX,
} from '../api/index.ts'
import { type Attester, explainQuote, parseQuote } from '../attest/index.ts'
import { type Clock, type Log, messageOf, UsageError } from '../base/index.ts'
import { wordsOf } from './alarm-words.ts'
import { VERSION } from './apps.ts'
import type { NodeEvents } from './events.ts'
import type { Membership } from './membership.ts'
import { Outsiders } from './outsiders.ts'
import type { NodeStatus } from './status.ts'

/** Where a node shows itself over HTTP. */
export interface StatusPortInit extends StatusPlace {
  /** Host names under which it is asked for, besides this machine's, `localhost` and IP addresses. */
  readonly names?: readonly string[]
}

export interface StatusPortParts {
  readonly place: StatusPortInit
  readonly status: () => NodeStatus
  readonly membership: () => Membership | undefined
  readonly events: NodeEvents
  readonly clock: Clock
  readonly log: Log
  /** The TD's attester, once it is open. */
  readonly attester: () => Attester | undefined
  /** Resolves when no member waits for a quote of this TD. */
  readonly idle: (signal: AbortSignal) => Promise<void>
  readonly signal: AbortSignal
  /** What else the port serves. */
  readonly routes?: readonly StatusRoute[]
}

/** A running status port. */
export interface StatusPort {
  readonly url: string
  stop(): Promise<void>
}

/** Opens the status page and what stands beside it. Throws UsageError where the place cannot be had. */
export const openStatusPort = async (parts: StatusPortParts): Promise<StatusPort> => {
  const { place, status, membership, events, clock, log, routes = [] } = parts
  const history = new History(clock)
  const quoteFields = fieldsOfQuote()
  const startedMs = clock.now()
  const server = await createStatusServer({
    source: {
      status,
      view: (): StatusView<NodeStatus> => {
        const shown = status()
        return {
          version: VERSION,
          startedMs,
          status: { ...shown, members: shown.members.slice(0, VIEW_MEMBERS_MAX) },
          memberCount: shown.members.length,
          quote: quoteFields(membership()),
          joins: history.minutes(),
          happened: history.recent(),
        }
      },
      health: () => healthOf(status(), membership()),
    },
    routes: [evidenceRoute(new Outsiders(parts), clock), ...routes],
    names: [hostname(), ...(place.names ?? [])],
    clock,
    log,
  })
  const ignore = events.listen((event) => {
    // Every message and every judgement: for who counts.
    if (event.kind === 'gossip' || event.kind === 'judged') return
    // A member's newer record is no news for people.
    if (event.kind === 'alarm') history.note({ ...event, ...wordsOf(event.alarm) })
    else if (event.kind !== 'member' || event.change !== 'updated') history.note(event)
    server.changed()
  })
  try {
    const url = await server.listen(place)
    log.info('status.listening', { url })
    return {
      url,
      async stop() {
        ignore()
        await server.stop()
      },
    }
  } catch (cause) {
    ignore()
    throw new UsageError('status_port', `cannot open the status port: ${messageOf(cause)}`, {
      next: 'give --status-listen another address and port, or none',
      cause,
    })
  }
}

/** A lapsed member that still serves its apps is healthy: whoever restarted it would lose its keyring. */
const healthOf = ({ state }: NodeStatus, membership: Membership | undefined): { healthy: boolean; words: string } => {
  const healthy = (state === 'member' || state === 'lapsed') && membership?.serves() === true
  return { healthy, words: state }
}

/** The fields of the own quote, taken apart anew only when there is another. */
const fieldsOfQuote = (): ((membership: Membership | undefined) => Record<string, string> | null) => {
  let of: Uint8Array | undefined
  let fields: Record<string, string> | null = null
  return (membership) => {
    const quote = membership?.evidence.quote
    if (quote !== of) {
      of = quote
      fields = quote === undefined ? null : explainQuote(parseQuote(quote))
    }
    return fields
  }
}
