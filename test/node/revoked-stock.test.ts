/** Credentials from a stock, shown after their issuer or their holder was thrown out: to full nodes, by every way there is. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import type { PrivateKey } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { answerSigned, challengeBinding } from '../../protocols/challenge/exchange.ts'
import { encodeAnswer, encodeChallenge } from '../../protocols/challenge/messages.ts'
import { makeRevocation } from '../../protocols/challenge/revocation.ts'
import { encodeGossip, MEMBERSHIP_PROTOCOL } from '../../protocols/membership/index.ts'
import { encodeEvidence } from '../../protocols/records/index.ts'
import { parseQuote } from '../../src/attest/dcap/quote.ts'
import { systemClock, systemRandom } from '../../src/base/index.ts'
import type { MeshNode } from '../../src/index.ts'
import { attest, signAsPeer } from '../../src/node/membership.ts'
import { dialer } from './light-joiner.ts'
import { InProcess } from './support.ts'
import { somebody, syncOver, TurnedMember } from './turned-member.ts'
import { told, verdict } from './verdict.ts'

const MINUTE_MS = 60_000

type Peer = Awaited<ReturnType<typeof somebody>>
const text = ({ key }: { key: PrivateKey }): string => peerIdFromPrivateKey(key).toString()

describe('a stock of credentials', function () {
  this.timeout(120_000)
  let mesh: InProcess
  let attacked: MeshNode
  let other: MeshNode
  /** It says what the others may not say any more; nobody has found it out. */
  let accomplice: TurnedMember
  /** Out, after it has issued. */
  let issuer: TurnedMember
  /** Out, with credentials in hand. */
  let holder: TurnedMember
  /** The issuer let it in before, and it stays. */
  let kept: Peer
  /** Of the quote that threw the holder out. */
  let tdDigest: Uint8Array
  let phantoms: Peer[]
  let places = 10
  const place = () => ({ addresses: [`/ip4/127.0.0.1/tcp/${places++}`] })

  /** Proof that this member, challenged by whomever, answered with a TD that the policy does not admit. */
  const revocationOf = async ({ key, id, membership }: TurnedMember) => {
    const verifier = (await somebody()).id
    const parties = { clusterId: membership.keys.clusterId, member: id, verifier }
    const decoded = { clusterId: parties.clusterId, verifierNonce: systemRandom.bytes(32), epoch: 0 }
    const message = encodeChallenge(decoded)
    const bad = mesh.td({ measurements: { rtmr2: systemRandom.bytes(48) } })
    const { quote, ...rest } = await attest(bad, challengeBinding(parties, decoded))
    const evidence = encodeEvidence({ quote, ...rest })
    const signature = signAsPeer(key, 'challenge-answer', answerSigned(parties, message, evidence))
    return { revocation: makeRevocation(parties, { message, decoded }, encodeAnswer({ evidence, signature })), quote }
  }
  const throwOut = async (member: TurnedMember): Promise<Uint8Array> => {
    const { revocation, quote } = await revocationOf(member)
    const out = [attacked, other].map((node) =>
      told(
        node,
        'a revocation',
        (event) => event.kind === 'member' && event.change === 'revoked' && event.peerId === text(member),
      ),
    )
    await accomplice.publish(encodeGossip({ kind: 'revocation', revocation }))
    await Promise.all(out)
    return Uint8Array.from(createHash('sha384').update(parseQuote(quote).td.bytes).digest())
  }
  /** From the stock of `by`: for this peer, to hold from `fromMs` on. */
  const stocked = (by: TurnedMember, { id }: { id: Uint8Array }, fromMs: number, td?: Uint8Array): Uint8Array =>
    by.credential({
      peerId: id,
      issuedAt: systemClock.now() + fromMs,
      expiresAt: systemClock.now() + fromMs + 30 * MINUTE_MS,
      ...(td !== undefined && { tdDigest: td }),
    })
  const recordOf = (peer: Peer, credential: Uint8Array): Promise<Uint8Array> =>
    accomplice.record({ peerId: peer.id, credential, ...place() }, peer.key)
  const relayed = async (peer: Peer, credential: Uint8Array, wanted: string): Promise<void> => {
    const heard = verdict(attacked, wanted)
    await accomplice.publishRecordBy(peer.key, await recordOf(peer, credential))
    await heard
  }
  /** At the gate, by a connection of its own: how it is refused. */
  const shown = async (node: MeshNode, peer: Peer, credential: Uint8Array): Promise<string> => {
    const dialing = await dialer(peer.key, accomplice.membership.keys.clusterId)
    try {
      const connection = await dialing.dial(multiaddr(node.addresses()[0]!))
      return await syncOver(await connection.newStream(MEMBERSHIP_PROTOCOL), await recordOf(peer, credential), [])
    } finally {
      await dialing.stop()
    }
  }
  /** Who is in, by what both full nodes say of it. */
  const areIn = (): string[][] =>
    [attacked, other].map((node) =>
      node
        .members()
        .filter(({ state }) => state !== 'lapsed' && state !== 'leaving')
        .map(({ peerId }) => peerId)
        .sort(),
    )

  before(async () => {
    mesh = await InProcess.open()
    attacked = await mesh.first()
    other = await mesh.node('other', { entry: mesh.entry(attacked) })
    await other.start()
    const join = async (): Promise<TurnedMember> => {
      const member = await TurnedMember.join(attacked, mesh.td())
      const heard = verdict(other, 'accept')
      await member.publishRecord(await member.record(place()))
      await heard
      return member
    }
    accomplice = await join()
    issuer = await join()
    holder = await join()
    phantoms = await Promise.all(Array.from({ length: 4 }, somebody))
    kept = await somebody()
    // While the issuer is a member, this very way leads in.
    const heard = verdict(other, 'accept')
    await relayed(kept, stocked(issuer, kept, 0), 'accept')
    await heard
    const everybody = [accomplice, issuer, holder, kept].map(text)
    for (const known of areIn())
      assert.deepEqual(
        everybody.filter((each) => !known.includes(each)),
        [],
      )
    await throwOut(issuer)
    tdDigest = await throwOut(holder)
  })
  after(async () => {
    await Promise.all([accomplice, issuer, holder].map((member) => member?.stop()))
    await mesh.close()
  })
  afterEach(() => {
    const expected = [attacked.status().peerId!, other.status().peerId!, text(accomplice), text(kept)].sort()
    assert.deepEqual(areIn(), [expected, expected])
  })

  it('by an issuer that is out leads nobody in by gossip, and keeps nobody in for longer', async () => {
    await relayed(phantoms[0]!, stocked(issuer, phantoms[0]!, 0), 'ignore: unknown_issuer')
    await relayed(phantoms[0]!, stocked(issuer, phantoms[0]!, -10 * MINUTE_MS), 'ignore: unknown_issuer')
    await relayed(kept, stocked(issuer, kept, MINUTE_MS), 'ignore: unknown_issuer')
  })

  it('of a holder that is out leads it in by gossip no more, whoever issued it, nor another peer with its TD', async () => {
    await relayed(holder, holder.membership.credentialBytes, 'ignore: revoked')
    await relayed(holder, stocked(accomplice, holder, MINUTE_MS), 'ignore: revoked')
    await relayed(issuer, stocked(accomplice, issuer, MINUTE_MS), 'ignore: revoked')
    await relayed(phantoms[1]!, stocked(accomplice, phantoms[1]!, 0, tdDigest), 'ignore: revoked')
  })

  it('is refused at the gate', async () => {
    // It may be challenged, and has no TD that it could show.
    assert.equal(await shown(attacked, phantoms[2]!, stocked(issuer, phantoms[2]!, 0)), 'lapsed')
    assert.equal(await shown(attacked, phantoms[3]!, stocked(accomplice, phantoms[3]!, 0, tdDigest)), 'not_member')
    for (const peer of [holder, issuer]) {
      assert.equal(await shown(attacked, peer, peer.membership.credentialBytes), 'not_member')
      assert.equal(await shown(attacked, peer, stocked(accomplice, peer, MINUTE_MS)), 'not_member')
      assert.equal(await shown(attacked, peer, stocked(accomplice, peer, -MINUTE_MS)), 'not_member')
    }
  })

  it('is not taken over from a member that brings it to an exchange of tables', async () => {
    const envelopes = await Promise.all([
      ...phantoms.map((peer) => recordOf(peer, stocked(issuer, peer, 0))),
      recordOf(phantoms[3]!, stocked(accomplice, phantoms[3]!, 0, tdDigest)),
      ...[holder, issuer].flatMap((peer) => [
        recordOf(peer, peer.membership.credentialBytes),
        recordOf(peer, stocked(accomplice, peer, MINUTE_MS)),
      ]),
    ])
    const turn = [{ kind: 'records', envelopes } as const, { kind: 'end' } as const]
    assert.equal(await accomplice.sync(await accomplice.record(place()), turn), 'taken')
  })

  it('is worth as little to a node that joined after all that', async () => {
    const late = await mesh.node('late', { entry: mesh.entry(attacked) })
    await late.start()
    const known = late.members().map(({ peerId }) => peerId)
    for (const member of [other, attacked]) assert.ok(known.includes(member.status().peerId!))
    for (const peer of [issuer, holder, ...phantoms]) assert.ok(!known.includes(text(peer)))
    assert.equal(await shown(late, phantoms[2]!, stocked(issuer, phantoms[2]!, 0)), 'lapsed')
    assert.equal(await shown(late, holder, stocked(accomplice, holder, MINUTE_MS)), 'not_member')
    assert.equal(await shown(late, phantoms[3]!, stocked(accomplice, phantoms[3]!, 0, tdDigest)), 'not_member')
    for (const peer of [issuer, holder, ...phantoms]) assert.ok(!late.members().some(({ peerId }) => peerId === text(peer)))
    await late.stop()
  })
})
