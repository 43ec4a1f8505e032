import { createHash, sign } from 'node:crypto'
import { createRequire } from 'node:module'
import { isIP } from 'node:net'
import { p256 } from '@noble/curves/nist.js'
import type { Extension, GeneralName, Name } from '@peculiar/asn1-x509'
import { utf8 } from '../../protocols/wire/bytes.ts'
import { UsageError } from '../base/index.ts'
import { p256KeyObject, p256Spki } from './p256.ts'

// X.509 (RFC 5280) and PKCS#10 (RFC 2986) of P-256 keys.

/** dstack's extensions (ra-tls/src/oids.rs); each value is a DER OCTET STRING inside the extension's own. */
export const DSTACK_OID = {
  tdxQuote: '1.3.6.1.4.1.62397.1.1',
  eventLog: '1.3.6.1.4.1.62397.1.2',
  appId: '1.3.6.1.4.1.62397.1.3',
  usage: '1.3.6.1.4.1.62397.1.4',
  attestation: '1.3.6.1.4.1.62397.1.8',
  appInfo: '1.3.6.1.4.1.62397.1.9',
} as const

/** Values of {@link DSTACK_OID}.usage: what tells an app's own certificate from one that may sign such. */
export const USAGE_APP_CA = 'app:ca'
export const USAGE_APP = 'app:custom'

/** RFC 2985, 5.4.2. */
const EXTENSION_REQUEST = '1.2.840.113549.1.9.14'

const require = createRequire(import.meta.url)
const load = () => ({
  ...(require('@peculiar/asn1-schema') as typeof import('@peculiar/asn1-schema')),
  ...(require('@peculiar/asn1-x509') as typeof import('@peculiar/asn1-x509')),
  ...(require('@peculiar/asn1-csr') as typeof import('@peculiar/asn1-csr')),
  ...(require('@peculiar/asn1-ecc') as typeof import('@peculiar/asn1-ecc')),
})
let loaded: ReturnType<typeof load> | undefined
/** ASN.1, loaded with the first certificate: a node that starts does not wait for it. All four are CommonJS, so this is at once. */
const asn1 = () => {
  loaded ??= load()
  return loaded
}

const SUBJECT_BYTES_MAX = 512
const ALT_NAME_BYTES_MAX = 253
const ALT_NAMES_MAX = 100
/** Labels of letters, digits, - and _ between dots. */
const DNS_NAME = /^(\*\.)?[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*$/

const pem = (label: string, bytes: Uint8Array): string =>
  `-----BEGIN ${label}-----\n${Buffer.from(bytes)
    .toString('base64')
    .replace(/.{1,64}/g, '$&\n')}-----END ${label}-----\n`

const buffer = (bytes: Uint8Array): ArrayBuffer => Uint8Array.from(bytes).buffer
const der = (value: unknown): Uint8Array => new Uint8Array(asn1().AsnConvert.serialize(value))

const extension = (extnID: string, critical: boolean, value: unknown): Extension => {
  const { AsnConvert, Extension, OctetString } = asn1()
  return new Extension({ extnID, critical, extnValue: new OctetString(AsnConvert.serialize(value)) })
}

/** A dstack extension. */
export const dstackExtension = (id: string, value: Uint8Array, critical = false): Extension =>
  extension(id, critical, new (asn1().OctetString)(buffer(value)))

/** RFC 5280, 4.2.1.2 (1): SHA-1 of the public key's bits, which are the last 65 bytes. */
const keyIdentifier = (spki: Uint8Array): Uint8Array => createHash('sha1').update(spki.subarray(-65)).digest()

const nameOf = (commonName: string, organization = ''): Name => {
  const { AttributeTypeAndValue, AttributeValue, Name, RelativeDistinguishedName } = asn1()
  const attribute = (type: string, text: string) =>
    text === ''
      ? []
      : [new RelativeDistinguishedName([new AttributeTypeAndValue({ type, value: new AttributeValue({ utf8String: text }) })])]
  return new Name([...attribute('2.5.4.10', organization), ...attribute('2.5.4.3', commonName)])
}

export const checkSubject = (subject: string): void => {
  const bytes = Buffer.byteLength(subject)
  if (bytes > SUBJECT_BYTES_MAX || subject.includes('\0')) {
    throw new UsageError('bad_subject', `a subject has at most ${SUBJECT_BYTES_MAX} bytes and no zero; this one has ${bytes}`)
  }
}

/** DNS names (in ASCII, a wildcard as the first label at most) and IP addresses. */
const altNamesExtension = (names: readonly string[], critical: boolean): Extension[] => {
  const { GeneralName, id_ce_subjectAltName, SubjectAlternativeName } = asn1()
  if (names.length === 0) return []
  if (names.length > ALT_NAMES_MAX) throw new UsageError('bad_alt_name', `at most ${ALT_NAMES_MAX} alternative names`)
  const general = names.map((name): GeneralName => {
    if (isIP(name) !== 0 && !name.includes('%')) return new GeneralName({ iPAddress: plainAddress(name) })
    if (name.length > ALT_NAME_BYTES_MAX || !DNS_NAME.test(name)) {
      throw new UsageError('bad_alt_name', 'an alternative name is neither a DNS name in ASCII nor an IP address')
    }
    return new GeneralName({ dNSName: name })
  })
  return [extension(id_ce_subjectAltName, critical, new SubjectAlternativeName(general))]
}

/** The library reads IPv6 in groups of hex only; the URL parser knows every form, a trailing IPv4 among them, and writes those. */
const plainAddress = (address: string): string =>
  isIP(address) === 4 ? address : new URL(`http://[${address}]`).hostname.slice(1, -1)

export interface Subject {
  commonName: string
  organization?: string
  /** SubjectPublicKeyInfo, DER. */
  spki: Uint8Array
}

export interface CertificateFields {
  subject: Subject
  issuer: Subject
  serial: Uint8Array
  notBeforeMs: number
  notAfterMs: number
  /** Present: a CA with this path length. Absent: a leaf. */
  pathLength?: number
  altNames?: readonly string[]
  serverAuth?: boolean
  clientAuth?: boolean
  /** dstack's. */
  extensions?: readonly Extension[]
}

const extensionsOf = (fields: CertificateFields): Extension[] => {
  const lib = asn1()
  const { AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, KeyIdentifier, KeyUsage, KeyUsageFlags } = lib
  const { pathLength } = fields
  const ca = pathLength !== undefined
  const usages = [...(fields.serverAuth ? [lib.id_kp_serverAuth] : []), ...(fields.clientAuth ? [lib.id_kp_clientAuth] : [])]
  return [
    extension(
      lib.id_ce_basicConstraints,
      true,
      new BasicConstraints(ca ? { cA: true, pathLenConstraint: pathLength } : { cA: false }),
    ),
    extension(
      lib.id_ce_keyUsage,
      true,
      new KeyUsage(ca ? KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign : KeyUsageFlags.digitalSignature),
    ),
    ...(usages.length === 0 ? [] : [extension(lib.id_ce_extKeyUsage, false, new ExtendedKeyUsage(usages))]),
    // RFC 5280, 4.2.1.6: critical where the subject is empty.
    ...altNamesExtension(fields.altNames ?? [], fields.subject.commonName === ''),
    extension(lib.id_ce_subjectKeyIdentifier, false, new lib.SubjectKeyIdentifier(buffer(keyIdentifier(fields.subject.spki)))),
    extension(
      lib.id_ce_authorityKeyIdentifier,
      false,
      new AuthorityKeyIdentifier({ keyIdentifier: new KeyIdentifier(buffer(keyIdentifier(fields.issuer.spki))) }),
    ),
    ...(fields.extensions ?? []),
  ]
}

/** How bytes are signed: DER of an ECDSA-P256-SHA256 signature. */
export type Signer = (bytes: Uint8Array) => Uint8Array

/** OpenSSL's, with a random nonce. */
export const signerOf = (scalar: Uint8Array): Signer => {
  const key = p256KeyObject(scalar)
  return (bytes) => sign('sha256', bytes, key)
}

/** RFC 6979: every member makes the same certificate, to the byte. */
export const deterministicSigner =
  (scalar: Uint8Array): Signer =>
  (bytes) =>
    p256.sign(bytes, scalar, { format: 'der', lowS: false })

/** A certificate, PEM. */
export const makeCertificate = (fields: CertificateFields, signer: Signer): string => {
  const { AsnConvert, Certificate, ecdsaWithSHA256, Extensions, SubjectPublicKeyInfo, TBSCertificate, Validity, Version } = asn1()
  // Positive, and never with a leading zero byte.
  const serial = Uint8Array.from(fields.serial)
  serial[0] = (serial[0]! & 0x7f) | 0x40
  const tbsCertificate = new TBSCertificate({
    version: Version.v3,
    serialNumber: serial.buffer,
    signature: ecdsaWithSHA256,
    issuer: nameOf(fields.issuer.commonName, fields.issuer.organization),
    validity: new Validity({ notBefore: new Date(fields.notBeforeMs), notAfter: new Date(fields.notAfterMs) }),
    subject: nameOf(fields.subject.commonName, fields.subject.organization),
    subjectPublicKeyInfo: AsnConvert.parse(buffer(fields.subject.spki), SubjectPublicKeyInfo),
    extensions: new Extensions(extensionsOf(fields)),
  })
  const signatureValue = buffer(signer(der(tbsCertificate)))
  return pem('CERTIFICATE', der(new Certificate({ tbsCertificate, signatureAlgorithm: ecdsaWithSHA256, signatureValue })))
}

/** A PKCS#10 request for `names`, the first of which is the common name; PEM. */
export const makeCertificateRequest = (scalar: Uint8Array, names: readonly string[]): string => {
  const lib = asn1()
  const commonName = names[0] ?? ''
  if (commonName === '') throw new UsageError('bad_subject', 'a certificate request names at least one domain')
  checkSubject(commonName)
  const extensions = new lib.Extensions(altNamesExtension(names, false))
  const certificationRequestInfo = new lib.CertificationRequestInfo({
    subject: nameOf(commonName),
    subjectPKInfo: lib.AsnConvert.parse(buffer(p256Spki(scalar)), lib.SubjectPublicKeyInfo),
    attributes: new lib.Attributes([
      new lib.Attribute({ type: EXTENSION_REQUEST, values: [lib.AsnConvert.serialize(extensions)] }),
    ]),
  })
  const signature = buffer(deterministicSigner(scalar)(der(certificationRequestInfo)))
  const request = { certificationRequestInfo, signatureAlgorithm: lib.ecdsaWithSHA256, signature }
  return pem('CERTIFICATE REQUEST', der(new lib.CertificationRequest(request)))
}

/** The report data by which a quote binds a certificate's key: SHA-512("ratls-cert:" ‖ SPKI). */
export const certificateReportData = (spki: Uint8Array): Uint8Array =>
  Uint8Array.from(createHash('sha512').update(utf8('ratls-cert:')).update(spki).digest())
