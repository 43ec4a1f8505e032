/** How many platforms' certificates and attestation keys are remembered with one collateral. */
const REMEMBERED_MAX = 1024

/** Remembers what has been verified, keyed on all the bytes that it was verified from; forgets what was unused the longest. */
export class Verified<T> {
  readonly #values = new Map<string, T>()

  /** What `verify` returned for this key. What it throws is not remembered. */
  get(key: string, verify: () => T): T {
    const value = this.#values.get(key) ?? verify()
    this.#values.delete(key)
    this.#values.set(key, value)
    if (this.#values.size > REMEMBERED_MAX) this.#values.delete(this.#values.keys().next().value!)
    return value
  }
}
