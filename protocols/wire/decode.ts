/**
 * Strict decoding. A protobuf codec alone lets the last of two equal fields win, leaves out what is missing and knows no
 * lengths; here every field is checked first (protocols/README.md, "Messages"), then the codec reads the values.
 */

/** A message that does not have the form its specification gives; answered with the refusal `malformed`. */
export class MalformedError extends Error {
  override readonly name = 'MalformedError'
  readonly code = 'malformed'
}

interface FieldRules {
  /** Absent is an error unless this is set. Numbers may always be absent: proto3 does not send zero. */
  optional?: true
  /** At most this many; without it a field that comes twice is malformed. */
  repeated?: { max: number }
  /** Exactly one field of a oneof must be there. */
  oneof?: string
}
export type FieldShape = FieldRules &
  (
    | { type: 'bytes'; min: number; max: number }
    | { type: 'text'; min: number; max: number }
    | { type: 'uint'; max?: bigint }
    | { type: 'message'; shape: MessageShape }
  )
/** Field number → what may stand there. Unknown fields are skipped, as long as they parse. */
export type MessageShape = Readonly<Record<number, FieldShape & { name: string }>>

/** Bytes of one exact length. */
export const exactly = (length: number): { type: 'bytes'; min: number; max: number } => ({
  type: 'bytes',
  min: length,
  max: length,
})

const WIRE_VARINT = 0
const WIRE_64 = 1
const WIRE_LENGTH = 2
const WIRE_32 = 5
const MAX_VARINT_BYTES = 10
/** So many bytes of 7 bits are within the safe integers. */
const NUMBER_VARINT_BYTES = 7
const MAX_DEPTH = 8
const MAX_FIELDS = 10_000
const U64_MAX = 0xffff_ffff_ffff_ffffn
const SAFE_MAX = BigInt(Number.MAX_SAFE_INTEGER)
const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

class Cursor {
  at = 0
  fields = 0
  constructor(readonly bytes: Uint8Array) {}

  /** A bigint only where a number could not hold it: nearly all are keys and lengths of a byte or two. */
  varint(end: number): number | bigint {
    let value: number | bigint = 0
    for (let i = 0; i < MAX_VARINT_BYTES; i++) {
      if (this.at >= end) throw new MalformedError('a number is cut off')
      const byte = this.bytes[this.at++]!
      if (i < NUMBER_VARINT_BYTES) value = (value as number) + (byte & 0x7f) * 0x80 ** i
      else value = BigInt(value) | (BigInt(byte & 0x7f) << BigInt(7 * i))
      if ((byte & 0x80) === 0) {
        if (value > U64_MAX) break
        // One spelling for one number. The codec's reader loses its place in longer ones, and would then read fields
        // that were never checked.
        if (byte === 0 && i > 0) throw new MalformedError('a number is longer than it need be')
        return value
      }
    }
    throw new MalformedError('a number is too long')
  }

  skip(length: number, end: number): void {
    if (length > end - this.at) throw new MalformedError('a field is cut off')
    this.at += length
  }
}

const expectedWire = (shape: FieldShape): number => (shape.type === 'uint' ? WIRE_VARINT : WIRE_LENGTH)

const scan = (cursor: Cursor, end: number, shape: MessageShape, path: string, depth: number): void => {
  if (depth > MAX_DEPTH) throw new MalformedError(`${path}: nested too deep`)
  const seen = new Map<number, number>()
  while (cursor.at < end) {
    if (++cursor.fields > MAX_FIELDS) throw new MalformedError('too many fields')
    const key = cursor.varint(end)
    const number = typeof key === 'number' ? Math.floor(key / 8) : Number(key >> 3n)
    const wire = typeof key === 'number' ? key % 8 : Number(key & 7n)
    if (number < 1 || number > 0x1fff_ffff) throw new MalformedError(`${path}: field number ${number}`)
    const field = shape[number]
    if (field !== undefined && wire !== expectedWire(field)) throw new MalformedError(`${path}.${field.name}: wire type ${wire}`)
    let start = cursor.at
    switch (wire) {
      case WIRE_VARINT: {
        const value = cursor.varint(end)
        if (field?.type === 'uint' && value > (field.max ?? SAFE_MAX))
          throw new MalformedError(`${path}.${field.name}: too large`)
        break
      }
      case WIRE_64:
        cursor.skip(8, end)
        break
      case WIRE_32:
        cursor.skip(4, end)
        break
      case WIRE_LENGTH: {
        const length = cursor.varint(end)
        start = cursor.at
        if (length > end - start) throw new MalformedError(`${path}: field ${number} is cut off`)
        if (field !== undefined) checkLengthField(cursor, start + Number(length), field, `${path}.${field.name}`, depth)
        cursor.at = start + Number(length)
        break
      }
      default:
        throw new MalformedError(`${path}: wire type ${wire}`)
    }
    if (field !== undefined) {
      const count = (seen.get(number) ?? 0) + 1
      if (count > (field.repeated?.max ?? 1)) throw new MalformedError(`${path}.${field.name}: sent ${count} times`)
      seen.set(number, count)
    }
  }
  checkPresence(seen, shape, path)
}

const checkLengthField = (cursor: Cursor, end: number, field: FieldShape, path: string, depth: number): void => {
  const length = end - cursor.at
  switch (field.type) {
    case 'bytes':
    case 'text':
      if (length < field.min || length > field.max) {
        throw new MalformedError(
          `${path}: ${length} bytes, expected ${field.min === field.max ? field.min : `${field.min} to ${field.max}`}`,
        )
      }
      if (field.type === 'text') {
        try {
          text.decode(cursor.bytes.subarray(cursor.at, end))
        } catch {
          throw new MalformedError(`${path}: not UTF-8`)
        }
      }
      break
    case 'message':
      scan(cursor, end, field.shape, path, depth + 1)
      break
    case 'uint':
      break
  }
}

/** What a shape demands: fields that must be there, and those of which exactly one must. */
interface Demands {
  required: { number: number; name: string }[]
  oneofs: Map<string, number[]>
}
/** Shapes are constants: each is looked through once. */
const demandsOfShapes = new WeakMap<MessageShape, Demands>()

const demandsOf = (shape: MessageShape): Demands => {
  const known = demandsOfShapes.get(shape)
  if (known !== undefined) return known
  const demands: Demands = { required: [], oneofs: new Map() }
  for (const [key, field] of Object.entries(shape)) {
    const number = Number(key)
    if (field.oneof !== undefined) demands.oneofs.set(field.oneof, [...(demands.oneofs.get(field.oneof) ?? []), number])
    else if (field.type !== 'uint' && field.optional !== true && field.repeated === undefined) {
      demands.required.push({ number, name: field.name })
    }
  }
  demandsOfShapes.set(shape, demands)
  return demands
}

const checkPresence = (seen: ReadonlyMap<number, number>, shape: MessageShape, path: string): void => {
  const { required, oneofs } = demandsOf(shape)
  for (const { number, name } of required) if (!seen.has(number)) throw new MalformedError(`${path}.${name}: missing`)
  for (const [name, numbers] of oneofs) {
    const count = numbers.reduce((sum, number) => sum + (seen.has(number) ? 1 : 0), 0)
    if (count !== 1) throw new MalformedError(`${path}.${name}: ${count} members, expected exactly one`)
  }
}

/** Decodes `bytes` after checking them against `shape`. Throws {@link MalformedError} and nothing else. */
export const decodeStrict = <T>(
  name: string,
  codec: { decode(bytes: Uint8Array): T },
  shape: MessageShape,
  bytes: Uint8Array,
): T => {
  scan(new Cursor(bytes), bytes.length, shape, name, 0)
  try {
    return codec.decode(bytes)
  } catch (error) {
    // What is left for the codec to refuse: unknown enum values.
    throw new MalformedError(`${name}: ${error instanceof Error ? error.message : 'not decodable'}`)
  }
}
