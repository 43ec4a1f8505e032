import assert from 'node:assert/strict'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { RefusedJoin } from '../../protocols/onboard/index.ts'
import { parseClusterId } from '../../protocols/wire/index.ts'
import { systemClock } from '../../src/base/index.ts'
import { createPeerKey } from '../../src/net/index.ts'
import { NodeEvents } from '../../src/node/events.ts'
import { observedJoin } from '../../src/node/observed.ts'
import { FakeClock } from '../protocols/support.ts'
import { dialer, hello, joinLightly } from './light-joiner.ts'
import { InProcess, Recorder } from './support.ts'

const HOSTS = 5
const PEERS_PER_HOST = 12
/** As many as a peer is challenged at once. */
const HELLOS_PER_PEER = 4

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

  it('shows, at a node, the first Challenges that strangers ask for, and every step of a join that goes on', async () => {
    const mesh = await InProcess.open()
    const strangers: Awaited<ReturnType<typeof dialer>>[] = []
    try {
      const log = new Recorder()
      const sinceMs = systemClock.monotonicMs()
      const node = await mesh.first({ log })
      const cluster = node.status().cluster!
      const clusterId = parseClusterId(cluster)!
      const [address] = node.addresses()
      const { signal } = new AbortController()
      let challenged = 0
      for (let host = 0; host < HOSTS; host++) {
        for (let peer = 0; peer < PEERS_PER_HOST; peer++) {
          const stranger = await dialer(await createPeerKey(), clusterId, `127.0.0.${10 + host}`)
          strangers.push(stranger)
          const connection = await stranger.dial(multiaddr(address!))
          for (let i = 0; i < HELLOS_PER_PEER; i++) {
            const { stream } = await hello(connection, clusterId, signal)
            challenged++
            stream.abort(new Error('that was all'))
          }
        }
      }
      assert.equal(challenged, HOSTS * PEERS_PER_HOST * HELLOS_PER_PEER)
      await joinLightly({ cluster, peers: [address!], attester: mesh.td(), timeoutMs: 10_000 })
      await log.seen('onboard.admitted')
      const seconds = (systemClock.monotonicMs() - sinceMs) / 1_000
      const written = log.all('onboard.challenged').length
      assert.ok(written >= 60 && written <= 61 + seconds, `${written} lines of ${challenged} in ${seconds} s`)
      for (const step of ['judged', 'sealed', 'admitted']) assert.equal(log.all(`onboard.${step}`).length, 1, step)
    } finally {
      await Promise.all(strangers.map((stranger) => stranger.stop()))
      await mesh.close()
    }
  }).timeout(60_000)
})
