import assert from 'node:assert/strict'
import { hkdfSync } from 'node:crypto'
import { fieldList, utf8 } from '../../protocols/wire/bytes.ts'
import { deriveBytes, deriveScalar, dstackKey } from '../../src/keys/derive.ts'
import { dstackDhSecret, p256Pkcs8 } from '../../src/keys/p256.ts'
import { isScalar, P256_ORDER, reduceDigest, SECP256K1_ORDER } from '../../src/keys/scalar.ts'
import { bytes, hex } from './vectors.ts'

const secret = bytes('00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff')
const toBigInt = (value: Uint8Array) => BigInt(`0x${hex(value)}`)
const fromBigInt = (value: bigint) => bytes(value.toString(16).padStart(64, '0'))

describe('derivation', () => {
  it('is HKDF-SHA256 under the salts of the design and of dstack', () => {
    const expected = (salt: string, info: string) => hex(new Uint8Array(hkdfSync('sha256', secret, salt, info, 32)))
    assert.equal(hex(deriveBytes(secret, [utf8('cluster-signing')])), expected('dstack-mesh/v1', 'cluster-signing'))
    assert.equal(hex(dstackKey(secret, [utf8('a'), utf8('bc')])), expected('RATLS', 'abc'))
  })

  it('takes an info of any length, where hkdfSync stops at 1024 bytes', () => {
    const long = utf8('x'.repeat(5000))
    assert.throws(() => hkdfSync('sha256', secret, 'RATLS', long, 32))
    assert.notEqual(hex(dstackKey(secret, [long])), hex(dstackKey(secret, [long.subarray(1)])))
  })

  it('derives a scalar again with a counter while it is out of range', () => {
    const label = [utf8('k256-root')]
    const first = deriveBytes(secret, label)
    const third = deriveBytes(secret, [utf8('k256-root'), Uint8Array.of(0, 2)])
    let tries = 0
    assert.equal(hex(deriveScalar(secret, label, () => true)), hex(first))
    assert.equal(hex(deriveScalar(secret, label, () => ++tries === 3)), hex(third))
    assert.throws(() => deriveScalar(secret, label, () => false), { code: 'no_scalar' })
  })

  it("gives dstack's vector of derive_dh_secret", () => {
    const root = bytes('f57527cea4ab7ffb49af99b158cdc0e3ec06398f528349ea236b7d2afe19cec1')
    assert.equal(
      hex(dstackDhSecret(root, [utf8('context one'), utf8('context two')])),
      '663afd58820be8ad645f9c035e93199d114ab16f738db62393bc1d7d623e8813',
    )
  })

  it('writes PKCS#8 as ring does: 138 bytes with the public point', () => {
    const der = p256Pkcs8(secret)
    assert.equal(der.length, 138)
    assert.equal(hex(der.subarray(0, 3)), '308187')
  })

  it('knows the scalars of both groups', () => {
    for (const order of [SECP256K1_ORDER, P256_ORDER]) {
      const n = toBigInt(order)
      for (const [value, expected] of [
        [0n, false],
        [1n, true],
        [n - 1n, true],
        [n, false],
        [n + 1n, false],
        [2n ** 256n - 1n, false],
        [2n ** 255n, true],
      ] as const) {
        assert.equal(isScalar(fromBigInt(value), order), expected, String(value))
        assert.equal(toBigInt(reduceDigest(fromBigInt(value), order)), value % n)
      }
      assert.equal(isScalar(new Uint8Array(31).fill(1), order), false)
      assert.equal(isScalar(new Uint8Array(33).fill(1), order), false)
    }
  })

  it('joins fields with their lengths, so that no two lists give one info', () => {
    assert.notEqual(hex(fieldList([utf8('a'), utf8('bc')])), hex(fieldList([utf8('ab'), utf8('c')])))
  })
})
