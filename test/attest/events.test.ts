import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import fc from 'fast-check'
import type { TdEvent } from '../../src/attest/attester.ts'
import { EventLogError, eventDigest, extendRtmr, RTMR_ZERO, readIdentity, replayRtmr, tdEvents } from '../../src/attest/events.ts'
import { appOf, bytes, hex } from './support.ts'

const clusterId = bytes(32, 0xc1)
const sha384 = (...parts: Uint8Array[]) => createHash('sha384').update(Buffer.concat(parts)).digest()
const utf8 = (text: string) => Buffer.from(text)

const app = fc
  .record({ composeHash: fc.uint8Array({ minLength: 32, maxLength: 32 }), instanceId: fc.uint8Array({ maxLength: 20 }) })
  .map(({ composeHash, instanceId }) => ({ appId: composeHash.slice(0, 20), composeHash, instanceId }))
const apps = fc.uniqueArray(app, { minLength: 1, maxLength: 64, selector: ({ appId }) => hex(appId) })
const event: fc.Arbitrary<TdEvent> = fc.record({ name: fc.string({ unit: 'binary' }), payload: fc.uint8Array({ maxLength: 64 }) })

describe('an event of RTMR3', () => {
  it('has the digest that dstack computes: type, name and payload between colons', () => {
    const expected = sha384(Uint8Array.of(1, 0, 0, 8), utf8(':app-id:'), bytes(20, 7))
    assert.equal(hex(eventDigest({ name: 'app-id', payload: bytes(20, 7) })), hex(expected))
    assert.equal(
      hex(eventDigest({ name: 'instance-id', payload: new Uint8Array(0) })),
      hex(sha384(Buffer.from('010000083a696e7374616e63652d69643a', 'hex'))),
    )
  })

  it('extends the register as the TDX module does', () => {
    const first = { name: 'a', payload: bytes(1, 1) }
    assert.equal(hex(extendRtmr(RTMR_ZERO, first)), hex(sha384(bytes(48, 0), eventDigest(first))))
  })

  it('replays: the register is a fold over the log, whole or in parts (property)', () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 12 }), fc.array(event, { maxLength: 12 }), (before, after) => {
        const expected = [...before, ...after].reduce<Uint8Array>((rtmr, e) => sha384(rtmr, eventDigest(e)), bytes(48, 0))
        assert.equal(hex(replayRtmr([...before, ...after])), hex(expected))
        assert.equal(hex(after.reduce(extendRtmr, replayRtmr(before))), hex(expected))
      }),
    )
  })

  it('cannot be dropped, repeated, moved or changed without changing the register (property)', () => {
    fc.assert(
      fc.property(apps, fc.nat(), fc.nat(), (list, at, bit) => {
        const log = tdEvents(list, clusterId)
        const whole = hex(replayRtmr(log))
        const index = at % log.length
        assert.notEqual(hex(replayRtmr(log.toSpliced(index, 1))), whole)
        assert.notEqual(hex(replayRtmr(log.toSpliced(index, 0, log[index]!))), whole)
        assert.notEqual(hex(replayRtmr(log.toReversed())), whole)
        const { name, payload } = log[index]!
        if (payload.length > 0) {
          const flipped = Uint8Array.from(payload)
          flipped[(bit >> 3) % payload.length]! ^= 1 << (bit & 7)
          assert.notEqual(hex(replayRtmr(log.with(index, { name, payload: flipped }))), whole)
        }
      }),
      { numRuns: 40 },
    )
  })
})

describe('the identity that a log states', () => {
  it('is what the node wrote (property)', () => {
    fc.assert(
      fc.property(apps, (list) => {
        assert.deepEqual(readIdentity(tdEvents(list, clusterId)), { apps: list, keyProvider: clusterId })
      }),
      { numRuns: 40 },
    )
  })

  it('is written in the order app-id, compose-hash, instance-id, key-provider', () => {
    assert.deepEqual(
      tdEvents([appOf('a'), appOf('b')], clusterId).map(({ name }) => name),
      ['app-id', 'compose-hash', 'instance-id', 'app-id', 'compose-hash', 'instance-id', 'key-provider'],
    )
  })

  const log = tdEvents([appOf('a'), appOf('b')], clusterId)
  const of = (name: string, length: number): TdEvent => ({ name, payload: bytes(length, 1) })
  const forgeries: [string, readonly TdEvent[]][] = [
    ['nothing', []],
    ['no app', [of('key-provider', 32)]],
    ['no key provider', log.slice(0, -1)],
    ['a key provider first', [log.at(-1)!, ...log.slice(0, -1)]],
    ['two key providers', [...log, log.at(-1)!]],
    ['an app after the key provider', [...log, ...log.slice(0, 3)]],
    ['an unknown event in the place of one', log.with(2, of('system-ready', 20))],
    ['an unknown event beside them', log.toSpliced(3, 0, of('system-ready', 0))],
    ['three unknown events', log.toSpliced(3, 0, of('x', 0), of('y', 0), of('z', 0))],
    ['events in another order', [log[1]!, log[0]!, ...log.slice(2)]],
    ['a name in other letters', log.with(0, { ...log[0]!, name: 'App-Id' })],
    ['a short app id', log.with(0, of('app-id', 19))],
    ['a long app id', log.with(0, of('app-id', 21))],
    ['a short compose hash', log.with(1, of('compose-hash', 31))],
    ['a long instance id', log.with(2, of('instance-id', 21))],
    ['a short cluster id', log.with(6, of('key-provider', 31))],
    ['an app twice', [...log.slice(0, 3), ...log.slice(0, 3), log.at(-1)!]],
    ['65 apps', [...Array.from({ length: 65 }, (_, i) => tdEvents([appOf(`${i}`)], clusterId).slice(0, 3)).flat(), log.at(-1)!]],
  ]
  for (const [what, events] of forgeries) {
    it(`is refused with ${what}`, () => {
      assert.throws(() => readIdentity(events), EventLogError)
    })
  }

  it('is never written so that every judge would refuse it', () => {
    assert.throws(() => tdEvents([], clusterId), EventLogError)
    assert.throws(() => tdEvents([appOf('a'), appOf('a')], clusterId), EventLogError)
    assert.throws(() => tdEvents([appOf('a')], bytes(31, 1)), EventLogError)
    assert.throws(() => tdEvents([{ ...appOf('a'), appId: bytes(21, 1) }], clusterId), EventLogError)
  })
})
