// Holds a keyring, uses it while the collector moves everything about, wipes it, and says what its secret was, masked.
import { setTimeout as pause } from 'node:timers/promises'
import { systemRandom } from '../../src/base/index.ts'
import { Keyring } from '../../src/keys/index.ts'

const collect = (globalThis as { gc?: (options: { type: 'minor' | 'major' }) => void }).gc!
const collectAll = async (): Promise<void> => {
  for (const type of ['minor', 'minor', 'major', 'minor'] as const) {
    collect({ type })
    await pause(1)
  }
}

const ring = Keyring.generate(systemRandom)
let masked = ''
for (let i = 0; i < 20; i++) {
  await ring.withSecrets(async ([entry]) => {
    await collectAll()
    masked = Buffer.from(entry!.secret.map((byte) => byte ^ 0x5a)).toString('hex')
  })
}
ring.wipe()
await collectAll()
process.stdout.write(`${masked}\n`)
process.stdin.resume()
