import assert from 'node:assert/strict'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { RefusedJoin } from '../../protocols/onboard/index.ts'
import { NodeEvents } from '../../src/node/events.ts'
import { observedJoin } from '../../src/node/observed.ts'
import { FakeClock } from '../protocols/support.ts'
import { Recorder } from './support.ts'

describe('the log of what strangers do', () => {
  it('shows the first of a flood, then one a second, and how many there were; counters see all of them', async () => {
    const clock = new FakeClock()
    const log = new Recorder()
    const events = new NodeEvents()
    let counted = 0
    events.listen(() => void counted++)
    const ended = observedJoin(log, events, clock)
    const stranger = peerIdFromPrivateKey(await generateKeyPair('Ed25519'))
    const flood = (times: number) => {
      for (let i = 0; i < times; i++) {
        const error = i % 2 === 0 ? new RefusedJoin({ code: 'malformed' }, ['no message']) : new Error('gone')
        ended(stranger, { error })
      }
    }
    flood(10_000)
    assert.equal(log.lines.length, 60)
    assert.ok(log.lines.every(({ level, fields }) => level === 'warn' && fields.suppressed === undefined))
    clock.pass(1_000)
    flood(100)
    assert.equal(log.lines.length, 61)
    assert.equal(log.lines.at(-1)!.fields.suppressed, 10_000 - 60)
    clock.pass(60_000)
    flood(1)
    assert.equal(log.lines.at(-1)!.fields.suppressed, 99)
    flood(1)
    assert.equal(log.lines.at(-1)!.fields.suppressed, undefined)
    assert.equal(counted, 10_102)
  })
})
