// Generated from membership.proto by npm run proto. Do not edit.
// @ts-nocheck
/* eslint-disable require-yield */

import { decodeMessage, encodeMessage, MaxLengthError, message, streamMessage } from 'protons-runtime'
import { alloc as uint8ArrayAlloc } from 'uint8arrays/alloc'
import type { Codec, DecodeOptions } from 'protons-runtime'
import type { Uint8ArrayList } from 'uint8arraylist'

export interface Gossip {
  record?: Uint8Array
  revocation?: Uint8Array
  unreachable?: Unreachable
}

export namespace Gossip {
  let _codec: Codec<Gossip>

  export const codec = (): Codec<Gossip> => {
    if (_codec == null) {
      _codec = message<Gossip>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        obj = { ...obj }

        if (obj.unreachable != null) {
          obj.revocation = undefined
          obj.record = undefined
        }

        if (obj.revocation != null) {
          obj.unreachable = undefined
          obj.record = undefined
        }

        if (obj.record != null) {
          obj.unreachable = undefined
          obj.revocation = undefined
        }

        if (obj.record != null) {
          w.uint32(10)
          w.bytes(obj.record)
        }

        if (obj.revocation != null) {
          w.uint32(18)
          w.bytes(obj.revocation)
        }

        if (obj.unreachable != null) {
          w.uint32(26)
          Unreachable.codec().encode(obj.unreachable, w)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {}

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.record = reader.bytes()
              break
            }
            case 2: {
              obj.revocation = reader.bytes()
              break
            }
            case 3: {
              obj.unreachable = Unreachable.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.unreachable
              })
              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }

        if (obj.unreachable != null) {
          delete obj.revocation
          delete obj.record
        }

        if (obj.revocation != null) {
          delete obj.unreachable
          delete obj.record
        }

        if (obj.record != null) {
          delete obj.unreachable
          delete obj.revocation
        }

        return obj
      }, function * (reader, length, prefix, opts = {}) {
        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              yield {
                field: `${prefix}.record`,
                value: reader.bytes()
              }
              break
            }
            case 2: {
              yield {
                field: `${prefix}.revocation`,
                value: reader.bytes()
              }
              break
            }
            case 3: {
              yield * Unreachable.codec().stream(reader, reader.uint32(), `${prefix}.unreachable`, {
                limits: opts.limits?.unreachable
              })

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

  export interface GossipRecordFieldEvent {
    field: '$.record'
    value: Uint8Array
  }

  export interface GossipRevocationFieldEvent {
    field: '$.revocation'
    value: Uint8Array
  }

  export interface GossipUnreachablePeerIdFieldEvent {
    field: '$.unreachable.peerId'
    value: Uint8Array
  }

  export interface GossipUnreachableSequenceFieldEvent {
    field: '$.unreachable.sequence'
    value: bigint
  }

  export interface GossipUnreachableSentAtFieldEvent {
    field: '$.unreachable.sentAt'
    value: number
  }

  export function encode (obj: Partial<Gossip>): Uint8Array {
    return encodeMessage(obj, Gossip.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Gossip>): Gossip {
    return decodeMessage(buf, Gossip.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Gossip>): Generator<GossipRecordFieldEvent | GossipRevocationFieldEvent | GossipUnreachablePeerIdFieldEvent | GossipUnreachableSequenceFieldEvent | GossipUnreachableSentAtFieldEvent> {
    return streamMessage(buf, Gossip.codec(), opts)
  }
}

export interface Unreachable {
  peerId: Uint8Array
  sequence: bigint
  sentAt: number
}

export namespace Unreachable {
  let _codec: Codec<Unreachable>

  export const codec = (): Codec<Unreachable> => {
    if (_codec == null) {
      _codec = message<Unreachable>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if ((obj.peerId != null && obj.peerId.byteLength > 0)) {
          w.uint32(10)
          w.bytes(obj.peerId)
        }

        if ((obj.sequence != null && obj.sequence !== 0n)) {
          w.uint32(16)
          w.uint64(obj.sequence)
        }

        if ((obj.sentAt != null && obj.sentAt !== 0)) {
          w.uint32(24)
          w.uint64Number(obj.sentAt)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          peerId: uint8ArrayAlloc(0),
          sequence: 0n,
          sentAt: 0
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.peerId = reader.bytes()
              break
            }
            case 2: {
              obj.sequence = reader.uint64()
              break
            }
            case 3: {
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
        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              yield {
                field: `${prefix}.peerId`,
                value: reader.bytes()
              }
              break
            }
            case 2: {
              yield {
                field: `${prefix}.sequence`,
                value: reader.uint64()
              }
              break
            }
            case 3: {
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

  export interface UnreachablePeerIdFieldEvent {
    field: '$.peerId'
    value: Uint8Array
  }

  export interface UnreachableSequenceFieldEvent {
    field: '$.sequence'
    value: bigint
  }

  export interface UnreachableSentAtFieldEvent {
    field: '$.sentAt'
    value: number
  }

  export function encode (obj: Partial<Unreachable>): Uint8Array {
    return encodeMessage(obj, Unreachable.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Unreachable>): Unreachable {
    return decodeMessage(buf, Unreachable.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Unreachable>): Generator<UnreachablePeerIdFieldEvent | UnreachableSequenceFieldEvent | UnreachableSentAtFieldEvent> {
    return streamMessage(buf, Unreachable.codec(), opts)
  }
}

export interface Sync {
  hello?: Uint8Array
  refusal?: Uint8Array
  digests?: Digests
  records?: Records
  want?: Want
  revocation?: Uint8Array
  end?: End
  probe?: Probe
  probed?: Probed
  next?: Next
}

export namespace Sync {
  let _codec: Codec<Sync>

  export const codec = (): Codec<Sync> => {
    if (_codec == null) {
      _codec = message<Sync>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        obj = { ...obj }

        if (obj.next != null) {
          obj.probed = undefined
          obj.probe = undefined
          obj.end = undefined
          obj.revocation = undefined
          obj.want = undefined
          obj.records = undefined
          obj.digests = undefined
          obj.refusal = undefined
          obj.hello = undefined
        }

        if (obj.probed != null) {
          obj.next = undefined
          obj.probe = undefined
          obj.end = undefined
          obj.revocation = undefined
          obj.want = undefined
          obj.records = undefined
          obj.digests = undefined
          obj.refusal = undefined
          obj.hello = undefined
        }

        if (obj.probe != null) {
          obj.next = undefined
          obj.probed = undefined
          obj.end = undefined
          obj.revocation = undefined
          obj.want = undefined
          obj.records = undefined
          obj.digests = undefined
          obj.refusal = undefined
          obj.hello = undefined
        }

        if (obj.end != null) {
          obj.next = undefined
          obj.probed = undefined
          obj.probe = undefined
          obj.revocation = undefined
          obj.want = undefined
          obj.records = undefined
          obj.digests = undefined
          obj.refusal = undefined
          obj.hello = undefined
        }

        if (obj.revocation != null) {
          obj.next = undefined
          obj.probed = undefined
          obj.probe = undefined
          obj.end = undefined
          obj.want = undefined
          obj.records = undefined
          obj.digests = undefined
          obj.refusal = undefined
          obj.hello = undefined
        }

        if (obj.want != null) {
          obj.next = undefined
          obj.probed = undefined
          obj.probe = undefined
          obj.end = undefined
          obj.revocation = undefined
          obj.records = undefined
          obj.digests = undefined
          obj.refusal = undefined
          obj.hello = undefined
        }

        if (obj.records != null) {
          obj.next = undefined
          obj.probed = undefined
          obj.probe = undefined
          obj.end = undefined
          obj.revocation = undefined
          obj.want = undefined
          obj.digests = undefined
          obj.refusal = undefined
          obj.hello = undefined
        }

        if (obj.digests != null) {
          obj.next = undefined
          obj.probed = undefined
          obj.probe = undefined
          obj.end = undefined
          obj.revocation = undefined
          obj.want = undefined
          obj.records = undefined
          obj.refusal = undefined
          obj.hello = undefined
        }

        if (obj.refusal != null) {
          obj.next = undefined
          obj.probed = undefined
          obj.probe = undefined
          obj.end = undefined
          obj.revocation = undefined
          obj.want = undefined
          obj.records = undefined
          obj.digests = undefined
          obj.hello = undefined
        }

        if (obj.hello != null) {
          obj.next = undefined
          obj.probed = undefined
          obj.probe = undefined
          obj.end = undefined
          obj.revocation = undefined
          obj.want = undefined
          obj.records = undefined
          obj.digests = undefined
          obj.refusal = undefined
        }

        if (obj.hello != null) {
          w.uint32(10)
          w.bytes(obj.hello)
        }

        if (obj.refusal != null) {
          w.uint32(18)
          w.bytes(obj.refusal)
        }

        if (obj.digests != null) {
          w.uint32(26)
          Digests.codec().encode(obj.digests, w)
        }

        if (obj.records != null) {
          w.uint32(34)
          Records.codec().encode(obj.records, w)
        }

        if (obj.want != null) {
          w.uint32(42)
          Want.codec().encode(obj.want, w)
        }

        if (obj.revocation != null) {
          w.uint32(50)
          w.bytes(obj.revocation)
        }

        if (obj.end != null) {
          w.uint32(58)
          End.codec().encode(obj.end, w)
        }

        if (obj.probe != null) {
          w.uint32(66)
          Probe.codec().encode(obj.probe, w)
        }

        if (obj.probed != null) {
          w.uint32(74)
          Probed.codec().encode(obj.probed, w)
        }

        if (obj.next != null) {
          w.uint32(82)
          Next.codec().encode(obj.next, w)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {}

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.hello = reader.bytes()
              break
            }
            case 2: {
              obj.refusal = reader.bytes()
              break
            }
            case 3: {
              obj.digests = Digests.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.digests
              })
              break
            }
            case 4: {
              obj.records = Records.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.records
              })
              break
            }
            case 5: {
              obj.want = Want.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.want
              })
              break
            }
            case 6: {
              obj.revocation = reader.bytes()
              break
            }
            case 7: {
              obj.end = End.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.end
              })
              break
            }
            case 8: {
              obj.probe = Probe.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.probe
              })
              break
            }
            case 9: {
              obj.probed = Probed.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.probed
              })
              break
            }
            case 10: {
              obj.next = Next.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.next
              })
              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }

        if (obj.next != null) {
          delete obj.probed
          delete obj.probe
          delete obj.end
          delete obj.revocation
          delete obj.want
          delete obj.records
          delete obj.digests
          delete obj.refusal
          delete obj.hello
        }

        if (obj.probed != null) {
          delete obj.next
          delete obj.probe
          delete obj.end
          delete obj.revocation
          delete obj.want
          delete obj.records
          delete obj.digests
          delete obj.refusal
          delete obj.hello
        }

        if (obj.probe != null) {
          delete obj.next
          delete obj.probed
          delete obj.end
          delete obj.revocation
          delete obj.want
          delete obj.records
          delete obj.digests
          delete obj.refusal
          delete obj.hello
        }

        if (obj.end != null) {
          delete obj.next
          delete obj.probed
          delete obj.probe
          delete obj.revocation
          delete obj.want
          delete obj.records
          delete obj.digests
          delete obj.refusal
          delete obj.hello
        }

        if (obj.revocation != null) {
          delete obj.next
          delete obj.probed
          delete obj.probe
          delete obj.end
          delete obj.want
          delete obj.records
          delete obj.digests
          delete obj.refusal
          delete obj.hello
        }

        if (obj.want != null) {
          delete obj.next
          delete obj.probed
          delete obj.probe
          delete obj.end
          delete obj.revocation
          delete obj.records
          delete obj.digests
          delete obj.refusal
          delete obj.hello
        }

        if (obj.records != null) {
          delete obj.next
          delete obj.probed
          delete obj.probe
          delete obj.end
          delete obj.revocation
          delete obj.want
          delete obj.digests
          delete obj.refusal
          delete obj.hello
        }

        if (obj.digests != null) {
          delete obj.next
          delete obj.probed
          delete obj.probe
          delete obj.end
          delete obj.revocation
          delete obj.want
          delete obj.records
          delete obj.refusal
          delete obj.hello
        }

        if (obj.refusal != null) {
          delete obj.next
          delete obj.probed
          delete obj.probe
          delete obj.end
          delete obj.revocation
          delete obj.want
          delete obj.records
          delete obj.digests
          delete obj.hello
        }

        if (obj.hello != null) {
          delete obj.next
          delete obj.probed
          delete obj.probe
          delete obj.end
          delete obj.revocation
          delete obj.want
          delete obj.records
          delete obj.digests
          delete obj.refusal
        }

        return obj
      }, function * (reader, length, prefix, opts = {}) {
        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              yield {
                field: `${prefix}.hello`,
                value: reader.bytes()
              }
              break
            }
            case 2: {
              yield {
                field: `${prefix}.refusal`,
                value: reader.bytes()
              }
              break
            }
            case 3: {
              yield * Digests.codec().stream(reader, reader.uint32(), `${prefix}.digests`, {
                limits: opts.limits?.digests
              })

              break
            }
            case 4: {
              yield * Records.codec().stream(reader, reader.uint32(), `${prefix}.records`, {
                limits: opts.limits?.records
              })

              break
            }
            case 5: {
              yield * Want.codec().stream(reader, reader.uint32(), `${prefix}.want`, {
                limits: opts.limits?.want
              })

              break
            }
            case 6: {
              yield {
                field: `${prefix}.revocation`,
                value: reader.bytes()
              }
              break
            }
            case 7: {
              yield * End.codec().stream(reader, reader.uint32(), `${prefix}.end`, {
                limits: opts.limits?.end
              })

              break
            }
            case 8: {
              yield * Probe.codec().stream(reader, reader.uint32(), `${prefix}.probe`, {
                limits: opts.limits?.probe
              })

              break
            }
            case 9: {
              yield * Probed.codec().stream(reader, reader.uint32(), `${prefix}.probed`, {
                limits: opts.limits?.probed
              })

              break
            }
            case 10: {
              yield * Next.codec().stream(reader, reader.uint32(), `${prefix}.next`, {
                limits: opts.limits?.next
              })

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

  export interface SyncHelloFieldEvent {
    field: '$.hello'
    value: Uint8Array
  }

  export interface SyncRefusalFieldEvent {
    field: '$.refusal'
    value: Uint8Array
  }

  export interface SyncDigestsEntriesFieldEvent {
    field: '$.digests.entries'
    value: Uint8Array
  }

  export interface SyncDigestsRevocationsFieldEvent {
    field: '$.digests.revocations'
    value: Uint8Array
  }

  export interface SyncDigestsMoreFieldEvent {
    field: '$.digests.more'
    value: boolean
  }

  export interface SyncRecordsEnvelopesFieldEvent {
    field: '$.records.envelopes[]'
    index: number
    value: Uint8Array
  }

  export interface SyncWantPeerIdsFieldEvent {
    field: '$.want.peerIds'
    value: Uint8Array
  }

  export interface SyncWantRevocationsFieldEvent {
    field: '$.want.revocations'
    value: Uint8Array
  }

  export interface SyncWantMoreFieldEvent {
    field: '$.want.more'
    value: boolean
  }

  export interface SyncRevocationFieldEvent {
    field: '$.revocation'
    value: Uint8Array
  }

  export interface SyncProbePeerIdFieldEvent {
    field: '$.probe.peerId'
    value: Uint8Array
  }

  export interface SyncProbedReachedFieldEvent {
    field: '$.probed.reached'
    value: boolean
  }

  export function encode (obj: Partial<Sync>): Uint8Array {
    return encodeMessage(obj, Sync.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Sync>): Sync {
    return decodeMessage(buf, Sync.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Sync>): Generator<SyncHelloFieldEvent | SyncRefusalFieldEvent | SyncDigestsEntriesFieldEvent | SyncDigestsRevocationsFieldEvent | SyncDigestsMoreFieldEvent | SyncRecordsEnvelopesFieldEvent | SyncWantPeerIdsFieldEvent | SyncWantRevocationsFieldEvent | SyncWantMoreFieldEvent | SyncRevocationFieldEvent | SyncProbePeerIdFieldEvent | SyncProbedReachedFieldEvent> {
    return streamMessage(buf, Sync.codec(), opts)
  }
}

export interface Digests {
  entries: Uint8Array
  revocations: Uint8Array
  more: boolean
}

export namespace Digests {
  let _codec: Codec<Digests>

  export const codec = (): Codec<Digests> => {
    if (_codec == null) {
      _codec = message<Digests>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if ((obj.entries != null && obj.entries.byteLength > 0)) {
          w.uint32(10)
          w.bytes(obj.entries)
        }

        if ((obj.revocations != null && obj.revocations.byteLength > 0)) {
          w.uint32(18)
          w.bytes(obj.revocations)
        }

        if ((obj.more != null && obj.more !== false)) {
          w.uint32(24)
          w.bool(obj.more)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          entries: uint8ArrayAlloc(0),
          revocations: uint8ArrayAlloc(0),
          more: false
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.entries = reader.bytes()
              break
            }
            case 2: {
              obj.revocations = reader.bytes()
              break
            }
            case 3: {
              obj.more = reader.bool()
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
        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              yield {
                field: `${prefix}.entries`,
                value: reader.bytes()
              }
              break
            }
            case 2: {
              yield {
                field: `${prefix}.revocations`,
                value: reader.bytes()
              }
              break
            }
            case 3: {
              yield {
                field: `${prefix}.more`,
                value: reader.bool()
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

  export interface DigestsEntriesFieldEvent {
    field: '$.entries'
    value: Uint8Array
  }

  export interface DigestsRevocationsFieldEvent {
    field: '$.revocations'
    value: Uint8Array
  }

  export interface DigestsMoreFieldEvent {
    field: '$.more'
    value: boolean
  }

  export function encode (obj: Partial<Digests>): Uint8Array {
    return encodeMessage(obj, Digests.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Digests>): Digests {
    return decodeMessage(buf, Digests.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Digests>): Generator<DigestsEntriesFieldEvent | DigestsRevocationsFieldEvent | DigestsMoreFieldEvent> {
    return streamMessage(buf, Digests.codec(), opts)
  }
}

export interface Records {
  envelopes: Uint8Array[]
}

export namespace Records {
  let _codec: Codec<Records>

  export const codec = (): Codec<Records> => {
    if (_codec == null) {
      _codec = message<Records>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if (obj.envelopes != null && obj.envelopes.length > 0) {
          for (const value of obj.envelopes) {
            w.uint32(10)
            w.bytes(value)
          }
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          envelopes: []
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              if (opts.limits?.envelopes != null && obj.envelopes.length === opts.limits.envelopes) {
                throw new MaxLengthError('Decode error - repeated field "envelopes" had too many elements')
              }

              obj.envelopes.push(reader.bytes())
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
          envelopes: 0
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              if (opts.limits?.envelopes != null && obj.envelopes === opts.limits.envelopes) {
                throw new MaxLengthError('Streaming decode error - repeated field "envelopes" had too many elements')
              }

              yield {
                field: `${prefix}.envelopes[]`,
                index: obj.envelopes,
                value: reader.bytes()
              }

              obj.envelopes++

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

  export interface RecordsEnvelopesFieldEvent {
    field: '$.envelopes[]'
    index: number
    value: Uint8Array
  }

  export function encode (obj: Partial<Records>): Uint8Array {
    return encodeMessage(obj, Records.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Records>): Records {
    return decodeMessage(buf, Records.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Records>): Generator<RecordsEnvelopesFieldEvent> {
    return streamMessage(buf, Records.codec(), opts)
  }
}

export interface Want {
  peerIds: Uint8Array
  revocations: Uint8Array
  more: boolean
}

export namespace Want {
  let _codec: Codec<Want>

  export const codec = (): Codec<Want> => {
    if (_codec == null) {
      _codec = message<Want>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if ((obj.peerIds != null && obj.peerIds.byteLength > 0)) {
          w.uint32(10)
          w.bytes(obj.peerIds)
        }

        if ((obj.revocations != null && obj.revocations.byteLength > 0)) {
          w.uint32(18)
          w.bytes(obj.revocations)
        }

        if ((obj.more != null && obj.more !== false)) {
          w.uint32(24)
          w.bool(obj.more)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          peerIds: uint8ArrayAlloc(0),
          revocations: uint8ArrayAlloc(0),
          more: false
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.peerIds = reader.bytes()
              break
            }
            case 2: {
              obj.revocations = reader.bytes()
              break
            }
            case 3: {
              obj.more = reader.bool()
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
        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              yield {
                field: `${prefix}.peerIds`,
                value: reader.bytes()
              }
              break
            }
            case 2: {
              yield {
                field: `${prefix}.revocations`,
                value: reader.bytes()
              }
              break
            }
            case 3: {
              yield {
                field: `${prefix}.more`,
                value: reader.bool()
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

  export interface WantPeerIdsFieldEvent {
    field: '$.peerIds'
    value: Uint8Array
  }

  export interface WantRevocationsFieldEvent {
    field: '$.revocations'
    value: Uint8Array
  }

  export interface WantMoreFieldEvent {
    field: '$.more'
    value: boolean
  }

  export function encode (obj: Partial<Want>): Uint8Array {
    return encodeMessage(obj, Want.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Want>): Want {
    return decodeMessage(buf, Want.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Want>): Generator<WantPeerIdsFieldEvent | WantRevocationsFieldEvent | WantMoreFieldEvent> {
    return streamMessage(buf, Want.codec(), opts)
  }
}

export interface End {}

export namespace End {
  let _codec: Codec<End>

  export const codec = (): Codec<End> => {
    if (_codec == null) {
      _codec = message<End>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {}

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }

        return obj
      }, function * (reader, length, prefix, opts = {}) {
        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
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

  export function encode (obj: Partial<End>): Uint8Array {
    return encodeMessage(obj, End.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<End>): End {
    return decodeMessage(buf, End.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<End>): Generator<{}> {
    return streamMessage(buf, End.codec(), opts)
  }
}

export interface Probe {
  peerId: Uint8Array
}

export namespace Probe {
  let _codec: Codec<Probe>

  export const codec = (): Codec<Probe> => {
    if (_codec == null) {
      _codec = message<Probe>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if ((obj.peerId != null && obj.peerId.byteLength > 0)) {
          w.uint32(10)
          w.bytes(obj.peerId)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          peerId: uint8ArrayAlloc(0)
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.peerId = reader.bytes()
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
        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              yield {
                field: `${prefix}.peerId`,
                value: reader.bytes()
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

  export interface ProbePeerIdFieldEvent {
    field: '$.peerId'
    value: Uint8Array
  }

  export function encode (obj: Partial<Probe>): Uint8Array {
    return encodeMessage(obj, Probe.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Probe>): Probe {
    return decodeMessage(buf, Probe.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Probe>): Generator<ProbePeerIdFieldEvent> {
    return streamMessage(buf, Probe.codec(), opts)
  }
}

export interface Probed {
  reached: boolean
}

export namespace Probed {
  let _codec: Codec<Probed>

  export const codec = (): Codec<Probed> => {
    if (_codec == null) {
      _codec = message<Probed>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if ((obj.reached != null && obj.reached !== false)) {
          w.uint32(8)
          w.bool(obj.reached)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          reached: false
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.reached = reader.bool()
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
        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              yield {
                field: `${prefix}.reached`,
                value: reader.bool()
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

  export interface ProbedReachedFieldEvent {
    field: '$.reached'
    value: boolean
  }

  export function encode (obj: Partial<Probed>): Uint8Array {
    return encodeMessage(obj, Probed.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Probed>): Probed {
    return decodeMessage(buf, Probed.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Probed>): Generator<ProbedReachedFieldEvent> {
    return streamMessage(buf, Probed.codec(), opts)
  }
}

export interface Next {}

export namespace Next {
  let _codec: Codec<Next>

  export const codec = (): Codec<Next> => {
    if (_codec == null) {
      _codec = message<Next>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {}

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }

        return obj
      }, function * (reader, length, prefix, opts = {}) {
        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
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

  export function encode (obj: Partial<Next>): Uint8Array {
    return encodeMessage(obj, Next.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Next>): Next {
    return decodeMessage(buf, Next.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Next>): Generator<{}> {
    return streamMessage(buf, Next.codec(), opts)
  }
}
