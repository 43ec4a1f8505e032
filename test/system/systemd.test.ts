import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

// The unit as systemd itself reads it. Needs systemd-analyze (Debian: systemd), and says so by failing.

const UNIT = readFileSync('packaging/systemd/dstack-mesh.service', 'utf8')
/** In tenths, of ten: what `systemd-analyze security` calls OK ends at 45. */
const EXPOSURE_MAX = 20

describe('the systemd unit', function () {
  this.timeout(60_000)
  let folder: string
  beforeEach(() => {
    folder = mkdtempSync('/tmp/dsm-unit-')
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  /** Node may lie elsewhere on this machine; systemd looks whether it is there. */
  const analyze = (unit: string, ...args: string[]) => {
    const path = join(folder, 'dstack-mesh.service')
    writeFileSync(path, unit.replace('ExecStart=/usr/bin/node', `ExecStart=${process.execPath}`))
    const { status, stdout, stderr, error } = spawnSync('systemd-analyze', [...args, path], { encoding: 'utf8', timeout: 30_000 })
    assert.equal(error, undefined)
    return { status, text: `${stdout}${stderr}` }
  }

  it('is understood by systemd, line by line', () => {
    assert.deepEqual(analyze(UNIT, 'verify', '--man=no'), { status: 0, text: '' })
    assert.match(
      analyze(UNIT.replace('LimitCORE=', 'LimitCORES='), 'verify', '--man=no').text,
      /Unknown key(?: name)? 'LimitCORES'/,
    )
  })

  it('gives the node no more than it needs', () => {
    const secure = (unit: string) => analyze(unit, 'security', '--offline=true', `--threshold=${EXPOSURE_MAX}`)
    const { status, text } = secure(UNIT)
    assert.equal(status, 0, text)
    assert.notEqual(secure(UNIT.replace('NoNewPrivileges=yes', '')).status, 0)
    for (const line of [
      'LimitCORE=0',
      'RuntimeDirectory=dstack',
      'ProtectSystem=strict',
      'CapabilityBoundingSet=CAP_DAC_OVERRIDE',
    ])
      assert.ok(UNIT.split('\n').includes(line), line)
  })
})
