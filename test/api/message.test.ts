import assert from 'node:assert/strict'
import fc from 'fast-check'
import {
  bytesOfHex,
  type Message,
  parseJson,
  parseProtobuf,
  parseQuery,
  schemaOf,
  toJson,
  toProtobuf,
} from '../../src/api/message.ts'

const message = {
  name: { type: 'string', number: 1 },
  data: { type: 'bytes', number: 2 },
  flag: { type: 'bool', number: 3 },
  count: { type: 'uint64', number: 4, optional: true },
  names: { type: 'string', number: 5, repeated: true },
  parts: { type: 'bytes', number: 16, repeated: true },
  ours: { type: 'uint64' },
} as const satisfies Message
const defaults = { name: '', data: new Uint8Array(0), flag: false, names: [], parts: [], ours: 0 }
const json = (value: unknown) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value))
const malformed = { code: 'malformed' }
const plain = (value: unknown) =>
  JSON.parse(JSON.stringify(value, (_key, field) => (field instanceof Uint8Array ? Buffer.from(field).toString('hex') : field)))

describe('a message of the API', () => {
  it('is all defaults when its body is empty, in each encoding', () => {
    for (const values of [
      parseJson(message, json('')),
      parseJson(message, json('{}')),
      parseQuery(message, ''),
      parseProtobuf(message, json('')),
    ]) {
      assert.deepEqual(plain(values), plain(defaults))
      assert.equal(values.count, undefined)
    }
  })

  it('is read from JSON: unknown fields ignored, null a default, hex in either case and with 0x', () => {
    const values = parseJson(
      message,
      json({
        name: 'é',
        data: '0xABcd',
        flag: true,
        count: 7,
        names: ['a'],
        parts: ['00', '0x01'],
        ours: 1,
        other: {},
        hasOwnProperty: 1,
      }),
    )
    assert.deepEqual(plain(values), { name: 'é', data: 'abcd', flag: true, count: 7, names: ['a'], parts: ['00', '01'], ours: 1 })
    assert.deepEqual(plain(parseJson(message, json({ name: null, data: null, names: null, count: null }))), plain(defaults))
    assert.deepEqual(plain(parseJson(message, json('{"__proto__":{"name":"x"},"constructor":{"name":"y"}}'))), plain(defaults))
  })

  it('is refused as JSON when a field has another type, or the body is another thing', () => {
    for (const broken of [
      { name: 1 },
      { name: ['a'] },
      { data: 'abc' },
      { data: 'zz' },
      { data: 12 },
      { flag: 'true' },
      { flag: 1 },
      { count: -1 },
      { count: 1.5 },
      { count: '1' },
      { count: 2 ** 53 },
      { names: 'a' },
      { names: [1] },
      { names: Array(257).fill('a') },
      { parts: ['0'] },
    ]) {
      assert.throws(() => parseJson(message, json(broken)), malformed, JSON.stringify(broken))
    }
    for (const broken of ['[]', '"a"', '1', 'null', '{', '{"name":"a"', 'true x']) {
      assert.throws(() => parseJson(message, json(broken)), malformed, broken)
    }
    assert.throws(() => parseJson(message, Uint8Array.of(0xff, 0xfe)), malformed)
  })

  it('says that Content-Length counts bytes where a body beyond ASCII arrived cut', () => {
    const whole = json('{"name":"é"}')
    assert.throws(() => parseJson(message, whole.subarray(0, whole.length - 1)), { message: /Content-Length must count bytes/ })
    assert.throws(() => parseJson(message, json('{"name":"é').subarray(0, 10)), { message: /Content-Length must count bytes/ })
    assert.throws(() => parseJson(message, json('{"name":"e"')), { message: /not JSON$/ })
  })

  it('is read from a query, arrays in each of their forms', () => {
    const values = parseQuery(message, 'name=a%20b+c&data=0x01ff&flag=true&count=9&names[]=x&names[1]=y&names=z&other=1')
    assert.deepEqual(plain(values), {
      ...plain(defaults),
      name: 'a b c',
      data: '01ff',
      flag: true,
      count: 9,
      names: ['x', 'y', 'z'],
    })
    for (const broken of [
      'name=a&name=b',
      'flag=1',
      'flag=',
      'count=',
      'count=-1',
      'count=1e3',
      'count=99999999999999999',
      'data=abc',
    ]) {
      assert.throws(() => parseQuery(message, broken), malformed, broken)
    }
  })

  it('comes through protobuf as it was', () => {
    const values = fc.record({
      name: fc.string({ unit: 'grapheme' }),
      data: fc.uint8Array(),
      flag: fc.boolean(),
      count: fc.option(fc.maxSafeNat(), { nil: undefined }),
      names: fc.array(fc.string()),
      parts: fc.array(fc.uint8Array({ maxLength: 300 })),
    })
    fc.assert(
      fc.property(values, (value) => {
        const parsed = parseProtobuf(message, toProtobuf(message, { ...value, ours: 5 }))
        assert.deepEqual(plain(parsed), plain({ ...value, ours: 0 }))
        assert.deepEqual(plain(parseJson(message, json(toJson(message, { ...value, ours: 5 })))), plain({ ...value, ours: 5 }))
      }),
    )
  })

  it('has the bytes that another protobuf encoder gives', () => {
    // protoc --encode of { name: "a", data: "\x01\x02", flag: true, count: 0, names: ["", "b"] }.
    const encoded = '0a0161' + '12020102' + '1801' + '2000' + '2a00' + '2a0162'
    const value = { ...defaults, name: 'a', data: Uint8Array.of(1, 2), flag: true, count: 0, names: ['', 'b'] }
    assert.equal(Buffer.from(toProtobuf(message, value)).toString('hex'), encoded)
    assert.equal(toProtobuf(message, { ...defaults }).length, 0)
  })

  it('skips what it does not know in protobuf, and takes the last of a field sent twice', () => {
    const bytes = Buffer.from(
      `0a0161${'0a0162'}${'f80105'}${'fd0100000000'}${'f90100000000000000ff'}${'fa010178'}${'0805'}`,
      'hex',
    )
    assert.deepEqual(plain(parseProtobuf(message, bytes)), { ...plain(defaults), name: 'b' })
  })

  it('is refused as protobuf when it is cut, not UTF-8, or too much', () => {
    for (const broken of [
      '0a',
      '0a05',
      '0a0561',
      '0a02ff fe',
      '08',
      'ffffffffffffffffffffff',
      '0000',
      '20ffffffffffffffffff01',
      '0f',
      '2afeffffff0f',
    ]) {
      assert.throws(() => parseProtobuf(message, Buffer.from(broken.replaceAll(' ', ''), 'hex')), malformed, broken)
    }
    assert.throws(() => parseProtobuf(message, Buffer.from('2a00'.repeat(257), 'hex')), malformed)
  })

  it('never fails otherwise, whatever bytes arrive', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        for (const parse of [parseProtobuf, parseJson]) {
          try {
            parse(message, bytes)
          } catch (error) {
            assert.equal((error as { code?: string }).code, 'malformed')
          }
        }
      }),
      { numRuns: 500 },
    )
  })

  it('has a JSON Schema', () => {
    const { properties } = schemaOf(message) as { properties: Record<string, { type: string }> }
    assert.deepEqual(Object.keys(properties), Object.keys(message))
    assert.equal(properties.names!.type, 'array')
  })

  it('takes no hex with another character', () => {
    for (const text of ['0', '0x0', 'xx', '0x0x', ' 00', '00 ', '0g'])
      assert.throws(() => bytesOfHex(text, 'data'), malformed, text)
    assert.equal(bytesOfHex('', 'data').length, 0)
    assert.equal(bytesOfHex('0x', 'data').length, 0)
  })
})
