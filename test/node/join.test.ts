import assert from 'node:assert/strict'
import type { Connection } from '@libp2p/interface'
import { type Onboard, SelfRefusedError } from '../../protocols/onboard/index.ts'
import { type Refusal, RefusalError } from '../../protocols/wire/index.ts'
import { noAnchor } from '../../src/anchor/index.ts'
import { type Clock, DeadlineError, silentLog } from '../../src/base/index.ts'
import { type JoinParts, joinCluster } from '../../src/node/join.ts'

/** As long as one silent peer can take. */
const TRY_MS = 10_000

/**
 * A joiner whose tries `answer` ends; nothing waits, the clock is moved instead. `reached` tells how long a connection takes
 * (milliseconds), or why there is none.
 */
const joiner = (
  peers: readonly string[],
  answer: (address: string) => Error | Awaited<ReturnType<Onboard['join']>>,
  draw = 0.5,
  timeoutMs = 3_600_000,
  reached: (address: string) => number | Error = () => 0,
  changes: Partial<JoinParts> = {},
) => {
  const dialed: string[] = []
  const asked: string[] = []
  const connections: { status: string }[] = []
  const held = { now: 0, most: 0 }
  let exchanges = 0
  const times: number[] = []
  let elapsedMs = 0
  const ends: { atMs: number; controller: AbortController }[] = []
  const pass = (ms: number): void => {
    elapsedMs += ms
    for (const { atMs, controller } of ends) if (atMs <= elapsedMs) controller.abort(new DeadlineError(atMs))
  }
  const clock: Clock = {
    now: () => elapsedMs,
    monotonicMs: () => elapsedMs,
    sleep: async (ms, signal) => {
      // What can happen without time passing happens first.
      await settled()
      signal?.throwIfAborted()
      pass(ms)
    },
    deadline(ms) {
      const end = { atMs: elapsedMs + ms, controller: new AbortController() }
      ends.push(end)
      const clear = () => {
        ends.splice(ends.indexOf(end), 1)
      }
      return { signal: end.controller.signal, clear, [Symbol.dispose]: clear }
    },
  }
  const onboard: Pick<Onboard, 'dial' | 'join'> = {
    async dial(address, signal) {
      dialed.push(address.toString())
      times.push(elapsedMs)
      held.most = Math.max(held.most, ++held.now)
      const takes = reached(address.toString())
      try {
        if (takes instanceof Error) throw takes
        if (takes > 0) {
          await new Promise<void>((resolve, reject) => {
            signal?.addEventListener('abort', () => reject(signal.reason))
            const controller = new AbortController()
            controller.signal.addEventListener('abort', () => resolve())
            ends.push({ atMs: elapsedMs + takes, controller })
          })
        }
      } catch (error) {
        held.now--
        throw error
      }
      const abort = () => {
        connection.status = 'aborted'
      }
      const connection = { status: 'open', address: address.toString(), remotePeer: address, abort }
      connections.push(connection)
      return connection as unknown as Connection
    },
    async join(connection) {
      const { address } = connection as unknown as { address: string }
      assert.equal(++exchanges, 1, 'two exchanges at once')
      asked.push(address)
      await settled()
      exchanges--
      held.now--
      pass(TRY_MS)
      const answered = answer(address)
      if (answered instanceof Error) throw answered
      return answered as never
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
    random: { bytes: (length) => new Uint8Array(length), uniform: () => draw },
    log: silentLog,
    signal: new AbortController().signal,
    timeoutMs,
    ...changes,
  }
  return { dialed, asked, times, held, connections, elapsed: () => elapsedMs, joined: joinCluster(parts as JoinParts) }
}
const settled = () => new Promise((resolve) => setImmediate(resolve))
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

  it('comes back to nobody before it was told to, and not when all others do', async () => {
    for (const code of ['busy', 'rate_limited'] as const) {
      const at: number[] = []
      for (const draw of [0, 0.5, 0.999]) {
        let tries = 0
        const { times, joined } = joiner(
          [good],
          () => (++tries === 2 ? new SelfRefusedError('quote_invalid', []) : new RefusalError({ code, retryAfterMs: 30_000 })),
          draw,
        )
        await assert.rejects(joined, { code: 'policy_refuses_self' })
        assert.equal(times.length, 2)
        at.push(times[1]! - times[0]! - TRY_MS)
      }
      assert.deepEqual(at.map(Math.round), [30_000, 45_000, 59_970])
    }
  })

  it('tries all others that it is offered while one is busy', async () => {
    const offered = Array.from({ length: 5 }, (_, index) => `/ip4/198.51.100.${index}/tcp/1`)
    const { dialed, joined } = joiner([bad], (address) => {
      if (dialed.length === 6) return new SelfRefusedError('quote_invalid', [])
      return busy({ retryAfterMs: 600_000, ...(address === bad && { addresses: offered }) })
    })
    await assert.rejects(joined, { code: 'policy_refuses_self' })
    assert.deepEqual(new Set(dialed), new Set([bad, ...offered]))
  })

  it('begins at any of the members that it is given', async () => {
    const first = new Set<string>()
    for (const draw of [0, 0.999]) {
      const { dialed, joined } = joiner([good, bad], () => new SelfRefusedError('quote_invalid', []), draw)
      await assert.rejects(joined, { code: 'policy_refuses_self' })
      first.add(dialed[0]!)
    }
    assert.deepEqual(first, new Set([good, bad]))
  })

  it('tells what each peer answered when its time is up', async () => {
    const { joined } = joiner([bad, good], (address) => (address === bad ? busy() : new Error('connection refused')), 0.5, 60_000)
    await assert.rejects(joined, (error: Error & { code?: string }) => {
      assert.equal(error.code, 'join_timeout')
      assert.ok(error.message.includes(`${bad}: refused: busy`) && error.message.includes(`${good}: connection refused`))
      return true
    })
  })

  const deadEnds = Array.from({ length: 9 }, (_, n) => `/ip4/203.0.113.${n}/tcp/1`)
  const admits = () => new SelfRefusedError('quote_invalid', [])
  const FOREVER_MS = Number.POSITIVE_INFINITY

  it('gives an address that leads nowhere a head start of a second, not the time of a dial', async () => {
    for (const draw of [0, 0.5, 0.999]) {
      const { joined, asked, elapsed } = joiner([deadEnds[0]!, good], admits, draw, 3_600_000, (address) =>
        address === good ? 0 : FOREVER_MS,
      )
      await assert.rejects(joined, { code: 'policy_refuses_self' })
      assert.deepEqual(asked, [good])
      assert.ok(elapsed() - TRY_MS <= 1_000, `${elapsed()}`)
    }
  })

  it('dials the next at once where one is refused, and tells at the end what each said', async () => {
    const peers = [...deadEnds, good]
    const { joined, dialed, elapsed } = joiner(
      peers,
      () => new RefusalError({ code: 'wrong_cluster' }),
      0,
      60_000,
      (address) => (address === good ? 0 : new Error(`nobody at ${address}`)),
    )
    await assert.rejects(joined, (error: Error & { code?: string }) => {
      assert.equal(error.code, 'join_timeout')
      for (const address of deadEnds) assert.ok(error.message.includes(`${address}: nobody at ${address}`))
      assert.ok(error.message.includes(`${good}: refused: wrong_cluster`))
      return true
    })
    assert.deepEqual(new Set(dialed.slice(0, peers.length)), new Set(peers))
    assert.ok(elapsed() >= 60_000)
  })

  it('holds no more than three addresses at once, and asks one peer at a time, the first that is reached', async () => {
    const slow = 700
    const { joined, held, asked, dialed } = joiner(
      [...deadEnds, good],
      (address) => (address === good ? admits() : busy({ retryAfterMs: 600_000 })),
      0.5,
      3_600_000,
      (address) => (address === good ? 1_500 : (dialed.length % 3) * slow + 1),
    )
    await assert.rejects(joined, { code: 'policy_refuses_self' })
    assert.ok(held.most <= 3 && held.most > 1, `${held.most}`)
    assert.equal(asked.at(-1), good)
    assert.equal(new Set(asked).size, asked.length)
  })

  it('goes on dialing a slow address of its operator while false peers are quick to answer', async () => {
    let offers = 0
    const offered = () => Array.from({ length: 8 }, () => `/ip4/198.51.100.1/tcp/${++offers}`)
    const { joined, asked, dialed } = joiner(
      [good, bad],
      (address) => (address === good ? admits() : busy({ retryAfterMs: 1, addresses: offered() })),
      0,
      3_600_000,
      (address) => (address === good ? 4 * TRY_MS : 0),
    )
    await assert.rejects(joined, { code: 'policy_refuses_self' })
    assert.equal(dialed.filter((address) => address === good).length, 1)
    assert.ok(asked.length > 1)
  })

  it('waits for no name that nobody resolves, also where these hold all places', async () => {
    const names = Array.from({ length: 8 }, (_, n) => `/dns4/n${n}.example/tcp/1`)
    const { joined, asked, elapsed } = joiner(
      [...names, good],
      () => admits(),
      0.5,
      3_600_000,
      () => 0,
      {
        resolve: (address) => (address === good ? Promise.resolve(address) : new Promise(() => {})),
      },
    )
    await assert.rejects(joined, { code: 'policy_refuses_self' })
    assert.deepEqual(asked, [good])
    assert.ok(elapsed() < 600_000)
  })

  it('keeps neither keys nor a connection of whoever admits it to a cluster that is not the anchored one', async () => {
    let wiped = 0
    const joinedTo = { keyring: { wipe: () => void wiped++ }, genesis: {}, genesisRecord: { network: Uint8Array.of(2) } }
    const { joined, connections } = joiner(
      [good, bad],
      () => joinedTo as never,
      0.5,
      3_600_000,
      () => 0,
      {
        anchor: { ...noAnchor, network: Uint8Array.of(1), verify: () => assert.fail('there is no proof') },
      },
    )
    await assert.rejects(joined, { code: 'join_refused' })
    assert.equal(wiped, 2)
    assert.deepEqual(
      connections.map(({ status }) => status),
      ['aborted', 'aborted'],
    )
  })

  it('that joins once more believes the genesis and policy that it knows, asks nobody of them, and extends nothing', async () => {
    const again = { genesisHash: new Uint8Array(32).fill(1), policyHash: new Uint8Array(32).fill(2) }
    const roles: unknown[] = []
    const onboard = {
      dial: async () => ({ status: 'open', remotePeer: 'peer', abort: () => {} }),
      join: async (_: unknown, role: { anchoredGenesisHash: Uint8Array; policyHash: Uint8Array }) => {
        roles.push({ genesisHash: role.anchoredGenesisHash, policyHash: role.policyHash })
        throw new SelfRefusedError('quote_invalid', [])
      },
    } as unknown as Onboard
    const never = async () => assert.fail('asked')
    const anchor = { ...noAnchor, read: never, verify: never } as unknown as JoinParts['anchor']
    const attester = { extend: never } as unknown as JoinParts['attester']
    const { joined } = joiner(
      [good],
      () => busy(),
      0.5,
      60_000,
      () => 0,
      {
        again,
        onboard,
        anchor,
        attester,
        keptProof: Uint8Array.of(1),
      },
    )
    await assert.rejects(joined, { code: 'policy_refuses_self' })
    assert.deepEqual(roles, [again])
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
