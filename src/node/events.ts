/** What happens in a node, for whoever shows or counts it. Never a secret; what other peers say is passed on as it came. */
import type { GossipIgnored, GossipRejected } from '../../protocols/membership/index.ts'
import type { RefusalCode } from '../../protocols/wire/index.ts'
import type { AlarmCode } from './alarm-words.ts'

export type NodeEvent =
  /** A joiner's exchange with this node has ended. `code` where it was refused, `reasons` by whom it was judged. */
  | {
      readonly kind: 'join'
      readonly peerId: string
      readonly joinId?: string | undefined
      readonly outcome: 'admitted' | 'refused' | 'failed'
      readonly code?: RefusalCode | undefined
      readonly reasons?: readonly string[]
    }
  /** Evidence was judged; `ms` of this process's time. */
  | { readonly kind: 'judged'; readonly accepted: boolean; readonly code?: RefusalCode | undefined; readonly ms: number }
  /** The table changed, or this node's view of who answers. */
  | {
      readonly kind: 'member'
      readonly peerId: string
      readonly change: 'joined' | 'updated' | 'left' | 'revoked' | 'ended' | 'unreachable' | 'reachable'
    }
  /** A challenge has ended that this node made (`verifier`) or was sent (`member`). */
  | { readonly kind: 'challenge'; readonly side: 'verifier' | 'member'; readonly peerId: string; readonly outcome: string }
  /** What the validator made of a message on the members' topic. */
  | {
      readonly kind: 'gossip'
      readonly message: 'record' | 'revocation' | 'unreachable' | 'undecodable'
      readonly verdict: 'accept' | 'ignore' | 'reject'
      readonly fault?: GossipIgnored | GossipRejected | undefined
    }
  /** This node has a new credential; times in Unix milliseconds. */
  | { readonly kind: 'renewed'; readonly selfIssued: boolean; readonly expiresAt: number }
  /** Said once when it begins (`on`) and once when it ends; by its code and what it is about, a member or something else. */
  | {
      readonly kind: 'alarm'
      readonly alarm: AlarmCode
      readonly on: boolean
      readonly peerId?: string | undefined
      readonly about?: string | undefined
    }

/** Tells each listener each event, in order. A listener must not throw. */
export class NodeEvents {
  readonly #listeners = new Set<(event: NodeEvent) => void>()

  emit(event: NodeEvent): void {
    for (const listener of this.#listeners) listener(event)
  }

  /** Until the function returned is called. */
  listen(listener: (event: NodeEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }
}
