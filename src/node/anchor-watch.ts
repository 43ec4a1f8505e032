import { createHash } from 'node:crypto'
import { decodeEvidence, genesisHash } from '../../protocols/records/index.ts'
import { equals } from '../../protocols/wire/index.ts'
import type { Anchor, AnchorNote, AnchorRecord } from '../anchor/index.ts'
import { parseQuote } from '../attest/index.ts'
import { type Clock, type Log, type Random, RefusedError, TransientError } from '../base/index.ts'
import type { Membership } from './membership.ts'

// A node that joined with the proof that it kept never asked the ledger; and testnets are wiped. So a running node looks now and
// then whether its anchor is still there. What it finds is told and changes nothing: keys and members do not depend on it.

/** The first look, and those after it; each between half of it and one and a half. */
const FIRST_LOOK_MS = 60_000
const LOOK_EVERY_MS = 60 * 60_000

/** What a look at the anchor can find wrong. */
const ALARMS = [
  'anchor_changed',
  'anchor_reset',
  'anchor_views_differ',
  'anchor_malformed',
  'anchor_not_frozen',
  'anchor_extra_signer',
  'anchor_thresholds',
  'anchor_flags',
  'anchor_entries',
  'anchor_head_missing',
  'anchor_head_open',
  'anchor_unsupported',
  // Whatever else a reading is refused for; the reason is beside it.
  'anchor_refused',
] as const
export type AnchorAlarm = (typeof ALARMS)[number]

const alarmOf = (code: string): AnchorAlarm =>
  ALARMS.find((alarm) => alarm === code || alarm === `anchor_${code}`) ?? 'anchor_refused'

export interface AnchorWatchParts {
  readonly anchor: Anchor
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  /** Told when an alarm begins and when it ends. */
  readonly onAlarm?: (code: AnchorAlarm, on: boolean) => void
}

export class AnchorWatch {
  readonly #parts: AnchorWatchParts
  #alarm: (AnchorNote & { readonly code: AnchorAlarm }) | undefined

  constructor(parts: AnchorWatchParts) {
    this.#parts = parts
  }

  /** What there is to say about the anchor now. */
  notes(): readonly AnchorNote[] {
    return [...(this.#parts.anchor.notes?.() ?? []), ...(this.#alarm === undefined ? [] : [this.#alarm])]
  }

  /** Looks until the signal; only ledgers can be reset. Rejects with the signal's reason. */
  async run(published: AnchorRecord, signal: AbortSignal): Promise<void> {
    const { anchor, clock, random } = this.#parts
    if (anchor.verify === undefined) return
    for (let everyMs = FIRST_LOOK_MS; ; everyMs = LOOK_EVERY_MS) {
      await clock.sleep(everyMs * (0.5 + random.uniform()), signal)
      await this.look(published, signal)
    }
  }

  /** One look. Throws only when the signal aborts. */
  async look(published: AnchorRecord, signal: AbortSignal): Promise<void> {
    const { anchor, log } = this.#parts
    try {
      const reading = await anchor.read(published.clusterId, signal)
      if (reading !== undefined && !sameRecord(reading, published)) {
        this.#raise(
          'anchor_changed',
          'the servers of the ledger show another genesis for this cluster: they lie, or they are broken',
        )
      } else this.#end()
    } catch (error) {
      signal.throwIfAborted()
      // Nothing was learnt: what was known still is.
      if (error instanceof TransientError) log.info('anchor.look_failed', { reason: error.message })
      else if (!(error instanceof RefusedError)) throw error
      else if (error.code !== 'anchor_missing') this.#raise(alarmOf(error.code), error.message)
      else {
        const lost = `the account of this cluster is gone from ${anchor.witness}: the network was reset`
        this.#raise(
          'anchor_reset',
          `${lost}. The cluster is unharmed, and joiners can be given its proof; its identity is no longer public`,
        )
      }
    }
  }

  #raise(code: AnchorAlarm, words: string): void {
    if (this.#alarm?.code === code) return
    this.#end()
    this.#alarm = { code, words, alarm: true }
    this.#parts.log.error('anchor.alarm', { code, reason: words })
    this.#parts.onAlarm?.(code, true)
  }

  #end(): void {
    if (this.#alarm === undefined) return
    const { code } = this.#alarm
    this.#alarm = undefined
    this.#parts.log.info('anchor.alarm_ended', { code })
    this.#parts.onAlarm?.(code, false)
  }
}

const sameRecord = (a: AnchorRecord, b: AnchorRecord): boolean =>
  equals(a.genesisHash, b.genesisHash) && equals(a.quoteHash, b.quoteHash) && equals(a.policyHash, b.policyHash)

/** What the anchor must say about the cluster of a member. */
export const publishedBy = ({ genesis, keys, policy }: Membership): AnchorRecord => ({
  clusterId: keys.clusterId,
  genesisHash: genesisHash(genesis.record),
  quoteHash: Uint8Array.from(
    createHash('sha256')
      .update(parseQuote(decodeEvidence(genesis.evidence).quote).bytes)
      .digest(),
  ),
  policyHash: policy.hash,
})
