import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** Where a name is made of a part's own words for its steps. */
const STEPS: Readonly<Record<string, { file: string; after: string; but?: string }>> = {
  'join.': { file: 'protocols/onboard/joiner.ts', after: 'export type JoinerStep =' },
  'onboard.': { file: 'protocols/onboard/onboarder.ts', after: 'export type OnboarderStep =' },
  'member.': { file: 'src/node/events.ts', after: 'readonly change:', but: 'updated' },
}
const stepsOf = (prefix: string): string[] => {
  const found = STEPS[prefix]
  assert.ok(found !== undefined, `which steps follow ${prefix}?`)
  const union = readFileSync(found.file, 'utf8').split(found.after)[1]!.split('\n')[0]!
  const steps = [...union.matchAll(/'(\w+)'/g)].map((match) => match[1]!)
  assert.ok(steps.length > 2, found.after)
  return steps.filter((step) => step !== found.but)
}

const CALL = /\b(?:log|\w+Log)\??(?:\.(debug|info|warn|error)|\[[^\]]*\])\(\s*(`[^`]*`|'[^']*'|[^,)\n]*)/g

/** `event level` of every log call in a source. */
const eventsIn = (path: string): string[] =>
  [...readFileSync(path, 'utf8').matchAll(CALL)].flatMap(([call, level, argument]) => {
    assert.ok(level !== undefined, `${path}: ${call}: an event has one level, in so many words`)
    const template = /^`([a-z_]+\.)\$\{[\w.]+\}`$/.exec(argument!)
    if (template !== null) return stepsOf(template[1]!).map((step) => `${template[1]}${step} ${level}`)
    const name = /^'(.*)'$/.exec(argument!)?.[1]
    assert.ok(name !== undefined, `${path}: ${call}: an event has a name that can be searched for`)
    assert.match(name, /^[a-z]+(_[a-z]+)*\.[a-z]+(_[a-z]+)*$/, `${path}: a name is noun.verb`)
    return [`${name} ${level}`]
  })

describe('docs/logs.md', () => {
  const documented = [...readFileSync('docs/logs.md', 'utf8').matchAll(/^\| `([\w.]+)` \| (\w+) \| \S.* \|$/gm)].map(
    ([, event, level]) => `${event} ${level}`,
  )

  it('lists every event that the program logs, at its level, and no other', () => {
    const sources = readdirSync('src', { recursive: true, encoding: 'utf8' }).filter(
      (path) => path.endsWith('.ts') && path !== 'base/log.ts',
    )
    const logged = new Set(sources.flatMap((path) => eventsIn(join('src', path))))
    assert.ok(logged.size > 50)
    assert.deepEqual([...documented].sort(), [...logged].sort(), 'a line of the table for each event, and an event for each line')
  })

  it('is in alphabetical order', () => {
    assert.deepEqual(documented, [...documented].sort())
  })
})
