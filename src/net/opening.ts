/**
 * What a peer may send before a protocol is agreed on, and as the length of its first message. libp2p's reader takes a length that
 * does not end for one that has not come whole yet, and goes on byte by byte, an exception each: some kilobytes from anybody who
 * can connect kept the whole process busy. Here such a connection or stream ends before the library sees what came.
 */
import type {
  Connection,
  ConnectionEncrypter,
  MultiaddrConnection,
  SecuredConnection,
  Stream,
  StreamMuxerFactory,
  Transport,
  Upgrader,
  UpgraderOptions,
} from '@libp2p/interface'

// multistream-select 1.0: lines, each with its length before it and a newline at its end.
const HEADER = '/multistream/1.0.0'
/** Of a line, in one byte: no name that is spoken here is longer. */
const LINE_BYTES_MAX = 127
/** Of the length of a message: 4 bytes say 256 MB. */
const LENGTH_BYTES_MAX = 4
const LAST_BYTE_MAX = 0x7f

export class OpeningError extends Error {
  override readonly name = 'OpeningError'
}

/** What comes after a name: messages with their length before them, or anything. */
export type After = 'messages' | 'anything'

/** Reads along until a name is said that is spoken here, and the length of the first message where that is of messages. */
export class Opening {
  readonly #spoken: (name: string) => After | undefined
  readonly #line = new Uint8Array(LINE_BYTES_MAX)
  #phase: 'length' | 'line' | 'message length' | 'over' = 'length'
  #lineBytes = 0
  #read = 0

  /** @param spoken - what comes after a name; undefined: it is not spoken, and another may follow */
  constructor(spoken: (name: string) => After | undefined) {
    this.#spoken = spoken
  }

  /** Nothing more has to be looked at. */
  get over(): boolean {
    return this.#phase === 'over'
  }

  /** @throws OpeningError */
  take(bytes: Uint8Array): void {
    for (const byte of bytes) {
      if (this.#phase === 'over') return
      if (this.#phase === 'length') this.#length(byte)
      else if (this.#phase === 'line') this.#lineByte(byte)
      else this.#messageLength(byte)
    }
  }

  #length(byte: number): void {
    if (byte === 0 || byte > LINE_BYTES_MAX) throw new OpeningError(`a line whose length begins with ${byte}`)
    this.#lineBytes = byte
    this.#read = 0
    this.#phase = 'line'
  }

  #lineByte(byte: number): void {
    this.#line[this.#read++] = byte
    if (this.#read < this.#lineBytes) return
    const name = Buffer.from(this.#line.subarray(0, this.#lineBytes)).toString('latin1')
    if (!name.endsWith('\n')) throw new OpeningError('a line without its end')
    const after = name === `${HEADER}\n` ? undefined : this.#spoken(name.slice(0, -1))
    this.#read = 0
    this.#phase = after === undefined ? 'length' : after === 'messages' ? 'message length' : 'over'
  }

  #messageLength(byte: number): void {
    if (byte <= LAST_BYTE_MAX) this.#phase = 'over'
    else if (++this.#read === LENGTH_BYTES_MAX) throw new OpeningError('a length that does not end')
  }
}

/** What libp2p's connections and streams share and do not show: the peer's bytes come in by `onData`, and wait in `readBuffer`. */
interface Incoming {
  readBuffer: { subarray(): Uint8Array }
  onData(data: Uint8Array | { subarray(): Uint8Array }): void
  abort(error: Error): void
}

/** Has what comes in read along. What it should not be ends the connection or stream, and nobody else sees it. */
const guard = (opened: unknown, spoken: (name: string) => After | undefined): void => {
  const incoming = opened as Incoming
  if (typeof incoming.onData !== 'function') throw new TypeError('libp2p brings bytes in by another way than onData')
  const opening = new Opening(spoken)
  const hand = incoming.onData.bind(incoming)
  const readAlong = (data: Uint8Array | { subarray(): Uint8Array }): boolean => {
    if (opening.over) return true
    try {
      opening.take(data instanceof Uint8Array ? data : data.subarray())
      return true
    } catch (error) {
      incoming.abort(error as Error)
      return false
    }
  }
  incoming.onData = (data) => {
    if (readAlong(data)) hand(data)
  }
  readAlong(incoming.readBuffer)
}

const only =
  (protocol: string) =>
  (name: string): After | undefined =>
    name === protocol ? 'anything' : undefined

/** A transport whose connections are read along until they agree on `encryption`. */
export const openingTransport =
  <C, T extends Transport>(transport: (components: C) => T, encryption: string) =>
  (components: C): T => {
    const inner = transport(components)
    const guarded = (upgrader: Upgrader): Upgrader => {
      const upgradeInbound = (connection: MultiaddrConnection, options: UpgraderOptions): Promise<void> => {
        guard(connection, only(encryption))
        return upgrader.upgradeInbound(connection, options)
      }
      const upgradeOutbound = (connection: MultiaddrConnection, options: UpgraderOptions): Promise<Connection> => {
        guard(connection, only(encryption))
        return upgrader.upgradeOutbound(connection, options)
      }
      return {
        createInboundAbortSignal: (signal) => upgrader.createInboundAbortSignal(signal),
        getStreamMuxers: () => upgrader.getStreamMuxers(),
        getConnectionEncrypters: () => upgrader.getConnectionEncrypters(),
        upgradeInbound: upgradeInbound as Upgrader['upgradeInbound'],
        upgradeOutbound: upgradeOutbound as Upgrader['upgradeOutbound'],
      }
    }
    const { dial, createListener } = inner
    inner.dial = (address, options) => dial.call(inner, address, { ...options, upgrader: guarded(options.upgrader) })
    inner.createListener = (options) => createListener.call(inner, { ...options, upgrader: guarded(options.upgrader) })
    return inner
  }

/** An encryption whose connections are read along until they agree on `muxer`, where they have not within their handshake. */
export const openingEncryption =
  <C, E extends ConnectionEncrypter>(encryption: (components: C) => E, muxer: string) =>
  (components: C): E => {
    const inner = encryption(components)
    const { secureInbound, secureOutbound } = inner
    const guarded = async (secured: Promise<SecuredConnection>): Promise<SecuredConnection> => {
      const { connection, streamMuxer } = await secured
      if (streamMuxer === undefined) guard(connection, only(muxer))
      return secured
    }
    inner.secureInbound = (connection, options) => guarded(secureInbound.call(inner, connection, options))
    inner.secureOutbound = (connection, options) => guarded(secureOutbound.call(inner, connection, options))
    return inner
  }

/** A multiplexer whose streams are read along until they agree on a protocol that is `spoken`. */
export const openingStreams =
  (muxers: () => StreamMuxerFactory, spoken: (name: string) => After | undefined) => (): StreamMuxerFactory => {
    const factory = muxers()
    return {
      protocol: factory.protocol,
      createStreamMuxer: (connection) => {
        const muxer = factory.createStreamMuxer(connection)
        // Not by the muxer's event: libp2p keeps streams that come early for its own listener, should there be no other.
        const { onRemoteStream, onCreateStream } = muxer as unknown as OpensStreams
        Object.assign(muxer, {
          onRemoteStream(stream: Stream) {
            guard(stream, spoken)
            onRemoteStream.call(muxer, stream)
          },
          async onCreateStream(options: unknown) {
            const stream = await onCreateStream.call(muxer, options)
            guard(stream, spoken)
            return stream
          },
        })
        return muxer
      },
    }
  }

/** What a muxer calls for each stream, of the peer's or of ours. */
interface OpensStreams {
  onRemoteStream(stream: Stream): void
  onCreateStream(options: unknown): Stream | Promise<Stream>
}
