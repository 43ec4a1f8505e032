import { Buffer } from 'node:buffer'
import { createPublicKey, type KeyObject, verify } from 'node:crypto'
import { type DerNode, readDer, TAG } from './der.ts'
import { check, DcapError, type DcapReason } from './reasons.ts'

// X.509 as Intel's SGX PKI uses it: RFC 5280 and "SGX PCK Certificate and Certificate Revocation List Profile Specification".

/** What is read from a certificate. */
export interface Certificate {
  readonly der: Buffer
  /** Content of the serial number, hex. */
  readonly serial: string
  /** DER of the names; two names are the same when these bytes are. */
  readonly issuer: Buffer
  readonly subject: Buffer
  readonly commonName: string
  readonly notBeforeMs: number
  readonly notAfterMs: number
  readonly publicKey: KeyObject
  readonly isCa: boolean
  readonly pathLength: number | undefined
  /** First octet of the key usage bits. */
  readonly keyUsage: number
  /** The encoding, for what only some certificates have. */
  readonly node: DerNode
  readonly extensions: ReadonlyMap<string, Extension>
}

export interface Extension {
  readonly critical: boolean
  readonly value: DerNode
}

export interface RevocationList {
  readonly issuer: Buffer
  readonly thisUpdateMs: number
  readonly nextUpdateMs: number
  /** Serial numbers as in {@link Certificate.serial}. */
  readonly revoked: ReadonlySet<string>
}

/** Contents of object identifiers, hex. */
export const OID = {
  commonName: '550403',
  subjectKeyId: '551d0e',
  keyUsage: '551d0f',
  basicConstraints: '551d13',
  crlNumber: '551d14',
  crlDistributionPoints: '551d1f',
  authorityKeyId: '551d23',
} as const

export const KEY_USAGE = { digitalSignature: 0x80, certSign: 0x04, crlSign: 0x02 } as const

/** AlgorithmIdentifier of ecdsa-with-SHA256 (1.2.840.10045.4.3.2), the only one. */
const ECDSA_SHA256 = Buffer.from('300a06082a8648ce3d040302', 'hex')
/** SubjectPublicKeyInfo of an uncompressed P-256 point, up to x ‖ y. */
const P256_SPKI = Buffer.from('3059301306072a8648ce3d020106082a8648ce3d03010703420004', 'hex')
/** Every certificate of the profile has these. */
const REQUIRED_EXTENSIONS = [OID.authorityKeyId, OID.crlDistributionPoints, OID.subjectKeyId, OID.keyUsage, OID.basicConstraints]
const CRITICAL_EXTENSIONS: readonly string[] = [OID.keyUsage, OID.basicConstraints]

/** Intel's certificates have at most 1.3 KB, its revocation lists a few. */
const CERTIFICATE_LIMIT_BYTES = 4 * 1024
const CRL_LIMIT_BYTES = 1024 * 1024

const hex = (bytes: Uint8Array): string => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex')

/** Runs `read`; whatever is wrong in there makes the whole thing malformed. */
const reading = <T>(reason: DcapReason, what: string, read: () => T): T => {
  try {
    return read()
  } catch (cause) {
    if (cause instanceof DcapError) throw cause
    throw new DcapError(reason, `${what} is malformed: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
  }
}

const expect = (node: DerNode | undefined, tag: number, what: string): DerNode => {
  if (node?.tag !== tag) throw new Error(`no ${what}`)
  return node
}

/** Content of a positive INTEGER in its shortest form (X.690 8.3.2). */
export const isPositiveInteger = (content: Uint8Array): boolean => {
  const [first, second] = content
  return first !== undefined && first < 0x80 && !(first === 0 && second !== undefined && second < 0x80)
}

const serialOf = (node: DerNode | undefined): string => {
  const { content } = expect(node, TAG.integer, 'serial number')
  // RFC 5280 4.1.2.2: at most 20 octets, and one for the sign.
  if (!isPositiveInteger(content) || content.length > 21) throw new Error('serial number')
  return hex(content)
}

/** RFC 5280 4.1.2.5: UTCTime through 2049, GeneralizedTime after, both to the second and in UTC. */
export const timeMs = (tag: number, content: Uint8Array): number => {
  const text = Buffer.from(content).toString('latin1')
  const digits = tag === TAG.utcTime ? /^(\d\d)\d{10}Z$/.exec(text) : tag === TAG.generalizedTime ? /^\d{14}Z$/.exec(text) : null
  if (digits === null) throw new Error('time')
  const full = digits[1] === undefined ? text : `${Number(digits[1]) < 50 ? '20' : '19'}${text}`
  const iso = full.replace(/^(....)(..)(..)(..)(..)(..)Z$/, '$1-$2-$3T$4:$5:$6.000Z')
  const ms = Date.parse(iso)
  if (Number.isNaN(ms) || new Date(ms).toISOString() !== iso) throw new Error('time')
  return ms
}

const time = (node: DerNode | undefined): number => {
  if (node === undefined) throw new Error('no time')
  return timeMs(node.tag, node.content)
}

const commonName = (name: DerNode): string => {
  const attributes = name.children.map((set) => {
    const [attribute, ...more] = expect(set, TAG.set, 'name').children
    const [type, value, ...rest] = expect(attribute, TAG.sequence, 'name').children
    if (more.length > 0 || rest.length > 0 || value === undefined) throw new Error('name')
    return { type: hex(expect(type, TAG.objectIdentifier, 'name').content), value }
  })
  const [found, ...others] = attributes.filter(({ type }) => type === OID.commonName)
  if (found === undefined || others.length > 0) throw new Error('common name')
  return Buffer.from(found.value.content).toString('latin1')
}

/** Extensions by object identifier; a second one of a kind is malformed (RFC 5280 4.2). */
const extensionsOf = (list: DerNode | undefined): Map<string, Extension> => {
  const extensions = new Map<string, Extension>()
  for (const node of expect(list, TAG.sequence, 'extensions').children) {
    const parts = expect(node, TAG.sequence, 'extension').children
    const id = hex(expect(parts[0], TAG.objectIdentifier, 'extension').content)
    const critical = parts.length === 3
    // DER leaves the default (not critical) out.
    if (critical && hex(expect(parts[1], TAG.boolean, 'extension').content) !== 'ff') throw new Error('extension')
    if (parts.length < 2 || parts.length > 3 || extensions.has(id)) throw new Error(`extension ${id}`)
    extensions.set(id, { critical, value: expect(parts.at(-1), TAG.octetString, 'extension') })
  }
  return extensions
}

const basicConstraints = (value: Uint8Array): { isCa: boolean; pathLength: number | undefined } => {
  const [ca, length, ...more] = expect(readDer(value), TAG.sequence, 'basic constraints').children
  if (ca === undefined) return { isCa: false, pathLength: undefined }
  if (hex(expect(ca, TAG.boolean, 'basic constraints').content) !== 'ff' || more.length > 0) throw new Error('basic constraints')
  if (length === undefined) return { isCa: true, pathLength: undefined }
  const { content } = expect(length, TAG.integer, 'path length')
  if (content.length !== 1 || content[0]! > 0x7f) throw new Error('path length')
  return { isCa: true, pathLength: content[0] }
}

const keyUsage = (value: Uint8Array): number => {
  const { content } = expect(readDer(value), TAG.bitString, 'key usage')
  if (content.length < 2 || content.length > 3 || content[0]! > 7) throw new Error('key usage')
  return content[1]!
}

/** The key x ‖ y on P-256. Throws when there is no such point. As PEM, which Node reads in a third of its time for DER. */
export const p256Key = (point: Uint8Array): KeyObject =>
  createPublicKey(
    `-----BEGIN PUBLIC KEY-----\n${Buffer.concat([P256_SPKI, point]).toString('base64')}\n-----END PUBLIC KEY-----\n`,
  )

/** ECDSA-Sig-Value's INTEGER of 32 big-endian bytes. */
const derInteger = (bytes: Uint8Array): number[] => {
  const first = bytes.findIndex((byte) => byte !== 0)
  const digits = [...bytes.subarray(first < 0 ? 31 : first)]
  const positive = digits[0]! < 0x80 ? digits : [0, ...digits]
  return [TAG.integer, positive.length, ...positive]
}

/** Whether r ‖ s is a signature of `message`. In DER, since Node takes a third longer over signatures as r ‖ s. */
export const verifyRaw = (key: KeyObject, message: Uint8Array, signature: Uint8Array): boolean => {
  if (signature.length !== 64) return false
  const value = [...derInteger(signature.subarray(0, 32)), ...derInteger(signature.subarray(32))]
  return verify('sha256', message, key, Uint8Array.of(TAG.sequence, value.length, ...value))
}

/** x ‖ y of a SubjectPublicKeyInfo: its place, counted from the start of the certificate. */
export const pointPlace = (spki: DerNode | undefined): [start: number, end: number] => {
  const { raw, content, contentStart } = expect(spki, TAG.sequence, 'public key')
  const start = P256_SPKI.length
  if (raw.length !== start + 64 || hex(raw.subarray(0, start)) !== P256_SPKI.toString('hex')) throw new Error('public key')
  return [contentStart + content.length - 64, contentStart + content.length]
}

/** The eight parts of a v3 certificate without unique identifiers. */
export const certificateParts = (root: DerNode): readonly DerNode[] => {
  const [tbs, algorithm, signature, ...rest] = expect(root, TAG.sequence, 'certificate').children
  const parts = expect(tbs, TAG.sequence, 'certificate body').children
  if (rest.length > 0 || parts.length !== 8) throw new Error('certificate')
  if (hex(expect(parts[0], TAG.context0, 'version').content) !== '020102') throw new Error('version')
  if (!ECDSA_SHA256.equals(parts[2]!.raw) || !ECDSA_SHA256.equals(algorithm!.raw)) throw new Error('signature algorithm')
  expect(signature, TAG.bitString, 'signature')
  return parts
}

/**
 * Reads a certificate of Intel's profile. No signature is checked: do that first ({@link checkSignature}).
 * @throws DcapError `certificate_malformed`
 */
export const readCertificate = (der: Buffer): Certificate =>
  reading('certificate_malformed', 'a certificate', () => {
    const node = readDer(der)
    const parts = certificateParts(node)
    const [notBefore, notAfter, ...rest] = expect(parts[4], TAG.sequence, 'validity').children
    if (rest.length > 0) throw new Error('validity')
    const issuer = expect(parts[3], TAG.sequence, 'issuer')
    const subject = expect(parts[5], TAG.sequence, 'subject')
    const extensions = extensionsOf(expect(parts[7], TAG.context3, 'extensions').children[0])
    for (const id of REQUIRED_EXTENSIONS) if (!extensions.has(id)) throw new Error(`no extension ${id}`)
    for (const [id, { critical }] of extensions) {
      if (critical && !CRITICAL_EXTENSIONS.includes(id)) throw new Error(`unknown critical extension ${id}`)
    }
    const [keyStart, keyEnd] = pointPlace(parts[6])
    return {
      der,
      serial: serialOf(parts[1]),
      issuer: Buffer.from(issuer.raw),
      subject: Buffer.from(subject.raw),
      commonName: commonName(subject),
      notBeforeMs: time(notBefore),
      notAfterMs: time(notAfter),
      publicKey: p256Key(der.subarray(keyStart, keyEnd)),
      ...basicConstraints(extensions.get(OID.basicConstraints)!.value.content),
      keyUsage: keyUsage(extensions.get(OID.keyUsage)!.value.content),
      node,
      extensions,
    }
  })

/**
 * Reads a v2 revocation list of Intel's profile. No signature is checked: do that first.
 * @throws DcapError `crl_malformed`
 */
export const readCrl = (der: Buffer): RevocationList =>
  reading('crl_malformed', 'a revocation list', () => {
    const [tbs, algorithm, signature, ...rest] = expect(readDer(der, der.length), TAG.sequence, 'list').children
    const parts = [...expect(tbs, TAG.sequence, 'list body').children]
    const version = expect(parts.shift(), TAG.integer, 'version')
    if (rest.length > 0 || hex(version.content) !== '01') throw new Error('version')
    if (!ECDSA_SHA256.equals(parts.shift()!.raw) || !ECDSA_SHA256.equals(algorithm!.raw)) throw new Error('signature algorithm')
    expect(signature, TAG.bitString, 'signature')
    const issuer = expect(parts.shift(), TAG.sequence, 'issuer')
    const thisUpdateMs = time(parts.shift())
    const nextUpdateMs = time(parts.shift())
    const revoked = new Set<string>()
    if (parts[0]?.tag === TAG.sequence) {
      for (const entry of parts.shift()!.children) {
        const [serial, date, extensions, ...more] = expect(entry, TAG.sequence, 'entry').children
        time(date)
        const critical = extensions && [...extensionsOf(extensions).values()].some((extension) => extension.critical)
        if (more.length > 0 || critical) throw new Error('entry')
        revoked.add(serialOf(serial))
      }
    }
    const extensions = extensionsOf(expect(parts.shift(), TAG.context0, 'extensions').children[0])
    // A list that is not the whole list says so in a critical extension.
    const unknown = [...extensions.values()].some(({ critical }) => critical)
    if (parts.length > 0 || unknown || !extensions.has(OID.crlNumber) || !extensions.has(OID.authorityKeyId)) {
      throw new Error('extensions')
    }
    if (nextUpdateMs < thisUpdateMs) throw new Error('dates')
    return { issuer: Buffer.from(issuer.raw), thisUpdateMs, nextUpdateMs, revoked }
  })

/**
 * Checks who signed a certificate or a revocation list, before anything of it is read: what is signed lies between the
 * outer header and the signature algorithm, which is always the same 12 bytes, and the signature fills the rest.
 * That the bytes mean this is what reading them shows afterwards.
 */
export const checkSignature = (der: Buffer, issuer: KeyObject, malformed: DcapReason, forged: DcapReason): void => {
  const limit = malformed === 'crl_malformed' ? CRL_LIMIT_BYTES : CERTIFICATE_LIMIT_BYTES
  check(der.length > 0 && der.length <= limit, malformed, `${der.length} bytes, at most ${limit} are read`)
  const start = { 129: 3, 130: 4, 131: 5 }[der[1]!]
  const end = der.lastIndexOf(ECDSA_SHA256)
  const signature = end + ECDSA_SHA256.length + 3
  const complete = end > 0 && der[signature - 3] === TAG.bitString && der[signature - 2] === der.length - signature + 1
  check(start !== undefined && complete && der[signature - 1] === 0, malformed, 'neither a certificate nor a revocation list')
  check(verify('sha256', der.subarray(start, end), issuer, der.subarray(signature)), forged, 'not signed by its issuer')
}

const BEGIN = '-----BEGIN CERTIFICATE-----\n'
const END = '-----END CERTIFICATE-----\n'

/** The one PEM text of a certificate (RFC 7468 "strict"), as Intel writes it. */
export const pemOf = (der: Uint8Array): string => {
  const base64 = Buffer.from(der.buffer, der.byteOffset, der.length).toString('base64')
  return `${BEGIN}${base64.replace(/.{64}(?=.)/g, '$&\n')}\n${END}`
}

/**
 * The certificates of a PEM chain, exactly `count`. Any other text of the same certificates is refused, but for a missing
 * newline or a NUL at the end (Intel's quoting library writes one).
 * @throws DcapError `certificate_malformed`
 */
export const readPemChain = (pem: string, count: number): Buffer[] => {
  check(pem.length <= 2 * count * CERTIFICATE_LIMIT_BYTES, 'certificate_malformed', `a chain of ${pem.length} characters`)
  const text = pem.replace(/\n?\0?$/, '\n')
  const blocks = text.split(END)
  check(blocks.pop() === '' && blocks.length === count, 'certificate_malformed', `not ${count} PEM certificates`)
  const ders = blocks.map((block) => Buffer.from(block.slice(BEGIN.length), 'base64'))
  check(ders.map(pemOf).join('') === text, 'certificate_malformed', 'not the strict PEM text of its certificates')
  return ders
}
