import assert from 'node:assert/strict'
import { streamPair } from '@libp2p/utils'
import { onboardBinding, transcriptHash } from '../../../protocols/onboard/exchange.ts'
import { hpkeSealer, type OnboarderRole } from '../../../protocols/onboard/index.ts'
import { joinOver } from '../../../protocols/onboard/joiner.ts'
import {
  decodeChallenge,
  decodeDone,
  decodeGrant,
  decodeGrantPlaintext,
  decodeHello,
  decodeRequest,
  encodeGrantPlaintext,
} from '../../../protocols/onboard/messages.ts'
import { onboardOver } from '../../../protocols/onboard/onboarder.ts'
import { decodeEvidence, decodeGenesisBundle, type Evidence, genesisHash } from '../../../protocols/records/index.ts'
import { clusterSignedBytes, equals, fieldList, reportData, verifyEd25519 } from '../../../protocols/wire/index.ts'
import { Keyring } from '../../../src/keys/index.ts'
import { FakeClock, flipped, HandPeer, hex, unhex } from '../support.ts'
import { onboard, records } from '../vectors.ts'
import { unlimited } from './cluster.ts'
import { openByHand } from './hpke-by-hand.ts'

const { exchange } = onboard
const parties = {
  clusterId: unhex(onboard.parties.clusterId),
  joiner: unhex(onboard.parties.joiner),
  onboarder: unhex(onboard.parties.onboarder),
}
const [message1, message2, message3, message4] = exchange.messages.map(unhex) as [Uint8Array, Uint8Array, Uint8Array, Uint8Array]
/** The given bytes, one after the other, as fresh copies. */
const draws = (...values: string[]) => ({ bytes: () => unhex(values.shift()!) })
const kemKey = () => hpkeSealer(draws(exchange.draws.kemSeed)).generate()
const plaintext = decodeGrantPlaintext(unhex(exchange.plaintext))

describe('the vectors of onboard', () => {
  it('give the bytes that are signed, quoted and hashed', async () => {
    const hello = decodeHello(message1)
    const challenge = decodeChallenge(message2)
    const signed = fieldList([
      parties.clusterId,
      parties.joiner,
      parties.onboarder,
      hello.joinerNonce,
      challenge.onboarderNonce,
      challenge.genesisHash,
    ])
    assert.equal(hex(clusterSignedBytes('onboard-challenge', signed)), exchange.challengeSigned)
    assert.ok(verifyEd25519(parties.clusterId, unhex(exchange.challengeSigned), challenge.signature))
    assert.equal(hex(challenge.genesisHash), exchange.genesisHash)
    assert.equal(hex((await kemKey()).publicKey), exchange.kemPublicKey)
    const binding = onboardBinding(parties, hello.joinerNonce, challenge.onboarderNonce, unhex(exchange.kemPublicKey))
    assert.deepEqual({ context: binding.context, fields: binding.fields.map(hex) }, exchange.binding)
    assert.equal(hex(reportData(binding)), exchange.reportData)
    assert.deepEqual(decodeEvidence(decodeRequest(message3).evidence).binding, binding)
    assert.equal(hex(transcriptHash(message1, message2, message3)), exchange.aad)
  })

  it('give a grant that our sealer makes and opens', async () => {
    const sealed = await hpkeSealer(draws(exchange.draws.encapsulation)).seal(
      unhex(exchange.kemPublicKey),
      unhex(exchange.plaintext),
      unhex(exchange.aad),
    )
    assert.equal(hex(sealed.enc), exchange.enc)
    assert.equal(hex(sealed.ciphertext), exchange.ciphertext)
    assert.deepEqual(decodeGrant(message4), sealed)
    const key = await kemKey()
    assert.equal(hex(await key.open(sealed.enc, sealed.ciphertext, unhex(exchange.aad))), exchange.plaintext)
    assert.equal(hex(encodeGrantPlaintext(plaintext)), exchange.plaintext)
    assert.deepEqual(
      plaintext.keyring.map(({ epoch, secret }) => [epoch, hex(secret)]),
      [[0, exchange.rootSecret]],
    )
  })

  it('give a grant that opens by hand, with other code than sealed it', () => {
    const [key, enc, info, aad, ciphertext] = [
      exchange.kemDecapsulationKey,
      exchange.enc,
      exchange.info,
      exchange.aad,
      exchange.ciphertext,
    ].map(unhex) as [Uint8Array, Uint8Array, Uint8Array, Uint8Array, Uint8Array]
    assert.equal(Buffer.from(info).toString(), '/dstack/onboard/1.0.0')
    assert.equal(hex(openByHand(key, enc, info, aad, ciphertext)), exchange.plaintext)
    assert.throws(() => openByHand(key, enc, info, flipped(aad), ciphertext))
  })

  it('give grants that do not open', async () => {
    for (const { part, at, outcome } of onboard.unopened) {
      assert.equal(outcome, 'grant_not_for_us')
      const changed = (name: 'aad' | 'enc' | 'ciphertext') =>
        part === name ? flipped(unhex(exchange[name]), at) : unhex(exchange[name])
      const key = await kemKey()
      await assert.rejects(key.open(changed('enc'), changed('ciphertext'), changed('aad')), `${part} ${at}`)
    }
  })

  it('give keys that nothing is sealed to', async () => {
    for (const { at, bytes, why, outcome } of onboard.unsealable) {
      assert.equal(outcome, 'malformed')
      const key = unhex(exchange.kemPublicKey)
      key.set(unhex(bytes), at)
      await assert.rejects(hpkeSealer(draws(exchange.draws.encapsulation)).seal(key, new Uint8Array(1), new Uint8Array(32)), why)
    }
  })

  it('give messages, whole and broken', () => {
    const decoders = {
      hello: decodeHello,
      challenge: decodeChallenge,
      request: decodeRequest,
      grant: decodeGrant,
      done: decodeDone,
    }
    for (const { expects, outcome, bytes, ...rest } of onboard.messages) {
      let found = 'decodes'
      try {
        decoders[expects as keyof typeof decoders](unhex(bytes))
      } catch (error) {
        const { code, name } = error as { code: string; name: string }
        found = name === 'RefusalError' ? `refused: ${code}` : code
      }
      assert.equal(found, outcome, JSON.stringify({ expects, ...rest }))
    }
  })

  it('give an exchange that both sides repeat byte for byte', async () => {
    const clock = new FakeClock(onboard.nowMs)
    const keyring = Keyring.fromSecrets([{ epoch: 0, secret: unhex(exchange.rootSecret) }])
    const tdDigestOf = (peerId: Uint8Array | undefined) =>
      unhex(onboard.tdDigests[peerId !== undefined && equals(peerId, parties.joiner) ? 'joiner' : 'onboarder'])
    // The evidence in the vectors holds no quote: that the binding is the right one is all that this judge looks at.
    const judge = (evidence: Evidence, expected: { fields?: readonly Uint8Array[]; peerId?: Uint8Array }) => {
      for (const [index, field] of (expected.fields ?? []).entries()) assert.deepEqual(evidence.binding.fields[index], field)
      return { accepted: true as const, judged: { tdDigest: tdDigestOf(expected.peerId) } }
    }
    const admitted: Uint8Array[] = []
    const onboarder: OnboarderRole = {
      genesisHash: genesisHash(decodeGenesisBundle(plaintext.genesis).record),
      genesis: plaintext.genesis,
      standing: () => 'active',
      signAsCluster: (context, bytes) => keyring.signAsCluster(context, bytes),
      judge: (evidence, expected) => ({ ...judge(evidence, expected), issue: () => plaintext.credential }),
      standingProof: () => ({ credential: plaintext.onboarderCredential, evidence: plaintext.onboarderEvidence }),
      withSecrets: (use) => keyring.withSecrets(use),
      admit: (peerId) => admitted.push(peerId),
      publicAddresses: () => [],
    }
    const [[joinerStream, leftStream], [rightStream, onboarderStream]] = await Promise.all([streamPair(), streamPair()])
    const [left, right] = [new HandPeer(leftStream), new HandPeer(rightStream)]
    const joining = joinOver(
      joinerStream,
      parties,
      {
        anchoredGenesisHash: unhex(exchange.genesisHash),
        attest: async (binding) => {
          assert.equal(hex(reportData(binding)), exchange.reportData)
          return decodeEvidence(decodeRequest(message3).evidence)
        },
        adopt: (entries) => Keyring.fromSecrets(entries),
        openPolicy: () => ({
          hash: unhex(records.genesis.policyHash),
          credentialLifetimeMs: onboard.credentialLifetimeMs,
          judge,
        }),
      },
      { timer: clock, random: draws(exchange.draws.joinerNonce), sealer: hpkeSealer(draws(exchange.draws.kemSeed)) },
    )
    const onboarding = onboardOver(onboarderStream, parties, onboarder, {
      timer: clock,
      random: draws(exchange.draws.onboarderNonce),
      sealer: hpkeSealer(draws(exchange.draws.encapsulation)),
      allowance: unlimited,
    })
    const seen: string[] = []
    for (const from of [left, right, left, right, left]) {
      const message = await from.read()
      seen.push(hex(message))
      ;(from === left ? right : left).send(message)
    }
    const [joined] = await Promise.all([joining, onboarding])
    assert.deepEqual(seen, exchange.messages)
    assert.equal(hex(joined.keyring.clusterId), onboard.parties.clusterId)
    assert.deepEqual(admitted, [parties.joiner])
  })
})
