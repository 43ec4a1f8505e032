import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

// A process that does what none should: it writes its own report data into every entry it finds, at random moments.

const [reportDir] = process.argv.slice(2)
let writes = 0
let stopped = false
process.on('message', () => {
  stopped = true
})
process.on('disconnect', () => process.exit(1))

const once = (): void => {
  for (const entry of readdirSync(reportDir!)) {
    try {
      writeFileSync(join(reportDir!, entry, 'inblob'), new Uint8Array(64).fill(0xdd), { flag: 'r+' })
      writes++
    } catch {
      // The entry has gone.
    }
  }
}

process.send?.('ready')
while (!stopped) {
  once()
  await new Promise((resolve) => setTimeout(resolve, Math.random() * 10))
}
process.send?.(writes, () => process.exit(0))
