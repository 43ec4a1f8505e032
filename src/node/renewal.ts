import type { Attester } from '../attest/index.ts'
import { type Log, messageOf } from '../base/index.ts'
import { type Membership, selfIssue } from './membership.ts'

/** A lone node renews when this share of its lease is left (protocols: challenge, "Alone"). */
const LAST_SHARE = 0.25
const RETRY_PAUSE_MS = 30_000
/** The wall clock can jump, or the machine stand still, while a timer counts: look again before long. */
const SLEEP_MAX_MS = 60_000

/**
 * Keeps a lone or lapsed node's credential alive by issuing it to itself. `alone` says whether any other member is there:
 * a node with company waits until it has lapsed. Runs until `signal` aborts.
 */
export const renewWhileAlone = async (
  membership: Membership,
  attester: Attester,
  options: { alone(): boolean; log: Log; signal: AbortSignal },
): Promise<void> => {
  const { log, signal } = options
  const { clock, policy } = membership.issuer
  let lapsed = false
  while (!signal.aborted) {
    const dueMs = membership.remainingMs() - (options.alone() ? policy.credentialLifetimeMs * LAST_SHARE : 0)
    if (dueMs > 0) {
      await clock.sleep(Math.min(dueMs, SLEEP_MAX_MS), signal)
      continue
    }
    if (membership.standing() === 'lapsed' && !lapsed) {
      lapsed = true
      log.warn('member.lapsed', { expiresAt: membership.credential.expiresAt })
    }
    try {
      membership.renew(await selfIssue(membership.issuer, attester, signal))
      lapsed = false
      log.info('member.renewed', { selfIssued: true, expiresAt: membership.credential.expiresAt })
    } catch (error) {
      if (signal.aborted) return
      log.error('member.renewal_failed', { reason: messageOf(error) })
      await clock.sleep(RETRY_PAUSE_MS, signal)
    }
  }
}
