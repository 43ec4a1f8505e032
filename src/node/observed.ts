/** What a node's events and log are told by its parts: each part's own words on one side, the node's on the other. */
import type { PeerId } from '@libp2p/interface'
import { RefusedJoin } from '../../protocols/onboard/index.ts'
import { type Clock, type Log, messageOf } from '../base/index.ts'
import type { VerifierFactory } from './cluster-policy.ts'
import type { NodeEvents } from './events.ts'
import { strangersLog } from './strangers-log.ts'

/** A verifier whose every verdict is an event, with the time that it took. */
export const observedVerifier =
  (verifier: VerifierFactory, events: NodeEvents, clock: Clock): VerifierFactory =>
  (policy) => {
    const judge = verifier(policy)
    return {
      judge: (evidence, expected, options) => {
        const sinceMs = clock.monotonicMs()
        const verdict = judge.judge(evidence, expected, options)
        const ms = clock.monotonicMs() - sinceMs
        events.emit({ kind: 'judged', accepted: verdict.accepted, ms, ...(!verdict.accepted && { code: verdict.code }) })
        return verdict
      },
    }
  }

/** How a joiner's exchange with this node ended. */
export const observedJoin = (nodesLog: Log, events: NodeEvents, clock: Clock) => {
  const log = strangersLog(nodesLog, clock)
  return (joiner: PeerId, { joinId, error }: { joinId?: string; error?: unknown }): void => {
    const peerId = joiner.toString()
    if (error === undefined) {
      events.emit({ kind: 'join', peerId, joinId, outcome: 'admitted' })
    } else if (error instanceof RefusedJoin) {
      const { code, reasons } = error
      // Whoever is turned away before anything was done for him could fill the log.
      if (code === 'busy' || code === 'rate_limited') log.debug('onboard.turned_away', { joinId, peer: peerId, code, reasons })
      else log.warn('onboard.refused', { joinId, peer: peerId, code, reasons })
      events.emit({ kind: 'join', peerId, joinId, outcome: 'refused', code, reasons })
    } else {
      log.warn('onboard.failed', { joinId, peer: peerId, reason: messageOf(error) })
      events.emit({ kind: 'join', peerId, joinId, outcome: 'failed' })
    }
  }
}
