// Generated from refusal.proto by npm run proto. Do not edit.
// @ts-nocheck
import { decodeMessage, encodeMessage, enumeration, MaxLengthError, message, streamMessage } from 'protons-runtime'
import type { Codec, DecodeOptions } from 'protons-runtime'
import type { Uint8ArrayList } from 'uint8arraylist'

export interface Refusal {
  code: RefusalCodeNumber
  retryAfterMs: number
  addresses: string[]
}

export namespace Refusal {
  let _codec: Codec<Refusal>

  export const codec = (): Codec<Refusal> => {
    if (_codec == null) {
      _codec = message<Refusal>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if (obj.code != null && __RefusalCodeNumberValues[obj.code] !== 0) {
          w.uint32(8)
          RefusalCodeNumber.codec().encode(obj.code, w)
        }

        if ((obj.retryAfterMs != null && obj.retryAfterMs !== 0)) {
          w.uint32(16)
          w.uint32(obj.retryAfterMs)
        }

        if (obj.addresses != null && obj.addresses.length > 0) {
          for (const value of obj.addresses) {
            w.uint32(26)
            w.string(value)
          }
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          code: RefusalCodeNumber.unspecified,
          retryAfterMs: 0,
          addresses: []
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.code = RefusalCodeNumber.codec().decode(reader)
              break
            }
            case 2: {
              obj.retryAfterMs = reader.uint32()
              break
            }
            case 3: {
              if (opts.limits?.addresses != null && obj.addresses.length === opts.limits.addresses) {
                throw new MaxLengthError('Decode error - repeated field "addresses" had too many elements')
              }

              obj.addresses.push(reader.string())
              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }

        return obj
      }, function * (reader, length, prefix, opts = {}) {
        const obj = {
          addresses: 0
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              yield {
                field: `${prefix}.code`,
                value: RefusalCodeNumber.codec().decode(reader)
              }
              break
            }
            case 2: {
              yield {
                field: `${prefix}.retryAfterMs`,
                value: reader.uint32()
              }
              break
            }
            case 3: {
              if (opts.limits?.addresses != null && obj.addresses === opts.limits.addresses) {
                throw new MaxLengthError('Streaming decode error - repeated field "addresses" had too many elements')
              }

              yield {
                field: `${prefix}.addresses[]`,
                index: obj.addresses,
                value: reader.string()
              }

              obj.addresses++

              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }
      })
    }

    return _codec
  }

  export interface RefusalCodeFieldEvent {
    field: '$.code'
    value: RefusalCodeNumber
  }

  export interface RefusalRetryAfterMsFieldEvent {
    field: '$.retryAfterMs'
    value: number
  }

  export interface RefusalAddressesFieldEvent {
    field: '$.addresses[]'
    index: number
    value: string
  }

  export function encode (obj: Partial<Refusal>): Uint8Array {
    return encodeMessage(obj, Refusal.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Refusal>): Refusal {
    return decodeMessage(buf, Refusal.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Refusal>): Generator<RefusalCodeFieldEvent | RefusalRetryAfterMsFieldEvent | RefusalAddressesFieldEvent> {
    return streamMessage(buf, Refusal.codec(), opts)
  }
}

export enum RefusalCodeNumber {
  unspecified = 'unspecified',
  malformed = 'malformed',
  unsupported = 'unsupported',
  wrong_cluster = 'wrong_cluster',
  busy = 'busy',
  rate_limited = 'rate_limited',
  not_member = 'not_member',
  lapsed = 'lapsed',
  stale_epoch = 'stale_epoch',
  bad_binding = 'bad_binding',
  bad_signature = 'bad_signature',
  quote_invalid = 'quote_invalid',
  collateral_expired = 'collateral_expired',
  collateral_missing = 'collateral_missing',
  tcb_unacceptable = 'tcb_unacceptable',
  measurement_unacceptable = 'measurement_unacceptable',
  app_unacceptable = 'app_unacceptable',
  platform_unacceptable = 'platform_unacceptable',
  internal = 'internal'
}

enum __RefusalCodeNumberValues {
  unspecified = 0,
  malformed = 1,
  unsupported = 2,
  wrong_cluster = 3,
  busy = 4,
  rate_limited = 5,
  not_member = 6,
  lapsed = 7,
  stale_epoch = 8,
  bad_binding = 9,
  bad_signature = 10,
  quote_invalid = 11,
  collateral_expired = 12,
  collateral_missing = 13,
  tcb_unacceptable = 14,
  measurement_unacceptable = 15,
  app_unacceptable = 16,
  platform_unacceptable = 17,
  internal = 18
}

export namespace RefusalCodeNumber {
  export const codec = (): Codec<RefusalCodeNumber> => {
    return enumeration<RefusalCodeNumber>(__RefusalCodeNumberValues)
  }
}
