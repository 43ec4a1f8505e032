import { createHash, type KeyObject, sign } from 'node:crypto'
import {
  AsnArray,
  AsnBooleanConverter,
  AsnConvert,
  AsnEnumeratedConverter,
  AsnIntegerConverter,
  AsnOctetStringConverter,
  AsnProp,
  AsnPropTypes,
  AsnType,
  AsnTypeTypes,
  OctetString,
} from '@peculiar/asn1-schema'
import {
  AlgorithmIdentifier,
  AttributeTypeAndValue,
  AttributeValue,
  AuthorityKeyIdentifier,
  BasicConstraints,
  Certificate,
  CertificateList,
  CRLDistributionPoints,
  CRLNumber,
  CRLReason,
  CRLReasons,
  DistributionPoint,
  DistributionPointName,
  Extension,
  Extensions,
  GeneralName,
  id_ce_authorityKeyIdentifier,
  id_ce_basicConstraints,
  id_ce_cRLDistributionPoints,
  id_ce_cRLNumber,
  id_ce_cRLReasons,
  id_ce_keyUsage,
  id_ce_subjectKeyIdentifier,
  KeyIdentifier,
  KeyUsage,
  KeyUsageFlags,
  Name,
  RelativeDistinguishedName,
  RevokedCertificate,
  SubjectKeyIdentifier,
  SubjectPublicKeyInfo,
  TBSCertificate,
  TBSCertList,
  Time,
  Validity,
  Version,
} from '@peculiar/asn1-x509'

/** Whoever issues: the common name that goes into the issuer field, and the key pair that signs. */
export interface Issuer {
  readonly name: string
  readonly publicKey: KeyObject
  readonly privateKey: KeyObject
}

export interface IssuedCertificate {
  readonly der: Uint8Array
  readonly pem: string
  /** The bytes of the INTEGER, as a CRL lists them. */
  readonly serial: Uint8Array
  readonly notBeforeMs: number
  readonly notAfterMs: number
}

/** An issuer with the certificate that makes it one. */
export interface Authority extends Issuer {
  readonly certificate: IssuedCertificate
}

/** What Intel writes into a PCK certificate about the platform (extension 1.2.840.113741.1.13.1). */
export interface SgxFields {
  /** 16 bytes: names the processor, for as long as it lives. */
  ppid: Uint8Array
  /** 16 components. */
  cpuSvn: Uint8Array
  pceSvn: number
  /** 2 bytes. */
  pceId: Uint8Array
  /** 6 bytes: family, model, stepping, platform type. */
  fmspc: Uint8Array
  /** 16 bytes. */
  platformInstanceId: Uint8Array
}

export interface CertificateFields {
  issuer: Issuer
  /** Common name of the subject; the rest of the name is Intel's. */
  subject: string
  publicKey: KeyObject
  serial: Uint8Array
  notBeforeMs: number
  notAfterMs: number
  /** Present: a CA with this path length. Absent: a leaf. */
  pathLength?: number
  sgx?: SgxFields
  /** Changes whatever else before it is signed: how a test makes a forgery that only one check can see. */
  alter?: (certificate: TBSCertificate) => void
}

export interface CrlFields {
  issuer: Issuer
  thisUpdateMs: number
  nextUpdateMs: number
  revoked?: readonly Uint8Array[]
  number?: number
  alter?: (list: TBSCertList) => void
}

const ECDSA_WITH_SHA256 = '1.2.840.10045.4.3.2'
const SGX_EXTENSION = '1.2.840.113741.1.13.1'

const buffer = (bytes: Uint8Array): ArrayBuffer => Uint8Array.from(bytes).buffer
const der = (value: unknown): Uint8Array => new Uint8Array(AsnConvert.serialize(value))

/** Intel's distinguished names differ in the common name only; in this order, which byte-wise comparison of names sees. */
export const intelName = (commonName: string): Name => {
  const attribute = (type: string, value: AttributeValue) =>
    new RelativeDistinguishedName([new AttributeTypeAndValue({ type, value })])
  const utf8 = (text: string) => new AttributeValue({ utf8String: text })
  return new Name([
    attribute('2.5.4.3', utf8(commonName)),
    attribute('2.5.4.10', utf8('Intel Corporation')),
    attribute('2.5.4.7', utf8('Santa Clara')),
    attribute('2.5.4.8', utf8('CA')),
    attribute('2.5.4.6', new AttributeValue({ printableString: 'US' })),
  ])
}

const algorithm = () => new AlgorithmIdentifier({ algorithm: ECDSA_WITH_SHA256 })
const signed = (bytes: Uint8Array, issuer: Issuer): ArrayBuffer => buffer(sign('sha256', bytes, issuer.privateKey))

const publicKeyInfo = (key: KeyObject): SubjectPublicKeyInfo =>
  AsnConvert.parse(key.export({ format: 'der', type: 'spki' }), SubjectPublicKeyInfo)

/** RFC 5280, 4.2.1.2 (1): SHA-1 of the public key's bits. */
const keyIdentifier = (key: KeyObject): Uint8Array =>
  createHash('sha1')
    .update(new Uint8Array(publicKeyInfo(key).subjectPublicKey))
    .digest()

const extension = (extnID: string, critical: boolean, value: unknown): Extension =>
  new Extension({ extnID, critical, extnValue: new OctetString(AsnConvert.serialize(value)) })

const authorityKey = (issuer: Issuer): Extension =>
  extension(
    id_ce_authorityKeyIdentifier,
    false,
    new AuthorityKeyIdentifier({ keyIdentifier: new KeyIdentifier(keyIdentifier(issuer.publicKey)) }),
  )

/** PEM with lines of 64 characters. */
export const pem = (certificate: Uint8Array): string =>
  `-----BEGIN CERTIFICATE-----\n${Buffer.from(certificate)
    .toString('base64')
    .replace(/.{1,64}/g, '$&\n')}-----END CERTIFICATE-----\n`

/** A certificate with the extensions and order of Intel's (SGX PCK Certificate and CRL Profile Specification). */
export const issueCertificate = (fields: CertificateFields): IssuedCertificate => {
  const ca = fields.pathLength !== undefined
  // Positive and never with a leading zero byte: the bytes are the INTEGER's own.
  const serial = Uint8Array.from(fields.serial)
  serial[0] = (serial[0]! & 0x7f) | 0x40
  const distribution = new GeneralName({ uniformResourceIdentifier: 'https://emulator.invalid/crl.der' })
  const tbs = new TBSCertificate({
    version: Version.v3,
    serialNumber: buffer(serial),
    signature: algorithm(),
    issuer: intelName(fields.issuer.name),
    validity: new Validity({ notBefore: new Date(fields.notBeforeMs), notAfter: new Date(fields.notAfterMs) }),
    subject: intelName(fields.subject),
    subjectPublicKeyInfo: publicKeyInfo(fields.publicKey),
    extensions: new Extensions([
      authorityKey(fields.issuer),
      extension(
        id_ce_cRLDistributionPoints,
        false,
        new CRLDistributionPoints([
          new DistributionPoint({ distributionPoint: new DistributionPointName({ fullName: [distribution] }) }),
        ]),
      ),
      extension(id_ce_subjectKeyIdentifier, false, new SubjectKeyIdentifier(keyIdentifier(fields.publicKey))),
      extension(
        id_ce_keyUsage,
        true,
        new KeyUsage(
          ca ? KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign : KeyUsageFlags.digitalSignature | KeyUsageFlags.nonRepudiation,
        ),
      ),
      extension(
        id_ce_basicConstraints,
        true,
        new BasicConstraints(ca ? { cA: true, pathLenConstraint: fields.pathLength! } : { cA: false }),
      ),
      ...(fields.sgx === undefined ? [] : [extension(SGX_EXTENSION, false, sgxExtension(fields.sgx))]),
    ]),
  })
  fields.alter?.(tbs)
  const certificate = der(
    new Certificate({
      tbsCertificate: tbs,
      signatureAlgorithm: algorithm(),
      signatureValue: signed(der(tbs), fields.issuer),
    }),
  )
  const { notBeforeMs, notAfterMs } = fields
  return { der: certificate, pem: pem(certificate), serial: new Uint8Array(tbs.serialNumber), notBeforeMs, notAfterMs }
}

/** A version 2 list with a number and the issuer's key identifier, as Intel's. DER. */
export const issueCrl = (fields: CrlFields): Uint8Array => {
  const thisUpdate = new Time(fields.thisUpdateMs)
  const tbs = new TBSCertList({
    version: Version.v2,
    signature: algorithm(),
    issuer: intelName(fields.issuer.name),
    thisUpdate,
    nextUpdate: new Time(fields.nextUpdateMs),
    crlExtensions: [extension(id_ce_cRLNumber, false, new CRLNumber(fields.number ?? 1)), authorityKey(fields.issuer)],
  })
  if (fields.revoked !== undefined && fields.revoked.length > 0) {
    tbs.revokedCertificates = fields.revoked.map(
      (serial) =>
        new RevokedCertificate({
          userCertificate: buffer(serial),
          revocationDate: thisUpdate,
          crlEntryExtensions: [extension(id_ce_cRLReasons, false, new CRLReason(CRLReasons.keyCompromise))],
        }),
    )
  }
  fields.alter?.(tbs)
  return der(
    new CertificateList({ tbsCertList: tbs, signatureAlgorithm: algorithm(), signature: signed(der(tbs), fields.issuer) }),
  )
}

/** `SEQUENCE { OBJECT IDENTIFIER, ANY }`. */
class SgxField {
  constructor(
    readonly id: string = '',
    readonly value: ArrayBuffer = new ArrayBuffer(0),
  ) {}
}
class SgxFieldList extends AsnArray<SgxField> {}
// Called instead of written as decorators: the library's are of the older kind, which this compiler's settings leave off.
AsnProp({ type: AsnPropTypes.ObjectIdentifier })(SgxField.prototype, 'id')
AsnProp({ type: AsnPropTypes.Any })(SgxField.prototype, 'value')
AsnType({ type: AsnTypeTypes.Sequence })(SgxField)
AsnType({ type: AsnTypeTypes.Sequence, itemType: SgxField })(SgxFieldList)

const sgxExtension = (sgx: SgxFields): SgxFieldList => {
  const id = (suffix: string) => `${SGX_EXTENSION}.${suffix}`
  const octets = (suffix: string, bytes: Uint8Array) =>
    new SgxField(id(suffix), AsnOctetStringConverter.toASN(buffer(bytes)).toBER())
  const integer = (suffix: string, value: number) => new SgxField(id(suffix), AsnIntegerConverter.toASN(value).toBER())
  const boolean = (suffix: string, value: boolean) => new SgxField(id(suffix), AsnBooleanConverter.toASN(value).toBER())
  const list = (suffix: string, fields: SgxField[]) => new SgxField(id(suffix), AsnConvert.serialize(new SgxFieldList(fields)))
  return new SgxFieldList([
    octets('1', sgx.ppid),
    list('2', [
      ...Array.from(sgx.cpuSvn, (svn, index) => integer(`2.${index + 1}`, svn)),
      integer('2.17', sgx.pceSvn),
      octets('2.18', sgx.cpuSvn),
    ]),
    octets('3', sgx.pceId),
    octets('4', sgx.fmspc),
    // SGX type 1: scalable.
    new SgxField(id('5'), AsnEnumeratedConverter.toASN(1).toBER()),
    octets('6', sgx.platformInstanceId),
    list('7', [boolean('7.1', true), boolean('7.2', false), boolean('7.3', true)]),
  ])
}
