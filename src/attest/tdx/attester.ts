import { equals } from '../../../protocols/wire/bytes.ts'
import { REPORT_DATA_BYTES } from '../../../protocols/wire/constants.ts'
import { type Clock, DeadlineError, type Log, type Random, RefusedError, TransientError, UsageError } from '../../base/index.ts'
import type { Attester, TdEvent } from '../attester.ts'
import type { CollateralSource } from '../collateral/index.ts'
import { platformOf } from '../collateral/index.ts'
import { DcapError, parseQuote, type Quote } from '../dcap/index.ts'
import { eventDigest, extendRtmr, replayRtmr } from '../events.ts'
import { eventLogError, type FileFailure, isWorthRetrying, quoteError, rtmrError } from './errors.ts'
import { EVENT_LOG_LIMIT_BYTES } from './event-log.ts'
import { FileQueue } from './file-queue.ts'
import { TDX_PROVIDER } from './file-work.ts'
import { TDX_PATHS, type TdxPaths } from './paths.ts'

/** From the call to the quote: as many callers as may wait, at a second each, and one whole wait of the kernel's (30 s). */
const QUOTE_TIMEOUT_MS = 90_000
/** With the pauses below: twelve attempts in about ten seconds, for a device that is busy with somebody else's quote. */
const ATTEMPTS_MAX = 12
const FIRST_PAUSE_MS = 20
const LONGEST_PAUSE_MS = 2_000

export interface TdxAttesterInit {
  /** Where collateral for this machine comes from. */
  collateral: CollateralSource
  clock: Clock
  random: Random
  log: Log
  /** @default TDX_PATHS. Another only in tests. */
  paths?: TdxPaths
}

export interface TdxAttester extends Attester {
  /** The boot event log (CCEL), as firmware left it; at most 16 MiB. Give it to `replayEventLog`. */
  bootEventLog(signal?: AbortSignal): Promise<Uint8Array>
  /** Ends the thread and rejects whoever waits for it. The collateral source is its owner's to stop. */
  stop(): Promise<void>
}

/** A name that no other caller has: entries are private, so that callers cannot disturb each other's report data. */
export const entryName = (random: Random): string => `dstack-mesh-${Buffer.from(random.bytes(8)).toString('hex')}`

class ConfigfsAttester implements TdxAttester {
  readonly tee = 'tdx'
  readonly #init: TdxAttesterInit
  readonly #paths: TdxPaths
  readonly #queue: FileQueue
  #events: readonly TdEvent[] = []
  #extending: Promise<void> = Promise.resolve()
  /** The machine's part of the latest quote: whose collateral to ask for. */
  #latest: Quote | undefined

  constructor(init: TdxAttesterInit) {
    this.#init = init
    this.#paths = init.paths ?? TDX_PATHS
    this.#queue = new FileQueue(init.clock)
  }

  async quote(reportData: Uint8Array, signal?: AbortSignal): Promise<Uint8Array> {
    const { clock, log, random } = this.#init
    if (reportData.length !== REPORT_DATA_BYTES) {
      throw new UsageError('tdx_report_data', `report data has ${reportData.length} bytes, expected ${REPORT_DATA_BYTES}`)
    }
    const wanted = Uint8Array.from(reportData)
    using deadline = clock.deadline(QUOTE_TIMEOUT_MS, signal)
    try {
      let pauseMs = FIRST_PAUSE_MS
      for (let attempt = 1; ; attempt++) {
        const outcome = await this.#attempt(wanted, deadline.signal)
        if (outcome instanceof Uint8Array) return outcome
        if (!outcome.again || attempt === ATTEMPTS_MAX) throw outcome.error
        log.debug('quote.retried', { attempt, reason: outcome.error.message })
        // Jittered: the quoting service belongs to the host, and its other TDs were turned away at the same moment.
        await clock.sleep(pauseMs * (1 + random.uniform()), deadline.signal)
        pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)
      }
    } catch (error) {
      if (!(error instanceof DeadlineError) || signal?.aborted) throw error
      throw new TransientError('tdx_no_answer', `no quote from ${this.#paths.report} within ${QUOTE_TIMEOUT_MS} ms`, {
        next: "Check the host's quote generation service (QGS); the members' work does not depend on it.",
      })
    }
  }

  /** One entry, one commit, one read; and the quote must say what we asked it to. */
  async #attempt(reportData: Uint8Array, signal: AbortSignal): Promise<Uint8Array | { again: boolean; error: Error }> {
    const reportDir = this.#paths.report
    const outcome = await this.#queue.run({ kind: 'quote', reportDir, entry: entryName(this.#init.random), reportData }, signal)
    if (outcome.leftBehind !== undefined) this.#init.log.warn('quote.entry_left_behind', { entry: outcome.leftBehind })
    if (!outcome.ok) return { again: isWorthRetrying(outcome), error: quoteError(outcome, reportDir) }
    try {
      const quote = parseQuote(outcome.bytes)
      if (equals(quote.td.reportData, reportData)) {
        this.#latest = quote
        return Uint8Array.from(quote.bytes)
      }
      // Somebody else's report data: a race that the generation did not show. Never hand it on.
      return { again: true, error: new RefusedError('tdx_quote_unusable', `${reportDir} gave a quote over other report data`) }
    } catch (cause) {
      if (!(cause instanceof DcapError)) throw cause
      const message = `${reportDir} gave what is no TDX quote: ${cause.message}`
      return { again: false, error: new RefusedError('tdx_quote_unusable', message, { cause }) }
    }
  }

  extend(events: readonly TdEvent[]): Promise<void> {
    const added = events.map(({ name, payload }) => ({ name, payload: Uint8Array.from(payload) }))
    const turn = this.#extending.then(() => this.#extend(added))
    this.#extending = turn.catch(() => {})
    return turn
  }

  async #extend(added: readonly TdEvent[]): Promise<void> {
    if (added.length === 0) return
    const states = [replayRtmr(this.#events)]
    for (const event of added) states.push(extendRtmr(states.at(-1)!, event))
    const path = this.#paths.rtmr3
    const outcome = await this.#queue.run({ kind: 'extend', path, digests: added.map(eventDigest), states })
    if (!outcome.ok) throw rtmrError(outcome, path)
    // Only what RTMR3 was read back to hold is in the log; an extension that failed half-way is taken up by the next call.
    this.#events = [...this.#events, ...added]
    this.#init.log.info('td.extended', { events: added.map(({ name }) => name) })
  }

  eventLog(): readonly TdEvent[] {
    return this.#events
  }

  async collateral(signal?: AbortSignal) {
    // Only a quote tells a TD on which machine it runs. Zeros are not within the wall of members' report data.
    if (this.#latest === undefined) await this.quote(new Uint8Array(REPORT_DATA_BYTES), signal)
    return await this.#init.collateral.get(platformOf(this.#latest!), signal)
  }

  async bootEventLog(signal?: AbortSignal): Promise<Uint8Array> {
    const path = this.#paths.eventLog
    const outcome = await this.#queue.run({ kind: 'read', path, limitBytes: EVENT_LOG_LIMIT_BYTES }, signal)
    if (!outcome.ok) throw eventLogError(outcome, path)
    return outcome.bytes
  }

  async stop(): Promise<void> {
    await this.#queue.stop()
  }
}

/**
 * The TD that this process runs in, by the kernel's configfs-tsm (reference: Linux, Documentation/ABI/testing/configfs-tsm-report).
 * One quote is in flight at a time, made in a thread of its own; up to 64 callers wait their turn. A process makes one attester.
 *
 * `quote` rejects with a `MeshError` whose code is one of {@link TDX_ERROR_CODES}, or with the reason of the caller's signal.
 * `extend` may be repeated: events that RTMR3 already shows, in a process restarted in the same TD, are not extended again.
 */
export const createTdxAttester = (init: TdxAttesterInit): TdxAttester => new ConfigfsAttester(init)

/** What {@link detectTdx} found. */
export type TdxDetection = { readonly found: true } | { readonly found: false; readonly why: string; readonly next: string }

/**
 * For `--tee auto`: whether this machine can make TDX quotes. Never suggests the emulator in its place; an emulated TD is
 * only ever what somebody asked for by name.
 */
export const detectTdx = async (init: Pick<TdxAttesterInit, 'clock' | 'random' | 'paths'>): Promise<TdxDetection> => {
  const reportDir = (init.paths ?? TDX_PATHS).report
  const queue = new FileQueue(init.clock)
  using deadline = init.clock.deadline(QUOTE_TIMEOUT_MS)
  try {
    const outcome = await queue.run({ kind: 'provider', reportDir, entry: entryName(init.random) }, deadline.signal)
    const provider = outcome.ok ? new TextDecoder('latin1').decode(outcome.bytes) : undefined
    if (provider === TDX_PROVIDER) return { found: true }
    const failure: FileFailure = outcome.ok ? { ok: false, step: 'provider' } : outcome
    const error = quoteError(failure, reportDir, provider)
    return { found: false, why: error.message, next: error.next ?? '' }
  } catch (error) {
    if (!(error instanceof DeadlineError)) throw error
    return { found: false, why: `${reportDir} did not answer within ${QUOTE_TIMEOUT_MS} ms`, next: 'Look at the kernel log.' }
  } finally {
    await queue.stop()
  }
}
