import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { lstatSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemRandom } from '../../src/base/index.ts'
import { instanceSeed, remember, rememberedCluster } from '../../src/node/remember.ts'

describe('a data folder', () => {
  let folder: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'data-'))
  })
  afterEach(() => rmSync(folder, { recursive: true }))
  const at = (name: string) => join(folder, name)

  it('is refused, at once, where a FIFO stands in the place of what it remembers', async () => {
    for (const name of ['cluster', 'instance']) execFileSync('mkfifo', [at(name)])
    await assert.rejects(rememberedCluster(folder), { code: 'data_dir_unusable' })
    await assert.rejects(instanceSeed(folder, systemRandom), { code: 'data_dir_unusable' })
  })

  it('is written by making files, never through what stands in their place', async () => {
    const [victim, clusterId] = [at('victim'), Uint8Array.from(Buffer.alloc(32, 9))]
    writeFileSync(victim, 'mine')
    for (const name of ['cluster', 'cluster.new', 'instance.new']) symlinkSync(victim, at(name))
    execFileSync('mkfifo', [at('genesis.new')])
    await remember(folder, clusterId, Buffer.from('genesis'))
    const seed = await instanceSeed(folder, systemRandom)
    assert.equal(readFileSync(victim, 'utf8'), 'mine')
    assert.ok(lstatSync(at('cluster')).isFile())
    assert.deepEqual(await rememberedCluster(folder), clusterId)
    assert.deepEqual(await instanceSeed(folder, systemRandom), seed)
    assert.equal(readFileSync(at('genesis'), 'utf8'), 'genesis')
  })
})
