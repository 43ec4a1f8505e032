import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { controlSocketPath } from '../../src/index.ts'
import { Bench } from '../mesh/support.ts'
import { member, viewOf } from '../system/status-view.ts'

// What other members say of themselves reaches the terminal of whoever looks.
const ESCAPES = '\u001b[2J\u001b]0;mine\u0007\r\n\u202egnissim\u2066\u200f\ufeff\u2028\u0085\u009b31m'

describe('members that would write on the terminal', function () {
  this.timeout(60_000)

  it('are shown with what cannot be seen spelled out, by status and members, on one line each', async () => {
    const bench = await Bench.open()
    const hostile = {
      peerId: `12D3KooW${ESCAPES}`,
      addresses: [`/dns4/${ESCAPES}/tcp/1`],
      tcbStatus: `UpToDate${ESCAPES}`,
      issuer: ESCAPES,
      state: ESCAPES,
    }
    const alarms = [{ alarm: 'member_clock', since: '2026-11-02T09:12:44.000Z', peerId: ESCAPES, words: ESCAPES, next: ESCAPES }]
    const notes = [{ code: 'x', words: ESCAPES, alarm: true }]
    const { status } = viewOf([member(0, 2), member(1, 2, hostile)], { alarms, status: { anchorNotes: notes } })
    const node = createServer((_, response) => response.end(JSON.stringify(status)))
    try {
      const dataDir = join(bench.folder, 'node')
      mkdirSync(dataDir)
      await new Promise<void>((resolve) => node.listen(controlSocketPath(dataDir), resolve))
      for (const args of [['status'], ['members'], ['status', '--json'], ['members', '--json']]) {
        const shown = bench.cli(...args, '--data-dir', dataDir)
        assert.equal((await shown.end()).code, 0, shown.stderr)
        assert.match(shown.stdout, /\\u202egnissim/, args.join(' '))
        const unseen = /[\p{Zl}\p{Zp}]|[^\P{C}\n]/u.exec(shown.stdout)
        assert.equal(unseen, null, `${args.join(' ')}: ${JSON.stringify(unseen?.[0])}`)
        if (args[1] === '--json') assert.equal(shown.stdout.trimEnd().split('\n').length, 1)
      }
    } finally {
      node.closeAllConnections()
      node.close()
      await bench.close()
    }
  })
})
