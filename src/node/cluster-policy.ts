import type { ClusterPolicy } from '../../protocols/onboard/index.ts'
import type { EvidenceJudge } from '../../protocols/records/index.ts'
import { equals, utf8 } from '../../protocols/wire/index.ts'
import { type AcceptedVerdict, canonicalPolicy, type Policy, parsePolicy, policyHash } from '../attest/index.ts'
import { RefusedError } from '../base/index.ts'

/** A policy with its hash and a judge that applies it. */
export interface NodePolicy extends ClusterPolicy {
  readonly judge: EvidenceJudge<AcceptedVerdict>['judge']
  readonly policy: Policy
  /** RFC 8785, UTF-8. */
  readonly canonical: Uint8Array
}

/** Makes the judge for one policy; part of a node that implementors can replace. */
export type VerifierFactory = (policy: Policy) => EvidenceJudge<AcceptedVerdict>

export const nodePolicy = (policy: Policy, verifier: VerifierFactory): NodePolicy => {
  const judge = verifier(policy)
  return {
    policy,
    canonical: utf8(canonicalPolicy(policy)),
    hash: policyHash(policy),
    credentialLifetimeMs: policy.credentialLifetimeMs,
    judge: (evidence, expected, options) => judge.judge(evidence, expected, options),
  }
}

/** A policy as a genesis bundle carries it: its canonical form, byte for byte. Throws when it is none. */
export const openNodePolicy = (canonical: Uint8Array, verifier: VerifierFactory): NodePolicy => {
  const opened = nodePolicy(parsePolicy(canonical), verifier)
  if (!equals(opened.canonical, canonical)) {
    throw new RefusedError('policy_not_canonical', 'the policy is not in its canonical form (RFC 8785)')
  }
  // Its successors' rules are not built yet; joining past them could mean following a policy that was replaced.
  if (opened.policy.governance !== undefined) {
    throw new RefusedError('unsupported', 'the policy has governance, which this version does not understand')
  }
  return opened
}
