import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { REFUSAL_CODES, REPORT_DATA_CONTEXTS } from '../../protocols/wire/index.ts'

const read = (path: string): string => readFileSync(new URL(`../../protocols/${path}`, import.meta.url), 'utf8')
const vectors = ['wire', 'records', 'onboard', 'membership', 'challenge', 'evidence']
  .map((name) => read(`${name}/vectors.json`))
  .join('\n')

describe('the specifications', () => {
  for (const path of [
    'README.md',
    'wire/README.md',
    'records/README.md',
    'onboard/README.md',
    'membership/README.md',
    'challenge/README.md',
    'evidence/README.md',
  ]) {
    it(`show example bytes that the vectors have: ${path}`, () => {
      const blocks = [...read(path).matchAll(/```\w*\n(.*?)```/gs)].map(([, block]) => block!)
      // Bytes that go on in the next line are one value.
      const shown = blocks.flatMap((block) =>
        [...block.matchAll(/(?<![0-9a-zA-Z])[0-9a-f]{16,}(?:\n *[0-9a-f]{2,}(?![0-9a-zA-Z]))*/g)].map(([text]) =>
          text.replaceAll(/\s/g, ''),
        ),
      )
      assert.ok(shown.length > 0, 'no example')
      for (const bytes of shown) assert.ok(vectors.includes(bytes), bytes)
    })
  }

  it('number every refusal code as the wire does, and name every context', () => {
    const text = read('README.md')
    for (const [index, code] of REFUSAL_CODES.entries()) assert.ok(text.includes(`| ${index + 1} | \`${code}\` |`), code)
    for (const context of REPORT_DATA_CONTEXTS) assert.ok(text.includes(`\`${context}\``), context)
  })
})
