import { once } from 'node:events'
import { collateralFromJson, DcapError, type Policy, PreparedCache } from '../index.ts'
import { judgeQuote, tdFields } from './judge-quote.ts'
import { toJson } from './output.ts'

/** Two revocation lists of a mebibyte in hex, and all else. */
const LINE_LIMIT_BYTES = 8 * 1024 * 1024
/** Room for a usual line. */
const FIRST_BYTES = 64 * 1024
const NEWLINE = 10
const ID_CHARS_MAX = 256
/** The end of the year 9999. */
const AT_MAX_S = 253_402_300_799

export interface LinesInit {
  policy: Policy | undefined
  /** For lines that name none. */
  root: Uint8Array | undefined
  now(): number
}

interface Answer {
  id: string | number | null
  ok: boolean
  status: string | null
  reasons: string[]
  /** Why not, in words. */
  detail?: string
  td: Record<string, string | string[]> | null
}

const refusal = (id: Answer['id'], code: string, detail: string): Answer => ({
  id,
  ok: false,
  status: null,
  reasons: [code],
  detail,
  td: null,
})

/**
 * The lines of a stream, each until the next is asked for; `undefined` for one that is too long. However the stream is cut into
 * pieces, no more than the limit and a piece is held.
 */
async function* linesOf(stream: AsyncIterable<Buffer>, limitBytes: number): AsyncGenerator<Buffer | undefined> {
  let held = Buffer.alloc(FIRST_BYTES)
  let size = 0
  const add = (part: Buffer): void => {
    const end = size + part.length
    if (end <= limitBytes) {
      if (end > held.length) {
        const larger = Buffer.alloc(Math.min(limitBytes, 2 * end))
        held.copy(larger, 0, 0, size)
        held = larger
      }
      part.copy(held, size)
    }
    size = end
  }
  const line = (): Buffer | undefined => (size > limitBytes ? undefined : held.subarray(0, size))
  for await (const chunk of stream) {
    let start = 0
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      add(chunk.subarray(start, end))
      yield line()
      size = 0
      start = end + 1
    }
    add(chunk.subarray(start))
  }
  if (size > 0) yield line()
}

/** What a line says under a name; only its own fields count. */
const own = (line: object, name: string): unknown =>
  Object.hasOwn(line, name) ? (line as Record<string, unknown>)[name] : undefined

const idOf = (value: unknown): Answer['id'] =>
  (typeof value === 'string' && value.length <= ID_CHARS_MAX) || Number.isFinite(value) ? (value as string | number) : null

const hexOf = (value: unknown): Uint8Array | undefined =>
  typeof value === 'string' && value.length % 2 === 0 && /^[0-9a-fA-F]*$/.test(value)
    ? Uint8Array.from(Buffer.from(value, 'hex'))
    : undefined

const collateralOf = (value: unknown) => {
  if (value === undefined || value === null) return undefined
  try {
    return collateralFromJson(value)
  } catch (error) {
    if (error instanceof DcapError) return error
    throw error
  }
}

const answer = (bytes: Buffer, { policy, root, now }: LinesInit, cache: PreparedCache): Answer => {
  let line: unknown
  try {
    line = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (error) {
    return refusal(null, 'line_malformed', `not JSON: ${(error as Error).message}`)
  }
  if (typeof line !== 'object' || line === null || Array.isArray(line)) return refusal(null, 'line_malformed', 'not an object')
  const id = idOf(own(line, 'id'))
  const quote = hexOf(own(line, 'quote'))
  const named = own(line, 'root')
  const trusted = named === undefined ? root : hexOf(named)
  const at = own(line, 'at')
  if (quote === undefined) return refusal(id, 'line_malformed', '"quote" is not a text of hex digits')
  if (named !== undefined && trusted === undefined) return refusal(id, 'line_malformed', '"root" is not a text of hex digits')
  if (at !== undefined && !(typeof at === 'number' && at >= 0 && at <= AT_MAX_S)) {
    return refusal(id, 'line_malformed', '"at" is not a number of seconds since 1970')
  }
  const atMs = at === undefined ? now() : (at as number) * 1000
  const verdict = judgeQuote({ quote, collateral: collateralOf(own(line, 'collateral')), root: trusted, policy, atMs, cache })
  const { ok, reasons, verified } = verdict
  return {
    id,
    ok,
    status: verified?.status ?? null,
    reasons: [...new Set(reasons.map(({ code }) => code))],
    ...(!ok && { detail: reasons.map(({ reason }) => reason).join('; ') }),
    td: verified === undefined ? null : tdFields(verified.quote),
  }
}

/** Answers the questions on standard input, one after the other: no faster than the answers are read. */
export const answerLines = async (init: LinesInit): Promise<void> => {
  // Bounded: it keeps the few collaterals that were used last.
  const cache = new PreparedCache()
  for await (const bytes of linesOf(process.stdin, LINE_LIMIT_BYTES)) {
    const told =
      bytes === undefined
        ? refusal(null, 'line_too_long', `more than ${LINE_LIMIT_BYTES} bytes in one line`)
        : answer(bytes, init, cache)
    if (!process.stdout.write(`${toJson(told)}\n`)) await once(process.stdout, 'drain')
  }
}
