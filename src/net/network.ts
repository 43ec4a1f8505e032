import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { identify } from '@libp2p/identify'
import type { Libp2p, PeerId, PrivateKey } from '@libp2p/interface'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { createLibp2p, type Libp2pInit, type ServiceFactoryMap } from 'libp2p'
import { type Clock, UsageError } from '../base/index.ts'
import { hostGate, outlastStrangers } from './strangers.ts'

// Implementation constants: tuning.

/** libp2p takes 5 by default and resets the rest: too few where many TDs sit behind one NAT or one bridge. */
const INBOUND_CONNECTIONS_PER_SECOND_AND_HOST = 50
const PENDING_INBOUND_CONNECTIONS = 64
const MAX_CONNECTIONS = 600
/** Of all protocols; libp2p takes 1000, each with a buffer of its own. */
const STREAMS_PER_CONNECTION = 64
const DIAL_TIMEOUT_MS = 5_000
const HANDSHAKE_TIMEOUT_MS = 5_000

/** A fresh ed25519 peer key. It lives in memory only: a restarted node is a new peer (design: keys). */
export const createPeerKey = (): Promise<PrivateKey> => generateKeyPair('Ed25519')

/**
 * A libp2p node over TCP, Noise and Yamux with identify and ping, plus the services given. Not started.
 * @param init.listen - multiaddrs to listen on
 * @param init.isMember - whose connections are no stranger's
 * @param init.metrics - libp2p's own series
 */
export const createNetwork = async <S extends ServiceFactoryMap>(init: {
  peerKey: PrivateKey
  listen: readonly string[]
  services: S
  clock: Clock
  isMember(peer: PeerId): boolean
  metrics?: Libp2pInit['metrics'] | undefined
}): Promise<Libp2p<{ [K in keyof S]: ReturnType<S[K]> }>> => {
  const node = await createLibp2p({
    start: false,
    privateKey: init.peerKey,
    addresses: { listen: [...init.listen] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux({ maxInboundStreams: STREAMS_PER_CONNECTION })],
    ...(init.metrics !== undefined && { metrics: init.metrics }),
    connectionGater: hostGate(),
    connectionManager: {
      maxConnections: MAX_CONNECTIONS,
      inboundConnectionThreshold: INBOUND_CONNECTIONS_PER_SECOND_AND_HOST,
      maxIncomingPendingConnections: PENDING_INBOUND_CONNECTIONS,
      dialTimeout: DIAL_TIMEOUT_MS,
      inboundUpgradeTimeout: HANDSHAKE_TIMEOUT_MS,
      inboundStreamProtocolNegotiationTimeout: HANDSHAKE_TIMEOUT_MS,
    },
    // Identify tells strangers this; not which Node version answers them.
    nodeInfo: { name: 'dstack-mesh', version: '1', userAgent: 'dstack-mesh' },
    services: { identify: identify(), ping: ping(), ...init.services },
  })
  outlastStrangers(node, init.clock, init.isMember)
  return node as unknown as Libp2p<{ [K in keyof S]: ReturnType<S[K]> }>
}

/** Starts to listen; a port in use or an address of another machine is the caller's to fix. */
export const startNetwork = async (node: Libp2p, listen: readonly string[]): Promise<void> => {
  try {
    await node.start()
  } catch (cause) {
    const message = deepMessage(cause)
    const inUse = message.includes('EADDRINUSE')
    throw new UsageError(inUse ? 'port_in_use' : 'cannot_listen', `cannot listen on ${listen.join(', ')}: ${message}`, {
      next: inUse
        ? 'choose another port with --listen, or port 0 for any free one'
        : 'give --listen an address of this machine, such as /ip4/0.0.0.0/tcp/4001',
      cause,
    })
  }
}

const deepMessage = (error: unknown): string => {
  if (error instanceof AggregateError) return error.errors.map(deepMessage).join('; ')
  if (!(error instanceof Error)) return String(error)
  return error.cause === undefined ? error.message : `${error.message}: ${deepMessage(error.cause)}`
}
