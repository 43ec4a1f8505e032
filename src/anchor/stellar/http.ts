import { type Clock, messageOf, RefusedError, TransientError } from '../../base/index.ts'

// Servers of a ledger are hostile: they answer late, at length, or with somebody else's words.

/** One answer of a server, whatever its status. */
export interface Answer {
  readonly status: number
  readonly json: unknown
  /** From Retry-After, bounded. */
  readonly retryAfterMs: number | undefined
}

export interface Http {
  readonly clock: Clock
  /** For one request, from connecting to the last byte. */
  readonly timeoutMs: number
  readonly signal: AbortSignal | undefined
}

interface Ask {
  readonly form?: Readonly<Record<string, string>>
  readonly json?: unknown
  readonly limitBytes?: number
  readonly timeoutMs?: number
}

const STANDARD_LIMIT_BYTES = 512 * 1024
/** The longest Retry-After that is obeyed. */
const RETRY_AFTER_MAX_MS = 60_000

const outage = (url: string, found: string, cause?: unknown): TransientError =>
  new TransientError('anchor_unreachable', `${new URL(url).host} does not answer as a ledger's server: ${found}`, {
    next: 'check the network, or name other servers with --horizon',
    ...(cause !== undefined && { cause }),
  })

/**
 * GET, or POST where there is something to send. Follows no redirect: another host is another server than the one that was
 * configured. Throws TransientError for whatever is no JSON answer.
 */
export const ask = async (http: Http, url: string, what: Ask = {}): Promise<Answer> => {
  const timeoutMs = what.timeoutMs ?? http.timeoutMs
  using deadline = http.clock.deadline(timeoutMs, http.signal)
  try {
    const response = await fetch(url, {
      redirect: 'manual',
      signal: deadline.signal,
      headers: {
        accept: 'application/json',
        ...(what.json !== undefined && { 'content-type': 'application/json' }),
      },
      ...(what.json !== undefined && { method: 'POST', body: JSON.stringify(what.json) }),
      ...(what.form !== undefined && { method: 'POST', body: new URLSearchParams(what.form) }),
    })
    if (response.status >= 300 && response.status < 400) {
      await response.body?.cancel()
      throw outage(url, `it redirects (${response.status})`)
    }
    const text = await readBounded(response, what.limitBytes ?? STANDARD_LIMIT_BYTES, url)
    const retryAfterMs = retryAfter(response.headers.get('retry-after'))
    return { status: response.status, json: parse(text, url, response.status), retryAfterMs }
  } catch (error) {
    http.signal?.throwIfAborted()
    if (error instanceof TransientError) throw error
    if (deadline.signal.aborted) throw outage(url, `no answer within ${timeoutMs} ms`, error)
    const cause = error instanceof Error && error.cause !== undefined ? `: ${messageOf(error.cause)}` : ''
    throw outage(url, `${messageOf(error)}${cause}`, error)
  }
}

const readBounded = async (response: Response, limitBytes: number, url: string): Promise<string> => {
  const chunks: Uint8Array[] = []
  let size = 0
  // Leaving the loop early cancels the rest.
  for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    size += chunk.length
    if (size > limitBytes) throw outage(url, `more than ${limitBytes} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

const parse = (text: string, url: string, status: number): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    // What stands before a server often has words of its own for these.
    if (status === 429 || status >= 500) return undefined
    throw outage(url, `status ${status}, and not JSON`)
  }
}

const retryAfter = (header: string | null): number | undefined =>
  header === null || !/^\d{1,6}$/.test(header) ? undefined : Math.min(Number(header) * 1_000, RETRY_AFTER_MAX_MS)

/** What a server says is not what its interface promises. */
export const malformed = (url: string, field: string, expected: string): RefusedError =>
  new RefusedError('anchor_malformed', `${new URL(url).host}: ${field} is not ${expected}`, {
    next: 'this server is broken or lies: name others with --horizon',
  })

/** Fields of a JSON object, each checked as it is read. */
export class Fields {
  readonly #object: Record<string, unknown>
  constructor(
    value: unknown,
    readonly url: string,
    readonly path = 'the answer',
  ) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw malformed(url, path, 'an object')
    this.#object = value as Record<string, unknown>
  }

  /** Own properties only: `__proto__` and its like are none. */
  raw(name: string): unknown {
    return Object.hasOwn(this.#object, name) ? this.#object[name] : undefined
  }

  names(): string[] {
    return Object.keys(this.#object)
  }

  bad(name: string, expected: string): RefusedError {
    return malformed(this.url, `${this.path}.${name}`, expected)
  }

  text(name: string, form: RegExp, expected: string): string {
    const value = this.raw(name)
    if (typeof value !== 'string' || !form.test(value)) throw this.bad(name, expected)
    return value
  }

  natural(name: string, max = 0xffff_ffff): number {
    const value = this.raw(name)
    if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > max) {
      throw this.bad(name, `a whole number up to ${max}`)
    }
    return value
  }

  flag(name: string): boolean {
    const value = this.raw(name)
    if (typeof value !== 'boolean') throw this.bad(name, 'true or false')
    return value
  }

  object(name: string): Fields {
    return new Fields(this.raw(name), this.url, `${this.path}.${name}`)
  }

  list(name: string, max: number): Fields[] {
    const value = this.raw(name)
    if (!Array.isArray(value) || value.length > max) throw this.bad(name, `a list of at most ${max}`)
    return value.map((entry, index) => new Fields(entry, this.url, `${this.path}.${name}[${index}]`))
  }

  /** Base64, decoded. */
  bytes(name: string, max: number): Uint8Array {
    const value = this.raw(name)
    if (typeof value !== 'string' || value.length > Math.ceil(max / 3) * 4) throw this.bad(name, `base64 of at most ${max} bytes`)
    const bytes = Buffer.from(value, 'base64')
    if (bytes.toString('base64') !== value) throw this.bad(name, 'base64')
    return Uint8Array.from(bytes)
  }
}
