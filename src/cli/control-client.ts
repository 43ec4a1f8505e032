import { request } from 'node:http'
import { type MeshError, RefusedError, TransientError, UsageError } from '../base/index.ts'

const TIMEOUT_MS = 5_000
const ANSWER_LIMIT_BYTES = 16 * 1024 * 1024

const BODY_JSON = 'application/json'

const nobody = (socketPath: string, cause: unknown): MeshError => {
  const { code } = cause as NodeJS.ErrnoException
  if (code === 'EACCES' || code === 'EPERM') {
    return new UsageError('not_allowed', `this user may not ask the node at ${socketPath}`, {
      next: 'run the command as the user that runs the node',
      cause,
    })
  }
  return new TransientError('no_node', `no node answers on ${socketPath}`, {
    next: 'start one with `npx dstack-mesh up`, or name its folder with --data-dir',
    cause,
  })
}

interface Answer {
  status: number | undefined
  /** The caller wipes them where they are a secret. */
  bytes: Uint8Array
}

const ask = (socketPath: string, method: 'GET' | 'POST', path: string, body: unknown): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const payload = body === undefined ? undefined : Buffer.from(JSON.stringify(body))
    const fail = (cause: unknown) => reject(nobody(socketPath, cause))
    const asked = request(
      {
        socketPath,
        method,
        path,
        timeout: TIMEOUT_MS,
        ...(payload !== undefined && { headers: { 'content-type': BODY_JSON, 'content-length': payload.length } }),
      },
      (response) => {
        const chunks: Buffer[] = []
        let size = 0
        response.on('data', (chunk: Buffer) => {
          size += chunk.length
          if (size > ANSWER_LIMIT_BYTES) asked.destroy(new Error('the answer is too long'))
          else chunks.push(chunk)
        })
        response.on('error', fail)
        response.on('end', () => {
          // A buffer of its own; what the pieces held in the shared ones is wiped, for it can be a key.
          const bytes = new Uint8Array(size)
          let at = 0
          for (const chunk of chunks) {
            bytes.set(chunk, at)
            at += chunk.length
            chunk.fill(0)
          }
          resolve({ status: response.statusCode, bytes })
        })
      },
    )
    asked.on('timeout', () => asked.destroy(new Error(`no answer within ${TIMEOUT_MS} ms`)))
    asked.on('error', fail)
    asked.end(payload)
  })

const parse = (socketPath: string, { bytes }: Answer): unknown => {
  try {
    return JSON.parse(Buffer.from(bytes.buffer).toString('utf8'))
  } catch (error) {
    throw nobody(socketPath, error)
  }
}

/** The kind of error that it was there: by it this process's exit code is the same as if it had happened here. */
const kindOf = (status: number | undefined) => (status === 400 ? UsageError : status === 503 ? TransientError : RefusedError)

const refusal = (socketPath: string, answer: Answer): MeshError => {
  const { error, code, next } = parse(socketPath, answer) as { error?: string; code?: string; next?: string }
  const Kind = kindOf(answer.status)
  return new Kind(code ?? 'failed', error ?? `status ${answer.status}`, next === undefined ? {} : { next })
}

/** Asks a running node over its control socket. Throws TransientError where no node answers, or what the node threw. */
export const askNode = async (socketPath: string, method: 'GET' | 'POST', path: string, body?: unknown): Promise<unknown> => {
  const answer = await ask(socketPath, method, path, body)
  if (answer.status !== 200) throw refusal(socketPath, answer)
  return parse(socketPath, answer)
}

/** The same for an answer that is a secret: bytes, which the caller wipes. */
export const askNodeForBytes = async (socketPath: string, path: string, body: unknown, length?: number): Promise<Uint8Array> => {
  const answer = await ask(socketPath, 'POST', path, body)
  if (answer.status !== 200) throw refusal(socketPath, answer)
  if (length !== undefined && answer.bytes.length !== length) {
    answer.bytes.fill(0)
    throw nobody(socketPath, new Error(`an answer that is not ${length} bytes`))
  }
  return answer.bytes
}
