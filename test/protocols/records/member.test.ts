import assert from 'node:assert/strict'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { RecordEnvelope } from '@libp2p/peer-record'
import fc from 'fast-check'
import {
  MEMBER_RECORD_LIMIT_BYTES,
  type MemberRecord,
  openMemberRecord,
  sealMemberRecord,
} from '../../../protocols/records/index.ts'
import { MemberRecord as MemberMessage, MemberState } from '../../../protocols/records/member.pb.ts'
import { MalformedError, utf8 } from '../../../protocols/wire/index.ts'
import { bytes } from '../../attest/support.ts'
import { type Peer, peerOf } from '../onboard/cluster.ts'
import { flipped, NOW_MS, rejection } from '../support.ts'
import { bytesOf, len } from '../wire/protobuf.ts'

let member: Peer
let other: Peer
let record: MemberRecord
before(async () => {
  ;[member, other] = await Promise.all([peerOf(1), peerOf(2)])
  record = {
    clusterId: bytes(32, 1),
    peerId: member.id,
    addresses: ['/ip4/192.0.2.1/tcp/4001', '/dns4/node.example/tcp/4001'],
    public: true,
    epoch: 0,
    sequence: 2n ** 64n - 1n,
    state: 'active',
    credential: bytes(300, 2),
    sentAt: NOW_MS,
  }
})
const malformed = async (envelope: Uint8Array) => {
  const error = await rejection(openMemberRecord(envelope))
  assert.ok(error instanceof MalformedError, `${error}`)
}
const sealed = async (payload: Uint8Array, domain = 'dstack-mesh/member-record/1', type = '/dstack/member-record/1') => {
  const envelope = await RecordEnvelope.seal(
    { domain, codec: utf8(type), marshal: () => payload, equals: () => false },
    member.key,
  )
  return envelope.marshal()
}
const message = (): MemberMessage => ({ ...record, addresses: [], state: MemberState.active })

describe('a member record', () => {
  it('comes back as it was sealed', async () => {
    assert.deepEqual(await openMemberRecord(await sealMemberRecord(record, member.key)), record)
    const leaving: MemberRecord = { ...record, state: 'leaving', public: false, addresses: [], epoch: 7, sequence: 0n, sentAt: 0 }
    assert.deepEqual(await openMemberRecord(await sealMemberRecord(leaving, member.key)), leaving)
  })

  it('signed by another peer than it is about is malformed', async () => {
    await malformed(await sealMemberRecord(record, other.key))
    await malformed(await sealMemberRecord({ ...record, peerId: other.id }, member.key))
  })

  it('of another domain or payload type is malformed', async () => {
    const payload = MemberMessage.encode(message())
    await openMemberRecord(await sealed(payload))
    await malformed(await sealed(payload, 'libp2p-peer-record'))
    await malformed(await sealed(payload, undefined, '/dstack/member-record/2'))
    await malformed(await sealed(payload, undefined, '/dstack/member-record/10'))
  })

  it('under a key that is not ed25519 is malformed, before its signature is looked at', async () => {
    for (const kind of ['secp256k1', 'ECDSA'] as const)
      await malformed(await sealMemberRecord(record, await generateKeyPair(kind)))
  })

  it('with any bit changed is malformed, also where no signature covers it', async () => {
    const envelope = await sealMemberRecord(record, member.key)
    assert.equal(envelope[2], 0x08, 'the key type of the public key')
    await malformed(flipped(envelope, 2))
    await malformed(bytesOf(envelope, len(99, [1])))
    await fc.assert(
      fc.asyncProperty(fc.nat(envelope.length - 1), (where) => malformed(flipped(envelope, where))),
      { numRuns: 100 },
    )
  })

  it('cut off, too long, with a part twice, or of random bytes is malformed', async () => {
    const envelope = await sealMemberRecord(record, member.key)
    for (let length = 0; length < envelope.length; length += 7) await malformed(envelope.subarray(0, length))
    await malformed(new Uint8Array(MEMBER_RECORD_LIMIT_BYTES + 1))
    await malformed(bytesOf(envelope, len(5, bytes(64, 1))))
    await malformed(bytesOf(len(3, bytes(10, 1)), envelope))
    await fc.assert(fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), malformed))
  })

  it('whose content is not of its form is malformed, though the signature holds', async () => {
    const wrong: Partial<MemberMessage>[] = [
      { clusterId: bytes(31, 1) },
      { state: MemberState.unspecified },
      { credential: new Uint8Array(0) },
      { credential: bytes(4097, 1) },
      { addresses: [bytes(5, 0xff)] },
      { addresses: [bytes(257, 1)] },
      { addresses: Array.from({ length: 9 }, () => Uint8Array.of(4, 192, 0, 2, 1)) },
    ]
    for (const change of wrong) await malformed(await sealed(MemberMessage.encode({ ...message(), ...change })))
    await malformed(await sealed(bytesOf(MemberMessage.encode(message()), [8 * 8, 0])))
    await malformed(await sealed(bytesOf(MemberMessage.encode({ ...message(), public: false }), [4 << 3, 2])))
  })
})
