import assert from 'node:assert/strict'
import { createHash, generateKeyPairSync, X509Certificate } from 'node:crypto'
import { createEmulatedPki, emulatedPkiFromJson, emulatedPkiToJson } from '../../../src/attest/emulator/index.ts'
import { UsageError } from '../../../src/base/index.ts'
import { NOW_MS, sharedPki } from '../support.ts'

const names = (subject: string) => subject.split('\n').join(', ')

describe('the emulated PKI', () => {
  const pki = sharedPki()

  it("has Intel's names, and certificates that node:crypto finds in order", () => {
    const rest = 'O=Intel Corporation, L=Santa Clara, ST=CA, C=US'
    const root = new X509Certificate(pki.rootDer)
    for (const [authority, name] of [
      [pki.root, 'Intel SGX Root CA'],
      [pki.platformCa, 'Intel SGX PCK Platform CA'],
      [pki.tcbSigning, 'Intel SGX TCB Signing'],
    ] as const) {
      const certificate = new X509Certificate(authority.certificate.pem)
      assert.equal(names(certificate.subject), `CN=${name}, ${rest}`)
      assert.equal(names(certificate.issuer), `CN=Intel SGX Root CA, ${rest}`)
      assert.ok(certificate.checkIssued(root) && certificate.verify(root.publicKey))
      assert.equal(certificate.ca, name !== 'Intel SGX TCB Signing')
      assert.equal(certificate.serialNumber.toLowerCase(), Buffer.from(authority.certificate.serial).toString('hex'))
      assert.ok(certificate.validFromDate.getTime() < NOW_MS && NOW_MS < certificate.validToDate.getTime())
    }
  })

  it('names its root by the hash of its certificate, as a policy lists it', () => {
    assert.equal(pki.rootName, `emulator:${createHash('sha256').update(pki.rootDer).digest('hex')}`)
  })

  it('gives every platform its own PPID, keys and certificate', () => {
    const [a, b] = [pki.platform(), pki.platform()]
    assert.notDeepEqual(a.sgx.ppid, b.sgx.ppid)
    assert.notDeepEqual(a.pck.certificate.serial, b.pck.certificate.serial)
    assert.notDeepEqual(a.quote().subarray(700, 764), b.quote().subarray(700, 764), 'the attestation keys')
    const ca = new X509Certificate(pki.platformCa.certificate.pem)
    const pck = new X509Certificate(a.pck.certificate.pem)
    assert.ok(pck.checkIssued(ca) && pck.verify(ca.publicKey) && !pck.ca)
    assert.equal(a.chainPem.match(/-----BEGIN CERTIFICATE-----/g)?.length, 3)
  })

  it('comes back from its file as the same one, with a platform that it certifies', () => {
    const copy = emulatedPkiFromJson(emulatedPkiToJson(pki))
    assert.equal(copy.rootName, pki.rootName)
    for (const role of ['root', 'platformCa', 'tcbSigning'] as const) {
      const { pem, ...facts } = copy[role].certificate
      assert.equal(pem, pki[role].certificate.pem)
      // Certificates count whole seconds.
      const { pem: _, ...original } = pki[role].certificate
      assert.deepEqual(facts, { ...original, notBeforeMs: facts.notBeforeMs, notAfterMs: facts.notAfterMs })
      assert.ok(
        Math.abs(facts.notBeforeMs - original.notBeforeMs) < 1000 && Math.abs(facts.notAfterMs - original.notAfterMs) < 1000,
      )
    }
    const pck = new X509Certificate(copy.platform().pck.certificate.pem)
    assert.ok(pck.verify(new X509Certificate(pki.platformCa.certificate.pem).publicKey))
    assert.equal(emulatedPkiToJson(copy), emulatedPkiToJson(pki))
  })

  it('takes serial numbers and PPIDs from the randomness it is given', () => {
    const random = { bytes: (length: number) => new Uint8Array(length).fill(0xff), uniform: () => 0 }
    const made = createEmulatedPki({ nowMs: NOW_MS, random })
    assert.deepEqual(made.platform().sgx.ppid, new Uint8Array(16).fill(0xff))
    assert.deepEqual(made.root.certificate.serial, Uint8Array.of(0x7f, ...new Uint8Array(19).fill(0xff)), 'positive')
  })

  describe('refuses a file that', () => {
    type File = { format: string } & Record<'root' | 'platformCa' | 'tcbSigning', { privateKey: string; certificate: string }>
    const file = (): File => JSON.parse(emulatedPkiToJson(pki))
    const other = () => JSON.parse(emulatedPkiToJson(createEmulatedPki({ nowMs: NOW_MS }))) as File
    const key = (pair: ReturnType<typeof generateKeyPairSync>) =>
      pair.privateKey.export({ format: 'der', type: 'pkcs8' }).toString('base64')
    const cases: [string, RegExp, () => unknown][] = [
      ['is a list', /not an object/, () => []],
      ['has another format', /another format/, () => ({ ...file(), format: 'dstack-mesh/emulated-pki/2' })],
      ['has a key too many', /exactly the keys/, () => ({ ...file(), more: 1 })],
      ['lacks an authority', /exactly the keys/, () => ({ format: file().format, root: file().root })],
      ['has an authority with a key too many', /exactly the keys/, () => ({ ...file(), root: { ...file().root, more: 1 } })],
      ['has a number for a key', /not a string/, () => ({ ...file(), root: { ...file().root, privateKey: 1 } })],
      [
        'has loose base64',
        /not base64/,
        () => ({ ...file(), root: { ...file().root, privateKey: `${file().root.privateKey}\n` } }),
      ],
      ['has bytes that are no key', /unreadable/, () => ({ ...file(), root: { ...file().root, privateKey: 'AAAA' } })],
      ['has bytes that are no certificate', /unreadable/, () => ({ ...file(), root: { ...file().root, certificate: 'AAAA' } })],
      [
        "has another authority's key",
        /not the certificate's/,
        () => ({ ...file(), root: { ...file().root, privateKey: file().platformCa.privateKey } }),
      ],
      [
        'has a key of another curve',
        /not a P-256 key/,
        () => ({ ...file(), root: { ...file().root, privateKey: key(generateKeyPairSync('ec', { namedCurve: 'P-384' })) } }),
      ],
      ['has authorities in each other’s place', /another subject/, () => ({ ...file(), platformCa: file().tcbSigning })],
      ['has an authority under another root', /not signed by the root/, () => ({ ...file(), tcbSigning: other().tcbSigning })],
      [
        'has bytes after a certificate',
        /bytes after its end|unreadable/,
        () => ({
          ...file(),
          root: { ...file().root, certificate: Buffer.concat([pki.rootDer, Buffer.alloc(3)]).toString('base64') },
        }),
      ],
    ]
    for (const [what, message, make] of cases) {
      it(what, () => {
        assert.throws(
          () => emulatedPkiFromJson(JSON.stringify(make())),
          (error) => error instanceof UsageError && error.code === 'emulated_pki_invalid' && message.test(error.message),
        )
      })
    }

    it('is not JSON, without repeating what it says', () => {
      const secret = file().root.privateKey
      assert.throws(
        () => emulatedPkiFromJson(`{"root": "${secret}" oops`),
        (error) => error instanceof UsageError && !error.message.includes(secret.slice(0, 16)) && error.cause === undefined,
      )
    })

    it('is larger than any', () => {
      assert.throws(() => emulatedPkiFromJson(' '.repeat(20_000)), /20000 characters/)
    })
  })
})
