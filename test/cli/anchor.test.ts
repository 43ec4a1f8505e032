import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { Keypair } from '@stellar/stellar-sdk/base'
import { type RunningDevnet, startDevnet } from '../../testnet/stellar/index.ts'
import { Workshop } from './support.ts'

describe('the command line, anchoring on a ledger', function () {
  this.timeout(180_000)
  let shop: Workshop
  let devnet: RunningDevnet
  beforeEach(async () => {
    shop = await Workshop.open()
    devnet = await startDevnet({ port: 0, closeEveryMs: 200 })
  })
  afterEach(async () => {
    await shop.close()
    await devnet.stop()
  })

  const network = () => ['--anchor', 'devnet', '--horizon', devnet.url]
  const up = (name: string, ...args: string[]) => {
    const place = ['--data-dir', shop.path(name), '--socket', shop.path(`${name}.sock`), '--listen', '/ip4/127.0.0.1/tcp/0']
    return shop.start([
      'up',
      '--json',
      '--tee',
      'emulator',
      '--emulator-root',
      shop.path('root.json'),
      ...place,
      ...network(),
      ...args,
    ])
  }
  const json = async (...args: string[]): Promise<Record<string, unknown>> => {
    const { code, stdout, stderr } = await shop.run([...args, '--json'])
    assert.equal(code, 0, stderr)
    return JSON.parse(stdout) as Record<string, unknown>
  }

  it('tells the whole story: prepared in the TD, signed elsewhere, submitted, shown, proven, joined', async () => {
    const funder = Keypair.random()
    await fetch(`${devnet.url}/friendbot?addr=${funder.publicKey()}`)
    const secret = await shop.file('secret', `${funder.secret()}\n`)
    const first = up('first', '--new', '--funder', funder.publicKey())

    const dataDir = ['--data-dir', shop.path('first')]
    const prepared = shop.path('genesis.json')
    assert.equal((await shop.run(['anchor', 'prepare', ...dataDir, '--out', prepared])).code, 0)
    const signed = await shop.run(['anchor', 'sign', prepared, '--secret-file', secret, '--out', shop.path('signed.json')])
    assert.equal(signed.code, 0, signed.stderr)
    assert.match(signed.stderr, /at most 0\.00008 XLM for 8 operations[\s\S]*3 XLM for good/)

    // Neither another secret nor another transaction.
    const other = await shop.file('other', Keypair.random().secret())
    await shop.fails(1, /the secret is that of/, 'anchor', 'sign', prepared, '--secret-file', other)
    await shop.fails(2, /not a Stellar secret key/, 'anchor', 'sign', prepared, '--secret-file', prepared)
    await shop.fails(2, /who signs/, 'anchor', 'sign', prepared)
    await shop.fails(1, /one signature, by G/, 'anchor', 'submit', prepared, ...dataDir)

    await json('anchor', 'submit', shop.path('signed.json'), ...dataDir)
    const ready = JSON.parse(await first.firstLine()) as { cluster: string; addresses: string[] }

    const shown = await json('anchor', 'show', ready.cluster, ...network())
    assert.deepEqual([shown.cluster, shown.witness, shown.proof], [ready.cluster, 'devnet', 'account'])
    const proven = await json('anchor', 'verify', ready.cluster, ...network(), '--save', shop.path('proof'))
    assert.deepEqual([proven.proof, proven.genesis, proven.funder], ['transaction', shown.genesis, funder.publicKey()])
    const pin = ['--checkpoint', proven.checkpoint as string]
    await devnet.stop()
    const offline = await json('anchor', 'verify', ready.cluster, ...network(), ...pin, '--proof', shop.path('proof'))
    assert.equal(offline.proof, 'ledger')
    const kept = await json('anchor', 'verify', ready.cluster, ...network(), ...pin, ...dataDir)
    assert.deepEqual([kept.proof, kept.from], ['ledger', [shop.path('first')]])

    const joined = up('second', '--cluster', ready.cluster, '--peer', ready.addresses[0]!, ...pin)
    const second = JSON.parse(await joined.firstLine()) as { state: string; proof: string }
    assert.deepEqual([second.state, second.proof], ['member', 'ledger'])

    const files = ['cluster', 'genesis', 'anchor-proof', 'instance'].map((name) => readFileSync(shop.path(`first/${name}`)))
    const told = Buffer.concat([...files, Buffer.from(first.stdout + first.stderr + joined.stderr)])
    for (const form of ['hex', 'base64'] as const) {
      assert.ok(!told.includes(Buffer.from(funder.rawSecretKey()).toString(form)) && !told.includes(funder.secret()))
    }
  })

  it('goes on where a stranger makes the account first, and proves the genesis all the same', async () => {
    const funder = Keypair.random()
    await fetch(`${devnet.url}/friendbot?addr=${funder.publicKey()}`)
    const secret = await shop.file('secret', funder.secret())
    const first = up('first', '--new', '--funder', funder.publicKey())
    const dataDir = ['--data-dir', shop.path('first')]
    const round = async (name: string): Promise<{ cluster: string; operations: number; envelope: string }> => {
      const [prepared, signed] = [shop.path(`${name}.json`), shop.path(`${name}-signed.json`)]
      assert.equal((await shop.run(['anchor', 'prepare', ...dataDir, '--out', prepared])).code, 0)
      assert.equal((await shop.run(['anchor', 'sign', prepared, '--secret-file', secret, '--out', signed])).code, 0)
      return JSON.parse(readFileSync(signed, 'utf8')) as { cluster: string; operations: number; envelope: string }
    }
    const pending = await round('one')
    // The stranger saw it pending; making an account needs no signature of it.
    await fetch(`${devnet.url}/friendbot?addr=${pending.cluster}`)
    await json('anchor', 'submit', shop.path('one-signed.json'), ...dataDir)
    // The node asks again, for the same without making the account. What was signed before is not taken twice.
    let again = await round('two')
    while (again.envelope === pending.envelope) again = await round('two')
    assert.equal(again.cluster, pending.cluster)
    await shop.fails(
      1,
      /not the transaction that this node prepared/,
      'anchor',
      'submit',
      shop.path('one-signed.json'),
      ...dataDir,
    )
    await json('anchor', 'submit', shop.path('two-signed.json'), ...dataDir)
    const ready = JSON.parse(await first.firstLine()) as { cluster: string; proof: string }
    assert.deepEqual([ready.cluster, ready.proof], [pending.cluster, 'transaction'])

    const shown = await json('anchor', 'show', ready.cluster, ...network())
    const away = ['--data-dir', shop.path('elsewhere')]
    const proven = await json('anchor', 'verify', ready.cluster, ...network(), ...away)
    assert.deepEqual([proven.proof, proven.genesis], ['transaction', shown.genesis])
    // The account is older than its genesis.
    assert.ok(Number((proven.checkpoint as string).split(':')[0]) > (shown.ledger as number))
  })

  it('pays from a secret in a file, and names what is wrong in what is asked', async () => {
    const funder = Keypair.random()
    await fetch(`${devnet.url}/friendbot?addr=${funder.publicKey()}`)
    const secret = await shop.file('secret', funder.secret())
    const node = up('first', '--new', '--funder-secret-file', secret)
    const { cluster } = JSON.parse(await node.firstLine()) as { cluster: string }
    const table = await shop.run(['anchor', 'show', cluster, ...network()])
    assert.match(table.stdout, /witness +devnet\n/)
    await shop.fails(1, /is no account on devnet/, 'anchor', 'show', Keypair.random().publicKey(), ...network())
    await shop.fails(1, /not a cluster's|not frozen/, 'anchor', 'show', funder.publicKey(), ...network())
    await shop.fails(2, /not a cluster id/, 'anchor', 'show', 'GABC', ...network())
    await shop.fails(2, /not a checkpoint/, 'anchor', 'verify', cluster, ...network(), '--checkpoint', '7')
    await shop.fails(
      1,
      /not the one that is pinned/,
      'anchor',
      'verify',
      cluster,
      ...network(),
      '--data-dir',
      shop.path('first'),
      '--checkpoint',
      `${(await json('anchor', 'show', cluster, ...network())).ledger}:${'00'.repeat(32)}`,
    )
    await shop.fails(2, /no transaction waits/, 'anchor', 'prepare', '--data-dir', shop.path('first'))
  })
})
