import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import type { Random } from '../../base/index.ts'
import {
  type Authority,
  type CertificateFields,
  type IssuedCertificate,
  issueCertificate,
  type SgxFields,
} from './certificates.ts'
import { EMULATED_CPU_SVN, EMULATED_FMSPC, EMULATED_PCE_ID, EMULATED_PCE_SVN } from './collateral.ts'
import { makeQuote, type QuoteFields } from './quote.ts'

/** What a test may say of the machine and of its PCK certificate. */
export interface PlatformOverrides extends Partial<SgxFields> {
  /** Who issues the PCK certificate; its certificate goes into the chain. */
  issuer?: Authority
  certificate?: Partial<CertificateFields>
  /** The chain in quotes, made from the PCK certificate's PEM. */
  chainPem?: (pckPem: string) => string
  qeAuth?: Uint8Array
}

/** One machine: a PCK certificate, a quoting enclave with its attestation key, and as many quotes as anyone wants. */
export class EmulatedPlatform {
  readonly pck: { readonly publicKey: KeyObject; readonly privateKey: KeyObject; readonly certificate: IssuedCertificate }
  readonly attestation: { readonly publicKey: KeyObject; readonly privateKey: KeyObject }
  readonly sgx: Readonly<SgxFields>
  readonly chainPem: string
  private readonly qeAuth: Uint8Array

  constructor(pki: { readonly root: Authority; readonly platformCa: Authority }, random: Random, overrides: PlatformOverrides) {
    const { issuer = pki.platformCa, certificate = {}, chainPem, qeAuth, ...sgx } = overrides
    this.sgx = {
      ppid: random.bytes(16),
      cpuSvn: Uint8Array.from(EMULATED_CPU_SVN),
      pceSvn: EMULATED_PCE_SVN,
      pceId: Buffer.from(EMULATED_PCE_ID, 'hex'),
      fmspc: Buffer.from(EMULATED_FMSPC, 'hex'),
      platformInstanceId: random.bytes(16),
      ...sgx,
    }
    this.attestation = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const issued = issueCertificate({
      issuer,
      subject: 'Intel SGX PCK Certificate',
      publicKey: keys.publicKey,
      serial: random.bytes(20),
      notBeforeMs: pki.root.certificate.notBeforeMs,
      notAfterMs: pki.root.certificate.notAfterMs,
      sgx: this.sgx,
      ...certificate,
    })
    this.pck = { ...keys, certificate: issued }
    this.chainPem = chainPem?.(issued.pem) ?? issued.pem + issuer.certificate.pem + pki.root.certificate.pem
    this.qeAuth = qeAuth ?? Uint8Array.from({ length: 32 }, (_, index) => index)
  }

  /** A quote by this machine, sound but for what `fields` changes. */
  quote(fields: QuoteFields = {}): Uint8Array {
    return makeQuote(fields, {
      attestation: this.attestation,
      pck: this.pck.privateKey,
      qeAuth: this.qeAuth,
      chainPem: this.chainPem,
    })
  }
}
