import type { Account } from './account.ts'

/** Accounts by id. */
export interface Accounts {
  get(id: string): Account | undefined
}

/**
 * Changes on top of what is below them: read through, written here, and handed down by {@link commit} or forgotten.
 * Each ledger, transaction and operation works in one of its own, so that what fails leaves nothing behind.
 */
export class Layer implements Accounts {
  readonly #below: Accounts
  readonly #changes = new Map<string, Account | undefined>()
  /** Who sponsors whose future reserves: sponsored → sponsor. Only ever within one transaction. */
  readonly sponsorships: Map<string, string>

  constructor(below: Accounts) {
    this.#below = below
    this.sponsorships = new Map(below instanceof Layer ? below.sponsorships : [])
  }

  get(id: string): Account | undefined {
    return this.#changes.has(id) ? this.#changes.get(id) : this.#below.get(id)
  }

  /** An account that must be there: the caller has seen it. */
  load(id: string): Account {
    const account = this.get(id)
    if (account === undefined) throw new Error(`account ${id} is gone in the middle of an operation`)
    return account
  }

  put(account: Account): void {
    this.#changes.set(account.id, account)
  }

  update(id: string, change: (account: Account) => Partial<Account>): void {
    const account = this.load(id)
    this.put({ ...account, ...change(account) })
  }

  remove(id: string): void {
    this.#changes.set(id, undefined)
  }

  /** Writes the changes into the layer below. */
  commit(): void {
    const below = this.#below
    if (!(below instanceof Layer)) throw new Error('the lowest layer is committed by its owner')
    for (const [id, account] of this.#changes) below.#changes.set(id, account)
    below.sponsorships.clear()
    for (const [sponsored, sponsor] of this.sponsorships) below.sponsorships.set(sponsored, sponsor)
  }

  /** What is different from below; `undefined` = removed. */
  get changes(): ReadonlyMap<string, Account | undefined> {
    return this.#changes
  }
}
