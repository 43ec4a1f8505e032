import { aboutCollateralAlarm, type OnCollateralAlarm } from '../attest/index.ts'
import type { Clock } from '../base/index.ts'
import { type AlarmCode, type AlarmWords, wordsOf } from './alarm-words.ts'
import type { NodeEvent, NodeEvents } from './events.ts'

/** An alarm that is on. */
export interface AlarmStatus extends AlarmWords {
  alarm: AlarmCode
  since: string
  /** The member that it is about. */
  peerId?: string
  /** Or what else: a collateral service, a file, a platform. */
  about?: string
}

/** Of those about members: these can be many, and each can have its clock wrong. All others are of this node's own, and are shown. */
const MEMBERS_SHOWN_MAX = 64

/** The alarms that are on, for who looks later than they were told. */
export class Alarms {
  readonly #on = new Map<string, AlarmStatus>()

  constructor(events: NodeEvents, clock: Pick<Clock, 'now'>) {
    events.listen((event) => {
      if (event.kind === 'alarm') this.#note(event, clock.now())
    })
  }

  /** The oldest first. */
  list(): AlarmStatus[] {
    return [...this.#on.values()]
  }

  get #membersShown(): number {
    return this.list().filter(({ peerId }) => peerId !== undefined).length
  }

  #note({ alarm, on, peerId, about }: Extract<NodeEvent, { kind: 'alarm' }>, nowMs: number): void {
    const key = JSON.stringify([alarm, peerId, about])
    if (!on) this.#on.delete(key)
    else if (!this.#on.has(key) && (peerId === undefined || this.#membersShown < MEMBERS_SHOWN_MAX)) {
      const since = new Date(nowMs).toISOString()
      this.#on.set(key, {
        alarm,
        since,
        ...(peerId !== undefined && { peerId }),
        ...(about !== undefined && { about }),
        ...wordsOf(alarm),
      })
    }
  }
}

/** What the collateral store tells, as the node's own alarms. */
export const collateralAlarms =
  (events: NodeEvents): OnCollateralAlarm =>
  (alarm, on) =>
    events.emit({ kind: 'alarm', alarm: `collateral_${alarm.kind}`, on, about: aboutCollateralAlarm(alarm) })
