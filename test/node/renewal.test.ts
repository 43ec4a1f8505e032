import assert from 'node:assert/strict'
import { silentLog } from '../../src/base/index.ts'
import type { Membership } from '../../src/node/membership.ts'
import { renewWhileAlone } from '../../src/node/renewal.ts'

describe('the renewal of a lone node', () => {
  it('notices within a minute that the wall clock jumped past the end of its lease', async () => {
    const stop = new AbortController()
    let [remainingMs, sleptMs] = [3_600_000, 0]
    const membership = {
      issuer: {
        clock: {
          sleep: async (ms: number) => {
            sleptMs += ms
            // The jump, during the first sleep: no timer knows of it.
            remainingMs = -1
          },
        },
        policy: { credentialLifetimeMs: 3_600_000 },
      },
      remainingMs: () => remainingMs,
      standing: () => 'lapsed',
      credential: {},
    } as unknown as Membership
    // Whoever reaches for the membership's issuer to renew it has noticed; there is no attester to go on with.
    const log = { ...silentLog, warn: () => stop.abort() }
    await renewWhileAlone(membership, undefined as never, { alone: () => false, log, signal: stop.signal })
    assert.ok(sleptMs <= 60_000, `${sleptMs} ms`)
  })
})
