/** Time that jumps from event to event, and chance that repeats itself. */
import { type Clock, type Deadline, DeadlineError, type Random } from '../../src/base/index.ts'

/** 1 June 2026; every simulation begins here. */
export const START_MS = Date.UTC(2026, 5, 1)

/** Whose event it is: who is dead does nothing, and who is stalled does it later. */
export interface Owner {
  alive: boolean
  /** Not running before this moment of the timeline. */
  stalledUntilMs: number
}

interface Event {
  atMs: number
  order: number
  owner: Owner | undefined
  /** Undefined once it has been cancelled. */
  run: (() => void) | undefined
}

/** Events by their time, and those of one time by who came first: a binary heap. */
export class Timeline {
  nowMs = 0
  /** Whether the last event may have left promises to run. */
  stirred = false
  #order = 0
  readonly #heap: Event[] = []

  /** Returns what cancels it. */
  at(atMs: number, run: () => void, owner?: Owner): () => void {
    const event: Event = { atMs: Math.max(atMs, this.nowMs), order: this.#order++, owner, run }
    this.#push(event)
    return () => {
      event.run = undefined
    }
  }

  after(ms: number, run: () => void, owner?: Owner): () => void {
    return this.at(this.nowMs + ms, run, owner)
  }

  /** Runs the next event, if it is due by `endMs`; false when none is. */
  step(endMs: number): boolean {
    for (;;) {
      const event = this.#heap[0]
      if (event === undefined || event.atMs > endMs) {
        this.nowMs = endMs
        return false
      }
      this.#pop()
      const { run, owner } = event
      if (run === undefined || owner?.alive === false) continue
      if (owner !== undefined && owner.stalledUntilMs > event.atMs) {
        event.atMs = owner.stalledUntilMs
        this.#push(event)
        continue
      }
      this.nowMs = event.atMs
      this.stirred = true
      run()
      return true
    }
  }

  #push(event: Event): void {
    const heap = this.#heap
    let at = heap.length
    heap.push(event)
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!before(event, heap[parent]!)) break
      heap[at] = heap[parent]!
      at = parent
    }
    heap[at] = event
  }

  #pop(): void {
    const heap = this.#heap
    const last = heap.pop()!
    if (heap.length === 0) return
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child++
      if (!before(heap[child]!, last)) break
      heap[at] = heap[child]!
      at = child
    }
    heap[at] = last
  }
}
const before = (a: Event, b: Event): boolean => a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order)

/** A node's clock: it may be wrong, and be set at any time; what it measures is right. */
export class SimClock implements Clock {
  offsetMs = 0
  readonly #timeline: Timeline
  readonly #owner: Owner
  readonly #bootedMs: number

  constructor(timeline: Timeline, owner: Owner) {
    this.#timeline = timeline
    this.#owner = owner
    this.#bootedMs = timeline.nowMs - 1_000
  }

  now(): number {
    return START_MS + Math.floor(this.#timeline.nowMs) + this.offsetMs
  }
  monotonicMs(): number {
    return this.#timeline.nowMs - this.#bootedMs
  }
  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    this.#timeline.stirred = true
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason)
      this.#timeline.after(ms, resolve, this.#owner)
      signal?.addEventListener('abort', () => reject(signal.reason), { once: true })
    })
  }
  deadline(ms: number, parent?: AbortSignal): Deadline {
    this.#timeline.stirred = true
    const controller = new AbortController()
    const onParent = (): void => {
      clear()
      controller.abort(parent?.reason)
    }
    const cancel = this.#timeline.after(
      ms,
      () => {
        parent?.removeEventListener('abort', onParent)
        controller.abort(new DeadlineError(ms))
      },
      this.#owner,
    )
    const clear = (): void => {
      cancel()
      parent?.removeEventListener('abort', onParent)
    }
    if (parent?.aborted) onParent()
    else parent?.addEventListener('abort', onParent, { once: true })
    return { signal: controller.signal, clear, [Symbol.dispose]: clear }
  }
}

/** Mulberry32: the same numbers for the same seed, and as many independent streams of them as are asked for. */
export class SimRandom implements Random {
  #state: number
  /** Told of each draw. */
  readonly #drawn: () => void

  constructor(seed: number, drawn: () => void = () => {}) {
    this.#drawn = drawn
    this.#state = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) | 0
  }

  uniform(): number {
    this.#drawn()
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => Math.floor(this.uniform() * 256))
  }
  /** A number in [low, high). */
  between(low: number, high: number): number {
    return low + (high - low) * this.uniform()
  }
  /** An integer from low to high, both included. */
  integer(low: number, high: number): number {
    return Math.floor(this.between(low, high + 1))
  }
  chance(share: number): boolean {
    return this.uniform() < share
  }
  /** One of them; undefined of none. */
  pick<T>(from: readonly T[]): T | undefined {
    return from[Math.floor(this.uniform() * from.length)]
  }
  shuffled<T>(from: readonly T[]): T[] {
    const all = [...from]
    for (let last = all.length - 1; last > 0; last--) {
      const other = Math.floor(this.uniform() * (last + 1))
      ;[all[last], all[other]] = [all[other]!, all[last]!]
    }
    return all
  }
  /** Another stream, which what is drawn from this one does not change afterwards. */
  fork(drawn?: () => void): SimRandom {
    return new SimRandom(Math.floor(this.uniform() * 2 ** 32), drawn)
  }
}
