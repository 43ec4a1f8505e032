import { createHash, sign } from 'node:crypto'
import { isIP } from 'node:net'
import { p256 } from '@noble/curves/nist.js'
import { utf8 } from '../../protocols/wire/bytes.ts'
import { UsageError } from '../base/index.ts'
import { bits, element, integer, ipAddress, octets, oid, sequence, set, TRUE, time, utf8String } from './der.ts'
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

const OID = {
  ecdsaWithSha256: '1.2.840.10045.4.3.2',
  commonName: '2.5.4.3',
  organization: '2.5.4.10',
  subjectKeyIdentifier: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  authorityKeyIdentifier: '2.5.29.35',
  extendedKeyUsage: '2.5.29.37',
  serverAuth: '1.3.6.1.5.5.7.3.1',
  clientAuth: '1.3.6.1.5.5.7.3.2',
  extensionRequest: '1.2.840.113549.1.9.14',
} as const
const VERSION_3 = element(0xa0, integer(Uint8Array.of(2)))
const ALGORITHM = sequence(oid(OID.ecdsaWithSha256))
/** RFC 5280, 4.2.1.3: bit 0 is digitalSignature, 5 keyCertSign, 6 cRLSign. */
const KEY_USAGE_LEAF = bits(Uint8Array.of(0x80), 7)
const KEY_USAGE_CA = bits(Uint8Array.of(0x06), 1)

const SUBJECT_BYTES_MAX = 512
const ALT_NAME_BYTES_MAX = 253
const ALT_NAMES_MAX = 100
/** Labels of letters, digits, - and _ between dots. */
const DNS_NAME = /^(\*\.)?[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*$/

const pem = (label: string, bytes: Uint8Array): string =>
  `-----BEGIN ${label}-----\n${Buffer.from(bytes)
    .toString('base64')
    .replace(/.{1,64}/g, '$&\n')}-----END ${label}-----\n`

/** An extension, encoded. */
const extension = (id: string, critical: boolean, value: Uint8Array): Uint8Array =>
  critical ? sequence(oid(id), TRUE, octets(value)) : sequence(oid(id), octets(value))

/** A dstack extension, encoded. */
export const dstackExtension = (id: string, value: Uint8Array, critical = false): Uint8Array =>
  extension(id, critical, octets(value))

/** RFC 5280, 4.2.1.2 (1): SHA-1 of the public key's bits, which are the last 65 bytes. */
const keyIdentifier = (spki: Uint8Array): Uint8Array => createHash('sha1').update(spki.subarray(-65)).digest()

const nameOf = (commonName: string, organization?: string): Uint8Array => {
  const attribute = (type: string, text: string) => set(sequence(oid(type), utf8String(text)))
  return sequence(
    ...(organization === undefined ? [] : [attribute(OID.organization, organization)]),
    ...(commonName === '' ? [] : [attribute(OID.commonName, commonName)]),
  )
}

export const checkSubject = (subject: string): void => {
  const bytes = Buffer.byteLength(subject)
  if (bytes > SUBJECT_BYTES_MAX || subject.includes('\0')) {
    throw new UsageError('bad_subject', `a subject has at most ${SUBJECT_BYTES_MAX} bytes and no zero; this one has ${bytes}`)
  }
}

/** DNS names (in ASCII, a wildcard as the first label at most) and IP addresses. */
const altNamesExtension = (names: readonly string[], critical: boolean): Uint8Array[] => {
  if (names.length === 0) return []
  if (names.length > ALT_NAMES_MAX) throw new UsageError('bad_alt_name', `at most ${ALT_NAMES_MAX} alternative names`)
  const general = names.map((name) => {
    // GeneralName: [2] dNSName, [7] iPAddress.
    if (isIP(name) !== 0 && !name.includes('%')) return element(0x87, ipAddress(name))
    if (name.length > ALT_NAME_BYTES_MAX || !DNS_NAME.test(name)) {
      throw new UsageError('bad_alt_name', 'an alternative name is neither a DNS name in ASCII nor an IP address')
    }
    return element(0x82, Buffer.from(name))
  })
  return [extension(OID.subjectAltName, critical, sequence(...general))]
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
  /** dstack's, each encoded. */
  extensions?: readonly Uint8Array[]
}

const extensionsOf = (fields: CertificateFields): Uint8Array => {
  const { pathLength } = fields
  const ca = pathLength !== undefined
  const usages = [...(fields.serverAuth ? [oid(OID.serverAuth)] : []), ...(fields.clientAuth ? [oid(OID.clientAuth)] : [])]
  return sequence(
    extension(OID.basicConstraints, true, ca ? sequence(TRUE, integer(Uint8Array.of(pathLength))) : sequence()),
    extension(OID.keyUsage, true, ca ? KEY_USAGE_CA : KEY_USAGE_LEAF),
    ...(usages.length === 0 ? [] : [extension(OID.extendedKeyUsage, false, sequence(...usages))]),
    // RFC 5280, 4.2.1.6: critical where the subject is empty.
    ...altNamesExtension(fields.altNames ?? [], fields.subject.commonName === ''),
    extension(OID.subjectKeyIdentifier, false, octets(keyIdentifier(fields.subject.spki))),
    extension(OID.authorityKeyIdentifier, false, sequence(element(0x80, keyIdentifier(fields.issuer.spki)))),
    ...(fields.extensions ?? []),
  )
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
  // Positive, and never with a leading zero byte.
  const serial = Uint8Array.from(fields.serial)
  serial[0] = (serial[0]! & 0x7f) | 0x40
  const tbs = sequence(
    VERSION_3,
    integer(serial),
    ALGORITHM,
    nameOf(fields.issuer.commonName, fields.issuer.organization),
    sequence(time(fields.notBeforeMs), time(fields.notAfterMs)),
    nameOf(fields.subject.commonName, fields.subject.organization),
    fields.subject.spki,
    element(0xa3, extensionsOf(fields)),
  )
  return pem('CERTIFICATE', sequence(tbs, ALGORITHM, bits(signer(tbs))))
}

/** A PKCS#10 request for `names`, the first of which is the common name; PEM. */
export const makeCertificateRequest = (scalar: Uint8Array, names: readonly string[]): string => {
  const commonName = names[0] ?? ''
  if (commonName === '') throw new UsageError('bad_subject', 'a certificate request names at least one domain')
  checkSubject(commonName)
  const attribute = sequence(oid(OID.extensionRequest), set(sequence(...altNamesExtension(names, false))))
  const info = sequence(integer(Uint8Array.of(0)), nameOf(commonName), p256Spki(scalar), element(0xa0, attribute))
  return pem('CERTIFICATE REQUEST', sequence(info, ALGORITHM, bits(deterministicSigner(scalar)(info))))
}

/** The report data by which a quote binds a certificate's key: SHA-512("ratls-cert:" ‖ SPKI). */
export const certificateReportData = (spki: Uint8Array): Uint8Array =>
  Uint8Array.from(createHash('sha512').update(utf8('ratls-cert:')).update(spki).digest())
