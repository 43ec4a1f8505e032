/**
 * A joiner whose onboarder goes before the two have compared tables is known to nobody, and knows nobody; so does a member that
 * was cut off until all whom it knew had been replaced. As a stranger, which it is to all others, it joins once more, through
 * another peer of its operator's.
 */
import { decodeCredential } from '../../protocols/records/index.ts'
import { type Clock, type Log, messageOf, type Random } from '../base/index.ts'
import type { Members } from '../members/index.ts'
import type { JoinResult } from './join.ts'
import type { Membership } from './membership.ts'

// Implementation constants: tuning.

/** The onboarder may only be busy, or the line broken for a moment. Jittered by half. */
const SECOND_LOOK_MS = 1_000
/** One round of tries at all peers. Higher: a slow peer is waited for; longer until a node that is the last serves joiners. */
const REJOIN_TIMEOUT_MS = 15_000
/** Between rounds, twice as long after each in vain; jittered by half. */
const REJOIN_PAUSE_MS = 30_000
const REJOIN_PAUSE_MAX_MS = 300_000

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
export const rejoin = async (parts: RejoinParts): Promise<void> => {
  const { members, membership, peers, join, clock, random, log, signal } = parts
  if (members.adrift) {
    await clock.sleep(SECOND_LOOK_MS * (0.5 + random.uniform()), signal)
    await members.begin(parts.onboarder)
  }
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

/** A round whenever this node may be known to nobody, until the signal. */
export const rejoinLater = async (parts: RejoinParts): Promise<never> => {
  const { members, clock, random, signal } = parts
  for (let pauseMs = REJOIN_PAUSE_MS; ; pauseMs = members.adrift ? Math.min(2 * pauseMs, REJOIN_PAUSE_MAX_MS) : REJOIN_PAUSE_MS) {
    await clock.sleep(pauseMs * (0.5 + random.uniform()), signal)
    await rejoin(parts)
  }
}
