import type { Buffer } from 'node:buffer'
import type { KeyObject } from 'node:crypto'
import {
  type Certificate,
  certificateParts,
  isPositiveInteger,
  KEY_USAGE,
  OID,
  p256Key,
  pointPlace,
  readCertificate,
  timeMs,
} from './certificates.ts'
import { type DerNode, readDer, TAG } from './der.ts'
import { check, DcapError } from './reasons.ts'

/** What a PCK certificate says of its platform. */
export interface Pck {
  readonly serial: string
  readonly notBeforeMs: number
  readonly notAfterMs: number
  readonly publicKey: KeyObject
  /** 16 bytes that name the processor for as long as it lives. */
  readonly ppid: Uint8Array
  /** The 16 SGX TCB components. */
  readonly sgxSvns: Uint8Array
  readonly pceSvn: number
  /** 2 bytes. */
  readonly pceId: Uint8Array
  /** 6 bytes. */
  readonly fmspc: Uint8Array
}

export const PCK_NAME = 'Intel SGX PCK Certificate'

/** 1.2.840.113741.1.13.1, the SGX extension; its items append one or two arcs ("SGX PCK Certificate … Profile", table 3). */
const SGX = '2a864886f84d010d01'
const arcs = (...numbers: number[]) => SGX + numbers.map((number) => number.toString(16).padStart(2, '0')).join('')
const TCB_COMPONENTS = 16
const TCB_PCE_SVN = 17
const TCB_CPU_SVN = 18

type Place = readonly [start: number, end: number]

/** Where a certificate's values are. All other bytes are the same in every certificate of the same shape. */
interface Layout {
  /** In the order of the encoding: serial, notBefore, notAfter, key, key id, PPID, 16 SVNs, PCESVN, CPUSVN, PCE id, FMSPC, platform instance id (of a Platform CA), signature. */
  readonly places: readonly Place[]
  readonly timeTags: readonly [number, number]
}

const hex = (bytes: Uint8Array): string => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')

/** The items of a SEQUENCE OF { OBJECT IDENTIFIER, value }, each once. */
const items = (node: DerNode | undefined): Map<string, DerNode> => {
  if (node?.tag !== TAG.sequence) throw new Error('SGX extension')
  const found = new Map<string, DerNode>()
  for (const { tag, children } of node.children) {
    const [id, value, ...rest] = children
    if (tag !== TAG.sequence || id?.tag !== TAG.objectIdentifier || value === undefined || rest.length > 0) {
      throw new Error('SGX extension')
    }
    if (found.has(hex(id.content))) throw new Error('SGX extension says something twice')
    found.set(hex(id.content), value)
  }
  return found
}

/** Exactly these items in this order: what shows that the places found are in the order of the encoding. */
const expectItems = (found: Map<string, DerNode>, ids: readonly string[]): void => {
  if (found.size !== ids.length || [...found.keys()].some((id, index) => id !== ids[index])) throw new Error('SGX extension')
}

const place = (node: DerNode | undefined, tag: number, from: number, length?: number): Place => {
  if (node?.tag !== tag || (length !== undefined && node.content.length !== length)) throw new Error('SGX extension')
  return [from + node.contentStart, from + node.contentStart + node.content.length]
}

const sgxPlaces = (value: DerNode): Place[] => {
  const from = value.contentStart
  const top = items(readDer(value.content))
  const count = top.size
  // A Processor CA's certificates have five items, a Platform CA's seven.
  if (count !== 5 && count !== 7) throw new Error('SGX extension')
  const range = (length: number) => Array.from({ length }, (_, index) => index + 1)
  expectItems(
    top,
    range(count).map((arc) => arcs(arc)),
  )
  const tcb = items(top.get(arcs(2)))
  expectItems(
    tcb,
    range(TCB_CPU_SVN).map((arc) => arcs(2, arc)),
  )
  const type = top.get(arcs(5))!
  if (type.tag !== TAG.enumerated || type.content.length !== 1 || type.content[0]! > 2) throw new Error('SGX type')
  return [
    place(top.get(arcs(1)), TAG.octetString, from, 16),
    ...range(TCB_COMPONENTS).map((arc) => place(tcb.get(arcs(2, arc)), TAG.integer, from)),
    place(tcb.get(arcs(2, TCB_PCE_SVN)), TAG.integer, from),
    place(tcb.get(arcs(2, TCB_CPU_SVN)), TAG.octetString, from, 16),
    place(top.get(arcs(3)), TAG.octetString, from, 2),
    place(top.get(arcs(4)), TAG.octetString, from, 6),
    ...(count === 7 ? [place(top.get(arcs(6)), TAG.octetString, from, 16)] : []),
  ]
}

const layoutOf = ({ node, extensions }: Certificate): Layout => {
  const parts = certificateParts(node)
  const [notBefore, notAfter] = parts[4]!.children
  const sgx = extensions.get(SGX)
  if (sgx === undefined) throw new Error('no SGX extension')
  const keyId = readDer(extensions.get(OID.subjectKeyId)!.value.content)
  const places = [
    place(parts[1], TAG.integer, 0),
    place(notBefore, notBefore!.tag, 0),
    place(notAfter, notAfter!.tag, 0),
    pointPlace(parts[6]),
    place(keyId, TAG.octetString, extensions.get(OID.subjectKeyId)!.value.contentStart),
    ...sgxPlaces(sgx.value),
    place(node.children[2], TAG.bitString, 0),
  ]
  if (places.some(([start, end], index) => end <= start || (index > 0 && start < places[index - 1]![1]))) {
    throw new Error('extensions are not in the order of the profile')
  }
  return { places, timeTags: [notBefore!.tag, notAfter!.tag] }
}

const unsigned = (content: Uint8Array, max: number): number => {
  const value = content.reduce((sum, byte) => sum * 256 + byte, 0)
  if (content.length > 3 || !isPositiveInteger(content) || value > max) throw new Error('SVN')
  return value
}

/** The values of a certificate, once it is known where they are. */
const valuesAt = (der: Buffer, { places, timeTags }: Layout): Pck => {
  const contents = places.map(([start, end]) => der.subarray(start, end))
  const [serial, notBefore, notAfter, point, , ppid] = contents as [Buffer, Buffer, Buffer, Buffer, Buffer, Buffer]
  const [pceSvn, , pceId, fmspc] = contents.slice(6 + TCB_COMPONENTS) as [Buffer, Buffer, Buffer, Buffer]
  if (!isPositiveInteger(serial) || serial.length > 21) throw new Error('serial number')
  return {
    serial: serial.toString('hex'),
    notBeforeMs: timeMs(timeTags[0], notBefore),
    notAfterMs: timeMs(timeTags[1], notAfter),
    publicKey: p256Key(point),
    ppid: Uint8Array.from(ppid),
    sgxSvns: Uint8Array.from(contents.slice(6, 6 + TCB_COMPONENTS), (content) => unsigned(content, 0xff)),
    pceSvn: unsigned(pceSvn, 0xffff),
    pceId: Uint8Array.from(pceId),
    fmspc: Uint8Array.from(fmspc),
  }
}

/** A certificate that the library has read: others that are the same bytes outside the places have the same structure. */
interface Shape {
  readonly der: Buffer
  readonly layout: Layout
}

const hasShape = (der: Buffer, { der: known, layout: { places } }: Shape): boolean => {
  if (der.length !== known.length) return false
  let from = 0
  for (const [start, end] of places) {
    if (der.compare(known, from, start, from, start) !== 0) return false
    from = end
  }
  // The signature is the last of the places and the end of the certificate.
  return from === der.length
}

/** How many shapes are kept: lengths of serial number and signature vary by one or two bytes, SVNs of 128 and more by one. */
const SHAPES_MAX = 64

/**
 * Reads PCK certificates of one CA. Reading ASN.1 costs several times what the signatures of a quote cost, and
 * certificates of one CA are the same bytes but for their values: the ASN.1 library reads the first one of each shape,
 * and in the others the values are taken from the same places. That gives what the library would: every tag and length
 * of such a certificate is the same, and each place is inside the content of one primitive value.
 */
export class PckReader {
  readonly #issuer: Certificate
  readonly #shapes: Shape[] = []

  constructor(issuer: Certificate) {
    this.#issuer = issuer
  }

  /**
   * @param der a certificate whose signature by the issuer has been checked
   * @throws DcapError `certificate_malformed` or `certificate_role`
   */
  read(der: Buffer): Pck {
    try {
      const known = this.#shapes.find((shape) => hasShape(der, shape))
      if (known !== undefined) return valuesAt(der, known.layout)
      const certificate = readCertificate(der)
      this.#checkRole(certificate)
      const layout = layoutOf(certificate)
      const pck = valuesAt(der, layout)
      if (this.#shapes.length >= SHAPES_MAX) this.#shapes.shift()
      this.#shapes.push({ der, layout })
      return pck
    } catch (cause) {
      if (cause instanceof DcapError) throw cause
      const what = cause instanceof Error ? cause.message : String(cause)
      throw new DcapError('certificate_malformed', `the PCK certificate is malformed: ${what}`, { cause })
    }
  }

  #checkRole({ issuer, commonName, isCa, keyUsage }: Certificate): void {
    check(issuer.equals(this.#issuer.subject), 'certificate_role', 'the PCK certificate names another issuer')
    check(commonName === PCK_NAME, 'certificate_role', `"${commonName}" in the place of "${PCK_NAME}"`)
    const usage = keyUsage & (KEY_USAGE.digitalSignature | KEY_USAGE.certSign | KEY_USAGE.crlSign)
    check(!isCa && usage === KEY_USAGE.digitalSignature, 'certificate_role', 'the PCK certificate is not a leaf that signs')
  }
}
