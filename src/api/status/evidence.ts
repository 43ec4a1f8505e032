import { type Clock, TransientError } from '../../base/index.ts'
import { HostRates } from './rate.ts'
import type { StatusAnswer, StatusRoute } from './server.ts'

/** Shows what a member is to whoever sent a nonce. */
export interface EvidenceSource {
  /** The answer's JSON; undefined: that is no nonce. Throws TransientError when it cannot be had now. */
  ask(nonce: string, signal: AbortSignal): Promise<string> | undefined
}

const RATE = { burst: 10, everyMs: 5_000, hosts: 4_096 }
/** One pause between two quotes, members' needs, and a slow quote. */
const TIMEOUT_MS = 35_000
const RETRY_AFTER_MS = 10_000

const refusal = (status: number, error: string, retryAfterMs?: number): StatusAnswer => ({
  status,
  type: 'application/json',
  body: `${JSON.stringify({ error })}\n`,
  ...(retryAfterMs !== undefined && { headers: { 'retry-after': String(Math.ceil(retryAfterMs / 1000)) } }),
})

/** `GET /evidence?nonce=…` */
export const evidenceRoute = (source: EvidenceSource, clock: Clock): StatusRoute => {
  const rates = new HostRates(clock, RATE)
  return {
    path: '/evidence',
    async handle({ query, asker, signal }) {
      const nonces = query.getAll('nonce')
      if (nonces.length !== 1) return refusal(400, 'give one nonce: 16 to 64 bytes of your own choice, in hex')
      const waitMs = rates.waitMs(asker)
      if (waitMs > 0) return refusal(429, 'you ask too often', waitMs)
      using deadline = clock.deadline(TIMEOUT_MS, signal)
      try {
        const answer = await source.ask(nonces[0]!, deadline.signal)
        if (answer === undefined) return refusal(400, 'a nonce is 16 to 64 bytes in hex')
        return { type: 'application/json', body: `${answer}\n` }
      } catch (error) {
        if (error instanceof TransientError) return refusal(503, error.message, RETRY_AFTER_MS)
        if (deadline.signal.aborted) return refusal(503, 'no quote could be made in time', RETRY_AFTER_MS)
        throw error
      }
    },
  }
}
