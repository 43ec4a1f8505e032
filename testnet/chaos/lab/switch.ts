/** An Ethernet switch as a pure thing: frames and the time go in, frames that are due come out. The caller owns sockets and timers. */
import { isDeepStrictEqual } from 'node:util'
import type { Random } from '../../../src/index.ts'

/** What one direction between two hosts does to frames. All off: a perfect line. */
export interface Line {
  /** From 0 to 1. */
  readonly loss: number
  readonly duplicate: number
  /** Share of frames that skip the delay and so overtake others. */
  readonly reorder: number
  readonly delayMs: number
  /** At most this much more or less; order is kept. */
  readonly jitterMs: number
  /** Bytes a second; 0 = no limit. */
  readonly rate: number
  /** Nothing passes, not even what was on its way. */
  readonly down: boolean
}

export const PERFECT: Line = { loss: 0, duplicate: 0, reorder: 0, delayMs: 0, jitterMs: 0, rate: 0, down: false }

/** A line with a rate holds this much and drops the rest. */
const RATE_QUEUE_MS = 1_000
/** Beyond it frames are dropped: a bound on memory, not a model of anything. */
const IN_FLIGHT_MAX = 100_000
const MAC_BYTES = 6

interface InFlight {
  readonly at: number
  readonly order: number
  readonly from: number
  readonly to: number
  readonly frame: Uint8Array
}

/** `02:00:00:00:hh:ll` with the host's number: addresses say where a frame goes, nothing has to be learnt. */
export const macOf = (host: number): string =>
  ['02', '00', '00', '00', ...[host >> 8, host & 255].map((byte) => byte.toString(16).padStart(2, '0'))].join(':')

export class Switch {
  readonly #random: Random
  readonly #hosts = new Set<number>()
  readonly #lines = new Map<string, Line>()
  /** Of each direction: when the last frame arrives, and when the line has sent what it was given. */
  readonly #ends = new Map<string, { arrivesAt: number; sentAt: number }>()
  readonly #flight = new Heap()
  #order = 0
  readonly counts = { passed: 0, lost: 0, cut: 0 }

  constructor(random: Random) {
    this.#random = random
  }

  plug(host: number): void {
    this.#hosts.add(host)
  }

  /** Changes what one direction does; what is not named stays. */
  setLine(from: number, to: number, change: Partial<Line>): void {
    const key = `${from}>${to}`
    const line = { ...this.line(from, to), ...change }
    if (isDeepStrictEqual(line, PERFECT)) this.#lines.delete(key)
    else this.#lines.set(key, line)
  }

  line(from: number, to: number): Line {
    return this.#lines.get(`${from}>${to}`) ?? PERFECT
  }

  /** A frame that `from` sent; `nowMs` is monotonic. */
  handle(from: number, frame: Uint8Array, nowMs: number): void {
    if (frame.length < 2 * MAC_BYTES) return
    // The lowest bit of the first byte: to everybody (ARP asks so).
    if ((frame[0]! & 1) === 1) {
      for (const to of this.#hosts) if (to !== from) this.#send(from, to, frame, nowMs)
      return
    }
    const to = (frame[4]! << 8) | frame[5]!
    if (to !== from && this.#hosts.has(to)) this.#send(from, to, frame, nowMs)
  }

  #send(from: number, to: number, frame: Uint8Array, nowMs: number): void {
    const line = this.line(from, to)
    if (line.down) {
      this.counts.cut++
      return
    }
    if (this.#chance(line.loss)) {
      this.counts.lost++
      return
    }
    for (let copies = this.#chance(line.duplicate) ? 2 : 1; copies > 0; copies--) this.#schedule(from, to, line, frame, nowMs)
  }

  #schedule(from: number, to: number, line: Line, frame: Uint8Array, nowMs: number): void {
    const key = `${from}>${to}`
    const ends = this.#ends.get(key) ?? { arrivesAt: 0, sentAt: 0 }
    const sentAt = line.rate === 0 ? nowMs : Math.max(nowMs, ends.sentAt) + (frame.length / line.rate) * 1_000
    if (sentAt - nowMs > RATE_QUEUE_MS || this.#flight.size >= IN_FLIGHT_MAX) {
      this.counts.lost++
      return
    }
    const overtakes = this.#chance(line.reorder)
    const jitter = line.jitterMs === 0 ? 0 : (this.#random.uniform() * 2 - 1) * line.jitterMs
    const at = overtakes ? sentAt : Math.max(ends.arrivesAt, sentAt + Math.max(0, line.delayMs + jitter))
    this.#ends.set(key, { arrivesAt: overtakes ? ends.arrivesAt : at, sentAt })
    this.#flight.push({ at, order: this.#order++, from, to, frame })
  }

  #chance(share: number): boolean {
    return share > 0 && this.#random.uniform() < share
  }

  /** The next frame that has arrived by `nowMs`. */
  next(nowMs: number): { to: number; frame: Uint8Array } | undefined {
    for (;;) {
      const first = this.#flight.first()
      if (first === undefined || first.at > nowMs) return undefined
      this.#flight.shift()
      // Who cuts a line cuts what is on it, too.
      if (this.line(first.from, first.to).down) {
        this.counts.cut++
        continue
      }
      this.counts.passed++
      return first
    }
  }

  /** When the next frame is due; undefined: nothing is on its way. */
  dueAt(): number | undefined {
    return this.#flight.first()?.at
  }
}

/** Earliest first; of the same time, whoever came first. */
class Heap {
  readonly #items: InFlight[] = []

  get size(): number {
    return this.#items.length
  }
  first(): InFlight | undefined {
    return this.#items[0]
  }

  push(item: InFlight): void {
    const items = this.#items
    let at = items.push(item) - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!before(item, items[parent]!)) break
      items[at] = items[parent]!
      at = parent
    }
    items[at] = item
  }

  shift(): void {
    const items = this.#items
    const last = items.pop()
    if (last === undefined || items.length === 0) return
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= items.length) break
      if (child + 1 < items.length && before(items[child + 1]!, items[child]!)) child++
      if (!before(items[child]!, last)) break
      items[at] = items[child]!
      at = child
    }
    items[at] = last
  }
}

const before = (a: InFlight, b: InFlight): boolean => a.at < b.at || (a.at === b.at && a.order < b.order)
