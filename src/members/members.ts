/**
 * Who is in, and what this node does to keep it so: it publishes its own record, compares tables, watches who answers, has old
 * credentials renewed, and throws out who proves to be what no member may be. The rules are pure (protocols/membership, Sweep,
 * Renewal); this class brings them together over a network that it is given. The same object runs in a simulation.
 */
import type { AnswerOutcome, ChallengeOutcome, RevocationReader, Standing } from '../../protocols/challenge/index.ts'
import { judgeRevocation } from '../../protocols/challenge/index.ts'
import {
  activeEntries,
  addressesOf,
  type Effect,
  type Entry,
  encodeGossip,
  entryOf,
  type GossipIgnored,
  type GossipRejected,
  type Instant,
  isActive,
  isRevoked,
  type JudgeRevocation,
  judgeGossip,
  leaseOf,
  type MembershipRole,
  nextRepublishMs,
  nextSyncMs,
  type OpenedGossip,
  openGossip,
  type RecordRules,
  revoke,
} from '../../protocols/membership/index.ts'
import { type CredentialBody, decodeCredential, type MemberRecord } from '../../protocols/records/index.ts'
import { equals, MalformedError } from '../../protocols/wire/index.ts'
import type { Clock, Random } from '../base/index.ts'
import { AuthorBudget } from './budget.ts'
import { MetPeers } from './met.ts'
import { type OwnFacts, OwnRecord } from './own-record.ts'
import { peerOfText, peerText } from './peer-text.ts'
import { askAnswer, Renewal, type RenewalAlarm, type RenewalEvent, type RenewalState, type RenewalView } from './renewal.ts'
import { Sweep, type SweepEvent, TICK_MS } from './sweep.ts'
import type { Member, MemberTable } from './table.ts'

// Implementation constants: tuning.

/** How often ended leases are looked for. */
const TIDY_MS = 1_000
/** Exchanges of tables that this node has open at once. */
const SYNCS_MAX = 3
/** A record of an unknown issuer is a reason to compare tables, no oftener than this. */
const SYNC_PAUSE_MS = 2_000
/** A joiner whose first exchange failed tries again after this, then after twice as long, and so on. */
const SEED_PAUSE_MS = 500
const SEED_PAUSE_MAX_MS = 30_000
/** Who was met at the gate is remembered for this share of a lifetime. */
const MET_SHARE = 1 / 4
/** Revocations that one author may have judged here in so many milliseconds: each costs a verdict on evidence. */
const REVOCATIONS_PER_AUTHOR = 8
const REVOCATIONS_WINDOW_MS = 600_000

/** What came of opening a stream of /dstack/membership/1.0.0: `challenged`, refused with `lapsed`, and now we are challenged. */
export type SyncOutcome = 'exchanged' | 'challenged' | 'failed'

/** What this node can do over the network. Peers in text form. Each resolves in bounded time; a rejection counts as no answer. */
export interface MembersNetwork {
  /** False: nobody was there to hear it. */
  publish(message: Uint8Array): Promise<boolean>
  ping(peer: string, timeoutMs: number): Promise<'answered' | 'refused' | 'silent'>
  /** Whether `via` reaches the member `target` (multihash bytes). */
  probe(via: string, target: Uint8Array, timeoutMs: number): Promise<boolean>
  sync(peer: string, options: { seed: boolean }): Promise<SyncOutcome>
  /** Undefined: this node may not issue now. */
  challenge(peer: string): Promise<ChallengeOutcome | undefined>
  ask(peer: string): Promise<AnswerOutcome>
  /** Quotes, judges itself and takes the new credential. */
  selfIssue(): Promise<boolean>
  /** From now on it may gossip with us; from now on it may not. */
  admitted(peer: string): void
  expelled(peer: string): void
  /** Members in the table, with this node. */
  size(members: number): void
}

/** What this node holds. */
export interface OwnStanding {
  /** By whichever of the two clocks says less; not positive when the credential has run out. */
  remainingMs(): number
  selfIssued(): boolean
}

/** What {@link Members} tells; see NodeEvent of src/node. */
export type MembersEvent =
  | {
      kind: 'member'
      peerId: string
      change: 'joined' | 'updated' | 'left' | 'revoked' | 'ended' | 'unreachable' | 'reachable'
    }
  | { kind: 'challenge'; side: 'verifier' | 'member'; peerId: string; outcome: string }
  | {
      kind: 'gossip'
      message: OpenedGossip['kind'] | 'undecodable'
      verdict: 'accept' | 'ignore' | 'reject'
      fault?: GossipIgnored | GossipRejected | undefined
    }
  | { kind: 'alarm'; alarm: RenewalAlarm; on: boolean; peerId?: string | undefined }

export interface MembersInit {
  table: MemberTable
  rules: RecordRules
  own: OwnStanding
  /** What the own record says now. */
  facts(): OwnFacts
  /** The record in its signed envelope. */
  seal(record: MemberRecord): Promise<Uint8Array>
  /** How revocations are judged. Who is known, the table tells. */
  revocations: Omit<RevocationReader, 'isKnown'>
  /** The policy's. */
  lifetimeMs: number
  lapsedServeMs: number
  network: MembersNetwork
  clock: Clock
  random: Random
  tell(event: MembersEvent): void
  /** A failure that nothing else reports. */
  failed(what: string, error: unknown): void
}

/** A member as this node sees it. */
export interface SeenMember extends Member {
  state: 'active' | 'unreachable' | 'lapsed'
  /** Its addresses may be told to strangers. */
  public: boolean
}

export class Members {
  readonly #init: MembersInit
  readonly #table: MemberTable
  readonly #sweep: Sweep
  readonly #renewal: Renewal
  readonly #own: OwnRecord
  readonly #met = new MetPeers()
  readonly #revocations: AuthorBudget
  readonly #stopping = new AbortController()
  /** The same moment by both clocks, when this object was made. */
  readonly #since: Instant
  /** Peers that may gossip with us, as the network was told. */
  readonly #linked = new Set<string>()
  readonly #syncing = new Set<string>()
  /** Whom a revoked member let in: to be challenged before others. */
  readonly #suspects: string[] = []
  #suspectAsked = false
  #watchAnew = true
  #published = true
  #publishing: Promise<void> | undefined
  #publishAgain = false
  #renewalAtMs = 0
  #republishAtMs = 0
  #syncAtMs = 0
  #tidyAtMs = 0
  #syncNotBeforeMs = 0
  #syncWanted = false
  #seed: { peer: string; notBeforeMs: number; pauseMs: number } | undefined
  #running: Promise<void> | undefined

  constructor(init: MembersInit) {
    const { clock, random, lifetimeMs, lapsedServeMs } = init
    this.#init = init
    this.#table = init.table
    this.#sweep = new Sweep(random)
    this.#renewal = new Renewal({ lifetimeMs, lapsedServeMs, random })
    this.#own = new OwnRecord({ facts: init.facts, seal: init.seal, now: () => clock.now() })
    this.#revocations = new AuthorBudget(REVOCATIONS_PER_AUTHOR, REVOCATIONS_WINDOW_MS)
    this.#since = { wallMs: clock.now(), monotonicMs: clock.monotonicMs() }
  }

  /**
   * Makes the first record and begins.
   * @param options.onboarder - of whom this node has just become a member: its table is taken over, whoever issued what is in it.
   *   Resolves when that has been tried once.
   */
  async start(options: { onboarder?: string } = {}): Promise<void> {
    const now = this.now()
    await this.#own.make()
    const deaf = this.#table.listen((effect) => this.#onEffect(effect))
    this.#stopping.signal.addEventListener('abort', deaf, { once: true })
    for (const { peerId } of activeEntries(this.#table.value, now)) this.#link(peerText(peerId))
    this.#republishAtMs = now.monotonicMs + nextRepublishMs(1, this.#init.random.uniform())
    this.#syncAtMs = now.monotonicMs + nextSyncMs(1, this.#init.random.uniform())
    if (options.onboarder !== undefined) {
      this.#seed = { peer: options.onboarder, notBeforeMs: now.monotonicMs, pauseMs: SEED_PAUSE_MS }
      await this.#seedNow()
    }
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
    await this.#publishing
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new Error('the node is stopping'))
    await this.#running
  }

  /**
   * Both clocks. The wall clock never shows less than has passed since the start: set back, it would bring credentials to life
   * that have ended.
   */
  now(): Instant {
    const { clock } = this.#init
    const monotonicMs = clock.monotonicMs()
    const wallMs = Math.max(clock.now(), this.#since.wallMs + monotonicMs - this.#since.monotonicMs)
    return { wallMs, monotonicMs }
  }

  /** What is due. Called every {@link TICK_MS}. */
  tick(): void {
    const { monotonicMs } = this.now()
    if (monotonicMs >= this.#tidyAtMs) this.#tidy()
    if (this.#watchAnew) this.#watch()
    this.#detect({ kind: 'tick' })
    if (monotonicMs >= this.#renewalAtMs) this.#renew({ type: 'tick' })
    this.#challengeSuspects()
    if (monotonicMs >= this.#republishAtMs) this.publishOwn()
    if (this.#seed !== undefined && monotonicMs >= this.#seed.notBeforeMs) void this.#seedNow()
    if (monotonicMs >= this.#syncAtMs) this.#syncAsUsual()
    if (this.#syncWanted && monotonicMs >= this.#syncNotBeforeMs) this.#syncWithAny()
  }

  // What the node's services ask and tell.

  /** For /dstack/membership/1.0.0. */
  role(): MembershipRole {
    return {
      rules: this.#init.rules,
      now: () => this.now(),
      table: () => this.#table.value,
      keep: (step) => this.#table.keep(step),
      ownRecord: () => this.#own.envelope,
      heard: (record) => this.#heard(record),
      judgeRevocation: this.#judgeRevocation,
      ping: async (peerId, signal) => {
        const pinged = this.#init.network.ping(peerText(peerId), TICK_MS * 5)
        return (await Promise.race([pinged, aborted(signal)])) === 'answered'
      },
    }
  }

  /** Whether this node may issue credentials now. */
  standing(): Standing {
    const { standing, mayIssue } = this.state()
    if (standing === 'lapsed') return 'lapsed'
    return mayIssue ? 'active' : 'busy'
  }

  state(): RenewalState {
    return this.#renewal.state(this.#view(), this.now())
  }

  /** Who may challenge this node or be challenged: a member, also one that lapsed, and whoever the gate lets be challenged. */
  isKnown(peerId: Uint8Array): boolean {
    const known = entryOf(this.#table.value, peerId) !== undefined || this.#met.get(peerText(peerId)) !== undefined
    return known && !isRevoked(this.#table.value, peerId)
  }

  /**
   * Who may gossip with this node. Only the monotonic clock counts here: a node whose wall clock was set wrong must still hear
   * the others, to learn that it is.
   */
  isLinked(peer: string): boolean {
    const entry = entryOf(this.#table.value, peerOfText(peer))
    return entry !== undefined && this.#mayLink(entry, this.now())
  }

  /** The topic's validator. */
  async validate(author: Uint8Array, data: Uint8Array): Promise<'accept' | 'ignore' | 'reject'> {
    let message: OpenedGossip
    try {
      message = await openGossip(data)
    } catch (error) {
      if (!(error instanceof MalformedError)) throw error
      this.#init.tell({ kind: 'gossip', message: 'undecodable', verdict: 'reject', fault: 'malformed' })
      return 'reject'
    }
    const now = this.now()
    const judge = this.#revocations.has(author, now.monotonicMs) ? this.#countedJudge(author, now) : undefined
    const judged = judgeGossip(message, author, this.#table.value, now, this.#init.rules, judge)
    const { table, effects, verdict, fault } = judged
    this.#table.keep({ table, effects: effects.filter((effect) => effect.kind !== 'hint') })
    if (message.kind === 'record' && judged.skewMs !== undefined) this.#heard(message.opened.record)
    for (const effect of effects) {
      if (effect.kind !== 'hint') continue
      const peer = peerText(effect.hint.peerId)
      this.#detect(
        equals(effect.hint.peerId, this.#init.rules.self)
          ? { kind: 'accused' }
          : { kind: 'hint', author: peerText(author), peer },
      )
    }
    this.#init.tell({ kind: 'gossip', message: message.kind, verdict, fault })
    return verdict
  }

  /** Somebody subscribes to the topic: what nobody heard is said again. */
  subscribed(): void {
    if (!this.#published) this.publishOwn()
  }

  /** The last connection to it has closed. */
  closed(peer: string): void {
    this.#detect({ kind: 'closed', peer })
  }

  /** This node has judged it, as onboarder, joiner or verifier. */
  admit(credential: CredentialBody, addresses: readonly string[]): void {
    const peer = peerText(credential.peerId)
    this.#met.forget(peer)
    this.#table.admit({ peerId: peer, credential, addresses: [...addresses] }, this.now().wallMs)
  }

  /** A challenge that `member` asked for has ended. */
  asked(member: string, outcome: ChallengeOutcome): void {
    this.#challenged(member, outcome)
  }

  /** `verifier` has challenged this node unasked. */
  answered(verifier: string, outcome: AnswerOutcome): void {
    this.#init.tell({ kind: 'challenge', side: 'member', peerId: verifier, outcome: outcome.outcome })
    this.#detect({ kind: 'answered', peer: verifier })
    if (outcome.outcome === 'declined') return
    this.#renew({ type: 'answered', peerId: verifier })
    // It did not know us as a member before: now it does, and can tell us what it knows.
    if (outcome.outcome === 'renewed' && !this.#isActive(verifier)) void this.#sync(verifier)
  }

  /** This node has a new credential. */
  renewed(): void {
    this.publishOwn()
  }

  /** A new record of this node to all. */
  publishOwn(): void {
    this.#publishAgain = true
    this.#publishing ??= this.#publishAll().finally(() => {
      this.#publishing = undefined
    })
  }

  /** Everybody that is in, without this node, and who waits to be made whole again. */
  list(): SeenMember[] {
    const now = this.now()
    const active = activeEntries(this.#table.value, now).map((entry): SeenMember => {
      const peerId = peerText(entry.peerId)
      return {
        peerId,
        credential: leaseOf(entry)!.credential,
        addresses: [...addressesOf(entry)],
        state: this.#reaches(peerId) ? 'active' : 'unreachable',
        public: entry.newest?.record.public === true,
      }
    })
    const lapsed = [...this.#met.entries()].flatMap(([peerId, met]): SeenMember[] => {
      const entry = entryOf(this.#table.value, met.peerId)
      const lease = entry === undefined ? undefined : leaseOf(entry)
      if (lease === undefined || this.#isActive(peerId)) return []
      return [{ peerId, credential: lease.credential, addresses: [...met.addresses], state: 'lapsed', public: false }]
    })
    return [...active.filter((member) => !isReplaced(member, active)), ...lapsed]
  }

  // The table.

  #onEffect(effect: Effect): void {
    const peer = peerText(effect.peerId)
    switch (effect.kind) {
      case 'joined':
        this.#met.forget(peer)
        this.#link(peer)
        this.#changed(peer, 'joined')
        break
      case 'updated':
        this.#detect({ kind: 'spoke', peer })
        if (effect.addressesChanged) this.#changed(peer, 'updated')
        break
      case 'left':
        this.#unlink(peer)
        this.#changed(peer, 'left')
        break
      case 'revoked':
        this.#met.forget(peer)
        this.#unlink(peer)
        this.#suspects.push(...effect.issued.map(peerText))
        this.#changed(peer, 'revoked')
        break
      case 'sync':
        this.#syncWanted = true
        break
      case 'challenge':
        this.#met.note(peer, effect.record, this.now().monotonicMs)
        this.#renew({ type: 'tick' })
        break
    }
  }

  #changed(peerId: string, change: Extract<MembersEvent, { kind: 'member' }>['change']): void {
    this.#watchAnew = true
    this.#renewalAtMs = 0
    this.#init.tell({ kind: 'member', peerId, change })
  }

  #mayLink(entry: Entry, { monotonicMs }: Instant): boolean {
    const lease = leaseOf(entry)
    return (
      lease !== undefined &&
      lease.endsMonotonicMs > monotonicMs &&
      entry.newest?.record.state !== 'leaving' &&
      !isRevoked(this.#table.value, entry.peerId, lease.credential.tdDigest)
    )
  }

  #link(peer: string): void {
    if (this.#linked.has(peer)) return
    this.#linked.add(peer)
    this.#init.network.admitted(peer)
  }

  #unlink(peer: string): void {
    if (this.#linked.delete(peer)) this.#init.network.expelled(peer)
  }

  #isActive(peer: string): boolean {
    return isActive(this.#table.value, entryOf(this.#table.value, peerOfText(peer)), this.now())
  }

  #reaches(peer: string): boolean {
    return !this.#sweep.lost(peer)
  }

  /** Leases end without anything being said. */
  #tidy(): void {
    const now = this.now()
    this.#tidyAtMs = now.monotonicMs + TIDY_MS
    const { lifetimeMs, lapsedServeMs, network } = this.#init
    this.#table.forgetEnded(now.wallMs, Math.max(lapsedServeMs, lifetimeMs))
    this.#met.forgetOlder(now.monotonicMs - lifetimeMs * MET_SHARE)
    for (const peer of this.#linked) {
      const entry = entryOf(this.#table.value, peerOfText(peer))
      if (entry !== undefined && this.#mayLink(entry, now)) continue
      this.#unlink(peer)
      this.#changed(peer, 'ended')
    }
    network.size(1 + this.#linked.size)
  }

  // Who answers.

  #watch(): void {
    this.#watchAnew = false
    this.#detect({ kind: 'members', peers: activeEntries(this.#table.value, this.now()).map(({ peerId }) => peerText(peerId)) })
  }

  #detect(event: SweepEvent): void {
    for (const effect of this.#sweep.handle(event, this.now().monotonicMs)) {
      switch (effect.kind) {
        case 'ping':
          void this.#ping(effect.peer, effect.timeoutMs)
          break
        case 'ask':
          void this.#askAbout(effect)
          break
        case 'hint':
          void this.#hint(effect.peer)
          break
        case 'unreachable':
          this.#init.tell({ kind: 'member', peerId: effect.peer, change: 'unreachable' })
          break
        case 'reachable':
          this.#init.tell({ kind: 'member', peerId: effect.peer, change: 'reachable' })
          // The network may have been parted: what happened on the other side, it knows.
          void this.#sync(effect.peer)
          break
        case 'refute':
          this.publishOwn()
          break
      }
    }
  }

  async #ping(peer: string, timeoutMs: number): Promise<void> {
    const answer = await this.#init.network.ping(peer, timeoutMs).catch(() => 'silent' as const)
    // Of silence the sweep's own clock tells.
    if (answer !== 'silent') this.#detect({ kind: answer, peer })
  }

  async #askAbout({ via, peer, timeoutMs }: { via: string; peer: string; timeoutMs: number }): Promise<void> {
    const reached = await this.#init.network.probe(via, peerOfText(peer), timeoutMs).catch(() => undefined)
    if (reached !== undefined) this.#detect({ kind: 'told', via, peer, reached })
  }

  async #hint(peer: string): Promise<void> {
    const entry = entryOf(this.#table.value, peerOfText(peer))
    if (entry === undefined) return
    const hint = { peerId: entry.peerId, sequence: entry.newest?.record.sequence ?? 0n, sentAt: this.#init.clock.now() }
    await this.#init.network.publish(encodeGossip({ kind: 'unreachable', hint })).catch((error) => this.#failed('hint', error))
  }

  // Credentials.

  #view(): RenewalView {
    const { own } = this.#init
    const now = this.now()
    const members = activeEntries(this.#table.value, now).map(({ peerId, newest, admitted }) => {
      const { credential } = leaseOf({ peerId, newest, admitted } as Entry)!
      const peer = peerText(peerId)
      const standing = equals(credential.issuer, peerId) ? ('self_issued' as const) : ('active' as const)
      return { peerId: peer, standing, judgedAtMs: credential.issuedAt, reachable: this.#reaches(peer) }
    })
    const met = [...this.#met.entries()].map(([peerId, { standing, judgedAtMs }]) => ({
      peerId,
      standing,
      judgedAtMs,
      reachable: true,
    }))
    return { own: { remainingMs: own.remainingMs(), selfIssued: own.selfIssued() }, members: [...members, ...met] }
  }

  #renew(event: RenewalEvent): void {
    const { effects, wakeAtMs } = this.#renewal.handle(event, this.#view(), this.now())
    this.#renewalAtMs = wakeAtMs
    for (const effect of effects) {
      switch (effect.type) {
        case 'challenge':
          void this.#challenge(effect.peerId)
          break
        case 'ask':
          void this.#ask(effect.peerId)
          break
        case 'self_issue':
          void this.#selfIssue()
          break
        case 'alarm':
          this.#init.tell({ kind: 'alarm', alarm: effect.alarm, on: effect.on, peerId: effect.peerId })
          break
      }
    }
  }

  async #challenge(peer: string): Promise<void> {
    const outcome = await this.#init.network
      .challenge(peer)
      .catch((error): ChallengeOutcome => ({ outcome: 'no_answer', error: error as Error }))
    this.#challenged(peer, outcome ?? { outcome: 'no_answer', error: new Error('this node may not issue now') })
  }

  #challenged(peer: string, outcome: ChallengeOutcome): void {
    this.#init.tell({ kind: 'challenge', side: 'verifier', peerId: peer, outcome: outcome.outcome })
    if (outcome.outcome !== 'no_answer') this.#detect({ kind: 'answered', peer })
    if (outcome.outcome === 'renewed') {
      const known = entryOf(this.#table.value, peerOfText(peer))
      const addresses = known === undefined ? this.#met.get(peer)?.addresses : addressesOf(known)
      this.admit(decodeCredential(outcome.credential).body, addresses ?? [])
    }
    if (outcome.outcome === 'bad_answer') this.#throwOut(outcome.revocation)
    this.#renew({ type: 'challenged', peerId: peer, outcome: outcome.outcome })
  }

  /** Our own word is not enough for ourselves either: the revocation is judged as everybody will. */
  #throwOut(revocation: Uint8Array): void {
    const judgement = this.#judgeRevocation(revocation)
    if (!judgement.counts) return
    this.#table.keep(revoke(this.#table.value, judgement, revocation, this.now()))
    this.#init.network
      .publish(encodeGossip({ kind: 'revocation', revocation }))
      .catch((error) => this.#failed('revocation', error))
  }

  #challengeSuspects(): void {
    if (this.#suspects.length === 0 || this.#suspectAsked || this.standing() !== 'active') return
    const peer = this.#suspects.shift()!
    this.#suspectAsked = true
    void this.#challenge(peer).finally(() => {
      this.#suspectAsked = false
    })
  }

  async #ask(peer: string): Promise<void> {
    const { network, own } = this.#init
    // Who has lapsed is no member to the other: it shows its record at the gate, and is challenged for that.
    const met = own.remainingMs() > 0 ? 'exchanged' : await this.#sync(peer)
    if (met !== 'exchanged') {
      this.#renew({ type: 'asked', peerId: peer, answer: met === 'challenged' ? 'alive' : 'none' })
      return
    }
    const outcome = await network.ask(peer).catch((error): AnswerOutcome => ({ outcome: 'no_verdict', error: error as Error }))
    this.#init.tell({ kind: 'challenge', side: 'member', peerId: peer, outcome: outcome.outcome })
    this.#renew({ type: 'asked', peerId: peer, answer: askAnswer(outcome) })
  }

  async #selfIssue(): Promise<void> {
    const ok = await this.#init.network.selfIssue().catch(() => false)
    this.#renew({ type: 'self_issued', ok })
  }

  /** Also of a record that was refused for its times alone: whose clock is wrong must be heard to be noticed. */
  #heard(record: MemberRecord): void {
    if (entryOf(this.#table.value, record.peerId) === undefined) return
    this.#renew({ type: 'heard', peerId: peerText(record.peerId), sentAtMs: record.sentAt })
  }

  readonly #judgeRevocation: JudgeRevocation = (revocation) =>
    judgeRevocation(revocation, {
      ...this.#init.revocations,
      isKnown: (peerId) => entryOf(this.#table.value, peerId) !== undefined && !isRevoked(this.#table.value, peerId),
    })

  #countedJudge(author: Uint8Array, { monotonicMs }: Instant): JudgeRevocation {
    return (revocation) => {
      this.#revocations.spend(author, monotonicMs)
      return this.#judgeRevocation(revocation)
    }
  }

  // Telling and comparing.

  async #publishAll(): Promise<void> {
    while (this.#publishAgain) {
      this.#publishAgain = false
      const { network, random, clock } = this.#init
      this.#republishAtMs = clock.monotonicMs() + nextRepublishMs(1 + this.#linked.size, random.uniform())
      try {
        const envelope = await this.#own.make()
        this.#published = await network.publish(encodeGossip({ kind: 'record', envelope }))
      } catch (error) {
        this.#published = false
        this.#failed('publish', error)
      }
    }
  }

  async #seedNow(): Promise<void> {
    const seed = this.#seed!
    // Until it has ended.
    seed.notBeforeMs = Number.POSITIVE_INFINITY
    if ((await this.#sync(seed.peer, { seed: true })) === 'exchanged') {
      this.#seed = undefined
      return
    }
    seed.notBeforeMs = this.now().monotonicMs + seed.pauseMs * (0.5 + this.#init.random.uniform())
    seed.pauseMs = Math.min(seed.pauseMs * 2, SEED_PAUSE_MAX_MS)
  }

  #syncAsUsual(): void {
    const { monotonicMs } = this.now()
    this.#syncAtMs = monotonicMs + nextSyncMs(1 + this.#linked.size, this.#init.random.uniform())
    this.#syncWithAny()
    // Two halves of a cluster that lapsed apart are nobody's members to each other: somebody has to knock.
    const ended = [...this.#table.value.entries.values()].filter(
      (entry) => entry.newest?.record.state !== 'leaving' && !isRevoked(this.#table.value, entry.peerId) && !this.#active(entry),
    )
    const one = this.#oneOf(ended)
    if (one !== undefined) void this.#sync(peerText(one.peerId))
  }

  #active(entry: Entry): boolean {
    return isActive(this.#table.value, entry, this.now())
  }

  #syncWithAny(): void {
    const { monotonicMs } = this.now()
    this.#syncWanted = false
    this.#syncNotBeforeMs = monotonicMs + SYNC_PAUSE_MS
    const reachable = activeEntries(this.#table.value, this.now())
      .map(({ peerId }) => peerText(peerId))
      .filter((peer) => this.#reaches(peer) && !this.#syncing.has(peer))
    const peer = this.#oneOf(reachable)
    if (peer !== undefined) void this.#sync(peer)
  }

  async #sync(peer: string, options = { seed: false }): Promise<SyncOutcome> {
    if (this.#syncing.has(peer) || this.#syncing.size >= SYNCS_MAX) return 'failed'
    this.#syncing.add(peer)
    try {
      return await this.#init.network.sync(peer, options)
    } catch {
      return 'failed'
    } finally {
      this.#syncing.delete(peer)
    }
  }

  #oneOf<T>(all: readonly T[]): T | undefined {
    return all[Math.floor(this.#init.random.uniform() * all.length)]
  }

  #failed(what: string, error: unknown): void {
    if (!this.#stopping.signal.aborted) this.#init.failed(what, error)
  }
}

/** A process that started again is another peer at the same place; its old self only waits for its lease to end. */
const isReplaced = (member: SeenMember, all: readonly SeenMember[]): boolean =>
  member.state === 'unreachable' &&
  all.some(
    (other) =>
      other.state === 'active' &&
      other.credential.issuedAt > member.credential.issuedAt &&
      other.addresses.some((address) => member.addresses.includes(address)),
  )

const aborted = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason)
    else signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
