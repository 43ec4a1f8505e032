import assert from 'node:assert/strict'
import fc from 'fast-check'
import { createLog, type LogFields, type LogFormat, type LogLevel } from '../../src/base/index.ts'

/** Lines as they reach the stream. */
const logged = (format: LogFormat, write: (log: ReturnType<typeof createLog>) => void, level: LogLevel = 'debug'): string[] => {
  const lines: string[] = []
  write(createLog(level, format, { write: (line) => void lines.push(line) }))
  return lines
}
const line = (format: LogFormat, fields: LogFields): string => {
  const [only, ...more] = logged(format, (log) => log.info('test.said', fields))
  assert.deepEqual(more, [])
  return only!
}
/** What moves a cursor, colours a terminal, turns text around or ends a line. */
const HARM = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u

const HOSTILE = [
  '\u001b[2J\u001b]0;title\u0007',
  'line\nlevel=error event=node.stopped',
  '\r\u001b[1Aover the line above',
  '\u009b31mC1',
  'user\u202etxt.exe',
  '\u2066isolated\u2069\u200b\ufeff',
  'a\u2028b\u2029c',
  '\ud800 alone',
  '"},{"event":"node.ready"}',
  '\u{e0041}\u{e007f} tags',
]

describe('a line of the log', () => {
  for (const format of ['json', 'pretty'] as const) {
    it(`${format}: is one line that moves no cursor, whatever peers and apps have sent`, () => {
      const texts = fc.oneof(fc.constantFrom(...HOSTILE), fc.string({ unit: 'binary', maxLength: 50 }))
      fc.assert(
        fc.property(texts, texts, fc.array(texts, { maxLength: 3 }), (address, key, reasons) => {
          const text = line(format, { address, reasons, [`x${key}`]: { [key]: address } })
          assert.ok(text.endsWith('\n'))
          assert.doesNotMatch(text.slice(0, -1), HARM)
        }),
        { numRuns: 200 },
      )
    })
  }

  it('json: means what was said to whoever parses it', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 60 }), (address) => {
        const { time, ...rest } = JSON.parse(line('json', { address, reasons: [address] })) as Record<string, unknown>
        assert.match(time as string, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
        assert.deepEqual(rest, { level: 'info', event: 'test.said', address, reasons: [address] })
      }),
    )
  })

  it('pretty: is a time, a level, an event and its fields', () => {
    assert.match(
      line('pretty', { address: 'a b', times: 2 }),
      /^\d\d:\d\d:\d\d\.\d{3} info {2}test\.said address="a b" times=2\n$/,
    )
  })

  it('has the fields of its child logs and its own', () => {
    const lines = logged('json', (log) => log.child({ app: 'a\u202e' }).error('test.said', { more: 1 }))
    assert.ok(!lines[0]!.includes('\u202e'))
    const { app, more, level } = JSON.parse(lines[0]!) as Record<string, unknown>
    assert.deepEqual([app, more, level], ['a\u202e', 1, 'error'])
  })

  it('says nothing below its level', () => {
    assert.deepEqual(
      logged('json', (log) => log.info('test.said'), 'warn'),
      [],
    )
    assert.deepEqual(
      logged('json', (log) => log.error('test.said'), 'silent'),
      [],
    )
  })

  it('shows no bytes, and of what is long or deep only the beginning', () => {
    const secret = Uint8Array.from({ length: 32 }, (_, i) => 200 + i)
    const round: { self?: unknown } = {}
    round.self = round
    const text = line('json', {
      secret,
      deeper: { buffer: Buffer.from(secret), view: new DataView(secret.buffer), buffers: [secret.buffer] },
      long: 'x'.repeat(1e6),
      many: Array.from({ length: 1e5 }, () => 'y'),
      wide: Object.fromEntries(Array.from({ length: 1e4 }, (_, i) => [`k${i}`, 1])),
      round,
      error: new Error('the words alone', { cause: secret }),
      big: 2n ** 64n,
    })
    assert.ok(text.length < 10_000, `${text.length} characters`)
    const fields = JSON.parse(text) as Record<string, unknown>
    assert.deepEqual([fields.secret, fields.error, fields.big], ['(32 bytes)', 'the words alone', '18446744073709551616'])
    assert.deepEqual(fields.deeper, { buffer: '(32 bytes)', view: '(32 bytes)', buffers: ['(32 bytes)'] })
    assert.doesNotMatch(text, /200,201|c8c9ca/)
  })

  it('keeps its time, level and event, whatever the fields are called', () => {
    const fields = { time: 'never', level: 'fatal', event: 'node.ready' } as unknown as LogFields
    const text = line('json', fields)
    assert.equal(text.match(/"event":/g)?.length, 1)
    assert.equal((JSON.parse(text) as { event: string }).event, 'test.said')
  })
})
