import assert from 'node:assert/strict'
import { OctetString } from '@peculiar/asn1-schema'
import type { TBSCertificate } from '@peculiar/asn1-x509'
import { readCertificate } from '../../../src/attest/dcap/certificates.ts'
import { readDer } from '../../../src/attest/dcap/der.ts'
import { DcapError } from '../../../src/attest/dcap/index.ts'
import { PckReader } from '../../../src/attest/dcap/pck.ts'
import type { SgxFields } from '../../../src/attest/emulator/index.ts'
import { accepted, flipped, judge, pki, platform, seeded, signDer, signedPart, tlv } from './forge.ts'

const issuer = readCertificate(Buffer.from(pki.platformCa.certificate.der))
const outcome = (reader: PckReader, der: Uint8Array): string => {
  try {
    const { publicKey, ...pck } = reader.read(Buffer.from(der))
    return JSON.stringify({ ...pck, publicKey: publicKey.export({ format: 'jwk' }) })
  } catch (error) {
    if (error instanceof DcapError) return error.reason
    throw error
  }
}
const cold = (der: Uint8Array) => outcome(new PckReader(issuer), der)
const der = (fields: Partial<SgxFields>) => pki.platform(fields).pck.certificate.der

describe('PCK certificates', () => {
  it('say what platform they are for', () => {
    const fields: SgxFields = {
      ppid: Uint8Array.from({ length: 16 }, (_, index) => 0xf0 + index),
      cpuSvn: Uint8Array.from({ length: 16 }, (_, index) => index * 17),
      pceSvn: 40_000,
      pceId: Uint8Array.of(0x12, 0x34),
      fmspc: Uint8Array.of(1, 2, 3, 4, 5, 0xff),
      platformInstanceId: new Uint8Array(16).fill(9),
    }
    const pck = new PckReader(issuer).read(Buffer.from(der(fields)))
    assert.deepEqual(pck.ppid, fields.ppid)
    assert.deepEqual(pck.sgxSvns, fields.cpuSvn)
    assert.equal(pck.pceSvn, 40_000)
    assert.deepEqual(pck.pceId, fields.pceId)
    assert.deepEqual(pck.fmspc, fields.fmspc)
  })

  it('name the platform of a verified quote', () => {
    const result = accepted(platform.quote())
    assert.deepEqual(result.ppid, Uint8Array.from(platform.sgx.ppid))
    assert.deepEqual(result.fmspc, Uint8Array.from(platform.sgx.fmspc))
  })

  it('have SVNs in their ranges', () => {
    for (const pceSvn of [0, 127, 128, 255, 256, 65_535]) assert.notEqual(cold(der({ pceSvn })), 'certificate_malformed')
    assert.equal(cold(der({ pceSvn: 65_536 })), 'certificate_malformed')
    assert.equal(cold(der({ pceSvn: -1 })), 'certificate_malformed')
    for (const svn of [256, -1]) {
      const cpuSvn = Object.assign(
        Array.from({ length: 16 }, () => 1),
        { 3: svn },
      ) as unknown as Uint8Array
      assert.equal(cold(der({ cpuSvn })), 'certificate_malformed', `${svn}`)
    }
    assert.equal(cold(der({ cpuSvn: new Uint8Array(15) })), 'certificate_malformed')
    assert.equal(cold(der({ cpuSvn: new Uint8Array(17) })), 'certificate_malformed')
  })

  it('have identifiers of their lengths', () => {
    for (const [field, length] of [
      ['ppid', 16],
      ['pceId', 2],
      ['fmspc', 6],
      ['platformInstanceId', 16],
    ] as const) {
      for (const wrong of [0, length - 1, length + 1]) {
        assert.equal(cold(der({ [field]: new Uint8Array(wrong) })), 'certificate_malformed', `${field} of ${wrong}`)
      }
    }
  })

  it('have the items of the SGX extension in the profile’s order, five under a Processor CA and seven under a Platform CA', () => {
    const extension = (change: (items: Uint8Array[]) => Uint8Array[]) => {
      const alter = (tbs: TBSCertificate) => {
        const sgx = tbs.extensions!.find(({ extnID }) => extnID === '1.2.840.113741.1.13.1')!
        const items = readDer(new Uint8Array(sgx.extnValue.buffer)).children.map(({ raw }) => raw)
        sgx.extnValue = new OctetString(Uint8Array.from(tlv(0x30, Buffer.concat(change(items)))).buffer)
      }
      return cold(pki.platform({ certificate: { alter } }).pck.certificate.der)
    }
    const sound = extension((items) => items)
    assert.match(sound, /^\{"serial"/)
    const five = extension((items) => items.slice(0, 5))
    assert.match(five, /"pceSvn":13/)
    const malformed: [string, (items: Uint8Array[]) => Uint8Array[]][] = [
      ['none', () => []],
      ['four', (items) => items.slice(0, 4)],
      ['six', (items) => items.slice(0, 6)],
      ['one twice', (items) => [...items, items[0]!]],
      ['one for another', (items) => [items[0]!, ...items.slice(0, 6)]],
      ['another order', (items) => [items[1]!, items[0]!, ...items.slice(2)]],
      ['one too many', (items) => [...items, tlv(0x30, Buffer.from('060a2a864886f84d010d01080500', 'hex'))]],
      ['an SGX type of no meaning', (items) => items.with(4, flipped(items[4]!, items[4]!.length - 1, 1))],
      ['an item without a value', (items) => items.with(4, tlv(0x30, Buffer.from('060a2a864886f84d010d0105', 'hex')))],
      ['an item of another type', (items) => items.with(3, Buffer.from(items[3]!).fill(0x0c, 14, 15))],
    ]
    for (const [what, change] of malformed) assert.equal(extension(change), 'certificate_malformed', what)
    const components = (change: (parts: Uint8Array[]) => Uint8Array[]) =>
      extension((items) => {
        const [id, list] = readDer(items[1]!).children
        const parts = list!.children.map(({ raw }) => raw)
        return items.with(1, tlv(0x30, Buffer.concat([id!.raw, tlv(0x30, Buffer.concat(change(parts)))])))
      })
    assert.match(
      components((parts) => parts),
      /"pceSvn":13/,
    )
    assert.equal(
      components((parts) => parts.slice(1)),
      'certificate_malformed',
    )
    assert.equal(
      components((parts) => parts.toReversed()),
      'certificate_malformed',
    )
    assert.equal(
      components((parts) => [...parts, parts[0]!]),
      'certificate_malformed',
    )
    assert.equal(
      components((parts) => parts.with(1, parts[0]!)),
      'certificate_malformed',
    )
    assert.equal(
      components(() => []),
      'certificate_malformed',
    )
  })

  it('are read alike by shape and by the library, whatever they say', () => {
    const next = seeded(1)
    const byte = () => Math.floor(next() * 256)
    const warm = new PckReader(issuer)
    for (let round = 0; round < 50; round++) {
      const some = (length: number) => Uint8Array.from({ length }, byte)
      const fields = {
        ppid: some(16),
        cpuSvn: some(16).map((svn) => svn >> Math.floor(next() * 8)),
        pceSvn: Math.floor(next() * 0x1_0000) >> Math.floor(next() * 16),
        fmspc: some(6),
        pceId: some(2),
      }
      const certificate = der(fields)
      assert.equal(outcome(warm, certificate), cold(certificate))
    }
  })

  it('are read alike by shape and by the library, whatever byte of them the CA would sign otherwise', () => {
    const warm = new PckReader(issuer)
    const sound = platform.pck.certificate.der
    const signed = signedPart(sound)
    let refused = 0
    for (let at = 0; at < signed.length; at += 2) {
      // The signature's length must be the same, or it is another shape.
      const certificate = Buffer.from(sound)
      const start = sound.length - signed.length - (sound.length - certificate.indexOf(signed) - signed.length)
      certificate.set(flipped(signed, at, at % 8), start)
      // Known again each time: what was read before may have crowded it out.
      outcome(warm, sound)
      const read = outcome(warm, certificate)
      assert.equal(read, cold(certificate), `byte ${at}`)
      if (read.startsWith('certificate_')) refused++
    }
    const negative = Buffer.from(sound)
    negative[negative.indexOf(platform.pck.certificate.serial)]! |= 0x80
    outcome(warm, sound)
    assert.equal(outcome(warm, negative), 'certificate_malformed')
    // What is left are the values.
    assert.ok(refused > signed.length / 4 && refused < signed.length / 2, `${refused} of ${signed.length}`)
  })

  it('that a CA signed in another structure are refused, known shape or not', () => {
    judge(platform.quote())
    const signed = signedPart(platform.pck.certificate.der)
    const sgx = signed.indexOf(Buffer.from('060a2a864886f84d010d0101', 'hex'))
    const pem = (bytes: Uint8Array) => {
      const text = Buffer.from(signDer(bytes, pki.platformCa))
        .toString('base64')
        .replace(/.{64}(?=.)/g, '$&\n')
      return `-----BEGIN CERTIFICATE-----\n${text}\n-----END CERTIFICATE-----\n${pki.platformCa.certificate.pem}${pki.root.certificate.pem}`
    }
    assert.equal(judge(platform.quote({ chainPem: pem(signed) })), 'UpToDate')
    // Arc .1 (PPID) written as .2, so that one item is twice there and one is missing.
    assert.equal(
      judge(platform.quote({ chainPem: pem(flipped(flipped(signed, sgx + 11, 0), sgx + 11, 1)) })),
      'certificate_malformed',
    )
    for (let at = sgx; at < signed.length; at += 5) {
      const result = judge(platform.quote({ chainPem: pem(flipped(signed, at, at % 8)) }))
      assert.match(result, /^(UpToDate|OutOfDate|certificate_malformed|tcb_not_supported|platform_mismatch)$/, `byte ${at}`)
    }
  })

  it('are remembered only by all their bytes', () => {
    const first = accepted(platform.quote())
    const machine = pki.platform()
    const second = accepted(machine.quote())
    assert.notDeepEqual(first.ppid, second.ppid)
    assert.deepEqual(accepted(platform.quote()).ppid, first.ppid)
    // Two thousand platforms on, the first is still judged as it was.
  })
})
