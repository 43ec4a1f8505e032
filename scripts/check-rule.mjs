// The import rule must be able to fail: plants one import that each rule forbids, and expects it to be found.
import { execFileSync } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'

const PLANTS = {
  'protocols-import-npm-only': ['protocols/wire/planted.ts', '../../src/base/index.ts'],
  'base-imports-nothing-of-ours': ['src/base/planted.ts', '../keys/index.ts'],
  'keys-stays-in-its-room': ['src/keys/planted.ts', '../attest/index.ts'],
  'api-stays-in-its-room': ['src/api/planted.ts', '../keys/index.ts'],
  'net-stays-in-its-room': ['src/net/planted.ts', '../node/node.ts'],
  'api-and-net-know-no-protocols': ['src/net/planted.ts', '../../protocols/wire/index.ts'],
  'node-is-below-cli': ['src/node/planted.ts', '../cli/output.ts'],
  'cli-uses-the-public-library': ['src/cli/planted.ts', '../attest/index.ts'],
  'testnet-uses-the-public-library': ['testnet/local/planted.ts', '../../src/node/node.ts'],
  'nothing-ships-tests': ['src/node/planted.ts', '../../test/mesh/support.ts'],
  'only-known-packages': ['src/node/planted.ts', 'fast-check'],
}

let missed = 0
for (const [rule, [file, target]] of Object.entries(PLANTS)) {
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, `export * from '${target}'\n`)
  let found = ''
  try {
    execFileSync(
      process.execPath,
      ['node_modules/.bin/depcruise', '--config', '.dependency-cruiser.cjs', '--output-type', 'err', file],
      {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    )
  } catch (error) {
    found = error.stdout
  } finally {
    rmSync(file)
  }
  if (!found.includes(rule)) {
    missed++
    console.error(`${rule}: an import of ${target} in ${file} was not noticed`)
  }
}
console.log(`${Object.keys(PLANTS).length - missed} of ${Object.keys(PLANTS).length} planted imports were noticed`)
process.exit(missed > 0 ? 1 : 0)
