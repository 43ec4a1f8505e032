/** A peer that speaks Yamux by hand: it sends what frames it likes, and notes what comes back. */
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import type { MessageStream } from '@libp2p/interface'
import { tcp } from '@libp2p/tcp'
import type { Multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'

export const [DATA, WINDOW_UPDATE, PING] = [0, 1, 2]
export const [SYN, ACK, RST] = [1, 2, 8]

export const frame = (type: number, flags: number, stream: number, length: number, data = new Uint8Array(0)): Uint8Array => {
  const bytes = Buffer.alloc(12 + data.length)
  bytes.writeUInt8(type, 1)
  bytes.writeUInt16BE(flags, 2)
  bytes.writeUInt32BE(stream, 4)
  bytes.writeUInt32BE(length, 8)
  bytes.set(data, 12)
  return Uint8Array.from(bytes)
}
/** That many, one after the other. */
export const frames = (count: number, each: (n: number) => Uint8Array): Uint8Array =>
  Uint8Array.from(Buffer.concat(Array.from({ length: count }, (_, n) => each(n))))

/** What libp2p keeps in an encrypted connection. */
interface Sealed {
  handshake: { encrypt(bytes: Uint8Array): { subarray(): Uint8Array } }
  stream: MessageStream
}

type Take = (data: { subarray(): Uint8Array }) => void

/**
 * A node that gives away the encrypted connection below its multiplexer, to speak on it by hand.
 * @param options.from - source address, such as 127.0.0.3
 * @param options.taker - of each connection, gets what comes in the multiplexer's place
 */
export const belowYamux = async (options: { from?: string | undefined; taker?: () => Take } = {}) => {
  const { from, taker } = options
  let connection!: MessageStream
  const muxers = yamux({ enableKeepAlive: false })()
  const node = await createLibp2p({
    transports: [tcp(from === undefined ? {} : { dialOpts: { localAddress: from } as object })],
    connectionEncrypters: [noise()],
    streamMuxers: [
      () => ({
        protocol: muxers.protocol,
        createStreamMuxer: (encrypted: MessageStream) => {
          connection = encrypted
          const muxer = muxers.createStreamMuxer(encrypted)
          if (taker !== undefined) muxer.onData = taker()
          return muxer
        },
      }),
    ],
  })
  return {
    node,
    connect: async (addresses: Multiaddr | Multiaddr[], dialing: { signal?: AbortSignal } = {}): Promise<MessageStream> => {
      await node.dial(addresses, dialing)
      return connection
    },
  }
}

/** @param from - source address, such as 127.0.0.3 */
export const speakYamux = async (from?: string) => {
  /** Of the pings that were answered. */
  const answeredIds: number[] = []
  let wake = () => {}
  let pings = 1_000_000_000
  const taker = (): Take => {
    let part = Buffer.alloc(0)
    return (data) => {
      part = Buffer.concat([part, data.subarray()])
      while (part.length >= 12) {
        const size = 12 + (part[1] === DATA ? part.readUInt32BE(8) : 0)
        if (part.length < size) break
        if (part[1] === PING && part.readUInt16BE(2) === ACK) answeredIds.push(part.readUInt32BE(8))
        part = part.subarray(size)
      }
      wake()
    }
  }
  const { node, connect } = await belowYamux({ from, taker })
  const until = async (holds: () => boolean): Promise<void> => {
    while (!holds()) {
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    }
  }
  return {
    id: node.peerId.toString(),
    get answers(): number {
      return answeredIds.length
    },
    answeredIds,
    connect,
    /** Resolves once so many pings have been answered. */
    answered: (count: number): Promise<void> => until(() => answeredIds.length >= count),
    /** Messages of Noise without a byte in them. */
    sendEmpty(over: MessageStream, count: number): void {
      const { handshake, stream } = over as unknown as Sealed
      const messages: Uint8Array[] = []
      for (let i = 0; i < count; i++) {
        const message = handshake.encrypt(new Uint8Array(0)).subarray()
        messages.push(Uint8Array.of(message.length >> 8, message.length & 0xff), message)
      }
      stream.send(Uint8Array.from(Buffer.concat(messages)))
    },
    /** Whether a ping sent now is answered. */
    async echo(over: MessageStream): Promise<'answered'> {
      const id = pings++
      over.send(frame(PING, SYN, 0, id))
      await until(() => answeredIds.at(-1) === id)
      return 'answered'
    },
    stop: () => node.stop(),
  }
}
