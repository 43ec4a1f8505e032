import { peerText } from './peer-text.ts'

/** Authors that are counted at once; more than could be active members. */
const AUTHORS_MAX = 10_000

/** How much of something dear each author may still cause, in windows by the monotonic clock. */
export class AuthorBudget {
  readonly #max: number
  readonly #windowMs: number
  readonly #spent = new Map<string, { count: number; sinceMs: number }>()

  constructor(max: number, windowMs: number) {
    this.#max = max
    this.#windowMs = windowMs
  }

  has(author: Uint8Array, nowMs: number): boolean {
    const spent = this.#spent.get(peerText(author))
    return spent === undefined || nowMs - spent.sinceMs >= this.#windowMs || spent.count < this.#max
  }

  spend(author: Uint8Array, nowMs: number): void {
    const key = peerText(author)
    const spent = this.#spent.get(key)
    if (spent !== undefined && nowMs - spent.sinceMs < this.#windowMs) {
      spent.count++
      return
    }
    this.#spent.delete(key)
    if (this.#spent.size >= AUTHORS_MAX) this.#spent.delete(this.#spent.keys().next().value!)
    this.#spent.set(key, { count: 1, sinceMs: nowMs })
  }
}
