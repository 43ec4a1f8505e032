/**
 * A joiner whose onboarder goes before the two have compared tables is known to nobody, and knows nobody. As a stranger, which it
 * is to all others, it joins once more, through another peer of its operator's.
 */
import { decodeCredential } from '../../protocols/records/index.ts'
import { type Clock, type Log, messageOf, type Random } from '../base/index.ts'
import type { Members } from '../members/index.ts'
import type { JoinResult } from './join.ts'
import type { Membership } from './membership.ts'

// Implementation constants: tuning.

/** One round of tries at all peers. Higher: a slow peer is waited for; longer until a node that is the last serves joiners. */
const REJOIN_TIMEOUT_MS = 15_000
/** Jittered by half. */
const REJOIN_PAUSE_MS = 30_000

export interface RejoinParts {
  members: Members
  membership: Membership
  /** Who let this node in. */
  onboarder: string
  /** As the operator gave them. */
  peers: readonly string[]
  join(peers: readonly string[], timeoutMs: number): Promise<JoinResult>
  clock: Clock
  random: Random
  log: Log
  signal: AbortSignal
}

/** One round. Resolves when tables have been compared with somebody, or no peer has let this node in. */
export const rejoin = async ({ members, membership, onboarder: first, peers, join, log, signal }: RejoinParts): Promise<void> => {
  // One broken connection does not say that it is gone.
  if (members.adrift) await members.begin(first)
  let left = [...peers]
  // Bounded also where an address is given by a name, and the one that answered is none of these.
  for (let tries = 0; members.adrift && left.length > 0 && tries < peers.length; tries++) {
    log.warn('join.adrift')
    let again: JoinResult
    try {
      again = await join(left, REJOIN_TIMEOUT_MS)
    } catch (error) {
      signal.throwIfAborted()
      log.warn('join.adrift_failed', { reason: messageOf(error) })
      return
    }
    const { onboarder } = again
    // The secret is the one that this node has: the cluster id is checked against it.
    again.membership.keys.wipe()
    membership.renew({ credential: again.membership.credentialBytes, evidence: again.membership.evidence })
    members.admit(decodeCredential(onboarder.credential).body, [onboarder.address])
    await members.begin(onboarder.peerId.toString())
    left = left.filter((address) => address !== onboarder.address)
  }
}

/** Rounds until this node is known to somebody; ends by itself then, or with the signal. */
export const rejoinLater = async (parts: RejoinParts): Promise<void> => {
  const { members, clock, random, signal } = parts
  while (members.adrift) {
    await clock.sleep(REJOIN_PAUSE_MS * (0.5 + random.uniform()), signal)
    await rejoin(parts)
  }
}
