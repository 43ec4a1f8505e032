import { Buffer } from 'node:buffer'
import { createHash, type KeyObject } from 'node:crypto'
import {
  type Certificate,
  checkSignature,
  KEY_USAGE,
  pemOf,
  readCertificate,
  readCrl,
  readPemChain,
  verifyRaw,
} from './certificates.ts'
import { type Pck, PckReader } from './pck.ts'
import { check, DcapError, type DcapReason } from './reasons.ts'
import { type QeIdentity, readQeIdentity, readTcbInfo, type TcbInfo } from './tcb.ts'
import { Verified } from './verified.ts'

/**
 * Intel's nine pieces (PCS v4): certificate chains are PEM, revocation lists DER, signatures raw r ‖ s over the exact
 * JSON text. Same shape as the `Collateral` of protocols/records/evidence.proto.
 */
export interface Collateral {
  pckCrlIssuerChain: string
  rootCaCrl: Uint8Array
  pckCrl: Uint8Array
  tcbInfoIssuerChain: string
  tcbInfo: string
  tcbInfoSignature: Uint8Array
  qeIdentityIssuerChain: string
  qeIdentity: string
  qeIdentitySignature: Uint8Array
}

/** Collateral whose every signature holds, read once and used for many quotes. Immutable but for its caches. */
export interface PreparedCollateral {
  /** 6 bytes: the family of processors. */
  readonly fmspc: Uint8Array
  /** 2 bytes. */
  readonly pceId: Uint8Array
  /** The lower one of TCB info and QE identity. */
  readonly tcbEvaluationDataNumber: number
  /** The newest of all issue dates: Intel had made this then, so it is not earlier now. */
  readonly issueDateMs: number
  /** The oldest issue date of TCB info, QE identity and PCK revocation list, which Intel renews all the time: for a rule about age. */
  readonly issuedAtMs: number
  /** First and last millisecond at which everything in here is valid. */
  readonly notBeforeMs: number
  readonly expiresMs: number

  readonly tcbInfo: TcbInfo
  readonly qeIdentity: QeIdentity
  /** DER of the trusted root. */
  readonly rootDer: Uint8Array
  /** What follows the PCK certificate in a PCK chain: PEM of CA and root. */
  readonly issuerPem: Buffer
  readonly pckCa: KeyObject
  readonly revokedPcks: ReadonlySet<string>
  readonly pckReader: PckReader
  /** Under this collateral, by SHA-256 or text of what they were verified from. */
  readonly verified: { readonly pcks: Verified<Pck>; readonly attestationKeys: Verified<KeyObject> }
  /** SHA-256 of the nine pieces: names this collateral. */
  readonly digest: string
}

/** Intel's TCB info has 3 to 20 KB. */
const JSON_LIMIT_CHARS = 256 * 1024

const ROOT_NAME = 'Intel SGX Root CA'
const CA_NAMES: readonly string[] = ['Intel SGX PCK Platform CA', 'Intel SGX PCK Processor CA']
const TCB_SIGNER_NAME = 'Intel SGX TCB Signing'

const TEXTS = {
  pckCrlIssuerChain: 'pck_crl_issuer_chain',
  tcbInfoIssuerChain: 'tcb_info_issuer_chain',
  tcbInfo: 'tcb_info',
  qeIdentityIssuerChain: 'qe_identity_issuer_chain',
  qeIdentity: 'qe_identity',
} as const
const BYTES = {
  rootCaCrl: 'root_ca_crl',
  pckCrl: 'pck_crl',
  tcbInfoSignature: 'tcb_info_signature',
  qeIdentitySignature: 'qe_identity_signature',
} as const

const entries = <T extends Record<string, string>>(fields: T) => Object.entries(fields) as [keyof T & string, string][]

/**
 * The nine fields as Intel's libraries name them; revocation lists and signatures are hex.
 * @throws DcapError `collateral_malformed`
 */
export const collateralFromJson = (json: unknown): Collateral => {
  check(typeof json === 'object' && json !== null, 'collateral_malformed', 'collateral is an object of nine fields')
  const field = (name: string): string => {
    const value: unknown = Object.hasOwn(json, name) ? (json as Record<string, unknown>)[name] : undefined
    check(typeof value === 'string', 'collateral_malformed', `no text in "${name}"`)
    return value
  }
  const bytes = (name: string): Uint8Array => {
    const text = field(name)
    check(text.length % 2 === 0 && /^[0-9a-fA-F]*$/.test(text), 'collateral_malformed', `"${name}" is not hex`)
    return Uint8Array.from(Buffer.from(text, 'hex'))
  }
  return {
    ...Object.fromEntries(entries(TEXTS).map(([key, name]) => [key, field(name)])),
    ...Object.fromEntries(entries(BYTES).map(([key, name]) => [key, bytes(name)])),
  } as unknown as Collateral
}

export const collateralToJson = (collateral: Collateral): Record<string, string> => ({
  ...Object.fromEntries(entries(TEXTS).map(([key, name]) => [name, collateral[key]])),
  ...Object.fromEntries(entries(BYTES).map(([key, name]) => [name, Buffer.from(collateral[key]).toString('hex')])),
})

const checkShape = (collateral: Collateral): void => {
  for (const [key, name] of entries(TEXTS)) {
    const text: unknown = collateral[key]
    check(typeof text === 'string', 'collateral_malformed', `no text in ${name}`)
    check(text.length <= JSON_LIMIT_CHARS, 'collateral_malformed', `${name} of ${text.length} characters`)
  }
  for (const [key, name] of entries(BYTES)) {
    check((collateral[key] as unknown) instanceof Uint8Array, 'collateral_malformed', `no bytes in ${name}`)
  }
}

const digestOf = (collateral: Collateral): string => {
  const hash = createHash('sha256')
  const add = (piece: Uint8Array) => hash.update(`${piece.length}:`).update(piece)
  for (const [key] of entries(TEXTS)) add(Buffer.from(collateral[key]))
  for (const [key] of entries(BYTES)) add(collateral[key])
  return hash.digest('hex')
}

/** When something is valid; collected first, judged when all signatures hold. */
interface Window {
  readonly what: string
  readonly fromMs: number
  readonly toMs: number
}
const certificateWindow = ({ commonName, notBeforeMs, notAfterMs }: Certificate): Window => ({
  what: `certificate "${commonName}"`,
  fromMs: notBeforeMs,
  toMs: notAfterMs,
})

const mayIssue = ({ isCa, keyUsage }: Certificate): boolean =>
  isCa && (keyUsage & KEY_USAGE.certSign) !== 0 && (keyUsage & KEY_USAGE.crlSign) !== 0

const readRoot = (der: Buffer): Certificate => {
  const root = readCertificate(der)
  checkSignature(der, root.publicKey, 'certificate_malformed', 'certificate_signature')
  const isRoot = root.commonName === ROOT_NAME && root.issuer.equals(root.subject) && mayIssue(root)
  check(isRoot && root.pathLength !== 0, 'certificate_role', `the trusted root is not an "${ROOT_NAME}" over CAs`)
  return root
}

/** The first of two certificates, signed by the root that is the second. */
const readUnderRoot = (pem: string, root: Certificate): Certificate => {
  const [der, last] = readPemChain(pem, 2) as [Buffer, Buffer]
  check(last.equals(root.der), 'root_untrusted', 'a chain of the collateral ends in another root')
  checkSignature(der, root.publicKey, 'certificate_malformed', 'certificate_signature')
  const certificate = readCertificate(der)
  check(certificate.issuer.equals(root.subject), 'certificate_role', `"${certificate.commonName}" names another issuer`)
  return certificate
}

const readPckCa = (pem: string, root: Certificate): Certificate => {
  const ca = readUnderRoot(pem, root)
  check(CA_NAMES.includes(ca.commonName) && mayIssue(ca), 'certificate_role', `"${ca.commonName}" is not a PCK CA`)
  return ca
}

const readTcbSigner = (pem: string, root: Certificate): Certificate => {
  const signer = readUnderRoot(pem, root)
  const usage = signer.keyUsage & (KEY_USAGE.digitalSignature | KEY_USAGE.certSign | KEY_USAGE.crlSign)
  const signs = !signer.isCa && usage === KEY_USAGE.digitalSignature
  check(signer.commonName === TCB_SIGNER_NAME && signs, 'certificate_role', `"${signer.commonName}" does not sign TCB info`)
  return signer
}

const readCrlOf = (der: Uint8Array, issuer: Certificate) => {
  const bytes = Buffer.from(der)
  checkSignature(bytes, issuer.publicKey, 'crl_malformed', 'crl_signature')
  const crl = readCrl(bytes)
  check(crl.issuer.equals(issuer.subject), 'crl_signature', `a revocation list names another issuer than "${issuer.commonName}"`)
  return {
    ...crl,
    window: { what: `revocation list of "${issuer.commonName}"`, fromMs: crl.thisUpdateMs, toMs: crl.nextUpdateMs },
  }
}

/** The text is parsed only once its signature holds. */
const checkSignedText = (text: string, signature: Uint8Array, signer: Certificate, reason: DcapReason): void => {
  check(verifyRaw(signer.publicKey, Buffer.from(text), signature), reason, `not signed by "${signer.commonName}"`)
}

const checkWindows = (windows: readonly Window[], nowMs: number): { notBeforeMs: number; expiresMs: number } => {
  const notBeforeMs = Math.max(...windows.map(({ fromMs }) => fromMs))
  const expiresMs = Math.min(...windows.map(({ toMs }) => toMs))
  const iso = (ms: number) => new Date(ms).toISOString()
  const expired = windows.find(({ toMs }) => !(nowMs <= toMs))
  if (expired !== undefined) throw new DcapError('expired', `${expired.what} was valid until ${iso(expired.toMs)}`)
  const early = windows.find(({ fromMs }) => nowMs < fromMs)
  if (early !== undefined) {
    throw new DcapError('not_yet_valid', `${early.what} is valid from ${iso(early.fromMs)}`, { notBeforeMs })
  }
  return { notBeforeMs, expiresMs }
}

/**
 * Checks everything about collateral that does not depend on a quote (reference: Intel's Quote Verification Library).
 * @param rootDer the trusted root certificate; equality with it is by bytes
 * @throws DcapError
 */
export const prepareCollateral = (collateral: Collateral, rootDer: Uint8Array, nowMs: number): PreparedCollateral => {
  checkShape(collateral)
  const root = readRoot(Buffer.from(rootDer))
  const ca = readPckCa(collateral.pckCrlIssuerChain, root)
  const tcbSigner = readTcbSigner(collateral.tcbInfoIssuerChain, root)
  const qeSigner =
    collateral.qeIdentityIssuerChain === collateral.tcbInfoIssuerChain
      ? tcbSigner
      : readTcbSigner(collateral.qeIdentityIssuerChain, root)

  const rootCrl = readCrlOf(collateral.rootCaCrl, root)
  for (const { serial, commonName } of [ca, tcbSigner, qeSigner]) {
    check(!rootCrl.revoked.has(serial), 'certificate_revoked', `"${commonName}" is revoked`)
  }
  const pckCrl = readCrlOf(collateral.pckCrl, ca)

  checkSignedText(collateral.tcbInfo, collateral.tcbInfoSignature, tcbSigner, 'tcb_info_signature')
  checkSignedText(collateral.qeIdentity, collateral.qeIdentitySignature, qeSigner, 'qe_identity_signature')
  const tcbInfo = readTcbInfo(collateral.tcbInfo)
  const qeIdentity = readQeIdentity(collateral.qeIdentity)

  const window = checkWindows(
    [
      ...[root, ca, tcbSigner, qeSigner].map(certificateWindow),
      rootCrl.window,
      pckCrl.window,
      { what: 'TCB info', fromMs: tcbInfo.issueDateMs, toMs: tcbInfo.nextUpdateMs },
      { what: 'QE identity', fromMs: qeIdentity.issueDateMs, toMs: qeIdentity.nextUpdateMs },
    ],
    nowMs,
  )
  const issued = [tcbInfo.issueDateMs, qeIdentity.issueDateMs, pckCrl.thisUpdateMs]
  return {
    ...window,
    fmspc: tcbInfo.fmspc,
    pceId: tcbInfo.pceId,
    tcbEvaluationDataNumber: Math.min(tcbInfo.tcbEvaluationDataNumber, qeIdentity.tcbEvaluationDataNumber),
    issueDateMs: Math.max(...issued, rootCrl.thisUpdateMs),
    issuedAtMs: Math.min(...issued),
    tcbInfo,
    qeIdentity,
    rootDer: root.der,
    issuerPem: Buffer.from(pemOf(ca.der) + pemOf(root.der)),
    pckCa: ca.publicKey,
    revokedPcks: pckCrl.revoked,
    pckReader: new PckReader(ca),
    verified: { pcks: new Verified(), attestationKeys: new Verified() },
    digest: digestOf(collateral),
  }
}
