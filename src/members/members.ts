/**
 * Who is in, and what this node does to keep it so: it publishes its own record, compares tables, watches who answers, has old
 * credentials renewed, and throws out who proves to be what no member may be. The rules are pure (protocols/membership, Sweep,
 * Renewal); this class and its parts bring them together over a network that is given. The same object runs in a simulation.
 */
import type { AnswerOutcome, ChallengeOutcome, Standing } from '../../protocols/challenge/index.ts'
import {
  type Effect,
  type Entry,
  entryOf,
  type Instant,
  isRevoked,
  judgeGossip,
  leaseOf,
  type MembershipRole,
  type OpenedGossip,
  openGossip,
} from '../../protocols/membership/index.ts'
import type { CredentialBody } from '../../protocols/records/index.ts'
import { equals, MalformedError } from '../../protocols/wire/index.ts'
import { Attesting } from './attesting.ts'
import { Comparing } from './comparing.ts'
import type { MembersEvent, MembersInit } from './init.ts'
import { Outlook } from './outlook.ts'
import { OwnRecord } from './own-record.ts'
import { peerOfText, peerText } from './peer-text.ts'
import type { RenewalState } from './renewal.ts'
import { type SeenMember, seenMembers } from './seen.ts'
import { TICK_MS } from './sweep.ts'
import { Telling } from './telling.ts'
import { Watching } from './watching.ts'

// Implementation constants: tuning.

/** How often ended leases are looked for. */
const TIDY_MS = 1_000
/** How long who said goodbye is shown as leaving: long enough to be seen, and understood. */
const LEAVING_SHOWN_MS = 15_000
/**
 * So many compare tables with a member that is back, on average, and tell it of themselves. Higher: surer. In a cluster of a
 * thousand, all of them would be a flood, which a member could cause by being away now and then. Two halves of a cluster meet in
 * so many pairs that nobody is left out.
 */
const MENDING = 16
/** For a ping on another member's behalf; who asks waits no longer. */
const PROBE_PING_MS = 1_000

export class Members {
  readonly #init: MembersInit
  readonly #outlook: Outlook
  readonly #own: OwnRecord
  readonly #telling: Telling
  readonly #comparing: Comparing
  readonly #watching: Watching
  readonly #attesting: Attesting
  readonly #stopping = new AbortController()
  /** Peers that may gossip with us, as the network was told. */
  readonly #linked = new Set<string>()
  /** Who said goodbye a moment ago, until when that is shown (monotonic clock). */
  readonly #leaving = new Map<string, number>()
  #tidyAtMs = 0
  #running: Promise<void> | undefined

  constructor(init: MembersInit) {
    const { table, clock, network, random, tell } = init
    const outlook = new Outlook({ table, clock })
    const size = (): number => 1 + this.#linked.size
    const failed = (what: string, error: unknown): void => {
      if (!this.#stopping.signal.aborted) init.failed(what, error)
    }
    const reaches = (peer: string): boolean => this.#watching.reaches(peer)
    this.#init = init
    this.#outlook = outlook
    this.#own = new OwnRecord({ facts: init.facts, seal: init.seal, now: () => clock.now() })
    this.#telling = new Telling({ own: this.#own, network, clock, random, size, failed })
    this.#comparing = new Comparing({ outlook, network, random, size, reaches })
    this.#watching = new Watching({
      outlook,
      network,
      wallMs: () => clock.now(),
      random,
      tell,
      failed,
      // The network may have been parted: what happened on the other side, it knows, and what happened on this one it is told,
      // with all behind it. Whoever hears of somebody lost does the same, so that both sides know each other at once.
      reachable: (peer) => {
        if (random.uniform() * size() >= MENDING) return
        void this.#comparing.with(peer)
        this.#telling.soon()
      },
      accused: () => this.#telling.tell(),
    })
    this.#attesting = new Attesting({
      outlook,
      members: { ...init, failed },
      reaches,
      compare: (peer) => this.#comparing.with(peer),
      lives: (peer) => this.#watching.handle({ kind: 'answered', peer }),
    })
  }

  /**
   * Makes the first record and begins.
   * @param options.onboarder - of whom this node has just become a member: its table is taken over, whoever issued what is in it.
   *   Resolves when that has been tried once.
   */
  async start(options: { onboarder?: string } = {}): Promise<void> {
    await this.#own.make()
    const deaf = this.#outlook.table.listen((effect) => this.#onEffect(effect))
    this.#stopping.signal.addEventListener('abort', deaf, { once: true })
    // Who let this node in is in the table already.
    for (const { peerId } of this.#outlook.active()) {
      this.#link(peerText(peerId))
      this.#changed(peerText(peerId), 'joined')
    }
    if (options.onboarder !== undefined) await this.#comparing.seed(options.onboarder)
    this.publishOwn()
  }

  /** It may be that nobody knows this node: it has joined, and compared tables with nobody since. */
  get adrift(): boolean {
    return this.#comparing.adrift
  }

  /** Another try to compare tables with the onboarder. */
  beginAgain(): Promise<void> {
    return this.#comparing.seedAgain()
  }

  /** The same as at the start, of a member that has let this node in once more. */
  async begin(onboarder: string): Promise<void> {
    await this.#own.make()
    await this.#comparing.seed(onboarder)
    this.publishOwn()
  }

  /** Ticks until {@link Members.stop}. */
  run(): void {
    const { clock } = this.#init
    const { signal } = this.#stopping
    this.#running ??= (async () => {
      while (!signal.aborted) {
        this.tick()
        await clock.sleep(TICK_MS, signal)
      }
    })().catch((error) => {
      if (!signal.aborted) this.#init.failed('run', error)
    })
  }

  /** Tells the others that this node leaves; nothing is published after that. */
  async leave(): Promise<void> {
    this.#own.leave()
    this.publishOwn()
    await this.#telling.told()
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new Error('the node is stopping'))
    await this.#running
  }

  /** Both clocks, as {@link Outlook.now}. */
  now(): Instant {
    return this.#outlook.now()
  }

  /** What is due. Called every {@link TICK_MS}. */
  tick(): void {
    const { monotonicMs } = this.now()
    if (monotonicMs >= this.#tidyAtMs) this.#tidy()
    this.#watching.tick()
    this.#attesting.tick(monotonicMs)
    this.#telling.tick(monotonicMs)
    this.#comparing.tick(monotonicMs)
  }

  // What the node's services ask and tell.

  /** For /dstack/membership/1.0.0. */
  role(): MembershipRole {
    return {
      rules: this.#init.rules,
      now: () => this.now(),
      table: () => this.#outlook.value,
      keep: (step) => this.#outlook.table.keep(step),
      ownRecord: () => this.#own.envelope,
      heard: (record) => this.#attesting.heard(record),
      judgeRevocation: this.#attesting.judgeRevocation,
      ping: async (peerId, signal) => {
        const pinged = this.#init.network.ping(peerText(peerId), PROBE_PING_MS)
        return (await Promise.race([pinged, aborted(signal)])) === 'answered'
      },
    }
  }

  /** Whether this node may issue credentials now. Who leaves lets nobody in, who would know nobody else. */
  standing(): Standing {
    const standing = this.#attesting.standing()
    return standing === 'active' && this.#own.leaving ? 'busy' : standing
  }

  state(): RenewalState {
    return this.#attesting.state()
  }

  /**
   * Who may have this node make a quote: a member, also one that lapsed. Not whom the gate alone lets be challenged: for that
   * the secret is enough, and who holds it can be any number of peers.
   */
  mayChallenge(peerId: Uint8Array): boolean {
    return entryOf(this.#outlook.value, peerId) !== undefined && !isRevoked(this.#outlook.value, peerId)
  }

  /** Who may be challenged by this node: those, and whoever the gate lets be challenged. */
  isKnown(peerId: Uint8Array): boolean {
    const known = entryOf(this.#outlook.value, peerId) !== undefined || this.#attesting.hasMet(peerText(peerId))
    return known && !isRevoked(this.#outlook.value, peerId)
  }

  /** Who is not in the table, whatever its credential, and was never thrown out. */
  isStranger(peerId: Uint8Array): boolean {
    const { value } = this.#outlook
    return !equals(peerId, this.#init.rules.self) && entryOf(value, peerId) === undefined && !this.isRevoked(peerId)
  }

  /** Out for good. */
  isRevoked(peerId: Uint8Array): boolean {
    return isRevoked(this.#outlook.value, peerId)
  }

  /**
   * Who may gossip with this node. Only the monotonic clock counts here: a node whose wall clock was set wrong must still hear
   * the others, to learn that it is.
   */
  isLinked(peer: string): boolean {
    const entry = entryOf(this.#outlook.value, peerOfText(peer))
    return entry !== undefined && this.#mayLink(entry, this.now())
  }

  /** The topic's validator. */
  async validate(author: Uint8Array, data: Uint8Array): Promise<'accept' | 'ignore' | 'reject'> {
    const { rules, tell } = this.#init
    let message: OpenedGossip
    try {
      message = await openGossip(data)
    } catch (error) {
      if (!(error instanceof MalformedError)) throw error
      tell({ kind: 'gossip', message: 'undecodable', verdict: 'reject', fault: 'malformed' })
      return 'reject'
    }
    const now = this.now()
    const judge = this.#attesting.judgeFor(author, now.monotonicMs)
    const judged = judgeGossip(message, author, this.#outlook.value, now, rules, judge)
    const { table, effects, verdict, fault } = judged
    this.#outlook.table.keep({ table, effects: effects.filter((effect) => effect.kind !== 'hint') })
    if (message.kind === 'record' && judged.skewMs !== undefined) this.#attesting.heard(message.opened.record)
    for (const effect of effects) {
      if (effect.kind !== 'hint') continue
      const accused = equals(effect.hint.peerId, rules.self)
      this.#watching.handle(
        accused ? { kind: 'accused' } : { kind: 'hint', author: peerText(author), peer: peerText(effect.hint.peerId) },
      )
    }
    tell({ kind: 'gossip', message: message.kind, verdict, fault })
    return verdict
  }

  /** Somebody subscribes to the topic: what nobody heard is said again. */
  subscribed(): void {
    this.#telling.subscribed()
  }

  /** The last connection to it has closed. */
  closed(peer: string): void {
    this.#watching.handle({ kind: 'closed', peer })
  }

  /** This node has judged it, as onboarder, joiner or verifier. */
  admit(credential: CredentialBody, addresses: readonly string[]): void {
    this.#attesting.admit(credential, addresses)
  }

  /** A challenge that `member` asked for has ended. */
  asked(member: string, outcome: ChallengeOutcome): void {
    this.#attesting.challenged(member, outcome)
  }

  /** `verifier` has challenged this node unasked. */
  answered(verifier: string, outcome: AnswerOutcome): void {
    this.#attesting.answered(verifier, outcome)
  }

  /** This node has a new credential. */
  renewed(): void {
    this.#attesting.anew()
    this.publishOwn()
  }

  /** A new record of this node to all. */
  publishOwn(): void {
    this.#telling.tell()
  }

  /** Everybody that is in, without this node, who has just left, and who waits to be made whole again. */
  list(): SeenMember[] {
    return seenMembers({
      outlook: this.#outlook,
      met: this.#attesting.met(),
      leaving: this.#leaving.keys(),
      reaches: (peer) => this.#watching.reaches(peer),
    })
  }

  // The table.

  #onEffect(effect: Effect): void {
    const peer = peerText(effect.peerId)
    switch (effect.kind) {
      case 'joined':
        this.#attesting.forget(peer)
        this.#link(peer)
        this.#changed(peer, 'joined')
        break
      case 'updated':
        this.#watching.handle({ kind: 'spoke', peer })
        if (!effect.addressesChanged) break
        this.#init.network.admitted(peer, this.#outlook.addressesOf(peer))
        this.#changed(peer, 'updated')
        break
      case 'left':
        this.#leaving.set(peer, this.now().monotonicMs + LEAVING_SHOWN_MS)
        this.#unlink(peer)
        this.#changed(peer, 'left')
        break
      case 'revoked':
        this.#attesting.forget(peer)
        this.#unlink(peer)
        this.#attesting.suspect(effect.issued)
        this.#changed(peer, 'revoked')
        break
      case 'sync':
        this.#comparing.want()
        break
      case 'challenge':
        this.#attesting.meet(peer, effect.record)
        break
    }
  }

  #changed(peerId: string, change: Extract<MembersEvent, { kind: 'member' }>['change']): void {
    this.#watching.anew()
    this.#attesting.anew()
    this.#init.tell({ kind: 'member', peerId, change })
  }

  #mayLink(entry: Entry, { monotonicMs }: Instant): boolean {
    const lease = leaseOf(entry)
    return (
      lease !== undefined &&
      lease.endsMonotonicMs > monotonicMs &&
      entry.newest?.record.state !== 'leaving' &&
      !isRevoked(this.#outlook.value, entry.peerId, lease.credential.tdDigest)
    )
  }

  #link(peer: string): void {
    if (this.#linked.has(peer)) return
    this.#linked.add(peer)
    this.#init.network.admitted(peer, this.#outlook.addressesOf(peer))
  }

  #unlink(peer: string): void {
    if (this.#linked.delete(peer)) this.#init.network.expelled(peer)
  }

  /** Leases end without anything being said. */
  #tidy(): void {
    const now = this.now()
    this.#tidyAtMs = now.monotonicMs + TIDY_MS
    const { lifetimeMs, lapsedServeMs, network } = this.#init
    this.#outlook.table.forgetEnded(now.wallMs, Math.max(lapsedServeMs, lifetimeMs))
    this.#attesting.tidy()
    if (this.#own.outdated) this.#telling.soon()
    for (const [peer, untilMs] of this.#leaving) if (untilMs <= now.monotonicMs) this.#leaving.delete(peer)
    for (const peer of this.#linked) {
      const entry = entryOf(this.#outlook.value, peerOfText(peer))
      if (entry !== undefined && this.#mayLink(entry, now)) continue
      this.#unlink(peer)
      this.#changed(peer, 'ended')
    }
    network.size(1 + this.#linked.size)
  }
}

const aborted = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason)
    else signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
