/** Peers that must wait, each until its own moment of the monotonic clock. Bounded: when full, everybody new must wait. */
export class Pauses {
  readonly #untilMs = new Map<string, number>()
  readonly #max: number
  constructor(max: number) {
    this.#max = max
  }

  /** How long `peer` still has to wait; 0 when it has not. */
  waitMs(peer: string, nowMs: number): number {
    const until = this.#untilMs.get(peer)
    if (until !== undefined) return Math.max(0, until - nowMs)
    if (this.#untilMs.size < this.#max) return 0
    for (const [other, end] of this.#untilMs) if (end <= nowMs) this.#untilMs.delete(other)
    return this.#untilMs.size < this.#max ? 0 : Math.min(...this.#untilMs.values()) - nowMs
  }

  pause(peer: string, untilMs: number): void {
    this.#untilMs.set(peer, untilMs)
  }
}
