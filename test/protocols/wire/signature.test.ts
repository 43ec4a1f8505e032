import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { ED25519_TORSION_SUBGROUP, ed25519 } from '@noble/curves/ed25519.js'
import fc from 'fast-check'
import { clusterSignedBytes, peerSignedBytes, verifyEd25519 } from '../../../protocols/wire/index.ts'
import { flipped, hex, unhex } from '../support.ts'

const seed = new Uint8Array(32).fill(5)
const publicKey = ed25519.getPublicKey(seed)
const message = Buffer.from('what was signed')
const signature = ed25519.sign(message, seed)
const L = ed25519.Point.Fn.ORDER

const littleEndian = (bytes: Uint8Array): bigint => BigInt(`0x${hex(Uint8Array.from(bytes).reverse())}`)
const scalarBytes = (value: bigint): Uint8Array => unhex(value.toString(16).padStart(64, '0')).reverse()

describe('the bytes that a key signs', () => {
  it('are domain, zero, context, zero, bytes', () => {
    assert.equal(Buffer.from(clusterSignedBytes('genesis', unhex('ff'))).toString('latin1'), 'dstack-mesh/sig/1\0genesis\0\xff')
    assert.equal(
      Buffer.from(peerSignedBytes('credential', unhex('ff'))).toString('latin1'),
      'dstack-mesh/peer/1\0credential\0\xff',
    )
  })

  it('differ between contexts and between the two kinds of key', () => {
    const all = [
      ...(['genesis', 'credential', 'onboard-challenge', 'file-anchor'] as const).map((context) =>
        clusterSignedBytes(context, message),
      ),
      ...(['credential', 'challenge-answer'] as const).map((context) => peerSignedBytes(context, message)),
    ]
    assert.equal(new Set(all.map(hex)).size, all.length)
  })
})

describe('an ed25519 signature', () => {
  it('holds for the key and the bytes that it was made with, and for no others', () => {
    assert.equal(verifyEd25519(publicKey, message, signature), true)
    for (let index = 0; index < 64; index++) assert.equal(verifyEd25519(publicKey, message, flipped(signature, index)), false)
    for (let index = 0; index < 32; index++) assert.equal(verifyEd25519(flipped(publicKey, index), message, signature), false)
    assert.equal(verifyEd25519(publicKey, message.subarray(1), signature), false)
  })

  it('of RFC 8032, test 2, holds', () => {
    const key = unhex('3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c')
    const good = unhex(
      '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
    )
    assert.equal(verifyEd25519(key, unhex('72'), good), true)
  })

  it('with S beyond the order of the group does not hold', () => {
    const s = littleEndian(signature.subarray(32)) + L
    assert.equal(verifyEd25519(publicKey, message, Uint8Array.from([...signature.subarray(0, 32), ...scalarBytes(s)])), false)
  })

  it('under a key of small order never holds, though the equation may', () => {
    for (const key of ED25519_TORSION_SUBGROUP.map(unhex)) {
      // R = identity and S = 0 solve the equation for every message whose k is a multiple of 8.
      for (let tries = 0; tries < 32; tries++) {
        const signed = Uint8Array.of(tries)
        assert.equal(verifyEd25519(key, signed, Uint8Array.from([1, ...new Uint8Array(63)])), false)
      }
    }
  })

  it('that holds only after multiplying by the cofactor does not hold', () => {
    // Whoever has the key can make these; implementations with and without the cofactor would disagree about them.
    const { scalar } = ed25519.utils.getExtendedPublicKey(seed)
    const torsion = ed25519.Point.fromBytes(unhex(ED25519_TORSION_SUBGROUP[1]!))
    const r = 0x1234_5678n
    const R = ed25519.Point.BASE.multiply(r).add(torsion).toBytes()
    const k = littleEndian(createHash('sha512').update(R).update(publicKey).update(message).digest()) % L
    const mixed = Uint8Array.from([...R, ...scalarBytes((r + k * scalar) % L)])
    assert.equal(
      ed25519.verify(mixed, message, publicKey),
      true,
      'the cofactored equation does not hold either: this test shows nothing',
    )
    assert.equal(verifyEd25519(publicKey, message, mixed), false)
  })

  it('under a key that is no canonical point does not hold', () => {
    for (const key of ['ff'.repeat(32), `ed${'ff'.repeat(30)}7f`, `02${'00'.repeat(31)}`, `01${'00'.repeat(30)}80`]) {
      assert.equal(verifyEd25519(unhex(key), message, signature), false)
    }
  })

  it('of any bytes makes no exception', () => {
    const any = (maxLength: number) =>
      fc.oneof(fc.uint8Array({ minLength: maxLength, maxLength }), fc.uint8Array({ maxLength: 100 }))
    fc.assert(
      fc.property(any(32), fc.uint8Array({ maxLength: 20 }), any(64), (key, signed, sig) => {
        assert.equal(verifyEd25519(key, signed, sig), false)
      }),
    )
  })
})
