/**
 * Who is challenged when, and what this node does about its own credential (protocols.md, "challenge"). Pure: the caller owns
 * clock, sockets and table, hands in what happened and what it knows, and does what it is told.
 */
import type { AnswerOutcome, ChallengeOutcome } from '../../protocols/challenge/index.ts'

// Tuning. Shares are of a credential's lifetime as the policy has it.

/** From this age on a member may be challenged. Higher: fewer renewals, and later ones. */
const CHALLENGED_FROM = 0.35
/**
 * How fast the rate of challenges to one member, by all others together, grows with its age: rate = SLOPE · (age − FROM), a
 * lifetime. The median age is then FROM + √(2 ln 2 / SLOPE) = 0.50, and 95 in 100 are renewed before FROM + √(6 / SLOPE) = 0.67.
 */
const SLOPE = 60
/** Mean time between two looks at whom to challenge: no node begins more than one challenge in half of this. */
const LOOK_SHARE = 1 / 64
/** The same while a member waits to be made whole. */
const MEET_SHARE = 1 / 256
/** A node asks to be challenged when this much is left. */
const ASK_SHARE = 1 / 3
/** Mean time between two Asks; doubled with each one while lapsed, up to the longest. */
const ASK_PACE_SHARE = 1 / 96
const PACE_MAX_SHARE = 1 / 12
/** The last part of a lease: who hears from no member in it is alone. */
const LAST_SHARE = 1 / 4
/** Where members are known but silent, a node waits until this much is left before it calls itself alone. Enough for a few quotes. */
const ALONE_SHARE = 1 / 32
/** How long a member is left in peace that answered: it would not answer again sooner (challenge's ANSWER_SHARE). */
const ANSWERED_PAUSE_SHARE = 1 / 4
/** And one that did not. */
const UNANSWERED_PAUSE_SHARE = 1 / 16
/** A self-issue that failed is tried again after this, doubled with each, up to PACE_MAX_SHARE. */
const SELF_ISSUE_PACE_MS = 30_000
/** An exchange that nobody told the end of is forgotten. Longer than any can take. */
const IN_FLIGHT_MAX_MS = 120_000
/** policy-and-anchor.md, "Now": how far the own clock may be from the median of at least this many members'. */
const CLOCK_OFF_MAX_MS = 600_000
const CLOCKS_MIN = 3
/** Members whose clocks are remembered: as many as a table holds. */
const HEARD_MAX = 10_000

/** The same moment by all clocks. */
export interface Now {
  /** Unix milliseconds, never less than has passed since the start. */
  wallMs: number
  /** What the machine's clock shows, Unix milliseconds: what this node issues is dated by it. */
  hostMs: number
  monotonicMs: number
}

/** Another member, or one that would be again: lapsed or self-issued, and met lately. Nobody who is out for good. */
export interface MemberFacts {
  peerId: string
  standing: 'active' | 'self_issued' | 'lapsed'
  /** When it was judged last: its credential's `issued_at`, Unix milliseconds. */
  judgedAtMs: number
  /** As this node sees it. */
  reachable: boolean
}

/** What the node knows when it calls. */
export interface RenewalView {
  /** `remainingMs` by whichever of the two clocks says less; not positive when the credential has run out. */
  own: { remainingMs: number; selfIssued: boolean }
  /** Everybody but this node. */
  members: readonly MemberFacts[]
}

export type RenewalEvent =
  /** The time of the last `wakeAtMs` has come, or the table has changed. */
  | { type: 'tick' }
  /**
   * A record by a peer that is or was a member, with signatures that hold; also one that was refused for its times alone: a
   * node whose clock is wrong hears nothing else.
   */
  | { type: 'heard'; peerId: string; sentAtMs: number }
  /** A challenge that this node made, asked for or not, has ended. */
  | { type: 'challenged'; peerId: string; outcome: ChallengeOutcome['outcome'] }
  /** An Ask of this node has ended. */
  | { type: 'asked'; peerId: string; answer: AskAnswer }
  /** A member has challenged this node unasked, and was answered. */
  | { type: 'answered'; peerId: string }
  | { type: 'self_issued'; ok: boolean }

/** What came of an Ask: a new credential; a judgement without one; a sign of life; nothing. */
export type AskAnswer = 'renewed' | 'judged' | 'alive' | 'none'

export type RenewalEffect =
  | { type: 'challenge'; peerId: string }
  /** Ask this member for a challenge; a lapsed node does that by opening the sync stream. */
  | { type: 'ask'; peerId: string }
  | { type: 'self_issue' }
  /** Said once when it begins and once when it ends. `peerId`: whose clock. */
  | { type: 'alarm'; alarm: RenewalAlarm; on: boolean; peerId?: string }
export type RenewalAlarm = 'renewal_late' | 'lapsed' | 'serving_ended' | 'own_clock' | 'member_clock'

export interface RenewalState {
  standing: 'active' | 'self_issued' | 'lapsed'
  /** Whether this node may issue credentials now, and judge others at all. */
  mayIssue: boolean
  /** Whether the policy lets it serve its apps. */
  serves: boolean
  /** How far the members' clocks are ahead of this node's, where that is too far. */
  clockOffMs?: number
}

/** What an outcome of challenge's Ask says about the member that was asked. */
export const askAnswer = (outcome: AnswerOutcome): AskAnswer => {
  switch (outcome.outcome) {
    case 'renewed':
      return 'renewed'
    case 'refused':
      if (outcome.judged) return 'judged'
      // Whoever may not issue is no help, however alive.
      return outcome.refusal.code === 'busy' || outcome.refusal.code === 'rate_limited' ? 'alive' : 'none'
    case 'silent':
    case 'declined':
      // It challenged us; that we did not answer is ours.
      return 'alive'
    case 'no_verdict':
      return 'none'
  }
}

interface Heard {
  sentAtMs: number
  receivedMonotonicMs: number
}

export class Renewal {
  readonly #lifetimeMs: number
  readonly #lapsedServeMs: number
  readonly #random: { uniform(): number }
  readonly #heard = new Map<string, Heard>()
  /** Monotonic: not to be challenged before. */
  readonly #peace = new Map<string, number>()
  /** Monotonic: not to be asked before. */
  readonly #askPeace = new Map<string, number>()
  readonly #alarms = new Map<string, { alarm: RenewalAlarm; peerId?: string }>()
  #challenging: { peerId: string; sinceMs: number } | undefined
  #asking: { peerId: string; sinceMs: number } | undefined
  #selfIssuingSinceMs: number | undefined
  /** Monotonic. Undefined before the first event. */
  #nextLookMs: number | undefined
  #lookIntervalMs = 0
  #nextAskMs = 0
  #nextSelfIssueMs = 0
  #lapsedAsks = 0
  #failedSelfIssues = 0
  #lastAnswerMs = Number.NEGATIVE_INFINITY
  /** Members still to be asked in this round. */
  #turn: string[] = []

  /** @param init.lifetimeMs - the policy's credential lifetime */
  constructor(init: { lifetimeMs: number; lapsedServeMs: number; random: { uniform(): number } }) {
    this.#lifetimeMs = init.lifetimeMs
    this.#lapsedServeMs = init.lapsedServeMs
    this.#random = init.random
  }

  /** What to do now, and when (monotonic milliseconds) to come again at the latest. */
  handle(event: RenewalEvent, view: RenewalView, now: Now): { effects: RenewalEffect[]; wakeAtMs: number } {
    this.#note(event, now)
    const effects: RenewalEffect[] = []
    const clockOffMs = this.#clockOff(now)
    this.#raiseAlarms(view, now, clockOffMs, effects)
    this.#look(view, now, clockOffMs === undefined, effects)
    this.#askIfOld(view, now, effects)
    this.#selfIssueIfAlone(view, now, clockOffMs === undefined, effects)
    return { effects, wakeAtMs: this.#wakeAt(view, now) }
  }

  /** Where this node stands; computed anew, so a clock that was just set wrong is noticed at once. */
  state(view: RenewalView, now: Now): RenewalState {
    const { remainingMs, selfIssued } = view.own
    const clockOffMs = this.#clockOff(now)
    return {
      standing: remainingMs <= 0 ? 'lapsed' : selfIssued ? 'self_issued' : 'active',
      mayIssue: remainingMs > 0 && clockOffMs === undefined,
      serves: remainingMs > -this.#lapsedServeMs,
      ...(clockOffMs !== undefined && { clockOffMs }),
    }
  }

  #note(event: RenewalEvent, { monotonicMs }: Now): void {
    switch (event.type) {
      case 'tick':
        break
      case 'heard':
        this.#heard.delete(event.peerId)
        if (this.#heard.size >= HEARD_MAX) this.#heard.delete(this.#heard.keys().next().value!)
        this.#heard.set(event.peerId, { sentAtMs: event.sentAtMs, receivedMonotonicMs: monotonicMs })
        break
      case 'challenged': {
        if (this.#challenging?.peerId === event.peerId) this.#challenging = undefined
        const share = event.outcome === 'no_answer' ? UNANSWERED_PAUSE_SHARE : ANSWERED_PAUSE_SHARE
        this.#peace.set(event.peerId, monotonicMs + this.#share(share))
        if (event.outcome !== 'no_answer') this.#lastAnswerMs = monotonicMs
        break
      }
      case 'asked':
        if (this.#asking?.peerId === event.peerId) this.#asking = undefined
        if (event.answer !== 'none') this.#lastAnswerMs = monotonicMs
        // This node would not answer the same verifier sooner.
        if (event.answer === 'judged') this.#askPeace.set(event.peerId, monotonicMs + this.#share(ANSWERED_PAUSE_SHARE))
        break
      case 'answered':
        this.#lastAnswerMs = monotonicMs
        break
      case 'self_issued':
        this.#selfIssuingSinceMs = undefined
        this.#failedSelfIssues = event.ok ? 0 : this.#failedSelfIssues + 1
        if (!event.ok) {
          const paceMs = SELF_ISSUE_PACE_MS * 2 ** Math.min(this.#failedSelfIssues - 1, 20)
          this.#nextSelfIssueMs = monotonicMs + this.#jittered(Math.min(paceMs, this.#share(PACE_MAX_SHARE)))
        }
        break
    }
  }

  // Challenging others.

  /** A look at random times; at each, with a chance that grows with the members' ages, one of them is challenged. */
  #look(view: RenewalView, now: Now, clockAgrees: boolean, effects: RenewalEffect[]): void {
    const { monotonicMs } = now
    const mayIssue = clockAgrees && view.own.remainingMs > 0
    const waiting = mayIssue ? this.#waiting(view, monotonicMs) : []
    if (this.#nextLookMs === undefined) this.#scheduleLook(monotonicMs, waiting.length > 0)
    if (waiting.length > 0 && this.#nextLookMs! - monotonicMs > 2 * this.#share(MEET_SHARE)) this.#scheduleLook(monotonicMs, true)
    if (monotonicMs < this.#nextLookMs!) return

    const elapsedMs = this.#lookIntervalMs
    this.#scheduleLook(monotonicMs, waiting.length > 0)
    for (const [peerId, untilMs] of this.#peace) if (untilMs <= monotonicMs) this.#peace.delete(peerId)
    if (!mayIssue || this.#inFlight(this.#challenging, monotonicMs)) return
    const peerId =
      waiting.length > 0
        ? waiting[Math.floor(this.#random.uniform() * waiting.length)]!.peerId
        : this.#oldest(view, now, elapsedMs)
    if (peerId === undefined) return
    this.#challenging = { peerId, sinceMs: monotonicMs }
    effects.push({ type: 'challenge', peerId })
  }

  /** Whoever this node can make whole. A self-issued node is a member to other self-issued ones only. */
  #waiting({ own, members }: RenewalView, monotonicMs: number): MemberFacts[] {
    return members.filter(
      ({ peerId, standing, reachable }) =>
        reachable &&
        (standing === 'self_issued' || (standing === 'lapsed' && !own.selfIssued)) &&
        (this.#peace.get(peerId) ?? 0) <= monotonicMs,
    )
  }

  /** One of the active members, or none: each with this node's share of the rate that its age gives. */
  #oldest({ own, members }: RenewalView, { wallMs, monotonicMs }: Now, elapsedMs: number): string | undefined {
    if (own.selfIssued) return undefined
    const active = members.filter(({ standing, reachable }) => standing === 'active' && reachable)
    if (active.length === 0) return undefined
    const candidates = active
      .filter(({ peerId }) => (this.#peace.get(peerId) ?? 0) <= monotonicMs)
      .map(({ peerId, judgedAtMs }) => {
        const age = Math.min(Math.max((wallMs - judgedAtMs) / this.#lifetimeMs, 0), 1)
        return { peerId, rate: SLOPE * Math.max(0, age - CHALLENGED_FROM) }
      })
    const total = candidates.reduce((sum, { rate }) => sum + rate, 0)
    // Each of them has as many verifiers as this node sees members: those but itself, and this node.
    const expected = (total * elapsedMs) / this.#lifetimeMs / active.length
    if (!(this.#random.uniform() < 1 - Math.exp(-expected))) return undefined
    let left = this.#random.uniform() * total
    for (const { peerId, rate } of candidates) {
      left -= rate
      if (left < 0) return peerId
    }
    return undefined
  }

  #scheduleLook(monotonicMs: number, waiting: boolean): void {
    this.#lookIntervalMs = this.#jittered(this.#share(waiting ? MEET_SHARE : LOOK_SHARE))
    this.#nextLookMs = monotonicMs + this.#lookIntervalMs
  }

  // The own credential.

  #wantsToBeAsked({ own, members }: RenewalView): boolean {
    // Whose own word is all it has asks as soon as there is somebody to ask.
    return (own.selfIssued || own.remainingMs <= this.#share(ASK_SHARE)) && members.some(({ standing }) => standing === 'active')
  }

  #askIfOld(view: RenewalView, { monotonicMs }: Now, effects: RenewalEffect[]): void {
    if (view.own.remainingMs > 0) this.#lapsedAsks = 0
    if (!this.#wantsToBeAsked(view) || monotonicMs < this.#nextAskMs || this.#inFlight(this.#asking, monotonicMs)) return
    const paceMs = this.#share(ASK_PACE_SHARE) * 2 ** Math.min(this.#lapsedAsks, 10)
    this.#nextAskMs = monotonicMs + this.#jittered(Math.min(paceMs, this.#share(PACE_MAX_SHARE)))
    if (view.own.remainingMs <= 0) this.#lapsedAsks++
    const peerId = this.#nextInTurn(view, monotonicMs)
    if (peerId === undefined) return
    this.#asking = { peerId, sinceMs: monotonicMs }
    effects.push({ type: 'ask', peerId })
  }

  /** Members in turn, in an order that is drawn anew for each round; the unreachable only when there are no others. */
  #nextInTurn({ members }: RenewalView, monotonicMs: number): string | undefined {
    for (const [peerId, untilMs] of this.#askPeace) if (untilMs <= monotonicMs) this.#askPeace.delete(peerId)
    const active = members.filter(({ peerId, standing }) => standing === 'active' && !this.#askPeace.has(peerId))
    const reachable = active.filter((member) => member.reachable)
    const askable = new Set((reachable.length > 0 ? reachable : active).map(({ peerId }) => peerId))
    for (let round = 0; round < 2; round++) {
      for (let peerId = this.#turn.pop(); peerId !== undefined; peerId = this.#turn.pop()) {
        if (askable.has(peerId)) return peerId
      }
      this.#turn = this.#shuffled([...askable])
    }
    return undefined
  }

  /** Alone: no member answered during the last quarter of the lease, or it has lapsed. */
  #selfIssueIfAlone(view: RenewalView, now: Now, clockAgrees: boolean, effects: RenewalEffect[]): void {
    const { monotonicMs } = now
    if (!clockAgrees || !this.#isAlone(view, now) || monotonicMs < this.#nextSelfIssueMs) return
    if (this.#selfIssuingSinceMs !== undefined && monotonicMs - this.#selfIssuingSinceMs < IN_FLIGHT_MAX_MS) return
    this.#selfIssuingSinceMs = monotonicMs
    effects.push({ type: 'self_issue' })
  }

  #isAlone({ own, members }: RenewalView, { monotonicMs }: Now): boolean {
    if (own.remainingMs <= 0) return true
    const lastMs = this.#share(LAST_SHARE)
    if (own.remainingMs > lastMs) return false
    const quarterBeganMs = monotonicMs - (lastMs - own.remainingMs)
    if (this.#lastAnswerMs >= quarterBeganMs) return false
    // With nobody to ask there is nothing to wait for.
    return own.remainingMs <= this.#share(ALONE_SHARE) || !members.some(({ standing }) => standing === 'active')
  }

  // Clocks and alarms.

  /**
   * How far each member's clock is ahead of ours: what it said when it was heard, and the time that has passed since by a
   * clock that nobody can set. Gossiped times judge nobody; they only tell whom not to trust with judging.
   */
  #clocksAhead(oursMs: number, monotonicMs: number): { peerId: string; aheadMs: number }[] {
    const clocks: { peerId: string; aheadMs: number }[] = []
    for (const [peerId, { sentAtMs, receivedMonotonicMs }] of this.#heard) {
      const sinceMs = monotonicMs - receivedMonotonicMs
      if (sinceMs > this.#lifetimeMs) this.#heard.delete(peerId)
      else clocks.push({ peerId, aheadMs: sentAtMs + sinceMs - oursMs })
    }
    return clocks
  }

  /** How far the members' clocks are ahead of ours, when that is too far: of the host's, or of the time that we go by. */
  #clockOff({ wallMs, hostMs, monotonicMs }: Now): number | undefined {
    return this.#medianOff(hostMs, monotonicMs) ?? (wallMs === hostMs ? undefined : this.#medianOff(wallMs, monotonicMs))
  }

  /** Of two medians the nearer: half of them prove nothing. */
  #medianOff(oursMs: number, monotonicMs: number): number | undefined {
    const ahead = this.#clocksAhead(oursMs, monotonicMs).map(({ aheadMs }) => aheadMs)
    // Where none is far off, no median is.
    if (ahead.length < CLOCKS_MIN || ahead.every((ms) => Math.abs(ms) <= CLOCK_OFF_MAX_MS)) return undefined
    ahead.sort((a, b) => a - b)
    const [low, high] = [ahead[Math.floor((ahead.length - 1) / 2)]!, ahead[Math.floor(ahead.length / 2)]!]
    const median = Math.abs(low) < Math.abs(high) ? low : high
    return Math.abs(median) > CLOCK_OFF_MAX_MS ? median : undefined
  }

  #raiseAlarms({ own }: RenewalView, now: Now, clockOffMs: number | undefined, effects: RenewalEffect[]): void {
    const raised = new Map<string, { alarm: RenewalAlarm; peerId?: string }>()
    const raise = (alarm: RenewalAlarm, when: boolean): void => {
      if (when) raised.set(alarm, { alarm })
    }
    raise('renewal_late', own.remainingMs > 0 && !own.selfIssued && own.remainingMs <= this.#share(LAST_SHARE))
    raise('lapsed', own.remainingMs <= 0)
    raise('serving_ended', own.remainingMs <= -this.#lapsedServeMs)
    raise('own_clock', clockOffMs !== undefined)
    const clocks = clockOffMs === undefined ? this.#clocksAhead(now.hostMs, now.monotonicMs) : []
    // With fewer than three others nobody can say whose clock is wrong.
    for (const { peerId, aheadMs } of clocks.length >= CLOCKS_MIN ? clocks : []) {
      if (Math.abs(aheadMs) > CLOCK_OFF_MAX_MS) raised.set(`member_clock ${peerId}`, { alarm: 'member_clock', peerId })
    }
    for (const [key, alarm] of this.#alarms) {
      if (raised.has(key)) continue
      this.#alarms.delete(key)
      effects.push({ type: 'alarm', on: false, ...alarm })
    }
    for (const [key, alarm] of raised) {
      if (this.#alarms.has(key)) continue
      this.#alarms.set(key, alarm)
      effects.push({ type: 'alarm', on: true, ...alarm })
    }
  }

  /** The next time by which something of the above can have changed by itself. */
  #wakeAt(view: RenewalView, { monotonicMs }: Now): number {
    const { remainingMs } = view.own
    const times = [this.#nextLookMs!]
    if (this.#wantsToBeAsked(view)) times.push(this.#nextAskMs)
    if (remainingMs <= this.#share(LAST_SHARE)) times.push(this.#nextSelfIssueMs)
    for (const leftMs of [this.#share(ASK_SHARE), this.#share(LAST_SHARE), this.#share(ALONE_SHARE), 0, -this.#lapsedServeMs]) {
      if (remainingMs > leftMs) times.push(monotonicMs + remainingMs - leftMs)
    }
    return Math.ceil(Math.min(...times.filter((time) => time > monotonicMs)))
  }

  #inFlight(exchange: { sinceMs: number } | undefined, monotonicMs: number): boolean {
    return exchange !== undefined && monotonicMs - exchange.sinceMs < IN_FLIGHT_MAX_MS
  }
  #share(share: number): number {
    return this.#lifetimeMs * share
  }
  /** Between half and one and a half of it. */
  #jittered(ms: number): number {
    return ms * (0.5 + this.#random.uniform())
  }
  #shuffled(items: string[]): string[] {
    for (let at = items.length - 1; at > 0; at--) {
      const other = Math.floor(this.#random.uniform() * (at + 1))
      ;[items[at], items[other]] = [items[other]!, items[at]!]
    }
    return items
  }
}
