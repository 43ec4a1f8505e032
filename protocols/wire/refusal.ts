import { REFUSAL_ADDRESS_BYTES_MAX, REFUSAL_ADDRESSES_MAX, RETRY_AFTER_MAX_MS } from './constants.ts'
import { decodeStrict, MalformedError, type MessageShape } from './decode.ts'
import { RefusalCodeNumber, Refusal as RefusalMessage } from './refusal.pb.ts'
import { REFUSAL_CODES, type RefusalCode } from './refusal-codes.ts'

export interface Refusal {
  code: RefusalCode
  /** Milliseconds; with `busy` and `rate_limited`. */
  retryAfterMs?: number
  /** Text multiaddrs of other members that their operators declared public; with the same. */
  addresses?: string[]
}

/** A peer said no. */
export class RefusalError extends Error {
  override readonly name = 'RefusalError'
  readonly code: RefusalCode
  constructor(readonly refusal: Refusal) {
    super(`refused: ${refusal.code}`)
    this.code = refusal.code
  }
}

const shape: MessageShape = {
  1: { name: 'code', type: 'uint', max: BigInt(REFUSAL_CODES.length) },
  2: { name: 'retry_after_ms', type: 'uint', max: 0xffff_ffffn },
  3: { name: 'addresses', type: 'text', min: 1, max: REFUSAL_ADDRESS_BYTES_MAX, repeated: { max: REFUSAL_ADDRESSES_MAX } },
}

export const encodeRefusal = (refusal: Refusal): Uint8Array =>
  RefusalMessage.encode({
    code: RefusalCodeNumber[refusal.code],
    retryAfterMs: refusal.retryAfterMs ?? 0,
    addresses: refusal.addresses?.slice(0, REFUSAL_ADDRESSES_MAX) ?? [],
  })

export const decodeRefusal = (bytes: Uint8Array): Refusal => {
  const message = decodeStrict('Refusal', RefusalMessage, shape, bytes)
  const code = REFUSAL_CODES.find((known) => known === message.code)
  if (code === undefined) throw new MalformedError('Refusal.code: unspecified')
  return {
    code,
    ...(message.retryAfterMs > 0 && { retryAfterMs: Math.min(message.retryAfterMs, RETRY_AFTER_MAX_MS) }),
    ...(message.addresses.length > 0 && { addresses: message.addresses }),
  }
}
