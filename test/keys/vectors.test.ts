import assert from 'node:assert/strict'
import { createECDH, createHash, createPrivateKey, createPublicKey, hkdfSync, X509Certificate } from 'node:crypto'
import { secp256k1 } from '@noble/curves/secp256k1.js'
import { blake2b } from '@noble/hashes/blake2.js'
import { keccak_256 } from '@noble/hashes/sha3.js'
import { formatClusterId } from '../../protocols/wire/cluster-id.ts'
import { systemClock, systemRandom } from '../../src/base/index.ts'
import { AppCertificates } from '../../src/keys/app-certificates.ts'
import { appDataOf } from '../../src/keys/app-keys.ts'
import { Keyring } from '../../src/keys/keyring.ts'
import { p256PublicKey } from '../../src/keys/p256.ts'
import vectors from '../vectors/keys.json' with { type: 'json' }
import { bytes, hex } from './vectors.ts'

// docs/keys.md, twice: by the code, and by what stands there, with node's HKDF and no line of src/keys.

const appId = bytes(vectors.app.id)
const ring = Keyring.fromSecrets([{ epoch: 0, secret: bytes(vectors.rootSecret) }])
const app = ring.app(appId)

const kdf = (salt: string, ikm: string, ...info: (string | Uint8Array)[]) =>
  hex(new Uint8Array(hkdfSync('sha256', bytes(ikm), salt, Buffer.concat(info.map((part) => Buffer.from(part as string))), 32)))
const mesh = (...label: (string | Uint8Array)[]) => kdf('dstack-mesh/v1', vectors.rootSecret, ...label)
const dstack = (ikm: string, ...context: (string | Uint8Array)[]) => kdf('RATLS', ikm, ...context)
const lp = (...parts: (string | Uint8Array)[]) =>
  Buffer.concat(
    parts.flatMap((part) => {
      const length = Buffer.alloc(4)
      length.writeUInt32BE(Buffer.from(part as string).length)
      return [length, Buffer.from(part as string)]
    }),
  )
const p256Point = (scalar: string, form: 'compressed' | 'uncompressed') => {
  const ecdh = createECDH('prime256v1')
  ecdh.setPrivateKey(scalar, 'hex')
  return ecdh.getPublicKey('hex', form)
}
const pkcs8 = (scalar: string) =>
  `308187020100301306072a8648ce3d020106082a8648ce3d030107046d306b0201010420${scalar}a144034200${p256Point(scalar, 'uncompressed')}`
const dhSecret = (...context: (string | Uint8Array)[]) =>
  createHash('sha256')
    .update(pkcs8(dstack(vectors.cluster.caRoot, ...context)), 'hex')
    .digest('hex')
const rawPublicKey = (head: string, secret: string) => {
  const key = createPrivateKey({ key: Buffer.from(head + secret, 'hex'), format: 'der', type: 'pkcs8' })
  return createPublicKey(key).export({ format: 'der', type: 'spki' }).subarray(-32).toString('hex')
}
const ed25519Point = (seed: string) => rawPublicKey('302e020100300506032b657004220420', seed)
const k256Point = (scalar: string) => hex(secp256k1.getPublicKey(bytes(scalar)))
/** r ‖ s ‖ v over Keccak-256 of the message. */
const signed = (secret: string, message: Uint8Array) => {
  const signature = secp256k1.sign(keccak_256(message), bytes(secret), { prehash: false, format: 'recovered' })
  return hex(Uint8Array.from([...signature.subarray(1), signature[0]!]))
}
const join = (...parts: (string | Uint8Array)[]) => Buffer.concat(parts.map((part) => Buffer.from(part as string)))

describe('the key derivations of docs/keys.md', () => {
  it("derive a cluster's keys from its root secret", () => {
    const { cluster } = vectors
    assert.equal(mesh('cluster-signing'), cluster.signingSeed)
    assert.equal(mesh('k256-root'), cluster.k256Root)
    assert.equal(mesh('ca-root'), cluster.caRoot)
    assert.equal(ed25519Point(cluster.signingSeed), cluster.publicKey)
    assert.equal(k256Point(cluster.k256Root), cluster.k256RootPublicKey)
    assert.equal(p256Point(cluster.caRoot, 'compressed'), cluster.caRootPublicKey)

    const keys = ring.publicKeys()
    assert.equal(formatClusterId(ring.clusterId), cluster.id)
    assert.deepEqual([keys.cluster, keys.k256Root, keys.caRoot].map(hex), [
      cluster.publicKey,
      cluster.k256RootPublicKey,
      cluster.caRootPublicKey,
    ])
  })

  it('derive volumes and domains from the root secret itself, each for one app', () => {
    const { volume, domain } = vectors
    assert.equal(mesh('volume', Uint8Array.of(0), appId, volume.name), volume.key)
    assert.equal(mesh('tls', Uint8Array.of(0), appId, domain.domain), domain.key)
    assert.equal(p256Point(domain.key, 'compressed'), domain.publicKey)

    assert.equal(hex(ring.volumeKey(appId, volume.name)), volume.key)
    for (const spelled of [domain.domain, `${domain.domain.toUpperCase()}.`]) {
      assert.equal(hex(ring.domainKey(appId, spelled)), domain.key)
    }
    assert.equal(hex(p256PublicKey(ring.domainKey(appId, domain.domain))), domain.publicKey)
  })

  it("derive an app's own keys as dstack's KMS does", () => {
    const { id, ...expected } = vectors.app
    const { instanceId } = expected.diskKey
    assert.equal(dstack(vectors.cluster.k256Root, appId, 'app-key'), expected.key)
    assert.equal(k256Point(expected.key), expected.publicKey)
    const issued = join('dstack-kms-issued:', bytes(id), bytes(expected.publicKey))
    assert.equal(signed(vectors.cluster.k256Root, issued), expected.issuedSignature)
    assert.equal(dstack(vectors.cluster.caRoot, appId, 'app-ca'), expected.caKey)
    assert.equal(dhSecret(appId, 'env-encrypt-key'), expected.envKey)
    assert.equal(rawPublicKey('302e020100300506032b656e04220420', expected.envKey), expected.envPublicKey)
    assert.equal(dhSecret(appId, bytes(instanceId), 'app-disk-crypt-key'), expected.diskKey.key)
    const time = Buffer.alloc(8)
    time.writeBigUInt64BE(BigInt(expected.envSignature.timestamp))
    const head = join('dstack-env-encrypt-pubkey:', appId)
    const { k256Root } = vectors.cluster
    assert.equal(signed(k256Root, join(head, time, bytes(expected.envPublicKey))), expected.envSignature.signature)
    assert.equal(signed(k256Root, join(head, bytes(expected.envPublicKey))), expected.envSignature.legacySignature)

    const env = ring.envPublicKey(appId, expected.envSignature.timestamp)
    assert.deepEqual(
      [app.publicKey, app.issuedSignature, app.caKey(), app.envKey(), env.publicKey, env.signature, env.legacySignature].map(hex),
      [
        ...[expected.publicKey, expected.issuedSignature, expected.caKey, expected.envKey, expected.envPublicKey],
        ...[expected.envSignature.signature, expected.envSignature.legacySignature],
      ],
    )
    assert.equal(hex(ring.diskKey(appId, bytes(instanceId))), expected.diskKey.key)
  })

  it('derive what an app asks for, and link it to the app', () => {
    const { v0, v1, tappd, tag, attest } = vectors
    const { key } = vectors.app
    assert.equal(dstack(key, v0.path), v0.key)
    assert.equal(dstack(key, tappd.path), tappd.p256Key)
    assert.equal(hex(app.p256Key(tappd.path)), tappd.p256Key)
    for (const algorithm of ['secp256k1', 'ed25519'] as const) {
      const point = algorithm === 'ed25519' ? ed25519Point : k256Point
      const { publicKey, link } = v0[algorithm]
      assert.equal(point(v0.key), publicKey)
      assert.equal(signed(key, join(`${v0.purpose}:${publicKey}`)), link)
      const zero = app.getKey(v0.path, v0.purpose, algorithm)
      assert.deepEqual([zero.key, zero.publicKey, zero.signatureChain[0]].map(hex), [v0.key, publicKey, link])

      const one = v1[algorithm]
      assert.equal(kdf('dstack-guest-v1', key, lp('dstack-guest-v1-key', algorithm, v1.domain)), one.key)
      assert.equal(point(one.key), one.publicKey)
      assert.equal(signed(key, lp('dstack-guest-v1-key-claim', algorithm, v1.domain, bytes(one.publicKey))), one.link)
      const made = app.getKeyV1(v1.domain, algorithm)
      assert.deepEqual([made.key, made.publicKey, made.signatureChain[0]].map(hex), [one.key, one.publicKey, one.link])
    }
    assert.equal(hex(blake2b(join(tag.tag), { key: bytes(key), dkLen: 32 })), tag.key)
    assert.equal(hex(app.tagKey(tag.tag)), tag.key)
    assert.equal(hex(keccak_256(join(attest.tag, bytes(attest.data)))), attest.appData)
    const link = signed(key, join('attest', bytes(attest.appData)))
    assert.equal((Number.parseInt(link.slice(128), 16) + 27).toString(16) + link.slice(0, 128), attest.signature)
    assert.equal(hex(appDataOf(attest.tag, bytes(attest.data))), attest.appData)
    assert.equal(hex(app.attestAppData(bytes(attest.appData))), attest.signature)
  })

  it('end in CA certificates of which every member makes the same bytes, today as ever', async () => {
    const certificates = new AppCertificates(ring, appId, { clock: systemClock, random: systemRandom })
    const { chain } = await certificates.issue({ subject: '', altNames: ['a.example'], serverAuth: true, clientAuth: false })
    const fingerprint = (pem: string) => new X509Certificate(pem).fingerprint256.replaceAll(':', '').toLowerCase()
    assert.equal(fingerprint(chain[1]!), vectors.app.caCertificateSha256)
    assert.equal(fingerprint(chain[2]!), vectors.cluster.caRootCertificateSha256)
  })
})
