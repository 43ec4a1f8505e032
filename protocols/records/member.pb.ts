// Generated from member.proto by npm run proto. Do not edit.
// @ts-nocheck
import { decodeMessage, encodeMessage, enumeration, MaxLengthError, message, streamMessage } from 'protons-runtime'
import { alloc as uint8ArrayAlloc } from 'uint8arrays/alloc'
import type { Codec, DecodeOptions } from 'protons-runtime'
import type { Uint8ArrayList } from 'uint8arraylist'

export interface MemberRecord {
  clusterId: Uint8Array
  peerId: Uint8Array
  addresses: Uint8Array[]
  public: boolean
  epoch: number
  sequence: bigint
  state: MemberState
  credential: Uint8Array
  sentAt: number
}

export namespace MemberRecord {
  let _codec: Codec<MemberRecord>

  export const codec = (): Codec<MemberRecord> => {
    if (_codec == null) {
      _codec = message<MemberRecord>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if ((obj.clusterId != null && obj.clusterId.byteLength > 0)) {
          w.uint32(10)
          w.bytes(obj.clusterId)
        }

        if ((obj.peerId != null && obj.peerId.byteLength > 0)) {
          w.uint32(18)
          w.bytes(obj.peerId)
        }

        if (obj.addresses != null && obj.addresses.length > 0) {
          for (const value of obj.addresses) {
            w.uint32(26)
            w.bytes(value)
          }
        }

        if ((obj.public != null && obj.public !== false)) {
          w.uint32(32)
          w.bool(obj.public)
        }

        if ((obj.epoch != null && obj.epoch !== 0)) {
          w.uint32(40)
          w.uint32(obj.epoch)
        }

        if ((obj.sequence != null && obj.sequence !== 0n)) {
          w.uint32(48)
          w.uint64(obj.sequence)
        }

        if (obj.state != null && __MemberStateValues[obj.state] !== 0) {
          w.uint32(56)
          MemberState.codec().encode(obj.state, w)
        }

        if ((obj.credential != null && obj.credential.byteLength > 0)) {
          w.uint32(66)
          w.bytes(obj.credential)
        }

        if ((obj.sentAt != null && obj.sentAt !== 0)) {
          w.uint32(72)
          w.uint64Number(obj.sentAt)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          clusterId: uint8ArrayAlloc(0),
          peerId: uint8ArrayAlloc(0),
          addresses: [],
          public: false,
          epoch: 0,
          sequence: 0n,
          state: MemberState.unspecified,
          credential: uint8ArrayAlloc(0),
          sentAt: 0
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.clusterId = reader.bytes()
              break
            }
            case 2: {
              obj.peerId = reader.bytes()
              break
            }
            case 3: {
              if (opts.limits?.addresses != null && obj.addresses.length === opts.limits.addresses) {
                throw new MaxLengthError('Decode error - repeated field "addresses" had too many elements')
              }

              obj.addresses.push(reader.bytes())
              break
            }
            case 4: {
              obj.public = reader.bool()
              break
            }
            case 5: {
              obj.epoch = reader.uint32()
              break
            }
            case 6: {
              obj.sequence = reader.uint64()
              break
            }
            case 7: {
              obj.state = MemberState.codec().decode(reader)
              break
            }
            case 8: {
              obj.credential = reader.bytes()
              break
            }
            case 9: {
              obj.sentAt = reader.uint64Number()
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
                field: `${prefix}.clusterId`,
                value: reader.bytes()
              }
              break
            }
            case 2: {
              yield {
                field: `${prefix}.peerId`,
                value: reader.bytes()
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
                value: reader.bytes()
              }

              obj.addresses++

              break
            }
            case 4: {
              yield {
                field: `${prefix}.public`,
                value: reader.bool()
              }
              break
            }
            case 5: {
              yield {
                field: `${prefix}.epoch`,
                value: reader.uint32()
              }
              break
            }
            case 6: {
              yield {
                field: `${prefix}.sequence`,
                value: reader.uint64()
              }
              break
            }
            case 7: {
              yield {
                field: `${prefix}.state`,
                value: MemberState.codec().decode(reader)
              }
              break
            }
            case 8: {
              yield {
                field: `${prefix}.credential`,
                value: reader.bytes()
              }
              break
            }
            case 9: {
              yield {
                field: `${prefix}.sentAt`,
                value: reader.uint64Number()
              }
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

  export interface MemberRecordClusterIdFieldEvent {
    field: '$.clusterId'
    value: Uint8Array
  }

  export interface MemberRecordPeerIdFieldEvent {
    field: '$.peerId'
    value: Uint8Array
  }

  export interface MemberRecordAddressesFieldEvent {
    field: '$.addresses[]'
    index: number
    value: Uint8Array
  }

  export interface MemberRecordPublicFieldEvent {
    field: '$.public'
    value: boolean
  }

  export interface MemberRecordEpochFieldEvent {
    field: '$.epoch'
    value: number
  }

  export interface MemberRecordSequenceFieldEvent {
    field: '$.sequence'
    value: bigint
  }

  export interface MemberRecordStateFieldEvent {
    field: '$.state'
    value: MemberState
  }

  export interface MemberRecordCredentialFieldEvent {
    field: '$.credential'
    value: Uint8Array
  }

  export interface MemberRecordSentAtFieldEvent {
    field: '$.sentAt'
    value: number
  }

  export function encode (obj: Partial<MemberRecord>): Uint8Array {
    return encodeMessage(obj, MemberRecord.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<MemberRecord>): MemberRecord {
    return decodeMessage(buf, MemberRecord.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<MemberRecord>): Generator<MemberRecordClusterIdFieldEvent | MemberRecordPeerIdFieldEvent | MemberRecordAddressesFieldEvent | MemberRecordPublicFieldEvent | MemberRecordEpochFieldEvent | MemberRecordSequenceFieldEvent | MemberRecordStateFieldEvent | MemberRecordCredentialFieldEvent | MemberRecordSentAtFieldEvent> {
    return streamMessage(buf, MemberRecord.codec(), opts)
  }
}

export enum MemberState {
  unspecified = 'unspecified',
  active = 'active',
  leaving = 'leaving'
}

enum __MemberStateValues {
  unspecified = 0,
  active = 1,
  leaving = 2
}

export namespace MemberState {
  export const codec = (): Codec<MemberState> => {
    return enumeration<MemberState>(__MemberStateValues)
  }
}
