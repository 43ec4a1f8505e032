import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { readCacheFile } from '../../../src/attest/collateral/cache-file.ts'

describe('the file of cached collateral', () => {
  let directory: string
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'cache-file-'))
  })
  afterEach(() => rmSync(directory, { recursive: true, force: true }))

  it('is nothing before it is written', async () => {
    assert.equal(await readCacheFile(join(directory, 'none.json')), undefined)
  })

  it('is one thing or the other, whole, whenever its writer is killed', async () => {
    const path = join(directory, 'cache.json')
    const writer = fileURLToPath(new URL('./cache-writer.ts', import.meta.url))
    for (let round = 0; round < 4; round++) {
      const child = fork(writer, [path], { execArgv: ['--import=tsx'] })
      const exited = once(child, 'exit')
      await once(child, 'message')
      // Readers at work meanwhile never see half a file either.
      for (let reads = 0; reads < 20; reads++) assert.ok(await readCacheFile(path))
      child.kill('SIGKILL')
      await exited
      const cached = await readCacheFile(path)
      assert.ok(cached !== undefined && cached.acceptedAtMs >= 10)
      const bit = cached.acceptedAtMs % 2
      assert.equal(cached.collateral.qeIdentity, String(bit).repeat(50_000))
      assert.deepEqual(cached.collateral.pckCrl, new Uint8Array(10_000).fill(bit))
    }
  })
})
