import type { Log } from '../../base/index.ts'
import type { Platform } from './platform.ts'

/** What an operator should hear about. None of it decides anything. */
export type CollateralAlarm =
  /** Less than 7 days are left, and no refresh brought more; or none. From then on quotes cannot be judged with it. */
  | { readonly kind: 'expiring' | 'expired'; readonly platform: Platform; readonly expiresMs: number }
  /** A service offered collateral that is older, in the parts named, than what is held. It was refused. */
  | { readonly kind: 'older_offered'; readonly platform: Platform; readonly endpoint: string; readonly parts: readonly string[] }
  /** A member judges by a higher evaluation number than the newest that our services gave us. */
  | { readonly kind: 'newer_elsewhere'; readonly held: number; readonly seen: number; readonly where: string }
  /** What was on disk is not usable; it is fetched anew. */
  | { readonly kind: 'cache_unreadable'; readonly path: string; readonly reason: string }
  /** The disk is full or read-only; collateral is kept in memory. */
  | { readonly kind: 'cache_unwritable'; readonly path: string; readonly reason: string }

/** Told once when an alarm begins (`on`) and once when it is over. Must not throw. */
export type OnCollateralAlarm = (alarm: CollateralAlarm, on: boolean) => void

/** What it is about, for people: with its kind it tells one alarm from another. */
export const aboutOf = (alarm: CollateralAlarm): string => {
  switch (alarm.kind) {
    case 'expiring':
    case 'expired':
      return `platform ${alarm.platform.fmspc} (${alarm.platform.ca} CA)`
    case 'older_offered':
      return alarm.endpoint
    case 'newer_elsewhere':
      return `TCB evaluation data number ${alarm.seen}`
    case 'cache_unreadable':
    case 'cache_unwritable':
      return alarm.path
  }
}

/** The alarms that are on. */
export class CollateralAlarms {
  readonly #raised = new Map<string, CollateralAlarm>()
  readonly #log: Log
  readonly #onAlarm: OnCollateralAlarm | undefined

  constructor(log: Log, onAlarm: OnCollateralAlarm | undefined) {
    this.#log = log
    this.#onAlarm = onAlarm
  }

  raise(alarm: CollateralAlarm): void {
    const key = `${alarm.kind} ${aboutOf(alarm)}`
    if (this.#raised.has(key)) return
    this.#raised.set(key, alarm)
    this.#log.warn('collateral.alarm', { ...alarm })
    this.#onAlarm?.(alarm, true)
  }

  /** Ends those for which `isOver`. */
  end(isOver: (alarm: CollateralAlarm) => boolean): void {
    for (const [key, alarm] of this.#raised) {
      if (!isOver(alarm)) continue
      this.#raised.delete(key)
      this.#log.info('collateral.alarm_ended', { kind: alarm.kind, about: aboutOf(alarm) })
      this.#onAlarm?.(alarm, false)
    }
  }
}
