import assert from 'node:assert/strict'
import fc from 'fast-check'
import { CredentialBody as BodyMessage, Credential } from '../../../protocols/records/credential.pb.ts'
import {
  type CredentialBody,
  type CredentialFault,
  decodeCredential,
  ISSUED_AHEAD_MAX_MS,
  verifyCredential,
} from '../../../protocols/records/index.ts'
import { MalformedError } from '../../../protocols/wire/index.ts'
import { Keyring } from '../../../src/keys/index.ts'
import { bytes } from '../../attest/support.ts'
import { credentialFor, LIFETIME_MS, type Peer, peerOf } from '../onboard/cluster.ts'
import { flipped, NOW_MS } from '../support.ts'
import { bytesOf, len } from '../wire/protobuf.ts'

const keyring = Keyring.fromSecrets([{ epoch: 0, secret: bytes(32, 3) }])
const stranger = Keyring.fromSecrets([{ epoch: 0, secret: bytes(32, 5) }])
const cluster = { keyring, clusterId: keyring.clusterId }
const tdDigest = bytes(48, 7)
let [issuer, subject]: Peer[] = []
before(async () => {
  ;[issuer, subject] = [await peerOf(1), await peerOf(2)]
})
const make = (changes: Parameters<typeof credentialFor>[4] = {}) =>
  credentialFor(cluster, subject!.id, issuer!, { tdDigest }, changes)
const verify = (credential: Uint8Array, nowMs = NOW_MS) =>
  verifyCredential(credential, {
    clusterId: keyring.clusterId,
    signingPublicKey: (epoch) => (epoch === 0 ? keyring.signingPublicKey(0) : undefined),
    lifetimeMs: LIFETIME_MS,
    nowMs,
  })
const faultOf = (credential: Uint8Array, nowMs?: number): CredentialFault | undefined => {
  const verified = verify(credential, nowMs)
  return verified.ok ? undefined : verified.fault
}

describe('a credential', () => {
  it('says what was put into it, and holds', () => {
    const verified = verify(make())
    assert.ok(verified.ok)
    assert.deepEqual(verified.body.peerId, subject!.id)
    assert.deepEqual(verified.body.issuer, issuer!.id)
    assert.deepEqual(verified.body.tdDigest, tdDigest)
    assert.deepEqual(verified.body.judged.rtmr.length, 4)
    assert.equal(verified.body.expiresAt - verified.body.issuedAt, LIFETIME_MS)
  })

  it('holds from two minutes before it was issued until its last millisecond', () => {
    const credential = make()
    assert.equal(faultOf(credential, NOW_MS - ISSUED_AHEAD_MAX_MS), undefined)
    assert.equal(faultOf(credential, NOW_MS - ISSUED_AHEAD_MAX_MS - 1), 'issued_in_the_future')
    assert.equal(faultOf(credential, NOW_MS + LIFETIME_MS - 1), undefined)
    assert.equal(faultOf(credential, NOW_MS + LIFETIME_MS), 'expired')
  })

  it('does not hold with any of its faults', () => {
    const cases: [CredentialFault, Partial<CredentialBody> & { signedBy?: Peer; clusterKey?: Keyring }][] = [
      ['wrong_cluster', { clusterId: stranger.clusterId }],
      ['unknown_epoch', { epoch: 1 }],
      ['bad_cluster_signature', { clusterKey: stranger }],
      ['bad_issuer_signature', { signedBy: subject! }],
      ['bad_issuer_signature', { issuer: bytes(38, 1) }],
      ['lifetime_too_long', { expiresAt: NOW_MS + LIFETIME_MS + 1 }],
      ['lifetime_too_long', { expiresAt: NOW_MS }],
      ['lifetime_too_long', { expiresAt: NOW_MS - 1 }],
      ['issued_in_the_future', { issuedAt: NOW_MS + ISSUED_AHEAD_MAX_MS + 1 }],
      ['expired', { issuedAt: NOW_MS - 10, expiresAt: NOW_MS }],
    ]
    for (const [fault, changes] of cases) assert.equal(faultOf(make(changes)), fault, JSON.stringify(Object.keys(changes)))
  })

  it('does not hold when a bit of its body or of either signature is another', () => {
    const message = Credential.decode(make())
    fc.assert(
      fc.property(fc.constantFrom('body', 'clusterSignature', 'issuerSignature' as const), fc.nat(), (part, where) => {
        const bytes = message[part as 'body']
        const changed = Credential.encode({ ...message, [part]: flipped(bytes, where % bytes.length) })
        try {
          assert.equal(verify(changed).ok, false)
        } catch (error) {
          assert.ok(error instanceof MalformedError)
        }
      }),
      { numRuns: 200 },
    )
  })

  it('whose signatures have changed places, or are of another kind, does not hold', () => {
    const message = Credential.decode(make())
    const swapped = { ...message, clusterSignature: message.issuerSignature, issuerSignature: message.clusterSignature }
    assert.equal(faultOf(Credential.encode(swapped)), 'bad_cluster_signature')
    const genesis = { ...message, clusterSignature: keyring.signAsCluster('genesis', message.body) }
    assert.equal(faultOf(Credential.encode(genesis)), 'bad_cluster_signature')
  })

  it('that is not of its form is malformed, body and all', () => {
    const credential = make()
    for (let length = 0; length < credential.length; length++) {
      assert.throws(() => decodeCredential(credential.subarray(0, length)), MalformedError)
    }
    const message = Credential.decode(credential)
    const body = BodyMessage.decode(message.body)
    const wrong: Partial<BodyMessage>[] = [
      { clusterId: bytes(31, 1) },
      { peerId: bytes(39, 1) },
      { issuer: new Uint8Array(0) },
      { tdDigest: bytes(32, 1) },
      { judged: { ...body.judged!, rtmr: Array.from({ length: 5 }, () => bytes(48, 1)) } },
      { judged: { ...body.judged!, mrTd: bytes(47, 1) } },
      { judged: { ...body.judged!, tcbStatus: '' } },
      { judged: { ...body.judged!, appIds: Array.from({ length: 65 }, () => bytes(20, 1)) } },
    ]
    for (const change of wrong) {
      const changed = Credential.encode({ ...message, body: BodyMessage.encode({ ...body, ...change }) })
      assert.throws(() => decodeCredential(changed), MalformedError, JSON.stringify(Object.keys(change)))
    }
    assert.throws(() => decodeCredential(bytesOf(credential, len(1, message.body))), MalformedError)
    const { judged: _, ...without } = body
    assert.throws(() => decodeCredential(Credential.encode({ ...message, body: BodyMessage.encode(without) })), MalformedError)
  })
})
