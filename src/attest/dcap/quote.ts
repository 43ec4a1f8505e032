import { Buffer } from 'node:buffer'
import { check } from './reasons.ts'

// Intel TDX DCAP Quoting Library API, appendix 3 ("Quote format"). All integers are little endian.

/** What a TD report says about a TD: 584 bytes (TDX 1.0) or 648 bytes (TDX 1.5). */
export interface TdBody {
  /** The whole report; everything a TD can be told apart by. Replay and result caches are keyed on it, never on the quote's bytes. */
  readonly bytes: Uint8Array
  /** 16 bytes: [0] SVN and [1] version of the TDX module, [2] SVN of the SEAM loader. */
  readonly teeTcbSvn: Uint8Array
  readonly mrSeam: Uint8Array
  readonly mrSignerSeam: Uint8Array
  /** 8 bytes. */
  readonly seamAttributes: Uint8Array
  /** 8 bytes. */
  readonly tdAttributes: Uint8Array
  /** 8 bytes. */
  readonly xfam: Uint8Array
  readonly mrTd: Uint8Array
  readonly mrConfigId: Uint8Array
  readonly mrOwner: Uint8Array
  readonly mrOwnerConfig: Uint8Array
  /** RTMR0 to RTMR3, 48 bytes each. */
  readonly rtmr: readonly [Uint8Array, Uint8Array, Uint8Array, Uint8Array]
  /** 64 bytes. */
  readonly reportData: Uint8Array
  /** TDX 1.5: the SVNs of the module that runs now, after an update under the running TD. */
  readonly teeTcbSvn2?: Uint8Array
  /** TDX 1.5: measurement of the bound service TDs. */
  readonly mrServiceTd?: Uint8Array
}

/** Report of the quoting enclave, 384 bytes. */
export interface QeReport {
  readonly bytes: Uint8Array
  readonly miscSelect: number
  /** 16 bytes. */
  readonly attributes: Uint8Array
  readonly mrSigner: Uint8Array
  readonly isvProdId: number
  readonly isvSvn: number
  readonly reportData: Uint8Array
}

/** A quote's parts, not verified. Every view is into {@link Quote.bytes}, a copy of its own. */
export interface Quote {
  readonly version: 4 | 5
  /** Cut to the signed length: what follows in a real quote is padding, and not always zeros. */
  readonly bytes: Uint8Array
  /** Header and body: what the attestation key signs. */
  readonly signed: Uint8Array
  readonly td: TdBody
  /** r ‖ s, 64 bytes. */
  readonly signature: Uint8Array
  /** x ‖ y on P-256, 64 bytes. */
  readonly attestationKey: Uint8Array
  readonly qeReport: QeReport
  /** r ‖ s by the PCK, 64 bytes. */
  readonly qeReportSignature: Uint8Array
  readonly qeAuthData: Uint8Array
  /** PEM of PCK, CA and root certificate, as sent. */
  readonly pckChain: Uint8Array
  /** From the attestation key to the end: what does not change from quote to quote of one quoting enclave. */
  readonly certification: Uint8Array
}

const HEADER_BYTES = 48
const TD10_BYTES = 584
const TD15_BYTES = 648
const ECDSA_P256_KEY_TYPE = 2
const TEE_TYPE_TDX = 0x81
const BODY_TYPE_TD10 = 2
const BODY_TYPE_TD15 = 3
const CERTIFICATION_QE_REPORT = 6
const CERTIFICATION_PCK_CHAIN = 5
const INTEL_QE_VENDOR_ID = Buffer.from('939a7233f79c4ca9940a0db3957f0607', 'hex')
const QE_REPORT_BYTES = 384

/** Intel announced that quotes over 8 KB will be of another format (DICE and CWT). */
const QUOTE_LIMIT_BYTES = 8 * 1024
/** Nothing longer is looked at. */
const INPUT_LIMIT_BYTES = 16 * 1024

const tdBody = (bytes: Buffer): TdBody => {
  let offset = 0
  const take = (length: number) => {
    offset += length
    return bytes.subarray(offset - length, offset)
  }
  const body: TdBody = {
    bytes,
    teeTcbSvn: take(16),
    mrSeam: take(48),
    mrSignerSeam: take(48),
    seamAttributes: take(8),
    tdAttributes: take(8),
    xfam: take(8),
    mrTd: take(48),
    mrConfigId: take(48),
    mrOwner: take(48),
    mrOwnerConfig: take(48),
    rtmr: [take(48), take(48), take(48), take(48)],
    reportData: take(64),
  }
  return bytes.length === TD15_BYTES ? { ...body, teeTcbSvn2: take(16), mrServiceTd: take(48) } : body
}

const qeReport = (bytes: Buffer): QeReport => ({
  bytes,
  miscSelect: bytes.readUInt32LE(16),
  attributes: bytes.subarray(48, 64),
  mrSigner: bytes.subarray(128, 160),
  isvProdId: bytes.readUInt16LE(256),
  isvSvn: bytes.readUInt16LE(258),
  reportData: bytes.subarray(320, 384),
})

/** Takes fields off the front; refuses to go past the end. */
class Cursor {
  #offset = 0
  readonly #bytes: Buffer
  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }
  get offset(): number {
    return this.#offset
  }
  get left(): number {
    return this.#bytes.length - this.#offset
  }
  take(length: number, what: string): Buffer {
    check(length <= this.left, 'quote_malformed', `the quote ends inside ${what}`)
    this.#offset += length
    return this.#bytes.subarray(this.#offset - length, this.#offset)
  }
  u16(what: string): number {
    return this.take(2, what).readUInt16LE()
  }
  u32(what: string): number {
    return this.take(4, what).readUInt32LE()
  }
}

/** Size of the body, or a refusal of a body that is not a TD report. */
const bodyBytes = (version: 4 | 5, cursor: Cursor): number => {
  if (version === 4) return TD10_BYTES
  const type = cursor.u16('the body type')
  const size = cursor.u32('the body size')
  check(type === BODY_TYPE_TD10 || type === BODY_TYPE_TD15, 'unsupported', `body type ${type}, expected 2 or 3 (TD report)`)
  const expected = type === BODY_TYPE_TD10 ? TD10_BYTES : TD15_BYTES
  check(size === expected, 'quote_malformed', `body of ${size} bytes, expected ${expected}`)
  return size
}

/**
 * Takes a quote apart: structure only, no signature is checked. Costs microseconds.
 * @throws DcapError `unsupported` or `quote_malformed`
 */
export const parseQuote = (input: Uint8Array): Quote => {
  check(input instanceof Uint8Array, 'quote_malformed', 'a quote is bytes')
  check(input.length <= INPUT_LIMIT_BYTES, 'quote_malformed', `${input.length} bytes, at most ${INPUT_LIMIT_BYTES} are read`)
  check(input.length <= QUOTE_LIMIT_BYTES, 'unsupported', `${input.length} bytes: quotes over 8 KB are of a format to come`)
  const head = new Cursor(Buffer.from(input.buffer, input.byteOffset, input.length))
  const version = head.u16('the header')
  check(version === 4 || version === 5, 'unsupported', `quote version ${version}, expected 4 or 5`)
  const keyType = head.u16('the header')
  check(keyType === ECDSA_P256_KEY_TYPE, 'unsupported', `attestation key type ${keyType}, expected 2 (ECDSA P-256)`)
  const tee = head.u32('the header')
  check(tee === TEE_TYPE_TDX, 'unsupported', `TEE type 0x${tee.toString(16)}, expected 0x81 (TDX)`)
  head.take(4, 'the header')
  check(head.take(16, 'the header').equals(INTEL_QE_VENDOR_ID), 'quote_malformed', 'the quoting enclave is not of Intel')
  head.take(HEADER_BYTES - 28, 'the header')
  const tdBytes = bodyBytes(version, head)
  const tdStart = head.offset
  head.take(tdBytes, 'the TD report')
  const signedBytes = head.offset
  const authBytes = head.u32('the length of the signature data')
  head.take(authBytes, 'the signature data')

  // From here on in a copy that nobody else can change, and that keeps no larger buffer alive.
  const bytes = Buffer.alloc(head.offset)
  bytes.set(input.subarray(0, head.offset))
  const auth = new Cursor(bytes.subarray(signedBytes + 4))
  const signature = auth.take(64, 'the signature')
  const certification = bytes.subarray(signedBytes + 4 + auth.offset)
  const attestationKey = auth.take(64, 'the attestation key')
  const outer = auth.u16('the certification data')
  check(outer === CERTIFICATION_QE_REPORT, 'unsupported', `certification data of type ${outer}, expected 6 (QE report)`)
  const outerBytes = auth.u32('the certification data')
  check(outerBytes === auth.left, 'quote_malformed', `certification data of ${outerBytes} bytes in a place of ${auth.left}`)
  const report = auth.take(QE_REPORT_BYTES, 'the QE report')
  const qeReportSignature = auth.take(64, 'the signature of the QE report')
  const qeAuthData = auth.take(auth.u16('the QE authentication data'), 'the QE authentication data')
  const inner = auth.u16('the PCK chain')
  check(inner === CERTIFICATION_PCK_CHAIN, 'unsupported', `certification data of type ${inner}, expected 5 (PCK chain)`)
  const innerBytes = auth.u32('the PCK chain')
  check(innerBytes === auth.left, 'quote_malformed', `PCK chain of ${innerBytes} bytes in a place of ${auth.left}`)
  return {
    version,
    bytes,
    signed: bytes.subarray(0, signedBytes),
    td: tdBody(bytes.subarray(tdStart, signedBytes)),
    signature,
    attestationKey,
    qeReport: qeReport(report),
    qeReportSignature,
    qeAuthData,
    pckChain: auth.take(innerBytes, 'the PCK chain'),
    certification,
  }
}
