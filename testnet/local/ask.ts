import { createHash } from 'node:crypto'
import { request } from 'node:http'

const TIMEOUT_MS = 5_000

/** Asks an app socket for a key, as an app would, and gives the first 16 hex digits of the key's SHA-256. */
export const keyFingerprint = (socketPath: string, path: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const body = Buffer.from(JSON.stringify({ path }))
    const asked = request(
      {
        socketPath,
        method: 'POST',
        path: '/GetKey',
        timeout: TIMEOUT_MS,
        headers: { 'content-type': 'application/json', 'content-length': body.length },
      },
      (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('error', reject)
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString('utf8')
          if (response.statusCode !== 200) return reject(new Error(`${socketPath} answered ${response.statusCode}: ${text}`))
          const { key } = JSON.parse(text) as { key: string }
          resolve(createHash('sha256').update(Buffer.from(key, 'hex')).digest('hex').slice(0, 16))
        })
      },
    )
    asked.on('timeout', () => asked.destroy(new Error(`${socketPath} did not answer within ${TIMEOUT_MS} ms`)))
    asked.on('error', reject)
    asked.end(body)
  })
