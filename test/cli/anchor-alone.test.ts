import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { StrKey } from '@stellar/stellar-sdk/base'
import { DEVNET_PASSPHRASE } from '../../testnet/stellar/index.ts'
import { ContractRpc } from '../anchor/stellar/contract-rpc.ts'
import type { Program } from '../mesh/support.ts'
import { freePort } from '../node/support.ts'
import { Workshop } from './support.ts'

// Every side is a process of its own: the ledger, the first member, and whoever joins.

type Json = Record<string, unknown>

describe('the command line, with a ledger in a process of its own', function () {
  this.timeout(180_000)
  let shop: Workshop
  let ledger: Program
  let url: string
  const others: { stop(): Promise<unknown> }[] = []
  beforeEach(async () => {
    shop = await Workshop.open()
    ledger = shop.start(['devnet', '--port', '0', '--close-every', '200ms', '--json'])
    url = (JSON.parse(await ledger.firstLine()) as { url: string }).url
  })
  afterEach(async () => {
    await Promise.all(others.splice(0).map((each) => each.stop()))
    await shop.close()
  })

  const up = (name: string, ...args: string[]): Program => {
    const place = ['--data-dir', shop.path(name), '--socket', shop.path(`${name}.sock`), '--status-listen', 'none']
    const tee = ['--tee', 'emulator', '--emulator-root', shop.path('root.json')]
    return shop.start(['up', ...tee, ...place, '--anchor', 'devnet', '--horizon', url, '--log-format', 'json', ...args])
  }
  const ready = async (program: Program): Promise<Json> => JSON.parse(await program.firstLine()) as Json
  const stop = async (program: Program): Promise<void> => {
    program.child.kill('SIGTERM')
    await program.end()
  }
  const json = async (...args: string[]): Promise<Json> => {
    const { code, stdout, stderr } = await shop.run([...args, '--json'])
    assert.equal(code, 0, stderr)
    return JSON.parse(stdout) as Json
  }
  const logged = (program: Program, event: string): number => program.stderr.split(`"event":"${event}"`).length - 1

  it('lets in who knows G… and nothing else, and lets it back in while nobody answers as the ledger', async () => {
    const address = `/ip4/127.0.0.1/tcp/${await freePort()}`
    const first = await ready(up('first', '--new', '--json', '--friendbot', '--listen', address, '--boot', address))
    const cluster = first.cluster as string
    const pin = [
      '--checkpoint',
      (await json('anchor', 'verify', cluster, '--anchor', 'devnet', '--horizon', url)).checkpoint as string,
    ]

    const anywhere = ['--json', '--listen', '/ip4/127.0.0.1/tcp/0']
    const joining = up('second', ...anywhere, '--cluster', cluster, ...pin)
    const joined = await ready(joining)
    assert.deepEqual([joined.state, joined.cluster, joined.proof], ['member', cluster, 'ledger'])
    assert.ok(existsSync(shop.path('second/anchor-proof')))
    await stop(joining)

    // In the ledger's place: whoever comes is counted, and gets no answer.
    await stop(ledger)
    let visits = 0
    const silent: Server = createServer((socket) => {
      visits++
      socket.destroy()
    })
    const { hostname, port } = new URL(url)
    await new Promise<void>((resolve, reject) => silent.once('error', reject).listen(Number(port), hostname, resolve))
    others.push({ stop: () => new Promise((resolve) => silent.close(resolve)) })
    const back = up('second', ...anywhere, '--cluster', cluster, ...pin)
    const again = await ready(back)
    assert.deepEqual([again.state, again.cluster, again.proof], ['member', cluster, 'ledger'])
    assert.deepEqual([logged(back, 'anchor.kept_proof'), logged(back, 'anchor.read'), visits], [1, 0, 0])

    // Without that proof there is no way in past a ledger that is silent.
    await shop.fails(
      1,
      /no server of the ledger answers/,
      ...[
        'up',
        '--tee',
        'emulator',
        '--emulator-root',
        shop.path('root.json'),
        '--log-level',
        'silent',
        '--status-listen',
        'none',
      ],
      ...['--data-dir', shop.path('third'), '--socket', shop.path('third.sock'), '--listen', '/ip4/127.0.0.1/tcp/0'],
      ...['--anchor', 'devnet', '--horizon', url, '--cluster', cluster],
    )
    assert.ok(visits > 0)
  })

  it('publishes to the contract of the seed too, and calls it a weaker witness in output, status and log', async () => {
    // The account is on the real devnet; the contract is behind a Stellar RPC of its own.
    const rpc = new ContractRpc(DEVNET_PASSPHRASE, {
      async sequence(id) {
        const account = (await (await fetch(`${url}/accounts/${id}`)).json()) as { sequence?: string }
        return account.sequence === undefined ? undefined : BigInt(account.sequence)
      },
      taken: () => {},
      now: () => Math.floor(Date.now() / 1_000),
    })
    const rpcUrl = await rpc.listen()
    others.push(rpc)
    const contract = ['--stellar-rpc', rpcUrl, '--anchor-contract', rpc.id]
    const weak = /weaker witness: anybody may have been the first to write it, one server tells it, and it expires/

    const node = up('first', '--new', '--friendbot', '--listen', '/ip4/127.0.0.1/tcp/0', ...contract)
    await node.printed('Join another')
    assert.match(node.stdout, weak)
    assert.match(node.stderr, /a weaker witness: anybody may have been the first[^\n]*"event":"anchor\.contract_published"/)
    const status = await json('status', '--data-dir', shop.path('first'))
    const [note, ...more] = status.anchorNotes as { code: string; words: string; alarm: boolean }[]
    assert.deepEqual([note?.code, note?.alarm, more], ['contract_published', false, []])
    assert.match(note!.words, weak)
    assert.match((await shop.run(['status', '--data-dir', shop.path('first')])).stdout, weak)

    // It holds the very key that is the cluster id, and the account is the anchor all the same.
    const key = StrKey.decodeEd25519PublicKey(status.cluster as string)
    assert.deepEqual([rpc.shared, rpc.quotes.length], [Buffer.from(key).toString('hex'), 1])
    const network = ['--anchor', 'devnet', '--horizon', url, '--stellar-rpc', rpcUrl]
    const shown = await json('anchor', 'show', rpc.id, ...network)
    assert.deepEqual([shown.sharedPublicKey, shown.witness], [rpc.shared, 'devnet'])
    assert.match(shown.warning as string, /^weak: anybody may have been the first/)
    assert.equal((await json('anchor', 'show', status.cluster as string, ...network)).proof, 'account')

    // A second cluster finds the contract taken before anything of it is public.
    await shop.fails(
      1,
      /holds another shared key: somebody called its bootstrap first/,
      ...[
        'up',
        '--tee',
        'emulator',
        '--emulator-root',
        shop.path('root.json'),
        '--log-level',
        'silent',
        '--status-listen',
        'none',
      ],
      ...['--data-dir', shop.path('late'), '--socket', shop.path('late.sock'), '--listen', '/ip4/127.0.0.1/tcp/0'],
      ...['--anchor', 'devnet', '--horizon', url, '--friendbot', '--new', ...contract],
    )
  })
})
