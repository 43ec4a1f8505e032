// Generates the codec beside each .proto of protocols/. `--check` fails when a committed codec is not what its .proto gives.
import { execFileSync } from 'node:child_process'
import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'

const check = process.argv.includes('--check')
const out = mkdtempSync(join(tmpdir(), 'proto-'))
let stale = 0
try {
  for (const proto of globSync('protocols/*/*.proto')) {
    execFileSync(process.execPath, ['node_modules/protons/dist/bin/protons.js', proto, '-o', out, '-p', 'protocols'], {
      stdio: 'inherit',
    })
    // Not type-checked inside: the generator knows neither exactOptionalPropertyTypes nor our uint8arraylist. Its exported types are.
    const header = `// Generated from ${basename(proto)} by npm run proto. Do not edit.\n// @ts-nocheck\n`
    const generated =
      header +
      readFileSync(join(out, `${basename(proto, '.proto')}.ts`), 'utf8').replaceAll('Uint8Array<ArrayBuffer>', 'Uint8Array')
    const target = proto.replace(/\.proto$/, '.pb.ts')
    if (check) {
      const committed = readFileSync(target, 'utf8')
      if (committed !== generated) {
        stale++
        console.error(`${target} is not what ${proto} generates: run npm run proto`)
      }
    } else {
      writeFileSync(target, generated)
    }
  }
} finally {
  rmSync(out, { recursive: true, force: true })
}
process.exit(stale > 0 ? 1 : 0)
