import type { Clock } from '../../base/index.ts'

/** What has happened in a node, as far as a page tells of it; names and reasons may be what others sent. */
export type Happening =
  | {
      readonly kind: 'join'
      readonly peerId: string
      readonly outcome: 'admitted' | 'refused' | 'failed'
      readonly code?: string | undefined
      readonly reasons?: readonly string[]
    }
  | { readonly kind: 'member'; readonly peerId: string; readonly change: string }
  | { readonly kind: 'challenge'; readonly side: 'verifier' | 'member'; readonly peerId: string; readonly outcome: string }
  | { readonly kind: 'renewed'; readonly selfIssued: boolean; readonly expiresAt: number }
  | {
      readonly kind: 'alarm'
      readonly alarm: string
      readonly on: boolean
      readonly peerId?: string | undefined
      readonly about?: string | undefined
      /** What is wrong, and what to do. */
      readonly words?: string | undefined
      readonly next?: string | undefined
    }

export type Happened = Happening & {
  /** Unix milliseconds. */
  readonly atMs: number
  /** Counts up; tells two of the same moment apart. */
  readonly number: number
}

/** Joins of one minute. */
export interface Minute {
  /** Its beginning, Unix milliseconds. */
  readonly atMs: number
  admitted: number
  refused: number
  failed: number
}

const MINUTE_MS = 60_000
const MINUTES_MAX = 60
/** Of each kind apart: strangers decide how often they knock, and must not push out what members did. */
const KEPT_MAX = { join: 60, member: 80, challenge: 40, renewed: 10, alarm: 20 } as const
const REASONS_MAX = 4
const TEXT_CHARS_MAX = 240

const cut = (text: string): string => (text.length > TEXT_CHARS_MAX ? `${text.slice(0, TEXT_CHARS_MAX - 1)}…` : text)

/** Every text bounded: a view is made of it again and again. */
const bounded = (happening: Happening): Happening => {
  const entries = Object.entries(happening).map(([name, value]) => [
    name,
    typeof value === 'string' ? cut(value) : Array.isArray(value) ? value.slice(0, REASONS_MAX).map(cut) : value,
  ])
  return Object.fromEntries(entries) as Happening
}

/** What happened lately, in memory, of bounded size. */
export class History {
  readonly #clock: Pick<Clock, 'now'>
  readonly #kept = new Map<string, Happened[]>()
  #minutes: Minute[] = []
  #count = 0

  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock
  }

  note(happening: Happening): void {
    const atMs = this.#clock.now()
    const happened: Happened = { ...bounded(happening), atMs, number: ++this.#count }
    const kept = this.#kept.get(happened.kind) ?? []
    kept.push(happened)
    if (kept.length > KEPT_MAX[happened.kind]) kept.shift()
    this.#kept.set(happened.kind, kept)
    if (happened.kind === 'join') this.#minute(atMs)[happened.outcome]++
  }

  /** The newest first. */
  recent(): Happened[] {
    return [...this.#kept.values()].flat().sort((a, b) => b.number - a.number)
  }

  /** Those minutes of the last hour in which somebody wanted to join, the oldest first. */
  minutes(): Minute[] {
    const fromMs = this.#clock.now() - MINUTES_MAX * MINUTE_MS
    this.#minutes = this.#minutes.filter(({ atMs }) => atMs > fromMs)
    return this.#minutes
  }

  #minute(nowMs: number): Minute {
    const atMs = Math.floor(nowMs / MINUTE_MS) * MINUTE_MS
    const last = this.#minutes.at(-1)
    if (last !== undefined && last.atMs === atMs) return last
    const minute = { atMs, admitted: 0, refused: 0, failed: 0 }
    this.#minutes.push(minute)
    if (this.#minutes.length > MINUTES_MAX) this.#minutes.shift()
    return minute
  }
}
