/** A member that turned: it holds all that a member holds, and says by hand what no honest program would. */
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { generateKeyPair, publicKeyToProtobuf } from '@libp2p/crypto/keys'
import { type GossipSub, gossipsub } from '@libp2p/gossipsub'
import { RPC } from '@libp2p/gossipsub/message'
import { identify } from '@libp2p/identify'
import type { Libp2p, PrivateKey, Stream } from '@libp2p/interface'
import { tcp } from '@libp2p/tcp'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { encodeGossip, MEMBERSHIP_PROTOCOL, membersTopic } from '../../protocols/membership/index.ts'
import { decodeSync, encodeSync, type Sync } from '../../protocols/membership/messages.ts'
import { onboard } from '../../protocols/onboard/index.ts'
import { type CredentialBody, issueCredential, type MemberRecord, sealMemberRecord } from '../../protocols/records/index.ts'
import { messagesOf, parseClusterId, RefusalError } from '../../protocols/wire/index.ts'
import { noAnchor } from '../../src/anchor/index.ts'
import { type Attester, createVerifier } from '../../src/attest/index.ts'
import { hostOf, silentLog, systemClock, systemRandom } from '../../src/base/index.ts'
import type { MeshNode } from '../../src/index.ts'
import { joinCluster } from '../../src/node/join.ts'
import { type Membership, signAsPeer } from '../../src/node/membership.ts'
import { keyDeriver } from '../../src/node/parts.ts'
import { within } from '../mesh/support.ts'
import { framed } from '../protocols/support.ts'
import { identities } from './light-joiner.ts'

/** A peer of nobody's, with the key that it signs by. */
export const somebody = async (): Promise<{ key: PrivateKey; id: Uint8Array }> => {
  const key = await generateKeyPair('Ed25519')
  return { key, id: key.publicKey.toMultihash().bytes }
}

/** One exchange of tables, up to the other side's Want, and what it answers to `turn`: the code of its refusal, or `taken`. */
export const syncOver = async (stream: Stream, hello: Uint8Array, turn: readonly Sync[]): Promise<string> => {
  using deadline = systemClock.deadline(30_000)
  const messages = messagesOf(stream, {
    maxBytes: 1_048_576,
    stepTimeoutMs: 20_000,
    timer: systemClock,
    signal: deadline.signal,
  })
  try {
    await messages.write(encodeSync({ kind: 'hello', envelope: hello }))
    decodeSync(await messages.read(100_000))
    await messages.write(encodeSync({ kind: 'digests', digests: [], revocations: [], more: false }))
    for (;;) {
      const { kind } = decodeSync(await messages.read(1_000_000))
      if (kind === 'want') break
      await messages.write(encodeSync({ kind: 'next' }))
    }
    for (const [index, message] of turn.entries()) {
      await messages.write(encodeSync(message))
      if (index < turn.length - 1) decodeSync(await messages.read(1_000_000))
    }
    // The other side closes when it has taken all; a refusal is its last word.
    return await messages.read(1_000_000).then(
      (bytes) => decodeSync(bytes).kind,
      (error: unknown) => {
        if (error instanceof RefusalError) return error.code
        return 'taken'
      },
    )
  } catch (error) {
    if (error instanceof RefusalError) return error.code
    throw error
  } finally {
    stream.abort(new Error('done'))
  }
}

export class TurnedMember {
  readonly #node: Libp2p<{ gossip: GossipSub }>
  readonly #topic: string
  readonly #address: string
  readonly membership: Membership
  readonly key: PrivateKey
  readonly id: Uint8Array
  #sequence = 1n

  private constructor(
    node: Libp2p<{ gossip: GossipSub }>,
    parts: { topic: string; address: string; membership: Membership; key: PrivateKey },
  ) {
    this.#node = node
    this.#topic = parts.topic
    this.#address = parts.address
    this.membership = parts.membership
    this.key = parts.key
    this.id = parts.key.publicKey.toMultihash().bytes
  }

  /** Joins through `member`, as an honest TD, and can gossip with it. */
  static async join(member: MeshNode, attester: Attester): Promise<TurnedMember> {
    const cluster = member.status().cluster!
    const clusterId = parseClusterId(cluster)!
    const [address] = member.addresses()
    const topic = membersTopic(clusterId)
    const { key } = await somebody()
    const node = await createLibp2p({
      privateKey: key,
      transports: [tcp()],
      connectionEncrypters: [noise()],
      streamMuxers: [yamux()],
      services: {
        identify: identify(),
        onboard: onboard({ clusterId, timer: systemClock, random: systemRandom, hostOf }),
        gossip: gossipsub({ allowPublishToZeroTopicPeers: true, fallbackToFloodsub: false, floodPublish: true }),
      },
    })
    const { membership } = await joinCluster({
      clusterId,
      peers: [address!],
      policy: undefined,
      onboard: node.services.onboard,
      resolve: async (each) => each,
      attester,
      anchor: noAnchor,
      keptProof: undefined,
      keys: keyDeriver(systemRandom),
      verifier: (policy) => createVerifier({ policy, clock: systemClock, ownCollateral: () => undefined }),
      apps: await identities(),
      peerKey: key,
      peerId: key.publicKey.toMultihash().bytes,
      clock: systemClock,
      random: systemRandom,
      log: silentLog,
      signal: new AbortController().signal,
      timeoutMs: 30_000,
    })
    const turned = new TurnedMember(node as unknown as Libp2p<{ gossip: GossipSub }>, {
      topic,
      address: address!,
      membership,
      key,
    })
    await turned.#gossips()
    return turned
  }

  /** Until the member that it joined through takes its gossip: both sides' streams are there. */
  async #gossips(): Promise<void> {
    const gossip = this.#node.services.gossip
    gossip.subscribe(this.#topic)
    // A stream that it opened before it was a member was reset, and gossipsub tries but once for each connection.
    await Promise.all(this.#node.getConnections().map((connection) => connection.close()))
    await this.#node.dial(multiaddr(this.#address))
    const both = async (): Promise<void> => {
      while (gossip.getSubscribers(this.#topic).length === 0 || this.gossiping() === undefined) await systemClock.sleep(10)
    }
    await within(20_000, 'gossip both ways', both())
  }

  /** A record of itself, signed, with whatever is changed. */
  record(changes: Partial<MemberRecord> = {}, key = this.key): Promise<Uint8Array> {
    return sealMemberRecord(
      {
        clusterId: this.membership.keys.clusterId,
        peerId: this.id,
        addresses: ['/ip4/127.0.0.1/tcp/9'],
        public: false,
        epoch: 0,
        sequence: this.#sequence++,
        state: 'active',
        credential: this.membership.credentialBytes,
        sentAt: systemClock.now(),
        ...changes,
      },
      key,
    )
  }

  /** A credential signed with the cluster's key, which every member has, by this one or another peer key. */
  credential(changes: Partial<CredentialBody>, issuerKey = this.key): Uint8Array {
    const { keys, credential } = this.membership
    return issueCredential(
      { ...credential, issuer: issuerKey.publicKey.toMultihash().bytes, ...changes },
      {
        asCluster: (context, bytes, epoch) => keys.signAsCluster(context, bytes, epoch),
        asPeer: (context, bytes) => signAsPeer(issuerKey, context, bytes),
      },
    )
  }

  /** What its gossip carries, signed as gossipsub wants it. */
  async publish(message: Uint8Array): Promise<void> {
    // Nor need gossipsub have taken up the stream yet.
    while ((await this.#node.services.gossip.publish(this.#topic, message)).recipients.length === 0) await systemClock.sleep(20)
  }
  publishRecord(envelope: Uint8Array): Promise<void> {
    return this.publish(encodeGossip({ kind: 'record', envelope }))
  }

  /** The same for a message of another author, whose key it has: relayed, as far as the other side can tell. */
  async publishBy(key: PrivateKey, message: Uint8Array): Promise<void> {
    const from = key.publicKey.toMultihash().bytes
    const unsigned = { from, data: message, seqno: systemRandom.bytes(8), topic: this.#topic }
    const signature = await key.sign(Buffer.concat([Buffer.from('libp2p-pubsub:'), RPC.Message.encode(unsigned)]))
    const signed = { ...unsigned, signature, key: publicKeyToProtobuf(key.publicKey) }
    this.gossiping()!.send(framed(RPC.encode({ subscriptions: [], messages: [signed] })))
  }
  publishRecordBy(key: PrivateKey, envelope: Uint8Array): Promise<void> {
    return this.publishBy(key, encodeGossip({ kind: 'record', envelope }))
  }

  /** Its own gossip stream, on which it can say anything; undefined when the other side has ended it. */
  gossiping(): Stream | undefined {
    const streams = this.#node.getConnections().flatMap((connection) => connection.streams)
    return streams.find(({ protocol, direction, status }) => {
      return protocol.startsWith('/meshsub/') && direction === 'outbound' && status === 'open'
    })
  }

  async open(protocol: string): Promise<Stream> {
    const connection = await this.#node.dial(multiaddr(this.#address))
    return connection.newStream(protocol)
  }

  /** As {@link syncOver}, on a stream of its own. */
  async sync(hello: Uint8Array, turn: readonly Sync[]): Promise<string> {
    return syncOver(await this.open(MEMBERSHIP_PROTOCOL), hello, turn)
  }

  async stop(): Promise<void> {
    this.membership.keys.wipe()
    await this.#node.stop()
  }
}
