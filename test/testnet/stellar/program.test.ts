import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { lightCheck } from './light-check.ts'
import { Person } from './people.ts'

const MAIN = fileURLToPath(new URL('../../../testnet/stellar/main.ts', import.meta.url))

interface Started {
  url: string
  passphrase: string
  nodeId: string
  head: { ledger: number; hash: string }
  warning: string
}

describe('devnet ledger, the program', function () {
  this.timeout(20_000)
  let folder: string
  const children: ChildProcess[] = []

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'devnet-'))
  })
  after(async () => {
    for (const child of children) child.kill('SIGKILL')
    await rm(folder, { recursive: true, force: true })
  })

  const run = (...args: string[]): ChildProcess => {
    const child = spawn(process.execPath, ['--import', 'tsx', MAIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
    children.push(child)
    return child
  }
  const firstLine = async (child: ChildProcess): Promise<string> => {
    const [line] = (await once(createInterface({ input: child.stdout! }), 'line')) as [string]
    return line
  }
  const start = async (state: string): Promise<{ child: ChildProcess; started: Started }> => {
    const child = run('--port', '0', '--state', state, '--close-every', '100ms', '--json')
    return { child, started: JSON.parse(await firstLine(child)) as Started }
  }
  const get = async <T>(url: string): Promise<T> => (await fetch(url)).json() as Promise<T>

  it('closes ledgers by itself, goes on after it was killed, and every ledger links to the one before', async () => {
    const state = join(folder, 'state.jsonl')
    const first = await start(state)
    assert.match(first.started.warning, /can rewrite it/)
    const someone = Person.named('someone').id
    const funded = await fetch(`${first.started.url}/friendbot?addr=${someone}`)
    assert.equal(funded.status, 200)
    const { ledger } = (await funded.json()) as { ledger: number }
    first.child.kill('SIGKILL')
    await once(first.child, 'exit')

    const { child, started } = await start(state)
    assert(started.head.ledger >= ledger)
    assert.equal(started.nodeId, first.started.nodeId)
    assert.equal((await get<{ id: string }>(`${started.url}/accounts/${someone}`)).id, someone)
    const { history_latest_ledger: latest } = await get<{ history_latest_ledger: number }>(started.url)
    let previous: string | undefined
    for (let sequence = 2; sequence <= latest; sequence++) {
      const proof = await get<Parameters<typeof lightCheck>[1]>(`${started.url}/ledgers/${sequence}/proof`)
      const checked = lightCheck(started.passphrase, proof)
      assert.equal(checked.transactions, sequence === ledger ? 1 : 0)
      if (previous !== undefined) assert.equal(checked.previous, previous)
      previous = checked.hash
    }
    child.kill('SIGTERM')
    assert.deepEqual(await once(child, 'exit'), [143, null])
  })

  it('says what is wrong with its arguments and its file', async () => {
    const wrong: [string[], RegExp][] = [
      [['--port', '70000'], /a number from 0/],
      [['--close-every', '2h'], /a time from 100ms to 60s/],
      [['--state', MAIN, '--port', '0'], /line 1 of .* is not the beginning of a ledger/],
    ]
    await Promise.all(
      wrong.map(async ([args, message]) => {
        const child = run(...args)
        let said = ''
        child.stderr!.on('data', (data) => {
          said += String(data)
        })
        const [code] = (await once(child, 'close')) as [number]
        assert.equal(code, 1, said)
        assert.match(said, message)
        assert.doesNotMatch(said, /\n {4}at /)
      }),
    )
  })
})
