// Generated from challenge.proto by npm run proto. Do not edit.
// @ts-nocheck
import { decodeMessage, encodeMessage, message, streamMessage } from 'protons-runtime'
import { alloc as uint8ArrayAlloc } from 'uint8arrays/alloc'
import type { Codec, DecodeOptions } from 'protons-runtime'
import type { Uint8ArrayList } from 'uint8arraylist'

export interface ChallengeMessage {
  challenge?: Challenge
  answer?: Answer
  verdict?: Verdict
  refusal?: Uint8Array
  ask?: Ask
}

export namespace ChallengeMessage {
  let _codec: Codec<ChallengeMessage>

  export const codec = (): Codec<ChallengeMessage> => {
    if (_codec == null) {
      _codec = message<ChallengeMessage>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        obj = { ...obj }

        if (obj.ask != null) {
          obj.refusal = undefined
          obj.verdict = undefined
          obj.answer = undefined
          obj.challenge = undefined
        }

        if (obj.refusal != null) {
          obj.ask = undefined
          obj.verdict = undefined
          obj.answer = undefined
          obj.challenge = undefined
        }

        if (obj.verdict != null) {
          obj.ask = undefined
          obj.refusal = undefined
          obj.answer = undefined
          obj.challenge = undefined
        }

        if (obj.answer != null) {
          obj.ask = undefined
          obj.refusal = undefined
          obj.verdict = undefined
          obj.challenge = undefined
        }

        if (obj.challenge != null) {
          obj.ask = undefined
          obj.refusal = undefined
          obj.verdict = undefined
          obj.answer = undefined
        }

        if (obj.challenge != null) {
          w.uint32(10)
          Challenge.codec().encode(obj.challenge, w)
        }

        if (obj.answer != null) {
          w.uint32(18)
          Answer.codec().encode(obj.answer, w)
        }

        if (obj.verdict != null) {
          w.uint32(26)
          Verdict.codec().encode(obj.verdict, w)
        }

        if (obj.refusal != null) {
          w.uint32(34)
          w.bytes(obj.refusal)
        }

        if (obj.ask != null) {
          w.uint32(42)
          Ask.codec().encode(obj.ask, w)
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
              obj.answer = Answer.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.answer
              })
              break
            }
            case 3: {
              obj.verdict = Verdict.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.verdict
              })
              break
            }
            case 4: {
              obj.refusal = reader.bytes()
              break
            }
            case 5: {
              obj.ask = Ask.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.ask
              })
              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }

        if (obj.ask != null) {
          delete obj.refusal
          delete obj.verdict
          delete obj.answer
          delete obj.challenge
        }

        if (obj.refusal != null) {
          delete obj.ask
          delete obj.verdict
          delete obj.answer
          delete obj.challenge
        }

        if (obj.verdict != null) {
          delete obj.ask
          delete obj.refusal
          delete obj.answer
          delete obj.challenge
        }

        if (obj.answer != null) {
          delete obj.ask
          delete obj.refusal
          delete obj.verdict
          delete obj.challenge
        }

        if (obj.challenge != null) {
          delete obj.ask
          delete obj.refusal
          delete obj.verdict
          delete obj.answer
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
              yield * Answer.codec().stream(reader, reader.uint32(), `${prefix}.answer`, {
                limits: opts.limits?.answer
              })

              break
            }
            case 3: {
              yield * Verdict.codec().stream(reader, reader.uint32(), `${prefix}.verdict`, {
                limits: opts.limits?.verdict
              })

              break
            }
            case 4: {
              yield {
                field: `${prefix}.refusal`,
                value: reader.bytes()
              }
              break
            }
            case 5: {
              yield * Ask.codec().stream(reader, reader.uint32(), `${prefix}.ask`, {
                limits: opts.limits?.ask
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

  export interface ChallengeMessageChallengeClusterIdFieldEvent {
    field: '$.challenge.clusterId'
    value: Uint8Array
  }

  export interface ChallengeMessageChallengeVerifierNonceFieldEvent {
    field: '$.challenge.verifierNonce'
    value: Uint8Array
  }

  export interface ChallengeMessageChallengeEpochFieldEvent {
    field: '$.challenge.epoch'
    value: number
  }

  export interface ChallengeMessageAnswerEvidenceFieldEvent {
    field: '$.answer.evidence'
    value: Uint8Array
  }

  export interface ChallengeMessageAnswerSignatureFieldEvent {
    field: '$.answer.signature'
    value: Uint8Array
  }

  export interface ChallengeMessageVerdictCredentialFieldEvent {
    field: '$.verdict.credential'
    value: Uint8Array
  }

  export interface ChallengeMessageRefusalFieldEvent {
    field: '$.refusal'
    value: Uint8Array
  }

  export interface ChallengeMessageAskClusterIdFieldEvent {
    field: '$.ask.clusterId'
    value: Uint8Array
  }

  export function encode (obj: Partial<ChallengeMessage>): Uint8Array {
    return encodeMessage(obj, ChallengeMessage.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<ChallengeMessage>): ChallengeMessage {
    return decodeMessage(buf, ChallengeMessage.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<ChallengeMessage>): Generator<ChallengeMessageChallengeClusterIdFieldEvent | ChallengeMessageChallengeVerifierNonceFieldEvent | ChallengeMessageChallengeEpochFieldEvent | ChallengeMessageAnswerEvidenceFieldEvent | ChallengeMessageAnswerSignatureFieldEvent | ChallengeMessageVerdictCredentialFieldEvent | ChallengeMessageRefusalFieldEvent | ChallengeMessageAskClusterIdFieldEvent> {
    return streamMessage(buf, ChallengeMessage.codec(), opts)
  }
}

export interface Challenge {
  clusterId: Uint8Array
  verifierNonce: Uint8Array
  epoch: number
}

export namespace Challenge {
  let _codec: Codec<Challenge>

  export const codec = (): Codec<Challenge> => {
    if (_codec == null) {
      _codec = message<Challenge>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if ((obj.clusterId != null && obj.clusterId.byteLength > 0)) {
          w.uint32(10)
          w.bytes(obj.clusterId)
        }

        if ((obj.verifierNonce != null && obj.verifierNonce.byteLength > 0)) {
          w.uint32(18)
          w.bytes(obj.verifierNonce)
        }

        if ((obj.epoch != null && obj.epoch !== 0)) {
          w.uint32(24)
          w.uint32(obj.epoch)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          clusterId: uint8ArrayAlloc(0),
          verifierNonce: uint8ArrayAlloc(0),
          epoch: 0
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
              obj.verifierNonce = reader.bytes()
              break
            }
            case 3: {
              obj.epoch = reader.uint32()
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
                field: `${prefix}.verifierNonce`,
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

  export interface ChallengeClusterIdFieldEvent {
    field: '$.clusterId'
    value: Uint8Array
  }

  export interface ChallengeVerifierNonceFieldEvent {
    field: '$.verifierNonce'
    value: Uint8Array
  }

  export interface ChallengeEpochFieldEvent {
    field: '$.epoch'
    value: number
  }

  export function encode (obj: Partial<Challenge>): Uint8Array {
    return encodeMessage(obj, Challenge.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Challenge>): Challenge {
    return decodeMessage(buf, Challenge.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Challenge>): Generator<ChallengeClusterIdFieldEvent | ChallengeVerifierNonceFieldEvent | ChallengeEpochFieldEvent> {
    return streamMessage(buf, Challenge.codec(), opts)
  }
}

export interface Answer {
  evidence: Uint8Array
  signature: Uint8Array
}

export namespace Answer {
  let _codec: Codec<Answer>

  export const codec = (): Codec<Answer> => {
    if (_codec == null) {
      _codec = message<Answer>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if ((obj.evidence != null && obj.evidence.byteLength > 0)) {
          w.uint32(10)
          w.bytes(obj.evidence)
        }

        if ((obj.signature != null && obj.signature.byteLength > 0)) {
          w.uint32(18)
          w.bytes(obj.signature)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          evidence: uint8ArrayAlloc(0),
          signature: uint8ArrayAlloc(0)
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.evidence = reader.bytes()
              break
            }
            case 2: {
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
                field: `${prefix}.evidence`,
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

  export interface AnswerEvidenceFieldEvent {
    field: '$.evidence'
    value: Uint8Array
  }

  export interface AnswerSignatureFieldEvent {
    field: '$.signature'
    value: Uint8Array
  }

  export function encode (obj: Partial<Answer>): Uint8Array {
    return encodeMessage(obj, Answer.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Answer>): Answer {
    return decodeMessage(buf, Answer.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Answer>): Generator<AnswerEvidenceFieldEvent | AnswerSignatureFieldEvent> {
    return streamMessage(buf, Answer.codec(), opts)
  }
}

export interface Verdict {
  credential: Uint8Array
}

export namespace Verdict {
  let _codec: Codec<Verdict>

  export const codec = (): Codec<Verdict> => {
    if (_codec == null) {
      _codec = message<Verdict>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if ((obj.credential != null && obj.credential.byteLength > 0)) {
          w.uint32(10)
          w.bytes(obj.credential)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          credential: uint8ArrayAlloc(0)
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.credential = reader.bytes()
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
                field: `${prefix}.credential`,
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

  export interface VerdictCredentialFieldEvent {
    field: '$.credential'
    value: Uint8Array
  }

  export function encode (obj: Partial<Verdict>): Uint8Array {
    return encodeMessage(obj, Verdict.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Verdict>): Verdict {
    return decodeMessage(buf, Verdict.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Verdict>): Generator<VerdictCredentialFieldEvent> {
    return streamMessage(buf, Verdict.codec(), opts)
  }
}

export interface Ask {
  clusterId: Uint8Array
}

export namespace Ask {
  let _codec: Codec<Ask>

  export const codec = (): Codec<Ask> => {
    if (_codec == null) {
      _codec = message<Ask>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if ((obj.clusterId != null && obj.clusterId.byteLength > 0)) {
          w.uint32(10)
          w.bytes(obj.clusterId)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          clusterId: uint8ArrayAlloc(0)
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.clusterId = reader.bytes()
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

  export interface AskClusterIdFieldEvent {
    field: '$.clusterId'
    value: Uint8Array
  }

  export function encode (obj: Partial<Ask>): Uint8Array {
    return encodeMessage(obj, Ask.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Ask>): Ask {
    return decodeMessage(buf, Ask.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Ask>): Generator<AskClusterIdFieldEvent> {
    return streamMessage(buf, Ask.codec(), opts)
  }
}

export interface Revocation {
  clusterId: Uint8Array
  epoch: number
  challenge: Uint8Array
  answer: Uint8Array
  member: Uint8Array
  verifier: Uint8Array
}

export namespace Revocation {
  let _codec: Codec<Revocation>

  export const codec = (): Codec<Revocation> => {
    if (_codec == null) {
      _codec = message<Revocation>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if ((obj.clusterId != null && obj.clusterId.byteLength > 0)) {
          w.uint32(10)
          w.bytes(obj.clusterId)
        }

        if ((obj.epoch != null && obj.epoch !== 0)) {
          w.uint32(16)
          w.uint32(obj.epoch)
        }

        if ((obj.challenge != null && obj.challenge.byteLength > 0)) {
          w.uint32(26)
          w.bytes(obj.challenge)
        }

        if ((obj.answer != null && obj.answer.byteLength > 0)) {
          w.uint32(34)
          w.bytes(obj.answer)
        }

        if ((obj.member != null && obj.member.byteLength > 0)) {
          w.uint32(42)
          w.bytes(obj.member)
        }

        if ((obj.verifier != null && obj.verifier.byteLength > 0)) {
          w.uint32(50)
          w.bytes(obj.verifier)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          clusterId: uint8ArrayAlloc(0),
          epoch: 0,
          challenge: uint8ArrayAlloc(0),
          answer: uint8ArrayAlloc(0),
          member: uint8ArrayAlloc(0),
          verifier: uint8ArrayAlloc(0)
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
              obj.epoch = reader.uint32()
              break
            }
            case 3: {
              obj.challenge = reader.bytes()
              break
            }
            case 4: {
              obj.answer = reader.bytes()
              break
            }
            case 5: {
              obj.member = reader.bytes()
              break
            }
            case 6: {
              obj.verifier = reader.bytes()
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
                field: `${prefix}.epoch`,
                value: reader.uint32()
              }
              break
            }
            case 3: {
              yield {
                field: `${prefix}.challenge`,
                value: reader.bytes()
              }
              break
            }
            case 4: {
              yield {
                field: `${prefix}.answer`,
                value: reader.bytes()
              }
              break
            }
            case 5: {
              yield {
                field: `${prefix}.member`,
                value: reader.bytes()
              }
              break
            }
            case 6: {
              yield {
                field: `${prefix}.verifier`,
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

  export interface RevocationClusterIdFieldEvent {
    field: '$.clusterId'
    value: Uint8Array
  }

  export interface RevocationEpochFieldEvent {
    field: '$.epoch'
    value: number
  }

  export interface RevocationChallengeFieldEvent {
    field: '$.challenge'
    value: Uint8Array
  }

  export interface RevocationAnswerFieldEvent {
    field: '$.answer'
    value: Uint8Array
  }

  export interface RevocationMemberFieldEvent {
    field: '$.member'
    value: Uint8Array
  }

  export interface RevocationVerifierFieldEvent {
    field: '$.verifier'
    value: Uint8Array
  }

  export function encode (obj: Partial<Revocation>): Uint8Array {
    return encodeMessage(obj, Revocation.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Revocation>): Revocation {
    return decodeMessage(buf, Revocation.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Revocation>): Generator<RevocationClusterIdFieldEvent | RevocationEpochFieldEvent | RevocationChallengeFieldEvent | RevocationAnswerFieldEvent | RevocationMemberFieldEvent | RevocationVerifierFieldEvent> {
    return streamMessage(buf, Revocation.codec(), opts)
  }
}
