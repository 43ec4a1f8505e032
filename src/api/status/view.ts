import type { Happened, Minute } from './history.ts'

/** What the page shows; sent as JSON, whole, whenever it has changed. */
export interface StatusView<Status> {
  readonly version: string
  /** The node's clock when this was made; Unix milliseconds, whole seconds, so that nothing new gives the same text. */
  readonly startedMs: number
  readonly status: Status
  /** How many members there are, where the list was cut. */
  readonly memberCount: number
  /** The fields of the node's own newest quote, by name. */
  readonly quote: Readonly<Record<string, string>> | null
  readonly joins: readonly Minute[]
  readonly happened: readonly Happened[]
}

/** A page can show more, but nobody can read more. */
export const VIEW_MEMBERS_MAX = 1_000
