import type { PeerId } from '@libp2p/interface'
import { challenges } from '../../protocols/challenge/index.ts'
import { membership } from '../../protocols/membership/index.ts'
import { onboard, type Sealer } from '../../protocols/onboard/index.ts'
import { type Clock, hostOf, type Log, messageOf, type Random } from '../base/index.ts'
import type { Members } from '../members/index.ts'
import type { NodeEvents } from './events.ts'
import { observedJoin } from './observed.ts'

export interface ServiceParts {
  clusterId: Uint8Array
  clock: Clock
  random: Random
  log: Log
  events: NodeEvents
  sealer: Sealer | undefined
  /** Undefined until this node is a member. */
  members(): Members | undefined
}

/** The protocols that a node speaks, as libp2p services; none serves anybody before the node has given them their roles. */
export const meshServices = ({ clusterId, clock, random, log, events, sealer, members }: ServiceParts) => ({
  onboard: onboard({
    hostOf,
    clusterId,
    timer: clock,
    random,
    ...(sealer !== undefined && { sealer }),
    onOutcome: observedJoin(log, events, clock),
  }),
  membership: membership({
    timer: clock,
    onOutcome: (peer: PeerId, { exchanged, error }) => {
      if (error === undefined) log.debug('sync.served', { peer: peer.toString(), ...exchanged })
      else log.debug('sync.refused', { peer: peer.toString(), reason: messageOf(error) })
    },
  }),
  challenges: challenges({
    clusterId,
    timer: clock,
    random,
    onAnswered: (verifier, outcome) => members()?.answered(verifier.toString(), outcome),
    onAsked: (member, outcome) => {
      if (outcome.outcome !== 'declined') members()?.asked(member.toString(), outcome)
    },
  }),
})
