import { Buffer } from 'node:buffer'
import { hash, type KeyObject } from 'node:crypto'
import { checkSignature, p256Key, readPemChain, verifyRaw } from './certificates.ts'
import type { PreparedCollateral } from './collateral.ts'
import type { Pck } from './pck.ts'
import { parseQuote, type QeReport, type Quote, type TdBody } from './quote.ts'
import { check, DcapError, type DcapReason } from './reasons.ts'
import type { IsvLevel, LevelStatus, ModuleIdentity, ModuleSigner, QeIdentity, QeStatus, TcbInfo, TcbLevel } from './tcb.ts'

/** What Intel thinks of a platform's patches. `Revoked` is never a result: it refuses. */
export const TCB_STATUSES = [
  'UpToDate',
  'SWHardeningNeeded',
  'ConfigurationNeeded',
  'ConfigurationAndSWHardeningNeeded',
  'OutOfDate',
  'OutOfDateConfigurationNeeded',
  'TDRelaunchAdvised',
  'TDRelaunchAdvisedConfigurationNeeded',
] as const
export type TcbStatus = (typeof TCB_STATUSES)[number]

/** A quote whose every signature holds. What it says about the TD (debug mode too) is for a policy to judge. */
export interface VerifiedQuote {
  readonly ok: true
  readonly quote: Quote
  readonly td: TdBody
  readonly status: TcbStatus
  /** Intel's advisories that concern the platform, sorted. */
  readonly advisories: string[]
  readonly tcbEvaluationDataNumber: number
  /** 16 bytes that name the platform. */
  readonly ppid: Uint8Array
  readonly fmspc: Uint8Array
  /** The oldest date (Unix milliseconds) of the levels that gave the status: the platform has all fixes known until then. */
  readonly tcbDateMs: number
  /** Name of the collateral that the quote was judged by. */
  readonly collateralDigest: string
  /** Until when (Unix milliseconds) this holds: collateral and PCK certificate are valid. */
  readonly expiresMs: number
}

export interface DcapRefusal {
  readonly ok: false
  readonly reason: DcapReason
  /** For a log, never for the peer. */
  readonly detail: string
}

// --- Who signed -------------------------------------------------------------------------------------------------

/** The PCK certificate of a chain that ends, byte for byte, in the CA and the root of the collateral. */
const pckPem = (chain: Uint8Array, prepared: PreparedCollateral): string => {
  const bytes = Buffer.from(chain.buffer, chain.byteOffset, chain.length)
  // Intel's quoting library ends the chain with a NUL.
  const end = bytes.at(-1) === 0 ? bytes.length - 1 : bytes.length
  const start = end - prepared.issuerPem.length
  if (start > 0 && prepared.issuerPem.equals(bytes.subarray(start, end))) return bytes.toString('latin1', 0, start)
  // Not this chain: say what is different. Still no signature has been checked.
  const root = lastCertificate(chain)
  check(root.equals(prepared.rootDer), 'root_untrusted', 'the PCK chain does not end in the trusted root')
  throw new DcapError('certificate_role', 'the PCK chain is not PCK, CA of the collateral, root')
}

const LAST_BEGIN = Buffer.from('-----BEGIN CERTIFICATE-----')
const lastCertificate = (chain: Uint8Array): Buffer => {
  const bytes = Buffer.from(chain.buffer, chain.byteOffset, chain.length)
  const start = bytes.lastIndexOf(LAST_BEGIN)
  check(start >= 0, 'certificate_malformed', 'no PEM certificate in the PCK chain')
  return readPemChain(bytes.toString('latin1', start), 1)[0]!
}

/**
 * DER of the last certificate of a quote's PCK chain: which root it claims. Cheap, and proves nothing.
 * @throws DcapError `certificate_malformed`
 */
export const quoteRoot = (quote: Quote): Uint8Array => lastCertificate(quote.pckChain)

const verifyPck = (pem: string, prepared: PreparedCollateral): Pck => {
  const [der] = readPemChain(pem, 1) as [Buffer]
  checkSignature(der, prepared.pckCa, 'certificate_malformed', 'certificate_signature')
  const pck = prepared.pckReader.read(der)
  check(!prepared.revokedPcks.has(pck.serial), 'certificate_revoked', 'the PCK certificate is revoked')
  return pck
}

const checkPck = (pck: Pck, prepared: PreparedCollateral, nowMs: number): void => {
  check(nowMs <= pck.notAfterMs, 'expired', 'the PCK certificate has expired')
  check(nowMs >= pck.notBeforeMs, 'not_yet_valid', 'the PCK certificate is not valid yet')
  const same = Buffer.compare(pck.fmspc, prepared.fmspc) === 0 && Buffer.compare(pck.pceId, prepared.pceId) === 0
  check(same, 'platform_mismatch', 'FMSPC or PCE id are not those of the TCB info')
}

/** Costs a hash, so it comes before every signature. */
const checkQeReportData = ({ qeReport, attestationKey, qeAuthData }: Quote): void => {
  const expected = Buffer.alloc(64)
  expected.set(hash('sha256', Buffer.concat([attestationKey, qeAuthData]), 'buffer'))
  check(expected.equals(qeReport.reportData), 'qe_report_data', 'the QE report is not about this attestation key')
}

/** The attestation key, vouched for by a quoting enclave that the PCK vouches for. */
const verifyAttestationKey = (quote: Quote, pck: Pck): KeyObject => {
  const holds = verifyRaw(pck.publicKey, quote.qeReport.bytes, quote.qeReportSignature)
  check(holds, 'qe_report_signature', 'the QE report is not signed by the PCK')
  try {
    return p256Key(quote.attestationKey)
  } catch (cause) {
    throw new DcapError('quote_malformed', 'the attestation key is not a point of P-256', { cause })
  }
}

// --- What the parts are -----------------------------------------------------------------------------------------

const checkQe = (report: QeReport, identity: QeIdentity): void => {
  const misc = (report.miscSelect & identity.miscSelectMask) >>> 0 === identity.miscSelect
  check(misc, 'qe_identity_mismatch', 'MISCSELECT of the quoting enclave')
  const { attributes, attributesMask } = identity
  const attributesMatch = attributes.every((byte, index) => (report.attributes[index]! & attributesMask[index]!) === byte)
  check(attributesMatch, 'qe_identity_mismatch', 'ATTRIBUTES of the quoting enclave')
  check(identity.mrSigner.equals(report.mrSigner), 'qe_identity_mismatch', 'MRSIGNER of the quoting enclave')
  check(report.isvProdId === identity.isvProdId, 'qe_identity_mismatch', 'product id of the quoting enclave')
}

const findModule = (version: number, tcbInfo: TcbInfo): ModuleIdentity => {
  const id = `TDX_${version.toString(16).padStart(2, '0').toUpperCase()}`
  const identity = tcbInfo.modules.get(id)
  check(identity !== undefined, 'tdx_module_mismatch', `the TCB info knows no TDX module ${id}`)
  return identity
}

/** Modules of version 0 have no identity of their own, and no levels. */
const checkModule = (td: TdBody, tcbInfo: TcbInfo): ModuleIdentity | undefined => {
  const version = td.teeTcbSvn[1]!
  const identity = version > 0 ? findModule(version, tcbInfo) : undefined
  const signer: ModuleSigner = identity ?? tcbInfo.module
  check(signer.mrSigner.equals(td.mrSignerSeam), 'tdx_module_mismatch', 'MRSIGNERSEAM is not the TDX module identity’s')
  const zero = td.seamAttributes.every((byte) => byte === 0)
  check(
    zero && signer.attributes.equals(td.seamAttributes),
    'tdx_module_mismatch',
    'SEAMATTRIBUTES are not the TDX module identity’s',
  )
  return identity
}

// --- How well they are patched (Intel's Quote Verification Library, TcbLevelCheck and TDRelaunchCheck) ------------

const atLeast = (svns: Uint8Array, floor: readonly number[], from = 0): boolean =>
  floor.every((svn, index) => index < from || svns[index]! >= svn)

/** The newest level that the SGX side of the platform reaches, and the newest that its TDX side reaches too. */
const findLevels = (pck: Pck, teeTcbSvn: Uint8Array, levels: readonly TcbLevel[]): { sgx: TcbLevel; tdx: TcbLevel } => {
  const reached = levels.filter(({ sgx, pceSvn }) => atLeast(pck.sgxSvns, sgx) && pck.pceSvn >= pceSvn)
  // Components 0 and 1 are the module's, which has levels of its own from version 1 on.
  const from = teeTcbSvn[1]! > 0 ? 2 : 0
  const tdx = reached.find((level) => atLeast(teeTcbSvn, level.tdx, from))
  check(reached[0] !== undefined && tdx !== undefined, 'tcb_not_supported', 'the platform reaches no TCB level')
  return { sgx: reached[0], tdx }
}

const isvLevel = <T>(isvSvn: number, levels: readonly IsvLevel<T>[], what: string): IsvLevel<T> => {
  const found = levels.find((level) => isvSvn >= level.isvSvn)
  check(found !== undefined, 'tcb_not_supported', `${what} of SVN ${isvSvn} reaches no level`)
  return found
}

const MODULE_STATUSES = ['UpToDate', 'OutOfDate', 'Revoked'] as const
type ModuleStatus = (typeof MODULE_STATUSES)[number]

const moduleStatus = ({ status }: IsvLevel<string>): ModuleStatus => {
  const known = MODULE_STATUSES.find((candidate) => candidate === status)
  check(known !== undefined, 'tcb_not_supported', `a TDX module cannot be "${status.slice(0, 40)}"`)
  return known
}

/** A part (TDX module, quoting enclave) that is out of date makes the whole so. */
const outdate = <T extends LevelStatus | TcbStatus>(status: T): T | 'OutOfDate' | 'OutOfDateConfigurationNeeded' => {
  switch (status) {
    case 'UpToDate':
    case 'SWHardeningNeeded':
      return 'OutOfDate'
    case 'ConfigurationNeeded':
    case 'ConfigurationAndSWHardeningNeeded':
      return 'OutOfDateConfigurationNeeded'
    default:
      return status
  }
}

const asksForConfiguration = (status: LevelStatus): boolean =>
  status === 'ConfigurationNeeded' || status === 'ConfigurationAndSWHardeningNeeded' || status === 'OutOfDateConfigurationNeeded'

/**
 * TDX 1.5: a module can be updated under running TDs, which were measured by the old one. Where only that is out of date
 * and the module that runs now is the newest, starting the TD again is all that it takes.
 */
const relaunchStatus = (parts: {
  teeTcbSvn2: Uint8Array
  tcbInfo: TcbInfo
  sgx: LevelStatus
  combined: Exclude<LevelStatus, 'Revoked'>
  module: ModuleStatus | undefined
  qe: QeStatus
}): TcbStatus => {
  const { teeTcbSvn2, tcbInfo, sgx, combined, module, qe } = parts
  const sgxIsCurrent = sgx !== 'OutOfDate' && sgx !== 'OutOfDateConfigurationNeeded' && sgx !== 'Revoked'
  const outOfDate = combined === 'OutOfDate' || combined === 'OutOfDateConfigurationNeeded'
  if (qe !== 'UpToDate' || !sgxIsCurrent || !outOfDate || module !== 'OutOfDate') return combined
  const newest = tcbInfo.levels[0]!
  const [moduleSvn, moduleVersion, loaderSvn] = teeTcbSvn2 as unknown as [number, number, number]
  const newestModuleSvn = moduleVersion === 0 ? newest.tdx[0]! : findModule(moduleVersion, tcbInfo).levels[0]!.isvSvn
  if (moduleSvn < newestModuleSvn || loaderSvn < newest.tdx[2]!) return combined
  return asksForConfiguration(sgx) || asksForConfiguration(combined)
    ? 'TDRelaunchAdvisedConfigurationNeeded'
    : 'TDRelaunchAdvised'
}

const refuseRevoked = <T extends string>(status: T, what: string): Exclude<T, 'Revoked'> => {
  check(status !== 'Revoked', 'tcb_revoked', `${what} is revoked`)
  return status as Exclude<T, 'Revoked'>
}

const judgeTcb = (quote: Quote, pck: Pck, identity: ModuleIdentity | undefined, { tcbInfo, qeIdentity }: PreparedCollateral) => {
  const { td, qeReport } = quote
  const { sgx, tdx } = findLevels(pck, td.teeTcbSvn, tcbInfo.levels)
  const module = identity && isvLevel(td.teeTcbSvn[0]!, identity.levels, 'the TDX module')
  const ofModule = module && refuseRevoked(moduleStatus(module), 'the TDX module')
  const ofTdx = refuseRevoked(tdx.status, 'the TCB level')
  const combined = ofModule === 'OutOfDate' ? outdate(ofTdx) : ofTdx
  const qe = isvLevel(qeReport.isvSvn, qeIdentity.levels, 'the quoting enclave')
  const status =
    td.teeTcbSvn2 === undefined
      ? combined
      : relaunchStatus({ teeTcbSvn2: td.teeTcbSvn2, tcbInfo, sgx: sgx.status, combined, module: ofModule, qe: qe.status })
  const ofQe = refuseRevoked(qe.status, 'the quoting enclave')
  const levels = [tdx, qe, ...(module ? [module] : [])]
  return {
    status: ofQe === 'UpToDate' ? status : outdate(status),
    advisories: [...new Set(levels.flatMap(({ advisories }) => advisories))].sort(),
    tcbDateMs: Math.min(...levels.map(({ tcbDateMs }) => tcbDateMs)),
  }
}

// --- The whole --------------------------------------------------------------------------------------------------

const verifyParsed = (quote: Quote, prepared: PreparedCollateral, nowMs: number): VerifiedQuote => {
  check(nowMs <= prepared.expiresMs, 'expired', 'the collateral has expired')
  check(nowMs >= prepared.notBeforeMs, 'not_yet_valid', 'the collateral is not valid yet')
  const { td } = quote
  // Comparisons first, then one signature after the other.
  const pem = pckPem(quote.pckChain, prepared)
  checkQe(quote.qeReport, prepared.qeIdentity)
  const identity = checkModule(td, prepared.tcbInfo)
  checkQeReportData(quote)

  const { pcks, attestationKeys } = prepared.verified
  const pck = pcks.get(pem, () => verifyPck(pem, prepared))
  checkPck(pck, prepared, nowMs)
  const certified = hash('sha256', quote.certification, 'base64')
  const attestationKey = attestationKeys.get(certified, () => verifyAttestationKey(quote, pck))
  check(verifyRaw(attestationKey, quote.signed, quote.signature), 'quote_signature', 'not signed by its attestation key')

  return {
    ok: true,
    quote,
    td,
    ...judgeTcb(quote, pck, identity, prepared),
    tcbEvaluationDataNumber: prepared.tcbEvaluationDataNumber,
    ppid: pck.ppid,
    fmspc: pck.fmspc,
    collateralDigest: prepared.digest,
    expiresMs: Math.min(prepared.expiresMs, pck.notAfterMs),
  }
}

/**
 * Verifies a quote against prepared collateral. Never throws; the same input gives the same answer.
 * The answer depends on the TD body and the platform, not on the quote's bytes: padding and the ECDSA signatures
 * (s → n − s) can be changed by anybody, so key what you remember about a quote on `td.bytes`.
 */
export const verifyQuote = (
  quote: Uint8Array | Quote,
  prepared: PreparedCollateral,
  nowMs: number,
): VerifiedQuote | DcapRefusal => {
  try {
    // A quote's parts are taken from its bytes, whoever made the object.
    return verifyParsed(parseQuote(quote instanceof Uint8Array ? quote : quote.bytes), prepared, nowMs)
  } catch (error) {
    if (error instanceof DcapError) return { ok: false, reason: error.reason, detail: error.message }
    return { ok: false, reason: 'quote_malformed', detail: error instanceof Error ? error.message : String(error) }
  }
}
