import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { promisify } from 'node:util'

interface Counts {
  seeds: number
  simulatedMs: number
  checks: number
  violations: number
  traces: string
}

/** As package.json has it: half of the work of a loader that compiles. */
const NATIVE = ['--experimental-transform-types', '--disable-warning=ExperimentalWarning']
const RUN = [...NATIVE, join(import.meta.dirname, 'run.ts')]
const env = { ...process.env, SEED: undefined, NODE_OPTIONS: undefined }

/** In a process of its own, which replaces node:crypto's signatures. */
const simulate = (...args: string[]): Promise<{ code: number; counts: Counts; said: string }> =>
  new Promise((resolve, reject) => {
    const given = [...RUN, '--jobs', '1', '--json', ...args]
    execFile(process.execPath, given, { timeout: 280_000, env }, (error, stdout, stderr) => {
      const last = stdout.trim().split('\n').at(-1) ?? ''
      if (!last.startsWith('{')) return reject(new Error(`the simulation said nothing: ${stderr}`, { cause: error }))
      resolve({ code: Number(error?.code ?? 0), counts: JSON.parse(last) as Counts, said: stderr })
    })
  })

describe('a simulated cluster', function () {
  this.timeout(300_000)

  it('keeps what must hold, whatever goes wrong, and is well again afterwards', async () => {
    const { counts, said } = await simulate('--seeds', '60')
    assert.equal(counts.violations, 0, said)
    assert.equal(counts.seeds, 60)
    assert.ok(counts.simulatedMs > 60 * 10_000 && counts.checks > 60 * 100)
  })

  it('does the same again from the same seed', async () => {
    const [first, again, other] = await Promise.all([
      simulate('--seeds', '4', '--from', '12'),
      simulate('--seeds', '4', '--from', '12'),
      simulate('--seeds', '4', '--from', '40'),
    ])
    assert.equal(first.counts.traces, again.counts.traces)
    assert.equal(first.counts.checks, again.counts.checks)
    assert.notEqual(first.counts.traces, other.counts.traces)
  })

  it('serves its apps through 23 hours without quotes or collateral, and is whole again after them', async () => {
    const { stdout } = await promisify(execFile)(process.execPath, [...RUN, '--outage'], { timeout: 280_000, env })
    assert.match(stdout, /simulatedMs: 8[3-9]\d{6}/)
    assert.doesNotMatch(stdout, /violation/)
  })

  it('shows who judges nobody, and how to see it again', async () => {
    const { code, counts, said } = await simulate('--seeds', '12', '--no-judges')
    assert.equal(code, 1)
    assert.ok(counts.violations > 0)
    assert.match(said, /only the secret/)
    assert.match(said, /npm run sim -- --seed \d+/)
  })

  it('comes to the same in several processes', async () => {
    const parts = await Promise.all([
      simulate('--seeds', '5', '--from', '12'),
      simulate('--seeds', '5', '--from', '12', '--jobs', '2'),
    ])
    assert.equal(parts[0].counts.traces, parts[1].counts.traces)
    assert.equal(parts[1].counts.seeds, 5)
  })

  it('tells, interrupted, what it has counted and where to go on', async () => {
    const child = spawn(process.execPath, [...RUN, '--seeds', '100000', '--jobs', '2', '--no-judges'], { env, timeout: 280_000 })
    const said = text(child.stdout)
    // That a seed has failed says that it is under way.
    child.stderr.once('data', () => child.kill('SIGINT'))
    const [code] = await once(child, 'close')
    assert.equal(code, 130)
    const [counts, next] = (await said).trim().split('\n')
    assert.match(counts!, /^[1-9]\d* seeds, .* [1-9]\d* violations/)
    assert.match(next!, /to go on: npm run sim -- --from \d+ --seeds \d+$/)
  })
})
