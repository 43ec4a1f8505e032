import { createHash } from 'node:crypto'
import { answerSigned, challengeBinding, type Parties } from '../../../protocols/challenge/exchange.ts'
import { AnswerLimit, type MemberRole } from '../../../protocols/challenge/member.ts'
import { type Challenge, encodeAnswer, encodeChallenge } from '../../../protocols/challenge/messages.ts'
import type { RevocationReader } from '../../../protocols/challenge/revocation.ts'
import type { ChallengeStream, VerifierRole } from '../../../protocols/challenge/verifier.ts'
import { type CredentialBody, type Evidence, encodeEvidence } from '../../../protocols/records/index.ts'
import { type Binding, messagesOf, peerSignedBytes } from '../../../protocols/wire/index.ts'
import { parseQuote } from '../../../src/attest/index.ts'
import type { NodePolicy } from '../../../src/node/cluster-policy.ts'
import { bytes } from '../../attest/support.ts'
import { credentialFor, LIFETIME_MS, type Peer, policyOf, type TestCluster } from '../onboard/cluster.ts'
import { type FakeClock, NOW_MS, withHand } from '../support.ts'

export const STEP_MS = 10_000
export const EXCHANGE_MS = 60_000

/** V is the cluster's first member, M the second. */
export const partiesOf = (cluster: TestCluster): Parties => ({
  clusterId: cluster.clusterId,
  member: cluster.joiner.id,
  verifier: cluster.onboarder.id,
})

export const sentChallenge = (
  changes: Partial<Challenge> & { clusterId: Uint8Array },
): { message: Uint8Array; decoded: Challenge } => {
  const decoded = { verifierNonce: bytes(32, 0x33), epoch: 0, ...changes }
  return { message: encodeChallenge(decoded), decoded }
}

export const signAs =
  ({ key }: Peer) =>
  (context: 'challenge-answer', signed: Uint8Array): Uint8Array =>
    key.sign(peerSignedBytes(context, signed)) as Uint8Array

/** An answer as M would sign it, over whatever evidence. */
export const signedAnswer = (
  parties: Pick<Parties, 'member' | 'verifier'>,
  challenge: Uint8Array,
  evidence: Uint8Array,
  signer: Peer,
): Uint8Array =>
  encodeAnswer({ evidence, signature: signAs(signer)('challenge-answer', answerSigned(parties, challenge, evidence)) })

/** What an honest M answers. */
export const honestAnswer = async (
  cluster: TestCluster,
  challenge: { message: Uint8Array; decoded: Challenge },
  parties = partiesOf(cluster),
): Promise<{ message: Uint8Array; evidence: Evidence }> => {
  const evidence = await cluster.joiner.node.evidence(challengeBinding(parties, challenge.decoded))
  return { message: signedAnswer(parties, challenge.message, encodeEvidence(evidence), cluster.joiner), evidence }
}

export const readTd = (quote: Uint8Array): { tdDigest: Uint8Array; reportData: Uint8Array } | undefined => {
  try {
    const { td } = parseQuote(quote)
    return { tdDigest: Uint8Array.from(createHash('sha384').update(td.bytes).digest()), reportData: td.reportData }
  } catch {
    return undefined
  }
}

/** A member that is shown a revocation. */
export const readerOf = (
  cluster: TestCluster,
  policy: NodePolicy,
  changes: Partial<RevocationReader> = {},
): RevocationReader => ({
  clusterId: cluster.clusterId,
  knowsEpoch: (epoch) => epoch === 0,
  isKnown: () => true,
  judge: (evidence, expected) => policy.judge(evidence, expected),
  readTd,
  ...changes,
})

/** M; remembers the quotes that it made and what it kept. */
export const memberRole = (cluster: TestCluster, clock: FakeClock, changes: Partial<MemberRole> = {}) => {
  const policy = policyOf(cluster.document, clock)
  const attested: Binding[] = []
  const signed: Uint8Array[] = []
  const kept: { credential: Uint8Array; body: CredentialBody; evidence: Evidence }[] = []
  const role: MemberRole = {
    credentialLifetimeMs: LIFETIME_MS,
    isMember: () => true,
    signingPublicKey: (epoch) => (epoch === 0 ? cluster.clusterId : undefined),
    attest(binding) {
      attested.push(binding)
      return cluster.joiner.node.evidence(binding)
    },
    judge: (evidence, expected) => policy.judge(evidence, expected),
    signAsPeer(context, content) {
      signed.push(content)
      return signAs(cluster.joiner)(context, content)
    },
    current: () => ({ expiresAt: NOW_MS + LIFETIME_MS / 2, selfIssued: false }),
    keep: (standing) => kept.push(standing),
    ...changes,
  }
  return { role, attested, signed, kept }
}

/** V; remembers what it judged and issued. */
export const verifierRole = (cluster: TestCluster, clock: FakeClock, changes: Partial<VerifierRole> = {}) => {
  const policy = policyOf(cluster.document, clock)
  const judged: string[] = []
  const issued: Uint8Array[] = []
  const role: VerifierRole = {
    standing: () => 'active',
    epoch: () => 0,
    isChallengeable: () => true,
    judge(evidence, expected) {
      const verdict = policy.judge(evidence, expected)
      judged.push(verdict.accepted ? 'accepted' : verdict.code)
      if (!verdict.accepted) return verdict
      return {
        accepted: true,
        issue() {
          const issuedAt = clock.now()
          const times = { issuedAt, expiresAt: issuedAt + LIFETIME_MS }
          const credential = credentialFor(cluster, expected.peerId!, cluster.onboarder, verdict.judged, times)
          issued.push(credential)
          return credential
        },
      }
    },
    ...changes,
  }
  return { role, judged, issued }
}

/** A stream to a peer that is played by hand. */
export const channelOf = async (clock: FakeClock) => {
  const { stream, hand } = await withHand()
  const { signal, clear } = clock.deadline(EXCHANGE_MS)
  const messages = messagesOf(stream, { maxBytes: 512 * 1024, stepTimeoutMs: STEP_MS, timer: clock, signal })
  const channel: ChallengeStream = { stream, messages, signal, stepTimeoutMs: STEP_MS }
  return { channel, hand, clear }
}

export const limitOf = (): AnswerLimit => new AnswerLimit()
