import { execFile } from 'node:child_process'

const TIMEOUT_MS = 20_000

/** Runs a program to its end; what it printed, or an Error with what it complained about. */
export const run = (command: string, ...args: readonly string[]): Promise<string> =>
  new Promise((resolve, reject) => {
    execFile(command, args, { timeout: TIMEOUT_MS, encoding: 'utf8' }, (error, stdout, stderr) => {
      if (error === null) resolve(stdout)
      else reject(new Error(`${[command, ...args].join(' ')}: ${stderr.trim() || error.message}`, { cause: error }))
    })
  })
