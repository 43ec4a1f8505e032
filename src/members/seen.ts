import { addressesOf, leaseOf } from '../../protocols/membership/index.ts'
import type { MetPeer } from './met.ts'
import type { Outlook } from './outlook.ts'
import { peerText } from './peer-text.ts'
import type { Member } from './table.ts'

/** A member as this node sees it. */
export interface SeenMember extends Member {
  /** `leaving`: it said goodbye a moment ago, and is no member any more. */
  state: 'active' | 'unreachable' | 'leaving' | 'lapsed'
  /** Its addresses may be told to strangers. */
  public: boolean
}

export interface SeenParts {
  outlook: Outlook
  met: Iterable<[string, MetPeer]>
  /** Peers that said goodbye a moment ago. */
  leaving: Iterable<string>
  reaches(peer: string): boolean
}

/** Everybody that is in, who has just left, and who waits to be made whole again. */
export const seenMembers = ({ outlook, met, leaving, reaches }: SeenParts): SeenMember[] => {
  const active = outlook.active().map((entry): SeenMember => {
    const peerId = peerText(entry.peerId)
    return {
      peerId,
      credential: leaseOf(entry)!.credential,
      addresses: [...addressesOf(entry)],
      state: reaches(peerId) ? 'active' : 'unreachable',
      public: entry.newest?.record.public === true,
    }
  })
  const out = (peerId: string, state: 'leaving' | 'lapsed', addresses?: readonly string[]): SeenMember[] => {
    const entry = outlook.entry(peerId)
    const lease = entry === undefined ? undefined : leaseOf(entry)
    if (entry === undefined || lease === undefined || outlook.isActive(peerId)) return []
    return [{ peerId, credential: lease.credential, addresses: [...(addresses ?? addressesOf(entry))], state, public: false }]
  }
  const left = [...leaving].flatMap((peerId) => out(peerId, 'leaving'))
  const lapsed = [...met].flatMap(([peerId, { addresses }]) => out(peerId, 'lapsed', addresses))
  return [...active.filter((member) => !isReplaced(member, active)), ...left, ...lapsed]
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
