import assert from 'node:assert/strict'
import { createHash, createPublicKey, hkdfSync } from 'node:crypto'
import { clusterSignedBytes, verifyEd25519 } from '../../protocols/wire/signature.ts'
import { systemRandom } from '../../src/base/index.ts'
import { type EpochSecret, Keyring } from '../../src/keys/keyring.ts'
import { p256Pem, p256PublicKey } from '../../src/keys/p256.ts'
import { bytes, hex } from './vectors.ts'

const secret = new Uint8Array(32).fill(7)
const one = () => Keyring.fromSecrets([{ epoch: 0, secret }])
const appId = bytes('00112233445566778899aabbccddeeff00112233')
const hkdf = (info: Uint8Array | string) => hex(new Uint8Array(hkdfSync('sha256', secret, 'dstack-mesh/v1', info, 32)))

describe('Keyring', () => {
  it('is the cluster: its id is the public key that its signatures verify under', () => {
    const ring = Keyring.generate(systemRandom)
    const message = new TextEncoder().encode('record')
    const signature = ring.signAsCluster('genesis', message)
    assert.equal(verifyEd25519(ring.clusterId, clusterSignedBytes('genesis', message), signature), true)
    assert.equal(verifyEd25519(ring.clusterId, clusterSignedBytes('credential', message), signature), false)
    assert.deepEqual(ring.signingPublicKey(0), ring.clusterId)
    assert.deepEqual(ring.publicKeys().cluster, ring.clusterId)
    assert.deepEqual(ring.epochs, [0])
  })

  it('signs a Stellar transaction whose hash it made itself, and none that its own account would pay for', () => {
    const ring = one()
    const network = createHash('sha256').update('a network').digest()
    const paidBy = (account: Uint8Array) => Buffer.concat([Buffer.alloc(4), account, Buffer.alloc(60, 1)])
    const transaction = paidBy(Keyring.generate(systemRandom).clusterId)
    const hash = createHash('sha256')
      .update(network)
      .update(Buffer.from([0, 0, 0, 2]))
      .update(transaction)
      .digest()
    assert.equal(verifyEd25519(ring.clusterId, hash, ring.signStellarTransaction(network, transaction)), true)
    const refused = [
      paidBy(ring.clusterId),
      transaction.subarray(0, 36),
      Buffer.alloc(5000),
      Buffer.from([0, 0, 1, 0, ...hash, 9]),
    ]
    for (const body of refused) assert.throws(() => ring.signStellarTransaction(network, body), { code: 'bad_transaction' })
    assert.throws(() => ring.signStellarTransaction(network.subarray(1), transaction), { code: 'bad_network' })
  })

  it('derives from the labels of the design', () => {
    const ring = one()
    const label = Buffer.concat([Buffer.from('volume\0'), appId, Buffer.from('data')])
    assert.equal(hex(ring.volumeKey(appId, 'data')), hkdf(label))
    assert.equal(hex(ring.publicKeys().caRoot), hex(p256PublicKey(bytes(hkdf('ca-root')))))
    const domain = Buffer.concat([Buffer.from('tls\0'), appId, Buffer.from('app.example.org')])
    for (const name of ['app.example.org', 'App.Example.ORG.']) assert.equal(hex(ring.domainKey(appId, name)), hkdf(domain))
  })

  it('is two clusters when it is generated twice', () => {
    assert.notDeepEqual(Keyring.generate(systemRandom).clusterId, Keyring.generate(systemRandom).clusterId)
  })

  it('has a signing key and roots for each epoch, and its id from epoch 0', () => {
    const ring = Keyring.fromSecrets([
      { epoch: 3, secret: new Uint8Array(32).fill(3) },
      { epoch: 0, secret },
    ])
    assert.deepEqual(ring.epochs, [0, 3])
    assert.deepEqual(ring.clusterId, one().clusterId)
    assert.notDeepEqual(ring.signingPublicKey(3), ring.clusterId)
    const signature = ring.signAsCluster('credential', secret, 3)
    assert.equal(verifyEd25519(ring.signingPublicKey(3), clusterSignedBytes('credential', secret), signature), true)
    assert.throws(() => ring.signAsCluster('credential', secret, 1), { code: 'unknown_epoch' })
    assert.throws(() => ring.app(appId, 2), { code: 'unknown_epoch' })
  })

  it('refuses what is no keyring', () => {
    const refused: EpochSecret[][] = [
      [],
      [{ epoch: 1, secret }],
      [{ epoch: 0, secret: new Uint8Array(31) }],
      [{ epoch: 0, secret: new Uint8Array(33) }],
      [
        { epoch: 0, secret },
        { epoch: 0, secret },
      ],
      [
        { epoch: 0, secret },
        { epoch: -1, secret },
      ],
      [
        { epoch: 0, secret },
        { epoch: 1.5, secret },
      ],
      [
        { epoch: 0, secret },
        { epoch: 2 ** 32, secret },
      ],
    ]
    for (const entries of refused) assert.throws(() => Keyring.fromSecrets(entries), { code: 'bad_keyring' })
  })

  it('copies its secrets and lends copies that it wipes', async () => {
    const mine = Uint8Array.from(secret)
    const ring = Keyring.fromSecrets([{ epoch: 0, secret: mine }])
    mine.fill(0)
    assert.deepEqual(ring.clusterId, one().clusterId)
    let lent: readonly EpochSecret[] = []
    ring.withSecrets((entries) => {
      lent = entries
      assert.deepEqual(entries[0]!.secret, secret)
    })
    assert.deepEqual(lent[0]!.secret, new Uint8Array(32))
    const pending = ring.withSecrets(async (entries) => {
      lent = entries
      await Promise.resolve()
      return hex(entries[0]!.secret)
    })
    assert.deepEqual(lent[0]!.secret, secret)
    assert.equal(await pending, hex(secret))
    assert.deepEqual(lent[0]!.secret, new Uint8Array(32))
    assert.throws(() =>
      ring.withSecrets((entries) => {
        lent = entries
        throw new Error('sealing failed')
      }),
    )
    assert.deepEqual(lent[0]!.secret, new Uint8Array(32))
    assert.equal(hex(ring.volumeKey(appId, 'data')), hex(one().volumeKey(appId, 'data')))
  })

  it('does nothing after wipe, and neither do the keys it gave out', () => {
    const ring = one()
    const app = ring.app(appId)
    ring.wipe()
    for (const use of [
      () => ring.signAsCluster('genesis', secret),
      () => ring.withSecrets(() => 0),
      () => ring.app(appId),
      () => ring.publicKeys(),
      () => ring.volumeKey(appId, 'data'),
      () => ring.domainKey(appId, 'a.example'),
      () => ring.diskKey(appId, appId),
      () => ring.envPublicKey(appId, 1),
      () => app.getKey('a'),
    ]) {
      assert.throws(use, { code: 'wiped' })
    }
  })

  it('checks app ids, names and instance ids', () => {
    const ring = one()
    assert.throws(() => ring.app(new Uint8Array(19)), { code: 'bad_app_id' })
    assert.throws(() => ring.volumeKey(new Uint8Array(21), 'x'), { code: 'bad_app_id' })
    for (const name of ['', 'x'.repeat(256)]) assert.throws(() => ring.volumeKey(appId, name), { code: 'bad_name' })
    assert.throws(() => ring.diskKey(appId, new Uint8Array(5)), { code: 'bad_instance_id' })
    assert.equal(ring.diskKey(appId, new Uint8Array(0)).length, 32)
    assert.notEqual(hex(ring.diskKey(appId, appId)), hex(ring.diskKey(appId, new Uint8Array(0))))
  })

  it('never shows a secret when it is printed or written as JSON', () => {
    const ring = one()
    ring.app(appId)
    const shown = `${process.getBuiltinModule('node:util').inspect(ring, { depth: 9, showHidden: true })}${JSON.stringify(ring)}`
    assert.equal(shown.includes('7, 7, 7'), false)
    assert.equal(shown.includes(hkdf('k256-root')), false)
  })

  it('gives P-256 keys as PEM that OpenSSL reads', () => {
    const scalar = one().domainKey(appId, 'app.example.org')
    const spki = createPublicKey(p256Pem(scalar)).export({ format: 'der', type: 'spki' })
    assert.equal(hex(spki.subarray(-65)), hex(p256PublicKey(scalar, 'uncompressed')))
  })
})
