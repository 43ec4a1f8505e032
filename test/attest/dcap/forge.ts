import { generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto'
import {
  type Collateral,
  DcapError,
  parseQuote,
  prepareCollateral,
  type Quote,
  type VerifiedQuote,
  verifyQuote,
} from '../../../src/attest/dcap/index.ts'
import {
  type Authority,
  type CertificateFields,
  createEmulatedPki,
  type EmulatedPlatform,
  emulatedQeIdentity,
  emulatedTcbInfo,
  issueCertificate,
  type QeIdentity,
  type TcbInfo,
} from '../../../src/attest/emulator/index.ts'

export const NOW_MS = Date.parse('2025-11-01T12:00:00Z')
export const DAY_MS = 86_400_000
export const pki = createEmulatedPki({ nowMs: NOW_MS })
export const platform = pki.platform()
export const collateral = pki.collateral(NOW_MS)

/** The sound collateral, prepared once. */
export const prepared = prepareCollateral(collateral, pki.rootDer, NOW_MS)

const dates = { issuedMs: NOW_MS - 3_600_000, expiresMs: NOW_MS + 30 * DAY_MS }
export const tcbInfo = (): TcbInfo => structuredClone(emulatedTcbInfo(dates))
export const qeIdentity = (): QeIdentity => structuredClone(emulatedQeIdentity(dates))

/** The status, or the reason of the refusal. Anything thrown that is not a refusal is a failure of the test. */
export const judge = (
  quote: Uint8Array,
  given: Collateral = collateral,
  { root = pki.rootDer, nowMs = NOW_MS }: { root?: Uint8Array; nowMs?: number } = {},
): string => {
  try {
    const isSound = given === collateral && root === pki.rootDer && nowMs === NOW_MS
    const result = verifyQuote(quote, isSound ? prepared : prepareCollateral(given, root, nowMs), nowMs)
    return result.ok ? result.status : result.reason
  } catch (error) {
    if (error instanceof DcapError) return error.reason
    throw error
  }
}

export const accepted = (quote: Uint8Array, given: Collateral = collateral): VerifiedQuote => {
  const result = verifyQuote(quote, given === collateral ? prepared : prepareCollateral(given, pki.rootDer, NOW_MS), NOW_MS)
  if (!result.ok) throw new Error(`refused: ${result.reason}: ${result.detail}`)
  return result
}

/** The sound collateral with other documents, soundly signed. A text is taken as it is. */
export const withDocuments = (documents: { tcbInfo?: object | string; qeIdentity?: object | string }): Collateral => {
  const signed = (document: object | string | undefined) => {
    if (document === undefined) return undefined
    const text = typeof document === 'string' ? document : JSON.stringify(document)
    const key = pki.tcbSigning.privateKey
    return { text, signature: Uint8Array.from(sign('sha256', Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' })) }
  }
  const info = signed(documents.tcbInfo)
  const identity = signed(documents.qeIdentity)
  return {
    ...collateral,
    ...(info ? { tcbInfo: info.text, tcbInfoSignature: info.signature } : {}),
    ...(identity ? { qeIdentity: identity.text, qeIdentitySignature: identity.signature } : {}),
  }
}
export const withTcbInfo = (change: (document: TcbInfo) => unknown): Collateral => {
  const document = tcbInfo()
  change(document)
  return withDocuments({ tcbInfo: document })
}
export const withQeIdentity = (change: (document: QeIdentity) => unknown): Collateral => {
  const document = qeIdentity()
  change(document)
  return withDocuments({ qeIdentity: document })
}

/** A key pair with a certificate by the root, or as `fields` say. */
export const authority = (subject: string, fields: Partial<CertificateFields> = {}): Authority => {
  const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const certificate = issueCertificate({
    issuer: pki.root,
    subject,
    publicKey: keys.publicKey,
    serial: randomBytes(20),
    notBeforeMs: NOW_MS - 300 * DAY_MS,
    notAfterMs: NOW_MS + 300 * DAY_MS,
    ...fields,
  })
  return { name: subject, ...keys, certificate }
}

const u32 = (value: number): Buffer => {
  const out = Buffer.alloc(4)
  out.writeUInt32LE(value)
  return out
}

/** Puts a quote together from parts, some of them other ones, signing nothing. */
export const assemble = (quote: Quote, parts: Partial<Record<'signed' | 'signature' | 'certification', Uint8Array>>): Buffer => {
  const { signed, signature, certification } = { ...quote, ...parts }
  return Buffer.concat([signed, u32(signature.length + certification.length), signature, certification])
}

/** A real quoting enclave's second quote: the same certification, another body, signed by the attestation key. */
export const resign = (machine: EmulatedPlatform, quote: Uint8Array, change: (signed: Buffer) => void): Buffer => {
  const parsed = parseQuote(quote)
  const signed = Buffer.from(parsed.signed)
  change(signed)
  const signature = sign('sha256', signed, { key: machine.attestation.privateKey, dsaEncoding: 'ieee-p1363' })
  return assemble(parsed, { signed, signature })
}

const P256_ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n

/** The other signature that holds where r ‖ s does. */
export const otherSignature = (signature: Uint8Array): Buffer => {
  const s = BigInt(`0x${Buffer.from(signature.subarray(32)).toString('hex')}`)
  return Buffer.concat([signature.subarray(0, 32), Buffer.from((P256_ORDER - s).toString(16).padStart(64, '0'), 'hex')])
}

export const flipped = (bytes: Uint8Array, at: number, bit = 0): Uint8Array => {
  const copy = Uint8Array.from(bytes)
  copy[at] = copy[at]! ^ (1 << bit)
  return copy
}

/** Numbers in [0, 1) from a seed (mulberry32). */
export const seeded = (seed: number): (() => number) => {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = state
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

const ECDSA_SHA256 = Buffer.from('300a06082a8648ce3d040302', 'hex')
export const tlv = (tag: number, content: Uint8Array): Buffer => {
  const size = content.length
  const length = size < 0x80 ? [size] : size < 0x100 ? [0x81, size] : [0x82, size >> 8, size & 0xff]
  return Buffer.concat([Buffer.from([tag, ...length]), content])
}

/** What is signed of a certificate or revocation list. */
export const signedPart = (der: Uint8Array): Buffer => {
  const bytes = Buffer.from(der)
  return bytes.subarray(bytes[1]! < 0x82 ? 3 : 4, bytes.lastIndexOf(ECDSA_SHA256))
}

/** A certificate or revocation list of these bytes, soundly signed whatever they are. */
export const signDer = (signed: Uint8Array, issuer: { privateKey: KeyObject }): Buffer => {
  const signature = tlv(0x03, Buffer.concat([Buffer.of(0), sign('sha256', signed, issuer.privateKey)]))
  return tlv(0x30, Buffer.concat([signed, ECDSA_SHA256, signature]))
}
