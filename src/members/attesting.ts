import type { AnswerOutcome, ChallengeOutcome, Standing } from '../../protocols/challenge/index.ts'
import { judgeRevocation } from '../../protocols/challenge/index.ts'
import {
  addressesOf,
  encodeGossip,
  entryOf,
  isRevoked,
  type JudgeRevocation,
  leaseOf,
  revoke,
} from '../../protocols/membership/index.ts'
import { type CredentialBody, decodeCredential, type MemberRecord } from '../../protocols/records/index.ts'
import { equals } from '../../protocols/wire/index.ts'
import { AuthorBudget } from './budget.ts'
import type { MembersInit, SyncOutcome } from './init.ts'
import { type MetPeer, MetPeers } from './met.ts'
import type { Outlook } from './outlook.ts'
import { peerText } from './peer-text.ts'
import { askAnswer, type Now, Renewal, type RenewalEvent, type RenewalState, type RenewalView } from './renewal.ts'

// Implementation constants: tuning.

/** Who was met at the gate is remembered for this share of a lifetime. */
const MET_SHARE = 1 / 4
/** Revocations that one author may have judged here in so many milliseconds: each costs a verdict on evidence. */
const REVOCATIONS_PER_AUTHOR = 8
const REVOCATIONS_WINDOW_MS = 600_000

export interface AttestingInit {
  outlook: Outlook
  members: Pick<MembersInit, 'network' | 'own' | 'revocations' | 'lifetimeMs' | 'lapsedServeMs' | 'random' | 'tell' | 'failed'>
  reaches(peer: string): boolean
  compare(peer: string): Promise<SyncOutcome>
  /** It answered a challenge. */
  lives(peer: string): void
}

/** Does what {@link Renewal} says: challenges others, has this node challenged, and throws out who proves to be no member. */
export class Attesting {
  readonly #init: AttestingInit
  readonly #renewal: Renewal
  readonly #met = new MetPeers()
  readonly #budget = new AuthorBudget(REVOCATIONS_PER_AUTHOR, REVOCATIONS_WINDOW_MS)
  /** Whom a revoked member let in: to be challenged before others. */
  readonly #suspects: string[] = []
  #suspectAsked = false
  #dueAtMs = 0

  constructor(init: AttestingInit) {
    this.#init = init
    this.#renewal = new Renewal(init.members)
  }

  tick(monotonicMs: number): void {
    if (monotonicMs >= this.#dueAtMs) this.#renew({ type: 'tick' })
    this.#challengeSuspects()
  }

  /** The table has changed: the next tick looks at it. */
  anew(): void {
    this.#dueAtMs = 0
  }

  state(): RenewalState {
    return this.#renewal.state(this.#view(), this.#now())
  }

  /** Whether this node may issue credentials now. */
  standing(): Standing {
    const { standing, mayIssue } = this.state()
    if (standing === 'lapsed') return 'lapsed'
    return mayIssue ? 'active' : 'busy'
  }

  // Who waits at the gate.

  /** What it showed entitles it to be challenged. */
  meet(peer: string, record: MemberRecord): void {
    const { outlook, members, compare } = this.#init
    this.#met.note(peer, record, outlook.monotonicMs())
    this.#renew({ type: 'tick' })
    // Who has only its own word makes nobody whole but its like. Of others that it once knew it lets itself be made whole: it
    // knocks back, for those whom they let in meanwhile vouch for each other, and are unknown here until then.
    const alone = members.own.selfIssued() || members.own.remainingMs() <= 0
    if (alone && this.#met.get(peer)?.standing === 'lapsed' && outlook.entry(peer) !== undefined) void compare(peer)
  }

  met(): IterableIterator<[string, MetPeer]> {
    return this.#met.entries()
  }

  hasMet(peer: string): boolean {
    return this.#met.get(peer) !== undefined
  }

  forget(peer: string): void {
    this.#met.forget(peer)
  }

  tidy(): void {
    this.#met.forgetOlder(this.#init.outlook.monotonicMs() - this.#init.members.lifetimeMs * MET_SHARE)
  }

  // What has happened.

  /** This node has judged it, as onboarder, joiner or verifier. */
  admit(credential: CredentialBody, addresses: readonly string[]): void {
    const { outlook } = this.#init
    const peerId = peerText(credential.peerId)
    this.#met.forget(peerId)
    outlook.table.admit({ peerId, credential, addresses: [...addresses] }, outlook.now().wallMs)
  }

  /** A challenge by this node has ended. */
  challenged(peer: string, outcome: ChallengeOutcome): void {
    const { outlook, members, lives } = this.#init
    members.tell({ kind: 'challenge', side: 'verifier', peerId: peer, outcome: outcome.outcome })
    if (outcome.outcome !== 'no_answer') lives(peer)
    if (outcome.outcome === 'renewed') {
      const known = outlook.entry(peer)
      const addresses = known === undefined ? this.#met.get(peer)?.addresses : addressesOf(known)
      this.admit(decodeCredential(outcome.credential).body, addresses ?? [])
    }
    if (outcome.outcome === 'bad_answer') this.#throwOut(outcome.revocation)
    this.#renew({ type: 'challenged', peerId: peer, outcome: outcome.outcome })
  }

  /** `verifier` has challenged this node unasked. */
  answered(verifier: string, outcome: AnswerOutcome): void {
    const { outlook, members, lives, compare } = this.#init
    members.tell({ kind: 'challenge', side: 'member', peerId: verifier, outcome: outcome.outcome })
    lives(verifier)
    if (outcome.outcome === 'declined') return
    this.#renew({ type: 'answered', peerId: verifier })
    // It did not know us as a member before: now it does, and can tell us what it knows.
    if (outcome.outcome === 'renewed' && !outlook.isActive(verifier)) void compare(verifier)
  }

  /** Also of a record that was refused for its times alone: whose clock is wrong must be heard to be noticed. */
  heard(record: MemberRecord): void {
    if (entryOf(this.#init.outlook.value, record.peerId) === undefined) return
    this.#renew({ type: 'heard', peerId: peerText(record.peerId), sentAtMs: record.sentAt })
  }

  // Who is out for good.

  readonly judgeRevocation: JudgeRevocation = (revocation, { seed = false } = {}) => {
    const { outlook, members } = this.#init
    return judgeRevocation(revocation, {
      ...members.revocations,
      // Who joins after a member was thrown out has never known it, and what that one still holds would let it in here.
      isKnown: (peerId) => (seed || entryOf(outlook.value, peerId) !== undefined) && !isRevoked(outlook.value, peerId),
    })
  }

  /** The same for what `author` gossips; undefined when it has sent as many as are judged for one. */
  judgeFor(author: Uint8Array, monotonicMs: number): JudgeRevocation | undefined {
    if (!this.#budget.has(author, monotonicMs)) return undefined
    return (revocation) => {
      this.#budget.spend(author, monotonicMs)
      return this.judgeRevocation(revocation)
    }
  }

  /** Members whose credentials are by one that is out. */
  suspect(peers: readonly Uint8Array[]): void {
    this.#suspects.push(...peers.map(peerText))
  }

  /** Our own word is not enough for ourselves either: the revocation is judged as everybody will. */
  #throwOut(revocation: Uint8Array): void {
    const { outlook, members } = this.#init
    const judgement = this.judgeRevocation(revocation)
    if (!judgement.counts) return
    outlook.table.keep(revoke(outlook.value, judgement, revocation, outlook.now()))
    members.network
      .publish(encodeGossip({ kind: 'revocation', revocation }))
      .catch((error) => members.failed('revocation', error))
  }

  #challengeSuspects(): void {
    if (this.#suspects.length === 0 || this.#suspectAsked || this.standing() !== 'active') return
    const peer = this.#suspects.shift()!
    this.#suspectAsked = true
    void this.#challenge(peer).finally(() => {
      this.#suspectAsked = false
    })
  }

  // What is due.

  #now(): Now {
    const { outlook } = this.#init
    return { ...outlook.now(), hostMs: outlook.hostMs() }
  }

  #view(): RenewalView {
    const { outlook, members, reaches } = this.#init
    const active = outlook.active().map((entry) => {
      const { credential } = leaseOf(entry)!
      const peerId = peerText(entry.peerId)
      const standing = equals(credential.issuer, entry.peerId) ? ('self_issued' as const) : ('active' as const)
      return { peerId, standing, judgedAtMs: credential.issuedAt, reachable: reaches(peerId) }
    })
    const met = [...this.#met.entries()].map(([peerId, { standing, judgedAtMs }]) => ({
      peerId,
      standing,
      judgedAtMs,
      reachable: true,
    }))
    const own = { remainingMs: members.own.remainingMs(), selfIssued: members.own.selfIssued() }
    return { own, members: [...active, ...met] }
  }

  #renew(event: RenewalEvent): void {
    const { effects, wakeAtMs } = this.#renewal.handle(event, this.#view(), this.#now())
    this.#dueAtMs = wakeAtMs
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
          this.#init.members.tell({ kind: 'alarm', alarm: effect.alarm, on: effect.on, peerId: effect.peerId })
          break
      }
    }
  }

  async #challenge(peer: string): Promise<void> {
    const outcome = await this.#init.members.network
      .challenge(peer)
      .catch((error): ChallengeOutcome => ({ outcome: 'no_answer', error: error as Error }))
    this.challenged(peer, outcome ?? { outcome: 'no_answer', error: new Error('this node may not issue now') })
  }

  async #ask(peer: string): Promise<void> {
    const { network, own, tell } = this.#init.members
    // Who has lapsed is no member to the other: it shows its record at the gate, and is challenged for that.
    const met = own.remainingMs() > 0 ? 'exchanged' : await this.#init.compare(peer)
    if (met !== 'exchanged') {
      this.#renew({ type: 'asked', peerId: peer, answer: met === 'challenged' ? 'alive' : 'none' })
      return
    }
    const outcome = await network.ask(peer).catch((error): AnswerOutcome => ({ outcome: 'no_verdict', error: error as Error }))
    tell({ kind: 'challenge', side: 'member', peerId: peer, outcome: outcome.outcome })
    this.#renew({ type: 'asked', peerId: peer, answer: askAnswer(outcome) })
  }

  async #selfIssue(): Promise<void> {
    const ok = await this.#init.members.network.selfIssue().catch(() => false)
    this.#renew({ type: 'self_issued', ok })
  }
}
