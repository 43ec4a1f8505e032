import { TokenBuckets } from '../../protocols/onboard/index.ts'
import type { Clock, Log, LogFields } from '../base/index.ts'

// Implementation constants: tuning. An operator sees all that is wrong with a mesh of his; a flood writes a line a second.

const LINES_AT_ONCE = 60
const LINE_REFILL_MS = 1_000

/**
 * A log for what strangers can cause at will: of its lines, but for those of debugging, a share is written, and the next one that is says how many were not
 * (`suppressed`). Else whoever can open a connection fills the disk, and buries what the operator has to see.
 */
export const strangersLog = (sink: Log, clock: Pick<Clock, 'monotonicMs'>): Pick<Log, 'debug' | 'info' | 'warn'> => {
  const lines = new TokenBuckets({ burst: LINES_AT_ONCE, refillMs: LINE_REFILL_MS, maxKeys: 1 })
  let suppressed = 0
  const shared = (level: 'info' | 'warn', event: string, fields: LogFields = {}): void => {
    if (lines.take('', clock.monotonicMs()) > 0) {
      suppressed++
      return
    }
    sink[level](event, suppressed === 0 ? fields : { ...fields, suppressed })
    suppressed = 0
  }
  return {
    debug: (event, fields) => sink.debug(event, fields),
    info: (event, fields) => shared('info', event, fields),
    warn: (event, fields) => shared('warn', event, fields),
  }
}
