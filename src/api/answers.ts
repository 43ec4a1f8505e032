/** How many answers are kept, and how long a request may be to be kept with its answer. */
const ENTRIES_MAX = 1024
const REQUEST_BYTES_MAX = 1024

/**
 * Answers that their requests alone decide, by the request's own bytes: an app asks for the same key again and again. They
 * hold keys, so they are bytes, wiped when they leave and when the node forgets its keyring.
 */
export class Answers {
  readonly #answers = new Map<string, Buffer>()

  /** The name under which this request's answer is kept; undefined when it is too long to keep. */
  static nameOf(method: string, url: string, json: boolean, body: Buffer): string | undefined {
    if (url.length + body.length > REQUEST_BYTES_MAX) return undefined
    return `${method} ${json ? 'json' : 'protobuf'} ${url}\n${body.toString('latin1')}`
  }

  /** A copy: the original may be wiped while the copy is still being sent. */
  get(name: string): Buffer | undefined {
    const found = this.#answers.get(name)
    if (found === undefined) return undefined
    const copy = Buffer.allocUnsafeSlow(found.length)
    found.copy(copy)
    return copy
  }

  keep(name: string, answer: Uint8Array): void {
    const kept = Buffer.allocUnsafeSlow(answer.length)
    kept.set(answer)
    this.#answers.get(name)?.fill(0)
    this.#answers.set(name, kept)
    if (this.#answers.size <= ENTRIES_MAX) return
    // The oldest leaves: a Map keeps the order of insertion.
    for (const [oldest, bytes] of this.#answers) {
      bytes.fill(0)
      this.#answers.delete(oldest)
      break
    }
  }

  wipe(): void {
    for (const bytes of this.#answers.values()) bytes.fill(0)
    this.#answers.clear()
  }
}
