import { createHash } from 'node:crypto'
import { concat, fieldList, utf8 } from './bytes.ts'
import { REPORT_DATA_BYTES, REPORT_DATA_PREFIX, REPORT_DATA_PREFIX_BYTES, type ReportDataContext } from './constants.ts'

/** What the report data of a quote was made from. */
export interface Binding {
  context: string
  fields: Uint8Array[]
}

const prefix = (() => {
  const bytes = new Uint8Array(REPORT_DATA_PREFIX_BYTES)
  bytes.set(utf8(REPORT_DATA_PREFIX))
  return bytes
})()
const separator = new Uint8Array(1)

/**
 * The 64 bytes that a quote signs: prefix (16) ‖ SHA-384(context ‖ 0x00 ‖ list of fields).
 * The one place that builds them; spec: protocols/README.md, "Report data".
 */
export const reportData = (
  binding: Readonly<{ context: ReportDataContext | string; fields: readonly Uint8Array[] }>,
): Uint8Array => {
  const digest = createHash('sha384').update(utf8(binding.context)).update(separator).update(fieldList(binding.fields)).digest()
  return concat([prefix, digest], REPORT_DATA_BYTES)
}

/** Whether `data` begins with the members' prefix: what no app may ever have quoted. */
export const hasMemberPrefix = (data: Uint8Array): boolean => prefix.every((byte, index) => data[index] === byte)
