import assert from 'node:assert/strict'
import {
  decodeOutsiderAnswer,
  encodeOutsiderAnswer,
  merkleTree,
  type OutsiderAnswer,
  outsiderBinding,
} from '../../protocols/evidence/index.ts'
import {
  decodeCredential,
  decodeEvidence,
  decodeGenesisBundle,
  encodeEvidence,
  encodeGenesisBundle,
} from '../../protocols/records/index.ts'
import { parseClusterId, reportData } from '../../protocols/wire/index.ts'
import type { Attester } from '../../src/attest/index.ts'
import { systemClock, systemRandom } from '../../src/base/index.ts'
import { describePolicy, parsePolicy, type VerifiedCluster, verifyCluster } from '../../src/index.ts'
import type { ClusterVerification } from '../../src/node/verify-cluster.ts'
import { InProcess } from './support.ts'

const flipped = (bytes: Uint8Array, at = bytes.length >> 1): Uint8Array => {
  const copy = bytes.slice()
  copy[at]! ^= 1
  return copy
}

describe('a cluster judged from outside', function () {
  this.timeout(60_000)
  let mesh: InProcess
  let url: string
  let cluster: Uint8Array
  let attester: Attester
  let sound: OutsiderAnswer
  const nonce = systemRandom.bytes(32)

  /** The same member's answer over other nonces and bindings: what a hostile host of an honest TD cannot have, but a test can. */
  const quoted = async (nonces: Uint8Array[], context = 'evidence/1', change = (fields: Uint8Array[]) => fields) => {
    const peerId = decodeCredential(sound.credential).body.peerId
    const tree = merkleTree(nonces)
    const binding = { ...outsiderBinding(cluster, peerId, tree.root), context }
    binding.fields = change(binding.fields)
    const evidence = {
      quote: await attester.quote(reportData(binding)),
      collateral: await attester.collateral(),
      eventLog: [...attester.eventLog()],
      binding,
    }
    return { ...sound, evidence: encodeEvidence(evidence), leaf: tree.pathOf(0) }
  }
  const judge = (answer: OutsiderAnswer | string, more: Partial<ClusterVerification> = {}): Promise<VerifiedCluster> =>
    verifyCluster({
      clusterId: cluster,
      nonce,
      answer: typeof answer === 'string' ? answer : encodeOutsiderAnswer(answer),
      acceptInsecure: true,
      clock: systemClock,
      random: systemRandom,
      ...more,
    })
  const refuses = async (
    answer: OutsiderAnswer | string,
    name: string,
    words?: RegExp,
    more: Partial<ClusterVerification> = {},
  ) => {
    const verified = await judge(answer, more)
    assert.equal(verified.ok, false)
    const first = verified.checks.find(({ holds }) => holds === false)
    assert.equal(first?.name, name, JSON.stringify(verified.checks))
    if (words !== undefined) assert.match(first.words, words)
  }

  before(async () => {
    mesh = await InProcess.open()
    attester = mesh.td()
    const node = await mesh.first({ statusPort: { host: '127.0.0.1', port: 0 }, attester })
    const status = node.status()
    url = status.statusUrl!
    cluster = parseClusterId(status.cluster!)!
    const response = await fetch(`${url}evidence?nonce=${Buffer.from(nonce).toString('hex')}`)
    assert.equal(response.status, 200)
    sound = decodeOutsiderAnswer((await response.text()).trim())
  })
  after(() => mesh.close())

  it('is accepted as it is, with every check told', async () => {
    const verified = await judge(sound)
    assert.equal(verified.ok, true, JSON.stringify(verified.checks))
    assert.equal(
      verified.checks
        .filter(({ holds }) => holds !== true)
        .map(({ name }) => name)
        .join(),
      'anchor',
    )
    assert.match(verified.checks.find(({ name }) => name === 'anchor')!.words, /not witnessed/)
    assert.match(verified.checks.find(({ name }) => name === 'credential')!.words, /itself/)
    assert.equal(verified.tcbStatus, 'UpToDate')
    assert.equal(verified.insecure.length, 1)
  })

  it('is refused for its emulated root, unless the asker wants that', async () => {
    await refuses(sound, 'protection', /INSECURE/, { acceptInsecure: false })
    const policy = parsePolicy(decodeGenesisBundle(sound.genesis).policy)
    assert.equal((await judge(sound, { acceptInsecure: false, policy })).ok, true)
  })

  it('is refused under another policy than the one insisted on', async () => {
    const own = JSON.parse(Buffer.from(decodeGenesisBundle(sound.genesis).policy).toString('utf8')) as object
    const policy = parsePolicy(JSON.stringify({ ...own, credentialLifetime: '59m' }))
    assert.ok(describePolicy(policy).length > 0)
    await refuses(sound, 'policy', /not the one that you gave/, { policy })
  })

  it('is refused when the answer is to another question', async () => {
    await refuses(sound, 'nonce', /another question/, { nonce: systemRandom.bytes(32) })
    await refuses({ ...sound, nonce: flipped(sound.nonce) }, 'nonce', /another question/)
  })

  it('is refused for a path that leads elsewhere', async () => {
    const batch = await quoted([nonce, systemRandom.bytes(32), systemRandom.bytes(32)])
    assert.equal((await judge(batch)).ok, true)
    const { leaf } = batch
    await refuses({ ...batch, leaf: { ...leaf, index: 1 } }, 'quote', /bad_binding/)
    await refuses({ ...batch, leaf: { ...leaf, path: leaf.path.map((hash) => flipped(hash)) } }, 'quote', /bad_binding/)
    await refuses({ ...batch, leaf: { ...leaf, path: [] } }, 'nonce', /path/)
    await refuses({ ...batch, leaf: { ...leaf, size: 2 ** 10 } }, 'nonce', /path/)
    await refuses({ ...batch, leaf: { ...leaf, index: 3 } }, 'nonce', /path/)
    await refuses(await quoted([systemRandom.bytes(32)]), 'quote', /bad_binding/)
  })

  it('is refused for a quote that was made for something else', async () => {
    for (const context of ['challenge/1', 'member/1', 'onboard/1', 'recover/1']) {
      await refuses(await quoted([nonce], context), 'quote', /bad_binding/)
    }
    await refuses(await quoted([nonce], 'evidence/1', ([, ...rest]) => [flipped(cluster), ...rest]), 'quote', /bad_binding/)
    await refuses(
      await quoted([nonce], 'evidence/1', ([id, , root]) => [id!, flipped(sound.credential.slice(0, 38)), root!]),
      'quote',
    )
    await refuses(await quoted([nonce], 'evidence/1', (fields) => [...fields, nonce]), 'quote', /bad_binding/)
  })

  it('is refused for any other byte of its evidence', async () => {
    const evidence = decodeEvidence(sound.evidence)
    const with_ = (change: Partial<typeof evidence>) => ({ ...sound, evidence: encodeEvidence({ ...evidence, ...change }) })
    for (const at of [60, 200, 600, 700, 1000]) await refuses(with_({ quote: flipped(evidence.quote, at) }), 'quote')
    await refuses(with_({ eventLog: evidence.eventLog.slice(1) }), 'quote')
    await refuses(
      with_({ binding: { ...evidence.binding, fields: evidence.binding.fields.map((field) => flipped(field)) } }),
      'quote',
    )
    const { collateral: _, ...bare } = evidence
    await refuses({ ...sound, evidence: encodeEvidence(bare) }, 'quote', /collateral/)
    const { collateral } = evidence
    await refuses(with_({ collateral: { ...collateral!, tcbInfo: collateral!.tcbInfo.replace('UpToDate', 'Revoked') } }), 'quote')
  })

  it('is refused for any other byte of its credential, and for one of another peer or cluster', async () => {
    const { message } = decodeCredential(sound.credential)
    for (let at = 4; at < sound.credential.length; at += 37) {
      const verified = await judge({ ...sound, credential: flipped(sound.credential, at) })
      assert.equal(verified.ok, false, `byte ${at} of ${message.body.length}`)
    }
    const other = await InProcess.open()
    try {
      const node = await other.first({ statusPort: { host: '127.0.0.1', port: 0 } })
      const response = await fetch(`${node.status().statusUrl}evidence?nonce=${Buffer.from(nonce).toString('hex')}`)
      const foreign = decodeOutsiderAnswer((await response.text()).trim())
      await refuses({ ...sound, credential: foreign.credential }, 'credential', /wrong cluster/)
      await refuses({ ...sound, genesis: foreign.genesis }, 'genesis', /another cluster/)
      await refuses({ ...sound, evidence: foreign.evidence, leaf: foreign.leaf }, 'quote')
      await refuses(foreign, 'genesis', /another cluster/)
    } finally {
      await other.close()
    }
  })

  it('is refused once its credential has run out', async () => {
    const { expiresAt } = decodeCredential(sound.credential).body
    const clock = { ...systemClock, now: () => expiresAt + 1 }
    const verified = await judge(sound, { clock })
    assert.equal(verified.checks.find(({ name }) => name === 'credential')?.holds, false)
  })

  it('is refused for any other byte of its genesis', async () => {
    const genesis = decodeGenesisBundle(sound.genesis)
    const with_ = (change: Partial<typeof genesis>) => ({ ...sound, genesis: encodeGenesisBundle({ ...genesis, ...change }) })
    await refuses(with_({ signature: flipped(genesis.signature) }), 'genesis', /not signed/)
    for (let at = 0; at < genesis.record.length; at += 13)
      await refuses(with_({ record: flipped(genesis.record, at) }), 'genesis')
    const policy = Buffer.from(genesis.policy).toString('utf8')
    await refuses(with_({ policy: Buffer.from(policy.replace('UpToDate', 'OutOfDate')) }), 'policy', /genesis names/)
    await refuses(with_({ policy: Buffer.from(` ${policy}`) }), 'policy', /canonical/)
    await refuses(with_({ policy: Buffer.from('{}') }), 'policy')
    await refuses(with_({ evidence: flipped(genesis.evidence, 300) }), 'genesis evidence')
    await refuses(with_({ evidence: sound.evidence }), 'genesis evidence', /bad_binding/)
  })

  it('is refused where ledgers are pinned that nothing reaches', async () => {
    const anchor = { checkpoints: [`1:${'ab'.repeat(32)}`] }
    await refuses(sound, 'anchor', /not witnessed/, { anchor })
  })

  it('is refused for whatever is not an answer', async () => {
    const text = encodeOutsiderAnswer(sound)
    const json = JSON.parse(text) as Record<string, unknown>
    const texts = ['', 'null', '[]', '<html>', '{}', text.slice(0, -2), `${' '.repeat(1_300_000)}{}`, '['.repeat(100_000)]
    for (const each of texts) await refuses(each, 'answer')
    for (const name of Object.keys(json)) {
      for (const value of [undefined, null, -1, 1.5, 2 ** 31, 'zz', '', [], {}, ['00'], Array(21).fill('00'.repeat(32)), true]) {
        if (name === 'path' && Array.isArray(value) && value.length === 0) continue
        const verified = await judge(JSON.stringify({ ...json, [name]: value }))
        assert.equal(verified.ok, false, `${name}: ${JSON.stringify(value)}`)
      }
    }
    assert.equal((await judge(JSON.stringify({ ...json, more: 1 }))).ok, true, 'unknown fields are ignored')
  })
})
