import type { MemberRecord } from '../../protocols/records/index.ts'

/** What a member says of itself, but for what {@link OwnRecord} adds. */
export type OwnFacts = Omit<MemberRecord, 'sequence' | 'state' | 'sentAt'>

/** This node's own record: each new one has a greater sequence, and they are made one after the other. */
export class OwnRecord {
  readonly #facts: () => OwnFacts
  readonly #seal: (record: MemberRecord) => Promise<Uint8Array>
  readonly #now: () => number
  /** A restarted node is another peer, so counting may begin anew. */
  #sequence = 0n
  #leaving = false
  #envelope: Uint8Array | undefined
  #addresses: readonly string[] = []
  #last: Promise<unknown> = Promise.resolve()

  /** @param init.now - Unix milliseconds, as others are to see this node's clock */
  constructor(init: { facts(): OwnFacts; seal(record: MemberRecord): Promise<Uint8Array>; now(): number }) {
    this.#facts = init.facts
    this.#seal = init.seal
    this.#now = init.now
  }

  /** The newest. Throws before the first has been made. */
  get envelope(): Uint8Array {
    if (this.#envelope === undefined) throw new Error('there is no own record yet')
    return this.#envelope
  }

  /** Whether it says, or is about to say, that this node leaves: then nothing else is ever said again. */
  get leaving(): boolean {
    return this.#leaving
  }

  /** Whether this node is at other addresses than it says. */
  get outdated(): boolean {
    return `${this.#facts().addresses}` !== `${this.#addresses}`
  }

  leave(): void {
    this.#leaving = true
  }

  /** A new record of what holds now; resolves with its envelope. */
  make(): Promise<Uint8Array> {
    const made = this.#last.then(async () => {
      this.#sequence += 1n
      const state = this.#leaving ? 'leaving' : 'active'
      const facts = this.#facts()
      const envelope = await this.#seal({ ...facts, sequence: this.#sequence, state, sentAt: this.#now() })
      this.#envelope = envelope
      this.#addresses = facts.addresses
      return envelope
    })
    this.#last = made.catch(() => {})
    return made
  }
}
