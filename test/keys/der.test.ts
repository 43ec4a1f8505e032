import assert from 'node:assert/strict'
import { AsnConvert, AsnIntegerConverter, AsnObjectIdentifierConverter } from '@peculiar/asn1-schema'
import { Time } from '@peculiar/asn1-x509'
import fc from 'fast-check'
import { element, integer, ipAddress, oid, sequence, time } from '../../src/keys/der.ts'

const hex = (bytes: Uint8Array | ArrayBuffer) => Buffer.from(bytes as ArrayBuffer).toString('hex')

describe('the DER that certificates are made of', () => {
  it('has lengths in the shortest form', () => {
    for (const [length, head] of [
      [0, '0400'],
      [127, '047f'],
      [128, '048180'],
      [255, '0481ff'],
      [256, '04820100'],
      [65_535, '0482ffff'],
      [65_536, '0483010000'],
    ] as const) {
      const encoded = element(0x04, new Uint8Array(length))
      assert.equal(hex(encoded.subarray(0, head.length / 2)), head)
      assert.equal(encoded.length, head.length / 2 + length)
    }
    assert.equal(hex(sequence()), '3000')
  })

  it('is what a library writes for numbers, object identifiers and times', () => {
    for (const id of ['2.5.4.3', '1.2.840.10045.4.3.2', '1.3.6.1.4.1.62397.1.8', '1.2.840.113549.1.9.14', '2.5.29.37']) {
      assert.equal(hex(oid(id)), hex(AsnObjectIdentifierConverter.toASN(id).toBER()))
    }
    for (const value of [0, 1, 127, 128, 255]) {
      assert.equal(hex(integer(Uint8Array.of(value))), hex(AsnIntegerConverter.toASN(value).toBER()))
    }
    for (const at of [
      1000,
      Date.UTC(2026, 1, 3, 4, 5, 6),
      Date.UTC(2049, 11, 31, 23, 59, 59),
      Date.UTC(2050, 0, 1),
      253_402_300_799_000,
    ]) {
      assert.equal(hex(time(at)), hex(AsnConvert.serialize(new Time(at))))
    }
  })

  it('has the bytes of an IP address, however it is written', () => {
    for (const [text, bytes] of [
      ['192.0.2.7', 'c0000207'],
      ['::', '00'.repeat(16)],
      ['::1', `${'00'.repeat(15)}01`],
      ['1::', `0001${'00'.repeat(14)}`],
      ['2001:db8::7', `20010db8${'00'.repeat(11)}07`],
      ['2001:0DB8:0:0:0:0:0:0007', `20010db8${'00'.repeat(11)}07`],
      ['::ffff:192.0.2.7', `${'00'.repeat(10)}ffffc0000207`],
    ] as const) {
      assert.equal(hex(ipAddress(text)), bytes, text)
    }
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (bytes) => {
        const groups = Array.from({ length: 8 }, (_, index) => ((bytes[index * 2]! << 8) | bytes[index * 2 + 1]!).toString(16))
        assert.equal(hex(ipAddress(groups.join(':'))), hex(bytes))
      }),
    )
    fc.assert(fc.property(fc.ipV6(), (text) => assert.equal(ipAddress(text).length, 16)))
  })
})
