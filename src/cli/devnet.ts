import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { Command } from 'commander'
import { UsageError } from '../base/index.ts'

/** A program of its own, in the rehearsal's room: it only shares the command's name. */
const PROGRAM = fileURLToPath(new URL('../../testnet/stellar/main.js', import.meta.url))

export const devnetCommand = (): Command =>
  new Command('devnet')
    .description('A Stellar ledger in one process, for rehearsals. Whoever runs it can rewrite it.')
    .helpOption(false)
    .allowUnknownOption()
    .allowExcessArguments()
    .argument('[flags...]', 'see dstack-mesh devnet --help')
    .action(async () => {
      if (!existsSync(PROGRAM))
        throw new UsageError('no_devnet', 'this build holds no devnet', { next: 'use a checkout, or the image `rehearsal`' })
      const child = spawn(process.execPath, [PROGRAM, ...process.argv.slice(process.argv.indexOf('devnet') + 1)], {
        // The channel ends with us, however we end, and the child with it.
        stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
      })
      // Ctrl-C reaches the child by itself; what is sent to us alone is handed on.
      for (const signal of ['SIGTERM', 'SIGHUP', 'SIGINT'] as const)
        process.on(signal, () => signal !== 'SIGINT' && child.kill(signal))
      const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null]
      process.exitCode = signal === null ? (code ?? 1) : 1
    })
