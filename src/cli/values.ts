import { InvalidArgumentError } from 'commander'

// What options are written as. Each throws commander's error, which names the option.

/** `2025-07-01T12:00:00Z`, or a date: its beginning in UTC. Unix milliseconds. */
export const instant = (text: string): number => {
  const match = /^(\d{4}-\d\d-\d\d)(?:T\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?(?:Z|[+-]\d\d:\d\d))?$/.exec(text)
  const ms = match === null ? Number.NaN : Date.parse(text)
  // Dates that no calendar has would be read as some day of the next month.
  const day = match === null ? Number.NaN : Date.parse(match[1]!)
  if (Number.isNaN(ms) || Number.isNaN(day) || !new Date(day).toISOString().startsWith(match![1]!)) {
    throw new InvalidArgumentError('Write a time like 2025-07-01T12:00:00Z (ISO 8601).')
  }
  return ms
}

export const naturalNumber = (text: string): number => {
  const value = Number(text)
  if (!/^\d{1,10}$/.test(text) || value > 0xffff_ffff) throw new InvalidArgumentError('Expected a whole number, 0 to 4294967295.')
  return value
}

/** A file descriptor that is none of the standard three. */
export const descriptor = (text: string): number => {
  if (!/^\d{1,6}$/.test(text) || Number(text) < 3)
    throw new InvalidArgumentError('Expected the number of an open file, 3 or more.')
  return Number(text)
}

/** Of one of these lengths in bytes. */
export const hexBytes =
  (...lengths: number[]) =>
  (text: string): Uint8Array => {
    if (!/^[0-9a-fA-F]+$/.test(text) || !lengths.some((length) => text.length === 2 * length)) {
      throw new InvalidArgumentError(`Expected ${lengths.map((length) => 2 * length).join(' or ')} hex digits.`)
    }
    return Uint8Array.from(Buffer.from(text, 'hex'))
  }

/** For an option that may be repeated. */
export const collect = (value: string, previous: string[] | undefined): string[] => [...(previous ?? []), value]
