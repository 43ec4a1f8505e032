import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync, readSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const HOLDER = fileURLToPath(new URL('./memory-holder.ts', import.meta.url))

/** How often `wanted` stands in the writable memory of a process. */
const occurrences = (pid: number, wanted: Buffer): number => {
  let count = 0
  const memory = openSync(`/proc/${pid}/mem`, 'r')
  try {
    for (const line of readFileSync(`/proc/${pid}/maps`, 'utf8').split('\n')) {
      const range = /^([0-9a-f]+)-([0-9a-f]+) rw/.exec(line)
      if (range === null) continue
      const [start, end] = [Number.parseInt(range[1]!, 16), Number.parseInt(range[2]!, 16)]
      const chunk = Buffer.alloc(Math.min(1 << 24, end - start))
      // Chunks overlap, so that nothing hides where two of them meet.
      for (let at = start; at < end; at += chunk.length - wanted.length + 1) {
        let length = 0
        try {
          length = readSync(memory, chunk, 0, Math.min(chunk.length, end - at), at)
        } catch {
          break
        }
        const read = chunk.subarray(0, length)
        for (let found = read.indexOf(wanted); found >= 0; found = read.indexOf(wanted, found + 1)) count++
        if (at + length >= end) break
      }
    }
  } finally {
    closeSync(memory)
  }
  return count
}

describe('the root secret in memory', () => {
  it('is nowhere any more after it was used, moved about by the collector, and wiped', async function () {
    this.timeout(20_000)
    if (process.platform !== 'linux') this.skip()
    const holder = spawn(process.execPath, ['--expose-gc', '--import', 'tsx', HOLDER], { stdio: ['pipe', 'pipe', 'inherit'] })
    try {
      const [line] = (await once(createInterface(holder.stdout), 'line')) as [string]
      const masked = Buffer.from(line, 'hex')
      assert.equal(masked.length, 32)
      // The mask itself is there: what is read is that process's memory.
      assert.ok(occurrences(holder.pid!, Buffer.from(line)) > 0)
      assert.equal(occurrences(holder.pid!, Buffer.from(masked.map((byte) => byte ^ 0x5a))), 0)
    } finally {
      holder.kill('SIGKILL')
      await once(holder, 'close')
    }
  })
})
