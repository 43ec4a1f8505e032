import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { ALARM_CODES, wordsOf } from '../../src/node/alarm-words.ts'
import { Alarms, collateralAlarms } from '../../src/node/alarms.ts'
import { NodeEvents } from '../../src/node/events.ts'
import { readMarkdown } from '../support/markdown.ts'

const PLATFORM = { fmspc: '00906ed50000', ca: 'platform' } as const

describe('the alarms of a node', () => {
  let ms: number
  let events: NodeEvents
  let alarms: Alarms
  beforeEach(() => {
    ms = Date.parse('2026-11-02T09:12:44.000Z')
    events = new NodeEvents()
    alarms = new Alarms(events, { now: () => ms })
  })

  it('are shown from when they began until they are over, with what they mean and what to do', () => {
    events.emit({ kind: 'alarm', alarm: 'own_clock', on: true })
    ms += 1_000
    events.emit({ kind: 'alarm', alarm: 'own_clock', on: true })
    events.emit({ kind: 'alarm', alarm: 'member_clock', on: true, peerId: 'a' })
    assert.deepEqual(alarms.list(), [
      { alarm: 'own_clock', since: '2026-11-02T09:12:44.000Z', ...wordsOf('own_clock') },
      { alarm: 'member_clock', since: '2026-11-02T09:12:45.000Z', peerId: 'a', ...wordsOf('member_clock') },
    ])
    events.emit({ kind: 'alarm', alarm: 'member_clock', on: false, peerId: 'b' })
    events.emit({ kind: 'alarm', alarm: 'own_clock', on: false })
    assert.deepEqual(
      alarms.list().map(({ alarm }) => alarm),
      ['member_clock'],
    )
  })

  it('about collateral are told like all others, each for its own service, file or platform', () => {
    const tell = collateralAlarms(events)
    const offered = (endpoint: string) => ({ kind: 'older_offered', platform: PLATFORM, endpoint, parts: ['tcbInfo'] }) as const
    tell(offered('https://a.example/'), true)
    tell(offered('https://b.example/'), true)
    tell({ kind: 'expiring', platform: PLATFORM, expiresMs: 0 }, true)
    tell(offered('https://a.example/'), false)
    assert.deepEqual(
      alarms.list().map(({ alarm, about }) => [alarm, about]),
      [
        ['collateral_older_offered', 'https://b.example/'],
        ['collateral_expiring', 'platform 00906ed50000 (platform CA)'],
      ],
    )
  })

  it('are no more than people can read, however many members have a wrong clock, and hide none of the node itself', () => {
    for (let i = 0; i < 1_000; i++) events.emit({ kind: 'alarm', alarm: 'member_clock', on: true, peerId: `${i}` })
    assert.ok(alarms.list().length <= 64)
    events.emit({ kind: 'alarm', alarm: 'lapsed', on: true })
    assert.equal(alarms.list().at(-1)?.alarm, 'lapsed')
  })

  it('have a code for everything that a reading of a ledger is refused for', () => {
    const sources = ['account', 'entries', 'http', 'servers', 'stellar'].map((name) =>
      readFileSync(`src/anchor/stellar/${name}.ts`, 'utf8'),
    )
    const codes = sources.flatMap((text) =>
      [...text.matchAll(/(?:RefusedError|refused)\(\s*'(anchor_[a-z_]+)'/g)].map(([, code]) => code!),
    )
    assert.ok(codes.length > 8, String(codes))
    // Whose account is missing is told as reset.
    for (const code of codes) assert.ok(code === 'anchor_missing' || ALARM_CODES.some((known) => known === code), code)
  })

  it('have words, something to do, and a section of docs/operating.md each', () => {
    const document = readMarkdown('docs/operating.md', readFileSync('docs/operating.md', 'utf8'))
    assert.ok(ALARM_CODES.length >= 24)
    for (const code of ALARM_CODES) {
      const { words, next } = wordsOf(code)
      // As far as a history keeps a text.
      for (const text of [words, next]) assert.ok(text.length > 20 && text.length <= 240, `${code}: ${text}`)
      assert.match(words, /\.$/, code)
      assert.doesNotMatch(next, /\.$/, code)
      assert.ok(document.anchors.has(code), `docs/operating.md has no heading ${code}`)
    }
  })
})
