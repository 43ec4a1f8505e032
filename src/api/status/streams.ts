import type { ServerResponse } from 'node:http'
import type { Clock } from '../../base/index.ts'
import type { StatusLimits } from './limits.ts'

interface Stream {
  readonly response: ServerResponse
  /** The view that it was sent last. */
  sent: string | undefined
  /** Since when it has not taken what it was sent. */
  stuckSinceMs: number | undefined
}

/**
 * The open event streams. All are sent the same text, made once however many there are, only when it has changed, and never more
 * than one that is still on its way.
 */
export class EventStreams {
  readonly #streams = new Set<Stream>()
  readonly #clock: Clock
  readonly #limits: StatusLimits
  readonly #view: () => string
  readonly #stopping = new AbortController()
  #wake: AbortController | undefined
  #running: Promise<void> | undefined
  #dirty = false

  constructor(parts: { clock: Clock; limits: StatusLimits; view: () => string }) {
    this.#clock = parts.clock
    this.#limits = parts.limits
    this.#view = parts.view
  }

  get full(): boolean {
    return this.#streams.size >= this.#limits.streams
  }

  get size(): number {
    return this.#streams.size
  }

  /** `response` has its head written; it ends when its reader goes, does not read, or this stops. */
  add(response: ServerResponse): void {
    const stream: Stream = { response, sent: undefined, stuckSinceMs: undefined }
    this.#streams.add(stream)
    response.once('close', () => this.#streams.delete(stream))
    response.on('error', () => response.destroy())
    response.write(this.#beat())
    this.#send(stream, this.#view())
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined
    })
  }

  /** Something happened that a view may show. */
  changed(): void {
    this.#dirty = true
    this.#wake?.abort()
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    this.#wake?.abort()
    for (const { response } of this.#streams) response.destroy()
    await this.#running
  }

  /** As long as somebody reads. */
  async #run(): Promise<void> {
    const { viewPauseMs, viewEveryMs, heartbeatMs } = this.#limits
    let beatMs = this.#clock.monotonicMs()
    while (this.#streams.size > 0 && !this.#stopping.signal.aborted) {
      await this.#pause(viewPauseMs, this.#stopping.signal)
      if (!this.#dirty) {
        this.#wake = new AbortController()
        await this.#pause(viewEveryMs - viewPauseMs, this.#wake.signal)
        this.#wake = undefined
      }
      this.#dirty = false
      if (this.#streams.size === 0 || this.#stopping.signal.aborted) return
      const nowMs = this.#clock.monotonicMs()
      const beat = nowMs - beatMs >= heartbeatMs
      if (beat) beatMs = nowMs
      const view = this.#view()
      for (const stream of this.#streams) {
        if (this.#isStuck(stream, nowMs)) continue
        if (stream.sent !== view) this.#send(stream, view)
        else if (beat) stream.response.write(this.#beat())
      }
    }
  }

  /** The node's time, so that both ends notice when the other is gone, and a page whose clock is off shows what is left rightly. */
  #beat(): string {
    return `event: beat\ndata: ${Math.round(this.#clock.now())}\n\n`
  }

  #pause(ms: number, signal: AbortSignal): Promise<void> {
    return this.#clock.sleep(ms, signal).catch(() => {})
  }

  #send(stream: Stream, view: string): void {
    stream.sent = view
    stream.response.write(`event: view\ndata: ${view}\n\n`)
  }

  /** Whether something that it was sent has not left yet. */
  #isStuck(stream: Stream, nowMs: number): boolean {
    const { response } = stream
    if (response.writableLength === 0) {
      stream.stuckSinceMs = undefined
      return false
    }
    stream.stuckSinceMs ??= nowMs
    if (nowMs - stream.stuckSinceMs > this.#limits.streamStuckMs) response.destroy()
    return true
  }
}
