import { AsnParser, type IAsnConvertible } from '@peculiar/asn1-schema'

/** One value of a DER encoding; the views are into a copy. */
export interface DerNode {
  /** Identifier octet: class, constructed bit and tag number (X.690 8.1.2). Tags of several octets do not occur. */
  readonly tag: number
  /** Identifier, length and content. */
  readonly raw: Uint8Array
  readonly content: Uint8Array
  /** Where the content starts, counted from the start of the encoding. */
  readonly contentStart: number
  /** Empty for a primitive value. */
  readonly children: readonly DerNode[]
}

export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  objectIdentifier: 0x06,
  enumerated: 0x0a,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
  context0: 0xa0,
  context3: 0xa3,
} as const

/** What the ASN.1 library knows about a value, as far as it is used here. */
interface ParsedBlock {
  valueBeforeDecodeView: Uint8Array
  idBlock: { tagClass: number; tagNumber: number; isConstructed: boolean; blockLength: number }
  lenBlock: { isIndefiniteForm: boolean; blockLength: number; length: number }
  valueBlock: { value?: unknown }
}

/**
 * The library reads BER, and lets values run over the end of what holds them. DER is the one encoding of each value:
 * definite and shortest lengths (X.690 10.1), and each length is that of the content.
 */
const toNode = (block: ParsedBlock, base: number): DerNode => {
  const { idBlock, lenBlock, valueBeforeDecodeView: raw } = block
  const content = raw.subarray(idBlock.blockLength + lenBlock.blockLength)
  const lengthOctets = content.length < 0x80 ? 1 : 1 + Math.ceil((32 - Math.clz32(content.length)) / 8)
  const isDer = idBlock.blockLength === 1 && !lenBlock.isIndefiniteForm && lenBlock.blockLength === lengthOctets
  if (!isDer || lenBlock.length !== content.length) throw new Error('not DER')
  const { value } = block.valueBlock
  const children = idBlock.isConstructed && Array.isArray(value) ? value.map((child: ParsedBlock) => toNode(child, base)) : []
  const childrenBytes = children.reduce((sum, child) => sum + child.raw.length, 0)
  if (childrenBytes !== (idBlock.isConstructed ? content.length : 0)) throw new Error('not DER')
  return { tag: raw[0]!, raw, content, contentStart: content.byteOffset - base, children }
}

/** Takes the library's tree as it is: the schema of each structure is checked where it is read. */
class Tree implements IAsnConvertible<unknown> {
  root: DerNode | undefined
  fromASN(block: unknown): this {
    const parsed = block as ParsedBlock
    this.root = toNode(parsed, parsed.valueBeforeDecodeView.byteOffset)
    return this
  }
  toASN(): never {
    throw new Error('read only')
  }
  toSchema(): never {
    throw new Error('read only')
  }
}

/**
 * Reads one DER value that fills `bytes`. Throws `Error` on anything else.
 * @param maxNodes how many values it may hold
 */
export const readDer = (bytes: Uint8Array, maxNodes = 1_000): DerNode => {
  const berOptions = { maxDepth: 16, maxNodes, maxContentLength: bytes.length, parseEmbedded: false }
  const { root } = AsnParser.parse(Uint8Array.from(bytes), Tree as never, { berOptions }) as Tree
  if (root === undefined || root.raw.length !== bytes.length) throw new Error('not one DER value')
  return root
}
