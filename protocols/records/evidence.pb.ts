// Generated from evidence.proto by npm run proto. Do not edit.
// @ts-nocheck
import { decodeMessage, encodeMessage, MaxLengthError, message, streamMessage } from 'protons-runtime'
import { alloc as uint8ArrayAlloc } from 'uint8arrays/alloc'
import type { Codec, DecodeOptions } from 'protons-runtime'
import type { Uint8ArrayList } from 'uint8arraylist'

export interface Evidence {
  quote: Uint8Array
  collateral?: Collateral
  eventLog: Event[]
  binding?: Binding
}

export namespace Evidence {
  let _codec: Codec<Evidence>

  export const codec = (): Codec<Evidence> => {
    if (_codec == null) {
      _codec = message<Evidence>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if ((obj.quote != null && obj.quote.byteLength > 0)) {
          w.uint32(10)
          w.bytes(obj.quote)
        }

        if (obj.collateral != null) {
          w.uint32(18)
          Collateral.codec().encode(obj.collateral, w)
        }

        if (obj.eventLog != null && obj.eventLog.length > 0) {
          for (const value of obj.eventLog) {
            w.uint32(26)
            Event.codec().encode(value, w)
          }
        }

        if (obj.binding != null) {
          w.uint32(34)
          Binding.codec().encode(obj.binding, w)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          quote: uint8ArrayAlloc(0),
          eventLog: []
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.quote = reader.bytes()
              break
            }
            case 2: {
              obj.collateral = Collateral.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.collateral
              })
              break
            }
            case 3: {
              if (opts.limits?.eventLog != null && obj.eventLog.length === opts.limits.eventLog) {
                throw new MaxLengthError('Decode error - repeated field "eventLog" had too many elements')
              }

              obj.eventLog.push(Event.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.eventLog$
              }))
              break
            }
            case 4: {
              obj.binding = Binding.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.binding
              })
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
          eventLog: 0
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              yield {
                field: `${prefix}.quote`,
                value: reader.bytes()
              }
              break
            }
            case 2: {
              yield * Collateral.codec().stream(reader, reader.uint32(), `${prefix}.collateral`, {
                limits: opts.limits?.collateral
              })

              break
            }
            case 3: {
              if (opts.limits?.eventLog != null && obj.eventLog === opts.limits.eventLog) {
                throw new MaxLengthError('Streaming decode error - repeated field "eventLog" had too many elements')
              }

              for (const evt of Event.codec().stream(reader, reader.uint32(), `${prefix}.eventLog[]`, {
                limits: opts.limits?.eventLog$
              })) {
                yield {
                  ...evt,
                  index: obj.eventLog
                }
              }

              obj.eventLog++

              break
            }
            case 4: {
              yield * Binding.codec().stream(reader, reader.uint32(), `${prefix}.binding`, {
                limits: opts.limits?.binding
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

  export interface EvidenceQuoteFieldEvent {
    field: '$.quote'
    value: Uint8Array
  }

  export interface EvidenceCollateralPckCrlIssuerChainFieldEvent {
    field: '$.collateral.pckCrlIssuerChain'
    value: string
  }

  export interface EvidenceCollateralRootCaCrlFieldEvent {
    field: '$.collateral.rootCaCrl'
    value: Uint8Array
  }

  export interface EvidenceCollateralPckCrlFieldEvent {
    field: '$.collateral.pckCrl'
    value: Uint8Array
  }

  export interface EvidenceCollateralTcbInfoIssuerChainFieldEvent {
    field: '$.collateral.tcbInfoIssuerChain'
    value: string
  }

  export interface EvidenceCollateralTcbInfoFieldEvent {
    field: '$.collateral.tcbInfo'
    value: string
  }

  export interface EvidenceCollateralTcbInfoSignatureFieldEvent {
    field: '$.collateral.tcbInfoSignature'
    value: Uint8Array
  }

  export interface EvidenceCollateralQeIdentityIssuerChainFieldEvent {
    field: '$.collateral.qeIdentityIssuerChain'
    value: string
  }

  export interface EvidenceCollateralQeIdentityFieldEvent {
    field: '$.collateral.qeIdentity'
    value: string
  }

  export interface EvidenceCollateralQeIdentitySignatureFieldEvent {
    field: '$.collateral.qeIdentitySignature'
    value: Uint8Array
  }

  export interface EvidenceEventLogNameFieldEvent {
    field: '$.eventLog[].name'
    value: string
    index: number
  }

  export interface EvidenceEventLogPayloadFieldEvent {
    field: '$.eventLog[].payload'
    value: Uint8Array
    index: number
  }

  export interface EvidenceBindingContextFieldEvent {
    field: '$.binding.context'
    value: string
  }

  export interface EvidenceBindingFieldsFieldEvent {
    field: '$.binding.fields[]'
    index: number
    value: Uint8Array
  }

  export function encode (obj: Partial<Evidence>): Uint8Array {
    return encodeMessage(obj, Evidence.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Evidence>): Evidence {
    return decodeMessage(buf, Evidence.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Evidence>): Generator<EvidenceQuoteFieldEvent | EvidenceCollateralPckCrlIssuerChainFieldEvent | EvidenceCollateralRootCaCrlFieldEvent | EvidenceCollateralPckCrlFieldEvent | EvidenceCollateralTcbInfoIssuerChainFieldEvent | EvidenceCollateralTcbInfoFieldEvent | EvidenceCollateralTcbInfoSignatureFieldEvent | EvidenceCollateralQeIdentityIssuerChainFieldEvent | EvidenceCollateralQeIdentityFieldEvent | EvidenceCollateralQeIdentitySignatureFieldEvent | EvidenceEventLogNameFieldEvent | EvidenceEventLogPayloadFieldEvent | EvidenceBindingContextFieldEvent | EvidenceBindingFieldsFieldEvent> {
    return streamMessage(buf, Evidence.codec(), opts)
  }
}

export interface Collateral {
  pckCrlIssuerChain: string
  rootCaCrl: Uint8Array
  pckCrl: Uint8Array
  tcbInfoIssuerChain: string
  tcbInfo: string
  tcbInfoSignature: Uint8Array
  qeIdentityIssuerChain: string
  qeIdentity: string
  qeIdentitySignature: Uint8Array
}

export namespace Collateral {
  let _codec: Codec<Collateral>

  export const codec = (): Codec<Collateral> => {
    if (_codec == null) {
      _codec = message<Collateral>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if ((obj.pckCrlIssuerChain != null && obj.pckCrlIssuerChain !== '')) {
          w.uint32(10)
          w.string(obj.pckCrlIssuerChain)
        }

        if ((obj.rootCaCrl != null && obj.rootCaCrl.byteLength > 0)) {
          w.uint32(18)
          w.bytes(obj.rootCaCrl)
        }

        if ((obj.pckCrl != null && obj.pckCrl.byteLength > 0)) {
          w.uint32(26)
          w.bytes(obj.pckCrl)
        }

        if ((obj.tcbInfoIssuerChain != null && obj.tcbInfoIssuerChain !== '')) {
          w.uint32(34)
          w.string(obj.tcbInfoIssuerChain)
        }

        if ((obj.tcbInfo != null && obj.tcbInfo !== '')) {
          w.uint32(42)
          w.string(obj.tcbInfo)
        }

        if ((obj.tcbInfoSignature != null && obj.tcbInfoSignature.byteLength > 0)) {
          w.uint32(50)
          w.bytes(obj.tcbInfoSignature)
        }

        if ((obj.qeIdentityIssuerChain != null && obj.qeIdentityIssuerChain !== '')) {
          w.uint32(58)
          w.string(obj.qeIdentityIssuerChain)
        }

        if ((obj.qeIdentity != null && obj.qeIdentity !== '')) {
          w.uint32(66)
          w.string(obj.qeIdentity)
        }

        if ((obj.qeIdentitySignature != null && obj.qeIdentitySignature.byteLength > 0)) {
          w.uint32(74)
          w.bytes(obj.qeIdentitySignature)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          pckCrlIssuerChain: '',
          rootCaCrl: uint8ArrayAlloc(0),
          pckCrl: uint8ArrayAlloc(0),
          tcbInfoIssuerChain: '',
          tcbInfo: '',
          tcbInfoSignature: uint8ArrayAlloc(0),
          qeIdentityIssuerChain: '',
          qeIdentity: '',
          qeIdentitySignature: uint8ArrayAlloc(0)
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.pckCrlIssuerChain = reader.string()
              break
            }
            case 2: {
              obj.rootCaCrl = reader.bytes()
              break
            }
            case 3: {
              obj.pckCrl = reader.bytes()
              break
            }
            case 4: {
              obj.tcbInfoIssuerChain = reader.string()
              break
            }
            case 5: {
              obj.tcbInfo = reader.string()
              break
            }
            case 6: {
              obj.tcbInfoSignature = reader.bytes()
              break
            }
            case 7: {
              obj.qeIdentityIssuerChain = reader.string()
              break
            }
            case 8: {
              obj.qeIdentity = reader.string()
              break
            }
            case 9: {
              obj.qeIdentitySignature = reader.bytes()
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
                field: `${prefix}.pckCrlIssuerChain`,
                value: reader.string()
              }
              break
            }
            case 2: {
              yield {
                field: `${prefix}.rootCaCrl`,
                value: reader.bytes()
              }
              break
            }
            case 3: {
              yield {
                field: `${prefix}.pckCrl`,
                value: reader.bytes()
              }
              break
            }
            case 4: {
              yield {
                field: `${prefix}.tcbInfoIssuerChain`,
                value: reader.string()
              }
              break
            }
            case 5: {
              yield {
                field: `${prefix}.tcbInfo`,
                value: reader.string()
              }
              break
            }
            case 6: {
              yield {
                field: `${prefix}.tcbInfoSignature`,
                value: reader.bytes()
              }
              break
            }
            case 7: {
              yield {
                field: `${prefix}.qeIdentityIssuerChain`,
                value: reader.string()
              }
              break
            }
            case 8: {
              yield {
                field: `${prefix}.qeIdentity`,
                value: reader.string()
              }
              break
            }
            case 9: {
              yield {
                field: `${prefix}.qeIdentitySignature`,
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

  export interface CollateralPckCrlIssuerChainFieldEvent {
    field: '$.pckCrlIssuerChain'
    value: string
  }

  export interface CollateralRootCaCrlFieldEvent {
    field: '$.rootCaCrl'
    value: Uint8Array
  }

  export interface CollateralPckCrlFieldEvent {
    field: '$.pckCrl'
    value: Uint8Array
  }

  export interface CollateralTcbInfoIssuerChainFieldEvent {
    field: '$.tcbInfoIssuerChain'
    value: string
  }

  export interface CollateralTcbInfoFieldEvent {
    field: '$.tcbInfo'
    value: string
  }

  export interface CollateralTcbInfoSignatureFieldEvent {
    field: '$.tcbInfoSignature'
    value: Uint8Array
  }

  export interface CollateralQeIdentityIssuerChainFieldEvent {
    field: '$.qeIdentityIssuerChain'
    value: string
  }

  export interface CollateralQeIdentityFieldEvent {
    field: '$.qeIdentity'
    value: string
  }

  export interface CollateralQeIdentitySignatureFieldEvent {
    field: '$.qeIdentitySignature'
    value: Uint8Array
  }

  export function encode (obj: Partial<Collateral>): Uint8Array {
    return encodeMessage(obj, Collateral.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Collateral>): Collateral {
    return decodeMessage(buf, Collateral.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Collateral>): Generator<CollateralPckCrlIssuerChainFieldEvent | CollateralRootCaCrlFieldEvent | CollateralPckCrlFieldEvent | CollateralTcbInfoIssuerChainFieldEvent | CollateralTcbInfoFieldEvent | CollateralTcbInfoSignatureFieldEvent | CollateralQeIdentityIssuerChainFieldEvent | CollateralQeIdentityFieldEvent | CollateralQeIdentitySignatureFieldEvent> {
    return streamMessage(buf, Collateral.codec(), opts)
  }
}

export interface Event {
  name: string
  payload: Uint8Array
}

export namespace Event {
  let _codec: Codec<Event>

  export const codec = (): Codec<Event> => {
    if (_codec == null) {
      _codec = message<Event>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if ((obj.name != null && obj.name !== '')) {
          w.uint32(10)
          w.string(obj.name)
        }

        if ((obj.payload != null && obj.payload.byteLength > 0)) {
          w.uint32(18)
          w.bytes(obj.payload)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          name: '',
          payload: uint8ArrayAlloc(0)
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.name = reader.string()
              break
            }
            case 2: {
              obj.payload = reader.bytes()
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
                field: `${prefix}.name`,
                value: reader.string()
              }
              break
            }
            case 2: {
              yield {
                field: `${prefix}.payload`,
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

  export interface EventNameFieldEvent {
    field: '$.name'
    value: string
  }

  export interface EventPayloadFieldEvent {
    field: '$.payload'
    value: Uint8Array
  }

  export function encode (obj: Partial<Event>): Uint8Array {
    return encodeMessage(obj, Event.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Event>): Event {
    return decodeMessage(buf, Event.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Event>): Generator<EventNameFieldEvent | EventPayloadFieldEvent> {
    return streamMessage(buf, Event.codec(), opts)
  }
}

export interface Binding {
  context: string
  fields: Uint8Array[]
}

export namespace Binding {
  let _codec: Codec<Binding>

  export const codec = (): Codec<Binding> => {
    if (_codec == null) {
      _codec = message<Binding>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if ((obj.context != null && obj.context !== '')) {
          w.uint32(10)
          w.string(obj.context)
        }

        if (obj.fields != null && obj.fields.length > 0) {
          for (const value of obj.fields) {
            w.uint32(18)
            w.bytes(value)
          }
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          context: '',
          fields: []
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.context = reader.string()
              break
            }
            case 2: {
              if (opts.limits?.fields != null && obj.fields.length === opts.limits.fields) {
                throw new MaxLengthError('Decode error - repeated field "fields" had too many elements')
              }

              obj.fields.push(reader.bytes())
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
          fields: 0
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              yield {
                field: `${prefix}.context`,
                value: reader.string()
              }
              break
            }
            case 2: {
              if (opts.limits?.fields != null && obj.fields === opts.limits.fields) {
                throw new MaxLengthError('Streaming decode error - repeated field "fields" had too many elements')
              }

              yield {
                field: `${prefix}.fields[]`,
                index: obj.fields,
                value: reader.bytes()
              }

              obj.fields++

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

  export interface BindingContextFieldEvent {
    field: '$.context'
    value: string
  }

  export interface BindingFieldsFieldEvent {
    field: '$.fields[]'
    index: number
    value: Uint8Array
  }

  export function encode (obj: Partial<Binding>): Uint8Array {
    return encodeMessage(obj, Binding.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Binding>): Binding {
    return decodeMessage(buf, Binding.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Binding>): Generator<BindingContextFieldEvent | BindingFieldsFieldEvent> {
    return streamMessage(buf, Binding.codec(), opts)
  }
}
