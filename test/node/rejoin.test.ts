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
    let onSleep = (_seconds: number): void => {}
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
        sleep: async (ms: number, signal: AbortSignal) => {
          signal.throwIfAborted()
          did.push(`sleeps ${ms / 1_000}`)
          onSleep(ms / 1_000)
        },
      },
      random: { uniform: () => 0.5 },
      log: silentLog,
      signal: aborting.signal,
    } as unknown as RejoinParts
    return {
      parts,
      did,
      aborting,
      members,
      onSleep: (listener: typeof onSleep) => {
        onSleep = listener
      },
    }
  }
  const again = ['wipes', 'has another credential']

  it('joins once more through another peer, which knows the rest', async () => {
    const { parts, did } = node([1], [1])
    await rejoin(parts)
    assert.deepEqual(did, ['sleeps 1', 'asks 0,1,2', ...again, 'admits 1', 'compares with 1'])
  })

  it('and through the next one, when that one goes as well', async () => {
    const { parts, did } = node([0, 2], [2])
    await rejoin(parts)
    assert.deepEqual(did, [
      'sleeps 1',
      ...['asks 0,1,2', ...again, 'admits 0', 'compares with 0'],
      ...['asks 1,2', ...again, 'admits 2', 'compares with 2'],
    ])
  })

  it('asks no oftener than it has peers, also when those are names', async () => {
    const { parts, did } = node([0], [], () => '/ip4/192.0.2.1/tcp/4001')
    await rejoin(parts)
    assert.equal(did.filter((each) => each === 'asks 0,1,2').length, 3)
  })

  it('does not join again when its onboarder was only busy', async () => {
    const { parts, did, members } = node([0], [0])
    Object.assign(members, {
      begin: async () => {
        members.adrift = false
      },
    })
    await rejoin(parts)
    assert.deepEqual(did, ['sleeps 1'])
  })

  it('goes on alone when nobody is there, and tries again, less and less often, until somebody knows it', async () => {
    const { parts, did, aborting, members, onSleep } = node([], [])
    await rejoin(parts)
    assert.deepEqual(did.splice(0), ['sleeps 1', 'asks 0,1,2'])
    const pauses: number[] = []
    onSleep((seconds) => {
      if (seconds > 1) pauses.push(seconds)
      if (pauses.length === 6) members.adrift = false
      // Cut off another time.
      if (pauses.length === 8) members.adrift = true
      if (pauses.length === 10) aborting.abort(new Error('the node is stopping'))
    })
    await assert.rejects(rejoinLater(parts), /stopping/)
    assert.deepEqual(pauses, [30, 60, 120, 240, 300, 300, 30, 30, 60, 120])
    assert.equal(did.filter((each) => each === 'asks 0,1,2').length, 7)
  })

  it('does nothing when it has compared tables with somebody, and ends with the node', async () => {
    const known = node([0], [0])
    known.members.adrift = false
    await rejoin(known.parts)
    assert.deepEqual(known.did, [])
    const stopping = node([], [])
    stopping.aborting.abort(new Error('the node is stopping'))
    await assert.rejects(rejoin(stopping.parts), /stopping/)
  })
})
