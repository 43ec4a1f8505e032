import assert from 'node:assert/strict'
import fc from 'fast-check'
import { Evidence } from '../../../protocols/records/evidence.pb.ts'
import { decodeEvidence, encodeEvidence } from '../../../protocols/records/index.ts'
import { MemberRecord } from '../../../protocols/records/member.pb.ts'
import { decodeStrict, exactly, MalformedError, type MessageShape } from '../../../protocols/wire/index.ts'
import { bytesOf, key, len, longVarint, uint, varint } from './protobuf.ts'

/** Records as literals are: with a prototype. */
const record = <T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }) => fc.record<T>(model, { noNullPrototype: true })

/** Gives back what it was asked to decode, and counts. */
const spyCodec = () => {
  const seen: Uint8Array[] = []
  return { seen, decode: (bytes: Uint8Array) => seen.push(bytes) }
}

const inner: MessageShape = { 1: { name: 'id', ...exactly(4) }, 2: { name: 'count', type: 'uint', max: 300n } }
const shape: MessageShape = {
  1: { name: 'hash', ...exactly(4) },
  2: { name: 'name', type: 'text', min: 1, max: 8, optional: true },
  3: { name: 'inner', type: 'message', shape: inner, repeated: { max: 3 } },
  4: { name: 'left', type: 'bytes', min: 0, max: 4, oneof: 'side' },
  5: { name: 'right', type: 'message', shape: {}, oneof: 'side' },
  6: { name: 'big', type: 'uint' },
}
const hash = len(1, [1, 2, 3, 4])
const left = len(4, [9])
const decode = (bytes: Uint8Array, of: MessageShape = shape) => {
  const codec = spyCodec()
  decodeStrict('Test', codec, of, bytes)
  return codec
}
const malformed = (bytes: Uint8Array, of: MessageShape = shape) => {
  const codec = spyCodec()
  assert.throws(() => decodeStrict('Test', codec, of, bytes), MalformedError)
  assert.equal(codec.seen.length, 0, 'the codec has seen a message that is malformed')
}

/** The fields of a message, in nothing but bigints; those of number 3 apart, in order. */
const fieldsOf = (bytes: Uint8Array): [Map<number, bigint | Uint8Array>, Uint8Array[]] => {
  const fields = new Map<number, bigint | Uint8Array>()
  const third: Uint8Array[] = []
  let at = 0
  const number = (): bigint => {
    let value = 0n
    for (let shift = 0n; ; shift += 7n) {
      const byte = BigInt(bytes[at++]!)
      value |= (byte & 0x7fn) << shift
      if (byte < 0x80n) return value
    }
  }
  while (at < bytes.length) {
    const tag = number()
    const wire = Number(tag & 7n)
    if (wire === 0) fields.set(Number(tag >> 3n), number())
    else {
      const length = wire === 2 ? Number(number()) : wire === 1 ? 8 : 4
      const value = bytes.slice(at, at + length)
      at += length
      if (tag >> 3n === 3n) third.push(value)
      else fields.set(Number(tag >> 3n), value)
    }
  }
  return [fields, third]
}

describe('strict decoding', () => {
  it('hands a message of the right shape to the codec, once', () => {
    const message = bytesOf(hash, len(2, Buffer.from('name')), len(3, len(1, [1, 2, 3, 4]), uint(2, 300)), left, uint(6, 7))
    assert.deepEqual(decode(message).seen, [message])
  })

  it('refuses a missing field, but for numbers, optional and repeated ones', () => {
    decode(bytesOf(hash, left))
    malformed(left)
    malformed(bytesOf(hash, left, len(3, uint(2, 1))))
  })

  it('refuses a field that comes twice, and a repeated one that comes too often', () => {
    malformed(bytesOf(hash, hash, left))
    malformed(bytesOf(hash, left, uint(6, 1), uint(6, 1)))
    malformed(bytesOf(hash, left, left))
    const item = len(3, len(1, [1, 2, 3, 4]))
    decode(bytesOf(hash, left, item, item, item))
    malformed(bytesOf(hash, left, item, item, item, item))
    malformed(bytesOf(hash, left, len(3, len(1, [1, 2, 3, 4]), len(1, [1, 2, 3, 4]))))
  })

  it('refuses a oneof with no member and with two', () => {
    malformed(hash)
    malformed(bytesOf(hash, left, len(5)))
    malformed(bytesOf(hash, len(5), left))
    decode(bytesOf(hash, len(5)))
  })

  it('refuses a wrong length on either side', () => {
    for (const length of [0, 3, 5, 64]) malformed(bytesOf(len(1, new Uint8Array(length)), left))
    for (const length of [0, 9]) malformed(bytesOf(hash, left, len(2, new Uint8Array(length).fill(0x61))))
  })

  it('refuses text that is not UTF-8', () => {
    for (const bad of [[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xe2, 0x82]]) malformed(bytesOf(hash, left, len(2, bad)))
  })

  it('refuses every wrong wire type of a known field', () => {
    for (const wire of [0, 1, 3, 4, 5, 6, 7]) malformed(bytesOf(key(1, wire), [4, 1, 2, 3, 4, 0, 0, 0], left))
    for (const wire of [1, 2, 3, 4, 5, 6, 7]) malformed(bytesOf(hash, left, key(6, wire), new Uint8Array(8)))
  })

  it('refuses groups and reserved wire types also in unknown fields', () => {
    for (const wire of [3, 4, 6, 7]) malformed(bytesOf(hash, left, key(99, wire), [0]))
  })

  it('skips unknown fields of every other type', () => {
    const unknown = bytesOf(
      key(99, 1),
      new Uint8Array(8),
      key(99, 5),
      new Uint8Array(4),
      uint(99, 2n ** 64n - 1n),
      len(99, [1, 2, 3]),
    )
    decode(bytesOf(unknown, hash, unknown, left, unknown))
    decode(bytesOf(hash, left, len(0x1fff_ffff, [1])))
  })

  it('refuses field numbers that protobuf does not have', () => {
    malformed(bytesOf(hash, left, [0x00, 0x01]))
    malformed(bytesOf(hash, left, varint(0x2000_0000n << 3n), [0]))
    malformed(bytesOf(hash, left, varint(2n ** 64n - 8n), [0]))
  })

  it('refuses numbers above their maximum, and above what a JavaScript number holds', () => {
    decode(bytesOf(hash, left, uint(6, Number.MAX_SAFE_INTEGER)))
    malformed(bytesOf(hash, left, uint(6, 2n ** 53n)))
    malformed(bytesOf(hash, left, uint(6, 2n ** 64n - 1n)))
    malformed(bytesOf(hash, left, len(3, len(1, [1, 2, 3, 4]), uint(2, 301))))
  })

  it('refuses varints of more than 64 bits, of more than ten bytes, and longer than they need be', () => {
    malformed(bytesOf(hash, left, key(6, 0), [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02]))
    malformed(bytesOf(hash, left, key(6, 0), new Uint8Array(11).fill(0x80), [0]))
    for (let length = 2; length <= 10; length++) {
      malformed(bytesOf(hash, left, key(6, 0), longVarint(5, length)))
      malformed(bytesOf(hash, left, longVarint(6 << 3, length), [5]))
      malformed(bytesOf(longVarint((1 << 3) | 2, length), [4, 1, 2, 3, 4], left))
      malformed(bytesOf(key(1, 2), longVarint(4, length), [1, 2, 3, 4], left))
      malformed(bytesOf(hash, left, key(99, 0), longVarint(5, length)))
    }
  })

  it('checks the fields that the codec reads: a long varint hides none from it', () => {
    // protobuf.js' reader, from which the codec's descends, takes every varint of more than five bytes for one of ten. With
    // the six here it loses four bytes: the head of the next unknown field, inside which it then finds a quote.
    const quote = len(1, new Uint8Array(20_000))
    const message = bytesOf(
      len(1, [1]),
      len(4, len(1, Buffer.from('x'))),
      bytesOf(key(15, 2), longVarint(10, 6), new Uint8Array(10)),
      len(15, quote),
    )
    assert.equal(Evidence.decode(message).quote.length, 20_000, 'the codec is not misled: this test shows nothing')
    assert.throws(() => decodeEvidence(message), MalformedError)
  })

  it('refuses a message cut off at any byte', () => {
    const parts = [hash, len(3, len(1, [1, 2, 3, 4]), uint(2, 300)), len(99, [1, 2]), uint(6, 1_000_000), left]
    const message = bytesOf(...parts)
    for (let length = 0; length < message.length; length++) malformed(message.subarray(0, length))
  })

  it('refuses lengths that reach beyond the enclosing message, not only beyond the bytes', () => {
    // An inner message of 3 bytes whose field says it has 4.
    malformed(bytesOf(hash, key(3, 2), [3], key(1, 2), [4], [1, 2, 3, 4], left))
    malformed(bytesOf(hash, left, key(99, 2), varint(2n ** 63n), [1, 2, 3]))
    malformed(bytesOf(hash, left, key(99, 1), new Uint8Array(7)))
  })

  it('does not follow nesting deeper than the shape, and not even the shape for ever', () => {
    const recursive: Record<number, MessageShape[number]> = {}
    recursive[1] = { name: 'child', type: 'message', shape: recursive, optional: true }
    const bomb = (depth: number): Uint8Array => (depth === 0 ? new Uint8Array(0) : len(1, bomb(depth - 1)))
    decode(bomb(8), recursive)
    for (const depth of [9, 100, 1000]) malformed(bomb(depth), recursive)
    // An unknown field is a run of bytes, whatever it nests.
    decode(bytesOf(hash, left, len(99, bomb(1000))))
  })

  it('gives up on a message of more fields than any honest one has', () => {
    malformed(
      bytesOf(
        hash,
        left,
        new Uint8Array(2 * 10_001).map((_, i) => (i % 2 === 0 ? 15 << 3 : 0)),
      ),
    )
  })

  it('reads no byte twice but where text or the codec does, whatever the bytes are', () => {
    let reads = 0
    const counting = (bytes: Uint8Array): Uint8Array =>
      new Proxy(bytes, {
        get(target, property) {
          if (typeof property === 'string' && /^\d+$/.test(property)) reads++
          const value: unknown = Reflect.get(target, property, target)
          return typeof value === 'function' ? value.bind(target) : value
        },
      })
    const bombs = [
      new Uint8Array(100_000).fill(0x80),
      new Uint8Array(100_000).fill(0xff),
      new Uint8Array(100_000).fill(0x1a),
      bytesOf(...Array.from({ length: 9_000 }, () => len(99, [1]))),
      bytesOf(...Array.from({ length: 3 }, () => len(3, ...Array.from({ length: 2_000 }, () => uint(99, 1))))),
    ]
    for (const bomb of bombs) {
      reads = 0
      assert.throws(() => decodeStrict('Test', spyCodec(), shape, counting(bomb)), MalformedError)
      assert.ok(reads <= bomb.length, `${reads} reads of ${bomb.length} bytes`)
    }
  })

  it('throws nothing but MalformedError on random bytes', () => {
    const evidenceOrMalformed = (bytes: Uint8Array) => {
      try {
        decodeEvidence(bytes)
      } catch (error) {
        if (!(error instanceof MalformedError)) throw error
      }
    }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => {
        evidenceOrMalformed(bytes)
      }),
      { numRuns: 2_000 },
    )
  })

  it('has the codec read what a reader of another make does, of any mixture of fields that it lets pass', () => {
    const member: MessageShape = {
      1: { name: 'cluster_id', ...exactly(2) },
      2: { name: 'peer_id', ...exactly(3) },
      3: { name: 'addresses', type: 'bytes', min: 1, max: 3, repeated: { max: 2 } },
      4: { name: 'public', type: 'uint', max: 1n },
      5: { name: 'epoch', type: 'uint', max: 0xffff_ffffn },
      6: { name: 'sequence', type: 'uint', max: 0xffff_ffff_ffff_ffffn },
      7: { name: 'state', type: 'uint', max: 2n },
      8: { name: 'credential', type: 'bytes', min: 1, max: 4 },
      9: { name: 'sent_at', type: 'uint' },
    }
    // Where numbers, lengths and signs of one width end and those of the next begin.
    const edges = [0, 1, 7, 28, 31, 32, 49, 53, 56, 63, 64].flatMap((bits) => [2n ** BigInt(bits) - 1n, 2n ** BigInt(bits)])
    const number = fc.oneof(fc.constantFrom(...edges.filter((edge) => edge < 2n ** 64n)), fc.nat(300).map(BigInt))
    const field = fc.oneof(fc.integer({ min: 1, max: 12 }), fc.constantFrom(0, 15, 16, 2 ** 29 - 1, 2 ** 29, 2 ** 32 + 1))
    const few = fc.uint8Array({ maxLength: 9 })
    const part = fc.oneof(
      fc.tuple(fc.constantFrom(4, 5, 6, 7, 9, 10), number).map(([name, value]) => uint(name, value)),
      fc.tuple(fc.constantFrom(3, 3, 11), fc.uint8Array({ minLength: 1, maxLength: 3 })).map(([name, value]) => len(name, value)),
      fc.tuple(field, fc.nat(7), few).map(([name, wire, rest]) => bytesOf(key(name, wire), rest)),
      fc.tuple(field, number, few).map(([name, length, rest]) => bytesOf(key(name, 2), varint(length), rest)),
      fc
        .tuple(fc.nat(200), fc.integer({ min: 3, max: 10 }))
        .map(([value, length]) => bytesOf(longVarint((6 << 3) | 0, length), varint(value))),
    )
    const whole = [len(1, [1, 2]), len(2, [3, 4, 5]), len(8, [6])]
    const mixture = fc
      .array(part, { maxLength: 4 })
      .chain((parts) => fc.shuffledSubarray([...whole, ...parts], { minLength: whole.length + parts.length }))
    let passed = 0
    fc.assert(
      fc.property(mixture, (parts) => {
        const bytes = bytesOf(...parts)
        let read: MemberRecord
        try {
          read = decodeStrict('MemberRecord', MemberRecord, member, bytes)
        } catch (error) {
          if (error instanceof MalformedError) return
          throw error
        }
        passed++
        const [fields, addresses] = fieldsOf(bytes)
        const { clusterId, peerId, epoch, sequence, state, credential, sentAt } = read
        assert.deepEqual(
          [clusterId, peerId, credential],
          [1, 2, 8].map((name) => fields.get(name)),
        )
        assert.deepEqual(read.addresses, addresses)
        const states = ['unspecified', 'active', 'leaving'].indexOf(state)
        assert.deepEqual(
          [read.public ? 1n : 0n, BigInt(epoch), sequence, BigInt(states), BigInt(sentAt)],
          [4, 5, 6, 7, 9].map((name) => fields.get(name) ?? 0n),
        )
      }),
      { numRuns: 3_000 },
    )
    assert.ok(passed > 300, `${passed} passed`)
  })

  it('turns whatever the codec throws into MalformedError', () => {
    const codec = {
      decode: (): never => {
        throw new RangeError('index out of range')
      },
    }
    assert.throws(() => decodeStrict('Test', codec, {}, new Uint8Array(0)), MalformedError)
    const rude = {
      decode: (): never => {
        throw 'not even an error'
      },
    }
    assert.throws(() => decodeStrict('Test', rude, {}, new Uint8Array(0)), MalformedError)
  })

  it('accepts what the codec writes, and after any one byte was changed never a value out of bounds', () => {
    const evidence = record({
      quote: fc.uint8Array({ minLength: 1, maxLength: 60 }),
      eventLog: fc.array(record({ name: fc.string({ minLength: 1, maxLength: 9 }), payload: fc.uint8Array({ maxLength: 9 }) }), {
        maxLength: 4,
      }),
      binding: record({
        context: fc.string({ minLength: 1, maxLength: 9 }),
        fields: fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 8 }),
      }),
    })
    fc.assert(
      fc.property(evidence, fc.nat(), fc.integer({ min: 1, max: 255 }), (value, where, change) => {
        const bytes = encodeEvidence(value)
        assert.deepEqual(decodeEvidence(bytes), value)
        const changed = Uint8Array.from(bytes)
        changed[where % bytes.length]! ^= change
        try {
          const decoded = decodeEvidence(changed)
          assert.ok(decoded.quote.length >= 1 && decoded.quote.length <= 16 * 1024)
          assert.ok(decoded.binding.fields.length <= 8 && decoded.binding.context.length >= 1)
        } catch (error) {
          if (!(error instanceof MalformedError)) throw error
        }
      }),
      { numRuns: 500 },
    )
  })
})
