import { createPublicKey, type KeyObject, X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import { RefusedError } from '../base/index.ts'
import type { LeafEvidence } from './app-certificates.ts'
import { certificateReportData, DSTACK_OID, USAGE_APP, USAGE_APP_CA } from './certificate.ts'
import { p256PointSpki } from './p256.ts'

/** RA-TLS leaves carry a quote twice; nothing of ours is near this. */
const CHAIN_CHARACTERS_MAX = 1024 * 1024
const CHAIN_LENGTH_MAX = 3

export interface CertificateExpectation {
  /** SEC1 point, 33 or 65 bytes: from the genesis record or `/v1/cluster`, over a way you trust. */
  caRootPublicKey: Uint8Array
  nowMs: number
  /** Whose certificate it must be, 20 bytes. */
  appId: Uint8Array
  /** What the peer uses it for. */
  usage: 'server' | 'client'
  /** The DNS name or IP address that was asked for. */
  serverName?: string
}

export interface AppCertificate {
  appId: Uint8Array
  /** SubjectPublicKeyInfo, DER. */
  spki: Uint8Array
  notBeforeMs: number
  notAfterMs: number
  /**
   * RA-TLS: what the certificate carries. **Not judged here**: whoever needs it judges the quote by the cluster's policy, and
   * the quote's report data must equal {@link reportData}.
   */
  evidence?: LeafEvidence
  /** SHA-512("ratls-cert:" ‖ SPKI). */
  reportData: Uint8Array
}

const refuse = (why: string): RefusedError => new RefusedError('bad_certificate', why)

/**
 * Checks a chain (PEM: leaf, app CA, and whatever else is ignored) as an app's certificate of this cluster: signatures up to
 * the CA root's key, lifetimes, that the CA is an app's CA and the leaf no CA, that both name the app, the usage, the name.
 * @throws RefusedError `bad_certificate`
 */
export const verifyAppCertificate = async (
  chain: string | readonly string[],
  expected: CertificateExpectation,
): Promise<AppCertificate> => (await loadCertificateVerifier())(chain, expected)

/** {@link verifyAppCertificate} with its library loaded: from then on it answers at once, as a TLS handshake needs it. */
export const loadCertificateVerifier = async () => {
  // Lazily: a node only makes certificates; reading them takes a library.
  const { readExtensions } = await import('./read-extensions.ts')
  return (chain: string | readonly string[], expected: CertificateExpectation): AppCertificate =>
    verifyChain(chain, expected, readExtensions)
}

const verifyChain = (
  chain: string | readonly string[],
  expected: CertificateExpectation,
  readExtensions: typeof import('./read-extensions.ts').readExtensions,
): AppCertificate => {
  const [leaf, ca] = parseChain(typeof chain === 'string' ? chain : chain.join('\n'))
  const root = createPublicKey({ key: spkiOf(expected.caRootPublicKey), format: 'der', type: 'spki' })

  const check = (certificate: X509Certificate, issuer: KeyObject, usage: string, isCa: boolean) => {
    if (!verifies(certificate, issuer)) throw refuse('a signature is not good')
    if (certificate.ca !== isCa) throw refuse(isCa ? 'the issuer is no CA' : 'the certificate is a CA')
    const [notBeforeMs, notAfterMs] = [certificate.validFromDate.getTime(), certificate.validToDate.getTime()]
    if (!(expected.nowMs >= notBeforeMs && expected.nowMs <= notAfterMs)) throw refuse('the certificate is not valid now')
    const extensions = readExtensions(certificate.raw)
    if (extensions.dstack.get(DSTACK_OID.usage)?.toString() !== usage) throw refuse(`the certificate is not of use ${usage}`)
    const appId = extensions.dstack.get(DSTACK_OID.appId)
    if (appId === undefined || !appId.equals(expected.appId)) throw refuse('the certificate is of another app')
    return { extensions, notBeforeMs, notAfterMs }
  }
  check(ca, root, USAGE_APP_CA, true)
  if (!leaf.checkIssued(ca)) throw refuse('the chain does not follow')
  const { extensions, notBeforeMs, notAfterMs } = check(leaf, ca.publicKey, USAGE_APP, false)
  if (!extensions.usages.includes(expected.usage)) throw refuse(`the certificate is not for a ${expected.usage}`)
  const { serverName } = expected
  if (serverName !== undefined && !names(leaf, serverName)) throw refuse(`the certificate does not name ${serverName}`)

  const spki = Uint8Array.from(leaf.publicKey.export({ format: 'der', type: 'spki' }))
  const [quote, eventLog, attestation] = [DSTACK_OID.tdxQuote, DSTACK_OID.eventLog, DSTACK_OID.attestation].map((oid) =>
    extensions.dstack.get(oid),
  )
  const certificate = {
    appId: Uint8Array.from(expected.appId),
    spki,
    notBeforeMs,
    notAfterMs,
    reportData: certificateReportData(spki),
  }
  if (quote === undefined || eventLog === undefined || attestation === undefined) return certificate
  return { ...certificate, evidence: { quote, eventLog: eventLog.toString(), attestation } }
}

const verifies = (certificate: X509Certificate, issuer: KeyObject): boolean => {
  try {
    return certificate.verify(issuer)
  } catch {
    return false
  }
}

/** By its alternative names only: a subject is free text. */
const names = (certificate: X509Certificate, name: string): boolean => {
  try {
    const found = isIP(name) === 0 ? certificate.checkHost(name, { subject: 'never' }) : certificate.checkIP(name)
    return found !== undefined
  } catch {
    return false
  }
}

const spkiOf = (point: Uint8Array): Buffer => {
  try {
    return Buffer.from(p256PointSpki(point))
  } catch {
    throw refuse("the CA root's public key is no point of P-256")
  }
}

const parseChain = (text: string): [X509Certificate, X509Certificate] => {
  if (text.length > CHAIN_CHARACTERS_MAX) throw refuse('the chain is too long')
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g) ?? []
  if (blocks.length < 2 || blocks.length > CHAIN_LENGTH_MAX) throw refuse(`a chain has 2 or 3 certificates, not ${blocks.length}`)
  try {
    return [new X509Certificate(blocks[0]!), new X509Certificate(blocks[1]!)]
  } catch {
    throw refuse('a certificate cannot be read')
  }
}
