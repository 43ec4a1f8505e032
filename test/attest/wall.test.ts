import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { REPORT_DATA_CONTEXTS } from '../../protocols/wire/constants.ts'
import { reportData } from '../../protocols/wire/report-data.ts'
import { AppReportDataError, appReportData } from '../../src/attest/wall.ts'
import { bytes } from './support.ts'

const refused = (reason: string) => (error: unknown) => error instanceof AppReportDataError && error.reason === reason

describe('the wall before report data of apps', () => {
  it('lets nothing through that a member could have quoted, in any context (property)', () => {
    fc.assert(
      fc.property(fc.constantFrom(...REPORT_DATA_CONTEXTS), fc.array(fc.uint8Array(), { maxLength: 6 }), (context, fields) => {
        assert.throws(() => appReportData(reportData({ context, fields })), refused('member_prefix'))
      }),
    )
  })

  it('sees the prefix through the padding: the zeros at its end may be ours', () => {
    for (const length of [14, 15, 16, 17, 63]) {
      const data = new Uint8Array(length)
      data.set(Buffer.from('dstack-mesh/v1'))
      assert.throws(() => appReportData(data), refused('member_prefix'), `${length} bytes`)
    }
  })

  it('lets through what only looks like the prefix', () => {
    for (const text of [
      'dstack-mesh/v',
      'dstack-mesh/v2',
      'dstack-mesh/v1x',
      'Dstack-mesh/v1',
      ' dstack-mesh/v1',
      'dstack-mesh/v1\0x',
    ]) {
      assert.equal(
        Buffer.from(appReportData(Buffer.from(text)))
          .toString()
          .replace(/\0+$/, ''),
        text,
      )
    }
  })

  it('pads up to 64 bytes with zeros and copies (property)', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (data) => {
        const padded = appReportData(data)
        assert.equal(padded.length, 64)
        assert.deepEqual(padded.subarray(0, data.length), data)
        assert.ok(padded.subarray(data.length).every((byte) => byte === 0))
        assert.notEqual(padded.buffer, data.buffer)
      }),
    )
  })

  it('refuses more than 64 bytes, also of which only the first 64 count', () => {
    assert.throws(() => appReportData(bytes(65, 0)), refused('too_long'))
    assert.throws(() => appReportData(bytes(1_000_000, 0)), refused('too_long'))
  })

  it('passes what dstack apps ask for: hashes, and DIP-1 texts', () => {
    assert.equal(appReportData(createHash('sha512').update('ratls-cert:').digest()).length, 64)
    assert.equal(appReportData(Buffer.from('dip1::ed25519-pk:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA')).length, 64)
  })
})
