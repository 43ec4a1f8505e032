// Generated from genesis.proto by npm run proto. Do not edit.
// @ts-nocheck
import { decodeMessage, encodeMessage, MaxLengthError, message, streamMessage } from 'protons-runtime'
import { alloc as uint8ArrayAlloc } from 'uint8arrays/alloc'
import type { Codec, DecodeOptions } from 'protons-runtime'
import type { Uint8ArrayList } from 'uint8arraylist'

export interface GenesisRecord {
  version: number
  suite: string[]
  network: Uint8Array
  clusterPublicKey: Uint8Array
  k256RootPublicKey: Uint8Array
  caRootPublicKey: Uint8Array
  policyHash: Uint8Array
  createdAt: number
}

export namespace GenesisRecord {
  let _codec: Codec<GenesisRecord>

  export const codec = (): Codec<GenesisRecord> => {
    if (_codec == null) {
      _codec = message<GenesisRecord>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if ((obj.version != null && obj.version !== 0)) {
          w.uint32(8)
          w.uint32(obj.version)
        }

        if (obj.suite != null && obj.suite.length > 0) {
          for (const value of obj.suite) {
            w.uint32(18)
            w.string(value)
          }
        }

        if ((obj.network != null && obj.network.byteLength > 0)) {
          w.uint32(26)
          w.bytes(obj.network)
        }

        if ((obj.clusterPublicKey != null && obj.clusterPublicKey.byteLength > 0)) {
          w.uint32(34)
          w.bytes(obj.clusterPublicKey)
        }

        if ((obj.k256RootPublicKey != null && obj.k256RootPublicKey.byteLength > 0)) {
          w.uint32(42)
          w.bytes(obj.k256RootPublicKey)
        }

        if ((obj.caRootPublicKey != null && obj.caRootPublicKey.byteLength > 0)) {
          w.uint32(50)
          w.bytes(obj.caRootPublicKey)
        }

        if ((obj.policyHash != null && obj.policyHash.byteLength > 0)) {
          w.uint32(58)
          w.bytes(obj.policyHash)
        }

        if ((obj.createdAt != null && obj.createdAt !== 0)) {
          w.uint32(64)
          w.uint64Number(obj.createdAt)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          version: 0,
          suite: [],
          network: uint8ArrayAlloc(0),
          clusterPublicKey: uint8ArrayAlloc(0),
          k256RootPublicKey: uint8ArrayAlloc(0),
          caRootPublicKey: uint8ArrayAlloc(0),
          policyHash: uint8ArrayAlloc(0),
          createdAt: 0
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.version = reader.uint32()
              break
            }
            case 2: {
              if (opts.limits?.suite != null && obj.suite.length === opts.limits.suite) {
                throw new MaxLengthError('Decode error - repeated field "suite" had too many elements')
              }

              obj.suite.push(reader.string())
              break
            }
            case 3: {
              obj.network = reader.bytes()
              break
            }
            case 4: {
              obj.clusterPublicKey = reader.bytes()
              break
            }
            case 5: {
              obj.k256RootPublicKey = reader.bytes()
              break
            }
            case 6: {
              obj.caRootPublicKey = reader.bytes()
              break
            }
            case 7: {
              obj.policyHash = reader.bytes()
              break
            }
            case 8: {
              obj.createdAt = reader.uint64Number()
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
          suite: 0
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              yield {
                field: `${prefix}.version`,
                value: reader.uint32()
              }
              break
            }
            case 2: {
              if (opts.limits?.suite != null && obj.suite === opts.limits.suite) {
                throw new MaxLengthError('Streaming decode error - repeated field "suite" had too many elements')
              }

              yield {
                field: `${prefix}.suite[]`,
                index: obj.suite,
                value: reader.string()
              }

              obj.suite++

              break
            }
            case 3: {
              yield {
                field: `${prefix}.network`,
                value: reader.bytes()
              }
              break
            }
            case 4: {
              yield {
                field: `${prefix}.clusterPublicKey`,
                value: reader.bytes()
              }
              break
            }
            case 5: {
              yield {
                field: `${prefix}.k256RootPublicKey`,
                value: reader.bytes()
              }
              break
            }
            case 6: {
              yield {
                field: `${prefix}.caRootPublicKey`,
                value: reader.bytes()
              }
              break
            }
            case 7: {
              yield {
                field: `${prefix}.policyHash`,
                value: reader.bytes()
              }
              break
            }
            case 8: {
              yield {
                field: `${prefix}.createdAt`,
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

  export interface GenesisRecordVersionFieldEvent {
    field: '$.version'
    value: number
  }

  export interface GenesisRecordSuiteFieldEvent {
    field: '$.suite[]'
    index: number
    value: string
  }

  export interface GenesisRecordNetworkFieldEvent {
    field: '$.network'
    value: Uint8Array
  }

  export interface GenesisRecordClusterPublicKeyFieldEvent {
    field: '$.clusterPublicKey'
    value: Uint8Array
  }

  export interface GenesisRecordK256RootPublicKeyFieldEvent {
    field: '$.k256RootPublicKey'
    value: Uint8Array
  }

  export interface GenesisRecordCaRootPublicKeyFieldEvent {
    field: '$.caRootPublicKey'
    value: Uint8Array
  }

  export interface GenesisRecordPolicyHashFieldEvent {
    field: '$.policyHash'
    value: Uint8Array
  }

  export interface GenesisRecordCreatedAtFieldEvent {
    field: '$.createdAt'
    value: number
  }

  export function encode (obj: Partial<GenesisRecord>): Uint8Array {
    return encodeMessage(obj, GenesisRecord.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<GenesisRecord>): GenesisRecord {
    return decodeMessage(buf, GenesisRecord.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<GenesisRecord>): Generator<GenesisRecordVersionFieldEvent | GenesisRecordSuiteFieldEvent | GenesisRecordNetworkFieldEvent | GenesisRecordClusterPublicKeyFieldEvent | GenesisRecordK256RootPublicKeyFieldEvent | GenesisRecordCaRootPublicKeyFieldEvent | GenesisRecordPolicyHashFieldEvent | GenesisRecordCreatedAtFieldEvent> {
    return streamMessage(buf, GenesisRecord.codec(), opts)
  }
}

export interface GenesisBundle {
  record: Uint8Array
  signature: Uint8Array
  policy: Uint8Array
  evidence: Uint8Array
  anchorProof?: Uint8Array
}

export namespace GenesisBundle {
  let _codec: Codec<GenesisBundle>

  export const codec = (): Codec<GenesisBundle> => {
    if (_codec == null) {
      _codec = message<GenesisBundle>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if ((obj.record != null && obj.record.byteLength > 0)) {
          w.uint32(10)
          w.bytes(obj.record)
        }

        if ((obj.signature != null && obj.signature.byteLength > 0)) {
          w.uint32(18)
          w.bytes(obj.signature)
        }

        if ((obj.policy != null && obj.policy.byteLength > 0)) {
          w.uint32(26)
          w.bytes(obj.policy)
        }

        if ((obj.evidence != null && obj.evidence.byteLength > 0)) {
          w.uint32(34)
          w.bytes(obj.evidence)
        }

        if (obj.anchorProof != null) {
          w.uint32(42)
          w.bytes(obj.anchorProof)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          record: uint8ArrayAlloc(0),
          signature: uint8ArrayAlloc(0),
          policy: uint8ArrayAlloc(0),
          evidence: uint8ArrayAlloc(0)
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.record = reader.bytes()
              break
            }
            case 2: {
              obj.signature = reader.bytes()
              break
            }
            case 3: {
              obj.policy = reader.bytes()
              break
            }
            case 4: {
              obj.evidence = reader.bytes()
              break
            }
            case 5: {
              obj.anchorProof = reader.bytes()
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
                field: `${prefix}.record`,
                value: reader.bytes()
              }
              break
            }
            case 2: {
              yield {
                field: `${prefix}.signature`,
                value: reader.bytes()
              }
              break
            }
            case 3: {
              yield {
                field: `${prefix}.policy`,
                value: reader.bytes()
              }
              break
            }
            case 4: {
              yield {
                field: `${prefix}.evidence`,
                value: reader.bytes()
              }
              break
            }
            case 5: {
              yield {
                field: `${prefix}.anchorProof`,
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

  export interface GenesisBundleRecordFieldEvent {
    field: '$.record'
    value: Uint8Array
  }

  export interface GenesisBundleSignatureFieldEvent {
    field: '$.signature'
    value: Uint8Array
  }

  export interface GenesisBundlePolicyFieldEvent {
    field: '$.policy'
    value: Uint8Array
  }

  export interface GenesisBundleEvidenceFieldEvent {
    field: '$.evidence'
    value: Uint8Array
  }

  export interface GenesisBundleAnchorProofFieldEvent {
    field: '$.anchorProof'
    value: Uint8Array
  }

  export function encode (obj: Partial<GenesisBundle>): Uint8Array {
    return encodeMessage(obj, GenesisBundle.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<GenesisBundle>): GenesisBundle {
    return decodeMessage(buf, GenesisBundle.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<GenesisBundle>): Generator<GenesisBundleRecordFieldEvent | GenesisBundleSignatureFieldEvent | GenesisBundlePolicyFieldEvent | GenesisBundleEvidenceFieldEvent | GenesisBundleAnchorProofFieldEvent> {
    return streamMessage(buf, GenesisBundle.codec(), opts)
  }
}
