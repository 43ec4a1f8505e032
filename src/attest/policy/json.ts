import { UsageError } from '../../base/index.ts'

/** A policy that cannot be one. `problems` are sentences, for the person who wrote it. */
export class PolicyError extends UsageError {
  constructor(readonly problems: readonly string[]) {
    super('policy_invalid', `the policy is not valid: ${problems.join('; ')}`, {
      next: 'correct the policy; src/attest/policy/policy.schema.json describes it',
    })
  }
}

/** UTF-8 bytes of the largest policy: it has to travel in a message with the evidence of the genesis. */
export const POLICY_LIMIT_BYTES = 64 * 1024
const DEPTH_MAX = 8
const PROBLEM_CHARS = 120

/** Of text that is known to be JSON: strings and the brackets that matter; all else is numbers, words and white space. */
const tokens = /"(?:[^"\\]|\\.)*"|[{}[\]:,]/g

/** Refuses what `JSON.parse` is silent about: a key that comes twice (the last one wins) and keys that touch prototypes. */
const checkKeys = (json: string): void => {
  const open: (Set<string> | undefined)[] = []
  let last = ''
  for (const [token] of json.matchAll(tokens)) {
    if (token === '{') open.push(new Set())
    else if (token === '[') open.push(undefined)
    else if (token === '}' || token === ']') open.pop()
    else if (token === ':') {
      const key: string = JSON.parse(last)
      const keys = open.at(-1)!
      if (key === '__proto__') throw new PolicyError(['the key "__proto__" is not allowed'])
      if (keys.has(key))
        throw new PolicyError([`the key ${JSON.stringify(key).slice(0, PROBLEM_CHARS)} comes twice in one object`])
      keys.add(key)
    }
    if (open.length > DEPTH_MAX) throw new PolicyError(['it is nested too deeply'])
    last = token
  }
}

/** JSON with one reading only: valid UTF-8 without a byte order mark, bounded, no key twice. Throws {@link PolicyError}. */
export const parseStrictJson = (input: string | Uint8Array): unknown => {
  const bytes = typeof input === 'string' ? Buffer.byteLength(input) : input.length
  if (bytes > POLICY_LIMIT_BYTES) throw new PolicyError([`it has ${bytes} bytes, at most ${POLICY_LIMIT_BYTES} are read`])
  let value: unknown
  let text: string
  try {
    text = typeof input === 'string' ? input : new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(input)
    if (!text.isWellFormed()) throw new TypeError('it has half a surrogate pair')
    value = JSON.parse(text)
  } catch (error) {
    throw new PolicyError([`it is not JSON: ${(error as Error).message.slice(0, PROBLEM_CHARS)}`])
  }
  checkKeys(text)
  return value
}
