/** What may stand in a step of a scenario, and how it is read. Whatever is not understood is an error that says where. */

export class ScenarioError extends Error {
  override readonly name = 'ScenarioError'
}

const MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 }
const SIZES = { '': 1, k: 1_024, M: 1_024 ** 2, G: 1_024 ** 3 }

const matched = (value: unknown, pattern: RegExp): RegExpExecArray | undefined =>
  typeof value === 'string' || typeof value === 'number' ? (pattern.exec(String(value)) ?? undefined) : undefined

const isTexts = (value: unknown): value is string[] =>
  Array.isArray(value) && value.length > 0 && value.every((item) => typeof item === 'string')

/** Each gives undefined for what it does not understand. */
const readers = {
  /** `20s`, `150ms`, `2m`; milliseconds. */
  duration(value: unknown): number | undefined {
    const match = matched(value, /^(\d+(?:\.\d+)?)(ms|s|m|h)$/)
    return match && Number(match[1]) * MS[match[2] as keyof typeof MS]
  },
  /** `5%`; from 0 to 1. */
  share(value: unknown): number | undefined {
    const match = matched(value, /^(\d+(?:\.\d+)?)%$/)
    return match && Number(match[1]) <= 100 ? Number(match[1]) / 100 : undefined
  },
  /** `64k`, `200M`. */
  bytes(value: unknown): number | undefined {
    const match = matched(value, /^(\d+)(k|M|G|)$/)
    return match && Number(match[1]) * SIZES[match[2] as keyof typeof SIZES]
  },
  count: (value: unknown): number | undefined =>
    Number.isInteger(value) && (value as number) > 0 ? (value as number) : undefined,
  text: (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined),
  texts: (value: unknown): string[] | undefined => (isTexts(value) ? value : undefined),
  yes: (value: unknown): boolean | undefined => (typeof value === 'boolean' ? value : undefined),
  /** Name of a host. */
  host: (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined),
  /** One name, or a list of them. */
  hosts: (value: unknown): string[] | undefined =>
    typeof value === 'string' ? value.split(/\s+/) : isTexts(value) ? value : undefined,
  /** Lists of hosts. */
  groups: (value: unknown): string[][] | undefined =>
    Array.isArray(value) && value.length > 1 && value.every(isTexts) ? (value as string[][]) : undefined,
}

const ABOUT: Record<keyof typeof readers, string> = {
  duration: 'a time such as 20s',
  share: 'a share such as 5%',
  bytes: 'a size such as 64k',
  count: 'a number from 1',
  text: 'a text',
  texts: 'a list of texts',
  yes: 'true or false',
  host: 'the name of a host',
  hosts: 'names of hosts',
  groups: 'at least two lists of hosts',
}

type Kind = keyof typeof readers
type Value<K extends Kind> = NonNullable<ReturnType<(typeof readers)[K]>>
/** Field name to kind; a `?` after the kind: may be left out. */
export type Fields = Readonly<Record<string, Kind | `${Kind}?`>>
export type Args<F extends Fields> = {
  [K in keyof F as F[K] extends `${string}?` ? never : K]: F[K] extends Kind ? Value<F[K]> : never
} & {
  [K in keyof F as F[K] extends `${string}?` ? K : never]?: F[K] extends `${infer N extends Kind}?` ? Value<N> : never
}

export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

export const aboutField = (kind: Kind | `${Kind}?`): string => ABOUT[kind.replace('?', '') as Kind]

/** @throws ScenarioError on unknown, missing and unreadable fields, and on hosts that `hosts` does not list */
export const readFields = <F extends Fields>(fields: F, value: unknown, hosts: readonly string[], where: string): Args<F> => {
  if (!isObject(value)) throw new ScenarioError(`${where}: expected ${Object.keys(fields).join(', ') || '{}'}`)
  for (const name of Object.keys(value))
    if (!Object.hasOwn(fields, name))
      throw new ScenarioError(`${where}: unknown ${name}; known: ${Object.keys(fields).join(', ') || 'nothing'}`)
  const read: Record<string, unknown> = {}
  for (const [name, kind] of Object.entries(fields)) {
    if (value[name] === undefined) {
      if (kind.endsWith('?')) continue
      throw new ScenarioError(`${where}: ${name} is missing`)
    }
    read[name] = readers[kind.replace('?', '') as Kind](value[name])
    if (read[name] === undefined) throw new ScenarioError(`${where}: ${name} must be ${aboutField(kind)}`)
    if (/^(host|groups)/.test(kind))
      for (const host of [read[name]].flat(2))
        if (!hosts.includes(host as string)) throw new ScenarioError(`${where}: ${name}: there is no host ${host}`)
  }
  return read as Args<F>
}
