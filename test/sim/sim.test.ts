import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'

interface Counts {
  seeds: number
  simulatedMs: number
  checks: number
  violations: number
  traces: string
}

/** In a process of its own, which replaces node:crypto's signatures. */
const simulate = (...args: string[]): Promise<{ code: number; counts: Counts; said: string }> =>
  new Promise((resolve, reject) => {
    const run = join(import.meta.dirname, 'run.ts')
    const given = ['--import', 'tsx', run, '--jobs', '1', '--json', ...args]
    execFile(process.execPath, given, { timeout: 280_000, env: { ...process.env, SEED: undefined } }, (error, stdout, stderr) => {
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
    const run = join(import.meta.dirname, 'run.ts')
    const { stdout } = await promisify(execFile)(process.execPath, ['--import', 'tsx', run, '--outage'], { timeout: 280_000 })
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
})
