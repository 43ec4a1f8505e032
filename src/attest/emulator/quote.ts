import { createHash, type KeyObject, sign } from 'node:crypto'
import { EMULATED_CPU_SVN, EMULATED_QE_SVN, EMULATED_TEE_TCB_SVN, QE_MR_SIGNER } from './collateral.ts'

/** The TD's part of a quote. Left out fields are what a sound TD of nobody's image has: zero where nothing is measured. */
export interface TdFields {
  teeTcbSvn?: Uint8Array
  mrSeam?: Uint8Array
  mrSignerSeam?: Uint8Array
  seamAttributes?: Uint8Array
  tdAttributes?: Uint8Array
  xfam?: Uint8Array
  mrTd?: Uint8Array
  mrConfigId?: Uint8Array
  mrOwner?: Uint8Array
  mrOwnerConfig?: Uint8Array
  rtmr0?: Uint8Array
  rtmr1?: Uint8Array
  rtmr2?: Uint8Array
  rtmr3?: Uint8Array
  reportData?: Uint8Array
  /** These two are only in a TD 1.5 body. */
  teeTcbSvn2?: Uint8Array
  mrServiceTd?: Uint8Array
}

/** Everything a quote can say; left out is what a sound platform says. */
export interface QuoteFields extends TdFields {
  version?: 4 | 5
  /** Of a v5 quote: 2 = TD 1.0, 3 = TD 1.5. A v4 quote has the TD 1.0 body and no type. */
  bodyType?: 2 | 3
  attestationKeyType?: number
  teeType?: number
  qeSvn?: number
  pceSvn?: number
  vendorId?: Uint8Array
  userData?: Uint8Array
  /** Instead of the TD fields: the whole body, 584 or 648 bytes. */
  body?: Uint8Array
  qeCpuSvn?: Uint8Array
  qeMiscSelect?: number
  qeAttributes?: Uint8Array
  qeMrEnclave?: Uint8Array
  qeMrSigner?: Uint8Array
  qeIsvProdId?: number
  qeIsvSvn?: number
  /** 64 bytes; otherwise SHA-256(attestation key ‖ QE auth) ‖ 0³². */
  qeReportData?: Uint8Array
  qeAuth?: Uint8Array
  certificationType?: number
  innerCertificationType?: number
  chainPem?: string
  /** Instead of the attestation key (signs the quote), and instead of the PCK (signs the QE report). */
  quoteSigner?: KeyObject
  qeSigner?: KeyObject
  /** Bytes after the signed length, as real quoting services leave them. */
  padding?: Uint8Array
}

export interface QuoteKeys {
  attestation: { publicKey: KeyObject; privateKey: KeyObject }
  pck: KeyObject
  qeAuth: Uint8Array
  chainPem: string
}

const TEE_TYPE_TDX = 0x81
const ATTESTATION_KEY_ECDSA_P256 = 2
const QE_VENDOR_INTEL = Buffer.from('939a7233f79c4ca9940a0db3957f0607', 'hex')
const CERTIFICATION_QE_REPORT = 6
const CERTIFICATION_PCK_CHAIN = 5
const QE_REPORT_BYTES = 384
/** Bit 28, SEPT_VE_DISABLE, and nothing else. */
export const SOUND_TD_ATTRIBUTES = Uint8Array.of(0, 0, 0, 0x10, 0, 0, 0, 0)
const LINUX_XFAM = Uint8Array.of(0xe7, 0x02, 0x06, 0, 0, 0, 0, 0)
const EMULATED_QE_MR_ENCLAVE = createHash('sha256').update('dstack-mesh emulated quoting enclave').digest()
const QE_ATTRIBUTES = Buffer.from('1500000000000000e700000000000000', 'hex')

const u16 = (value: number): Buffer => {
  const out = Buffer.alloc(2)
  out.writeUInt16LE(value)
  return out
}
const u32 = (value: number): Buffer => {
  const out = Buffer.alloc(4)
  out.writeUInt32LE(value)
  return out
}
const field = (name: string, length: number, given: Uint8Array | undefined, otherwise?: Uint8Array | readonly number[]) => {
  const bytes = given ?? otherwise
  if (bytes === undefined) return new Uint8Array(length)
  if (bytes.length !== length) throw new RangeError(`${name} is ${bytes.length} bytes, not ${length}`)
  return Uint8Array.from(bytes)
}

/** The TD report of a quote: 584 bytes, with `teeTcbSvn2` and `mrServiceTd` 648. */
export const tdBody = (fields: TdFields, td15 = false): Buffer =>
  Buffer.concat([
    field('teeTcbSvn', 16, fields.teeTcbSvn, EMULATED_TEE_TCB_SVN),
    field('mrSeam', 48, fields.mrSeam),
    field('mrSignerSeam', 48, fields.mrSignerSeam),
    field('seamAttributes', 8, fields.seamAttributes),
    field('tdAttributes', 8, fields.tdAttributes, SOUND_TD_ATTRIBUTES),
    field('xfam', 8, fields.xfam, LINUX_XFAM),
    field('mrTd', 48, fields.mrTd),
    field('mrConfigId', 48, fields.mrConfigId),
    field('mrOwner', 48, fields.mrOwner),
    field('mrOwnerConfig', 48, fields.mrOwnerConfig),
    field('rtmr0', 48, fields.rtmr0),
    field('rtmr1', 48, fields.rtmr1),
    field('rtmr2', 48, fields.rtmr2),
    field('rtmr3', 48, fields.rtmr3),
    field('reportData', 64, fields.reportData),
    ...(td15
      ? [field('teeTcbSvn2', 16, fields.teeTcbSvn2, EMULATED_TEE_TCB_SVN), field('mrServiceTd', 48, fields.mrServiceTd)]
      : []),
  ])

const qeReport = (fields: QuoteFields, attestationKey: Uint8Array, qeAuth: Uint8Array): Buffer => {
  const report = Buffer.alloc(QE_REPORT_BYTES)
  report.set(field('qeCpuSvn', 16, fields.qeCpuSvn, EMULATED_CPU_SVN), 0)
  report.writeUInt32LE(fields.qeMiscSelect ?? 0, 16)
  report.set(field('qeAttributes', 16, fields.qeAttributes, QE_ATTRIBUTES), 48)
  report.set(field('qeMrEnclave', 32, fields.qeMrEnclave, EMULATED_QE_MR_ENCLAVE), 64)
  report.set(field('qeMrSigner', 32, fields.qeMrSigner, Buffer.from(QE_MR_SIGNER, 'hex')), 128)
  report.writeUInt16LE(fields.qeIsvProdId ?? 2, 256)
  report.writeUInt16LE(fields.qeIsvSvn ?? EMULATED_QE_SVN, 258)
  const binding = Buffer.concat([createHash('sha256').update(attestationKey).update(qeAuth).digest(), Buffer.alloc(32)])
  report.set(field('qeReportData', 64, fields.qeReportData, binding), 320)
  return report
}

const signRaw = (key: KeyObject, bytes: Uint8Array): Buffer => sign('sha256', bytes, { key, dsaEncoding: 'ieee-p1363' })

/** x ‖ y. */
const rawPublicKey = (key: KeyObject): Buffer => {
  const { x, y } = key.export({ format: 'jwk' })
  return Buffer.concat([Buffer.from(x!, 'base64url'), Buffer.from(y!, 'base64url')])
}

/** A quote as Intel's quoting enclave lays it out (Intel TDX DCAP Quoting Library API, appendix A.3 and A.4). */
export const makeQuote = (fields: QuoteFields, keys: QuoteKeys): Uint8Array => {
  const version = fields.version ?? 4
  const td15 = version === 5 && fields.bodyType === 3
  const body = fields.body ?? tdBody(fields, td15)
  const signed = Buffer.concat([
    u16(version),
    u16(fields.attestationKeyType ?? ATTESTATION_KEY_ECDSA_P256),
    u32(fields.teeType ?? TEE_TYPE_TDX),
    u16(fields.qeSvn ?? 0),
    u16(fields.pceSvn ?? 0),
    field('vendorId', 16, fields.vendorId, QE_VENDOR_INTEL),
    field('userData', 20, fields.userData),
    ...(version === 5 ? [u16(fields.bodyType ?? 2), u32(body.length)] : []),
    body,
  ])
  const attestationKey = rawPublicKey(keys.attestation.publicKey)
  const qeAuth = fields.qeAuth ?? keys.qeAuth
  const report = qeReport(fields, attestationKey, qeAuth)
  const chain = Buffer.from(fields.chainPem ?? keys.chainPem)
  const certification = Buffer.concat([
    report,
    signRaw(fields.qeSigner ?? keys.pck, report),
    u16(qeAuth.length),
    qeAuth,
    u16(fields.innerCertificationType ?? CERTIFICATION_PCK_CHAIN),
    u32(chain.length),
    chain,
  ])
  const auth = Buffer.concat([
    signRaw(fields.quoteSigner ?? keys.attestation.privateKey, signed),
    attestationKey,
    u16(fields.certificationType ?? CERTIFICATION_QE_REPORT),
    u32(certification.length),
    certification,
  ])
  return Uint8Array.from(Buffer.concat([signed, u32(auth.length), auth, fields.padding ?? Buffer.alloc(0)]))
}
