import assert from 'node:assert/strict'
import fc from 'fast-check'
import { transcriptHash } from '../../../protocols/onboard/exchange.ts'
import {
  HELLO_LIMIT_BYTES,
  hpkeSealer,
  QUOTE_TIMEOUT_MS,
  REQUEST_LIMIT_BYTES,
  RefusedJoin,
} from '../../../protocols/onboard/index.ts'
import {
  decodeGrant,
  decodeGrantPlaintext,
  encodeDone,
  encodeGrant,
  encodeHello,
  encodeRequest,
} from '../../../protocols/onboard/messages.ts'
import { onboardOver } from '../../../protocols/onboard/onboarder.ts'
import { decodeCredential, decodeGenesisBundle, encodeEvidence } from '../../../protocols/records/index.ts'
import {
  clusterSignedBytes,
  fieldList,
  type RefusalCode,
  RefusalError,
  type ReportDataContext,
  verifyEd25519,
} from '../../../protocols/wire/index.ts'
import { createEmulatedPki } from '../../../src/attest/emulator/index.ts'
import { DeadlineError } from '../../../src/base/index.ts'
import { appOf, bytes, emulatedNode } from '../../attest/support.ts'
import { FakeClock, flipped, framed, NOW_MS, rejection, seededRandom, withHand } from '../support.ts'
import { bytesOf, len } from '../wire/protobuf.ts'
import {
  bindingAfter,
  greet,
  onboarderRole,
  requestOf,
  SECRET,
  STEP_MS,
  type TestCluster,
  testCluster,
  toolsOf,
} from './cluster.ts'

let cluster: TestCluster
before(async () => {
  cluster = await testCluster()
})

const start = async (changes: Parameters<typeof onboarderRole>[2] = {}, peers = cluster.parties) => {
  const { stream, hand } = await withHand()
  const clock = new FakeClock()
  const tools = toolsOf(clock, 'P')
  const played = onboarderRole(cluster, clock, changes)
  const outcome = onboardOver(stream, peers, played.role, tools)
  outcome.catch(() => {})
  return { stream, hand, clock, tools, outcome, ...played }
}
type Started = Awaited<ReturnType<typeof start>>

/** The refusal is all that comes, the stream ends, nobody is admitted and nothing stays open. */
const refusedWith = async (started: Started, code: RefusalCode) => {
  const error = await rejection(started.outcome)
  assert.ok(error instanceof RefusedJoin, `${error}`)
  assert.equal(error.code, code, error.message)
  const { messages } = await started.hand.rest()
  assert.equal(messages.length, 1)
  assert.throws(
    () => decodeGrant(messages[0]!),
    (refusal) => refusal instanceof RefusalError && refusal.code === code,
  )
  assert.ok(messages[0]!.length < 16, 'a refusal says more than its code')
  assert.equal(started.admitted.length, 0)
  assert.equal(started.clock.running, 0)
  assert.ok(started.tools.sealer.allWiped)
}
const cutOff = async (started: Started) => {
  await rejection(started.outcome)
  const { messages, end } = await started.hand.rest()
  assert.deepEqual(messages, [])
  assert.equal(end, 'reset')
  assert.equal(started.admitted.length, 0)
  assert.equal(started.clock.running, 0)
}
const joinerKey = () => hpkeSealer(seededRandom('J by hand')).generate()

/** Up to a sound request, which is not sent. */
const ready = async (started: Started) => {
  const greeting = await greet(cluster, started.hand)
  const key = await joinerKey()
  const evidence = await cluster.joiner.node.evidence(bindingAfter(cluster, greeting, key.publicKey))
  return { greeting, key, evidence, message3: requestOf(key.publicKey, evidence) }
}

describe('an onboarder', () => {
  it('lets in a joiner that does everything right', async () => {
    const started = await start()
    const { hand, outcome, admitted, steps, tools, clock } = started
    const { greeting, key, message3 } = await ready(started)
    const signed = fieldList([
      cluster.clusterId,
      cluster.joiner.id,
      cluster.onboarder.id,
      greeting.joinerNonce,
      greeting.challenge.onboarderNonce,
      cluster.genesisHash,
    ])
    const signedBytes = clusterSignedBytes('onboard-challenge', signed)
    assert.ok(verifyEd25519(cluster.clusterId, signedBytes, greeting.challenge.signature))

    hand.send(message3)
    const grant = decodeGrant(await hand.read())
    assert.deepEqual(admitted, [], 'admitted before Done')
    const aad = transcriptHash(greeting.message1, greeting.message2, message3)
    const plaintext = decodeGrantPlaintext(await key.open(grant.enc, grant.ciphertext, aad))
    assert.deepEqual(plaintext.keyring, [{ epoch: 0, secret: SECRET }])
    assert.deepEqual(decodeGenesisBundle(plaintext.genesis), cluster.genesis)
    assert.deepEqual(plaintext.onboarderCredential, cluster.onboarder.credential)
    assert.deepEqual(plaintext.onboarderEvidence, encodeEvidence(cluster.onboarder.evidence))
    assert.deepEqual(decodeCredential(plaintext.credential).body.peerId, cluster.joiner.id)

    hand.send(encodeDone())
    const { joinId } = await outcome
    assert.match(joinId, /^[0-9a-f]{12}$/)
    assert.deepEqual(admitted, [{ peerId: cluster.joiner.id, credential: plaintext.credential }])
    assert.deepEqual(steps, ['challenged', 'judged', 'sealed', 'admitted'])
    assert.deepEqual(await hand.rest(), { messages: [], end: 'closed' })
    assert.equal(tools.sealer.plaintexts.length, 1)
    assert.ok(tools.sealer.allWiped, 'the plaintext of the grant is still there')
    assert.equal(clock.running, 0)
  })

  it('has let the joiner in once it said Done, even when the stream breaks right then', async () => {
    const started = await start()
    const { message3 } = await ready(started)
    started.hand.send(message3)
    await started.hand.read()
    started.stream.close = () => Promise.reject(new Error('broken'))
    started.hand.send(encodeDone())
    await started.outcome
    assert.equal(started.admitted.length, 1)
  })

  describe('refuses a Hello', () => {
    const hello = () => encodeHello({ clusterId: cluster.clusterId, joinerNonce: bytes(32, 9) })
    const refuses = async (message: Uint8Array, code: RefusalCode, changes = {}, peers = cluster.parties) => {
      const started = await start(changes, peers)
      started.hand.send(message)
      await refusedWith(started, code)
      assert.deepEqual(started.steps, [])
    }

    it('cut off at any byte', async () => {
      const message = hello()
      for (let length = 0; length < message.length; length++) await refuses(message.subarray(0, length), 'malformed')
    })
    it('longer than a Hello can be', async () => {
      const started = await start()
      started.hand.sendRaw(framed(new Uint8Array(HELLO_LIMIT_BYTES + 1)).subarray(0, 2))
      await refusedWith(started, 'malformed')
    })
    it('with a missing field, a wrong length, a field too many, two messages at once', async () => {
      const [id, nonce] = [len(1, cluster.clusterId), len(2, bytes(32, 9))]
      for (const parts of [
        [id],
        [nonce],
        [id, len(2, bytes(31, 9))],
        [id, len(2, bytes(33, 9))],
        [id, id, nonce],
        [len(1), nonce],
      ]) {
        await refuses(len(1, ...parts), 'malformed')
      }
      await refuses(bytesOf(len(1, id, nonce), len(3)), 'malformed')
      await refuses(bytesOf(len(1, id, nonce), len(1, id, nonce)), 'malformed')
    })
    it('that is another message', async () => {
      await refuses(encodeDone(), 'malformed')
      await refuses(encodeRequest({ kemPublicKey: bytes(1216, 1), evidence: bytes(8, 1) }).subarray(0, 200), 'malformed')
      await refuses(len(9, [1]), 'malformed')
    })
    it('of random bytes', async () => {
      const message = fc.uint8Array({ minLength: 1, maxLength: HELLO_LIMIT_BYTES })
      await fc.assert(
        fc.asyncProperty(message, (random) => refuses(random, 'malformed')),
        { numRuns: 50 },
      )
    })
    it('for another cluster, whatever its own standing', async () => {
      const message = encodeHello({ clusterId: flipped(cluster.clusterId), joinerNonce: bytes(32, 9) })
      for (const standing of ['active', 'lapsed', 'not_member'] as const)
        await refuses(message, 'wrong_cluster', { standing: () => standing })
    })
    it('of itself', async () => {
      await refuses(hello(), 'malformed', {}, { ...cluster.parties, joiner: cluster.onboarder.id })
    })
    it('while it is no member, or has lapsed', async () => {
      await refuses(hello(), 'not_member', { standing: () => 'not_member' })
      await refuses(hello(), 'lapsed', { standing: () => 'lapsed' })
      const { stream, hand } = await withHand()
      const outcome = rejection(onboardOver(stream, cluster.parties, undefined, toolsOf(new FakeClock(), 'P')))
      hand.send(hello())
      assert.equal((await outcome).code, 'not_member')
    })
  })

  describe('gives up', () => {
    it('on a peer that says nothing', async () => {
      const started = await start()
      await started.clock.armed(STEP_MS)
      started.clock.pass(STEP_MS - 1)
      assert.notEqual(started.clock.running, 0)
      started.clock.pass(1)
      await cutOff(started)
      assert.ok((await rejection(started.outcome)) instanceof DeadlineError)
    })
    it('on one that never finishes its Hello', async () => {
      const started = await start()
      started.hand.sendRaw(Uint8Array.of(0x44, 0x0a))
      await started.clock.armed(STEP_MS)
      started.clock.pass(STEP_MS)
      await cutOff(started)
    })
    it('on one whose Request does not come, after the time that a quote and a message may take', async () => {
      const started = await start()
      await greet(cluster, started.hand)
      await started.clock.armed(QUOTE_TIMEOUT_MS + STEP_MS)
      started.clock.pass(QUOTE_TIMEOUT_MS + STEP_MS - 1)
      assert.notEqual(started.clock.running, 0, 'gave up on a joiner whose quote takes its time')
      started.clock.pass(1)
      await cutOff(started)
    })
    it('on one that never says Done: it is no member', async () => {
      const started = await start()
      const { message3 } = await ready(started)
      started.hand.send(message3)
      await started.hand.read()
      await started.clock.armed(STEP_MS)
      started.clock.pass(STEP_MS)
      await cutOff(started)
      assert.deepEqual(started.steps, ['challenged', 'judged', 'sealed'])
    })
    it('on an exchange that takes too long, however fast each step is', async () => {
      const { stream, hand } = await withHand()
      const clock = new FakeClock()
      const tools = { ...toolsOf(clock, 'P'), exchangeTimeoutMs: 5_000 }
      const outcome = rejection(onboardOver(stream, cluster.parties, onboarderRole(cluster, clock).role, tools))
      await greet(cluster, hand)
      clock.pass(5_000)
      const error = await outcome
      assert.ok(error instanceof DeadlineError && error.afterMs === 5_000)
    })
    it('on one that goes away, at every step', async () => {
      const silent = await start()
      silent.hand.stream.abort(new Error('gone'))
      await rejection(silent.outcome)
      const challenged = await start()
      await greet(cluster, challenged.hand)
      await challenged.hand.stream.close()
      await cutOff(challenged)
      const granted = await start()
      const { message3 } = await ready(granted)
      granted.hand.send(message3)
      await granted.hand.read()
      await granted.hand.stream.close()
      await cutOff(granted)
    })
    it('when the node stops', async () => {
      const { stream, hand } = await withHand()
      const stopping = new AbortController()
      const clock = new FakeClock()
      const { role } = onboarderRole(cluster, clock)
      const outcome = rejection(onboardOver(stream, cluster.parties, role, toolsOf(clock, 'P'), stopping.signal))
      await greet(cluster, hand)
      stopping.abort(new Error('the node is stopping'))
      assert.equal((await outcome).message, 'the node is stopping')
      assert.equal((await hand.rest()).end, 'reset')
    })
  })

  describe('refuses a Request', () => {
    const refuses = async (message: (started: Started) => Uint8Array | Promise<Uint8Array>, code: RefusalCode, changes = {}) => {
      const started = await start(changes)
      started.hand.send(await message(started))
      await refusedWith(started, code)
      assert.deepEqual(started.steps, ['challenged'])
      assert.equal(started.tools.sealer.seals, 0)
    }

    it('cut off', async () => {
      const length = await (async () => (await ready(await start())).message3.length)()
      for (const cut of [1, 2, 5, 8, 9, 700, 1223, 1224, 1226, 1230, 1240, 6000, length - 1]) {
        await refuses(async (started) => (await ready(started)).message3.subarray(0, cut), 'malformed')
      }
    })
    it('longer than a Request can be, before it is read', async () => {
      const started = await start()
      await greet(cluster, started.hand)
      started.hand.sendRaw(framed(new Uint8Array(REQUEST_LIMIT_BYTES + 1)).subarray(0, 3))
      await refusedWith(started, 'malformed')
    })
    it('that is another message, or the Hello again', async () => {
      await refuses(async ({ hand }) => (await greet(cluster, hand)).message1, 'malformed')
      await refuses(async ({ hand }) => {
        await greet(cluster, hand)
        return encodeDone()
      }, 'malformed')
      await refuses(async ({ hand }) => {
        await greet(cluster, hand)
        return encodeGrant({ enc: bytes(1120, 1), ciphertext: bytes(20, 1) })
      }, 'malformed')
    })
    it('with a missing field or a wrong length', async () => {
      const evidence = encodeEvidence(cluster.onboarder.evidence)
      const [kem, proof] = [len(1, bytes(1216, 1)), len(2, evidence)]
      const wrong = [
        [kem],
        [proof],
        [len(1, bytes(1215, 1)), proof],
        [len(1, bytes(1217, 1)), proof],
        [kem, len(2)],
        [kem, proof, kem],
      ]
      for (const parts of wrong) {
        await refuses(async ({ hand }) => {
          await greet(cluster, hand)
          return len(2, ...parts)
        }, 'malformed')
      }
    })
    it('of random bytes, outside and in its evidence', async () => {
      const random = fc.uint8Array({ minLength: 1, maxLength: 400 })
      await fc.assert(
        fc.asyncProperty(random, fc.boolean(), (noise, inside) =>
          refuses(async ({ hand }) => {
            await greet(cluster, hand)
            return inside ? encodeRequest({ kemPublicKey: bytes(1216, 1), evidence: noise }) : noise
          }, 'malformed'),
        ),
        { numRuns: 30 },
      )
    })

    describe('whose quote binds', () => {
      type Fields = [clusterId: Uint8Array, j: Uint8Array, p: Uint8Array, nonceJ: Uint8Array, nonceP: Uint8Array, kem: Uint8Array]
      const bound: [string, (fields: Fields) => Uint8Array[], ReportDataContext?][] = [
        ['another cluster', ([id, ...rest]) => [flipped(id), ...rest]],
        ['another joiner', ([id, , ...rest]) => [id, cluster.stranger.id, ...rest]],
        ['another onboarder', ([id, j, , ...rest]) => [id, j, cluster.stranger.id, ...rest]],
        ['joiner and onboarder swapped', ([id, j, p, ...rest]) => [id, p, j, ...rest]],
        ['another joiner nonce', ([id, j, p, nonce, ...rest]) => [id, j, p, flipped(nonce), ...rest]],
        ['another onboarder nonce', ([id, j, p, nonceJ, nonceP, kem]) => [id, j, p, nonceJ, flipped(nonceP), kem]],
        ['the nonces swapped', ([id, j, p, nonceJ, nonceP, kem]) => [id, j, p, nonceP, nonceJ, kem]],
        ['another KEM key', ([id, j, p, nonceJ, nonceP, kem]) => [id, j, p, nonceJ, nonceP, flipped(kem, -1)]],
        ['a field too few', (fields) => fields.slice(0, 5)],
        ['a field too many', (fields) => [...fields, new Uint8Array(0)]],
        ['the same under another context', (fields) => fields, 'challenge/1'],
        ['the same under a context of the first TD', (fields) => fields, 'genesis/1'],
        ['the same under the context of a status page', (fields) => fields, 'evidence/1'],
      ]
      for (const [what, change, context = 'onboard/1'] of bound) {
        it(what, async () => {
          for (const tellsIt of [true, false]) {
            await refuses(async (started) => {
              const greeting = await greet(cluster, started.hand)
              const { publicKey } = await joinerKey()
              const honest = bindingAfter(cluster, greeting, publicKey)
              const evidence = await cluster.joiner.node.evidence({ context, fields: change(honest.fields as Fields) })
              return requestOf(publicKey, tellsIt ? evidence : { ...evidence, binding: honest })
            }, 'bad_binding')
          }
        })
      }
    })

    it('replayed to another onboarder, and to the same one after a new challenge', async () => {
      const recorded = await ready(await start())
      const fresh = async (peers: typeof cluster.parties) => {
        const { stream, hand } = await withHand()
        const clock = new FakeClock()
        const { role, admitted } = onboarderRole(cluster, clock)
        const outcome = rejection(onboardOver(stream, peers, role, toolsOf(clock, 'another P')))
        await greet(cluster, hand)
        hand.send(recorded.message3)
        assert.equal((await outcome).code, 'bad_binding')
        assert.equal(admitted.length, 0)
      }
      await fresh(cluster.parties)
      await fresh({ ...cluster.parties, onboarder: cluster.stranger.id })
      await fresh({ ...cluster.parties, joiner: cluster.stranger.id })
    })

    it("that reflects the onboarder's own evidence", async () => {
      await refuses(async ({ hand }) => {
        await greet(cluster, hand)
        return requestOf((await joinerKey()).publicKey, cluster.onboarder.evidence)
      }, 'bad_binding')
    })

    const withNode = async (started: Started, options: Parameters<typeof emulatedNode>[0]) => {
      const greeting = await greet(cluster, started.hand)
      const { publicKey } = await joinerKey()
      const node = await emulatedNode(options)
      return requestOf(publicKey, await node.evidence(bindingAfter(cluster, greeting, publicKey)))
    }
    it('whose quote comes from under a foreign root', async () => {
      const pki = createEmulatedPki({ nowMs: NOW_MS })
      await refuses((started) => withNode(started, { clusterId: cluster.clusterId, pki }), 'quote_invalid')
    })
    it('whose quote was changed', async () => {
      await refuses(async (started) => {
        const { key, evidence } = await ready(started)
        return requestOf(key.publicKey, { ...evidence, quote: flipped(evidence.quote, 48 + 584 + 4) })
      }, 'quote_invalid')
    })
    it('of a TD that its host can debug', async () => {
      const quoteFields = { tdAttributes: Uint8Array.of(1, 0, 0, 0x10, 0, 0, 0, 0) }
      await refuses((started) => withNode(started, { clusterId: cluster.clusterId, quoteFields }), 'measurement_unacceptable')
    })
    it('of a TD that runs another image', async () => {
      const measurements = { mrTd: bytes(48, 9), rtmr0: bytes(48, 2), rtmr1: bytes(48, 3), rtmr2: bytes(48, 4) }
      await refuses((started) => withNode(started, { clusterId: cluster.clusterId, measurements }), 'measurement_unacceptable')
    })
    it('of a TD whose apps are fed by another cluster, or state another id than theirs', async () => {
      await refuses((started) => withNode(started, { clusterId: flipped(cluster.clusterId) }), 'app_unacceptable')
      const apps = [{ ...appOf('services: {}'), appId: bytes(20, 1) }]
      await refuses((started) => withNode(started, { clusterId: cluster.clusterId, apps }), 'app_unacceptable')
    })
    it('whose event log is not what the TD extended', async () => {
      await refuses(async (started) => {
        const { key, evidence } = await ready(started)
        const [first, ...others] = evidence.eventLog
        const changed = { ...evidence, eventLog: [{ ...first!, payload: flipped(first!.payload) }, ...others] }
        return requestOf(key.publicKey, changed)
      }, 'measurement_unacceptable')
    })
    it('without collateral, when it has none of its own', async () => {
      await refuses(async (started) => {
        const { key, evidence } = await ready(started)
        const { collateral: _, ...without } = evidence
        return requestOf(key.publicKey, without)
      }, 'collateral_missing')
    })
  })

  describe('seals nothing to', () => {
    const sealsNothing = async (publicKey: Uint8Array) => {
      const started = await start()
      const greeting = await greet(cluster, started.hand)
      const evidence = await cluster.joiner.node.evidence(bindingAfter(cluster, greeting, publicKey))
      started.hand.send(requestOf(publicKey, evidence))
      await refusedWith(started, 'malformed')
      assert.deepEqual(started.steps, ['challenged', 'judged'])
    }
    // The points of small order of Curve25519 and their other encodings (cr.yp.to/ecdh.html, "validate").
    const LOW_ORDER = [
      '0000000000000000000000000000000000000000000000000000000000000000',
      '0100000000000000000000000000000000000000000000000000000000000000',
      'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
      '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157',
      'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
      'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
      'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
    ]
    it('a key whose X25519 part is of low order', async () => {
      const { publicKey } = await joinerKey()
      for (const point of LOW_ORDER) {
        const key = Uint8Array.from(publicKey)
        key.set(Buffer.from(point, 'hex'), 1184)
        await sealsNothing(key)
        key[1215]! |= 0x80
        await sealsNothing(key)
      }
    })
    it('a key whose ML-KEM part has a coefficient beyond the modulus', async () => {
      const { publicKey } = await joinerKey()
      for (const at of [0, 600, 1149]) {
        const key = Uint8Array.from(publicKey)
        key.fill(0xff, at, at + 3)
        await sealsNothing(key)
      }
    })
    it('anybody once it is no active member any more, though it was one when it challenged', async () => {
      for (const lost of ['lapsed', 'not_member'] as const) {
        let standing: 'active' | typeof lost = 'active'
        const started = await start({ standing: () => standing })
        const { message3 } = await ready(started)
        standing = lost
        started.hand.send(message3)
        await refusedWith(started, lost)
        assert.equal(started.tools.sealer.seals, 0)
      }
    })
  })

  it('admits nobody for anything but Done', async () => {
    const wrong = [
      bytesOf(len(3), len(3)),
      len(3, new Uint8Array(62)),
      encodeHello({ clusterId: cluster.clusterId, joinerNonce: bytes(32, 1) }),
      bytes(5, 0),
    ]
    for (const message of wrong) {
      const started = await start()
      const { message3 } = await ready(started)
      started.hand.send(message3)
      await started.hand.read()
      started.hand.send(message)
      await refusedWith(started, 'malformed')
    }
  })

  it('serves a joiner whose Request came twice but once', async () => {
    const started = await start()
    const { message3 } = await ready(started)
    started.hand.send(message3)
    started.hand.send(message3)
    await started.hand.read()
    await refusedWith(started, 'malformed')
    assert.equal(started.tools.sealer.seals, 1)
  })
})
