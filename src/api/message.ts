import { reader, type Writer, writer } from 'protons-runtime'
import { UsageError } from '../base/index.ts'

/** One field of a message, in all three encodings: JSON, a query string, protobuf. */
export interface Field {
  readonly type: 'string' | 'bytes' | 'bool' | 'uint64'
  /** Its protobuf number, as in dstack's agent_rpc.proto; without one it exists in JSON only: our own extension. */
  readonly number?: number
  readonly repeated?: true
  /** Absent differs from the default. */
  readonly optional?: true
  /** Bytes that are wiped once they are in the answer. */
  readonly secret?: true
  readonly about?: string
}

export type Message = Readonly<Record<string, Field>>

interface Types {
  string: string
  bytes: Uint8Array
  bool: boolean
  uint64: number
}
type ValueOf<F extends Field> = F extends { repeated: true } ? readonly Types[F['type']][] : Types[F['type']]
/** What a handler gets of a request and gives as an answer. */
export type Values<M extends Message> = {
  readonly [K in keyof M as M[K] extends { optional: true } ? never : K]: ValueOf<M[K]>
} & {
  readonly [K in keyof M as M[K] extends { optional: true } ? K : never]?: ValueOf<M[K]> | undefined
}

/** How many elements a repeated field may have. */
export const REPEATED_MAX = 256

const malformed = (why: string): UsageError => new UsageError('malformed', `Failed to decode request: ${why}`)

const DEFAULTS: { readonly [T in keyof Types]: () => Types[T] } = {
  string: () => '',
  bytes: () => new Uint8Array(0),
  bool: () => false,
  uint64: () => 0,
}

type Read = (field: Field, name: string) => unknown

const build = <M extends Message>(message: M, read: Read): Values<M> => {
  const out: Record<string, unknown> = {}
  for (const name in message) {
    const field = message[name]!
    const value = read(field, name)
    if (value !== undefined) out[name] = value
    else if (field.repeated) out[name] = []
    else if (!field.optional) out[name] = DEFAULTS[field.type]()
  }
  return out as Values<M>
}

/** Bytes are hex, in either case, with or without 0x. */
export const bytesOfHex = (text: string, name: string): Uint8Array => {
  const digits = text.startsWith('0x') || text.startsWith('0X') ? text.slice(2) : text
  if (digits.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(digits)) throw malformed(`${name} is not hex`)
  return Uint8Array.from(Buffer.from(digits, 'hex'))
}

export const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex')

const fromJson = (type: Field['type'], value: unknown, name: string): unknown => {
  switch (type) {
    case 'string':
      if (typeof value === 'string') return value
      break
    case 'bytes':
      if (typeof value === 'string') return bytesOfHex(value, name)
      break
    case 'bool':
      if (typeof value === 'boolean') return value
      break
    case 'uint64':
      if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value
      break
  }
  throw malformed(`${name} is not a ${type === 'bytes' ? 'string of hex digits' : type}`)
}

const listOf = <T>(values: readonly T[], name: string): readonly T[] => {
  if (values.length > REPEATED_MAX) throw malformed(`${name} has more than ${REPEATED_MAX} elements`)
  return values
}

/** A JSON body. Empty is all defaults, null a default, and unknown fields are ignored. */
export const parseJson = <M extends Message>(message: M, body: Uint8Array): Values<M> => {
  if (body.length === 0) return build(message, () => undefined)
  const text = utf8Of(body, 'the body')
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    // dstack's JavaScript SDK counts characters into Content-Length: the body of a text beyond ASCII arrives cut.
    throw malformed(
      body.some((byte) => byte > 127)
        ? 'the body is not JSON, or was cut: Content-Length must count bytes, not characters'
        : 'the body is not JSON',
    )
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json)) throw malformed('the body is not a JSON object')
  const fields = json as Record<string, unknown>
  return build(message, ({ type, repeated }, name) => {
    const value = Object.hasOwn(fields, name) ? fields[name] : undefined
    if (value === undefined || value === null) return undefined
    if (!repeated) return fromJson(type, value, name)
    if (!Array.isArray(value)) throw malformed(`${name} is not an array`)
    return listOf(value, name).map((element) => fromJson(type, element, name))
  })
}

const fromText = (type: Field['type'], text: string, name: string): unknown => {
  if (type === 'bool') {
    if (text === 'true' || text === 'false') return text === 'true'
    throw malformed(`${name} is neither true nor false`)
  }
  if (type === 'uint64') return fromJson(type, /^[0-9]{1,16}$/.test(text) ? Number(text) : undefined, name)
  return fromJson(type, text, name)
}

/** The fields of a query string; a repeated one as name=…, name[]=… or name[0]=…. */
export const parseQuery = <M extends Message>(message: M, query: string): Values<M> => {
  const found = new Map<string, string[]>()
  for (const [key, value] of new URLSearchParams(query)) {
    const name = key.replace(/\[[0-9]*\]$/, '')
    const values = found.get(name)
    if (values === undefined) found.set(name, [value])
    else values.push(value)
  }
  return build(message, ({ type, repeated }, name) => {
    const values = found.get(name)
    if (values === undefined) return undefined
    if (repeated) return listOf(values, name).map((value) => fromText(type, value, name))
    if (values.length > 1) throw malformed(`${name} is given twice`)
    return fromText(type, values[0]!, name)
  })
}

const WIRE_VARINT = 0
const WIRE_BYTES = 2
const wireOf = (type: Field['type']): number => (type === 'string' || type === 'bytes' ? WIRE_BYTES : WIRE_VARINT)

/** A protobuf body (proto3): unknown fields are skipped, of a field sent twice the last one counts. */
export const parseProtobuf = <M extends Message>(message: M, body: Uint8Array): Values<M> => {
  const byNumber = new Map<number, [string, Field]>()
  for (const name in message) {
    const field = message[name]!
    if (field.number !== undefined) byNumber.set(field.number, [name, field])
  }
  const found = new Map<string, unknown>()
  const input = reader(body)
  try {
    while (input.pos < input.len) {
      const tag = input.uint32()
      const [name, field] = byNumber.get(tag >>> 3) ?? []
      if (name === undefined || field === undefined || (tag & 7) !== wireOf(field.type)) {
        if (tag >>> 3 === 0) throw malformed('a field numbered 0')
        input.skipType(tag & 7)
        continue
      }
      const value = readScalar(input, field.type, name)
      if (!field.repeated) found.set(name, value)
      else found.set(name, listOf([...((found.get(name) as unknown[] | undefined) ?? []), value], name))
    }
    if (input.pos !== input.len) throw malformed('a field runs past the end')
  } catch (error) {
    throw error instanceof UsageError ? error : malformed('the body is not protobuf')
  }
  return build(message, (_field, name) => found.get(name))
}

const readScalar = (input: ReturnType<typeof reader>, type: Field['type'], name: string): unknown => {
  if (type === 'bool') return input.uint64() !== 0n
  if (type === 'uint64') {
    const value = Number(input.uint64())
    if (!Number.isSafeInteger(value)) throw malformed(`${name} is too large`)
    return value
  }
  const bytes = Uint8Array.from(input.bytes())
  return type === 'string' ? utf8Of(bytes, name) : bytes
}

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const utf8Of = (bytes: Uint8Array, name: string): string => {
  try {
    return strictUtf8.decode(bytes)
  } catch {
    throw malformed(`${name} is not UTF-8, or was cut: Content-Length must count bytes, not characters`)
  }
}

/** The JSON form of an answer. */
export const toJson = <M extends Message>(message: M, values: Values<M>): Record<string, unknown> => {
  const out: Record<string, unknown> = {}
  for (const name in message) {
    const value: unknown = (values as Record<string, unknown>)[name]
    if (message[name]!.type !== 'bytes') out[name] = value
    else if (value !== undefined) out[name] = Array.isArray(value) ? value.map(hexOf) : hexOf(value as Uint8Array)
  }
  return out
}

/** The protobuf form of an answer: defaults are left out. */
export const toProtobuf = <M extends Message>(message: M, values: Values<M>): Uint8Array => {
  const output = writer()
  for (const name in message) {
    const field = message[name]!
    const value: unknown = (values as Record<string, unknown>)[name]
    if (field.number === undefined || value === undefined) continue
    for (const element of field.repeated ? (value as unknown[]) : [value]) {
      writeScalar(output, field, element)
    }
  }
  return output.finish()
}

const writeScalar = (output: Writer, { type, number, repeated, optional }: Field, value: unknown): void => {
  const always = repeated === true || optional === true
  const tag = (number! << 3) | wireOf(type)
  if (type === 'string' && (always || value !== '')) output.uint32(tag).string(value as string)
  if (type === 'bytes' && (always || (value as Uint8Array).length > 0)) output.uint32(tag).bytes(value as Uint8Array)
  if (type === 'bool' && (always || value === true)) output.uint32(tag).bool(value as boolean)
  if (type === 'uint64' && (always || value !== 0)) output.uint32(tag).uint64Number(value as number)
}

/** Overwrites the secrets among an answer's values: what is left of them is the encoded answer. */
export const wipeSecrets = <M extends Message>(message: M, values: Values<M>): void => {
  for (const name in message) {
    if (message[name]!.secret) ((values as Record<string, unknown>)[name] as Uint8Array).fill(0)
  }
}

/** The JSON Schema of a message in its JSON form. */
export const schemaOf = (message: Message): Record<string, unknown> => {
  const types = {
    string: { type: 'string' },
    bytes: { type: 'string', pattern: '^(0[xX])?([0-9a-fA-F]{2})*$' },
    bool: { type: 'boolean' },
    uint64: { type: 'integer', minimum: 0, maximum: Number.MAX_SAFE_INTEGER },
  }
  const properties: Record<string, unknown> = {}
  for (const name in message) {
    const { type, repeated, about } = message[name]!
    const one = types[type]
    const schema = repeated ? { type: 'array', items: one, maxItems: REPEATED_MAX } : one
    properties[name] = about === undefined ? schema : { ...schema, description: about }
  }
  return { type: 'object', properties, additionalProperties: true }
}
