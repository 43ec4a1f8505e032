import assert from 'node:assert/strict'
import fc from 'fast-check'
import {
  decodeRefusal,
  encodeRefusal,
  MalformedError,
  REFUSAL_ADDRESS_BYTES_MAX,
  REFUSAL_ADDRESSES_MAX,
  REFUSAL_CODES,
  RETRY_AFTER_MAX_MS,
  type Refusal,
  RefusalError,
} from '../../../protocols/wire/index.ts'
import { RefusalCodeNumber } from '../../../protocols/wire/refusal.pb.ts'
import { bytesOf, len, uint } from './protobuf.ts'

describe('refusals', () => {
  it('come back as they were sent, every code', () => {
    for (const code of REFUSAL_CODES) assert.deepEqual(decodeRefusal(encodeRefusal({ code })), { code })
  })

  it('number the codes in the order of the list, from 1', () => {
    for (const [index, code] of REFUSAL_CODES.entries()) assert.deepEqual(encodeRefusal({ code }), uint(1, index + 1))
    const names = Object.values(RefusalCodeNumber).filter((value) => typeof value === 'string')
    assert.deepEqual(names, ['unspecified', ...REFUSAL_CODES])
  })

  it('carry a retry-after and addresses', () => {
    const refusal: Refusal = { code: 'busy', retryAfterMs: 1500, addresses: ['/ip4/192.0.2.1/tcp/4001', '/dns4/a.example/tcp/1'] }
    assert.deepEqual(decodeRefusal(encodeRefusal(refusal)), refusal)
  })

  it('without a code, with an unspecified or with an unknown one are malformed', () => {
    for (const bytes of [
      new Uint8Array(0),
      uint(1, 0),
      uint(1, REFUSAL_CODES.length + 1),
      uint(1, 2 ** 31),
      uint(1, 2n ** 64n - 1n),
    ]) {
      assert.throws(() => decodeRefusal(bytes), MalformedError)
    }
  })

  it('offer eight addresses at most, each of bounded length', () => {
    const many = Array.from({ length: REFUSAL_ADDRESSES_MAX + 1 }, (_, index) => `/ip4/192.0.2.${index}/tcp/1`)
    assert.equal(decodeRefusal(encodeRefusal({ code: 'busy', addresses: many })).addresses?.length, REFUSAL_ADDRESSES_MAX)
    const field = (text: string) => len(3, Buffer.from(text))
    decodeRefusal(bytesOf(uint(1, 4), ...many.slice(1).map(field)))
    assert.throws(() => decodeRefusal(bytesOf(uint(1, 4), ...many.map(field))), MalformedError)
    decodeRefusal(bytesOf(uint(1, 4), field('a'.repeat(REFUSAL_ADDRESS_BYTES_MAX))))
    assert.throws(() => decodeRefusal(bytesOf(uint(1, 4), field('a'.repeat(REFUSAL_ADDRESS_BYTES_MAX + 1)))), MalformedError)
    assert.throws(() => decodeRefusal(bytesOf(uint(1, 4), field(''))), MalformedError)
  })

  it('cannot keep anybody away for longer than ten minutes', () => {
    assert.equal(decodeRefusal(bytesOf(uint(1, 5), uint(2, 0xffff_ffff))).retryAfterMs, RETRY_AFTER_MAX_MS)
    assert.throws(() => decodeRefusal(bytesOf(uint(1, 5), uint(2, 2 ** 32))), MalformedError)
  })

  it('carry no text: what an error says is the code', () => {
    const error = new RefusalError(decodeRefusal(bytesOf(uint(1, 9), len(4, Buffer.from('because of this secret')))))
    assert.equal(error.code, 'bad_binding')
    assert.equal(error.message, 'refused: bad_binding')
  })

  it('never make the decoder throw anything but MalformedError', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        try {
          assert.ok(REFUSAL_CODES.includes(decodeRefusal(bytes).code))
        } catch (error) {
          if (!(error instanceof MalformedError)) throw error
        }
      }),
      { numRuns: 2_000 },
    )
  })
})
