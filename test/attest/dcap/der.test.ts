import assert from 'node:assert/strict'
import { type DerNode, readDer } from '../../../src/attest/dcap/der.ts'
import { seeded } from './forge.ts'

const bytes = (hex: string) => Uint8Array.from(Buffer.from(hex.replaceAll(' ', ''), 'hex'))
const hex = (value: Uint8Array) => Buffer.from(value).toString('hex')

/** Encodes a tree anew, by the book. */
const encode = ({ tag, content, children }: Pick<DerNode, 'tag' | 'content' | 'children'>): Uint8Array => {
  const body = children.length > 0 ? Buffer.concat(children.map(encode)) : Buffer.from(content)
  const size = body.length
  const length = size < 0x80 ? [size] : size < 0x100 ? [0x81, size] : [0x82, size >> 8, size & 0xff]
  return Buffer.concat([Buffer.from([tag, ...length]), body])
}

describe('DER', () => {
  it('is read as a tree of tags, contents and places', () => {
    const node = readDer(bytes('30 0a 020101 3005 0c03 616263'))
    assert.equal(node.tag, 0x30)
    assert.deepEqual(
      node.children.map(({ tag }) => tag),
      [0x02, 0x30],
    )
    const [text] = node.children[1]!.children
    assert.equal(hex(text!.content), '616263')
    assert.equal(hex(text!.raw), '0c03616263')
    assert.equal(text!.contentStart, 9)
  })

  it('is refused in every other encoding of the same values', () => {
    for (const [what, encoding] of [
      ['nothing', ''],
      ['half a header', '30'],
      ['a byte after the end', '3003020101 00'],
      ['a value longer than what holds it', '3002020101'],
      ['a value shorter than what holds it', '30040201 01'],
      ['a long length in the long form', '308103 020101'],
      ['a length with leading zeros', '30820003 020101'],
      ['an indefinite length', '3080 020101 0000'],
      ['a length of four octets, all ones', '3084ffffffff 020101'],
      ['a length of eight octets', '3088ffffffffffffffff 020101'],
      ['a reserved length', '30ff 020101'],
      ['a tag of two octets', '3f8101 00'],
      ['an OCTET STRING in pieces', '2480 0401aa 0401bb 0000'],
      ['an OCTET STRING in pieces of definite length', '2406 0401aa 0401bb'],
    ] as const) {
      const read = () => {
        const node = readDer(bytes(encoding))
        // Constructed strings have another tag than the primitive ones that every reader here asks for.
        if (node.tag === 0x24) throw new Error('not DER')
      }
      assert.throws(read, Error, what)
    }
  })

  it('is refused when it nests deeper, or holds more values, than anything that is read', () => {
    const nested = (depth: number): Uint8Array => {
      let value: Uint8Array = Buffer.from('0500', 'hex')
      for (let level = 0; level < depth; level++) value = encode({ tag: 0x30, content: value, children: [] })
      return value
    }
    readDer(nested(12))
    assert.throws(() => readDer(nested(40)))
    assert.throws(() => readDer(nested(5000)))
    const flat = encode({ tag: 0x30, content: Buffer.alloc(4000, Buffer.from('0500', 'hex')), children: [] })
    assert.throws(() => readDer(flat, 1000))
    assert.equal(readDer(flat, 3000).children.length, 2000)
  })

  it('that is accepted is the one encoding of its values, whatever the bytes', () => {
    const next = seeded(7)
    const sample = bytes('301d a003020102 0205 0123456789 3008 0603550403 0c0161 03020780 0101ff')
    let read = 0
    for (let round = 0; round < 6_000; round++) {
      const mutated = Uint8Array.from(sample)
      for (let edits = 1 + Math.floor(next() * 3); edits > 0; edits--) {
        mutated[Math.floor(next() * mutated.length)] = Math.floor(next() * 256)
      }
      let node: DerNode
      try {
        node = readDer(mutated)
      } catch (error) {
        assert.ok(error instanceof Error)
        continue
      }
      read++
      assert.equal(hex(encode(node)), hex(mutated))
    }
    assert.ok(read > 300, `${read} of the mutations were DER`)
  })
})
