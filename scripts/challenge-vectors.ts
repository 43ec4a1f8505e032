// The vectors of protocols/challenge, for scripts/vectors.ts.
import { answerSigned, challengeBinding } from '../protocols/challenge/exchange.ts'
import {
  encodeAnswer,
  encodeAsk,
  encodeChallenge,
  encodeRefusalMessage,
  encodeRevocation,
  encodeVerdict,
  type Revocation,
} from '../protocols/challenge/messages.ts'
import { type Binding, concat, peerSignedBytes, REFUSAL_CODES, reportData } from '../protocols/wire/index.ts'

interface Seeded {
  id: Uint8Array
  seed: Uint8Array
}
/** What the generator of all vectors has at hand. */
export interface VectorKit {
  clusterId: Uint8Array
  nowMs: number
  lifetimeMs: number
  verifier: Seeded
  member: Seeded
  stranger: Seeded
  /** Of the right form, but no quote. */
  evidenceOver(label: string, binding: Binding): Uint8Array
  /** Issued by the verifier to the member, over `tdDigest`. */
  credential: Uint8Array
  tdDigest: Uint8Array
  filler(label: string, length: number): Uint8Array
  flipped(bytes: Uint8Array, index: number): Uint8Array
  hex(bytes: Uint8Array): string
  len(field: number, ...content: Uint8Array[]): Uint8Array
  signWithSeed(seed: Uint8Array, bytes: Uint8Array): Uint8Array
}

export const challengeVectors = (kit: VectorKit) => {
  const { clusterId, verifier, member, stranger, filler, flipped, hex, len } = kit
  const parties = { clusterId, member: member.id, verifier: verifier.id }
  const decoded = { clusterId, verifierNonce: filler('verifier nonce', 32), epoch: 0 }
  const challenge = encodeChallenge(decoded)
  const binding = challengeBinding(parties, decoded)
  const evidence = kit.evidenceOver('challenged', binding)
  const signed = peerSignedBytes('challenge-answer', answerSigned(parties, challenge, evidence))
  const signature = kit.signWithSeed(member.seed, signed)
  const answer = encodeAnswer({ evidence, signature })
  const verdict = encodeVerdict({ credential: kit.credential })
  const ask = encodeAsk({ clusterId })
  const later = encodeChallenge({ ...decoded, epoch: 1 })

  const signedBy = (
    { seed }: Seeded,
    changes: Partial<{ member: Uint8Array; verifier: Uint8Array; challenge: Uint8Array; evidence: Uint8Array }> = {},
  ): Uint8Array => {
    const over = { ...parties, challenge, evidence, ...changes }
    const bytes = peerSignedBytes('challenge-answer', answerSigned(over, over.challenge, over.evidence))
    return encodeAnswer({ evidence: over.evidence, signature: kit.signWithSeed(seed, bytes) })
  }
  const good: Revocation = { clusterId, epoch: 0, challenge, answer, member: member.id, verifier: verifier.id }
  const revocation = (outcome: string, judge: string | undefined, changes: Partial<Revocation>, why?: string) => ({
    outcome,
    ...(judge !== undefined && { judge }),
    ...(why !== undefined && { why }),
    bytes: hex(encodeRevocation({ ...good, ...changes })),
  })
  const proving = ['bad_binding', 'quote_invalid', 'measurement_unacceptable', 'app_unacceptable', 'platform_unacceptable']
  const cases = (expects: string, rows: { why?: string; outcome: string; bytes: Uint8Array }[]) =>
    rows.map(({ bytes, ...rest }) => ({ expects, ...rest, bytes: hex(bytes) }))

  return {
    parties: { clusterId: hex(clusterId), member: hex(member.id), verifier: hex(verifier.id) },
    nowMs: kit.nowMs,
    credentialLifetimeMs: kit.lifetimeMs,
    exchange: {
      verifierNonce: hex(decoded.verifierNonce),
      binding: { context: binding.context, fields: binding.fields.map(hex) },
      reportData: hex(reportData(binding)),
      signed: hex(signed),
      tdDigest: hex(kit.tdDigest),
      ask: hex(ask),
      messages: [challenge, answer, verdict].map(hex),
    },
    messages: [
      ...cases('opening', [
        { outcome: 'decodes', bytes: challenge },
        { outcome: 'decodes', bytes: ask },
        { outcome: 'decodes', why: 'with an unknown field', bytes: concat([challenge, len(99)]) },
        { outcome: 'malformed', why: 'another message', bytes: verdict },
        { outcome: 'malformed', why: 'a Challenge and an Ask', bytes: concat([challenge, ask]) },
        { outcome: 'malformed', why: 'no nonce', bytes: len(1, len(1, clusterId)) },
        { outcome: 'malformed', why: 'a nonce of 31 bytes', bytes: len(1, len(1, clusterId), len(2, filler('nonce', 31))) },
        { outcome: 'malformed', why: 'a cluster id of 33 bytes', bytes: len(5, len(1, clusterId, Uint8Array.of(0))) },
        { outcome: 'malformed', why: 'cut off', bytes: challenge.slice(0, -1) },
        { outcome: 'malformed', why: 'empty', bytes: new Uint8Array(0) },
      ]),
      ...cases('challenge', [
        { outcome: 'decodes', bytes: challenge },
        { outcome: 'malformed', why: 'another message', bytes: ask },
        ...REFUSAL_CODES.map((code) => ({ outcome: `refused: ${code}`, bytes: encodeRefusalMessage({ code }) })),
      ]),
      ...cases('answer', [
        { outcome: 'decodes', bytes: answer },
        { outcome: 'refused: rate_limited', bytes: encodeRefusalMessage({ code: 'rate_limited', retryAfterMs: 900_000 }) },
        { outcome: 'malformed', why: 'the challenge again', bytes: challenge },
        { outcome: 'malformed', why: 'no signature', bytes: len(2, len(1, evidence)) },
        { outcome: 'malformed', why: 'a signature of 63 bytes', bytes: len(2, len(1, evidence), len(2, signature.slice(1))) },
        { outcome: 'malformed', why: 'the evidence twice', bytes: len(2, len(1, evidence), len(1, evidence), len(2, signature)) },
      ]),
      ...cases('verdict', [
        { outcome: 'decodes', bytes: verdict },
        { outcome: 'refused: collateral_expired', bytes: encodeRefusalMessage({ code: 'collateral_expired' }) },
        { outcome: 'malformed', why: 'an empty credential', bytes: len(3, len(1)) },
        { outcome: 'malformed', why: 'beside a refusal', bytes: concat([verdict, encodeRefusalMessage({ code: 'busy' })]) },
      ]),
    ],
    // What V finds in these answers to the challenge above, when its judge accepts all evidence.
    answers: [
      { outcome: 'accepted', bytes: answer },
      {
        outcome: 'bad_signature',
        why: 'a bit of the evidence changed',
        bytes: encodeAnswer({ evidence: flipped(evidence, 20), signature }),
      },
      {
        outcome: 'bad_signature',
        why: 'a bit of the signature changed',
        bytes: encodeAnswer({ evidence, signature: flipped(signature, 0) }),
      },
      { outcome: 'bad_signature', why: 'signed by somebody else', bytes: signedBy(stranger) },
      { outcome: 'bad_signature', why: 'for another verifier', bytes: signedBy(member, { verifier: stranger.id }) },
      { outcome: 'bad_signature', why: 'as another member', bytes: signedBy(member, { member: stranger.id }) },
      { outcome: 'bad_signature', why: 'for another challenge', bytes: signedBy(member, { challenge: later }) },
      {
        outcome: 'malformed',
        why: 'signed evidence that does not decode',
        bytes: signedBy(member, { evidence: filler('no evidence', 40) }),
      },
    ].map(({ bytes, ...rest }) => ({ ...rest, bytes: hex(bytes) })),
    // What R makes of these, a member to which `member` is one, when its judge says `judge` of the evidence.
    revocations: [
      ...REFUSAL_CODES.filter((code) => code !== 'bad_signature').map((code) =>
        revocation(proving.includes(code) ? code : 'inconclusive', code, {}),
      ),
      revocation('sound', 'accepted', {}),
      revocation('wrong_cluster', undefined, { clusterId: filler('another cluster', 32) }),
      revocation('unknown_epoch', undefined, { epoch: 1 }),
      revocation('unknown_peer', undefined, { member: stranger.id }),
      revocation('unproven', undefined, { challenge: later }, 'the challenge is of another epoch'),
      revocation('unproven', undefined, { verifier: member.id }, 'the member as its own verifier'),
      revocation(
        'unproven',
        'bad_binding',
        { challenge: encodeChallenge({ ...decoded, verifierNonce: filler('another nonce', 32) }) },
        'a good answer with another nonce',
      ),
      revocation('unproven', 'bad_binding', { verifier: stranger.id }, 'a good answer, as if given to another verifier'),
      revocation(
        'unproven',
        'bad_binding',
        { challenge: concat([challenge, len(99)]) },
        'a challenge with a field more than was sent',
      ),
      revocation(
        'unproven',
        'quote_invalid',
        { answer: encodeAnswer({ evidence: evidence.slice(0, -1), signature }) },
        'evidence that was cut short',
      ),
      revocation('unproven', 'quote_invalid', { answer: signedBy(verifier) }, 'an answer that the verifier signed'),
      revocation(
        'inconclusive',
        undefined,
        { answer: signedBy(member, { evidence: filler('no evidence', 40) }) },
        'signed evidence that does not decode',
      ),
      revocation(
        'malformed',
        undefined,
        { answer: encodeRefusalMessage({ code: 'bad_binding' }) },
        'a refusal instead of an answer',
      ),
      revocation('malformed', undefined, { answer: filler('no answer', 40) }, 'no answer at all'),
      revocation('malformed', undefined, { challenge: ask }, 'an Ask instead of a challenge'),
      { outcome: 'malformed', why: 'cut off', bytes: hex(encodeRevocation(good).slice(0, -1)) },
      { outcome: 'malformed', why: 'no verifier', bytes: hex(encodeRevocation(good).slice(0, -40)) },
      { outcome: 'malformed', why: 'the answer twice', bytes: hex(concat([encodeRevocation(good), len(4, answer)])) },
    ],
  }
}
