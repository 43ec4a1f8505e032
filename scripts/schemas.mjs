// Compiles JSON Schemas to validators beside them, so that a node neither loads a compiler nor compiles at every start.
// `--check` fails when a committed validator is not what its schema gives.
import { readFileSync, writeFileSync } from 'node:fs'
import Ajv from 'ajv'
import standaloneCode from 'ajv/dist/standalone/index.js'

const SCHEMAS = ['src/attest/policy/policy.schema.json']

const check = process.argv.includes('--check')
let stale = 0
for (const path of SCHEMAS) {
  // All errors, for the person who writes a document; the reader's size limit bounds them.
  const ajv = new Ajv.Ajv({ allErrors: true, code: { source: true, esm: true, lines: true } })
  const validate = ajv.compile(JSON.parse(readFileSync(path, 'utf8')))
  const generated = [
    `// Generated from ${path.split('/').at(-1)} by npm run schemas. Do not edit.`,
    '// @ts-nocheck',
    "import { createRequire } from 'node:module'",
    'const require = createRequire(import.meta.url)',
    standaloneCode.default(ajv, validate).replace(/export default \w+;/, ''),
  ].join('\n')
  const target = path.replace(/\.schema\.json$/, '.validator.ts')
  if (!check) writeFileSync(target, generated)
  else if (readFileSync(target, 'utf8') !== generated) {
    stale++
    console.error(`${target} is not what ${path} gives: run npm run schemas`)
  }
}
process.exit(stale > 0 ? 1 : 0)
