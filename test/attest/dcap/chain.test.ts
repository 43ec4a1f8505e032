import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import type { TBSCertificate } from '@peculiar/asn1-x509'
import { INTEL_ROOT, parseQuote, pemOf, quoteRoot } from '../../../src/attest/dcap/index.ts'
import { type Authority, type CertificateFields, createEmulatedPki } from '../../../src/attest/emulator/index.ts'
import { accepted, authority, collateral, DAY_MS, flipped, judge, NOW_MS, pki, platform } from './forge.ts'

const PCK = 'Intel SGX PCK Certificate'
const PLATFORM_CA = 'Intel SGX PCK Platform CA'
const PROCESSOR_CA = 'Intel SGX PCK Processor CA'
const rootPem = pki.root.certificate.pem
const caPem = pki.platformCa.certificate.pem
const chain = (leaf: Authority, ca = caPem) =>
  judge(pki.platform({ chainPem: () => leaf.certificate.pem + ca + rootPem }).quote())

/** A quote of a platform whose PCK certificate is issued otherwise. */
const pckWith = (certificate: Partial<CertificateFields>): string => judge(pki.platform({ certificate }).quote())
const altered = (alter: (tbs: TBSCertificate) => void): string => pckWith({ alter })
const extension = (tbs: TBSCertificate, id: string) => tbs.extensions!.find(({ extnID }) => extnID === id)!

/** Collateral with another CA, or another TCB signer, of our making. */
const withCa = (ca: Authority) => ({
  collateral: {
    ...collateral,
    pckCrlIssuerChain: ca.certificate.pem + rootPem,
    pckCrl: pki.crl({ issuer: ca, thisUpdateMs: NOW_MS - DAY_MS, nextUpdateMs: NOW_MS + DAY_MS }),
  },
  quote: pki.platform({ issuer: ca }).quote(),
})
const judgeCa = (ca: Authority) => {
  const made = withCa(ca)
  return judge(made.quote, made.collateral)
}
const judgeSigner = (signer: Authority) => judge(platform.quote(), pki.collateral(NOW_MS, { signer }))

describe('certificate chains', () => {
  it('accepts an emulated platform under the emulated root', () => {
    assert.equal(judge(platform.quote()), 'UpToDate')
    assert.equal(judge(platform.quote({ version: 5 })), 'UpToDate')
    assert.equal(judge(platform.quote({ version: 5, bodyType: 3 })), 'UpToDate')
  })

  it('accepts a PCK Processor CA as well as a Platform CA', () => {
    assert.equal(judgeCa(authority(PROCESSOR_CA, { pathLength: 0 })), 'UpToDate')
  })

  describe('the root', () => {
    it('is the trusted one: quotes and collateral of another PKI are refused', () => {
      const foreign = createEmulatedPki({ nowMs: NOW_MS })
      assert.equal(judge(foreign.platform().quote()), 'root_untrusted')
      assert.equal(judge(platform.quote(), foreign.collateral(NOW_MS)), 'root_untrusted')
      assert.equal(judge(foreign.platform().quote(), foreign.collateral(NOW_MS)), 'root_untrusted')
      assert.equal(judge(platform.quote(), collateral, { root: INTEL_ROOT }), 'root_untrusted')
    })

    it('is compared by bytes: the same key and name in another certificate is another root', () => {
      const again = authority('Intel SGX Root CA', { ...pki.root, issuer: pki.root, pathLength: 1 })
      assert.equal(judge(platform.quote(), collateral, { root: again.certificate.der }), 'root_untrusted')
      const quote = pki.platform({ chainPem: (pck) => pck + caPem + again.certificate.pem }).quote()
      assert.equal(judge(quote), 'root_untrusted')
      assert.equal(judge(platform.quote(), { ...collateral, pckCrlIssuerChain: caPem + again.certificate.pem }), 'root_untrusted')
    })

    it('must be a root CA itself', () => {
      const { certificate } = authority('Intel SGX TCB Signing')
      assert.equal(judge(platform.quote(), collateral, { root: certificate.der }), 'certificate_signature')
      assert.equal(judge(platform.quote(), collateral, { root: pki.platformCa.certificate.der }), 'certificate_signature')
      assert.equal(judge(platform.quote(), collateral, { root: new Uint8Array(0) }), 'certificate_malformed')
      assert.equal(judge(platform.quote(), collateral, { root: new Uint8Array(500) }), 'certificate_malformed')
      const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' })
      const self = (subject: string, fields: Partial<CertificateFields>) =>
        authority(subject, { ...keys, issuer: { name: subject, ...keys }, ...fields }).certificate.der
      assert.equal(judge(platform.quote(), collateral, { root: self('Intel SGX Root', { pathLength: 1 }) }), 'certificate_role')
      assert.equal(judge(platform.quote(), collateral, { root: self('Intel SGX Root CA', {}) }), 'certificate_role')
      assert.equal(
        judge(platform.quote(), collateral, { root: self('Intel SGX Root CA', { pathLength: 0 }) }),
        'certificate_role',
      )
    })

    it('is what quoteRoot reads from the end of the chain', () => {
      assert.deepEqual(Buffer.from(quoteRoot(parseQuote(platform.quote()))), Buffer.from(pki.rootDer))
      const none = parseQuote(pki.platform({ chainPem: () => 'no certificate' }).quote())
      assert.throws(() => quoteRoot(none), { reason: 'certificate_malformed' })
    })
  })

  describe('the chain of a quote', () => {
    const pckPem = platform.pck.certificate.pem
    const ofPems = (...pems: string[]) => judge(pki.platform({ chainPem: () => pems.join('') }).quote())

    it('is exactly PCK, CA, root in this order', () => {
      assert.equal(ofPems(pckPem, rootPem), 'certificate_role')
      assert.equal(ofPems(rootPem), 'certificate_role')
      assert.equal(ofPems(caPem, rootPem), 'certificate_role')
      assert.equal(ofPems(pckPem, pckPem, caPem, rootPem), 'certificate_malformed')
      assert.equal(ofPems(pckPem, caPem, caPem, rootPem), 'certificate_malformed')
      assert.equal(ofPems(rootPem, caPem, pckPem), 'root_untrusted')
      assert.equal(ofPems(caPem, pckPem, rootPem), 'certificate_role')
      assert.equal(ofPems(caPem, caPem, rootPem), 'certificate_signature')
      assert.equal(ofPems(rootPem, caPem, rootPem), 'certificate_signature')
      assert.equal(ofPems(''), 'certificate_malformed')
    })

    it('has no PCK leaf in the place of a CA', () => {
      const leaf = authority(PCK, { issuer: { ...platform.pck, name: PCK } })
      assert.equal(chain(leaf, pckPem), 'certificate_role')
      assert.equal(chain(leaf), 'certificate_signature')
      assert.equal(chain(leaf, pckPem + caPem), 'certificate_malformed')
    })

    it('has a PCK that the CA itself issued', () => {
      for (const issuer of [pki.root, pki.tcbSigning, { ...authority(PLATFORM_CA), name: PLATFORM_CA }]) {
        assert.equal(pckWith({ issuer }), 'certificate_signature')
      }
    })

    it('has a PCK that names the CA as its issuer, and itself by its name', () => {
      assert.equal(pckWith({ issuer: { ...pki.platformCa, name: PROCESSOR_CA } }), 'certificate_role')
      assert.equal(pckWith({ issuer: { ...pki.platformCa, name: 'Intel SGX PCK Platform CA ' } }), 'certificate_role')
      assert.equal(pckWith({ subject: 'Intel SGX TCB Signing' }), 'certificate_role')
      assert.equal(pckWith({ subject: 'intel sgx pck certificate' }), 'certificate_role')
      assert.equal(pckWith({ subject: `${PCK} 2` }), 'certificate_role')
    })

    it('has a PCK that is no CA and only signs', () => {
      assert.equal(pckWith({ pathLength: 0 }), 'certificate_role')
      const usage = (bits: Buffer) =>
        altered((tbs) => {
          extension(tbs, '2.5.29.15').extnValue.buffer = Uint8Array.from(bits).buffer
        })
      assert.equal(usage(Buffer.from('03020106', 'hex')), 'certificate_role')
      assert.equal(usage(Buffer.from('03020284', 'hex')), 'certificate_role')
      assert.equal(usage(Buffer.from('03020640', 'hex')), 'certificate_role')
      assert.equal(usage(Buffer.from('030205e0', 'hex')), 'UpToDate')
    })

    it('is valid now: a PCK certificate has its own dates', () => {
      assert.equal(pckWith({ notAfterMs: NOW_MS }), 'UpToDate')
      assert.equal(pckWith({ notAfterMs: NOW_MS - 1000 }), 'expired')
      assert.equal(pckWith({ notBeforeMs: NOW_MS }), 'UpToDate')
      assert.equal(pckWith({ notBeforeMs: NOW_MS + 1000 }), 'not_yet_valid')
      assert.equal(
        pckWith({ notBeforeMs: Date.parse('2050-01-01T00:00:00Z'), notAfterMs: Date.parse('2051-01-01T00:00:00Z') }),
        'not_yet_valid',
      )
      assert.equal(accepted(pki.platform({ certificate: { notAfterMs: NOW_MS + 1000 } }).quote()).expiresMs, NOW_MS + 1000)
    })

    it('is the strict PEM text, with a NUL at the end as Intel writes it', () => {
      const text = platform.chainPem
      const other = (chainPem: string) => judge(platform.quote({ chainPem }))
      assert.equal(other(`${text}\0`), 'UpToDate')
      assert.equal(other(`${text}\0\0`), 'certificate_malformed')
      assert.equal(other(`${text}\n`), 'certificate_malformed')
      assert.equal(other(`\n${text}`), 'certificate_malformed')
      assert.equal(other(`# ${text}`), 'certificate_malformed')
      assert.equal(other(text.replace('\n', '\r\n')), 'certificate_malformed')
      assert.equal(other(text.replace('-----\nM', '-----\n M')), 'certificate_malformed')
      assert.equal(other(text.replace('-----\nM', '-----\nProc-Type: 4\n\nM')), 'certificate_malformed')
      assert.equal(other(text.replace('-----BEGIN', '----- BEGIN')), 'certificate_malformed')
      assert.equal(other(text.replaceAll('\n', '')), 'certificate_malformed')
      assert.equal(other(text.replace(/([A-Za-z0-9+/]{63})\n/, '$1')), 'certificate_malformed')
    })

    it('has no bits in the padding of its base64', () => {
      const der = platform.pck.certificate.der
      const text = pemOf(der)
      const padding = /(.)(=+)\n-----END/.exec(text)
      // A certificate of a length that needs no padding has no such bits: then take one byte away.
      const last = padding?.[1] ?? ''
      const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
      const other = alphabet[alphabet.indexOf(last) ^ 1]
      const changed =
        padding === null
          ? text.replace(/.\n-----END/, '=\n-----END')
          : text.replace(padding[0], `${other}${padding[2]}\n-----END`)
      assert.equal(judge(platform.quote({ chainPem: changed + caPem + rootPem })), 'certificate_malformed')
    })
  })

  describe('certificates', () => {
    it('have all five extensions of the profile, each once', () => {
      for (const id of ['2.5.29.14', '2.5.29.15', '2.5.29.19', '2.5.29.31', '2.5.29.35', '1.2.840.113741.1.13.1']) {
        const without = altered((tbs) => {
          const at = tbs.extensions!.indexOf(extension(tbs, id))
          tbs.extensions!.splice(at, 1)
        })
        assert.equal(without, 'certificate_malformed', `without ${id}`)
        const twice = altered((tbs) => tbs.extensions!.push(extension(tbs, id)))
        assert.equal(twice, 'certificate_malformed', `${id} twice`)
      }
    })

    it('have no critical extension that is not understood', () => {
      assert.equal(
        altered((tbs) => {
          extension(tbs, '1.2.840.113741.1.13.1').critical = true
        }),
        'certificate_malformed',
      )
      assert.equal(
        altered((tbs) => {
          extension(tbs, '2.5.29.31').critical = true
        }),
        'certificate_malformed',
      )
    })

    it('are of version 3, of P-256 keys, with the one signature algorithm', () => {
      assert.equal(
        altered((tbs) => {
          tbs.version = 1
        }),
        'certificate_malformed',
      )
      assert.equal(
        altered((tbs) => {
          tbs.signature.algorithm = '1.2.840.10045.4.3.3'
        }),
        'certificate_malformed',
      )
      assert.equal(
        altered((tbs) => {
          tbs.signature.parameters = null
        }),
        'certificate_malformed',
      )
      assert.equal(
        altered((tbs) => {
          tbs.subjectUniqueID = new ArrayBuffer(2)
        }),
        'certificate_malformed',
      )
      const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' })
      assert.equal(pckWith({ publicKey: p384.publicKey }), 'certificate_malformed')
      const offCurve = altered((tbs) => {
        const point = Uint8Array.from(new Uint8Array(tbs.subjectPublicKeyInfo.subjectPublicKey))
        point[64] = point[64]! ^ 1
        tbs.subjectPublicKeyInfo.subjectPublicKey = point.buffer
      })
      assert.equal(offCurve, 'certificate_malformed')
    })

    it('have a positive serial number of at most 20 octets', () => {
      const serial = (hex: string) =>
        altered((tbs) => {
          tbs.serialNumber = Uint8Array.from(Buffer.from(hex, 'hex')).buffer
        })
      assert.equal(serial('01'), 'UpToDate')
      assert.equal(serial(`00${'ff'.repeat(20)}`), 'UpToDate')
      assert.equal(serial(`01${'ff'.repeat(21)}`), 'certificate_malformed')
      assert.equal(serial('80'), 'certificate_malformed')
      assert.equal(serial('0001'), 'certificate_malformed')
    })

    it('are refused whole when one bit of their signed part or signature is another', () => {
      const { der } = platform.pck.certificate
      for (let at = 0; at < der.length; at++) {
        const quote = platform.quote({ chainPem: pemOf(flipped(der, at, at % 8)) + caPem + rootPem })
        assert.match(judge(quote), /^certificate_(signature|malformed)$/, `byte ${at}`)
      }
    })
  })

  describe('the CA', () => {
    it('has one of its two names', () => {
      assert.equal(judgeCa(authority('Intel SGX PCK CA', { pathLength: 0 })), 'certificate_role')
      assert.equal(judgeCa(authority('Intel SGX Root CA', { pathLength: 0 })), 'certificate_role')
    })
    it('is a CA that may sign certificates and revocation lists', () => {
      assert.equal(judgeCa(authority(PLATFORM_CA)), 'certificate_role')
      for (const bits of ['03020204', '03020102', '03020780']) {
        const alter = (tbs: TBSCertificate) => {
          extension(tbs, '2.5.29.15').extnValue.buffer = Uint8Array.from(Buffer.from(bits, 'hex')).buffer
        }
        assert.equal(judgeCa(authority(PLATFORM_CA, { pathLength: 0, alter })), 'certificate_role')
      }
    })
    it('is signed by the root, which it names', () => {
      assert.equal(judgeCa(authority(PLATFORM_CA, { pathLength: 0, issuer: pki.platformCa })), 'certificate_signature')
      const renamed = { ...pki.root, name: 'Intel SGX Root' }
      assert.equal(judgeCa(authority(PLATFORM_CA, { pathLength: 0, issuer: renamed })), 'certificate_role')
    })
    it('is valid now', () => {
      assert.equal(judgeCa(authority(PLATFORM_CA, { pathLength: 0, notAfterMs: NOW_MS - 1000 })), 'expired')
      assert.equal(judgeCa(authority(PLATFORM_CA, { pathLength: 0, notBeforeMs: NOW_MS + 1000 })), 'not_yet_valid')
    })
    it('of the quote is the one of the revocation list', () => {
      const other = authority(PROCESSOR_CA, { pathLength: 0 })
      assert.equal(judge(pki.platform({ issuer: other }).quote()), 'certificate_role')
    })
  })

  describe('who signs TCB info and QE identity', () => {
    const SIGNER = 'Intel SGX TCB Signing'
    it('is a leaf of the root with the name for it', () => {
      assert.equal(judgeSigner(authority(SIGNER)), 'UpToDate')
      assert.equal(judgeSigner(authority(PCK)), 'certificate_role')
      assert.equal(judgeSigner(authority(SIGNER, { pathLength: 0 })), 'certificate_role')
      assert.equal(judgeSigner(authority(SIGNER, { issuer: pki.platformCa })), 'certificate_signature')
      assert.equal(judgeSigner(authority(SIGNER, { issuer: { ...pki.root, name: PLATFORM_CA } })), 'certificate_role')
      assert.equal(judgeSigner(pki.platformCa), 'certificate_role')
      assert.equal(judgeSigner(pki.root), 'certificate_role')
    })
    it('is not a PCK', () => {
      assert.equal(judgeSigner({ ...platform.pck, name: PCK }), 'certificate_signature')
    })
    it('is valid now', () => {
      assert.equal(judgeSigner(authority(SIGNER, { notAfterMs: NOW_MS - 1000 })), 'expired')
      assert.equal(judgeSigner(authority(SIGNER, { notBeforeMs: NOW_MS + 1000 })), 'not_yet_valid')
    })
    it('comes with the root alone, in both chains', () => {
      const signerPem = pki.tcbSigning.certificate.pem
      for (const field of ['tcbInfoIssuerChain', 'qeIdentityIssuerChain'] as const) {
        const other = (pem: string) => judge(platform.quote(), { ...collateral, [field]: pem })
        assert.equal(other(signerPem + rootPem), 'UpToDate')
        assert.equal(other(signerPem), 'certificate_malformed')
        assert.equal(other(rootPem + signerPem), 'root_untrusted')
        assert.equal(other(signerPem + caPem + rootPem), 'certificate_malformed')
        assert.equal(other(caPem + rootPem), 'certificate_role')
        assert.equal(other(''), 'certificate_malformed')
        assert.equal(other((signerPem + rootPem).repeat(40)), 'certificate_malformed')
      }
    })
  })
})
