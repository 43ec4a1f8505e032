import assert from 'node:assert/strict'
import type { Anchor, AnchorReading } from '../../src/anchor/index.ts'
import { type Clock, RefusedError, systemClock, TransientError } from '../../src/base/index.ts'
import { AnchorWatch } from '../../src/node/anchor-watch.ts'
import { anchorOf } from '../../src/node/anchors.ts'
import { startDevnet } from '../../testnet/stellar/index.ts'
import { freePort, InProcess, Recorder } from './support.ts'

const record = {
  clusterId: new Uint8Array(32).fill(1),
  genesisHash: new Uint8Array(32).fill(2),
  quoteHash: new Uint8Array(32).fill(3),
  policyHash: new Uint8Array(32).fill(4),
}

/** An anchor whose looks end as they are told, one after the other; then the watch is stopped. */
const watched = async (looks: readonly (Error | Partial<AnchorReading> | 'absent')[], uniform = 0.5) => {
  const stop = new AbortController()
  const slept: number[] = []
  const alarms: [string, boolean][] = []
  const notes: string[][] = []
  let at = 0
  const anchor: Anchor = {
    witness: 'testnet',
    network: new Uint8Array(32),
    publish: async () => undefined,
    verify: async () => record,
    read: async () => {
      const look = looks[at++]!
      if (look instanceof Error) throw look
      return look === 'absent' ? undefined : { ...record, ...look }
    },
  }
  const clock: Clock = {
    ...systemClock,
    sleep: async (ms, signal) => {
      if (slept.length > 0) notes.push(watch.notes().map(({ code }) => code))
      if (at === looks.length) stop.abort(new Error('enough'))
      signal?.throwIfAborted()
      slept.push(ms)
    },
  }
  const log = new Recorder()
  const random = { bytes: (length: number) => new Uint8Array(length), uniform: () => uniform }
  const watch = new AnchorWatch({ anchor, clock, random, log, onAlarm: (code, on) => alarms.push([code, on]) })
  await assert.rejects(watch.run(record, stop.signal), /enough/)
  return { slept, alarms, notes, log }
}
const gone = () => new RefusedError('anchor_missing', 'no account')

describe('the watch over an anchor', () => {
  it('names a reset, once, and says when the account is there again', async () => {
    const { alarms, notes, log } = await watched([{}, gone(), gone(), new TransientError('x', 'silence'), {}])
    assert.deepEqual(notes, [[], ['anchor_reset'], ['anchor_reset'], ['anchor_reset'], []])
    assert.deepEqual(alarms, [
      ['anchor_reset', true],
      ['anchor_reset', false],
    ])
    assert.match(String(log.all('anchor.alarm')[0]?.reason), /testnet: the network was reset/)
  })

  it('takes silence for no news, and every refusal and every other genesis for an alarm', async () => {
    const { alarms } = await watched([
      new TransientError('anchor_unreachable', 'silence'),
      new TransientError('anchor_stale', 'old'),
      new RefusedError('anchor_views_differ', 'two views'),
      { policyHash: new Uint8Array(32) },
      { quoteHash: new Uint8Array(32) },
      {},
    ])
    assert.deepEqual(
      alarms.filter(([, on]) => on).map(([code]) => code),
      ['anchor_views_differ', 'anchor_changed'],
    )
    assert.deepEqual(alarms.at(-1), ['anchor_changed', false])
  })

  it('looks a minute after the start, then hourly, each time with jitter', async () => {
    assert.deepEqual((await watched([{}, {}, {}], 0)).slept, [30_000, 1_800_000, 1_800_000])
    assert.deepEqual((await watched([{}, {}], 0.999)).slept.map(Math.round), [89_940, 5_396_400])
  })

  it('has nothing to look at where the anchor is a file', async () => {
    const anchor: Anchor = {
      witness: 'file',
      network: new Uint8Array(4),
      publish: async () => undefined,
      read: async () => assert.fail('it looked'),
    }
    const log = new Recorder()
    const watch = new AnchorWatch({
      anchor,
      clock: systemClock,
      random: { bytes: () => new Uint8Array(), uniform: () => 0 },
      log,
    })
    await watch.run(record, new AbortController().signal)
  })
})

describe('a member whose ledger was reset', function () {
  this.timeout(30_000)

  it('joins with the proof that it kept, goes on, and says what happened', async () => {
    const mesh = await InProcess.open()
    const port = await freePort()
    let devnet = await startDevnet({ port, closeEveryMs: 200 })
    try {
      const anchor = (settings = {}) => ({
        anchor: anchorOf({ anchor: 'devnet', horizon: [devnet.url], ...settings }, mesh.folder),
      })
      const address = `/ip4/127.0.0.1/tcp/${await freePort()}`
      const first = await mesh.first({ listen: [address], ...anchor({ friendbot: true, boot: [address] }) })
      const joins = async (log: Recorder) => {
        // Time between looks passes at once; all else takes its time.
        const clock: Clock = { ...systemClock, sleep: (ms, signal) => systemClock.sleep(ms >= 30_000 ? 50 : ms, signal) }
        const joiner = await mesh.node('joiner', {
          entry: { kind: 'join', cluster: first.status().cluster!, peers: [], timeoutMs: 10_000 },
          log,
          clock,
          ...anchor(),
        })
        await joiner.start()
        return joiner
      }
      await (await joins(new Recorder())).stop()
      await devnet.stop()
      devnet = await startDevnet({ port, closeEveryMs: 200 })

      const log = new Recorder()
      const again = await joins(log)
      assert.equal(log.all('anchor.kept_proof').length, 1)
      assert.equal((await log.seen('anchor.alarm')).code, 'anchor_reset')
      const { state, anchorNotes } = again.status()
      assert.equal(state, 'member')
      assert.deepEqual(
        anchorNotes.map(({ code, alarm }) => [code, alarm]),
        [['anchor_reset', true]],
      )
    } finally {
      await mesh.close()
      await devnet.stop()
    }
  })
})
