import assert from 'node:assert/strict'
import { type Onboard, SelfRefusedError } from '../../protocols/onboard/index.ts'
import { type Refusal, RefusalError } from '../../protocols/wire/index.ts'
import { noAnchor } from '../../src/anchor/index.ts'
import { type Clock, silentLog, systemClock } from '../../src/base/index.ts'
import { type JoinParts, joinCluster } from '../../src/node/join.ts'

/** A joiner whose tries `answer` ends; nothing waits, the clock is moved instead. */
const joiner = (peers: readonly string[], answer: (address: string) => Error) => {
  const dialed: string[] = []
  let elapsedMs = 0
  const clock: Clock = {
    now: () => elapsedMs,
    monotonicMs: () => elapsedMs,
    sleep: async (ms, signal) => {
      signal?.throwIfAborted()
      elapsedMs += ms
    },
    deadline: systemClock.deadline,
  }
  const onboard: Pick<Onboard, 'join'> = {
    async join(address) {
      dialed.push(address.toString())
      // As long as one silent peer can take.
      elapsedMs += 10_000
      throw answer(address.toString())
    },
  }
  const parts: Partial<JoinParts> = {
    clusterId: new Uint8Array(32),
    peers,
    onboard: onboard as Onboard,
    resolve: async (address) => address,
    attester: { extend: async () => {} } as unknown as JoinParts['attester'],
    anchor: noAnchor,
    apps: [{ appId: new Uint8Array(20), composeHash: new Uint8Array(32), instanceId: new Uint8Array(20) }],
    clock,
    random: { bytes: (length) => new Uint8Array(length), uniform: () => 0.5 },
    log: silentLog,
    signal: new AbortController().signal,
    timeoutMs: 60_000,
  }
  return { dialed, joined: joinCluster(parts as JoinParts) }
}
const busy = (refusal: Partial<Refusal> = {}) => new RefusalError({ code: 'busy', ...refusal })
const [good, bad] = ['/ip4/192.0.2.1/tcp/1', '/ip4/192.0.2.2/tcp/1']

describe('a joiner', () => {
  it('tries what its operator gave as often as all that false peers offer, which is bounded', async () => {
    let [offers, tries] = [0, 0]
    const { dialed, joined } = joiner([bad, good], (address) => {
      // Its twentieth try ends the test: no other peer would change that answer.
      if (address === good) return ++tries === 20 ? new SelfRefusedError('quote_invalid', []) : busy()
      return busy({ retryAfterMs: 1, addresses: Array.from({ length: 8 }, () => `/ip4/198.51.100.1/tcp/${++offers}`) })
    })
    await assert.rejects(joined, { code: 'policy_refuses_self' })
    const given = dialed.filter((address) => address === good || address === bad).length
    assert.ok(given >= dialed.length / 2, `${given} of ${dialed.length}`)
    assert.ok(dialed.indexOf(good) <= 2)
    assert.ok(new Set(dialed).size > 10)
    assert.ok(new Set(dialed).size <= 64)
  })

  it('dials nothing that a peer offers but addresses with a port', async () => {
    const dialable = ['/ip6/2001:db8::1/tcp/1', '/dns4/mesh.example/tcp/1']
    const { dialed, joined } = joiner([bad], (address) => {
      if (address === dialable[1]) return new SelfRefusedError('quote_invalid', [])
      if (address !== bad) return busy({ retryAfterMs: 1 })
      return busy({
        addresses: [
          '/unix/var%2Frun%2Fdocker.sock',
          '/dnsaddr/mesh.example',
          '/ip4/192.0.2.3/udp/1/quic-v1',
          '/ip4/192.0.2.3/tcp/1/ws',
          '/ip4/192.0.2.3/tcp/1/p2p/12D3KooWQYhTNQdmr3ArTeUHRYzFg94BKyTkoWBDWez9kSCVe2Xo/p2p-circuit',
          'no address',
          ...dialable,
        ],
      })
    })
    await assert.rejects(joined, { code: 'policy_refuses_self' })
    assert.deepEqual([...new Set(dialed)].sort(), [bad, ...dialable].sort())
  })
})
