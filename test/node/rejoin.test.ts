import assert from 'node:assert/strict'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import type { Evidence } from '../../protocols/records/index.ts'
import { silentLog } from '../../src/base/index.ts'
import type { JoinResult } from '../../src/node/join.ts'
import { type RejoinParts, rejoin, rejoinLater } from '../../src/node/rejoin.ts'
import { credentialOf, type Peer, peers } from '../protocols/membership/mesh.ts'

describe('a joiner whose onboarder has gone', () => {
  let us: Peer
  let others: Peer[]
  before(async () => {
    ;[us, ...others] = (await peers(4)) as [Peer, ...Peer[]]
  })

  /** Its peers are `0`, `1`, `2`: the first of them that is in `there` lets it in, and tells of the others if it is in `tells`. */
  const node = (there: readonly number[], tells: readonly number[], addressOf = (index: number) => `${index}`) => {
    const did: string[] = []
    const aborting = new AbortController()
    const members = {
      adrift: true,
      admit: (_: unknown, addresses: string[]) => void did.push(`admits ${addresses}`),
      begin: async (peer: string) => {
        const index = others.findIndex(({ key }) => peerIdFromPrivateKey(key).toString() === peer)
        if (index >= 0) did.push(`compares with ${index}`)
        if (tells.includes(index)) members.adrift = false
      },
    }
    const parts = {
      members,
      membership: { renew: () => void did.push('has another credential') },
      onboarder: 'gone',
      peers: ['0', '1', '2'],
      join: async (left: readonly string[]): Promise<JoinResult> => {
        did.push(`asks ${left}`)
        const index = there.find((each) => left.includes(`${each}`))
        if (index === undefined) throw new Error('nobody is there')
        const onboarder = others[index]!
        return {
          membership: {
            keys: { wipe: () => void did.push('wipes') },
            credentialBytes: credentialOf(us, onboarder),
            evidence: {} as Evidence,
          },
          onboarder: {
            peerId: peerIdFromPrivateKey(onboarder.key),
            address: addressOf(index),
            credential: credentialOf(onboarder, us),
          },
        } as unknown as JoinResult
      },
      clock: {
        sleep: async (ms: number) => {
          did.push('sleeps')
          assert.ok(ms >= 15_000 && ms <= 45_000)
          if (did.filter((each) => each === 'sleeps').length === 3) members.adrift = false
        },
      },
      random: { uniform: () => 0.5 },
      log: silentLog,
      signal: aborting.signal,
    } as unknown as RejoinParts
    return { parts, did, aborting }
  }
  const again = ['wipes', 'has another credential']

  it('joins once more through another peer, which knows the rest', async () => {
    const { parts, did } = node([1], [1])
    await rejoin(parts)
    assert.deepEqual(did, ['asks 0,1,2', ...again, 'admits 1', 'compares with 1'])
  })

  it('and through the next one, when that one goes as well', async () => {
    const { parts, did } = node([0, 2], [2])
    await rejoin(parts)
    assert.deepEqual(did, [
      ...['asks 0,1,2', ...again, 'admits 0', 'compares with 0'],
      ...['asks 1,2', ...again, 'admits 2', 'compares with 2'],
    ])
  })

  it('asks no oftener than it has peers, also when those are names', async () => {
    const { parts, did } = node([0], [], () => '/ip4/192.0.2.1/tcp/4001')
    await rejoin(parts)
    assert.equal(did.filter((each) => each === 'asks 0,1,2').length, 3)
  })

  it('goes on alone when nobody is there, and tries again until somebody knows it', async () => {
    const { parts, did } = node([], [])
    await rejoin(parts)
    assert.deepEqual(did, ['asks 0,1,2'])
    await rejoinLater(parts)
    assert.deepEqual(did.slice(1), ['sleeps', 'asks 0,1,2', 'sleeps', 'asks 0,1,2', 'sleeps'])
  })

  it('does nothing when it has compared tables with somebody, and ends with the node', async () => {
    const known = node([0], [0])
    Object.assign(known.parts.members, { adrift: false })
    await rejoin(known.parts)
    await rejoinLater(known.parts)
    assert.deepEqual(known.did, [])
    const stopping = node([], [])
    stopping.aborting.abort(new Error('the node is stopping'))
    await assert.rejects(rejoin(stopping.parts), /stopping/)
  })
})
