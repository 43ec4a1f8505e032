import { REPORT_DATA_BYTES } from '../../protocols/wire/constants.ts'
import { hasMemberPrefix } from '../../protocols/wire/report-data.ts'
import { UsageError } from '../base/index.ts'

/** Why an app may not have this quoted; the app API answers 400. */
export class AppReportDataError extends UsageError {
  constructor(readonly reason: 'too_long' | 'member_prefix') {
    super(
      reason,
      reason === 'too_long'
        ? `Report data is too long: at most ${REPORT_DATA_BYTES} bytes`
        : 'Report data begins with the prefix that is kept for what members quote about themselves',
    )
  }
}

/**
 * The wall between what members quote and what apps have quoted (protocols/README.md, "Report data"): whatever an app asks to
 * have quoted, raw or already hashed, goes through here and comes out as the 64 bytes of report data, padded with zeros.
 * Without it an app could quote an `onboard/1` binding for a key outside the TD and carry the secret out.
 * Throws {@link AppReportDataError}.
 */
export const appReportData = (bytes: Uint8Array): Uint8Array => {
  if (bytes.length > REPORT_DATA_BYTES) throw new AppReportDataError('too_long')
  const padded = new Uint8Array(REPORT_DATA_BYTES)
  padded.set(bytes)
  // After padding: the prefix itself ends in zeros, which padding could supply.
  if (hasMemberPrefix(padded)) throw new AppReportDataError('member_prefix')
  return padded
}
