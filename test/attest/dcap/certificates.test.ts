import assert from 'node:assert/strict'
import { pemOf, readCertificate, readPemChain } from '../../../src/attest/dcap/certificates.ts'
import { type DerNode, readDer, TAG } from '../../../src/attest/dcap/der.ts'
import { pki, platform, tlv } from './forge.ts'

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex')
const sound = platform.pck.certificate.der

/** The same encoding with the value at `path` written otherwise; lengths around it are right again. */
const replaced = (node: DerNode, [at, ...path]: readonly number[], value: (node: DerNode) => Uint8Array): Uint8Array => {
  if (at === undefined) return value(node)
  const children = node.children.map((child, index) => (index === at ? replaced(child, path, value) : child.raw))
  return tlv(node.tag, Buffer.concat(children))
}
const read = (path: readonly number[], value: (node: DerNode) => Uint8Array, der = sound) =>
  readCertificate(Buffer.from(replaced(readDer(der), path, value)))
const refused = (
  what: string,
  path: readonly number[],
  value: Uint8Array | ((node: DerNode) => Uint8Array),
  der = sound,
): void => {
  const make = typeof value === 'function' ? value : () => value
  assert.throws(() => read(path, make, der), { reason: 'certificate_malformed' }, what)
}
const text = (tag: number, value: string) => tlv(tag, Buffer.from(value))

const VALIDITY = [0, 4]
const SUBJECT = [0, 5]
const KEY = [0, 6]
const EXTENSIONS = [0, 7, 0]
/** In the order of the profile: authority key, distribution points, subject key, key usage, basic constraints, SGX. */
const KEY_USAGE = [...EXTENSIONS, 3]
const BASIC_CONSTRAINTS = [...EXTENSIONS, 4]

describe('the structure of certificates', () => {
  it('is read back as it was', () => {
    const certificate = read([], ({ raw }) => raw)
    assert.equal(certificate.commonName, 'Intel SGX PCK Certificate')
    assert.equal(certificate.isCa, false)
    assert.equal(certificate.notBeforeMs, platform.pck.certificate.notBeforeMs)
    assert.equal(certificate.serial, Buffer.from(platform.pck.certificate.serial).toString('hex'))
    const ca = readCertificate(Buffer.from(pki.platformCa.certificate.der))
    assert.deepEqual([ca.isCa, ca.pathLength, ca.keyUsage], [true, 0, 0x06])
  })

  it('has three parts, the first of eight', () => {
    refused('an empty one', [], tlv(TAG.sequence, Buffer.alloc(0)))
    refused('no SEQUENCE', [], ({ content }) => tlv(TAG.set, content))
    refused('a fourth part', [], ({ content }) => tlv(TAG.sequence, Buffer.concat([content, hex('0500')])))
    refused('two parts', [], ({ children }) => tlv(TAG.sequence, Buffer.concat(children.slice(0, 2).map(({ raw }) => raw))))
    refused('a ninth part', [0], ({ content }) => tlv(TAG.sequence, Buffer.concat([content, hex('a400')])))
    refused('seven parts', [0], ({ children }) => tlv(TAG.sequence, Buffer.concat(children.slice(0, 7).map(({ raw }) => raw))))
    refused('a signature that is no BIT STRING', [2], ({ content }) => tlv(TAG.octetString, content))
    refused('another signature algorithm outside', [1], hex('300a06082a8648ce3d040303'))
    refused('version 2', [0, 0, 0], hex('020101'))
    refused('a serial number that is no INTEGER', [0, 1], ({ content }) => tlv(TAG.octetString, content))
  })

  it('has times to the second, in UTC, of days that there are', () => {
    for (const time of [
      '25110112000Z',
      '251101120000',
      '2511011200Z',
      '251101120000+0000',
      '20251101120000Z',
      '251301120000Z',
      '250230120000Z',
      '251101240000Z',
      '251101126000Z',
      '251101120060Z',
      '2511 1120000Z',
      '',
    ]) {
      refused(`UTCTime ${time}`, [...VALIDITY, 0], text(TAG.utcTime, time))
      refused(`UTCTime ${time}`, [...VALIDITY, 1], text(TAG.utcTime, time))
    }
    for (const time of ['251101120000Z', '20251101120000', '20251101120000.0Z', '20251301120000Z']) {
      refused(`GeneralizedTime ${time}`, [...VALIDITY, 1], text(TAG.generalizedTime, time))
    }
    refused('another type', [...VALIDITY, 0], text(0x0c, '251101120000Z'))
    refused('three times', VALIDITY, ({ content }) =>
      tlv(TAG.sequence, Buffer.concat([content, text(TAG.utcTime, '251101120000Z')])),
    )
    refused('one time', VALIDITY, ({ children }) => tlv(TAG.sequence, children[0]!.raw))
    const until = (tag: number, time: string) => read([...VALIDITY, 1], () => text(tag, time)).notAfterMs
    assert.equal(until(TAG.utcTime, '491231235959Z'), Date.parse('2049-12-31T23:59:59Z'))
    assert.equal(until(TAG.utcTime, '500101000000Z'), Date.parse('1950-01-01T00:00:00Z'))
    assert.equal(until(TAG.generalizedTime, '20500101000000Z'), Date.parse('2050-01-01T00:00:00Z'))
  })

  it('has names with one common name, one attribute to a set', () => {
    const commonName = hex('3009 0603550403 0c00')
    const named = (value: string) => tlv(TAG.sequence, Buffer.concat([hex('0603550403'), text(0x0c, value)]))
    const subject = (...sets: Uint8Array[][]) =>
      tlv(TAG.sequence, Buffer.concat(sets.map((set) => tlv(TAG.set, Buffer.concat(set)))))
    assert.equal(read(SUBJECT, () => subject([named('one')])).commonName, 'one')
    refused('none', SUBJECT, subject())
    refused('two in two sets', SUBJECT, subject([named('Intel SGX PCK Certificate')], [named('other')]))
    refused('two in one set', SUBJECT, subject([named('Intel SGX PCK Certificate'), named('other')]))
    refused('a set of none', SUBJECT, subject([named('Intel SGX PCK Certificate')], []))
    refused(
      'a third part',
      SUBJECT,
      subject([tlv(TAG.sequence, Buffer.concat([hex('0603550403'), text(0x0c, 'a'), text(0x0c, 'b')]))]),
    )
    refused('no value', SUBJECT, subject([tlv(TAG.sequence, hex('0603550403'))]))
    refused('no SEQUENCE', SUBJECT, tlv(TAG.set, commonName))
  })

  it('has a P-256 key as an uncompressed point', () => {
    refused('compressed', [...KEY, 1], ({ content }) => tlv(TAG.bitString, Buffer.concat([hex('0002'), content.subarray(2, 34)])))
    refused('hybrid', [...KEY, 1], ({ content }) => tlv(TAG.bitString, Buffer.concat([hex('0006'), content.subarray(2)])))
    refused('P-256K', [...KEY, 0, 1], hex('06052b8104000a'))
    refused('a byte more', [...KEY, 1], ({ content }) => tlv(TAG.bitString, Buffer.concat([content, hex('00')])))
    refused('unused bits', [...KEY, 1], ({ content }) => tlv(TAG.bitString, Buffer.concat([hex('01'), content.subarray(1)])))
  })

  it('has extensions in their one form', () => {
    const extension = (path: readonly number[], ...parts: string[]) => [path, tlv(TAG.sequence, hex(parts.join('')))] as const
    refused('critical written as FALSE', ...extension(KEY_USAGE, '0603551d0f', '010100', '0404030206c0'))
    refused('critical as another TRUE', ...extension(KEY_USAGE, '0603551d0f', '010101', '0404030206c0'))
    refused('critical as an INTEGER', ...extension(KEY_USAGE, '0603551d0f', '0201ff', '0404030206c0'))
    refused('four parts', ...extension(KEY_USAGE, '0603551d0f', '0101ff', '0404030206c0', '0500'))
    refused('one part', ...extension(KEY_USAGE, '0603551d0f'))
    refused('no OCTET STRING', ...extension(KEY_USAGE, '0603551d0f', '0101ff', '030206c0'))
    const usage = (value: string) =>
      extension(KEY_USAGE, '0603551d0f', '0101ff', Buffer.from(tlv(TAG.octetString, hex(value))).toString('hex'))
    for (const value of ['0301 00', '0304 06c00000', '0302 08c0', '0402 06c0', '0302 06c0 00', ''])
      refused(`key usage ${value}`, ...usage(value))
  })

  it('has basic constraints in their one form', () => {
    const constraints = (value: string) =>
      tlv(TAG.sequence, Buffer.concat([hex('0603551d13 0101ff'), tlv(TAG.octetString, hex(value))]))
    const isCa = (value: string) => {
      const { isCa: ca, pathLength } = read(BASIC_CONSTRAINTS, () => constraints(value))
      return [ca, pathLength]
    }
    assert.deepEqual(isCa('3000'), [false, undefined])
    assert.deepEqual(isCa('3003 0101ff'), [true, undefined])
    assert.deepEqual(isCa('3006 0101ff 020107'), [true, 7])
    for (const value of [
      '3003 010100',
      '3003 010101',
      '3003 020100',
      '3006 0101ff 020180',
      '3007 0101ff 02020100',
      '3005 0101ff 0200',
      '3006 0101ff 0101ff',
      '3009 0101ff 020100 020100',
      '3100',
      '',
    ]) {
      refused(`basic constraints ${value}`, BASIC_CONSTRAINTS, constraints(value))
    }
  })

  it('is not looked for in a text too long for it', () => {
    const pem = pemOf(sound)
    assert.equal(readPemChain(pem + pem, 2).length, 2)
    assert.throws(() => readPemChain(pemOf(new Uint8Array(13_000)), 2), {
      reason: 'certificate_malformed',
      message: /a chain of/,
    })
  })
})
