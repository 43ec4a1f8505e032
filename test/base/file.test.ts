import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readBounded } from '../../src/base/index.ts'

describe('reading a file', () => {
  const folder = mkdtempSync(join(tmpdir(), 'file-'))
  after(() => rmSync(folder, { recursive: true }))

  it('gives its bytes up to the limit, and of a longer one nothing', async () => {
    const path = join(folder, 'file')
    for (const length of [0, 1, 65_536, 65_537, 200_000]) {
      const bytes = Buffer.alloc(length, 7)
      writeFileSync(path, bytes)
      assert.deepEqual(await readBounded(path, length), bytes)
      if (length > 0) await assert.rejects(readBounded(path, length - 1), { message: `larger than ${length - 1} bytes` })
    }
  })

  it('waits for no writer and reads no device', async () => {
    const path = join(folder, 'fifo')
    execFileSync('mkfifo', [path])
    await assert.rejects(readBounded(path, 100), { message: 'it is no regular file' })
    await assert.rejects(readBounded('/dev/zero', 100), { message: 'it is no regular file' })
    await assert.rejects(readBounded(folder, 100), { message: 'it is a folder' })
    await assert.rejects(readBounded(join(folder, 'none'), 100), { code: 'ENOENT' })
  })
})
