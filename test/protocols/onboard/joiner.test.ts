import assert from 'node:assert/strict'
import fc from 'fast-check'
import {
  CHALLENGE_LIMIT_BYTES,
  FalseOnboarderError,
  type FalseOnboarderFault,
  GRANT_LIMIT_BYTES,
  QUOTE_TIMEOUT_MS,
  SelfRefusedError,
} from '../../../protocols/onboard/index.ts'
import { joinOver } from '../../../protocols/onboard/joiner.ts'
import {
  decodeDone,
  decodeRequest,
  encodeChallenge,
  encodeDone,
  encodeGrant,
  encodeHello,
  encodeRefusalMessage,
  type GrantPlaintext,
} from '../../../protocols/onboard/messages.ts'
import { GenesisRecord as GenesisRecordMessage } from '../../../protocols/records/genesis.pb.ts'
import {
  type CredentialBody,
  encodeEvidence,
  encodeGenesisBundle,
  genesisHash,
  ISSUED_AHEAD_MAX_MS,
} from '../../../protocols/records/index.ts'
import { MalformedError, REFUSAL_CODES, RefusalError, utf8 } from '../../../protocols/wire/index.ts'
import { createEmulatedPki } from '../../../src/attest/emulator/index.ts'
import { canonicalPolicy } from '../../../src/attest/index.ts'
import { DeadlineError } from '../../../src/base/index.ts'
import { Keyring } from '../../../src/keys/index.ts'
import { bytes, emulatedNode, policyFor, sharedPki } from '../../attest/support.ts'
import { FakeClock, flipped, framed, type HandPeer, NOW_MS, rejection, withHand } from '../support.ts'
import { bytesOf, len } from '../wire/protobuf.ts'
import {
  credentialFor,
  type Deviations,
  joinerRole,
  LIFETIME_MS,
  makeGenesis,
  memberBinding,
  policyOf,
  SECRET,
  STEP_MS,
  serveByHand,
  signChallenge,
  type TestCluster,
  testCluster,
  toolsOf,
} from './cluster.ts'

let cluster: TestCluster
let otherKeyring: Keyring
before(async () => {
  cluster = await testCluster()
  otherKeyring = Keyring.fromSecrets([{ epoch: 0, secret: bytes(32, 0x77) }])
})

const start = async (changes: Parameters<typeof joinerRole>[2] = {}, parties = cluster.parties) => {
  const { stream, hand } = await withHand()
  const clock = new FakeClock()
  const tools = toolsOf(clock, 'J')
  const played = joinerRole(cluster, clock, changes)
  const outcome = joinOver(stream, parties, played.role, tools)
  outcome.catch(() => {})
  return { hand, clock, tools, outcome, ...played }
}
type Started = Awaited<ReturnType<typeof start>>

const isWiped = (keyring: Keyring): boolean => {
  try {
    keyring.publicKeys()
    return false
  } catch {
    return true
  }
}

/** J failed: nothing secret is left of the exchange, nothing stays open, and the peer hears nothing more. */
const nothingLeft = async (started: Started) => {
  await rejection(started.outcome)
  const { adopted, lent, tools, clock, hand } = started
  assert.ok(adopted.every(isWiped), 'a keyring was not wiped')
  assert.ok(
    lent.every((secret) => secret.every((byte) => byte === 0)),
    'a secret of the grant is still there',
  )
  assert.ok(tools.sealer.allWiped, 'the plaintext of the grant is still there')
  assert.equal(tools.sealer.wiped, tools.sealer.keys.length, 'the key of the exchange was not wiped')
  assert.equal(clock.running, 0)
  const { messages, end } = await hand.rest()
  assert.deepEqual(messages, [])
  assert.equal(end, 'reset')
}

const fails = async (
  deviations: Deviations,
  kind: typeof MalformedError | FalseOnboarderFault,
  changes: Parameters<typeof start>[0] = {},
) => {
  const started = await start(changes)
  await serveByHand(cluster, started.hand, started.clock, deviations)
  const error = await rejection(started.outcome)
  if (typeof kind === 'string') {
    assert.ok(error instanceof FalseOnboarderError, `${error}`)
    assert.equal(error.code, kind, error.message)
  } else assert.ok(error instanceof kind, `${error}`)
  await nothingLeft(started)
  return started
}

describe('a joiner', () => {
  it('joins through an onboarder that does everything right', async () => {
    const started = await start()
    const { hand, clock, outcome, attested, adopted, lent, steps, tools } = started
    await serveByHand(cluster, hand, clock)
    decodeDone(await hand.read())
    const joined = await outcome
    assert.deepEqual(joined.keyring.publicKeys(), cluster.keyring.publicKeys())
    assert.deepEqual(joined.genesis, cluster.genesis)
    assert.deepEqual(joined.genesisRecord, cluster.record)
    assert.deepEqual(joined.policy.hash, cluster.record.policyHash)
    assert.deepEqual(joined.onboarder.peerId, cluster.onboarder.id)
    assert.deepEqual(joined.onboarder.credential, cluster.onboarder.credential)
    assert.equal(attested.length, 1)
    assert.deepEqual(joined.evidence.binding, attested[0])
    assert.deepEqual(steps, ['asked', 'challenged', 'quoted', 'requested', 'granted', 'opened'])
    assert.deepEqual(await hand.rest(), { messages: [], end: 'closed' })
    assert.deepEqual(adopted.map(isWiped), [false])
    assert.ok(lent.every((secret) => secret.every((byte) => byte === 0)))
    assert.ok(tools.sealer.allWiped)
    assert.equal(tools.sealer.wiped, 1)
    const spent = tools.sealer.keys[0]!
    await rejection(spent.open(bytes(1120, 1), bytes(20, 1), bytes(32, 0)))
    assert.equal(clock.running, 0)
  })

  it('joins a cluster of several epochs with all of them', async () => {
    const started = await start()
    await serveByHand(cluster, started.hand, started.clock, {
      plaintext: (honest) => ({ ...honest, keyring: [...honest.keyring, { epoch: 300, secret: bytes(32, 1) }] }),
    })
    assert.deepEqual((await started.outcome).keyring.epochs, [0, 300])
  })

  it('goes without an anchor where there is none, by the cluster key alone', async () => {
    const started = await start({ anchoredGenesisHash: undefined })
    await serveByHand(cluster, started.hand, started.clock)
    await started.outcome
  })

  it('wipes what it got when its Done cannot be sent', async () => {
    const { stream, hand } = await withHand()
    const clock = new FakeClock()
    const { role, adopted } = joinerRole(cluster, clock, {
      onStep: (step) => {
        if (step === 'opened') stream.abort(new Error('broken'))
      },
    })
    const outcome = rejection(joinOver(stream, cluster.parties, role, toolsOf(clock, 'J')))
    await serveByHand(cluster, hand, clock)
    await outcome
    assert.deepEqual(adopted.map(isWiped), [true])
  })

  describe('shows no quote to', () => {
    const showsNone = async (deviations: Deviations, kind: typeof MalformedError | FalseOnboarderFault) => {
      const started = await start()
      // It never gets to the Request: the reading of it by hand fails with the reset.
      const served = rejection(serveByHand(cluster, started.hand, started.clock, deviations))
      const error = await rejection(started.outcome)
      if (typeof kind === 'string') {
        assert.ok(error instanceof FalseOnboarderError, `${error}`)
        assert.equal(error.code, kind)
      } else assert.ok(error instanceof kind, `${error}`)
      await served
      await nothingLeft(started)
      assert.equal(started.attested.length, 0)
      assert.equal(started.tools.sealer.keys.length, 0)
    }

    it('a peer that does not hold the secret', async () => {
      await showsNone({ challenge: (honest) => ({ ...honest, signature: bytes(64, 0) }) }, 'challenge_signature')
      await showsNone(
        {
          challenge: (honest, { joinerNonce }) => ({
            ...honest,
            signature: signChallenge(otherKeyring, cluster.parties, joinerNonce, honest),
          }),
        },
        'challenge_signature',
      )
    })

    it('one that shows a challenge made for others, or changes any part of one', async () => {
      const { parties, stranger, keyring } = cluster
      const others = [
        { ...parties, joiner: stranger.id },
        { ...parties, onboarder: stranger.id },
        { ...parties, joiner: parties.onboarder, onboarder: parties.joiner },
        { ...parties, clusterId: otherKeyring.clusterId },
      ]
      for (const other of others) {
        await showsNone(
          {
            challenge: (honest, { joinerNonce }) => ({
              ...honest,
              signature: signChallenge(keyring, other, joinerNonce, honest),
            }),
          },
          'challenge_signature',
        )
      }
      await showsNone(
        {
          challenge: (honest, { joinerNonce }) => ({
            ...honest,
            signature: signChallenge(keyring, parties, flipped(joinerNonce), honest),
          }),
        },
        'challenge_signature',
      )
      await showsNone(
        { challenge: (honest) => ({ ...honest, onboarderNonce: flipped(honest.onboarderNonce) }) },
        'challenge_signature',
      )
      await showsNone({ challenge: (honest) => ({ ...honest, genesisHash: flipped(honest.genesisHash) }) }, 'challenge_signature')
    })

    it('one that holds the secret but names another genesis than the anchor', async () => {
      await showsNone({ genesisHash: flipped(cluster.genesisHash) }, 'genesis_not_anchored')
    })

    it('one whose Challenge is cut off at any byte, too long, incomplete or something else', async () => {
      const whole = encodeChallenge({ onboarderNonce: bytes(32, 1), genesisHash: bytes(32, 2), signature: bytes(64, 3) })
      for (let length = 0; length < whole.length; length++)
        await showsNone({ message2: () => whole.subarray(0, length) }, MalformedError)
      const [nonce, hash, signature] = [len(1, bytes(32, 1)), len(2, bytes(32, 2)), len(3, bytes(64, 3))]
      const wrong = [
        len(1, nonce, hash),
        len(1, hash, signature),
        len(1, nonce, signature),
        len(1, nonce, hash, len(3, bytes(63, 3))),
        len(1, len(1, bytes(33, 1)), hash, signature),
        len(1, nonce, hash, signature, signature),
        bytesOf(len(1, nonce, hash, signature), len(3, [8, 4])),
        encodeGrant({ enc: bytes(1120, 1), ciphertext: bytes(17, 1) }),
        len(3),
        len(3, [8, 0]),
        len(3, [8, 99]),
        len(7, [1]),
        new Uint8Array(CHALLENGE_LIMIT_BYTES + 1),
      ]
      for (const message of wrong) await showsNone({ message2: () => message }, MalformedError)
    })

    it('one that answers with random bytes', async () => {
      await fc.assert(
        fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 300 }), (noise) =>
          showsNone({ message2: () => noise }, MalformedError),
        ),
        { numRuns: 40 },
      )
    })

    it('one that refuses, and reports each code as it came', async () => {
      for (const code of REFUSAL_CODES) {
        const started = await start()
        await started.hand.read()
        started.hand.send(encodeRefusalMessage({ code, retryAfterMs: 700, addresses: ['/ip4/192.0.2.7/tcp/1'] }))
        const error = await rejection(started.outcome)
        assert.ok(error instanceof RefusalError)
        assert.deepEqual(error.refusal, { code, retryAfterMs: 700, addresses: ['/ip4/192.0.2.7/tcp/1'] })
        await nothingLeft(started)
        assert.equal(started.attested.length, 0)
      }
    })
  })

  describe('gives up', () => {
    it('on a peer that sends no Challenge', async () => {
      const started = await start()
      await started.hand.read()
      await started.clock.armed(STEP_MS)
      started.clock.pass(STEP_MS)
      assert.ok((await rejection(started.outcome)) instanceof DeadlineError)
      await nothingLeft(started)
      assert.equal(started.attested.length, 0)
    })
    it('on its own quote when that takes too long', async () => {
      let asked: AbortSignal | undefined
      const started = await start({
        attest: (_binding, signal) => {
          asked = signal
          return new Promise(() => {})
        },
      })
      serveByHand(cluster, started.hand, started.clock).catch(() => {})
      await started.clock.armed(QUOTE_TIMEOUT_MS)
      started.clock.pass(QUOTE_TIMEOUT_MS)
      const error = await rejection(started.outcome)
      assert.ok(error instanceof DeadlineError && error.afterMs === QUOTE_TIMEOUT_MS)
      assert.ok(asked?.aborted)
      await nothingLeft(started)
    })
    it('when its own quote cannot be made', async () => {
      const started = await start({ attest: () => Promise.reject(new Error('no quoting service')) })
      serveByHand(cluster, started.hand, started.clock).catch(() => {})
      assert.equal((await rejection(started.outcome)).message, 'no quoting service')
      await nothingLeft(started)
    })
    it('on a Grant that does not come', async () => {
      const started = await start()
      const { hand, clock } = started
      await challengeOnly(hand)
      decodeRequest(await hand.read())
      await clock.armed(STEP_MS)
      clock.pass(STEP_MS)
      assert.ok((await rejection(started.outcome)) instanceof DeadlineError)
      await nothingLeft(started)
    })
    it('on a peer that goes away instead of granting', async () => {
      const started = await start()
      await challengeOnly(started.hand)
      await started.hand.read()
      await started.hand.stream.close()
      assert.equal((await rejection(started.outcome)).name, 'UnexpectedEndError')
      await nothingLeft(started)
    })
    it('when it is told to', async () => {
      const { stream, hand } = await withHand()
      const clock = new FakeClock()
      const stop = new AbortController()
      const { role } = joinerRole(cluster, clock)
      const outcome = rejection(joinOver(stream, cluster.parties, role, toolsOf(clock, 'J'), stop.signal))
      await hand.read()
      stop.abort(new Error('interrupted'))
      assert.equal((await outcome).message, 'interrupted')
      assert.equal((await hand.rest()).end, 'reset')
    })
  })

  const challengeOnly = async (hand: HandPeer) => {
    const joinerNonce = (await hand.read()).slice(-32)
    const unsigned = { onboarderNonce: bytes(32, 4), genesisHash: cluster.genesisHash }
    hand.send(encodeChallenge({ ...unsigned, signature: signChallenge(cluster.keyring, cluster.parties, joinerNonce, unsigned) }))
  }

  it('reports a refusal of its Request, every code', async () => {
    for (const code of REFUSAL_CODES) {
      const started = await start()
      await challengeOnly(started.hand)
      await started.hand.read()
      started.hand.send(encodeRefusalMessage({ code }))
      const error = await rejection(started.outcome)
      assert.ok(error instanceof RefusalError && error.code === code)
      await nothingLeft(started)
    }
  })

  describe('opens no Grant', () => {
    it('that is not sealed to its key and this exchange', async () => {
      await fails({ aad: flipped }, 'grant_not_for_us')
      await fails({ aad: () => new Uint8Array(0) }, 'grant_not_for_us')
      await fails({ grant: ({ enc, ciphertext }) => ({ enc, ciphertext: flipped(ciphertext) }) }, 'grant_not_for_us')
      await fails({ grant: ({ enc, ciphertext }) => ({ enc, ciphertext: flipped(ciphertext, -1) }) }, 'grant_not_for_us')
      await fails({ grant: ({ enc, ciphertext }) => ({ enc, ciphertext: ciphertext.subarray(0, -1) }) }, 'grant_not_for_us')
      for (const at of [0, 1087, 1088, 1118]) {
        await fails({ grant: ({ enc, ciphertext }) => ({ enc: flipped(enc, at), ciphertext }) }, 'grant_not_for_us')
      }
      await fails({ grant: ({ ciphertext }) => ({ enc: new Uint8Array(1120), ciphertext }) }, 'grant_not_for_us')
    })

    it('of another exchange', async () => {
      const first = await start()
      const { message4 } = await serveByHand(cluster, first.hand, first.clock)
      // The same J with other randomness: other nonce, other key.
      const { stream, hand } = await withHand()
      const clock = new FakeClock()
      const { role, adopted } = joinerRole(cluster, clock)
      const outcome = rejection(joinOver(stream, cluster.parties, role, toolsOf(clock, 'J again')))
      await serveByHand(cluster, hand, clock, { message4: () => message4 })
      const error = await outcome
      assert.ok(error instanceof FalseOnboarderError && error.code === 'grant_not_for_us')
      assert.equal(adopted.length, 0)
    })

    it('that is cut off, too long, incomplete or another message', async () => {
      const grant = encodeGrant({ enc: bytes(1120, 1), ciphertext: bytes(40, 1) })
      const [enc, ciphertext] = [len(1, bytes(1120, 1)), len(2, bytes(40, 1))]
      const wrong = [
        ...[1, 2, 3, 4, 100, 1126, 1128, grant.length - 1].map((length) => grant.subarray(0, length)),
        len(2, enc),
        len(2, ciphertext),
        len(2, len(1, bytes(1119, 1)), ciphertext),
        len(2, enc, len(2, bytes(16, 1))),
        len(2, enc, ciphertext, ciphertext),
        encodeChallenge({ onboarderNonce: bytes(32, 1), genesisHash: bytes(32, 2), signature: bytes(64, 3) }),
        encodeDone(),
        encodeHello({ clusterId: cluster.clusterId, joinerNonce: bytes(32, 1) }),
      ]
      for (const message of wrong) await fails({ message4: () => message }, MalformedError)
      const started = await start()
      await challengeOnly(started.hand)
      await started.hand.read()
      started.hand.sendRaw(framed(new Uint8Array(GRANT_LIMIT_BYTES + 1)).subarray(0, 3))
      assert.ok((await rejection(started.outcome)) instanceof MalformedError)
      await nothingLeft(started)
    })

    it('whose plaintext is no plaintext', async () => {
      await fails({ plaintextBytes: () => bytes(40, 0xff) }, MalformedError)
      await fails({ plaintextBytes: (honest) => honest.subarray(0, -1) }, MalformedError)
      await fails({ plaintextBytes: (honest) => bytesOf(honest, len(2, [1])) }, MalformedError)
      const epochs = Array.from({ length: 65 }, (_, epoch) => ({ epoch, secret: bytes(32, 1) }))
      await fails({ plaintext: (honest) => ({ ...honest, keyring: epochs }) }, MalformedError)
      await fails({ plaintext: (honest) => ({ ...honest, keyring: [{ epoch: 0, secret: bytes(31, 1) }] }) }, MalformedError)
      for (const part of ['credential', 'genesis', 'onboarderCredential', 'onboarderEvidence'] as const) {
        await fails({ plaintext: (honest) => ({ ...honest, [part]: new Uint8Array(0) }) }, MalformedError)
        await fails({ plaintext: (honest) => ({ ...honest, [part]: honest[part].subarray(1) }) }, MalformedError)
      }
    })
  })

  describe('believes no Grant', () => {
    type Case = [what: string, change: (honest: GrantPlaintext, tdDigest: Uint8Array) => GrantPlaintext | Promise<GrantPlaintext>]
    const all = (fault: FalseOnboarderFault, cases: () => Case[]) => async () => {
      for (const [what, plaintext] of cases()) {
        try {
          const { attested } = await fails({ plaintext }, fault)
          assert.equal(attested.length, 1)
        } catch (error) {
          throw new Error(what, { cause: error })
        }
      }
    }

    it(
      'whose keyring is not this cluster’s',
      all('secret_is_not_the_clusters', () => [
        ['another secret', (honest) => ({ ...honest, keyring: [{ epoch: 0, secret: bytes(32, 1) }] })],
        ['none', (honest) => ({ ...honest, keyring: [] })],
        [
          'the right secret, as another epoch',
          (honest) => ({ ...honest, keyring: [{ epoch: 1, secret: Uint8Array.from(SECRET) }] }),
        ],
        ['the right secret twice', (honest) => ({ ...honest, keyring: [...honest.keyring, ...honest.keyring] })],
        [
          'another secret first',
          (honest) => ({
            ...honest,
            keyring: [
              { epoch: 0, secret: bytes(32, 1) },
              { epoch: 1, secret: Uint8Array.from(SECRET) },
            ],
          }),
        ],
      ]),
    )

    it(
      'whose genesis is not that of the challenge, or not signed by the cluster',
      all('genesis_invalid', () => [
        [
          'another one, signed by the cluster',
          async (honest) => {
            const { bundle } = await makeGenesis(cluster.keyring, cluster.document, cluster.onboarder.node, {
              createdAt: NOW_MS - 1,
            })
            return { ...honest, genesis: encodeGenesisBundle(bundle) }
          },
        ],
        [
          'a signature changed',
          (honest) => ({
            ...honest,
            genesis: encodeGenesisBundle({ ...cluster.genesis, signature: flipped(cluster.genesis.signature) }),
          }),
        ],
        [
          'signed by another key',
          (honest) => {
            const signature = otherKeyring.signAsCluster('genesis', cluster.genesis.record)
            return { ...honest, genesis: encodeGenesisBundle({ ...cluster.genesis, signature }) }
          },
        ],
      ]),
    )

    it('whose genesis names keys that do not follow from the secret', async () => {
      const other = otherKeyring.publicKeys()
      const wrong = [
        { k256RootPublicKey: other.k256Root },
        { caRootPublicKey: other.caRoot },
        { clusterPublicKey: other.cluster },
      ]
      for (const change of wrong) {
        const { bundle } = await makeGenesis(cluster.keyring, cluster.document, cluster.onboarder.node, change)
        // Also one that is signed by the key that it names.
        const signature =
          change.clusterPublicKey === undefined ? bundle.signature : otherKeyring.signAsCluster('genesis', bundle.record)
        const genesis = encodeGenesisBundle({ ...bundle, signature })
        const hash = genesisHash(bundle.record)
        await fails({ genesisHash: hash, plaintext: (honest) => ({ ...honest, genesis }) }, 'genesis_invalid', {
          anchoredGenesisHash: hash,
        })
      }
    })

    it('whose genesis is of a version or suite that it does not know', async () => {
      const { record } = cluster
      const suite = ['ed25519', 'hpke-base/x-wing/hkdf-sha256/chacha20-poly1305', 'intel-tdx-dcap']
      for (const change of [
        { version: 2, suite },
        { version: 1, suite: [...suite, 'more'] },
        { version: 1, suite: suite.slice(1) },
      ]) {
        const encoded = GenesisRecordMessage.encode({ ...record, ...change })
        const bundle = { ...cluster.genesis, record: encoded, signature: cluster.keyring.signAsCluster('genesis', encoded) }
        const hash = genesisHash(encoded)
        await fails(
          { genesisHash: hash, plaintext: (honest) => ({ ...honest, genesis: encodeGenesisBundle(bundle) }) },
          'genesis_unsupported',
          {
            anchoredGenesisHash: hash,
          },
        )
      }
    })

    it(
      'whose policy is not the one of the genesis',
      all('policy_mismatch', () => {
        const text = canonicalPolicy(cluster.document)
        const withPolicy = (policy: string) => (honest: GrantPlaintext) => ({
          ...honest,
          genesis: encodeGenesisBundle({ ...cluster.genesis, policy: utf8(policy) }),
        })
        return [
          ['another policy', withPolicy(canonicalPolicy(policyFor(sharedPki(), { credentialLifetime: '2h' })))],
          ['the same in another form', withPolicy(text.replace('{', '{ '))],
          ['no policy', withPolicy('{}')],
          ['no JSON', withPolicy('{{')],
        ]
      }),
    )

    it('whose policy is not the one that the operator insists on', async () => {
      await fails({}, 'policy_mismatch', { policyHash: flipped(cluster.record.policyHash) })
      const started = await start({ policyHash: cluster.record.policyHash })
      await serveByHand(cluster, started.hand, started.clock)
      await started.outcome
    })

    it(
      'whose genesis evidence does not hold',
      all('genesis_evidence', () => {
        const withEvidence = (evidence: Parameters<typeof encodeEvidence>[0]) => (honest: GrantPlaintext) => ({
          ...honest,
          genesis: encodeGenesisBundle({ ...cluster.genesis, evidence: encodeEvidence(evidence) }),
        })
        const record = cluster.genesis.record
        return [
          ['the onboarder’s evidence instead', withEvidence(cluster.onboarder.evidence)],
          [
            'about another record',
            async (honest) => {
              const binding = { context: 'genesis/1', fields: [flipped(record)] }
              return withEvidence(await cluster.onboarder.node.evidence(binding))(honest)
            },
          ],
          [
            'from under a foreign root',
            async (honest) => {
              const node = await emulatedNode({ clusterId: cluster.clusterId, pki: createEmulatedPki({ nowMs: NOW_MS }) })
              return withEvidence(await node.evidence({ context: 'genesis/1', fields: [record] }))(honest)
            },
          ],
          [
            'of a TD that its host can debug',
            async (honest) => {
              const quoteFields = { tdAttributes: Uint8Array.of(1, 0, 0, 0x10, 0, 0, 0, 0) }
              const node = await emulatedNode({ clusterId: cluster.clusterId, quoteFields })
              return withEvidence(await node.evidence({ context: 'genesis/1', fields: [record] }))(honest)
            },
          ],
        ]
      }),
    )

    const credentialFaults = (): [string, Parameters<typeof credentialFor>[4]][] => [
      ['too long-lived', { expiresAt: NOW_MS + LIFETIME_MS + 1 }],
      ['expired', { issuedAt: NOW_MS - LIFETIME_MS, expiresAt: NOW_MS }],
      ['ending before it begins', { issuedAt: NOW_MS, expiresAt: NOW_MS }],
      ['from the future', { issuedAt: NOW_MS + ISSUED_AHEAD_MAX_MS + 1, expiresAt: NOW_MS + ISSUED_AHEAD_MAX_MS + 2 }],
      ['of another cluster', { clusterId: otherKeyring.clusterId }],
      ['of an epoch that is not in the keyring', { epoch: 1 }],
      ['signed by another cluster key', { clusterKey: otherKeyring }],
      ['signed by another peer than its issuer', { signedBy: cluster.stranger }],
    ]

    it(
      "whose credential for us is not ours, not the onboarder's work, or not good",
      all('credential_invalid', () => {
        const { joiner, onboarder, stranger } = cluster
        const make = (tdDigest: Uint8Array, changes = {}, subject = joiner.id, issuer: typeof stranger = onboarder) =>
          credentialFor(cluster, subject, issuer, { tdDigest }, changes)
        return [
          ['for another peer', (honest, td) => ({ ...honest, credential: make(td, {}, stranger.id) })],
          ['the onboarder’s own', (honest) => ({ ...honest, credential: onboarder.credential })],
          ['about another TD', (honest, td) => ({ ...honest, credential: make(flipped(td)) })],
          ['issued by somebody else', (honest, td) => ({ ...honest, credential: make(td, {}, joiner.id, stranger) })],
          ['issued by ourselves', (honest, td) => ({ ...honest, credential: make(td, {}, joiner.id, joiner) })],
          ...credentialFaults().map(
            ([what, changes]): Case => [what, (honest, td) => ({ ...honest, credential: make(td, changes) })],
          ),
        ]
      }),
    )

    it(
      'whose onboarder shows no good credential of its own',
      all('onboarder_credential', () => {
        const { joiner, onboarder, stranger } = cluster
        const tdDigest = bytes(48, 1)
        const make = (subject: Uint8Array, changes: Partial<CredentialBody> = {}) =>
          credentialFor(cluster, subject, onboarder, { tdDigest }, changes)
        return [
          ["another peer's", (honest) => ({ ...honest, onboarderCredential: make(stranger.id) })],
          ['the joiner’s', (honest) => ({ ...honest, onboarderCredential: make(joiner.id) })],
          ...credentialFaults().map(
            ([what, changes]): Case => [what, (honest) => ({ ...honest, onboarderCredential: make(onboarder.id, changes) })],
          ),
        ]
      }),
    )

    it(
      'whose onboarder shows no evidence that is its own and good',
      all('onboarder_evidence', () => {
        const { clusterId, onboarder, stranger, joiner } = cluster
        const shows = (evidence: Parameters<typeof encodeEvidence>[0]) => (honest: GrantPlaintext) => ({
          ...honest,
          onboarderEvidence: encodeEvidence(evidence),
        })
        const quoted =
          (
            binding: Parameters<typeof onboarder.node.evidence>[0],
            options: Partial<Parameters<typeof emulatedNode>[0]> = {},
          ): Case[1] =>
          async (honest) => {
            const node = await emulatedNode({ clusterId, ...options })
            return shows(await node.evidence(binding))(honest)
          }
        const own = memberBinding(clusterId, onboarder.id)
        return [
          ["a stranger's", quoted(memberBinding(clusterId, stranger.id))],
          ["the joiner's", quoted(memberBinding(clusterId, joiner.id))],
          ['about another cluster', quoted(memberBinding(otherKeyring.clusterId, onboarder.id))],
          ['made for a status page', quoted({ ...own, context: 'evidence/1' })],
          ['from under a foreign root', quoted(own, { pki: createEmulatedPki({ nowMs: NOW_MS }) })],
          [
            'of another image',
            quoted(own, { measurements: { mrTd: bytes(48, 9), rtmr0: bytes(48, 2), rtmr1: bytes(48, 3), rtmr2: bytes(48, 4) } }),
          ],
          ['fed by another cluster', quoted(own, { clusterId: otherKeyring.clusterId })],
          ['good, but not what its credential was issued for', quoted(memberBinding(clusterId, onboarder.id, NOW_MS + 1))],
          ['the genesis evidence', (honest) => ({ ...honest, onboarderEvidence: cluster.genesis.evidence })],
        ]
      }),
    )
  })

  it('believes an onboarder that was judged last as a joiner, or by a challenge', async () => {
    const { clusterId, onboarder, stranger, document } = cluster
    for (const context of ['onboard/1', 'challenge/1'] as const) {
      const evidence = await onboarder.node.evidence({ context, fields: [clusterId, onboarder.id, stranger.id] })
      const started = await start()
      const verdict = policyOf(document, started.clock).judge(evidence, {
        contexts: [context],
        clusterId,
        peerId: onboarder.id,
      })
      assert.ok(verdict.accepted)
      const onboarderCredential = credentialFor(cluster, onboarder.id, stranger, verdict.judged)
      await serveByHand(cluster, started.hand, started.clock, {
        plaintext: (honest) => ({ ...honest, onboarderCredential, onboarderEvidence: encodeEvidence(evidence) }),
      })
      await started.outcome
    }
  })

  it('stops for good when the policy refuses itself, even if an onboarder would let it in', async () => {
    const measurements = { mrTd: bytes(48, 9), rtmr0: bytes(48, 2), rtmr1: bytes(48, 3), rtmr2: bytes(48, 4) }
    const node = await emulatedNode({ clusterId: cluster.clusterId, measurements })
    const started = await start({ attest: (binding) => node.evidence(binding) })
    await serveByHand(cluster, started.hand, started.clock)
    const error = await rejection(started.outcome)
    assert.ok(error instanceof SelfRefusedError, `${error}`)
    assert.equal(error.refusal, 'measurement_unacceptable')
    await nothingLeft(started)
    assert.equal(started.adopted.length, 1)
  })
})
