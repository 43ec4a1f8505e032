import { addressesOf, leaseOf } from '../../protocols/membership/index.ts'
import type { MetPeer } from './met.ts'
import type { Outlook } from './outlook.ts'
import { peerText } from './peer-text.ts'
import type { Member } from './table.ts'

/** A member as this node sees it. */
export interface SeenMember extends Member {
  state: 'active' | 'unreachable' | 'lapsed'
  /** Its addresses may be told to strangers. */
  public: boolean
}

/** Everybody that is in, and who waits to be made whole again. */
export const seenMembers = (
  outlook: Outlook,
  met: Iterable<[string, MetPeer]>,
  reaches: (peer: string) => boolean,
): SeenMember[] => {
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
  const lapsed = [...met].flatMap(([peerId, { addresses }]): SeenMember[] => {
    const entry = outlook.entry(peerId)
    const lease = entry === undefined ? undefined : leaseOf(entry)
    if (lease === undefined || outlook.isActive(peerId)) return []
    return [{ peerId, credential: lease.credential, addresses: [...addresses], state: 'lapsed', public: false }]
  })
  return [...active.filter((member) => !isReplaced(member, active)), ...lapsed]
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
