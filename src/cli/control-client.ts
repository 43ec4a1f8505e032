import { request } from 'node:http'
import { RefusedError, TransientError } from '../base/index.ts'

const TIMEOUT_MS = 5_000
const ANSWER_LIMIT_BYTES = 16 * 1024 * 1024

/** Asks a running node over its control socket. Throws TransientError where no node answers. */
export const askNode = (socketPath: string, method: 'GET' | 'POST', path: string, body?: unknown): Promise<unknown> =>
  new Promise((resolve, reject) => {
    const payload = body === undefined ? undefined : Buffer.from(JSON.stringify(body))
    const nobody = (cause: unknown) =>
      reject(
        new TransientError('no_node', `no node answers on ${socketPath}`, {
          next: 'start one with `npx dstack-mesh up`, or name its folder with --data-dir',
          cause,
        }),
      )
    const asked = request(
      {
        socketPath,
        method,
        path,
        timeout: TIMEOUT_MS,
        ...(payload !== undefined && { headers: { 'content-type': 'application/json', 'content-length': payload.length } }),
      },
      (response) => {
        const chunks: Buffer[] = []
        let size = 0
        response.on('data', (chunk: Buffer) => {
          size += chunk.length
          if (size > ANSWER_LIMIT_BYTES) asked.destroy(new Error('the answer is too long'))
          else chunks.push(chunk)
        })
        response.on('error', nobody)
        response.on('end', () => {
          let answer: unknown
          try {
            answer = JSON.parse(Buffer.concat(chunks).toString('utf8'))
          } catch (error) {
            return nobody(error)
          }
          if (response.statusCode === 200) return resolve(answer)
          const { error, code, next } = answer as { error?: string; code?: string; next?: string }
          reject(new RefusedError(code ?? 'failed', error ?? `status ${response.statusCode}`, next === undefined ? {} : { next }))
        })
      },
    )
    asked.on('timeout', () => asked.destroy(new Error(`no answer within ${TIMEOUT_MS} ms`)))
    asked.on('error', nobody)
    asked.end(payload)
  })
