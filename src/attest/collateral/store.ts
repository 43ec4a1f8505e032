import { type Clock, type Log, messageOf, type Random, TransientError, UsageError } from '../../base/index.ts'
import { type Collateral, DcapError, type PreparedCollateral, prepareCollateral } from '../dcap/index.ts'
import { CollateralAlarms, type OnCollateralAlarm } from './alarms.ts'
import { CacheFileError, cachePath, readCacheFile, writeCacheFile } from './cache-file.ts'
import { type CollateralEndpoint, fetchCollateral } from './endpoint.ts'
import { checkPlatform, fmspcText, type Platform, pckCaOf } from './platform.ts'
import { type CollateralVersion, olderParts, versionOf } from './version.ts'

const HOUR_MS = 3_600_000
/** Intel issues anew all the time and each issue is good for 30 days; policies ask for collateral of the last days. */
const REFRESH_MS = 24 * HOUR_MS
const FIRST_RETRY_MS = 5 * 60_000
const LONGEST_RETRY_MS = 6 * HOUR_MS
const SHORTEST_DELAY_MS = 60_000
/** The alarm begins this long before collateral runs out (faults, A15). */
const EXPIRY_ALARM_MS = 7 * 24 * HOUR_MS
/** After a failure callers get the same answer for so long, however often they ask: the services are not ours to flood. */
const FAILURE_PAUSE_MS = 10_000
/** A node asks for its own platform, a command line for that of one quote. */
const PLATFORMS_MAX = 16
const OLDER = 'collateral_older'

export interface CollateralStoreInit {
  /** Asked in this order, until one gives good collateral. */
  readonly endpoints: readonly CollateralEndpoint[]
  /** The trusted root, DER: Intel's, or that of an emulated platform. */
  readonly rootDer: Uint8Array
  /** Where to cache; left out = in memory only. */
  readonly directory?: string
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  /** Every alarm is logged as well. */
  readonly onAlarm?: OnCollateralAlarm
}

/** What the status page shows of one platform's collateral. Times are Unix milliseconds. */
export interface CollateralStatus extends Platform {
  readonly tcbEvaluationDataNumber: number
  /** The oldest issue date in it that counts for a policy's rule about age. */
  readonly issuedAtMs: number
  readonly expiresMs: number
  readonly acceptedAtMs: number
}

/** Where an attester gets collateral from. */
export interface CollateralSource {
  get(platform: Platform, signal?: AbortSignal): Promise<Collateral>
}

interface Held {
  readonly collateral: Collateral
  readonly prepared: PreparedCollateral
  readonly version: CollateralVersion
  readonly acceptedAtMs: number
  /** Added to the monotonic clock: a time that it certainly is. */
  readonly atLeastMs: number
}

interface Holding {
  readonly platform: Platform
  readonly path: string | undefined
  /** The newest that was ever accepted. Kept past its end, as the floor under what is accepted next. */
  held: Held | undefined
  /** Whether the file has been looked at. */
  loaded: boolean
  /** What is going on; shared by all who ask. */
  busy: Promise<Held> | undefined
  failures: number
  lastFailure: { readonly error: unknown; readonly untilMs: number } | undefined
}

/**
 * When to refresh next, in milliseconds.
 * @param state `failures`: refreshes that failed in a row; `ageMs`: since what is held was fetched; `leftMs`: until it runs out
 * @param uniform in [0, 1): a jitter of a quarter, so that a cluster does not ask all at once
 */
export const refreshDelayMs = (state: { failures: number; ageMs: number; leftMs: number }, uniform: number): number => {
  const { failures, ageMs, leftMs } = state
  const longest =
    failures === 0
      ? Math.min(REFRESH_MS - Math.max(ageMs, 0), leftMs / 2)
      : Math.min(FIRST_RETRY_MS * 2 ** (failures - 1), LONGEST_RETRY_MS)
  return Math.max(longest * (0.75 + uniform / 4), SHORTEST_DELAY_MS)
}

/**
 * Keeps the newest collateral for a platform: fetched when first asked for, checked against the root, cached in memory and on
 * disk until it runs out, refreshed ahead of time, and never exchanged for anything older (faults, A14).
 */
export class CollateralStore implements CollateralSource {
  readonly #init: CollateralStoreInit
  readonly #holdings = new Map<string, Holding>()
  readonly #loops: Promise<void>[] = []
  readonly #stop = new AbortController()
  readonly #alarms: CollateralAlarms
  #highestSeen = 0

  constructor(init: CollateralStoreInit) {
    if (init.endpoints.length === 0) {
      throw new UsageError('collateral_no_endpoint', 'no collateral service is configured', {
        next: "Name at least one, such as the PCCS of the machine's operator or Intel's PCS.",
      })
    }
    this.#init = init
    this.#alarms = new CollateralAlarms(init.log, init.onAlarm)
  }

  /**
   * The newest collateral for `platform`, unexpired. Rejects with {@link TransientError} `collateral_unavailable`, with
   * {@link UsageError} `platform_invalid`, `collateral_too_many_platforms` or `collateral_stopped`, or with the reason of `signal`.
   */
  async get(platform: Platform, signal?: AbortSignal): Promise<Collateral> {
    signal?.throwIfAborted()
    const holding = this.#holding(checkPlatform(platform))
    if (holding.held !== undefined && this.#isGood(holding.held)) return holding.held.collateral
    const { lastFailure } = holding
    if (lastFailure !== undefined && this.#init.clock.monotonicMs() < lastFailure.untilMs) throw lastFailure.error
    return (await abortable(this.#share(holding, this.#obtain), signal)).collateral
  }

  /** Takes notice of the evaluation number in verified collateral of others. Reported, once for each number; never a rule. */
  seen(tcbEvaluationDataNumber: number, where: string): void {
    const held = this.#highestHeld()
    if (held === 0 || tcbEvaluationDataNumber <= Math.max(held, this.#highestSeen)) return
    this.#highestSeen = tcbEvaluationDataNumber
    this.#alarms.end(({ kind }) => kind === 'newer_elsewhere')
    this.#alarms.raise({ kind: 'newer_elsewhere', held, seen: tcbEvaluationDataNumber, where })
  }

  /** 0: none is held. */
  #highestHeld(): number {
    return Math.max(0, ...this.status().map((status) => status.tcbEvaluationDataNumber))
  }

  /** What is held, expired or not. */
  status(): readonly CollateralStatus[] {
    return [...this.#holdings.values()].flatMap(({ platform, held }) =>
      held === undefined
        ? []
        : [
            {
              ...platform,
              tcbEvaluationDataNumber: held.prepared.tcbEvaluationDataNumber,
              issuedAtMs: held.prepared.issuedAtMs,
              expiresMs: held.prepared.expiresMs,
              acceptedAtMs: held.acceptedAtMs,
            },
          ],
    )
  }

  /** Ends refreshing and whatever is being fetched. */
  async stop(): Promise<void> {
    this.#stop.abort(new UsageError('collateral_stopped', 'the collateral store is stopped'))
    await Promise.all(this.#loops)
    await Promise.allSettled([...this.#holdings.values()].map(({ busy }) => busy))
  }

  #holding(platform: Platform): Holding {
    this.#stop.signal.throwIfAborted()
    const key = `${platform.fmspc}-${platform.ca}`
    const known = this.#holdings.get(key)
    if (known !== undefined) return known
    if (this.#holdings.size >= PLATFORMS_MAX) {
      throw new UsageError('collateral_too_many_platforms', `collateral for more than ${PLATFORMS_MAX} platforms was asked for`)
    }
    const { directory } = this.#init
    const path = directory === undefined ? undefined : cachePath(directory, platform)
    const holding: Holding = {
      platform,
      path,
      held: undefined,
      loaded: false,
      busy: undefined,
      failures: 0,
      lastFailure: undefined,
    }
    this.#holdings.set(key, holding)
    this.#loops.push(this.#keepFresh(holding))
    return holding
  }

  /**
   * The time, as far as this room knows it: never before the newest date that Intel has signed plus what has passed since, so
   * that a host that sets the clock back does not bring expired collateral to life (design: policy, "Now").
   */
  #now(held: Held | undefined): number {
    const { clock } = this.#init
    return held === undefined ? clock.now() : Math.max(clock.now(), held.atLeastMs + clock.monotonicMs())
  }

  #isGood(held: Held): boolean {
    return this.#now(held) <= held.prepared.expiresMs
  }

  /** One piece of work at a time for each platform, shared by all who wait for it. */
  #share(holding: Holding, work: (holding: Holding) => Promise<Held>): Promise<Held> {
    holding.busy ??= work(holding).finally(() => {
      holding.busy = undefined
    })
    return holding.busy
  }

  readonly #obtain = async (holding: Holding): Promise<Held> => {
    if (!holding.loaded) await this.#load(holding)
    holding.loaded = true
    if (holding.held !== undefined && this.#isGood(holding.held)) return holding.held
    return await this.#refresh(holding)
  }

  /** What a file says is judged as of when it was accepted: if it has run out since, it is still the floor. */
  async #load(holding: Holding): Promise<void> {
    const { path, platform } = holding
    if (path === undefined) return
    try {
      const cached = await readCacheFile(path)
      if (cached !== undefined) holding.held = this.#verify(cached.collateral, cached.acceptedAtMs, platform)
    } catch (error) {
      const reason = error instanceof CacheFileError || error instanceof DcapError ? error.message : messageOf(error)
      this.#alarms.raise({ kind: 'cache_unreadable', path, reason })
    }
  }

  readonly #refresh = async (holding: Holding): Promise<Held> => {
    const { clock } = this.#init
    const reasons: string[] = []
    const older = new Set<string>()
    for (const endpoint of this.#init.endpoints) {
      try {
        const collateral = await fetchCollateral(endpoint, holding.platform, { clock, signal: this.#stop.signal })
        const held = this.#accept(holding, collateral, endpoint)
        holding.failures = 0
        holding.lastFailure = undefined
        this.#relieve(holding, older)
        await this.#save(holding, held)
        return held
      } catch (error) {
        this.#stop.signal.throwIfAborted()
        if (error instanceof TransientError && error.code === OLDER) older.add(endpoint.url)
        reasons.push(error instanceof DcapError ? `${endpoint.url}: ${error.reason}, ${error.message}` : messageOf(error))
      }
    }
    const { fmspc, ca } = holding.platform
    const error = new TransientError('collateral_unavailable', `no collateral for ${fmspc} (${ca} CA): ${reasons.join('; ')}`, {
      next: 'Check the configured collateral services.',
    })
    holding.failures++
    holding.lastFailure = { error, untilMs: clock.monotonicMs() + FAILURE_PAUSE_MS }
    this.#init.log.warn('collateral.refresh_failed', { fmspc, ca, failures: holding.failures, reasons })
    throw error
  }

  /** Takes collateral in, or throws why not. */
  #accept(holding: Holding, collateral: Collateral, endpoint: CollateralEndpoint): Held {
    const { held, platform } = holding
    const offered = this.#verifyNow(collateral, held, platform)
    const parts = held === undefined ? [] : olderParts(offered.version, held.version)
    if (parts.length > 0) {
      this.#alarms.raise({ kind: 'older_offered', platform, endpoint: endpoint.url, parts })
      throw new TransientError(OLDER, `${endpoint.url} offered collateral with an older ${parts.join(', ')}`)
    }
    const { tcbEvaluationDataNumber, expiresMs } = offered.prepared
    this.#init.log.info('collateral.accepted', { ...platform, from: endpoint.url, tcbEvaluationDataNumber, expiresMs })
    holding.held = offered
    return offered
  }

  #verifyNow(collateral: Collateral, held: Held | undefined, platform: Platform): Held {
    try {
      return this.#verify(collateral, this.#now(held), platform)
    } catch (error) {
      // Everything but the time holds, and the time is Intel's word against that of a clock which the host sets.
      if (!(error instanceof DcapError) || error.notBeforeMs === undefined) throw error
      this.#init.log.warn('collateral.clock_behind', { nowMs: this.#init.clock.now(), notBeforeMs: error.notBeforeMs })
      return this.#verify(collateral, error.notBeforeMs, platform)
    }
  }

  #verify(collateral: Collateral, nowMs: number, platform: Platform): Held {
    const prepared = prepareCollateral(collateral, this.#init.rootDer, nowMs)
    const fmspc = fmspcText(prepared.fmspc)
    const ca = pckCaOf(collateral.pckCrlIssuerChain)
    if (fmspc !== platform.fmspc || ca !== platform.ca) {
      const expected = `expected ${platform.fmspc} (${platform.ca} CA)`
      throw new DcapError('platform_mismatch', `collateral for ${fmspc} (${ca} CA), ${expected}`)
    }
    const { clock } = this.#init
    const atLeastMs = Math.max(clock.now(), prepared.issueDateMs) - clock.monotonicMs()
    return { collateral, prepared, version: versionOf(collateral, prepared), acceptedAtMs: nowMs, atLeastMs }
  }

  async #save({ path }: Holding, { collateral, acceptedAtMs }: Held): Promise<void> {
    if (path === undefined) return
    try {
      await writeCacheFile(path, { collateral, acceptedAtMs })
      this.#alarms.end((alarm) => (alarm.kind === 'cache_unreadable' || alarm.kind === 'cache_unwritable') && alarm.path === path)
    } catch (error) {
      this.#alarms.raise({ kind: 'cache_unwritable', path, reason: messageOf(error) })
    }
  }

  /** Refreshes until stopped. A failure is logged and counted where it happens. */
  async #keepFresh(holding: Holding): Promise<void> {
    const { clock, random } = this.#init
    const { signal } = this.#stop
    await this.#share(holding, this.#obtain).catch(() => {})
    while (!signal.aborted) {
      this.#watchExpiry(holding)
      const { failures, held } = holding
      const nowMs = this.#now(held)
      const times = { ageMs: nowMs - (held?.acceptedAtMs ?? nowMs), leftMs: (held?.prepared.expiresMs ?? nowMs) - nowMs }
      await clock.sleep(refreshDelayMs({ failures, ...times }, random.uniform()), signal).catch(() => {})
      if (!signal.aborted) await this.#share(holding, this.#refresh).catch(() => {})
    }
  }

  #watchExpiry({ platform, held }: Holding): void {
    if (held === undefined) return
    const { expiresMs } = held.prepared
    const leftMs = expiresMs - this.#now(held)
    const kind = leftMs >= EXPIRY_ALARM_MS ? undefined : leftMs < 0 ? 'expired' : 'expiring'
    this.#alarms.end(
      (alarm) => (alarm.kind === 'expiring' || alarm.kind === 'expired') && alarm.platform === platform && alarm.kind !== kind,
    )
    if (kind !== undefined) this.#alarms.raise({ kind, platform, expiresMs })
  }

  /** What new collateral puts right. A service that this refresh was not offered older collateral by is clear, asked or not. */
  #relieve(holding: Holding, older: ReadonlySet<string>): void {
    this.#watchExpiry(holding)
    const held = this.#highestHeld()
    this.#alarms.end(
      (alarm) =>
        (alarm.kind === 'older_offered' && alarm.platform === holding.platform && !older.has(alarm.endpoint)) ||
        (alarm.kind === 'newer_elsewhere' && alarm.seen <= held),
    )
  }
}

/** Waits for shared work only as long as this caller wants to. */
const abortable = <T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> => {
  if (signal === undefined) return work
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
  })
}
