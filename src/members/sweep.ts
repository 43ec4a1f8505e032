/**
 * Failure detection: who answers, as this node sees it. Pure of clock and network: events and the time go in, effects come out;
 * whoever drives it ticks, pings and asks. The same object runs in a node and in a simulation.
 */
import type { Random } from '../base/index.ts'
import { nextSlowness, stretched, suspicionMs } from './suspicion.ts'

// Implementation constants: tuning.

/** How often {@link Sweep} wants a tick. Higher: coarser timeouts. */
export const TICK_MS = 200
/** A tick later than this says that this node does not keep up. */
const LATE_TICK_MS = 250
/** Answers count against our slowness only after so long without a late tick. Higher: a node that runs in bursts stays careful. */
const CALM_MS = 5_000
/** One random member is pinged this often, jittered by a quarter. Lower: silent failures are noticed sooner, more traffic. */
const PING_INTERVAL_MS = 1_000
/** Higher: fewer healthy but slow members are asked about. Lower: faster. */
const PING_TIMEOUT_MS = 1_500
/** Others that are asked to ping who does not answer us. Higher: a bad link of ours is found out more surely. */
const ASKED = 3
/** Their ping, and the way there and back. */
const ASK_TIMEOUT_MS = 2_000
/** How long who answers nobody may still contradict; see suspicionMs. */
const SUSPICION_MIN_MS = 1_500
const SUSPICION_MAX_MS = 6_000
/** Members that are checked at once. Higher: a burst of closed connections is worked off faster, and loads more. */
const CHECKS_MAX = 64
/** An unreachable member is pinged again after this, then after twice as long, and so on. */
const RETRY_MIN_MS = 1_000
const RETRY_MAX_MS = 30_000
/** When one of several that were lost is back, the rest are pinged again within this. */
const BACK_SPREAD_MS = 2_000
/** The same member is accused again no sooner than this: a flapping one must not fill the topic. */
const HINT_PAUSE_MS = 10_000
/** Whom so many others have accused needs no more accusers: a death costs a few messages, not one by each member. */
const HINTS_ENOUGH = ASKED
/** Accused ourselves, we answer no oftener than this. */
const REFUTE_PAUSE_MS = 2_000
/** From this slowness on a node accuses nobody. */
const SLOW = 3

/** Peers are named by any string, the same for one peer always. */
export type SweepEvent =
  /** Every {@link TICK_MS}. */
  | { kind: 'tick' }
  /** The active members that there are to watch, without this node. */
  | { kind: 'members'; peers: readonly string[] }
  /** It answered a ping, or opened a stream to us. */
  | { kind: 'answered'; peer: string }
  /** A ping came to nothing before its time was up: nobody listens there, or the connection broke. */
  | { kind: 'refused'; peer: string }
  /** What a member says that we had asked to ping another one. */
  | { kind: 'told'; via: string; peer: string; reached: boolean }
  /** The last connection to it closed. */
  | { kind: 'closed'; peer: string }
  /** A newer record of it came, by whatever way. */
  | { kind: 'spoke'; peer: string }
  /** Another member cannot reach it. */
  | { kind: 'hint'; author: string; peer: string }
  /** Another member cannot reach us. */
  | { kind: 'accused' }

export type SweepEffect =
  | { kind: 'ping'; peer: string; timeoutMs: number }
  | { kind: 'ask'; via: string; peer: string; timeoutMs: number }
  /** Tell the others that it does not answer. */
  | { kind: 'hint'; peer: string }
  | { kind: 'unreachable'; peer: string }
  | { kind: 'reachable'; peer: string }
  /** Publish the own record now: somebody takes us for dead. */
  | { kind: 'refute' }

interface Watched {
  readonly peer: string
  reachable: boolean
  phase: 'idle' | 'pinged' | 'asked' | 'suspected'
  /** Of the phase. */
  untilMs: number
  /** When it was last suspected from. */
  suspectedAtMs: number
  /** Members that were asked and have not answered. */
  readonly asked: Set<string>
  /** Members that cannot reach it either. */
  readonly confirmed: Set<string>
  /** Those of them that have told everybody. */
  readonly accusers: Set<string>
  /** Its host says so, not only its silence. */
  refused: boolean
  /** While unreachable. */
  retryAtMs: number
  retryPauseMs: number
  hintedAtMs: number
}

export class Sweep {
  readonly #random: Pick<Random, 'uniform'>
  readonly #watched = new Map<string, Watched>()
  /** Who is still to be pinged in this round: each once, in random order, so that nobody waits for longer than two rounds. */
  #round: string[] = []
  /** Who is to be pinged as soon as a check ends. */
  readonly #urgent = new Set<string>()
  /** Members in any phase but idle. */
  readonly #checked = new Set<string>()
  #slowness = 0
  #lastTickMs: number | undefined
  #lateAtMs = Number.NEGATIVE_INFINITY
  #nextPingMs = 0
  #refutedAtMs = Number.NEGATIVE_INFINITY
  #effects: SweepEffect[] = []

  constructor(random: Pick<Random, 'uniform'>) {
    this.#random = random
  }

  /** How slow this node takes itself to be: 0 to 8. */
  get slowness(): number {
    return this.#slowness
  }

  /** Whether this node would offer that member to anybody. Who is not watched is not reachable. */
  reachable(peer: string): boolean {
    return this.#watched.get(peer)?.reachable === true
  }

  /** Whether it is watched and does not answer. */
  lost(peer: string): boolean {
    return this.#watched.get(peer)?.reachable === false
  }

  /**
   * @param nowMs - monotonic milliseconds, never less than before
   * @returns what is to be done, in this order
   */
  handle(event: SweepEvent, nowMs: number): SweepEffect[] {
    this.#effects = []
    switch (event.kind) {
      case 'tick':
        this.#tick(nowMs)
        break
      case 'members':
        this.#watch(event.peers, nowMs)
        break
      case 'accused':
        this.#accused(nowMs)
        break
      default: {
        const watched = this.#watched.get(event.peer)
        if (watched !== undefined) this.#about(watched, event, nowMs)
      }
    }
    return this.#effects
  }

  #about(watched: Watched, event: Exclude<SweepEvent, { kind: 'tick' | 'members' | 'accused' }>, nowMs: number): void {
    switch (event.kind) {
      case 'answered':
        if (watched.phase === 'pinged' && nowMs - this.#lateAtMs > CALM_MS) this.#slowness = nextSlowness(this.#slowness, -1)
        this.#lives(watched)
        break
      case 'refused':
        if (watched.phase === 'pinged') this.#silent(watched, true, nowMs)
        break
      case 'told':
        this.#told(watched, event, nowMs)
        break
      case 'closed':
        // A ping may have been lost with the connection; a new one tells whether anybody listens there.
        if (watched.phase === 'pinged')
          this.#effects.push({ kind: 'ping', peer: watched.peer, timeoutMs: watched.untilMs - nowMs })
        else this.#check(watched, nowMs)
        break
      case 'spoke':
        // It lives. Whether we reach it, only a ping can tell.
        if (watched.reachable) this.#idle(watched)
        else this.#check(watched, nowMs)
        break
      case 'hint':
        if (!watched.reachable) break
        watched.confirmed.add(event.author)
        watched.accusers.add(event.author)
        if (watched.phase === 'idle') this.#check(watched, nowMs)
        else this.#confirmed(watched, nowMs)
        break
    }
  }

  /** Only who was asked has a say, and each one once. */
  #told(watched: Watched, { via, reached }: { via: string; reached: boolean }, nowMs: number): void {
    if (!watched.asked.delete(via)) return
    if (reached) {
      this.#lives(watched)
      return
    }
    watched.confirmed.add(via)
    if (watched.phase === 'asked' && watched.asked.size === 0) this.#suspect(watched, nowMs)
    else this.#confirmed(watched, nowMs)
  }

  #tick(nowMs: number): void {
    const lateMs = nowMs - (this.#lastTickMs ?? nowMs) - TICK_MS
    this.#lastTickMs = nowMs
    if (lateMs > LATE_TICK_MS) {
      // What came while we did not run still waits to be read: that time is ours, not theirs.
      this.#slowness = nextSlowness(this.#slowness, 1)
      this.#lateAtMs = nowMs
      for (const peer of this.#checked) this.#postpone(this.#watched.get(peer)!, lateMs)
    }
    for (const peer of [...this.#checked]) this.#expire(this.#watched.get(peer)!, nowMs)
    for (const watched of this.#watched.values()) {
      if (!watched.reachable && watched.phase === 'idle' && watched.retryAtMs <= nowMs) this.#check(watched, nowMs)
    }
    if (nowMs >= this.#nextPingMs) {
      this.#nextPingMs = nowMs + stretched(PING_INTERVAL_MS, this.#slowness) * (0.75 + this.#random.uniform() / 2)
      this.#pingNext(nowMs)
    }
    for (const peer of [...this.#urgent]) {
      if (this.#checked.size >= CHECKS_MAX) break
      const watched = this.#watched.get(peer)!
      this.#urgent.delete(peer)
      this.#check(watched, nowMs)
    }
  }

  #postpone(watched: Watched, lateMs: number): void {
    watched.untilMs += lateMs
    watched.suspectedAtMs += lateMs
  }

  #expire(watched: Watched, nowMs: number): void {
    if (watched.untilMs > nowMs) return
    if (watched.phase === 'suspected') {
      this.#lost(watched, nowMs)
      return
    }
    // Of one that answered until now: it may be that we are too slow to see the answer, its own or that of those we asked,
    // who say yes or no.
    if (watched.reachable) this.#slowness = nextSlowness(this.#slowness, 1)
    if (watched.phase === 'pinged') this.#silent(watched, false, nowMs)
    else this.#suspect(watched, nowMs)
  }

  #watch(peers: readonly string[], nowMs: number): void {
    const wanted = new Set(peers)
    for (const peer of [...this.#watched.keys()]) {
      if (wanted.has(peer)) continue
      this.#watched.delete(peer)
      this.#checked.delete(peer)
      this.#urgent.delete(peer)
    }
    for (const peer of wanted) {
      if (this.#watched.has(peer)) continue
      this.#watched.set(peer, {
        peer,
        reachable: true,
        phase: 'idle',
        untilMs: 0,
        suspectedAtMs: 0,
        asked: new Set(),
        confirmed: new Set(),
        accusers: new Set(),
        refused: false,
        retryAtMs: nowMs,
        retryPauseMs: RETRY_MIN_MS,
        hintedAtMs: Number.NEGATIVE_INFINITY,
      })
    }
  }

  /** The next of this round; a new round when it is through. */
  #pingNext(nowMs: number): void {
    for (let rounds = 0; rounds < 2; rounds++) {
      for (let peer = this.#round.pop(); peer !== undefined; peer = this.#round.pop()) {
        const watched = this.#watched.get(peer)
        // Those that do not answer have their own times.
        if (watched?.reachable === true && watched.phase === 'idle') {
          this.#check(watched, nowMs)
          return
        }
      }
      this.#round = this.#shuffled([...this.#watched.keys()])
    }
  }

  #check(watched: Watched, nowMs: number): void {
    if (watched.phase !== 'idle') return
    if (this.#checked.size >= CHECKS_MAX) {
      this.#urgent.add(watched.peer)
      return
    }
    const timeoutMs = stretched(PING_TIMEOUT_MS, this.#slowness)
    this.#enter(watched, 'pinged', nowMs + timeoutMs)
    this.#effects.push({ kind: 'ping', peer: watched.peer, timeoutMs })
  }

  /** It did not answer us: do others reach it? */
  #silent(watched: Watched, refused: boolean, nowMs: number): void {
    watched.refused = refused
    if (!watched.reachable) {
      this.#retryLater(watched, nowMs)
      return
    }
    if (this.#isSure(watched)) {
      this.#suspect(watched, nowMs)
      return
    }
    const others = this.#shuffled([...this.#watched.values()].filter((other) => other.reachable && other !== watched))
    const asked = others.filter(({ phase }) => phase === 'idle').slice(0, ASKED)
    if (asked.length === 0) {
      this.#suspect(watched, nowMs)
      return
    }
    const timeoutMs = stretched(ASK_TIMEOUT_MS, this.#slowness)
    this.#enter(watched, 'asked', nowMs + timeoutMs)
    for (const { peer: via } of asked) {
      watched.asked.add(via)
      this.#effects.push({ kind: 'ask', via, peer: watched.peer, timeoutMs })
    }
  }

  /** Nobody reaches it. Unless its host itself says that it is gone, it has some time to contradict. */
  #suspect(watched: Watched, nowMs: number): void {
    this.#enter(watched, 'suspected', nowMs)
    watched.suspectedAtMs = nowMs
    const wanted = watched.accusers.size < HINTS_ENOUGH && nowMs - watched.hintedAtMs >= HINT_PAUSE_MS
    if (wanted && this.#slowness < SLOW) {
      watched.hintedAtMs = nowMs
      this.#effects.push({ kind: 'hint', peer: watched.peer })
    }
    this.#confirmed(watched, nowMs)
  }

  /** How many have to confirm a suspicion of one that was reachable until now; fewer others may be left that could. */
  #expected(): number {
    let others = -1
    for (const { reachable } of this.#watched.values()) {
      if (reachable && ++others === ASKED) break
    }
    return others
  }

  /** Its own host says that it is gone, and enough others do not reach it: whether they were asked or said so unasked. */
  #isSure({ refused, confirmed }: Watched): boolean {
    return refused && confirmed.size >= this.#expected()
  }

  /** Sets the end of a suspicion by who confirms it. */
  #confirmed(watched: Watched, nowMs: number): void {
    if (watched.phase === 'asked' && this.#isSure(watched)) this.#suspect(watched, nowMs)
    if (watched.phase !== 'suspected') return
    const { size } = watched.confirmed
    const waitMs = this.#isSure(watched) ? 0 : suspicionMs(size, this.#expected(), SUSPICION_MIN_MS, SUSPICION_MAX_MS)
    watched.untilMs = watched.suspectedAtMs + stretched(waitMs, this.#slowness)
    if (watched.untilMs <= nowMs) this.#lost(watched, nowMs)
  }

  #lost(watched: Watched, nowMs: number): void {
    watched.reachable = false
    watched.retryPauseMs = RETRY_MIN_MS
    this.#effects.push({ kind: 'unreachable', peer: watched.peer })
    this.#retryLater(watched, nowMs)
  }

  #retryLater(watched: Watched, nowMs: number): void {
    this.#idle(watched)
    watched.retryAtMs = nowMs + watched.retryPauseMs * (0.75 + this.#random.uniform() / 2)
    watched.retryPauseMs = Math.min(RETRY_MAX_MS, watched.retryPauseMs * 2)
  }

  #lives(watched: Watched): void {
    this.#idle(watched)
    if (watched.reachable) return
    watched.reachable = true
    this.#effects.push({ kind: 'reachable', peer: watched.peer })
    // A line that is back leads to more than one: the others are tried again now, not when their pauses are over.
    for (const other of this.#watched.values()) {
      if (other.reachable) continue
      other.retryAtMs = Math.min(other.retryAtMs, (this.#lastTickMs ?? 0) + BACK_SPREAD_MS * this.#random.uniform())
      // Nor is the next try far off, should this one be lost: much is sent when a line is back.
      other.retryPauseMs = RETRY_MIN_MS
    }
  }

  #accused(nowMs: number): void {
    // Somebody had no answer from us in time.
    this.#slowness = nextSlowness(this.#slowness, 1)
    if (nowMs - this.#refutedAtMs < REFUTE_PAUSE_MS) return
    this.#refutedAtMs = nowMs
    this.#effects.push({ kind: 'refute' })
  }

  #enter(watched: Watched, phase: Watched['phase'], untilMs: number): void {
    watched.phase = phase
    watched.untilMs = untilMs
    this.#checked.add(watched.peer)
  }

  #idle(watched: Watched): void {
    watched.phase = 'idle'
    watched.asked.clear()
    watched.confirmed.clear()
    watched.accusers.clear()
    watched.refused = false
    this.#checked.delete(watched.peer)
    this.#urgent.delete(watched.peer)
  }

  #shuffled<T>(all: T[]): T[] {
    for (let last = all.length - 1; last > 0; last--) {
      const other = Math.floor(this.#random.uniform() * (last + 1))
      ;[all[last], all[other]] = [all[other]!, all[last]!]
    }
    return all
  }
}
