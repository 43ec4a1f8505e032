import { createHash, sign } from 'node:crypto'
import { isIP } from 'node:net'
import { p256 } from '@noble/curves/nist.js'
import { AsnConvert, OctetString } from '@peculiar/asn1-schema'
import {
  AlgorithmIdentifier,
  AttributeTypeAndValue,
  AttributeValue,
  AuthorityKeyIdentifier,
  BasicConstraints,
  Certificate,
  ExtendedKeyUsage,
  Extension,
  Extensions,
  GeneralName,
  id_ce_authorityKeyIdentifier,
  id_ce_basicConstraints,
  id_ce_extKeyUsage,
  id_ce_keyUsage,
  id_ce_subjectAltName,
  id_ce_subjectKeyIdentifier,
  id_kp_clientAuth,
  id_kp_serverAuth,
  KeyIdentifier,
  KeyUsage,
  KeyUsageFlags,
  Name,
  RelativeDistinguishedName,
  SubjectAlternativeName,
  SubjectKeyIdentifier,
  SubjectPublicKeyInfo,
  TBSCertificate,
  Validity,
  Version,
} from '@peculiar/asn1-x509'
import { concat, utf8 } from '../../protocols/wire/bytes.ts'
import { UsageError } from '../base/index.ts'
import { p256KeyObject, p256Spki } from './p256.ts'

// X.509 (RFC 5280) and PKCS#10 (RFC 2986) of P-256 keys. Loaded only when the first certificate is asked for.

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

const ECDSA_WITH_SHA256 = '1.2.840.10045.4.3.2'
const OID_COMMON_NAME = '2.5.4.3'
const OID_ORGANIZATION = '2.5.4.10'
const OID_EXTENSION_REQUEST = '2a864886f70d01090e'

const SUBJECT_BYTES_MAX = 512
const ALT_NAME_BYTES_MAX = 253
const ALT_NAMES_MAX = 100

const buffer = (bytes: Uint8Array): ArrayBuffer => Uint8Array.from(bytes).buffer
const der = (value: unknown): Uint8Array => new Uint8Array(AsnConvert.serialize(value))

/** One DER element. */
const tlv = (tag: number, ...parts: readonly Uint8Array[]): Uint8Array => {
  const body = concat([...parts])
  if (body.length < 0x80) return concat([Uint8Array.of(tag, body.length), body])
  const length = Buffer.from(
    body.length.toString(16).padStart(body.length > 0xff ? (body.length > 0xffff ? 6 : 4) : 2, '0'),
    'hex',
  )
  return concat([Uint8Array.of(tag, 0x80 | length.length), length, body])
}

const pem = (label: string, bytes: Uint8Array): string =>
  `-----BEGIN ${label}-----\n${Buffer.from(bytes)
    .toString('base64')
    .replace(/.{1,64}/g, '$&\n')}-----END ${label}-----\n`

const extension = (extnID: string, critical: boolean, value: Uint8Array): Extension =>
  new Extension({ extnID, critical, extnValue: new OctetString(buffer(value)) })

/** A dstack extension. */
export const dstackExtension = (oid: string, value: Uint8Array): Extension => extension(oid, false, tlv(0x04, value))

/** RFC 5280, 4.2.1.2 (1): SHA-1 of the public key's bits, which are the last 65 bytes. */
const keyIdentifier = (spki: Uint8Array): Uint8Array => createHash('sha1').update(spki.subarray(-65)).digest()

const nameOf = (commonName: string, organization?: string): Name => {
  const attribute = (type: string, text: string) =>
    new RelativeDistinguishedName([new AttributeTypeAndValue({ type, value: new AttributeValue({ utf8String: text }) })])
  return new Name([
    ...(organization === undefined ? [] : [attribute(OID_ORGANIZATION, organization)]),
    ...(commonName === '' ? [] : [attribute(OID_COMMON_NAME, commonName)]),
  ])
}

export const checkSubject = (subject: string): void => {
  const bytes = Buffer.byteLength(subject)
  if (bytes > SUBJECT_BYTES_MAX || subject.includes('\0')) {
    throw new UsageError('bad_subject', `a subject has at most ${SUBJECT_BYTES_MAX} bytes and no zero; this one has ${bytes}`)
  }
}

/** DNS names (in ASCII, a wildcard as the first label at most) and IP addresses. */
const altNamesExtension = (names: readonly string[], critical: boolean): Extension[] => {
  if (names.length === 0) return []
  if (names.length > ALT_NAMES_MAX) throw new UsageError('bad_alt_name', `at most ${ALT_NAMES_MAX} alternative names`)
  const general = names.map((name) => {
    if (isIP(name) !== 0 && !name.includes('%')) return new GeneralName({ iPAddress: name })
    if (
      name.length > ALT_NAME_BYTES_MAX ||
      !/^(\*\.)?[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?$/.test(name) ||
      name.includes('..')
    ) {
      throw new UsageError('bad_alt_name', 'an alternative name is neither a DNS name in ASCII nor an IP address')
    }
    return new GeneralName({ dNSName: name })
  })
  return [extension(id_ce_subjectAltName, critical, der(new SubjectAlternativeName(general)))]
}

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
  const ca = fields.pathLength !== undefined
  const usages = [...(fields.serverAuth ? [id_kp_serverAuth] : []), ...(fields.clientAuth ? [id_kp_clientAuth] : [])]
  return [
    extension(
      id_ce_basicConstraints,
      true,
      der(new BasicConstraints(ca ? { cA: true, pathLenConstraint: fields.pathLength! } : { cA: false })),
    ),
    extension(
      id_ce_keyUsage,
      true,
      der(new KeyUsage(ca ? KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign : KeyUsageFlags.digitalSignature)),
    ),
    ...(usages.length === 0 ? [] : [extension(id_ce_extKeyUsage, false, der(new ExtendedKeyUsage(usages)))]),
    // RFC 5280, 4.2.1.6: critical where the subject is empty.
    ...altNamesExtension(fields.altNames ?? [], fields.subject.commonName === ''),
    extension(id_ce_subjectKeyIdentifier, false, der(new SubjectKeyIdentifier(keyIdentifier(fields.subject.spki)))),
    extension(
      id_ce_authorityKeyIdentifier,
      false,
      der(new AuthorityKeyIdentifier({ keyIdentifier: new KeyIdentifier(keyIdentifier(fields.issuer.spki)) })),
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

const algorithm = () => new AlgorithmIdentifier({ algorithm: ECDSA_WITH_SHA256 })

/** A certificate, PEM. */
export const makeCertificate = (fields: CertificateFields, signer: Signer): string => {
  // Positive and never with a leading zero byte: the bytes are the INTEGER's own.
  const serial = Uint8Array.from(fields.serial)
  serial[0] = (serial[0]! & 0x7f) | 0x40
  const tbs = new TBSCertificate({
    version: Version.v3,
    serialNumber: buffer(serial),
    signature: algorithm(),
    issuer: nameOf(fields.issuer.commonName, fields.issuer.organization),
    validity: new Validity({ notBefore: new Date(fields.notBeforeMs), notAfter: new Date(fields.notAfterMs) }),
    subject: nameOf(fields.subject.commonName, fields.subject.organization),
    subjectPublicKeyInfo: AsnConvert.parse(buffer(fields.subject.spki), SubjectPublicKeyInfo),
    extensions: new Extensions(extensionsOf(fields)),
  })
  return pem(
    'CERTIFICATE',
    der(new Certificate({ tbsCertificate: tbs, signatureAlgorithm: algorithm(), signatureValue: buffer(signer(der(tbs))) })),
  )
}

/** A PKCS#10 request for `names`, the first of which is the common name; PEM. */
export const makeCertificateRequest = (scalar: Uint8Array, names: readonly string[]): string => {
  const commonName = names[0] ?? ''
  if (commonName === '') throw new UsageError('bad_subject', 'a certificate request names at least one domain')
  checkSubject(commonName)
  const extensions = der(new Extensions(altNamesExtension(names, false)))
  const attribute = tlv(0x30, tlv(0x06, Buffer.from(OID_EXTENSION_REQUEST, 'hex')), tlv(0x31, extensions))
  const info = tlv(0x30, Uint8Array.of(0x02, 0x01, 0x00), der(nameOf(commonName)), p256Spki(scalar), tlv(0xa0, attribute))
  const signature = deterministicSigner(scalar)(info)
  return pem('CERTIFICATE REQUEST', tlv(0x30, info, der(algorithm()), tlv(0x03, Uint8Array.of(0), signature)))
}

/** The report data by which a quote binds a certificate's key: SHA-512("ratls-cert:" ‖ SPKI). */
export const certificateReportData = (spki: Uint8Array): Uint8Array =>
  Uint8Array.from(createHash('sha512').update(utf8('ratls-cert:')).update(spki).digest())
