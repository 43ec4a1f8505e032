import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { parseQuote } from '../../../src/attest/dcap/index.ts'
import { checkEventLog, EVENT_LOG_LIMIT_BYTES, replayEventLog } from '../../../src/attest/tdx/index.ts'
import { RefusedError } from '../../../src/base/index.ts'
import { digestOf, digestOffsets, type MadeEvent, makeEventLog, makeSpecId } from '../../support/event-log.ts'

const ZERO = Buffer.alloc(48)
const extended = (...digests: Uint8Array[]): Buffer =>
  digests.reduce<Buffer>((rtmr, digest) => createHash('sha384').update(rtmr).update(digest).digest(), ZERO)
const rtmrsOf = (log: Uint8Array): Buffer[] => replayEventLog(log).rtmrs.map((rtmr) => Buffer.from(rtmr))
const refuses = (log: Uint8Array, code: string, message = /./): void => {
  assert.throws(
    () => replayEventLog(log),
    (error) => error instanceof RefusedError && error.code === code && message.test(error.message),
  )
}

const EVENTS: MadeEvent[] = [
  { register: 0, type: 0x8, data: 'build of the TD' },
  { register: 1, type: 0x3, data: 'for information' },
  { register: 1, type: 0x8000_000a, data: 'firmware volume' },
  { register: 1, type: 0x4, data: '\0\0\0\0' },
  { register: 2, type: 0x8000_0003, data: 'kernel' },
  { register: 3, type: 0xd, data: 'command line' },
  { register: 3, type: 0xd, data: 'initrd' },
  { register: 4, type: 0xd00d, data: 'what the specification does not name' },
]
const LOG = makeEventLog(EVENTS, { paddingBytes: 1_000 })
const quoted = (log: Uint8Array) => ({ rtmr: replayEventLog(log).rtmrs })

describe('replaying a boot event log', () => {
  it('extends register 1 to 4 into RTMR0 to RTMR3, in order, and neither information nor MRTD', () => {
    assert.deepEqual(rtmrsOf(LOG), [
      extended(digestOf('firmware volume'), digestOf('\0\0\0\0')),
      extended(digestOf('kernel')),
      extended(digestOf('command line'), digestOf('initrd')),
      extended(digestOf('what the specification does not name')),
    ])
  })

  it('gives the events with their names', () => {
    const { events } = replayEventLog(LOG)
    assert.deepEqual(
      events.map(({ register, name }) => `${register} ${name}`),
      [
        'mrTd EV_S_CRTM_VERSION',
        'rtmr0 EV_NO_ACTION',
        'rtmr0 EV_EFI_PLATFORM_FIRMWARE_BLOB2',
        'rtmr0 EV_SEPARATOR',
        'rtmr1 EV_EFI_BOOT_SERVICES_APPLICATION',
        'rtmr2 EV_IPL',
        'rtmr2 EV_IPL',
        'rtmr3 0xd00d',
      ],
    )
    assert.equal(Buffer.from(events[5]!.data).toString(), 'command line')
    assert.deepEqual(Buffer.from(events[5]!.digest), digestOf('command line'))
  })

  it('is zeros for a log without events, padded with ones, zeros or nothing', () => {
    for (const padding of [Buffer.alloc(0), Buffer.alloc(500, 0xff), Buffer.alloc(500), Buffer.alloc(1)]) {
      assert.deepEqual(rtmrsOf(Buffer.concat([makeSpecId(), padding])), [ZERO, ZERO, ZERO, ZERO])
    }
  })

  it('uses the SHA-384 digests of a log that has several kinds', () => {
    const event = (digests: Buffer[], count = digests.length) =>
      Buffer.concat([Buffer.of(1, 0, 0, 0, 4, 0, 0, 0, count, 0, 0, 0), ...digests, Buffer.of(0, 0, 0, 0)])
    const sha256 = Buffer.concat([Buffer.of(0x0b, 0), Buffer.alloc(32, 7)])
    const sha384 = Buffer.concat([Buffer.of(0x0c, 0), digestOf('x')])
    const specId = makeSpecId([
      [0x0b, 32],
      [0x0c, 48],
    ])
    for (const digests of [[sha256, sha384], [sha384, sha256], [sha384]]) {
      assert.deepEqual(rtmrsOf(Buffer.concat([specId, event(digests)]))[0], extended(digestOf('x')))
    }
    refuses(Buffer.concat([specId, event([sha256])]), 'event_log_malformed', /no SHA-384/)
    refuses(Buffer.concat([specId, event([sha384, sha384])]), 'event_log_malformed', /two SHA-384/)
    refuses(Buffer.concat([specId, event([sha384, sha256, sha256])]), 'event_log_malformed', /3 digests of 2/)
    refuses(Buffer.concat([specId, event([sha384], 0xff)]), 'event_log_malformed', /255 digests/)
    refuses(Buffer.concat([specId, event([Buffer.of(0x0d, 0)])]), 'event_log_malformed', /does not declare/)
  })

  it('changes with any byte of any digest that is extended', () => {
    const offsets = digestOffsets(EVENTS).filter((_, index) => EVENTS[index]!.register > 0 && EVENTS[index]!.type !== 3)
    const before = rtmrsOf(LOG)
    fc.assert(
      fc.property(fc.constantFrom(...offsets), fc.nat(47), fc.integer({ min: 1, max: 255 }), (offset, at, flip) => {
        const mutant = Buffer.from(LOG)
        mutant[offset + at]! ^= flip
        assert.equal(rtmrsOf(mutant).filter((rtmr, index) => !rtmr.equals(before[index]!)).length, 1)
        // The last one is RTMR3's, which is not the boot log's to show.
        if (offset !== offsets.at(-1)) assert.throws(() => checkEventLog(mutant, quoted(LOG)), RefusedError)
      }),
    )
  })

  it('ends in a typed error, or in other RTMRs, wherever the log is cut', () => {
    const whole = makeEventLog(EVENTS)
    // The last event that RTMR0 to RTMR2 know of ends where RTMR3's begins.
    const known = makeEventLog(EVENTS.slice(0, -1)).length
    for (let length = 0; length < known; length++) {
      assert.throws(
        () => checkEventLog(whole.subarray(0, length), quoted(LOG)),
        (error) => error instanceof RefusedError && /^event_log_(malformed|mismatch)$/.test(error.code),
        `${length} bytes`,
      )
    }
    assert.doesNotThrow(() => checkEventLog(whole, quoted(LOG)))
  })

  it('throws nothing but RefusedError, whatever the bytes', () => {
    const check = (bytes: Uint8Array): void => {
      try {
        replayEventLog(bytes)
      } catch (error) {
        assert.ok(error instanceof RefusedError, String(error))
      }
    }
    fc.assert(fc.property(fc.uint8Array({ maxLength: 500 }), check))
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (tail) => check(Buffer.concat([makeSpecId(), tail]))))
    fc.assert(
      fc.property(fc.nat(LOG.length - 1_000), fc.uint8Array({ minLength: 1, maxLength: 8 }), (at, bytes) => {
        const mutant = Buffer.from(LOG)
        mutant.set(bytes, at)
        check(mutant)
      }),
    )
  })

  it('refuses other registers, other formats, and bytes after the end', () => {
    refuses(makeEventLog([{ register: 5, type: 4, data: '' }]), 'event_log_malformed', /register 5/)
    refuses(Buffer.concat([LOG, Buffer.of(1)]), 'event_log_malformed')
    refuses(new Uint8Array(0), 'event_log_malformed')
    refuses(new Uint8Array(100), 'event_log_malformed', /EV_NO_ACTION/)
    const wrong = Buffer.from(LOG)
    wrong.write('Spec ID Event02', 32)
    refuses(wrong, 'event_log_malformed', /Spec ID Event03/)
    refuses(makeSpecId([]), 'event_log_malformed', /0 digest algorithms/)
    refuses(makeSpecId([[0x0b, 32]]), 'event_log_malformed', /no SHA-384/)
    refuses(makeSpecId([[0x0c, 20]]), 'event_log_malformed', /no SHA-384/)
    refuses(
      makeSpecId([
        [0x0c, 48],
        [0x0c, 48],
      ]),
      'event_log_malformed',
      /twice/,
    )
    refuses(makeSpecId(Array.from({ length: 17 }, (_, id) => [id, 48] as const)), 'event_log_malformed', /17 digest/)
  })

  it('refuses what is too large, and too many events, without working through them', () => {
    refuses(new Uint8Array(EVENT_LOG_LIMIT_BYTES + 1), 'event_log_too_large')
    const event = makeEventLog([{ register: 1, type: 4, data: '' }]).subarray(makeSpecId().length)
    const many = Buffer.concat([makeSpecId(), ...Array.from({ length: 65_537 }, () => event)])
    refuses(many, 'event_log_malformed', /more than 65536 events/)
  })

  it('names the RTMRs that differ from the quote', () => {
    const other = makeEventLog([...EVENTS.slice(0, 4), { ...EVENTS[4]!, data: 'another kernel' }, ...EVENTS.slice(5)])
    assert.throws(() => checkEventLog(other, quoted(LOG)), { code: 'event_log_mismatch', message: /to RTMR1 of/ })
  })

  it('leaves RTMR3 to the events of run time', () => {
    assert.doesNotThrow(() => checkEventLog(makeEventLog(EVENTS.slice(0, -1)), quoted(LOG)))
  })

  it('reproduces the RTMRs of a real quote from the real log of the same boot', function () {
    const folder = new URL('../../../../shared/quotes/google/', import.meta.url)
    if (!existsSync(fileURLToPath(folder))) {
      console.log('      not run: ../shared/quotes is not there')
      return this.skip()
    }
    const log = readFileSync(new URL('ccel_data.dat', folder))
    const { td } = parseQuote(readFileSync(new URL('cos-113-tdx-quote.dat', folder)))
    const { rtmrs, events } = checkEventLog(log, td)
    assert.deepEqual(
      rtmrs.map((rtmr) => Buffer.from(rtmr)),
      td.rtmr.map((rtmr) => Buffer.from(rtmr)),
    )
    assert.equal(events.length, 43)
    // Each digest in it counts.
    for (const { digest, register, type } of events) {
      if (register === 'mrTd' || type === 3) continue
      const mutant = Buffer.from(log)
      mutant[log.indexOf(digest)]! ^= 1
      assert.throws(() => checkEventLog(mutant, td), { code: 'event_log_mismatch' })
    }
    for (const length of [100, 5_000, 18_000, 18_100]) {
      assert.throws(() => checkEventLog(log.subarray(0, length), td), RefusedError)
    }
  })
})
