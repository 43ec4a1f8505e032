import {
  ANCHOR_PROOF_LIMIT_BYTES,
  CREDENTIAL_LIMIT_BYTES,
  GENESIS_RECORD_LIMIT_BYTES,
  POLICY_LIMIT_BYTES,
} from '../records/index.ts'
import { type Binding, EVIDENCE_LIMIT_BYTES, HASH_BYTES, MalformedError } from '../wire/index.ts'
import { ANSWER_LIMIT_BYTES, ANSWER_VERSION, OUTSIDER_NONCE_BYTES_MAX, OUTSIDER_NONCE_BYTES_MIN, PATH_MAX } from './constants.ts'
import type { LeafPath } from './merkle.ts'

/** What a member shows somebody from outside who sent a nonce. */
export interface OutsiderAnswer {
  nonce: Uint8Array
  /** From the nonce to the root that the quote binds. */
  leaf: LeafPath
  /** Evidence, encoded; its quote binds {@link outsiderBinding}. */
  evidence: Uint8Array
  /** The member's own credential. */
  credential: Uint8Array
  /** The genesis bundle, with the anchor's proof where there is one. */
  genesis: Uint8Array
}

/** What a quote for outsiders binds: `evidence/1: cluster_id, peer_id, root`. */
export const outsiderBinding = (clusterId: Uint8Array, peerId: Uint8Array, root: Uint8Array): Binding => ({
  context: 'evidence/1',
  fields: [clusterId, peerId, root],
})

/** The bytes of a nonce as it is asked for: lower or upper case hex of 16 to 64 bytes. undefined: it is none. */
export const parseNonce = (text: string): Uint8Array | undefined =>
  text.length >= 2 * OUTSIDER_NONCE_BYTES_MIN &&
  text.length <= 2 * OUTSIDER_NONCE_BYTES_MAX &&
  text.length % 2 === 0 &&
  /^[0-9a-fA-F]+$/.test(text)
    ? Uint8Array.from(Buffer.from(text, 'hex'))
    : undefined

const hex = (bytes: Uint8Array): string => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex')
const base64 = (bytes: Uint8Array): string => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64')

/** JSON, as it is sent. */
export const encodeOutsiderAnswer = ({ nonce, leaf, evidence, credential, genesis }: OutsiderAnswer): string =>
  JSON.stringify({
    version: ANSWER_VERSION,
    nonce: hex(nonce),
    leaf_index: leaf.index,
    tree_size: leaf.size,
    path: leaf.path.map(hex),
    evidence: base64(evidence),
    credential: base64(credential),
    genesis: base64(genesis),
  })

const bad = (name: string, found: string): MalformedError => new MalformedError(`answer.${name}: ${found}`)

const bytesOf = (value: unknown, name: string, encoding: 'hex' | 'base64', min: number, max: number): Uint8Array => {
  if (typeof value !== 'string') throw bad(name, 'not a text')
  const bytes = Buffer.from(value, encoding)
  // One spelling for the same bytes.
  if (bytes.toString(encoding) !== value) throw bad(name, `not ${encoding}`)
  if (bytes.length < min || bytes.length > max) throw bad(name, `${bytes.length} bytes, expected ${min} to ${max}`)
  return Uint8Array.from(bytes)
}

const countOf = (value: unknown, name: string, max: number): number => {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > max)
    throw bad(name, `not a number up to ${max}`)
  return value
}

const GENESIS_LIMIT_BYTES =
  GENESIS_RECORD_LIMIT_BYTES + POLICY_LIMIT_BYTES + EVIDENCE_LIMIT_BYTES + ANCHOR_PROOF_LIMIT_BYTES + 1024

/** Throws MalformedError and nothing else. Nothing of the result is to be believed yet. */
export const decodeOutsiderAnswer = (text: string): OutsiderAnswer => {
  if (text.length > ANSWER_LIMIT_BYTES) throw new MalformedError(`answer: more than ${ANSWER_LIMIT_BYTES} bytes`)
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    throw new MalformedError('answer: not JSON')
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json)) throw new MalformedError('answer: not an object')
  const field = (name: string): unknown => (Object.hasOwn(json, name) ? (json as Record<string, unknown>)[name] : undefined)
  if (field('version') !== ANSWER_VERSION) throw bad('version', `not ${ANSWER_VERSION}`)
  const path = field('path')
  if (!Array.isArray(path) || path.length > PATH_MAX) throw bad('path', `not a list of at most ${PATH_MAX}`)
  return {
    nonce: bytesOf(field('nonce'), 'nonce', 'hex', OUTSIDER_NONCE_BYTES_MIN, OUTSIDER_NONCE_BYTES_MAX),
    leaf: {
      index: countOf(field('leaf_index'), 'leaf_index', 2 ** PATH_MAX - 1),
      size: countOf(field('tree_size'), 'tree_size', 2 ** PATH_MAX),
      path: path.map((hash, i) => bytesOf(hash, `path[${i}]`, 'hex', HASH_BYTES, HASH_BYTES)),
    },
    evidence: bytesOf(field('evidence'), 'evidence', 'base64', 1, EVIDENCE_LIMIT_BYTES),
    credential: bytesOf(field('credential'), 'credential', 'base64', 1, CREDENTIAL_LIMIT_BYTES + 1024),
    genesis: bytesOf(field('genesis'), 'genesis', 'base64', 1, GENESIS_LIMIT_BYTES),
  }
}
