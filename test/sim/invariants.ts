/** What must hold after every step, whatever happens, and what must be so once all is well again. */
import type { Effect, Entry, Lease } from '../../protocols/membership/index.ts'
import { activeEntries, entryOf, leaseOf, republishIntervalMs } from '../../protocols/membership/index.ts'
import { decodeCredential } from '../../protocols/records/index.ts'
import { equals } from '../../protocols/wire/index.ts'
import type { NodeEvent } from '../../src/node/events.ts'
import type { Host, SimNetwork, Verdict } from './network.ts'
import type { SimNode } from './node.ts'
import type { SimPeer } from './peers.ts'
import { START_MS, type Timeline } from './time.ts'

export class Violation extends Error {
  override readonly name = 'Violation'
}

/** Sweep's longest pause before it pings again who did not answer, its jitter, and the ping. */
const RETRY_MAX_MS = 30_000 * 1.25 + 2_000
/** Nothing went wrong for so long before: then nobody may be taken for unreachable for more than an interval. */
const CALM_MS = 30_000
/** How far a clock may be wrong without anybody minding. */
const SKEW_MAX_MS = 120_000

interface Facts {
  timeline: Timeline
  network: SimNetwork
  lifetimeMs: number
  /** Every process that there ever was. */
  nodes(): readonly SimNode[]
  /** Peers that hold the secret, and no TD that anybody would admit. */
  outsiders: ReadonlySet<string>
}

const hex = ({ buffer, byteOffset, length }: Uint8Array): string => Buffer.from(buffer, byteOffset, length).toString('hex')

export class Invariants {
  readonly #facts: Facts
  /** Bodies of credentials that were made after a judgement. */
  readonly #issued = new Set<string>()
  /** Whole credentials whose bodies were found among these. */
  readonly #vouched = new Set<string>()
  /** `reader subject`: the greatest sequence that the reader ever had. */
  readonly #sequences = new Map<string, bigint>()
  /** `reader subject`: since when it is not reached. */
  readonly #unreachable = new Map<string, number>()
  /** Peer ids that an honest node counts as out. */
  readonly #revoked = new Map<string, Set<string>>()
  readonly #byText = new Map<string, SimNode>()
  /** When anything was last wrong with a machine, or with the way to another. */
  readonly #trouble = new Map<number, number>()
  /** Byzantine members that are out, and since when somebody knows. */
  readonly outSince = new Map<string, number>()
  checks = 0

  constructor(facts: Facts) {
    this.#facts = facts
    facts.network.onVerdict = (to, from, author, verdict) => this.#verdict(to, from, author, verdict)
  }

  issued(body: Uint8Array): void {
    this.#issued.add(hex(body))
  }

  watch(node: SimNode): void {
    this.#byText.set(node.text, node)
    node.table.listen((effect) => {
      if (!node.byzantine) this.#onEffect(node, effect)
    })
  }

  /** Something is wrong, or has been until now, with that machine. */
  trouble(machine: number): void {
    this.#trouble.set(machine, this.#facts.timeline.nowMs)
  }

  /** The first one; whoever steps through time looks at it, since it may be found deep inside a node. */
  violation: Violation | undefined

  #fail(node: SimNode, what: string): never {
    this.violation ??= new Violation(
      `${what} (at node ${node.machine.index} ${short(node.text)}, ${Math.round(this.#facts.timeline.nowMs)} ms)`,
    )
    throw this.violation
  }

  /** Honest members are never the ones who pay for what they relay. */
  #verdict(to: Host, from: Host, author: SimPeer, verdict: Verdict): void {
    this.checks++
    const [reader, relay, by] = [to, from, author].map((host) => this.#byText.get('peer' in host ? host.peer.text : host.text))
    if (verdict !== 'reject' || reader === undefined || reader.byzantine) return
    if (relay !== undefined && !relay.byzantine) this.#fail(reader, `rejects what honest ${short(relay.text)} relays`)
    if (by !== undefined && !by.byzantine && relay === by) this.#fail(reader, `rejects what honest ${short(by.text)} says`)
  }

  #onEffect(node: SimNode, effect: Effect): void {
    this.checks++
    const entry = entryOf(node.table.value, effect.peerId)
    if (effect.kind === 'revoked') this.#onRevoked(node, effect.peerId)
    if (entry === undefined) return
    if (effect.kind === 'joined' || effect.kind === 'updated') this.#accepted(node, entry)
    const { newest } = entry
    if (newest === undefined) return
    const key = `${node.text} ${hex(entry.peerId)}`
    const before = this.#sequences.get(key)
    if (before !== undefined && newest.record.sequence < before) this.#fail(node, 'a sequence number went back')
    this.#sequences.set(key, newest.record.sequence)
  }

  /** Independent of the rules: what is known of who judged whom. */
  #accepted(node: SimNode, { peerId, newest, admitted }: Entry): void {
    const subject = this.#facts.network.hosts.get(textOf(this.#facts, peerId))
    const { nowMs } = this.#facts.timeline
    for (const lease of [newest, admitted]) {
      if (lease === undefined) continue
      const { credential } = lease
      if (!equals(credential.peerId, peerId)) this.#fail(node, 'a credential of another was accepted')
      if (credential.expiresAt - credential.issuedAt > this.#facts.lifetimeMs) this.#fail(node, 'a credential is too long')
    }
    const lease = leaseOf({ peerId, newest, admitted } as Entry)!
    // What a node issued itself while its clock was wrong holds here for one lifetime, and with nobody else.
    if (
      node.clock.offsetMs === 0 &&
      !equals(lease.credential.issuer, node.peer.id) &&
      Math.abs(lease.credential.issuedAt - START_MS - nowMs) > this.#facts.lifetimeMs + SKEW_MAX_MS
    ) {
      this.#fail(node, 'a member by a credential of another time')
    }
    if (subject === undefined) this.#fail(node, 'a member that does not exist')
    if (newest !== undefined && !this.#byLiar(newest) && !this.#isIssued(newest.record.credential)) {
      this.#fail(node, `${short(subject.peer.text)} is in by a credential that nobody issued after a judgement`)
    }
    const itself = equals(lease.credential.issuer, peerId)
    if (this.#facts.outsiders.has(subject.peer.text) && (!this.#byLiar(lease) || itself)) {
      this.#fail(node, 'who has only the secret is in a table')
    }
  }

  #isIssued(credential: Uint8Array): boolean {
    const name = hex(credential)
    if (this.#vouched.has(name)) return true
    if (!this.#issued.has(hex(decodeCredential(credential).message.body))) return false
    this.#vouched.add(name)
    return true
  }

  #byLiar({ credential }: Lease): boolean {
    return this.#mayLie(textOf(this.#facts, credential.issuer))
  }

  /** Who turned, and whom it has let in. */
  #mayLie(peer: string): boolean {
    return this.#facts.outsiders.has(peer) || this.#byText.get(peer)?.byzantine === true
  }

  #onRevoked(node: SimNode, peerId: Uint8Array): void {
    const text = textOf(this.#facts, peerId)
    if (!this.#mayLie(text)) this.#fail(node, `honest ${short(text)} was thrown out`)
    const out = this.#revoked.get(node.text) ?? new Set()
    this.#revoked.set(node.text, out.add(hex(peerId)))
    if (!this.outSince.has(text)) this.outSince.set(text, this.#facts.timeline.nowMs)
  }

  told(node: SimNode, event: NodeEvent): void {
    if (event.kind !== 'member' || node.byzantine) return
    const key = `${node.text} ${event.peerId}`
    if (event.change === 'unreachable') this.#unreachable.set(key, this.#facts.timeline.nowMs)
    else if (event.change !== 'updated') this.#unreachable.delete(key)
  }

  /** Looked at once a second. */
  look(): void {
    const { timeline, lifetimeMs } = this.#facts
    const nodes = this.#facts.nodes()
    for (const [key, sinceMs] of this.#unreachable) {
      const [reader, subject] = key.split(' ').map((text) => this.#byText.get(text))
      if (reader === undefined || subject === undefined || !sound(reader) || !sound(subject)) this.#unreachable.delete(key)
      else this.#reachedAgain(reader, subject, sinceMs)
    }
    for (const node of nodes) {
      if (node.byzantine || !node.alive || node.members === undefined) continue
      this.checks++
      const out = this.#revoked.get(node.text)
      for (const entry of activeEntries(node.table.value, node.members.now())) {
        if (out?.has(hex(entry.peerId))) this.#fail(node, `${short(textOf(this.#facts, entry.peerId))} is out, and back`)
        const text = textOf(this.#facts, entry.peerId)
        const sponsor = textOf(this.#facts, leaseOf(entry)!.credential.issuer)
        const outMs = this.outSince.get(sponsor)
        if (this.#facts.outsiders.has(text) && outMs !== undefined && timeline.nowMs > outMs + lifetimeMs + SKEW_MAX_MS) {
          this.#fail(node, 'who has only the secret is in longer than the credential that let it in')
        }
      }
      const calm = timeline.nowMs - (this.#trouble.get(node.machine.index) ?? 0) > CALM_MS
      if (sound(node) && calm && !node.members.state().serves) this.#fail(node, 'does not serve its apps any more')
    }
  }

  #reachedAgain(reader: SimNode, subject: SimNode, sinceMs: number): void {
    this.checks++
    const { timeline } = this.#facts
    const troubleMs = Math.max(
      this.#trouble.get(reader.machine.index) ?? Number.NEGATIVE_INFINITY,
      this.#trouble.get(subject.machine.index) ?? Number.NEGATIVE_INFINITY,
    )
    const intervalMs = 1.5 * republishIntervalMs(this.#facts.nodes().length)
    const boundMs = troubleMs > sinceMs - CALM_MS ? Math.max(RETRY_MAX_MS, intervalMs) + 5_000 : intervalMs
    if (timeline.nowMs - Math.max(sinceMs, troubleMs) > boundMs) {
      this.#fail(reader, `takes healthy ${short(subject.text)} for unreachable since ${Math.round(sinceMs)} ms`)
    }
  }

  /** What is still not as it should be when nothing is wrong any more; undefined when all is. */
  unfinished(): string | undefined {
    const members = this.#facts.nodes().filter((node) => node.alive && !node.leaving)
    const honest = members.filter(({ byzantine }) => !byzantine)
    const joining = members.find((node) => node.members === undefined)
    if (joining !== undefined) return `${short(joining.text)} has not joined`
    const wanted = new Set(honest.map(({ text }) => text))
    for (const node of honest) {
      const { standing, clockOffMs } = node.members!.state()
      if (standing !== 'active' && honest.length > 1) return `${short(node.text)} is ${standing}`
      if (clockOffMs !== undefined) return `${short(node.text)} takes its clock for wrong`
      const seen = node.members!.list().filter(({ peerId }) => !this.#mayLie(peerId))
      for (const { peerId, state } of seen) {
        if (!wanted.has(peerId)) return `${short(node.text)} still knows ${short(peerId)}`
        if (state !== 'active') return `${short(node.text)} takes ${short(peerId)} for ${state}`
        if (!node.linked.has(peerId)) return `${short(node.text)} does not gossip with ${short(peerId)}`
      }
      const missing = honest.find((other) => other !== node && !seen.some(({ peerId }) => peerId === other.text))
      if (missing !== undefined) return `${short(node.text)} does not know ${short(missing.text)}`
      const knows = this.#revoked.get(node.text)
      const out = [...this.#revoked.entries()].find(
        ([by, peers]) => wanted.has(by) && [...peers].some((peer) => !knows?.has(peer)),
      )
      if (out !== undefined && this.#stillIn(node, out[1])) return `${short(node.text)} does not know who is out`
    }
    return undefined
  }

  #stillIn(node: SimNode, out: ReadonlySet<string>): boolean {
    return activeEntries(node.table.value, node.members!.now()).some(({ peerId }) => out.has(hex(peerId)))
  }
}

const sound = (node: SimNode): boolean => node.sound && !node.byzantine
/** The last digits, which tell peers apart. */
export const short = (text: string): string => text.slice(-6)

const texts = new Map<string, string>()
const textOf = ({ network }: Pick<Facts, 'network'>, peerId: Uint8Array): string => {
  const key = hex(peerId)
  let text = texts.get(key)
  if (text === undefined) {
    for (const host of network.hosts.values()) texts.set(hex(host.peer.id), host.peer.text)
    text = texts.get(key) ?? key
  }
  return text
}
