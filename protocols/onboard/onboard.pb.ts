// Generated from onboard.proto by npm run proto. Do not edit.
// @ts-nocheck
/* eslint-disable require-yield */

import { decodeMessage, encodeMessage, MaxLengthError, message, streamMessage } from 'protons-runtime'
import { alloc as uint8ArrayAlloc } from 'uint8arrays/alloc'
import type { Codec, DecodeOptions } from 'protons-runtime'
import type { Uint8ArrayList } from 'uint8arraylist'

export interface FromJoiner {
  hello?: Hello
  request?: Request
  done?: Done
}

export namespace FromJoiner {
  let _codec: Codec<FromJoiner>

  export const codec = (): Codec<FromJoiner> => {
    if (_codec == null) {
      _codec = message<FromJoiner>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        obj = { ...obj }

        if (obj.done != null) {
          obj.request = undefined
          obj.hello = undefined
        }

        if (obj.request != null) {
          obj.done = undefined
          obj.hello = undefined
        }

        if (obj.hello != null) {
          obj.done = undefined
          obj.request = undefined
        }

        if (obj.hello != null) {
          w.uint32(10)
          Hello.codec().encode(obj.hello, w)
        }

        if (obj.request != null) {
          w.uint32(18)
          Request.codec().encode(obj.request, w)
        }

        if (obj.done != null) {
          w.uint32(26)
          Done.codec().encode(obj.done, w)
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
              obj.hello = Hello.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.hello
              })
              break
            }
            case 2: {
              obj.request = Request.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.request
              })
              break
            }
            case 3: {
              obj.done = Done.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.done
              })
              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }

        if (obj.done != null) {
          delete obj.request
          delete obj.hello
        }

        if (obj.request != null) {
          delete obj.done
          delete obj.hello
        }

        if (obj.hello != null) {
          delete obj.done
          delete obj.request
        }

        return obj
      }, function * (reader, length, prefix, opts = {}) {
        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              yield * Hello.codec().stream(reader, reader.uint32(), `${prefix}.hello`, {
                limits: opts.limits?.hello
              })

              break
            }
            case 2: {
              yield * Request.codec().stream(reader, reader.uint32(), `${prefix}.request`, {
                limits: opts.limits?.request
              })

              break
            }
            case 3: {
              yield * Done.codec().stream(reader, reader.uint32(), `${prefix}.done`, {
                limits: opts.limits?.done
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

  export interface FromJoinerHelloClusterIdFieldEvent {
    field: '$.hello.clusterId'
    value: Uint8Array
  }

  export interface FromJoinerHelloJoinerNonceFieldEvent {
    field: '$.hello.joinerNonce'
    value: Uint8Array
  }

  export interface FromJoinerRequestKemPublicKeyFieldEvent {
    field: '$.request.kemPublicKey'
    value: Uint8Array
  }

  export interface FromJoinerRequestEvidenceFieldEvent {
    field: '$.request.evidence'
    value: Uint8Array
  }

  export function encode (obj: Partial<FromJoiner>): Uint8Array {
    return encodeMessage(obj, FromJoiner.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<FromJoiner>): FromJoiner {
    return decodeMessage(buf, FromJoiner.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<FromJoiner>): Generator<FromJoinerHelloClusterIdFieldEvent | FromJoinerHelloJoinerNonceFieldEvent | FromJoinerRequestKemPublicKeyFieldEvent | FromJoinerRequestEvidenceFieldEvent> {
    return streamMessage(buf, FromJoiner.codec(), opts)
  }
}

export interface FromOnboarder {
  challenge?: Challenge
  grant?: Grant
  refusal?: Uint8Array
}

export namespace FromOnboarder {
  let _codec: Codec<FromOnboarder>

  export const codec = (): Codec<FromOnboarder> => {
    if (_codec == null) {
      _codec = message<FromOnboarder>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        obj = { ...obj }

        if (obj.refusal != null) {
          obj.grant = undefined
          obj.challenge = undefined
        }

        if (obj.grant != null) {
          obj.refusal = undefined
          obj.challenge = undefined
        }

        if (obj.challenge != null) {
          obj.refusal = undefined
          obj.grant = undefined
        }

        if (obj.challenge != null) {
          w.uint32(10)
          Challenge.codec().encode(obj.challenge, w)
        }

        if (obj.grant != null) {
          w.uint32(18)
          Grant.codec().encode(obj.grant, w)
        }

        if (obj.refusal != null) {
          w.uint32(26)
          w.bytes(obj.refusal)
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
              obj.challenge = Challenge.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.challenge
              })
              break
            }
            case 2: {
              obj.grant = Grant.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.grant
              })
              break
            }
            case 3: {
              obj.refusal = reader.bytes()
              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }

        if (obj.refusal != null) {
          delete obj.grant
          delete obj.challenge
        }

        if (obj.grant != null) {
          delete obj.refusal
          delete obj.challenge
        }

        if (obj.challenge != null) {
          delete obj.refusal
          delete obj.grant
        }

        return obj
      }, function * (reader, length, prefix, opts = {}) {
        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              yield * Challenge.codec().stream(reader, reader.uint32(), `${prefix}.challenge`, {
                limits: opts.limits?.challenge
              })

              break
            }
            case 2: {
              yield * Grant.codec().stream(reader, reader.uint32(), `${prefix}.grant`, {
                limits: opts.limits?.grant
              })

              break
            }
            case 3: {
              yield {
                field: `${prefix}.refusal`,
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

  export interface FromOnboarderChallengeOnboarderNonceFieldEvent {
    field: '$.challenge.onboarderNonce'
    value: Uint8Array
  }

  export interface FromOnboarderChallengeGenesisHashFieldEvent {
    field: '$.challenge.genesisHash'
    value: Uint8Array
  }

  export interface FromOnboarderChallengeSignatureFieldEvent {
    field: '$.challenge.signature'
    value: Uint8Array
  }

  export interface FromOnboarderGrantEncFieldEvent {
    field: '$.grant.enc'
    value: Uint8Array
  }

  export interface FromOnboarderGrantCiphertextFieldEvent {
    field: '$.grant.ciphertext'
    value: Uint8Array
  }

  export interface FromOnboarderRefusalFieldEvent {
    field: '$.refusal'
    value: Uint8Array
  }

  export function encode (obj: Partial<FromOnboarder>): Uint8Array {
    return encodeMessage(obj, FromOnboarder.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<FromOnboarder>): FromOnboarder {
    return decodeMessage(buf, FromOnboarder.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<FromOnboarder>): Generator<FromOnboarderChallengeOnboarderNonceFieldEvent | FromOnboarderChallengeGenesisHashFieldEvent | FromOnboarderChallengeSignatureFieldEvent | FromOnboarderGrantEncFieldEvent | FromOnboarderGrantCiphertextFieldEvent | FromOnboarderRefusalFieldEvent> {
    return streamMessage(buf, FromOnboarder.codec(), opts)
  }
}

export interface Hello {
  clusterId: Uint8Array
  joinerNonce: Uint8Array
}

export namespace Hello {
  let _codec: Codec<Hello>

  export const codec = (): Codec<Hello> => {
    if (_codec == null) {
      _codec = message<Hello>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if ((obj.clusterId != null && obj.clusterId.byteLength > 0)) {
          w.uint32(10)
          w.bytes(obj.clusterId)
        }

        if ((obj.joinerNonce != null && obj.joinerNonce.byteLength > 0)) {
          w.uint32(18)
          w.bytes(obj.joinerNonce)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          clusterId: uint8ArrayAlloc(0),
          joinerNonce: uint8ArrayAlloc(0)
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
              obj.joinerNonce = reader.bytes()
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
                field: `${prefix}.joinerNonce`,
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

  export interface HelloClusterIdFieldEvent {
    field: '$.clusterId'
    value: Uint8Array
  }

  export interface HelloJoinerNonceFieldEvent {
    field: '$.joinerNonce'
    value: Uint8Array
  }

  export function encode (obj: Partial<Hello>): Uint8Array {
    return encodeMessage(obj, Hello.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Hello>): Hello {
    return decodeMessage(buf, Hello.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Hello>): Generator<HelloClusterIdFieldEvent | HelloJoinerNonceFieldEvent> {
    return streamMessage(buf, Hello.codec(), opts)
  }
}

export interface Challenge {
  onboarderNonce: Uint8Array
  genesisHash: Uint8Array
  signature: Uint8Array
}

export namespace Challenge {
  let _codec: Codec<Challenge>

  export const codec = (): Codec<Challenge> => {
    if (_codec == null) {
      _codec = message<Challenge>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if ((obj.onboarderNonce != null && obj.onboarderNonce.byteLength > 0)) {
          w.uint32(10)
          w.bytes(obj.onboarderNonce)
        }

        if ((obj.genesisHash != null && obj.genesisHash.byteLength > 0)) {
          w.uint32(18)
          w.bytes(obj.genesisHash)
        }

        if ((obj.signature != null && obj.signature.byteLength > 0)) {
          w.uint32(26)
          w.bytes(obj.signature)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          onboarderNonce: uint8ArrayAlloc(0),
          genesisHash: uint8ArrayAlloc(0),
          signature: uint8ArrayAlloc(0)
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.onboarderNonce = reader.bytes()
              break
            }
            case 2: {
              obj.genesisHash = reader.bytes()
              break
            }
            case 3: {
              obj.signature = reader.bytes()
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
                field: `${prefix}.onboarderNonce`,
                value: reader.bytes()
              }
              break
            }
            case 2: {
              yield {
                field: `${prefix}.genesisHash`,
                value: reader.bytes()
              }
              break
            }
            case 3: {
              yield {
                field: `${prefix}.signature`,
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

  export interface ChallengeOnboarderNonceFieldEvent {
    field: '$.onboarderNonce'
    value: Uint8Array
  }

  export interface ChallengeGenesisHashFieldEvent {
    field: '$.genesisHash'
    value: Uint8Array
  }

  export interface ChallengeSignatureFieldEvent {
    field: '$.signature'
    value: Uint8Array
  }

  export function encode (obj: Partial<Challenge>): Uint8Array {
    return encodeMessage(obj, Challenge.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Challenge>): Challenge {
    return decodeMessage(buf, Challenge.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Challenge>): Generator<ChallengeOnboarderNonceFieldEvent | ChallengeGenesisHashFieldEvent | ChallengeSignatureFieldEvent> {
    return streamMessage(buf, Challenge.codec(), opts)
  }
}

export interface Request {
  kemPublicKey: Uint8Array
  evidence: Uint8Array
}

export namespace Request {
  let _codec: Codec<Request>

  export const codec = (): Codec<Request> => {
    if (_codec == null) {
      _codec = message<Request>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if ((obj.kemPublicKey != null && obj.kemPublicKey.byteLength > 0)) {
          w.uint32(10)
          w.bytes(obj.kemPublicKey)
        }

        if ((obj.evidence != null && obj.evidence.byteLength > 0)) {
          w.uint32(18)
          w.bytes(obj.evidence)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          kemPublicKey: uint8ArrayAlloc(0),
          evidence: uint8ArrayAlloc(0)
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.kemPublicKey = reader.bytes()
              break
            }
            case 2: {
              obj.evidence = reader.bytes()
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
                field: `${prefix}.kemPublicKey`,
                value: reader.bytes()
              }
              break
            }
            case 2: {
              yield {
                field: `${prefix}.evidence`,
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

  export interface RequestKemPublicKeyFieldEvent {
    field: '$.kemPublicKey'
    value: Uint8Array
  }

  export interface RequestEvidenceFieldEvent {
    field: '$.evidence'
    value: Uint8Array
  }

  export function encode (obj: Partial<Request>): Uint8Array {
    return encodeMessage(obj, Request.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Request>): Request {
    return decodeMessage(buf, Request.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Request>): Generator<RequestKemPublicKeyFieldEvent | RequestEvidenceFieldEvent> {
    return streamMessage(buf, Request.codec(), opts)
  }
}

export interface Grant {
  enc: Uint8Array
  ciphertext: Uint8Array
}

export namespace Grant {
  let _codec: Codec<Grant>

  export const codec = (): Codec<Grant> => {
    if (_codec == null) {
      _codec = message<Grant>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if ((obj.enc != null && obj.enc.byteLength > 0)) {
          w.uint32(10)
          w.bytes(obj.enc)
        }

        if ((obj.ciphertext != null && obj.ciphertext.byteLength > 0)) {
          w.uint32(18)
          w.bytes(obj.ciphertext)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          enc: uint8ArrayAlloc(0),
          ciphertext: uint8ArrayAlloc(0)
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.enc = reader.bytes()
              break
            }
            case 2: {
              obj.ciphertext = reader.bytes()
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
                field: `${prefix}.enc`,
                value: reader.bytes()
              }
              break
            }
            case 2: {
              yield {
                field: `${prefix}.ciphertext`,
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

  export interface GrantEncFieldEvent {
    field: '$.enc'
    value: Uint8Array
  }

  export interface GrantCiphertextFieldEvent {
    field: '$.ciphertext'
    value: Uint8Array
  }

  export function encode (obj: Partial<Grant>): Uint8Array {
    return encodeMessage(obj, Grant.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Grant>): Grant {
    return decodeMessage(buf, Grant.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Grant>): Generator<GrantEncFieldEvent | GrantCiphertextFieldEvent> {
    return streamMessage(buf, Grant.codec(), opts)
  }
}

export interface Done {}

export namespace Done {
  let _codec: Codec<Done>

  export const codec = (): Codec<Done> => {
    if (_codec == null) {
      _codec = message<Done>((obj, w, opts = {}) => {
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

  export function encode (obj: Partial<Done>): Uint8Array {
    return encodeMessage(obj, Done.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Done>): Done {
    return decodeMessage(buf, Done.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Done>): Generator<{}> {
    return streamMessage(buf, Done.codec(), opts)
  }
}

export interface GrantPlaintext {
  keyring: EpochSecret[]
  credential: Uint8Array
  genesis: Uint8Array
  onboarderCredential: Uint8Array
  onboarderEvidence: Uint8Array
}

export namespace GrantPlaintext {
  let _codec: Codec<GrantPlaintext>

  export const codec = (): Codec<GrantPlaintext> => {
    if (_codec == null) {
      _codec = message<GrantPlaintext>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if (obj.keyring != null && obj.keyring.length > 0) {
          for (const value of obj.keyring) {
            w.uint32(10)
            EpochSecret.codec().encode(value, w)
          }
        }

        if ((obj.credential != null && obj.credential.byteLength > 0)) {
          w.uint32(18)
          w.bytes(obj.credential)
        }

        if ((obj.genesis != null && obj.genesis.byteLength > 0)) {
          w.uint32(26)
          w.bytes(obj.genesis)
        }

        if ((obj.onboarderCredential != null && obj.onboarderCredential.byteLength > 0)) {
          w.uint32(34)
          w.bytes(obj.onboarderCredential)
        }

        if ((obj.onboarderEvidence != null && obj.onboarderEvidence.byteLength > 0)) {
          w.uint32(42)
          w.bytes(obj.onboarderEvidence)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          keyring: [],
          credential: uint8ArrayAlloc(0),
          genesis: uint8ArrayAlloc(0),
          onboarderCredential: uint8ArrayAlloc(0),
          onboarderEvidence: uint8ArrayAlloc(0)
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              if (opts.limits?.keyring != null && obj.keyring.length === opts.limits.keyring) {
                throw new MaxLengthError('Decode error - repeated field "keyring" had too many elements')
              }

              obj.keyring.push(EpochSecret.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.keyring$
              }))
              break
            }
            case 2: {
              obj.credential = reader.bytes()
              break
            }
            case 3: {
              obj.genesis = reader.bytes()
              break
            }
            case 4: {
              obj.onboarderCredential = reader.bytes()
              break
            }
            case 5: {
              obj.onboarderEvidence = reader.bytes()
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
          keyring: 0
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              if (opts.limits?.keyring != null && obj.keyring === opts.limits.keyring) {
                throw new MaxLengthError('Streaming decode error - repeated field "keyring" had too many elements')
              }

              for (const evt of EpochSecret.codec().stream(reader, reader.uint32(), `${prefix}.keyring[]`, {
                limits: opts.limits?.keyring$
              })) {
                yield {
                  ...evt,
                  index: obj.keyring
                }
              }

              obj.keyring++

              break
            }
            case 2: {
              yield {
                field: `${prefix}.credential`,
                value: reader.bytes()
              }
              break
            }
            case 3: {
              yield {
                field: `${prefix}.genesis`,
                value: reader.bytes()
              }
              break
            }
            case 4: {
              yield {
                field: `${prefix}.onboarderCredential`,
                value: reader.bytes()
              }
              break
            }
            case 5: {
              yield {
                field: `${prefix}.onboarderEvidence`,
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

  export interface GrantPlaintextKeyringEpochFieldEvent {
    field: '$.keyring[].epoch'
    value: number
    index: number
  }

  export interface GrantPlaintextKeyringSecretFieldEvent {
    field: '$.keyring[].secret'
    value: Uint8Array
    index: number
  }

  export interface GrantPlaintextCredentialFieldEvent {
    field: '$.credential'
    value: Uint8Array
  }

  export interface GrantPlaintextGenesisFieldEvent {
    field: '$.genesis'
    value: Uint8Array
  }

  export interface GrantPlaintextOnboarderCredentialFieldEvent {
    field: '$.onboarderCredential'
    value: Uint8Array
  }

  export interface GrantPlaintextOnboarderEvidenceFieldEvent {
    field: '$.onboarderEvidence'
    value: Uint8Array
  }

  export function encode (obj: Partial<GrantPlaintext>): Uint8Array {
    return encodeMessage(obj, GrantPlaintext.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<GrantPlaintext>): GrantPlaintext {
    return decodeMessage(buf, GrantPlaintext.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<GrantPlaintext>): Generator<GrantPlaintextKeyringEpochFieldEvent | GrantPlaintextKeyringSecretFieldEvent | GrantPlaintextCredentialFieldEvent | GrantPlaintextGenesisFieldEvent | GrantPlaintextOnboarderCredentialFieldEvent | GrantPlaintextOnboarderEvidenceFieldEvent> {
    return streamMessage(buf, GrantPlaintext.codec(), opts)
  }
}

export interface EpochSecret {
  epoch: number
  secret: Uint8Array
}

export namespace EpochSecret {
  let _codec: Codec<EpochSecret>

  export const codec = (): Codec<EpochSecret> => {
    if (_codec == null) {
      _codec = message<EpochSecret>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if ((obj.epoch != null && obj.epoch !== 0)) {
          w.uint32(8)
          w.uint32(obj.epoch)
        }

        if ((obj.secret != null && obj.secret.byteLength > 0)) {
          w.uint32(18)
          w.bytes(obj.secret)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          epoch: 0,
          secret: uint8ArrayAlloc(0)
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.epoch = reader.uint32()
              break
            }
            case 2: {
              obj.secret = reader.bytes()
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
                field: `${prefix}.epoch`,
                value: reader.uint32()
              }
              break
            }
            case 2: {
              yield {
                field: `${prefix}.secret`,
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

  export interface EpochSecretEpochFieldEvent {
    field: '$.epoch'
    value: number
  }

  export interface EpochSecretSecretFieldEvent {
    field: '$.secret'
    value: Uint8Array
  }

  export function encode (obj: Partial<EpochSecret>): Uint8Array {
    return encodeMessage(obj, EpochSecret.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<EpochSecret>): EpochSecret {
    return decodeMessage(buf, EpochSecret.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<EpochSecret>): Generator<EpochSecretEpochFieldEvent | EpochSecretSecretFieldEvent> {
    return streamMessage(buf, EpochSecret.codec(), opts)
  }
}
