/** What Members is given, and what it tells. */
import type { AnswerOutcome, ChallengeOutcome, RevocationReader } from '../../protocols/challenge/index.ts'
import type { GossipIgnored, GossipRejected, OpenedGossip, RecordRules } from '../../protocols/membership/index.ts'
import type { MemberRecord } from '../../protocols/records/index.ts'
import type { Clock, Random } from '../base/index.ts'
import type { OwnFacts } from './own-record.ts'
import type { RenewalAlarm } from './renewal.ts'
import type { MemberTable } from './table.ts'

/** What came of opening a stream of /dstack/membership/1.0.0: `challenged`, refused with `lapsed`, and now we are challenged. */
export type SyncOutcome = 'exchanged' | 'challenged' | 'failed'

/** What this node can do over the network. Peers in text form. Each resolves in bounded time; a rejection counts as no answer. */
export interface MembersNetwork {
  /** False: nobody was there to hear it. */
  publish(message: Uint8Array): Promise<boolean>
  ping(peer: string, timeoutMs: number): Promise<'answered' | 'refused' | 'silent'>
  /** Whether `via` reaches the member `target` (multihash bytes). */
  probe(via: string, target: Uint8Array, timeoutMs: number): Promise<boolean>
  /** @param options.addresses - where the peer is, as far as the table knows */
  sync(peer: string, options: { seed: boolean; addresses: readonly string[] }): Promise<SyncOutcome>
  /** Undefined: this node may not issue now. */
  challenge(peer: string): Promise<ChallengeOutcome | undefined>
  ask(peer: string): Promise<AnswerOutcome>
  /** Quotes, judges itself and takes the new credential. */
  selfIssue(): Promise<boolean>
  /** From now on it may gossip with us, and is at these addresses; told again when they change. */
  admitted(peer: string, addresses: readonly string[]): void
  /** From now on it may not. */
  expelled(peer: string): void
  /** How many members there are, this one included. Told every second. */
  size(members: number): void
}

/** What this node holds. */
export interface OwnStanding {
  /** By whichever of the two clocks says less; not positive when the credential has run out. */
  remainingMs(): number
  selfIssued(): boolean
}

/** What Members tells; see NodeEvent of src/node. */
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
