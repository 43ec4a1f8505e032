/**
 * A stranger with libp2p's own means: `tsx stranger.ts MULTIADDR CLUSTER`. Asks for every protocol that a member may speak, says
 * Hello where that opens a door and nonsense elsewhere, and prints as JSON all that it was told in the clear.
 */
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { identify } from '@libp2p/identify'
import type { Stream } from '@libp2p/interface'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { encodeHello } from '../../protocols/onboard/messages.ts'
import { parseClusterId } from '../../protocols/wire/index.ts'
import { systemClock, systemRandom } from '../../src/base/index.ts'

const LISTEN_MS = 2_000
const PROTOCOLS = [
  '/dstack/onboard/1.0.0',
  '/dstack/membership/1.0.0',
  '/dstack/challenge/1.0.0',
  '/dstack/kad/1.0.0',
  '/meshsub/1.3.0',
  '/meshsub/1.2.0',
  '/meshsub/1.1.0',
  '/meshsub/1.0.0',
  '/floodsub/1.0.0',
  '/ipfs/id/1.0.0',
  '/ipfs/id/push/1.0.0',
]

const [address = '', cluster = ''] = process.argv.slice(2)
const hello = encodeHello({ clusterId: parseClusterId(cluster)!, joinerNonce: systemRandom.bytes(32) })

/** With its length, below 128, before it. */
const prefixed = (bytes: Uint8Array): Uint8Array => Uint8Array.of(bytes.length, ...bytes)

/** All that comes within a while, or until the stream ends. */
const heardOn = async (stream: Stream): Promise<Uint8Array> => {
  const chunks: Uint8Array[] = []
  stream.addEventListener('message', ({ data }) => chunks.push(data.subarray()))
  await Promise.race([systemClock.sleep(LISTEN_MS), new Promise((resolve) => stream.addEventListener('close', resolve))])
  stream.abort(new Error('heard enough'))
  return Buffer.concat(chunks)
}

const node = await createLibp2p({
  transports: [tcp()],
  connectionEncrypters: [noise()],
  streamMuxers: [yamux()],
  services: { identify: identify(), ping: ping() },
})
const opened: Record<string, { bytes: number; hex: string } | string> = {}
for (const protocol of PROTOCOLS) {
  try {
    const connection = await node.dial(multiaddr(address))
    const stream = await connection.newStream(protocol, { signal: AbortSignal.timeout(5_000) })
    const heard = heardOn(stream)
    stream.send(prefixed(protocol.includes('onboard') ? hello : new Uint8Array(32)))
    const bytes = await heard
    opened[protocol] = { bytes: bytes.length, hex: Buffer.from(bytes).toString('hex') }
  } catch (error) {
    opened[protocol] = error instanceof Error ? error.message : String(error)
  }
}
const peers = await node.peerStore.all()
console.log(
  JSON.stringify({
    opened,
    peers: peers.map(({ id, addresses }) => ({
      id: id.toString(),
      addresses: addresses.map(({ multiaddr }) => multiaddr.toString()),
    })),
  }),
)
await node.stop()
process.exit()
