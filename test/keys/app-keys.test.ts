import assert from 'node:assert/strict'
import { createHash, createPublicKey, verify as cryptoVerify } from 'node:crypto'
import { secp256k1 } from '@noble/curves/secp256k1.js'
import { keccak_256 } from '@noble/hashes/sha3.js'
import { appDataOf } from '../../src/keys/app-keys.ts'
import { Keyring } from '../../src/keys/keyring.ts'
import { verifySignature } from '../../src/keys/verify.ts'
import { bytes, hex, V0_VECTOR, V1_VECTORS, VMS_PUBLIC_KEYS, vectorApp } from './vectors.ts'

const keyring = Keyring.fromSecrets([{ epoch: 0, secret: new Uint8Array(32).fill(7) }])
const appId = bytes('00112233445566778899aabbccddeeff00112233')
const text = (value: string) => new TextEncoder().encode(value)

/** What a relying party does: recover the signer of r ‖ s ‖ v, refusing a high S. */
const recover = (message: Uint8Array, link: Uint8Array): string => {
  const signature = secp256k1.Signature.fromBytes(link.subarray(0, 64), 'compact')
  assert.equal(signature.hasHighS(), false)
  return hex(signature.addRecoveryBit(link[64]!).recoverPublicKey(keccak_256(message)).toBytes(true))
}
const lp = (part: Uint8Array) => Buffer.concat([Buffer.from([0, 0, part.length >> 8, part.length & 255]), part])

const checkIssued = (appKey: string, link: Uint8Array, id: Uint8Array) => {
  const message = Buffer.concat([text('dstack-kms-issued:'), id, bytes(appKey)])
  assert.equal(recover(message, link), hex(keyring.publicKeys().k256Root))
}

describe('app keys', () => {
  it("give dstack's v0 vector, key and chain", () => {
    const { key, signatureChain } = vectorApp().getKey(V0_VECTOR.path, V0_VECTOR.purpose, 'secp256k1')
    assert.equal(hex(key), V0_VECTOR.key)
    assert.equal(hex(signatureChain[0]), V0_VECTOR.link)
  })

  for (const vector of V1_VECTORS) {
    it(`give dstack's v1 vector for ${JSON.stringify(vector.domain)} and ${vector.algorithm}`, () => {
      const { key, publicKey, signatureChain } = vectorApp().getKeyV1(vector.domain, vector.algorithm)
      assert.equal(hex(key), vector.key)
      assert.equal(hex(publicKey), vector.publicKey)
      if ('link' in vector) assert.equal(hex(signatureChain[0]), vector.link)
    })
  }

  it("sign with the keys whose public keys dstack's DIP-1 vectors commit to", () => {
    const base64url = (value: Uint8Array) => Buffer.from(value).toString('base64url')
    assert.equal(base64url(vectorApp().sign('ed25519', text('x')).publicKey), VMS_PUBLIC_KEYS.ed25519)
    assert.equal(base64url(vectorApp().sign('secp256k1', text('x')).publicKey), VMS_PUBLIC_KEYS.secp256k1)
  })

  it('serve one secret on both curves in v0, and take the default and the alias', () => {
    const app = keyring.app(appId)
    const key = hex(app.getKey('p', '', 'secp256k1').key)
    for (const algorithm of ['', 'k256', 'ed25519']) assert.equal(hex(app.getKey('p', 'whatever', algorithm).key), key)
    for (const algorithm of ['secp256k1_prehashed', 'rsa', 'SECP256K1', ' ']) {
      assert.throws(() => app.getKey('p', '', algorithm), { code: 'unsupported_algorithm' })
    }
  })

  it('take no default and no alias in v1', () => {
    for (const algorithm of ['', 'k256', 'secp256k1_prehashed']) {
      assert.throws(() => keyring.app(appId).getKeyV1('d', algorithm), { code: 'unsupported_algorithm' })
    }
  })

  for (const algorithm of ['secp256k1', 'ed25519']) {
    it(`are proved by a v0 chain that an independent verifier accepts (${algorithm})`, () => {
      const { publicKey, signatureChain } = keyring.app(appId).getKey('wallet', 'p:q', algorithm)
      const appKey = recover(text(`p:q:${hex(publicKey)}`), signatureChain[0])
      checkIssued(appKey, signatureChain[1], appId)
      assert.throws(() => checkIssued(appKey, signatureChain[1], new Uint8Array(20)))
    })

    it(`are proved by a v1 chain that an independent verifier accepts (${algorithm})`, () => {
      const { publicKey, signatureChain } = keyring.app(appId).getKeyV1('wallet', algorithm)
      const claim = Buffer.concat([text('dstack-guest-v1-key-claim'), text(algorithm), text('wallet'), publicKey].map(lp))
      checkIssued(recover(claim, signatureChain[0]), signatureChain[1], appId)
    })
  }

  it('sign in every mode what another library verifies', () => {
    const app = keyring.app(appId)
    const data = text('payload')
    const digest = createHash('sha256').update(data).digest()
    const plain = app.sign('secp256k1', data)
    assert.equal(secp256k1.verify(plain.signature, data, plain.publicKey), true)
    assert.equal(hex(app.sign('k256', data).signature), hex(plain.signature))
    assert.equal(hex(app.sign('secp256k1_prehashed', digest).signature), hex(plain.signature))
    const edwards = app.sign('ed25519', data)
    const spki = Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), edwards.publicKey])
    assert.equal(cryptoVerify(null, data, createPublicKey({ key: spki, format: 'der', type: 'spki' }), edwards.signature), true)
    for (const signed of [plain, edwards]) {
      assert.equal(signed.signature.length, 64)
      assert.equal(hex(signed.signatureChain[0]), hex(signed.signature))
      const appKey = recover(text(`signing:${hex(signed.publicKey)}`), signed.signatureChain[1])
      checkIssued(appKey, signed.signatureChain[2], appId)
    }
    assert.throws(() => app.sign('', data), { code: 'unsupported_algorithm' })
    assert.throws(() => app.sign('secp256k1_prehashed', data), { message: /received 7 bytes/ })
  })

  it('are another set for another app, another epoch, another path', () => {
    const two = Keyring.fromSecrets([
      { epoch: 0, secret: new Uint8Array(32).fill(7) },
      { epoch: 1, secret: new Uint8Array(32).fill(8) },
    ])
    const keys = [
      two.app(appId).getKey('a').key,
      two.app(appId).getKey('b').key,
      two.app(new Uint8Array(20)).getKey('a').key,
      two.app(appId, 1).getKey('a').key,
      two.app(appId).getKeyV1('a', 'secp256k1').key,
      two.app(appId).tagKey('a'),
      two.app(appId).p256Key('b/2'),
    ]
    assert.equal(new Set(keys.map(hex)).size, keys.length)
    assert.equal(hex(two.app(appId).getKey('a').key), hex(keyring.app(appId).getKey('a').key))
  })

  it('attest app data as ecrecover wants it', () => {
    const app = keyring.app(appId)
    const appData = appDataOf('tag', bytes('0102'))
    assert.equal(hex(appData), hex(keccak_256(Buffer.concat([text('tag'), bytes('0102')]))))
    const signature = app.attestAppData(appData)
    assert.equal(signature.length, 65)
    assert.ok(signature[0] === 27 || signature[0] === 28)
    const link = Uint8Array.from([...signature.subarray(1), signature[0]! - 27])
    assert.equal(recover(Buffer.concat([text('attest'), appData]), link), hex(app.publicKey))
  })

  it('take names of any bytes, up to a length', () => {
    const app = keyring.app(appId)
    for (const name of ['', '\0', 'é', 'x'.repeat(65_536)]) assert.equal(app.getKey(name, name).key.length, 32)
    const long = 'é'.repeat(32_769)
    for (const use of [
      () => app.getKey(long),
      () => app.getKey('', long),
      () => app.getKeyV1(long, 'ed25519'),
      () => app.p256Key(long),
      () => app.tagKey(long),
    ]) {
      assert.throws(use, { code: 'bad_length' })
    }
  })

  it('answer nothing once they are wiped', () => {
    const app = Keyring.fromSecrets([{ epoch: 0, secret: new Uint8Array(32).fill(9) }]).app(appId)
    app.sign('ed25519', text('x'))
    app.wipe()
    for (const use of [
      () => app.getKey('a'),
      () => app.getKeyV1('a', 'ed25519'),
      () => app.sign('ed25519', text('x')),
      () => app.p256Key('a'),
      () => app.tagKey('a'),
      () => app.attestAppData(new Uint8Array(32)),
      () => app.caKey(),
      () => app.envKey(),
    ]) {
      assert.throws(use, { code: 'wiped' })
    }
  })
})

describe('verifySignature', () => {
  const app = keyring.app(appId)
  const data = text('payload')

  it('accepts what Sign made and refuses what differs by a bit', () => {
    for (const algorithm of ['secp256k1', 'k256', 'ed25519']) {
      const { signature, publicKey } = app.sign(algorithm, data)
      assert.equal(verifySignature(algorithm, data, signature, publicKey), true)
      assert.equal(verifySignature(algorithm, text('payloae'), signature, publicKey), false)
      const other = Uint8Array.from(signature)
      other[10]! ^= 1
      assert.equal(verifySignature(algorithm, data, other, publicKey), false)
    }
  })

  it('takes an uncompressed public key, and no hybrid one', () => {
    const { signature, publicKey } = app.sign('secp256k1', data)
    const uncompressed = secp256k1.Point.fromBytes(publicKey).toBytes(false)
    assert.equal(verifySignature('secp256k1', data, signature, uncompressed), true)
    const hybrid = Uint8Array.from(uncompressed)
    hybrid[0] = 6 + (uncompressed[64]! & 1)
    assert.throws(() => verifySignature('secp256k1', data, signature, hybrid), { code: 'malformed' })
  })

  it('pads and cuts pre-hashed data as dstack does, and says false below 16 bytes', () => {
    const digest = bytes('00'.repeat(16) + 'ab'.repeat(16))
    const { signature, publicKey } = app.sign('secp256k1_prehashed', digest)
    const check = (value: Uint8Array) => verifySignature('secp256k1_prehashed', value, signature, publicKey)
    assert.equal(check(digest), true)
    assert.equal(check(digest.subarray(16)), true)
    assert.equal(check(Uint8Array.from([...digest, 1, 2, 3])), true)
    assert.equal(check(digest.subarray(17)), false)
  })

  it('answers false to a high S and throws on what is malformed', () => {
    const { signature, publicKey } = app.sign('secp256k1', data)
    const n = secp256k1.Point.Fn.ORDER
    const s = BigInt(`0x${hex(signature.subarray(32))}`)
    const twin = Uint8Array.from([...signature.subarray(0, 32), ...bytes((n - s).toString(16).padStart(64, '0'))])
    assert.equal(verifySignature('secp256k1', data, twin, publicKey), false)
    const zero = Uint8Array.from([...new Uint8Array(32), ...signature.subarray(32)])
    const beyond = Uint8Array.from([...signature.subarray(0, 32), ...bytes(n.toString(16))])
    for (const broken of [zero, beyond, signature.subarray(1), new Uint8Array(0), Uint8Array.from([...signature, 0])]) {
      assert.throws(() => verifySignature('secp256k1', data, broken, publicKey), { code: 'malformed' })
      assert.throws(() => verifySignature('secp256k1_prehashed', new Uint8Array(3), broken, publicKey), { code: 'malformed' })
    }
    for (const broken of [new Uint8Array(33), publicKey.subarray(1), new Uint8Array(0)]) {
      assert.throws(() => verifySignature('secp256k1', data, signature, broken), { code: 'malformed' })
    }
    assert.throws(() => verifySignature('ed25519', data, signature, new Uint8Array(31)), { code: 'malformed' })
    assert.throws(() => verifySignature('ed25519', data, signature.subarray(1), new Uint8Array(32)), { code: 'malformed' })
    assert.throws(() => verifySignature('ed25519', data, signature, new Uint8Array(32).fill(255)), { code: 'malformed' })
    assert.throws(() => verifySignature('', data, signature, publicKey), { code: 'unsupported_algorithm' })
  })
})
