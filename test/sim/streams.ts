import type { Stream } from '@libp2p/interface'
import { Uint8ArrayList } from 'uint8arraylist'

type Listener = (event: { data?: Uint8ArrayList; error?: Error | undefined }) => void
/** Brings something to the other end: later, in order, or never. */
export type Carry = (run: () => void, bytes?: number) => void

const silentLog = Object.assign(() => {}, { error() {}, trace() {}, enabled: false, newScope: () => silentLog })

/** One end of a stream: what protocols/wire uses of libp2p's. */
export class SimStream {
  readonly log = silentLog
  readonly readBufferLength = 0
  writeStatus = 'writable'
  remoteWriteStatus = 'writable'
  #open = true
  #remote: SimStream | undefined
  #carry: Carry = () => {}
  readonly #listeners: { type: string; listener: Listener }[] = []
  readonly #onEnd: (stream: SimStream) => void

  private constructor(onEnd: (stream: SimStream) => void) {
    this.#onEnd = onEnd
  }

  static pair(near: { carry: Carry; onEnd(stream: SimStream): void }, far: typeof near): [SimStream, SimStream] {
    const [a, b] = [new SimStream(near.onEnd), new SimStream(far.onEnd)]
    a.#remote = b
    a.#carry = near.carry
    b.#remote = a
    b.#carry = far.carry
    return [a, b]
  }

  get asStream(): Stream {
    return this as unknown as Stream
  }

  addEventListener(type: string, listener: Listener): void {
    this.#listeners.push({ type, listener })
  }
  removeEventListener(type: string, listener: Listener): void {
    const at = this.#listeners.findIndex((each) => each.type === type && each.listener === listener)
    if (at >= 0) this.#listeners.splice(at, 1)
  }

  send(data: Uint8Array | Uint8ArrayList): boolean {
    const copy = new Uint8ArrayList(Uint8Array.from(data.subarray()))
    if (this.#open && this.writeStatus === 'writable') this.#carry(() => this.#remote!.#arrive(copy), copy.byteLength)
    return true
  }
  async close(): Promise<void> {
    if (!this.#open || this.writeStatus !== 'writable') return
    this.writeStatus = 'closed'
    this.#carry(() => this.#remote!.#remoteCloses())
    if (this.remoteWriteStatus !== 'writable') this.#end(undefined)
  }
  abort(error: Error): void {
    if (!this.#open) return
    this.#carry(() => this.#remote!.reset())
    this.#end(error)
  }
  async closeRead(): Promise<void> {}
  push(): void {}

  /** The other end is gone. */
  reset(): void {
    if (this.#open) this.#end(new Error('the stream was reset'))
  }

  #arrive(data: Uint8ArrayList): void {
    if (this.#open) this.#emit('message', { data })
  }
  #remoteCloses(): void {
    if (!this.#open) return
    this.remoteWriteStatus = 'closed'
    this.#emit('remoteCloseWrite', {})
    if (this.writeStatus !== 'writable') this.#end(undefined)
  }
  #end(error: Error | undefined): void {
    this.#open = false
    this.writeStatus = 'closed'
    this.remoteWriteStatus = 'closed'
    this.#emit('close', { error })
    this.#onEnd(this)
  }
  #emit(type: string, event: Parameters<Listener>[0]): void {
    for (const { type: wanted, listener } of [...this.#listeners]) if (wanted === type) listener(event)
  }
}
