/** A cluster that is modelled: many renewal cores, time that jumps, exchanges that take a while, gossip that comes late. */

import type { ChallengeOutcome } from '../../protocols/challenge/index.ts'
import { AnswerLimit } from '../../protocols/challenge/member.ts'
import {
  type AskAnswer,
  type MemberFacts,
  type Now,
  Renewal,
  type RenewalAlarm,
  type RenewalView,
} from '../../src/members/renewal.ts'

export const HOUR_MS = 3_600_000
export const LIFETIME_MS = HOUR_MS
const START_MS = Date.UTC(2026, 5, 1)
const EXCHANGE_MS = 2_000
const TIMEOUT_MS = 30_000
const GOSSIP_MAX_MS = 10_000

/** Mulberry32: the same numbers for the same seed. */
export const seeded = (seed: number): { uniform(): number } => {
  let state = seed | 0
  return {
    uniform() {
      state = (state + 0x6d2b79f5) | 0
      let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
      mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
      return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
    },
  }
}

interface Credential {
  issuedAtMs: number
  expiresAtMs: number
  selfIssued: boolean
}
interface Seen {
  credential: Credential
  fromMs: number
}

/** Which of the world's services answer, and who; asked at the moment of need. */
export interface World {
  /** Whether a node runs at all. */
  up?(node: number, atMs: number): boolean
  /** Whether `node` can make a quote that is accepted. */
  quotes?(node: number, atMs: number): boolean
  /** Whether a challenge by `verifier` to `member` gets through. */
  answers?(verifier: number, member: number, atMs: number): boolean
  /** Whether the network connects the two. */
  connected?(a: number, b: number, atMs: number): boolean
  /** Whether those who went down, or cannot be reached, are taken for reachable all the same. */
  blind?: boolean
  /** By how much the node's clock is wrong. */
  clockOffMs?(node: number, atMs: number): number
}

export interface ModelNode {
  id: number
  core: Renewal
  credential: Credential
  limit: AnswerLimit
  wakeAtMs: number
  counts: { begun: number; quotes: number; asks: number; selfIssues: number; lapses: number }
  alarms: Set<string>
  /** Every alarm that was ever raised. */
  raised: Set<RenewalAlarm>
  /** Ages at which others renewed it, as shares of a lifetime. */
  ages: number[]
  /** The most challenges begun, and quotes made, in any one lifetime. */
  most: { begun: number; quotes: number }
}

export class ModelCluster {
  nowMs = START_MS
  readonly nodes: ModelNode[] = []
  readonly #random: { uniform(): number }
  readonly #world: World
  readonly #later: { atMs: number; run(): void }[] = []
  /** What each node has seen of each other: the newest, and what is about to be. */
  readonly #seen: (Seen[] | undefined)[][] = []

  constructor(size: number, seed: number, world: World = {}, options: { selfIssued?: (node: number) => boolean } = {}) {
    this.#random = seeded(seed)
    this.#world = world
    for (let id = 0; id < size; id++) {
      const issuedAtMs = START_MS - Math.floor(this.#random.uniform() * LIFETIME_MS * 0.3)
      this.nodes.push({
        id,
        core: new Renewal({ lifetimeMs: LIFETIME_MS, lapsedServeMs: 24 * HOUR_MS, random: this.#random }),
        credential: { issuedAtMs, expiresAtMs: issuedAtMs + LIFETIME_MS, selfIssued: options.selfIssued?.(id) ?? false },
        limit: new AnswerLimit(),
        wakeAtMs: START_MS,
        counts: { begun: 0, quotes: 0, asks: 0, selfIssues: 0, lapses: 0 },
        alarms: new Set(),
        raised: new Set(),
        ages: [],
        most: { begun: 0, quotes: 0 },
      })
    }
    for (const node of this.nodes) {
      this.#seen.push(this.nodes.map((other) => (other === node ? undefined : [{ credential: other.credential, fromMs: 0 }])))
    }
  }

  run(forMs: number, onStep: (cluster: ModelCluster) => void = () => {}): this {
    const endMs = this.nowMs + forMs
    for (;;) {
      let next: ModelNode | undefined
      for (const node of this.nodes) if (next === undefined || node.wakeAtMs < next.wakeAtMs) next = node
      let first = -1
      for (let i = 0; i < this.#later.length; i++) {
        if (first < 0 || this.#later[i]!.atMs < this.#later[first]!.atMs) first = i
      }
      const laterMs = first < 0 ? Number.POSITIVE_INFINITY : this.#later[first]!.atMs
      const atMs = Math.min(next!.wakeAtMs, laterMs)
      if (atMs > endMs) break
      this.nowMs = Math.max(this.nowMs, atMs)
      if (laterMs <= next!.wakeAtMs) this.#later.splice(first, 1)[0]!.run()
      else this.#tell(next!, { type: 'tick' })
      onStep(this)
    }
    this.nowMs = endMs
    return this
  }

  now(node: ModelNode): Now {
    const wallMs = this.nowMs + (this.#world.clockOffMs?.(node.id, this.nowMs) ?? 0)
    return { wallMs, hostMs: wallMs, monotonicMs: this.nowMs - START_MS }
  }
  view(node: ModelNode): RenewalView {
    const members: MemberFacts[] = []
    for (const other of this.nodes) {
      const seen = this.#seen[node.id]![other.id]
      if (seen === undefined) continue
      while (seen.length > 1 && seen[1]!.fromMs <= this.nowMs) seen.shift()
      const { issuedAtMs, expiresAtMs, selfIssued } = seen[0]!.credential
      const there = this.#up(other.id) && this.#connected(node.id, other.id)
      const lapsed = expiresAtMs <= this.nowMs
      if (lapsed && !there) continue
      const standing = lapsed ? 'lapsed' : selfIssued ? 'self_issued' : 'active'
      members.push({ peerId: `${other.id}`, standing, judgedAtMs: issuedAtMs, reachable: there || this.#world.blind === true })
    }
    return {
      own: { remainingMs: node.credential.expiresAtMs - this.now(node).wallMs, selfIssued: node.credential.selfIssued },
      members,
    }
  }
  standing(node: ModelNode) {
    return node.core.state(this.view(node), this.now(node))
  }

  #up(id: number): boolean {
    return this.#world.up?.(id, this.nowMs) ?? true
  }
  #connected(a: number, b: number): boolean {
    return this.#world.connected?.(a, b, this.nowMs) ?? true
  }
  #after(ms: number, run: () => void): void {
    this.#later.push({ atMs: this.nowMs + ms, run })
  }

  #tell(node: ModelNode, event: Parameters<Renewal['handle']>[0]): void {
    if (!this.#up(node.id)) {
      node.wakeAtMs = this.nowMs + 60_000
      return
    }
    const now = this.now(node)
    const { effects, wakeAtMs } = node.core.handle(event, this.view(node), now)
    node.wakeAtMs = START_MS + wakeAtMs
    if (node.wakeAtMs <= this.nowMs) throw new Error('the core wants to be called at once again')
    for (const effect of effects) {
      switch (effect.type) {
        case 'challenge':
          node.counts.begun++
          this.#challenge(node, this.nodes[Number(effect.peerId)]!)
          break
        case 'ask':
          node.counts.asks++
          this.#ask(node, this.nodes[Number(effect.peerId)]!)
          break
        case 'self_issue':
          this.#selfIssue(node)
          break
        case 'alarm': {
          const key = `${effect.alarm} ${effect.peerId ?? ''}`
          if (effect.on === node.alarms.has(key)) throw new Error(`${key} is said twice`)
          if (effect.on) node.alarms.add(key)
          else node.alarms.delete(key)
          if (effect.on) node.raised.add(effect.alarm)
          if (effect.on && effect.alarm === 'lapsed') node.counts.lapses++
          break
        }
      }
    }
  }

  #reaches(verifier: ModelNode, member: ModelNode): boolean {
    return (
      this.#up(verifier.id) &&
      this.#up(member.id) &&
      this.#connected(verifier.id, member.id) &&
      (this.#world.answers?.(verifier.id, member.id, this.nowMs) ?? true)
    )
  }

  /** Whether M takes V for a member. */
  #isMember(member: ModelNode, verifier: ModelNode): boolean {
    const facts = this.view(member).members.find(({ peerId }) => peerId === `${verifier.id}`)
    return facts?.standing === 'active' || (facts?.standing === 'self_issued' && member.credential.selfIssued)
  }

  /** The exchange between two that reach each other, as protocols/challenge has it; `done` is told when V knows. */
  #exchange(verifier: ModelNode, member: ModelNode, done: (outcome: ChallengeOutcome['outcome']) => void): void {
    if (!this.#isMember(member, verifier)) {
      this.#after(TIMEOUT_MS, () => done('no_answer'))
      return
    }
    const key = `${verifier.id}`
    if (member.limit.begin(key, this.nowMs - START_MS) !== undefined) {
      this.#after(100, () => done('no_answer'))
      return
    }
    const quoted = this.#world.quotes?.(member.id, this.nowMs) ?? true
    if (quoted) member.counts.quotes++
    this.#after(EXCHANGE_MS, () => {
      member.limit.end(key, this.nowMs - START_MS, quoted ? { lifetimeMs: LIFETIME_MS } : undefined)
      if (!quoted) return done('no_answer')
      if (!this.standing(verifier).mayIssue) return done('withheld')
      member.ages.push((this.nowMs - member.credential.issuedAtMs) / LIFETIME_MS)
      this.#issue(member, { issuedAtMs: this.nowMs, expiresAtMs: this.nowMs + LIFETIME_MS, selfIssued: false })
      done('renewed')
    })
  }

  #challenge(verifier: ModelNode, member: ModelNode): void {
    const done = (outcome: ChallengeOutcome['outcome']): void => {
      if (outcome !== 'no_answer') this.#tell(member, { type: 'answered', peerId: `${verifier.id}` })
      this.#tell(verifier, { type: 'challenged', peerId: `${member.id}`, outcome })
    }
    if (this.#reaches(verifier, member)) this.#exchange(verifier, member, done)
    else this.#after(TIMEOUT_MS, () => done('no_answer'))
  }

  #ask(member: ModelNode, verifier: ModelNode): void {
    const answer = (said: AskAnswer) => this.#tell(member, { type: 'asked', peerId: `${verifier.id}`, answer: said })
    if (!this.#reaches(verifier, member)) {
      this.#after(TIMEOUT_MS, () => answer('none'))
      return
    }
    const { standing, mayIssue } = this.standing(verifier)
    if (standing !== 'active' || !mayIssue) {
      this.#after(100, () => answer('none'))
      return
    }
    this.#exchange(verifier, member, (outcome) => {
      this.#tell(verifier, { type: 'challenged', peerId: `${member.id}`, outcome })
      answer(outcome === 'renewed' ? 'renewed' : outcome === 'no_answer' ? 'alive' : 'judged')
    })
  }

  #selfIssue(node: ModelNode): void {
    node.counts.selfIssues++
    this.#after(EXCHANGE_MS, () => {
      const ok = this.#up(node.id) && (this.#world.quotes?.(node.id, this.nowMs) ?? true)
      if (ok) this.#issue(node, { issuedAtMs: this.nowMs, expiresAtMs: this.nowMs + LIFETIME_MS, selfIssued: true })
      this.#tell(node, { type: 'self_issued', ok })
    })
  }

  /** The node has a new credential; others see it when its next record reaches them. */
  #issue(node: ModelNode, credential: Credential): void {
    node.credential = credential
    for (const other of this.nodes) {
      if (other === node || !this.#connected(node.id, other.id)) continue
      this.#seen[other.id]![node.id]!.push({
        credential,
        fromMs: this.nowMs + Math.floor(this.#random.uniform() * GOSSIP_MAX_MS),
      })
      this.#after(GOSSIP_MAX_MS, () => {
        if (!this.#up(other.id) || !this.#up(node.id)) return
        const sentAtMs = this.now(node).wallMs
        this.#tell(other, { type: 'heard', peerId: `${node.id}`, sentAtMs })
      })
    }
  }

  /** As after a partition: everybody connected learns what everybody has. */
  sync(): void {
    for (const node of this.nodes) {
      for (const other of this.nodes) {
        const seen = this.#seen[node.id]![other.id]
        if (seen === undefined || !this.#connected(node.id, other.id)) continue
        seen.splice(0, seen.length, { credential: other.credential, fromMs: 0 })
      }
    }
  }
}
