import assert from 'node:assert/strict'
import fc from 'fast-check'
import { hpkeSealer, type SealingKey } from '../../../protocols/onboard/sealer.ts'
import { systemRandom } from '../../../src/base/index.ts'

const sealer = hpkeSealer(systemRandom)
const secret = new Uint8Array(64).fill(7)
const aad = new Uint8Array(32).fill(9)

describe('a seal', () => {
  let key: SealingKey
  beforeEach(async () => {
    key = await sealer.generate()
  })
  afterEach(() => key.wipe())

  it('of one secret to one key is another each time, also of many made at once', async () => {
    const seals = await Promise.all(Array.from({ length: 500 }, () => sealer.seal(key.publicKey, secret, aad)))
    // ML-KEM's ciphertext and X25519's key are fresh each by itself: neither half is ever seen twice.
    const halves = seals.flatMap(({ enc }) => [enc.subarray(0, 1088), enc.subarray(1088)])
    for (const parts of [halves, seals.map(({ ciphertext }) => ciphertext)]) {
      assert.equal(new Set(parts.map((part) => Buffer.from(part).toString('hex'))).size, parts.length)
    }
    const { enc, ciphertext } = seals.at(-1)!
    assert.deepEqual(await key.open(enc, ciphertext, aad), secret)
  }).timeout(20_000)

  it('of which any bit was turned over, or any end cut off, is not opened (property)', async () => {
    const { enc, ciphertext } = await sealer.seal(key.publicKey, secret, aad)
    const whole = Buffer.concat([enc, ciphertext, aad])
    const split = (bytes: Uint8Array) =>
      [
        bytes.subarray(0, enc.length),
        bytes.subarray(enc.length, enc.length + ciphertext.length),
        bytes.subarray(enc.length + ciphertext.length),
      ] as const
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: whole.length * 8 - 1 }), async (bit) => {
        const changed = Uint8Array.from(whole)
        changed[bit >> 3]! ^= 1 << (bit & 7)
        await assert.rejects(key.open(...split(changed)))
      }),
      { numRuns: 300 },
    )
    for (let cut = 1; cut <= 16; cut++) {
      await assert.rejects(key.open(enc, ciphertext.subarray(0, -cut), aad))
      await assert.rejects(key.open(enc.subarray(0, -cut), ciphertext, aad))
    }
  }).timeout(20_000)

  it('is for one key only', async () => {
    const { enc, ciphertext } = await sealer.seal(key.publicKey, secret, aad)
    const other = await sealer.generate()
    await assert.rejects(other.open(enc, ciphertext, aad))
    other.wipe()
  })
})
