import assert from 'node:assert/strict'
import { createECDH } from 'node:crypto'
import { createRequire } from 'node:module'
import { secp256k1 as noble } from '@noble/curves/secp256k1.js'
import fc from 'fast-check'
import { SECP256K1_ORDER } from '../../src/keys/scalar.ts'
import { isSecp256k1Secret, nativeSecp256k1, nobleSecp256k1, secp256k1 } from '../../src/keys/secp256k1.ts'
import { bytes, hex } from './vectors.ts'

const secrets = fc.uint8Array({ minLength: 32, maxLength: 32 }).filter(isSecp256k1Secret)
const digests = fc.oneof(
  fc.uint8Array({ minLength: 32, maxLength: 32 }),
  // Beyond the group order, which a caller of secp256k1_prehashed may choose.
  fc.uint8Array({ minLength: 15, maxLength: 15 }).map((tail) => Uint8Array.from([...new Uint8Array(17).fill(255), ...tail])),
  fc.constant(Uint8Array.from(SECP256K1_ORDER)),
  fc.constant(new Uint8Array(32)),
)

describe('secp256k1', () => {
  const native = nativeSecp256k1()

  before(function () {
    // The package has prebuilt binaries for these; elsewhere noble is all there is and nothing can be compared.
    const prebuilt = ['linux-x64', 'darwin-arm64', 'win32-x64'].includes(`${process.platform}-${process.arch}`)
    assert.equal(native !== undefined, prebuilt, 'the prebuilt engine loads exactly where the package carries it')
    if (native === undefined) this.skip()
  })

  it('uses libsecp256k1 where there is a prebuilt binary, never elliptic', () => {
    assert.equal(secp256k1().name, 'native')
    const loaded = Object.keys(createRequire(import.meta.url).cache)
    assert.ok(loaded.some((path) => path.includes('node_modules/secp256k1/bindings.js')))
    assert.deepEqual(
      loaded.filter((path) => path.includes('node_modules/elliptic')),
      [],
    )
  })

  it('gives the same bytes by libsecp256k1, noble and OpenSSL', () => {
    fc.assert(
      fc.property(secrets, digests, (secret, digest) => {
        const ecdh = createECDH('secp256k1')
        ecdh.setPrivateKey(secret)
        const publicKey = hex(native!.publicKey(secret))
        assert.equal(publicKey, hex(nobleSecp256k1.publicKey(secret)))
        assert.equal(publicKey, ecdh.getPublicKey('hex', 'compressed'))
        assert.equal(hex(native!.signRecoverable(digest, secret)), hex(nobleSecp256k1.signRecoverable(digest, secret)))
      }),
      { numRuns: 60 },
    )
  })

  it('signs with RFC 6979 nonces and low S, recoverably', () => {
    fc.assert(
      fc.property(secrets, digests, (secret, digest) => {
        const signature = native!.signRecoverable(digest, secret)
        assert.equal(signature.length, 65)
        const recovered = noble.recoverPublicKey(Uint8Array.from([signature[64]!, ...signature.subarray(0, 64)]), digest, {
          prehash: false,
        })
        assert.equal(hex(recovered), hex(native!.publicKey(secret)))
        for (const engine of [native!, nobleSecp256k1]) {
          assert.equal(engine.verify(digest, signature.subarray(0, 64), native!.publicKey(secret)), true)
        }
      }),
      { numRuns: 30 },
    )
  })

  it('refuses the high-S twin of a good signature in both engines', () => {
    const secret = bytes('01'.repeat(32))
    const digest = bytes('02'.repeat(32))
    const signature = native!.signRecoverable(digest, secret).subarray(0, 64)
    const s = BigInt(`0x${hex(signature.subarray(32))}`)
    const n = BigInt(`0x${hex(SECP256K1_ORDER)}`)
    const twin = Uint8Array.from([...signature.subarray(0, 32), ...bytes((n - s).toString(16).padStart(64, '0'))])
    for (const engine of [native!, nobleSecp256k1]) assert.equal(engine.verify(digest, twin, engine.publicKey(secret)), false)
  })

  it('throws in both engines on a public key that is no point', () => {
    const broken = Uint8Array.from([2, ...new Uint8Array(32).fill(255)])
    for (const engine of [native!, nobleSecp256k1]) {
      assert.throws(() => engine.verify(new Uint8Array(32), new Uint8Array(64).fill(1), broken))
    }
  })
})
