import { type DestinationStream, pino } from 'pino'

/** Stable event names with fields; one line each. Never hand it a secret. */
export interface Log {
  debug(event: string, fields?: LogFields): void
  info(event: string, fields?: LogFields): void
  warn(event: string, fields?: LogFields): void
  error(event: string, fields?: LogFields): void
  /** A log that adds `fields` to every line. */
  child(fields: LogFields): Log
}
export type LogFields = Readonly<Record<string, unknown>>
export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent'

const wrap = (logger: pino.Logger): Log => ({
  debug: (event, fields) => logger.debug({ ...fields, event }),
  info: (event, fields) => logger.info({ ...fields, event }),
  warn: (event, fields) => logger.warn({ ...fields, event }),
  error: (event, fields) => logger.error({ ...fields, event }),
  child: (fields) => wrap(logger.child(fields)),
})

/** JSON lines on `stream` (default: standard error). */
export const createLog = (level: LogLevel, stream: DestinationStream = pino.destination({ fd: 2, sync: true })): Log =>
  wrap(pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, stream))

export const silentLog: Log = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  child: () => silentLog,
}
