import type { CredentialBody } from '../../protocols/records/index.ts'

/** Implementation constant: more members than this are not kept. */
const MEMBERS_MAX = 10_000

/** Who is in, as this node knows it. */
export interface Member {
  /** Text form of the peer id. */
  peerId: string
  /** What the newest valid credential states. */
  credential: CredentialBody
  /** Text multiaddrs at which this node has met it. */
  addresses: string[]
}

/** The members that this node has itself admitted, or was admitted by. */
export class MemberTable {
  readonly #members = new Map<string, Member>()

  /** Adds or renews; the credential that ends last stays. */
  admit(member: Member, nowMs: number): void {
    const known = this.#members.get(member.peerId)
    if (known !== undefined && known.credential.expiresAt > member.credential.expiresAt) return
    if (known === undefined && this.#members.size >= MEMBERS_MAX) this.#forgetEnded(nowMs)
    if (known === undefined && this.#members.size >= MEMBERS_MAX) return
    this.#members.set(member.peerId, member)
  }

  /** Whether this peer's credential still holds. */
  has(peerId: string, nowMs: number): boolean {
    const member = this.#members.get(peerId)
    return member !== undefined && member.credential.expiresAt > nowMs
  }

  /** Those whose credential still holds. */
  active(nowMs: number): Member[] {
    return [...this.#members.values()].filter((member) => member.credential.expiresAt > nowMs)
  }

  /** Every restart of a node is a new peer: without this, a long-lived member would some day have no room for new ones. */
  #forgetEnded(nowMs: number): void {
    for (const [peerId, { credential }] of this.#members) if (credential.expiresAt <= nowMs) this.#members.delete(peerId)
  }
}
