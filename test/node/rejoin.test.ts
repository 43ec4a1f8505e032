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

  /**
   * Its peers are `0`, `1`, `2`: the first of them that is in `there` lets it in, and tells of the others if it is in `tells`. A try
   * takes ten seconds.
   */
  const node = (there: readonly number[], tells: readonly number[], addressOf = (index: number) => `${index}`) => {
    let onSleep = (_seconds: number): void => {}
    let nowMs = 0
    const did: string[] = []
    const aborting = new AbortController()
    const strangers = new Set<string>()
    const members = {
      adrift: true,
      admit: (_: unknown, addresses: string[]) => void did.push(`admits ${addresses}`),
      begin: async (peer: string) => {
        const index = others.findIndex(({ key }) => peerIdFromPrivateKey(key).toString() === peer)
        did.push(`compares with ${index}`)
        if (tells.includes(index)) members.adrift = false
      },
      beginAgain: async () => void did.push('looks again'),
      isRevoked: (_: Uint8Array) => false,
      isStranger: (peer: Uint8Array) => strangers.has(Buffer.from(peer).toString()),
    }
    const parts = {
      members,
      renew: () => void did.push('has another credential'),
      peers: ['0', '1', '2'],
      join: async (left: readonly string[], timeoutMs: number): Promise<JoinResult> => {
        did.push(`asks ${left}`)
        assert.ok(timeoutMs > 0 && timeoutMs <= 120_000)
        nowMs += 10_000
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
      whoIs: async (address: string) => {
        did.push(`looks at ${address}`)
        return there.includes(Number(address)) ? Buffer.from(address) : undefined
      },
      clock: {
        monotonicMs: () => nowMs,
        sleep: async (ms: number, signal: AbortSignal) => {
          signal.throwIfAborted()
          nowMs += ms
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
      strangers,
      onSleep: (listener: typeof onSleep) => {
        onSleep = listener
      },
    }
  }
  const again = ['wipes', 'has another credential']

  it('joins once more through another peer, which knows the rest', async () => {
    const { parts, did } = node([1], [1])
    await rejoin(parts)
    assert.deepEqual(did, ['sleeps 1', 'looks again', 'asks 0,1,2', ...again, 'admits 1', 'compares with 1'])
  })

  it('and through the next one, when that one goes as well', async () => {
    const { parts, did } = node([0, 2], [2])
    await rejoin(parts)
    assert.deepEqual(did, [
      'sleeps 1',
      'looks again',
      ...['asks 0,1,2', ...again, 'admits 0', 'compares with 0'],
      ...['asks 1,2', ...again, 'admits 2', 'compares with 2'],
    ])
  })

  it('asks no oftener than it has peers, also when those are names, and no longer than it has time', async () => {
    const few = node([0], [], () => '/ip4/192.0.2.1/tcp/4001')
    Object.assign(few.parts, { peers: ['0', '1'] })
    await rejoin(few.parts)
    assert.equal(few.did.filter((each) => each.startsWith('asks')).length, 2)
    const many = node([0], [], () => '/ip4/192.0.2.1/tcp/4001')
    Object.assign(many.parts, { peers: ['0', '1', '2', '3', '4', '5'] })
    await rejoin(many.parts)
    assert.equal(many.did.filter((each) => each.startsWith('asks')).length, 3)
  })

  it('does not join again when its onboarder was only busy', async () => {
    const { parts, did, members } = node([0], [0])
    members.beginAgain = async () => {
      members.adrift = false
    }
    await rejoin(parts)
    assert.deepEqual(did, ['sleeps 1'])
  })

  it('takes nothing from a member that is out', async () => {
    const { parts, did, members } = node([0], [0])
    members.isRevoked = () => true
    Object.assign(parts, { peers: ['0'] })
    await rejoin(parts)
    assert.deepEqual(did, ['sleeps 1', 'looks again', 'asks 0', 'wipes'])
  })

  it('goes on alone when nobody is there, and tries again, less and less often, until somebody knows it', async () => {
    const { parts, did, aborting, members, onSleep } = node([], [])
    await rejoin(parts)
    assert.deepEqual(did.splice(0), ['sleeps 1', 'looks again', 'asks 0,1,2'])
    const pauses: number[] = []
    onSleep((seconds) => {
      pauses.push(seconds)
      if (pauses.length === 6) members.adrift = false
      if (pauses.length === 8) aborting.abort(new Error('the node is stopping'))
    })
    await assert.rejects(rejoinLater(parts), /stopping/)
    assert.deepEqual(pauses, [30, 60, 120, 240, 300, 300, 300, 300])
    assert.deepEqual(did.filter((each) => !each.startsWith('sleeps')).slice(4), [
      'asks 0,1,2',
      'looks at 1',
      'looks at 1',
      'looks at 1',
    ])
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

  describe('or a member', () => {
    const looking = (strangers: readonly string[], stays: boolean) => {
      const made = node([1], [1])
      made.members.adrift = false
      for (const each of strangers) made.strangers.add(each)
      let sleeps = 0
      made.onSleep(() => {
        sleeps++
        if (sleeps === 2 && !stays) made.strangers.clear()
        if (sleeps === (strangers.length > 0 ? 3 : 2)) made.aborting.abort(new Error('the node is stopping'))
      })
      return made
    }

    it('that finds a stranger where members should be joins once more, through that one', async () => {
      const { parts, did } = looking(['1'], true)
      await assert.rejects(rejoinLater(parts), /stopping/)
      assert.deepEqual(did.slice(0, 8), [
        'sleeps 30',
        'looks at 1',
        'sleeps 15',
        'asks 1',
        ...again,
        'admits 1',
        'compares with 1',
      ])
    })

    it('does not, where that one has only just joined', async () => {
      const { parts, did } = looking(['1'], false)
      await assert.rejects(rejoinLater(parts), /stopping/)
      assert.deepEqual(did, ['sleeps 30', 'looks at 1', 'sleeps 15', 'sleeps 300', 'looks at 1'])
    })

    it('or where a member is, or nobody', async () => {
      const { parts, did } = looking([], true)
      await assert.rejects(rejoinLater(parts), /stopping/)
      assert.deepEqual(did, ['sleeps 30', 'looks at 1', 'sleeps 300', 'looks at 1'])
    })
  })
})
