import type { PrivateKey } from '@libp2p/interface'
import type { OnboarderRole, OnboarderStep } from '../../protocols/onboard/index.ts'
import {
  type CredentialBody,
  decodeCredential,
  type Evidence,
  encodeEvidence,
  encodeGenesisBundle,
  type GenesisBundle,
  type GenesisRecord,
  genesisHash,
  ISSUED_AHEAD_MAX_MS,
  issueCredential,
  type Judged,
  type Refused,
} from '../../protocols/records/index.ts'
import {
  type Binding,
  equals,
  type PeerSignatureContext,
  peerSignedBytes,
  reportData,
  u32be,
  u64be,
} from '../../protocols/wire/index.ts'
import type { AcceptedVerdict, Attester, JudgedTd } from '../attest/index.ts'
import { type Clock, RefusedError } from '../base/index.ts'
import type { NodePolicy } from './cluster-policy.ts'
import type { ClusterKeys } from './parts.ts'

/** Own quotes as evidence. */
export const attest = async (attester: Attester, binding: Binding, signal?: AbortSignal): Promise<Evidence> => {
  const quote = await attester.quote(reportData(binding), signal)
  return { quote, collateral: await attester.collateral(signal), eventLog: [...attester.eventLog()], binding }
}

/** What of a judged TD a credential states. */
export const judgedRecord = (td: JudgedTd): Judged => ({
  mrTd: td.td.mrTd,
  rtmr: [...td.td.rtmr],
  mrConfigId: td.td.mrConfigId,
  mrOwner: td.td.mrOwner,
  mrOwnerConfig: td.td.mrOwnerConfig,
  appIds: td.apps.map((app) => app.appId),
  platformId: td.platformId,
  tcbStatus: td.tcbStatus,
  tcbEvaluationDataNumber: td.tcbEvaluationDataNumber,
})

/** Who signs what this node issues. */
export interface Issuer {
  peerKey: PrivateKey
  /** Multihash bytes. */
  peerId: Uint8Array
  keys: ClusterKeys
  policy: NodePolicy
  clock: Clock
}

/** Signed in the name of this peer alone. */
export const signAsPeer = (peerKey: PrivateKey, context: PeerSignatureContext, bytes: Uint8Array): Uint8Array => {
  const signature = peerKey.sign(peerSignedBytes(context, bytes))
  // ed25519 keys of this library sign synchronously; anything else would be a change that must be noticed.
  if (!(signature instanceof Uint8Array)) throw new TypeError('the peer key does not sign synchronously')
  return signature
}

/** A credential for whom this node has just judged; encoded. Epoch: the newest held. */
export const issue = (issuer: Issuer, subject: Uint8Array, judged: JudgedTd, issuedAt = issuer.clock.now()): Uint8Array => {
  const epoch = Math.max(...issuer.keys.epochs)
  return issueCredential(
    {
      clusterId: issuer.keys.clusterId,
      peerId: subject,
      epoch,
      tdDigest: judged.tdDigest,
      judged: judgedRecord(judged),
      issuer: issuer.peerId,
      issuedAt,
      expiresAt: issuedAt + issuer.policy.credentialLifetimeMs,
    },
    {
      asCluster: (context, bytes, ofEpoch) => issuer.keys.signAsCluster(context, bytes, ofEpoch),
      asPeer: (context, bytes) => signAsPeer(issuer.peerKey, context, bytes),
    },
  )
}

/** A credential with the evidence that it was issued for. */
export interface Standing {
  credential: Uint8Array
  evidence: Evidence
}

/**
 * The credential of a lone or lapsed node, issued to itself over `member/1: cluster_id, peer_id, epoch, issued_at`
 * (protocols: challenge, "Lapsed"). The node judges itself first.
 */
export const selfIssue = async (issuer: Issuer, attester: Attester, signal?: AbortSignal): Promise<Standing> => {
  const issuedAt = issuer.clock.now()
  const epoch = Math.max(...issuer.keys.epochs)
  const binding: Binding = { context: 'member/1', fields: [issuer.keys.clusterId, issuer.peerId, u32be(epoch), u64be(issuedAt)] }
  const evidence = await attest(attester, binding, signal)
  const verdict = issuer.policy.judge(evidence, {
    contexts: ['member/1'],
    clusterId: issuer.keys.clusterId,
    peerId: issuer.peerId,
    fields: binding.fields,
  })
  if (!verdict.accepted) throw selfRefused(verdict)
  return { credential: issue(issuer, issuer.peerId, verdict.judged, issuedAt), evidence }
}

/** The node would not admit itself. */
export const selfRefused = (verdict: Refused): RefusedError =>
  new RefusedError(
    'policy_refuses_self',
    `the policy does not admit this TD itself (${verdict.code}): ${verdict.reasons.join('; ')}`,
    {
      next: 'compare the policy with `dstack-mesh quote show`, or make one with `dstack-mesh policy from-quote`',
    },
  )

/** What a member holds, and what it does for joiners. */
export class Membership {
  readonly #issuer: Issuer
  readonly genesis: GenesisBundle
  readonly record: GenesisRecord
  readonly genesisHash: Uint8Array
  #standing: Standing
  #body: CredentialBody
  #validUntilMonotonicMs: number

  constructor(init: { issuer: Issuer; genesis: GenesisBundle; record: GenesisRecord; standing: Standing }) {
    this.#issuer = init.issuer
    this.genesis = init.genesis
    this.record = init.record
    this.genesisHash = genesisHash(init.genesis.record)
    this.#standing = init.standing
    ;({ body: this.#body, validUntilMonotonicMs: this.#validUntilMonotonicMs } = this.#read(init.standing))
  }

  get keys(): ClusterKeys {
    return this.#issuer.keys
  }
  get policy(): NodePolicy {
    return this.#issuer.policy
  }
  get issuer(): Issuer {
    return this.#issuer
  }
  /** What the own credential states. */
  get credential(): CredentialBody {
    return this.#body
  }
  /** The own credential, encoded. */
  get credentialBytes(): Uint8Array {
    return this.#standing.credential
  }
  get evidence(): Evidence {
    return this.#standing.evidence
  }

  /** The own credential is this node's own word and nobody else's. */
  get selfIssued(): boolean {
    return equals(this.#body.issuer, this.#body.peerId)
  }

  /** Milliseconds until the credential ends, by whichever of the two clocks says less; negative when it has. */
  remainingMs(): number {
    const { clock } = this.#issuer
    const nowMs = clock.now()
    const leftMs = Math.min(this.#body.expiresAt - nowMs, this.#validUntilMonotonicMs - clock.monotonicMs())
    // Dated by a clock that was set right since, its own word holds for nobody before its time; it can be given anew at once.
    const isEarly = this.selfIssued && this.#body.issuedAt > nowMs + ISSUED_AHEAD_MAX_MS
    return isEarly ? Math.min(leftMs, 0) : leftMs
  }

  standing(): 'active' | 'lapsed' {
    return this.remainingMs() > 0 ? 'active' : 'lapsed'
  }

  /** Whether the policy still lets this node serve its apps. */
  serves(): boolean {
    return this.remainingMs() > -this.policy.policy.lapsedServeMs
  }

  renew(standing: Standing): void {
    ;({ body: this.#body, validUntilMonotonicMs: this.#validUntilMonotonicMs } = this.#read(standing))
    this.#standing = standing
  }

  /** This node as an onboarder. */
  onboarder(options: {
    admit(peerId: Uint8Array, credential: Uint8Array): void
    onJudged(peerId: Uint8Array, judged: JudgedTd): void
    publicAddresses(): string[]
    onStep?(step: OnboarderStep, joinId: string): void
    /** Whether this node may issue credentials now. */
    mayIssue(): boolean
  }): OnboarderRole {
    const { keys, policy } = this.#issuer
    return {
      genesisHash: this.genesisHash,
      genesis: encodeGenesisBundle(this.genesis),
      standing: () => (options.mayIssue() ? 'active' : 'lapsed'),
      signAsCluster: (context, bytes) => keys.signAsCluster(context, bytes),
      judge: (evidence, expected) => {
        const verdict: AcceptedVerdict | Refused = policy.judge(evidence, expected)
        if (!verdict.accepted) return verdict
        const subject = expected.peerId!
        options.onJudged(subject, verdict.judged)
        return { accepted: true, issue: () => issue(this.#issuer, subject, verdict.judged) }
      },
      standingProof: () => ({ credential: this.#standing.credential, evidence: encodeEvidence(this.#standing.evidence) }),
      withSecrets: (use) => keys.withSecrets(use),
      admit: options.admit,
      publicAddresses: options.publicAddresses,
      ...(options.onStep !== undefined && { onStep: options.onStep }),
    }
  }

  #read(standing: Standing) {
    const { clock } = this.#issuer
    const { body } = decodeCredential(standing.credential)
    // Never longer than its lifetime: the clock may have been set back since it was issued.
    const leftMs = Math.min(body.expiresAt - clock.now(), body.expiresAt - body.issuedAt)
    return { body, validUntilMonotonicMs: clock.monotonicMs() + leftMs }
  }
}
