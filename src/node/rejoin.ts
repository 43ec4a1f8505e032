/**
 * A joiner whose onboarder goes before the two have compared tables is known to nobody, and knows nobody. So may be a member that was
 * cut off until all whom it knew had been replaced, and two such members may know each other only. As strangers, which they are to
 * all others, they join once more, through another peer of their operator's.
 */
import { decodeCredential } from '../../protocols/records/index.ts'
import { type Clock, type Log, messageOf, type Random } from '../base/index.ts'
import type { Members } from '../members/index.ts'
import type { JoinResult } from './join.ts'
import type { Standing } from './membership.ts'

// Implementation constants: tuning.

/** The onboarder may only be busy, or the line broken for a moment. Jittered by half. */
const SECOND_LOOK_MS = 1_000
/** All tries of the first round. Higher: slow peers are waited for; longer until a node that is the last serves joiners. */
const FIRST_ROUND_MS = 30_000
/** All tries of a later one, beside which the node does all that members do. */
const ROUND_MS = 120_000
/** Between rounds, twice as long after each in vain, and the longest when there is nothing to do; jittered by half. */
const PAUSE_MS = 30_000
const PAUSE_MAX_MS = 300_000
/** Who has just joined is a stranger until it is told of. */
const STRANGER_MS = 15_000

export interface RejoinParts {
  members: Members
  /** This node has this credential from now on. */
  renew(standing: Standing): void
  /** As the operator gave them, or the cluster published them. */
  peers: readonly string[]
  /** Through any of these peers. */
  join(peers: readonly string[], timeoutMs: number): Promise<JoinResult>
  /** Who answers at an address, multihash bytes. Undefined: nobody, or a member that is known to be there. */
  whoIs(address: string): Promise<Uint8Array | undefined>
  clock: Clock
  random: Random
  log: Log
  signal: AbortSignal
}

/** A joiner's first round. Resolves when tables have been compared with somebody, no peer lets this node in, or time is up. */
export const rejoin = async (parts: RejoinParts): Promise<void> => {
  const { members, clock, random, signal } = parts
  if (members.adrift) {
    await clock.sleep(SECOND_LOOK_MS * (0.5 + random.uniform()), signal)
    await members.beginAgain()
  }
  await round(parts, FIRST_ROUND_MS)
}

/** A round whenever this node may be known to nobody, until the signal. */
export const rejoinLater = async (parts: RejoinParts): Promise<never> => {
  const { members, clock, random, signal } = parts
  for (let pauseMs = PAUSE_MS; ; pauseMs = members.adrift ? Math.min(2 * pauseMs, PAUSE_MAX_MS) : PAUSE_MAX_MS) {
    await clock.sleep(pauseMs * (0.5 + random.uniform()), signal)
    if (members.adrift) await round(parts, ROUND_MS)
    else await lookOutside(parts)
  }
}

const round = async (parts: RejoinParts, timeoutMs: number): Promise<void> => {
  const { members, peers, clock, log } = parts
  if (!members.adrift) return
  log.warn('join.adrift')
  const endMs = clock.monotonicMs() + timeoutMs
  let left = [...peers]
  // Bounded also where an address is given by a name, and the one that answered is none of these.
  for (let tries = 0; members.adrift && left.length > 0 && tries < peers.length; tries++) {
    const leftMs = endMs - clock.monotonicMs()
    const address = leftMs <= 0 ? undefined : await joinAgain(parts, left, leftMs)
    if (address === undefined) return
    left = left.filter((each) => each !== address)
  }
}

/** Who answers where members should be, and is nobody that this node knows, may be of those who know nothing of this node. */
const lookOutside = async (parts: RejoinParts): Promise<void> => {
  const { members, peers, whoIs, clock, random, log, signal } = parts
  const address = peers[Math.floor(random.uniform() * peers.length)]
  const peer = address === undefined ? undefined : await whoIs(address)
  if (address === undefined || peer === undefined || !members.isStranger(peer)) return
  await clock.sleep(STRANGER_MS * (0.5 + random.uniform()), signal)
  if (!members.isStranger(peer)) return
  log.warn('join.stranger', { address })
  await joinAgain(parts, [address], FIRST_ROUND_MS)
}

/** Resolves with the address of whoever has let this node in. */
const joinAgain = async (parts: RejoinParts, peers: readonly string[], timeoutMs: number): Promise<string | undefined> => {
  const { members, renew, join, log, signal } = parts
  let again: JoinResult
  try {
    again = await join(peers, timeoutMs)
  } catch (error) {
    signal.throwIfAborted()
    log.warn('join.again_failed', { reason: messageOf(error) })
    return undefined
  }
  const { membership, onboarder } = again
  // The secret is the one that this node has: the cluster id is checked against it.
  membership.keys.wipe()
  const { body } = decodeCredential(onboarder.credential)
  if (members.isRevoked(body.peerId)) return onboarder.address
  renew({ credential: membership.credentialBytes, evidence: membership.evidence })
  members.admit(body, [onboarder.address])
  await members.begin(onboarder.peerId.toString())
  return onboarder.address
}
