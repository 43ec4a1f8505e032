import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, X509Certificate } from 'node:crypto'
import { messageOf, type Random, systemRandom, UsageError } from '../../base/index.ts'
import type { Collateral } from '../dcap/index.ts'
import { type Authority, type CrlFields, type Issuer, issueCertificate, issueCrl, pem } from './certificates.ts'
import { type Dates, emulatedQeIdentity, emulatedTcbInfo, signCollateral } from './collateral.ts'
import { EmulatedPlatform, type PlatformOverrides } from './platform.ts'

/** What a test may change of the collateral before it is signed; anything else it changes in the result. */
export interface CollateralOverrides extends Partial<Dates> {
  /** A document, or its exact text. */
  tcbInfo?: object | string
  qeIdentity?: object | string
  /** Serial numbers on the root's list (CA, TCB signer) and on the CA's (PCK certificates). */
  revokedByRoot?: readonly Uint8Array[]
  revokedByCa?: readonly Uint8Array[]
  /** Who signs TCB info and QE identity. */
  signer?: Authority
}

const ROOT = 'Intel SGX Root CA'
const PLATFORM_CA = 'Intel SGX PCK Platform CA'
const TCB_SIGNING = 'Intel SGX TCB Signing'
const SERIAL_BYTES = 20
const YEAR_MS = 365 * 86_400_000
/** Issued this long ago: within every clock's error, and long before a genesis that is judged at its ledger's close time. */
const ISSUED_BEFORE_MS = 3_600_000
const NEXT_UPDATE_MS = 30 * 86_400_000
const JSON_FORMAT = 'dstack-mesh/emulated-pki/1'
const JSON_LIMIT_CHARS = 16 * 1024

/**
 * Intel's key infrastructure as software: root → PCK Platform CA, root → TCB Signing, with Intel's names and certificate
 * profiles. Only the root differs from Intel's, and the root is part of the policy: {@link EmulatedPki.rootName}.
 */
export class EmulatedPki {
  /** What `policy.roots` lists to trust this root: `emulator:<SHA-256 of the certificate, hex>`. */
  readonly rootName: string

  constructor(
    readonly root: Authority,
    readonly platformCa: Authority,
    readonly tcbSigning: Authority,
    private readonly random: Random,
  ) {
    this.rootName = `emulator:${createHash('sha256').update(root.certificate.der).digest('hex')}`
  }

  get rootDer(): Uint8Array {
    return this.root.certificate.der
  }

  /** Fresh collateral: issued an hour before `nowMs`, good for 30 days after it. */
  collateral(nowMs: number, overrides: CollateralOverrides = {}): Collateral {
    const dates = {
      issuedMs: overrides.issuedMs ?? nowMs - ISSUED_BEFORE_MS,
      expiresMs: overrides.expiresMs ?? nowMs + NEXT_UPDATE_MS,
    }
    const signer = overrides.signer ?? this.tcbSigning
    const crl = (issuer: Issuer, revoked: readonly Uint8Array[] = []) =>
      this.crl({ issuer, revoked, thisUpdateMs: dates.issuedMs, nextUpdateMs: dates.expiresMs })
    return signCollateral({
      signer,
      signerChain: signer.certificate.pem + this.root.certificate.pem,
      tcbInfo: overrides.tcbInfo ?? emulatedTcbInfo(dates),
      qeIdentity: overrides.qeIdentity ?? emulatedQeIdentity(dates),
      pckCrlIssuerChain: this.platformCa.certificate.pem + this.root.certificate.pem,
      rootCaCrl: crl(this.root, overrides.revokedByRoot),
      pckCrl: crl(this.platformCa, overrides.revokedByCa),
    })
  }

  /** A revocation list, DER. */
  crl(fields: CrlFields): Uint8Array {
    return issueCrl(fields)
  }

  /** A machine: its own PPID, PCK certificate and attestation key. */
  platform(overrides: PlatformOverrides = {}): EmulatedPlatform {
    return new EmulatedPlatform(this, this.random, overrides)
  }
}

const keyPair = () => generateKeyPairSync('ec', { namedCurve: 'P-256' })

/** A new PKI, valid from a year before `nowMs` to ten years after. */
export const createEmulatedPki = (options: { nowMs: number; random?: Random }): EmulatedPki => {
  const random = options.random ?? systemRandom
  const validity = { notBeforeMs: options.nowMs - YEAR_MS, notAfterMs: options.nowMs + 10 * YEAR_MS }
  const authority = (name: string, issuer?: Issuer, pathLength?: number): Authority => {
    const keys = { name, ...keyPair() }
    const certificate = issueCertificate({
      ...validity,
      issuer: issuer ?? keys,
      subject: name,
      publicKey: keys.publicKey,
      serial: random.bytes(SERIAL_BYTES),
      ...(pathLength === undefined ? {} : { pathLength }),
    })
    return { ...keys, certificate }
  }
  const root = authority(ROOT, undefined, 1)
  return new EmulatedPki(root, authority(PLATFORM_CA, root, 0), authority(TCB_SIGNING, root), random)
}

const roles = ['root', 'platformCa', 'tcbSigning'] as const
const names = { root: ROOT, platformCa: PLATFORM_CA, tcbSigning: TCB_SIGNING }

/** The file that one test network shares. It holds the private keys of a fake root: keep it at mode 0600. */
export const emulatedPkiToJson = (pki: EmulatedPki): string => {
  const authority = ({ privateKey, certificate }: Authority) => ({
    privateKey: privateKey.export({ format: 'der', type: 'pkcs8' }).toString('base64'),
    certificate: Buffer.from(certificate.der).toString('base64'),
  })
  const entries = roles.map((role) => [role, authority(pki[role])])
  return `${JSON.stringify({ format: JSON_FORMAT, ...Object.fromEntries(entries) }, null, 2)}\n`
}

const invalid = (found: string): UsageError =>
  new UsageError('emulated_pki_invalid', `the file of the emulated PKI is not one: ${found}`, {
    next: 'make a new one for the whole test network',
  })

const objectWith = (value: unknown, keys: readonly string[], what: string): Record<string, unknown> => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw invalid(`${what} is not an object`)
  const found = Object.keys(value)
  if (found.length !== keys.length || !keys.every((key) => Object.hasOwn(value, key))) {
    throw invalid(`${what} does not have exactly the keys ${keys.join(', ')}`)
  }
  return value as Record<string, unknown>
}

const base64 = (value: unknown, what: string): Buffer => {
  if (typeof value !== 'string') throw invalid(`${what} is not a string`)
  const bytes = Buffer.from(value, 'base64')
  if (bytes.length === 0 || bytes.toString('base64') !== value) throw invalid(`${what} is not base64`)
  return bytes
}

const readAuthority = (value: unknown, role: (typeof roles)[number]): Authority => {
  const fields = objectWith(value, ['privateKey', 'certificate'], role)
  const der = Uint8Array.from(base64(fields.certificate, `${role}.certificate`))
  const privateKey = createPrivateKey({ key: base64(fields.privateKey, `${role}.privateKey`), format: 'der', type: 'pkcs8' })
  const certificate = new X509Certificate(der)
  if (!Buffer.from(certificate.raw).equals(der)) throw invalid(`${role}.certificate has bytes after its end`)
  if (certificate.subject.split('\n').find((line) => line.startsWith('CN=')) !== `CN=${names[role]}`) {
    throw invalid(`${role}.certificate names another subject`)
  }
  if (privateKey.asymmetricKeyDetails?.namedCurve !== 'prime256v1') throw invalid(`${role}.privateKey is not a P-256 key`)
  if (!certificate.checkPrivateKey(privateKey)) throw invalid(`${role}.privateKey is not the certificate's`)
  const serial = Uint8Array.from(Buffer.from(certificate.serialNumber, 'hex'))
  return {
    name: names[role],
    privateKey,
    publicKey: createPublicKey(privateKey),
    certificate: {
      der,
      pem: pem(der),
      serial,
      notBeforeMs: certificate.validFromDate.getTime(),
      notAfterMs: certificate.validToDate.getTime(),
    },
  }
}

/** The PKI of a file made by {@link emulatedPkiToJson}. Throws `UsageError` (`emulated_pki_invalid`). */
export const emulatedPkiFromJson = (text: string, random: Random = systemRandom): EmulatedPki => {
  if (text.length > JSON_LIMIT_CHARS) throw invalid(`${text.length} characters long`)
  try {
    const document = objectWith(JSON.parse(text), ['format', ...roles], 'it')
    if (document.format !== JSON_FORMAT) throw invalid('it has another format')
    const [root, platformCa, tcbSigning] = roles.map((role) => readAuthority(document[role], role)) as [
      Authority,
      Authority,
      Authority,
    ]
    for (const { name, certificate } of [root, platformCa, tcbSigning]) {
      if (!new X509Certificate(certificate.der).verify(root.publicKey)) throw invalid(`"${name}" is not signed by the root`)
    }
    return new EmulatedPki(root, platformCa, tcbSigning, random)
  } catch (error) {
    // Messages of the parsers quote their input, which holds private keys: only our own are passed on.
    if (error instanceof UsageError) throw error
    throw invalid(error instanceof SyntaxError ? 'not JSON' : `unreadable key or certificate (${messageOf(error).slice(0, 80)})`)
  }
}
