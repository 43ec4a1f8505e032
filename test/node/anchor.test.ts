import assert from 'node:assert/strict'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import { HandoverFunder, localFunder, signPrepared } from '../../src/anchor/index.ts'
import { systemClock, systemRandom } from '../../src/base/index.ts'
import { controlSocketPath, type NodeInit, parseClusterId, verifyCluster } from '../../src/index.ts'
import { Keyring } from '../../src/keys/index.ts'
import { type AnchorSettings, anchorOf } from '../../src/node/anchors.ts'
import { type RunningDevnet, startDevnet } from '../../testnet/stellar/index.ts'
import { TestKey } from '../anchor/stellar/stand-in.ts'
import { freePort, InProcess, Recorder } from './support.ts'

const rejectsWith = (code: string) => (error: unknown) => error instanceof Error && 'code' in error && error.code === code

const control = (
  dataDir: string,
  method: string,
  path: string,
  body?: unknown,
): Promise<{ status: number; body: Record<string, unknown> }> =>
  new Promise((resolve, reject) => {
    const asked = request({ socketPath: controlSocketPath(dataDir), method, path, timeout: 5_000 }, async (response) => {
      const chunks: Buffer[] = []
      for await (const chunk of response) chunks.push(chunk as Buffer)
      resolve({ status: response.statusCode!, body: JSON.parse(Buffer.concat(chunks).toString()) as Record<string, unknown> })
    })
    asked.on('error', reject)
    asked.end(body === undefined ? undefined : JSON.stringify(body))
  })

describe('a mesh on a devnet ledger', function () {
  this.timeout(30_000)
  let mesh: InProcess
  let devnet: RunningDevnet
  beforeEach(async () => {
    mesh = await InProcess.open()
    devnet = await startDevnet({ port: 0, closeEveryMs: 200 })
  })
  afterEach(async () => {
    await mesh.close()
    await devnet.stop()
  })

  const anchor = (settings: AnchorSettings = {}) => ({
    anchor: anchorOf({ anchor: 'devnet', horizon: [devnet.url], ...settings }, mesh.folder),
  })
  /** The first member, at an address that it publishes. */
  const publicFirst = async (init: Partial<NodeInit> = {}) => {
    const address = `/ip4/127.0.0.1/tcp/${await freePort()}`
    const first = await mesh.first({ listen: [address], ...anchor({ friendbot: true, boot: [address] }), ...init })
    return { first, cluster: first.status().cluster!, address }
  }
  const joins = async (name: string, cluster: string | undefined, peers: readonly string[], init: Partial<NodeInit> = {}) => {
    const entry = { kind: 'join' as const, peers, timeoutMs: 10_000, ...(cluster !== undefined && { cluster }) }
    const node = await mesh.node(name, { entry, ...anchor(), ...init })
    await node.start()
    return node
  }
  /** `SEQ:HASH` of the ledger that holds the genesis. */
  const genesisLedger = async (cluster: string): Promise<string> => {
    const account = (await (await fetch(`${devnet.url}/accounts/${cluster}`)).json()) as { sequence: string }
    const sequence = BigInt(account.sequence) >> 32n
    const ledger = (await (await fetch(`${devnet.url}/ledgers/${sequence}`)).json()) as { hash: string }
    return `${sequence}:${ledger.hash}`
  }

  it('lets a joiner in that knows the cluster id and nothing else, and gives it a proof to keep', async () => {
    const { first, cluster } = await publicFirst()
    assert.deepEqual([first.status().witness, first.status().proof], ['devnet', 'transaction'])
    const joiner = await joins('joiner', cluster, [])
    assert.deepEqual([joiner.status().state, joiner.status().witness, joiner.status().proof], ['member', 'devnet', 'transaction'])
    assert.ok(statSync(join(mesh.folder, 'joiner', 'anchor-proof')).size > 1_000)
    const pinned = await joins('pinned', cluster, [], anchor({ checkpoints: [await genesisLedger(cluster)] }))
    assert.equal(pinned.status().proof, 'ledger')
    const validated = await joins('validated', cluster, [], anchor({ validators: [devnet.nodeId] }))
    assert.equal(validated.status().proof, 'ledger')
  })

  it('lets a member that comes back join with the proof that it kept, while the ledger is gone', async () => {
    const { cluster } = await publicFirst()
    const joiner = await joins('joiner', cluster, [])
    await joiner.stop()
    await devnet.stop()
    const log = new Recorder()
    const again = await joins('joiner', undefined, [], { log })
    assert.equal(again.status().state, 'member')
    assert.equal(log.all('anchor.kept_proof').length, 1)
  })

  it('lets a joiner that pins a ledger in without the network, by the proof that a member gives', async () => {
    const { cluster, address } = await publicFirst()
    const checkpoints = [await genesisLedger(cluster)]
    await devnet.stop()
    await assert.rejects(joins('unpinned', cluster, [address]), rejectsWith('anchor_unreachable'))
    const pinned = await joins('pinned', cluster, [address], anchor({ checkpoints }))
    assert.equal(pinned.status().proof, 'ledger')
    const optional = await joins('optional', cluster, [address], anchor({ anchorOptional: true }))
    assert.equal(optional.status().proof, 'transaction')
    const wrong = anchor({ checkpoints: [checkpoints[0]!.replace(/.$/, (last) => (last === '0' ? '1' : '0'))] })
    await assert.rejects(joins('wrong', cluster, [address], wrong), /not the one that is pinned/)
    const elsewhere = anchor({ anchor: 'testnet', horizon: [devnet.url], anchorOptional: true })
    await assert.rejects(joins('elsewhere', cluster, [address], elsewhere), /another network/)
  })

  it('is judged from outside by the proof alone, up to a ledger that the asker pins', async () => {
    const { first, cluster } = await publicFirst({ statusPort: { host: '127.0.0.1', port: 0 } })
    const checkpoint = await genesisLedger(cluster)
    const nonce = systemRandom.bytes(32)
    const answer = await (await fetch(`${first.status().statusUrl}evidence?nonce=${Buffer.from(nonce).toString('hex')}`)).text()
    await devnet.stop()
    const judged = async (anchor: { checkpoints?: string[]; validators?: string[] }) => {
      const given = {
        clusterId: parseClusterId(cluster)!,
        nonce,
        answer,
        acceptInsecure: true,
        clock: systemClock,
        random: systemRandom,
      }
      const { ok, witness, proof, checks } = await verifyCluster({ ...given, anchor })
      return [ok, witness, proof, checks.find(({ name }) => name === 'anchor')?.holds]
    }
    assert.deepEqual(await judged({}), [true, 'devnet', 'transaction', undefined])
    assert.deepEqual(await judged({ checkpoints: [checkpoint] }), [true, 'devnet', 'ledger', true])
    assert.deepEqual(await judged({ validators: [devnet.nodeId] }), [true, 'devnet', 'ledger', true])
    const wrong = checkpoint.replace(/.$/, (last) => (last === '0' ? '1' : '0'))
    assert.deepEqual(await judged({ checkpoints: [wrong] }), [false, 'devnet', null, false])
  })

  it('refuses to join a cluster that is not on the ledger', async () => {
    const first = await mesh.first()
    await assert.rejects(joins('joiner', first.status().cluster!, first.addresses()), rejectsWith('anchor_missing'))
  })

  it('of two TDs that make one cluster at once, has one, and a clear refusal', async () => {
    const secret = systemRandom.bytes(32)
    const same = { generate: () => Keyring.fromSecrets([{ epoch: 0, secret }]), adopt: Keyring.fromSecrets.bind(Keyring) }
    const nodes = await Promise.all(
      ['a', 'b'].map((name) => mesh.node(name, { entry: { kind: 'new' }, keys: same, ...anchor({ friendbot: true }) })),
    )
    const settled = await Promise.allSettled(nodes.map((node) => node.start()))
    assert.deepEqual(settled.map(({ status }) => status).sort(), ['fulfilled', 'rejected'])
    const lost = settled.find((each) => each.status === 'rejected')!
    assert.ok(rejectsWith('anchor_taken')(lost.reason), String(lost.reason))
  })

  it('is paid for by somebody on another machine, who gets the transaction and gives it back through the control socket', async () => {
    const payer = new TestKey('somebody')
    await fetch(`${devnet.url}/friendbot?addr=${payer.id}`)
    const dataDir = join(mesh.folder, 'paid')
    const node = await mesh.node('paid', { entry: { kind: 'new' }, ...anchor({ funder: payer.id }) })
    const started = node.start()
    started.catch(() => {})
    let shown: Record<string, unknown> = {}
    for (;;) {
      const { status, body } = existsSync(controlSocketPath(dataDir))
        ? await control(dataDir, 'GET', '/anchor/transaction')
        : { status: 0, body: {} }
      if (status === 200) shown = body
      if (status === 200) break
      await systemClock.sleep(50)
    }
    assert.equal(node.status().state, 'anchoring')
    const prepared = shown as unknown as Parameters<typeof signPrepared>[0]
    const signed = await signPrepared(prepared, localFunder(payer.seed))
    assert.deepEqual([signed.cluster, signed.operations, signed.reserve], [node.status().cluster, 8, 30_000_000])
    // Not with another's secret; and nothing but what was prepared is taken back.
    await assert.rejects(signPrepared(prepared, localFunder(new TestKey('other').seed)), rejectsWith('another_funder'))
    assert.equal(
      (await control(dataDir, 'POST', '/anchor/transaction', { envelope: prepared.envelope })).body.code,
      'not_signed_by_funder',
    )
    assert.equal((await control(dataDir, 'POST', '/anchor/transaction', { envelope: 7 })).status, 400)
    assert.equal((await control(dataDir, 'POST', '/anchor/transaction', { envelope: signed.envelope })).status, 200)
    await started
    assert.equal(node.status().state, 'member')
    assert.equal((await control(dataDir, 'GET', '/anchor/transaction')).body.code, 'nothing_waits')
    const payerText = Buffer.from(payer.seed).toString('hex')
    for (const name of ['cluster', 'genesis', 'anchor-proof', 'instance']) {
      assert.ok(!readFileSync(join(dataDir, name)).toString('hex').includes(payerText), name)
    }
  })

  it('makes no cluster where nobody pays', async () => {
    const node = await mesh.node('poor', { entry: { kind: 'new' }, ...anchor() })
    await assert.rejects(node.start(), rejectsWith('no_funder'))
    const stranger = await mesh.node('empty', { entry: { kind: 'new' }, ...anchor({ funder: new TestKey('nobody').id }) })
    await assert.rejects(stranger.start(), rejectsWith('funder_poor'))
  })
})

describe('settings of an anchor', () => {
  const wrong = (settings: AnchorSettings) =>
    assert.throws(() => anchorOf(settings, '/nowhere'), rejectsWith('bad_configuration'), JSON.stringify(settings))

  it('that contradict each other, or make no sense, are refused', () => {
    const seven = `7:${'0a'.repeat(32)}`
    for (const settings of [
      { anchor: 'mainnet' },
      { anchor: 'file:x', boot: ['/ip4/192.0.2.1/tcp/1'] },
      { checkpoints: [seven] },
      { anchor: 'stellar' },
      { anchor: 'stellar', stellarPassphrase: 'x' },
      { anchor: 'testnet', stellarPassphrase: 'x' },
      { anchor: 'testnet', horizon: ['http://horizon.example.org'] },
      { anchor: 'testnet', horizon: ['ftp://horizon.example.org'] },
      { anchor: 'testnet', horizon: ['https://user:password@horizon.example.org'] },
      { anchor: 'pubnet', friendbot: true },
      { anchor: 'testnet', friendbot: true, funderSecretFile: 'x' },
      { anchor: 'testnet', checkpoints: ['7'] },
      { anchor: 'testnet', validators: ['GABC'] },
    ]) {
      wrong(settings)
    }
    for (const settings of [
      { anchor: 'testnet' },
      { anchor: 'pubnet', horizon: ['http://127.0.0.1:8000'], checkpoints: [seven] },
      { anchor: 'stellar', stellarPassphrase: 'x', horizon: ['http://ledger.example.org'] },
      { anchor: 'none' },
    ]) {
      anchorOf(settings, '/nowhere')
    }
    assert.throws(() => new HandoverFunder('GABC', systemClock), rejectsWith('bad_configuration'))
  })
})
