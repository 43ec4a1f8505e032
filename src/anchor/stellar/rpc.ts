import { type Clock, TransientError } from '../../base/index.ts'
import { ask, Fields } from './http.ts'

// Stellar RPC: JSON-RPC 2.0 over HTTP.

const STANDARD_LIMIT_BYTES = 1024 * 1024
const STANDARD_TIMEOUT_MS = 20_000

export interface RpcAnswer {
  /** undefined: the server refuses. */
  readonly result: Fields | undefined
  /** In its words, cut. */
  readonly refusal: string
}

export interface RpcParts {
  readonly clock: Clock
  readonly signal: AbortSignal | undefined
  readonly timeoutMs?: number
  readonly limitBytes?: number
}

/** One call at one server. Throws TransientError where it does not answer, RefusedError `anchor_malformed` where it talks nonsense. */
export const rpc = async (parts: RpcParts, url: string, method: string, params: unknown): Promise<RpcAnswer> => {
  const { clock, signal, timeoutMs = STANDARD_TIMEOUT_MS, limitBytes = STANDARD_LIMIT_BYTES } = parts
  const json = { jsonrpc: '2.0', id: 1, method, params }
  const answer = await ask({ clock, timeoutMs, signal }, url, { json, limitBytes })
  if (answer.status !== 200) {
    throw new TransientError('anchor_unreachable', `${new URL(url).host} answers with status ${answer.status}`)
  }
  const fields = new Fields(answer.json, url)
  const error = fields.raw('error')
  if (error !== undefined) {
    const message = typeof error === 'object' && error !== null && 'message' in error ? String(error.message) : 'no reason'
    return { result: undefined, refusal: message.slice(0, 200) }
  }
  return { result: fields.object('result'), refusal: '' }
}

/** The same at the first of several servers that answers. Throws what the last one did where none does. */
export const rpcAtAny = async (
  parts: RpcParts,
  urls: readonly string[],
  method: string,
  params: unknown,
): Promise<RpcAnswer & { url: string }> => {
  let last: unknown = new TransientError('anchor_unreachable', 'no Stellar RPC server is known', { next: 'give --stellar-rpc' })
  for (const url of urls) {
    try {
      return { ...(await rpc(parts, url, method, params)), url }
    } catch (error) {
      if (!(error instanceof TransientError)) throw error
      last = error
    }
  }
  throw last
}
