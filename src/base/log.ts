import { styleText } from 'node:util'
import { type DestinationStream, pino } from 'pino'
import { safeJson } from './text.ts'

/**
 * Events with fields; one line each. An event's name is a `noun.verb` of docs/logs.md. Never hand it a secret; bytes are not
 * shown, whatever they are. Texts may come from anybody: what a line makes of them is seen to here.
 */
export interface Log {
  debug(event: string, fields?: LogFields): void
  info(event: string, fields?: LogFields): void
  warn(event: string, fields?: LogFields): void
  error(event: string, fields?: LogFields): void
  /** A log that adds `fields` to every line. */
  child(fields: LogFields): Log
}
/** Every line has a time, a level and an event already. */
export type LogFields = Readonly<Record<string, unknown>> & {
  readonly time?: never
  readonly level?: never
  readonly event?: never
}
export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent'
/** `auto`: pretty on a terminal, JSON anywhere else. */
export type LogFormat = 'json' | 'pretty' | 'auto'

// Of one line: what others send has other bounds, and a log is read by people.
const TEXT_CHARACTERS_MAX = 1_024
const ENTRIES_MAX = 64
const DEPTH_MAX = 4

/** A value as a line shows it. */
const shown = (value: unknown, depth = 0): unknown => {
  if (typeof value === 'string')
    return value.length <= TEXT_CHARACTERS_MAX ? value : `${value.slice(0, TEXT_CHARACTERS_MAX)}… (${value.length} characters)`
  if (typeof value === 'bigint') return value.toString()
  if (typeof value !== 'object' || value === null) return value
  if (value instanceof Error) return shown(value.message)
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return `(${value.byteLength} bytes)`
  if (depth >= DEPTH_MAX) return '…'
  if (Array.isArray(value)) {
    const entries = value.slice(0, ENTRIES_MAX).map((entry) => shown(entry, depth + 1))
    return value.length <= ENTRIES_MAX ? entries : [...entries, `… (${value.length} entries)`]
  }
  return Object.fromEntries(
    Object.entries(value)
      .slice(0, ENTRIES_MAX)
      .map(([key, entry]) => [key, shown(entry, depth + 1)]),
  )
}

const wrap = (logger: pino.Logger): Log => ({
  debug: (event, fields) => logger.debug({ ...fields, event }),
  info: (event, fields) => logger.info({ ...fields, event }),
  warn: (event, fields) => logger.warn({ ...fields, event }),
  error: (event, fields) => logger.error({ ...fields, event }),
  child: (fields) => wrap(logger.child(shown(fields) as LogFields)),
})

const COLORS = { debug: 'dim', info: 'green', warn: 'yellow', error: 'red' } as const
const LEVEL_WIDTH = 5

/** `12:01:02.345 info  join.dialed address="…"` */
const pretty = (line: string): string => {
  const { time, level, event, ...fields } = JSON.parse(line) as { time: string; level: keyof typeof COLORS; event: string }
  const paint = (style: Parameters<typeof styleText>[0], text: string) => styleText(style, text, { stream: process.stderr })
  const asText = (value: unknown) => safeJson(JSON.stringify(value))
  const nameOf = (key: string) => (/^\w+$/.test(key) ? key : asText(key))
  const words = Object.entries(fields).map(([key, value]) => `${paint('dim', `${nameOf(key)}=`)}${asText(value)}`)
  const when = time.slice('2026-01-01T'.length, -1)
  return `${[paint('dim', when), paint(COLORS[level], level.padEnd(LEVEL_WIDTH)), paint('bold', event), ...words].join(' ')}\n`
}

/** Each line is written before the call returns: the last one before a crash is the one that matters. */
const standardError = (): DestinationStream => pino.destination({ fd: 2, sync: true })

/** Lines on `stream` (default: standard error), each safe to show on a terminal whatever peers and apps have sent. */
export const createLog = (level: LogLevel, format: LogFormat = 'json', stream: DestinationStream = standardError()): Log => {
  const isPretty = format === 'pretty' || (format === 'auto' && process.stderr.isTTY === true)
  const destination = { write: (line: string) => stream.write(isPretty ? pretty(line) : safeJson(line)) }
  const formatters = {
    level: (label: string) => ({ level: label }),
    log: (fields: Record<string, unknown>) => shown(fields) as Record<string, unknown>,
  }
  return wrap(pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime, formatters }, destination))
}

export const silentLog: Log = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  child: () => silentLog,
}
