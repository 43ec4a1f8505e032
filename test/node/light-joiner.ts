/** Joiners and attackers without a whole node around them, so that hundreds fit into one process. */
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import type { Connection, Libp2p, PrivateKey, Stream } from '@libp2p/interface'
import { tcp } from '@libp2p/tcp'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { ONBOARD_PROTOCOL, type Onboard, onboard, onboardBinding } from '../../protocols/onboard/index.ts'
import { decodeChallenge, decodeGrant, encodeHello, encodeRequest } from '../../protocols/onboard/messages.ts'
import { encodeEvidence } from '../../protocols/records/index.ts'
import { messagesOf, parseClusterId, RefusalError } from '../../protocols/wire/index.ts'
import { noAnchor } from '../../src/anchor/index.ts'
import { type AppIdentity, type Attester, createVerifier, tdEvents } from '../../src/attest/index.ts'
import { hostOf, type Log, silentLog, systemClock, systemRandom } from '../../src/base/index.ts'
import { createPeerKey } from '../../src/net/index.ts'
import { readApps } from '../../src/node/apps.ts'
import { joinCluster } from '../../src/node/join.ts'
import { attest } from '../../src/node/membership.ts'
import { keyDeriver } from '../../src/node/parts.ts'

/** A libp2p node that only dials, from an address of its own where one is given. */
export const dialer = (peerKey: PrivateKey, clusterId: Uint8Array, from?: string): Promise<Libp2p<{ onboard: Onboard }>> =>
  createLibp2p({
    privateKey: peerKey,
    transports: [tcp(from === undefined ? {} : { dialOpts: { localAddress: from } as object })],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    services: { onboard: onboard({ clusterId, timer: systemClock, random: systemRandom, hostOf }) },
  })

/** Of one app, as every node of these tests has it. */
export const identities = async (): Promise<AppIdentity[]> =>
  (await readApps([{ name: 'app', socket: { path: '/unused' } }], systemRandom.bytes(32))).map(({ identity }) => identity)

export interface LightJoiner {
  /** `G…` */
  cluster: string
  peers: readonly string[]
  attester: Attester
  timeoutMs: number
  /** Source address, such as 127.0.0.2. */
  from?: string
  log?: Log
  /** It stays connected until this resolves. */
  until?(peerId: string): Promise<void>
}

/** One join from the first dial to a keyring that has passed every check. Rejects as a node's would. */
export const joinLightly = async ({ cluster, peers, attester, timeoutMs, from, log, until }: LightJoiner): Promise<void> => {
  const clusterId = parseClusterId(cluster)!
  const peerKey = await createPeerKey()
  const node = await dialer(peerKey, clusterId, from)
  try {
    const { membership } = await joinCluster({
      clusterId,
      peers,
      policy: undefined,
      onboard: node.services.onboard,
      resolve: async (address) => address,
      attester,
      anchor: noAnchor,
      keptProof: undefined,
      keys: keyDeriver(systemRandom),
      verifier: (policy) => createVerifier({ policy, clock: systemClock, ownCollateral: () => undefined }),
      apps: await identities(),
      peerKey,
      peerId: peerKey.publicKey.toMultihash().bytes,
      clock: systemClock,
      random: systemRandom,
      log: log ?? silentLog,
      signal: new AbortController().signal,
      timeoutMs,
    })
    membership.keys.wipe()
    await until?.(node.peerId.toString())
  } finally {
    await node.stop()
  }
}

/** Says Hello, and hears the Challenge; the stream stays open for what its caller says next. */
export const hello = async (connection: Connection, clusterId: Uint8Array, signal: AbortSignal) => {
  const stream = await connection.newStream(ONBOARD_PROTOCOL, { signal })
  try {
    const messages = messagesOf(stream, { maxBytes: 8_192, stepTimeoutMs: 5_000, timer: systemClock, signal })
    const joinerNonce = systemRandom.bytes(32)
    await messages.write(encodeHello({ clusterId, joinerNonce }))
    const { onboarderNonce } = decodeChallenge(await messages.read(4_096))
    return { stream, messages, joinerNonce, onboarderNonce }
  } catch (error) {
    stream.abort(new Error('not challenged'))
    throw error
  }
}

/**
 * Garbage as fast as it is taken: each of `peers` peers of one host says Hello and sends a Request that is whole but for its quote,
 * which is of a platform that nobody trusts, again and again until the signal aborts. What it was answered is counted.
 */
export const flood = async (
  target: { cluster: string; address: string; from: string; peers: number; attester: Attester },
  signal: AbortSignal,
) => {
  const clusterId = parseClusterId(target.cluster)!
  const counts = { tried: 0, challenged: 0, judged: 0 }
  await target.attester.extend(tdEvents(await identities(), clusterId))
  const attack = async (node: Libp2p): Promise<void> => {
    const joiner = node.peerId.toMultihash().bytes
    while (!signal.aborted) {
      counts.tried++
      using deadline = systemClock.deadline(5_000, signal)
      let stream: Stream | undefined
      try {
        const connection = await node.dial(multiaddr(target.address), { signal: deadline.signal })
        const onboarder = connection.remotePeer.toMultihash().bytes
        const said = await hello(connection, clusterId, deadline.signal)
        const { messages, joinerNonce, onboarderNonce } = said
        stream = said.stream
        counts.challenged++
        const kemPublicKey = systemRandom.bytes(1_216)
        const binding = onboardBinding({ clusterId, joiner, onboarder }, joinerNonce, onboarderNonce, kemPublicKey)
        const evidence = encodeEvidence(await attest(target.attester, binding))
        await messages.write(encodeRequest({ kemPublicKey, evidence }))
        decodeGrant(await messages.read(4_096))
      } catch (error) {
        if (error instanceof RefusalError && error.code === 'quote_invalid') counts.judged++
        stream?.abort(new Error('the next'))
        // Refused, cut off or not let in: an attacker tries again.
        await systemClock.sleep(20)
      }
    }
  }
  const nodes = await Promise.all(
    Array.from({ length: target.peers }, async () => dialer(await createPeerKey(), clusterId, target.from)),
  )
  try {
    await Promise.all(nodes.map(attack))
  } finally {
    await Promise.all(nodes.map((node) => node.stop()))
  }
  return counts
}
