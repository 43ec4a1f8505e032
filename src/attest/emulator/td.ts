import { REPORT_DATA_BYTES } from '../../../protocols/wire/constants.ts'
import type { Clock } from '../../base/index.ts'
import type { Attester, TdEvent } from '../attester.ts'
import type { Collateral } from '../dcap/index.ts'
import { extendRtmr, RTMR_ZERO } from '../events.ts'
import type { Measurements } from './measure.ts'
import type { EmulatedPki } from './pki.ts'
import type { EmulatedPlatform } from './platform.ts'
import type { QuoteFields } from './quote.ts'

const REISSUE_AFTER_MS = 12 * 3_600_000

/** An emulated TD: measured once at its start, RTMR3 extended while it runs, on a machine of its own unless one is given. */
export const createEmulatedTd = (options: {
  pki: EmulatedPki
  platform?: EmulatedPlatform
  measurements: Measurements
  clock: Clock
  /** Whatever else its quotes are to say. */
  quoteFields?: QuoteFields
}): Attester => {
  const { pki, measurements, clock, quoteFields } = options
  const platform = options.platform ?? pki.platform()
  const log: TdEvent[] = []
  let held: { collateral: Collateral; issuedMs: number } | undefined
  let rtmr3: Uint8Array = RTMR_ZERO
  return {
    tee: 'emulator',
    async extend(events) {
      for (const { name, payload } of events) {
        const event = { name, payload: Uint8Array.from(payload) }
        log.push(event)
        rtmr3 = extendRtmr(rtmr3, event)
      }
    },
    eventLog: () => log,
    async quote(reportData, signal) {
      signal?.throwIfAborted()
      if (reportData.length !== REPORT_DATA_BYTES) throw new RangeError(`report data is ${reportData.length} bytes, not 64`)
      return platform.quote({ ...measurements, rtmr3, reportData, ...quoteFields })
    },
    async collateral(signal) {
      signal?.throwIfAborted()
      // As a real service does: the same bytes for a while, so that judges can keep what they prepared.
      const now = clock.now()
      if (held === undefined || Math.abs(now - held.issuedMs) > REISSUE_AFTER_MS)
        held = { collateral: pki.collateral(now), issuedMs: now }
      return held.collateral
    },
  }
}
