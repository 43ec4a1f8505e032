import { RefusedError, systemClock, TransientError, UsageError } from '../base/index.ts'

/** Longer than a node lets an asker wait. */
const TIMEOUT_MS = 45_000
/** More than any answer may have, so that its reader says what is wrong with it. */
const ANSWER_LIMIT_BYTES = 1_300_000
const ERROR_LIMIT_BYTES = 4_096

/** `https://mesh.example.org`, with or without `/evidence` behind it. */
export const evidenceUrl = (text: string, nonce: Uint8Array): URL => {
  const url = URL.canParse(text) ? new URL(text) : undefined
  const isServer = url?.protocol === 'https:' || url?.protocol === 'http:'
  if (url === undefined || !isServer || url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    throw new UsageError('bad_url', `${JSON.stringify(text.slice(0, 200))} is not the address of a status page`, {
      next: "give what `dstack-mesh status` shows as the node's page, such as http://127.0.0.1:8091/",
    })
  }
  url.pathname = url.pathname.replace(/\/?(?:evidence)?$/, '/evidence')
  url.searchParams.set('nonce', Buffer.from(nonce).toString('hex'))
  return url
}

/** The text of an answer, bounded in size and time; no redirect is followed. Throws TransientError or RefusedError. */
export const fetchEvidence = async (url: URL): Promise<string> => {
  using deadline = systemClock.deadline(TIMEOUT_MS)
  let response: Response
  try {
    response = await fetch(url, { redirect: 'manual', signal: deadline.signal, headers: { accept: 'application/json' } })
  } catch (cause) {
    throw new TransientError('no_answer', `${url.origin} does not answer: ${causeOf(cause)}`, {
      next: 'check the address; from another machine the page is reached only where the node was given --status-listen',
      cause,
    })
  }
  try {
    const ok = response.status === 200
    const text = await read(response, ok ? ANSWER_LIMIT_BYTES : ERROR_LIMIT_BYTES)
    if (ok) return text
    const words = `${url.origin} answers ${response.status}: ${text.slice(0, 300).trim()}`
    if (response.status === 503 || response.status === 429) {
      throw new TransientError('busy', words, { next: 'try again in a while' })
    }
    throw new RefusedError('no_evidence', words, { next: 'is that the status page of a node? Redirects are not followed' })
  } catch (error) {
    if (error instanceof TransientError || error instanceof RefusedError) throw error
    throw new TransientError('no_answer', `${url.origin} does not answer to the end: ${causeOf(error)}`, { cause: error })
  }
}

/** What `fetch` throws says why only in its cause. */
const causeOf = (error: unknown): string => {
  const { cause, message } = error as Error
  return cause instanceof Error ? cause.message || (cause as NodeJS.ErrnoException).code || message : message
}

const read = async (response: Response, limitBytes: number): Promise<string> => {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of response.body ?? []) {
    size += chunk.length
    if (size > limitBytes) throw new RefusedError('answer_too_long', `the answer is longer than ${limitBytes} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}
