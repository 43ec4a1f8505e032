// Generated from credential.proto by npm run proto. Do not edit.
// @ts-nocheck
import { decodeMessage, encodeMessage, MaxLengthError, message, streamMessage } from 'protons-runtime'
import { alloc as uint8ArrayAlloc } from 'uint8arrays/alloc'
import type { Codec, DecodeOptions } from 'protons-runtime'
import type { Uint8ArrayList } from 'uint8arraylist'

export interface Credential {
  body: Uint8Array
  clusterSignature: Uint8Array
  issuerSignature: Uint8Array
}

export namespace Credential {
  let _codec: Codec<Credential>

  export const codec = (): Codec<Credential> => {
    if (_codec == null) {
      _codec = message<Credential>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if ((obj.body != null && obj.body.byteLength > 0)) {
          w.uint32(10)
          w.bytes(obj.body)
        }

        if ((obj.clusterSignature != null && obj.clusterSignature.byteLength > 0)) {
          w.uint32(18)
          w.bytes(obj.clusterSignature)
        }

        if ((obj.issuerSignature != null && obj.issuerSignature.byteLength > 0)) {
          w.uint32(26)
          w.bytes(obj.issuerSignature)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          body: uint8ArrayAlloc(0),
          clusterSignature: uint8ArrayAlloc(0),
          issuerSignature: uint8ArrayAlloc(0)
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.body = reader.bytes()
              break
            }
            case 2: {
              obj.clusterSignature = reader.bytes()
              break
            }
            case 3: {
              obj.issuerSignature = reader.bytes()
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
                field: `${prefix}.body`,
                value: reader.bytes()
              }
              break
            }
            case 2: {
              yield {
                field: `${prefix}.clusterSignature`,
                value: reader.bytes()
              }
              break
            }
            case 3: {
              yield {
                field: `${prefix}.issuerSignature`,
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

  export interface CredentialBodyFieldEvent {
    field: '$.body'
    value: Uint8Array
  }

  export interface CredentialClusterSignatureFieldEvent {
    field: '$.clusterSignature'
    value: Uint8Array
  }

  export interface CredentialIssuerSignatureFieldEvent {
    field: '$.issuerSignature'
    value: Uint8Array
  }

  export function encode (obj: Partial<Credential>): Uint8Array {
    return encodeMessage(obj, Credential.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Credential>): Credential {
    return decodeMessage(buf, Credential.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Credential>): Generator<CredentialBodyFieldEvent | CredentialClusterSignatureFieldEvent | CredentialIssuerSignatureFieldEvent> {
    return streamMessage(buf, Credential.codec(), opts)
  }
}

export interface CredentialBody {
  clusterId: Uint8Array
  peerId: Uint8Array
  epoch: number
  tdDigest: Uint8Array
  judged?: Judged
  issuer: Uint8Array
  issuedAt: number
  expiresAt: number
}

export namespace CredentialBody {
  let _codec: Codec<CredentialBody>

  export const codec = (): Codec<CredentialBody> => {
    if (_codec == null) {
      _codec = message<CredentialBody>((obj, w, opts = {}) => {
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

        if ((obj.epoch != null && obj.epoch !== 0)) {
          w.uint32(24)
          w.uint32(obj.epoch)
        }

        if ((obj.tdDigest != null && obj.tdDigest.byteLength > 0)) {
          w.uint32(34)
          w.bytes(obj.tdDigest)
        }

        if (obj.judged != null) {
          w.uint32(42)
          Judged.codec().encode(obj.judged, w)
        }

        if ((obj.issuer != null && obj.issuer.byteLength > 0)) {
          w.uint32(50)
          w.bytes(obj.issuer)
        }

        if ((obj.issuedAt != null && obj.issuedAt !== 0)) {
          w.uint32(56)
          w.uint64Number(obj.issuedAt)
        }

        if ((obj.expiresAt != null && obj.expiresAt !== 0)) {
          w.uint32(64)
          w.uint64Number(obj.expiresAt)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          clusterId: uint8ArrayAlloc(0),
          peerId: uint8ArrayAlloc(0),
          epoch: 0,
          tdDigest: uint8ArrayAlloc(0),
          issuer: uint8ArrayAlloc(0),
          issuedAt: 0,
          expiresAt: 0
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
              obj.epoch = reader.uint32()
              break
            }
            case 4: {
              obj.tdDigest = reader.bytes()
              break
            }
            case 5: {
              obj.judged = Judged.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.judged
              })
              break
            }
            case 6: {
              obj.issuer = reader.bytes()
              break
            }
            case 7: {
              obj.issuedAt = reader.uint64Number()
              break
            }
            case 8: {
              obj.expiresAt = reader.uint64Number()
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
              yield {
                field: `${prefix}.epoch`,
                value: reader.uint32()
              }
              break
            }
            case 4: {
              yield {
                field: `${prefix}.tdDigest`,
                value: reader.bytes()
              }
              break
            }
            case 5: {
              yield * Judged.codec().stream(reader, reader.uint32(), `${prefix}.judged`, {
                limits: opts.limits?.judged
              })

              break
            }
            case 6: {
              yield {
                field: `${prefix}.issuer`,
                value: reader.bytes()
              }
              break
            }
            case 7: {
              yield {
                field: `${prefix}.issuedAt`,
                value: reader.uint64Number()
              }
              break
            }
            case 8: {
              yield {
                field: `${prefix}.expiresAt`,
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

  export interface CredentialBodyClusterIdFieldEvent {
    field: '$.clusterId'
    value: Uint8Array
  }

  export interface CredentialBodyPeerIdFieldEvent {
    field: '$.peerId'
    value: Uint8Array
  }

  export interface CredentialBodyEpochFieldEvent {
    field: '$.epoch'
    value: number
  }

  export interface CredentialBodyTdDigestFieldEvent {
    field: '$.tdDigest'
    value: Uint8Array
  }

  export interface CredentialBodyJudgedMrTdFieldEvent {
    field: '$.judged.mrTd'
    value: Uint8Array
  }

  export interface CredentialBodyJudgedRtmrFieldEvent {
    field: '$.judged.rtmr[]'
    index: number
    value: Uint8Array
  }

  export interface CredentialBodyJudgedMrConfigIdFieldEvent {
    field: '$.judged.mrConfigId'
    value: Uint8Array
  }

  export interface CredentialBodyJudgedMrOwnerFieldEvent {
    field: '$.judged.mrOwner'
    value: Uint8Array
  }

  export interface CredentialBodyJudgedMrOwnerConfigFieldEvent {
    field: '$.judged.mrOwnerConfig'
    value: Uint8Array
  }

  export interface CredentialBodyJudgedAppIdsFieldEvent {
    field: '$.judged.appIds[]'
    index: number
    value: Uint8Array
  }

  export interface CredentialBodyJudgedPlatformIdFieldEvent {
    field: '$.judged.platformId'
    value: Uint8Array
  }

  export interface CredentialBodyJudgedTcbStatusFieldEvent {
    field: '$.judged.tcbStatus'
    value: string
  }

  export interface CredentialBodyJudgedTcbEvaluationDataNumberFieldEvent {
    field: '$.judged.tcbEvaluationDataNumber'
    value: number
  }

  export interface CredentialBodyIssuerFieldEvent {
    field: '$.issuer'
    value: Uint8Array
  }

  export interface CredentialBodyIssuedAtFieldEvent {
    field: '$.issuedAt'
    value: number
  }

  export interface CredentialBodyExpiresAtFieldEvent {
    field: '$.expiresAt'
    value: number
  }

  export function encode (obj: Partial<CredentialBody>): Uint8Array {
    return encodeMessage(obj, CredentialBody.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<CredentialBody>): CredentialBody {
    return decodeMessage(buf, CredentialBody.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<CredentialBody>): Generator<CredentialBodyClusterIdFieldEvent | CredentialBodyPeerIdFieldEvent | CredentialBodyEpochFieldEvent | CredentialBodyTdDigestFieldEvent | CredentialBodyJudgedMrTdFieldEvent | CredentialBodyJudgedRtmrFieldEvent | CredentialBodyJudgedMrConfigIdFieldEvent | CredentialBodyJudgedMrOwnerFieldEvent | CredentialBodyJudgedMrOwnerConfigFieldEvent | CredentialBodyJudgedAppIdsFieldEvent | CredentialBodyJudgedPlatformIdFieldEvent | CredentialBodyJudgedTcbStatusFieldEvent | CredentialBodyJudgedTcbEvaluationDataNumberFieldEvent | CredentialBodyIssuerFieldEvent | CredentialBodyIssuedAtFieldEvent | CredentialBodyExpiresAtFieldEvent> {
    return streamMessage(buf, CredentialBody.codec(), opts)
  }
}

export interface Judged {
  mrTd: Uint8Array
  rtmr: Uint8Array[]
  mrConfigId: Uint8Array
  mrOwner: Uint8Array
  mrOwnerConfig: Uint8Array
  appIds: Uint8Array[]
  platformId: Uint8Array
  tcbStatus: string
  tcbEvaluationDataNumber: number
}

export namespace Judged {
  let _codec: Codec<Judged>

  export const codec = (): Codec<Judged> => {
    if (_codec == null) {
      _codec = message<Judged>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if ((obj.mrTd != null && obj.mrTd.byteLength > 0)) {
          w.uint32(10)
          w.bytes(obj.mrTd)
        }

        if (obj.rtmr != null && obj.rtmr.length > 0) {
          for (const value of obj.rtmr) {
            w.uint32(18)
            w.bytes(value)
          }
        }

        if ((obj.mrConfigId != null && obj.mrConfigId.byteLength > 0)) {
          w.uint32(26)
          w.bytes(obj.mrConfigId)
        }

        if ((obj.mrOwner != null && obj.mrOwner.byteLength > 0)) {
          w.uint32(34)
          w.bytes(obj.mrOwner)
        }

        if ((obj.mrOwnerConfig != null && obj.mrOwnerConfig.byteLength > 0)) {
          w.uint32(42)
          w.bytes(obj.mrOwnerConfig)
        }

        if (obj.appIds != null && obj.appIds.length > 0) {
          for (const value of obj.appIds) {
            w.uint32(50)
            w.bytes(value)
          }
        }

        if ((obj.platformId != null && obj.platformId.byteLength > 0)) {
          w.uint32(58)
          w.bytes(obj.platformId)
        }

        if ((obj.tcbStatus != null && obj.tcbStatus !== '')) {
          w.uint32(66)
          w.string(obj.tcbStatus)
        }

        if ((obj.tcbEvaluationDataNumber != null && obj.tcbEvaluationDataNumber !== 0)) {
          w.uint32(72)
          w.uint32(obj.tcbEvaluationDataNumber)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          mrTd: uint8ArrayAlloc(0),
          rtmr: [],
          mrConfigId: uint8ArrayAlloc(0),
          mrOwner: uint8ArrayAlloc(0),
          mrOwnerConfig: uint8ArrayAlloc(0),
          appIds: [],
          platformId: uint8ArrayAlloc(0),
          tcbStatus: '',
          tcbEvaluationDataNumber: 0
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.mrTd = reader.bytes()
              break
            }
            case 2: {
              if (opts.limits?.rtmr != null && obj.rtmr.length === opts.limits.rtmr) {
                throw new MaxLengthError('Decode error - repeated field "rtmr" had too many elements')
              }

              obj.rtmr.push(reader.bytes())
              break
            }
            case 3: {
              obj.mrConfigId = reader.bytes()
              break
            }
            case 4: {
              obj.mrOwner = reader.bytes()
              break
            }
            case 5: {
              obj.mrOwnerConfig = reader.bytes()
              break
            }
            case 6: {
              if (opts.limits?.appIds != null && obj.appIds.length === opts.limits.appIds) {
                throw new MaxLengthError('Decode error - repeated field "appIds" had too many elements')
              }

              obj.appIds.push(reader.bytes())
              break
            }
            case 7: {
              obj.platformId = reader.bytes()
              break
            }
            case 8: {
              obj.tcbStatus = reader.string()
              break
            }
            case 9: {
              obj.tcbEvaluationDataNumber = reader.uint32()
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
          rtmr: 0,
          appIds: 0
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              yield {
                field: `${prefix}.mrTd`,
                value: reader.bytes()
              }
              break
            }
            case 2: {
              if (opts.limits?.rtmr != null && obj.rtmr === opts.limits.rtmr) {
                throw new MaxLengthError('Streaming decode error - repeated field "rtmr" had too many elements')
              }

              yield {
                field: `${prefix}.rtmr[]`,
                index: obj.rtmr,
                value: reader.bytes()
              }

              obj.rtmr++

              break
            }
            case 3: {
              yield {
                field: `${prefix}.mrConfigId`,
                value: reader.bytes()
              }
              break
            }
            case 4: {
              yield {
                field: `${prefix}.mrOwner`,
                value: reader.bytes()
              }
              break
            }
            case 5: {
              yield {
                field: `${prefix}.mrOwnerConfig`,
                value: reader.bytes()
              }
              break
            }
            case 6: {
              if (opts.limits?.appIds != null && obj.appIds === opts.limits.appIds) {
                throw new MaxLengthError('Streaming decode error - repeated field "appIds" had too many elements')
              }

              yield {
                field: `${prefix}.appIds[]`,
                index: obj.appIds,
                value: reader.bytes()
              }

              obj.appIds++

              break
            }
            case 7: {
              yield {
                field: `${prefix}.platformId`,
                value: reader.bytes()
              }
              break
            }
            case 8: {
              yield {
                field: `${prefix}.tcbStatus`,
                value: reader.string()
              }
              break
            }
            case 9: {
              yield {
                field: `${prefix}.tcbEvaluationDataNumber`,
                value: reader.uint32()
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

  export interface JudgedMrTdFieldEvent {
    field: '$.mrTd'
    value: Uint8Array
  }

  export interface JudgedRtmrFieldEvent {
    field: '$.rtmr[]'
    index: number
    value: Uint8Array
  }

  export interface JudgedMrConfigIdFieldEvent {
    field: '$.mrConfigId'
    value: Uint8Array
  }

  export interface JudgedMrOwnerFieldEvent {
    field: '$.mrOwner'
    value: Uint8Array
  }

  export interface JudgedMrOwnerConfigFieldEvent {
    field: '$.mrOwnerConfig'
    value: Uint8Array
  }

  export interface JudgedAppIdsFieldEvent {
    field: '$.appIds[]'
    index: number
    value: Uint8Array
  }

  export interface JudgedPlatformIdFieldEvent {
    field: '$.platformId'
    value: Uint8Array
  }

  export interface JudgedTcbStatusFieldEvent {
    field: '$.tcbStatus'
    value: string
  }

  export interface JudgedTcbEvaluationDataNumberFieldEvent {
    field: '$.tcbEvaluationDataNumber'
    value: number
  }

  export function encode (obj: Partial<Judged>): Uint8Array {
    return encodeMessage(obj, Judged.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Judged>): Judged {
    return decodeMessage(buf, Judged.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Judged>): Generator<JudgedMrTdFieldEvent | JudgedRtmrFieldEvent | JudgedMrConfigIdFieldEvent | JudgedMrOwnerFieldEvent | JudgedMrOwnerConfigFieldEvent | JudgedAppIdsFieldEvent | JudgedPlatformIdFieldEvent | JudgedTcbStatusFieldEvent | JudgedTcbEvaluationDataNumberFieldEvent> {
    return streamMessage(buf, Judged.codec(), opts)
  }
}
