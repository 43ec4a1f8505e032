/** What an outsider makes of an answer: every step, what it says, and whether it holds. Pure, but for the judge it is given. */
import type { ClusterPolicy } from '../onboard/check-grant.ts'
import {
  type CredentialBody,
  decodeEvidence,
  decodeGenesisBundle,
  type Evidence,
  type GenesisBundle,
  type GenesisRecord,
  verifyCredential,
  verifyGenesisSignature,
} from '../records/index.ts'
import { equals } from '../wire/index.ts'
import { type OutsiderAnswer, outsiderBinding } from './answer.ts'
import { rootOf } from './merkle.ts'

/** In the order in which they are made. */
export type CheckName = 'nonce' | 'genesis' | 'policy' | 'genesis evidence' | 'credential' | 'quote' | 'same TD'

export interface Check {
  readonly name: CheckName
  /** undefined: not to be told, since an earlier one does not hold. */
  readonly holds: boolean | undefined
  /** What was found. */
  readonly words: string
}

/** What the credential says was judged, beside what is now. */
export interface SeenTd {
  readonly mrTd: Uint8Array
  readonly rtmr: readonly Uint8Array[]
  readonly mrConfigId: Uint8Array
  readonly mrOwner: Uint8Array
  readonly mrOwnerConfig: Uint8Array
  readonly appIds: readonly Uint8Array[]
  readonly platformId: Uint8Array
}

export interface OutsiderContext<P extends ClusterPolicy> {
  /** Learnt in a way that is trusted: all else follows from it. */
  readonly clusterId: Uint8Array
  /** Drawn for this very question. */
  readonly nonce: Uint8Array
  /** The policy that the reader insists on. */
  readonly policyHash?: Uint8Array | undefined
  /** When the ledger closed that holds the genesis, where the reader trusts that ledger. @default the record's own word */
  readonly genesisAtMs?: number | undefined
  readonly nowMs: number
  /** Throws when the bytes are no policy. */
  openPolicy(canonical: Uint8Array): P
  /** What an accepted quote shows of its TD. */
  describe(judged: Extract<ReturnType<P['judge']>, { accepted: true }>['judged']): SeenTd
}

/** All that an answer held, as far as it could be read; only to be believed where {@link checks} hold. */
export interface CheckedAnswer<P extends ClusterPolicy> {
  readonly checks: readonly Check[]
  readonly genesis?: GenesisBundle
  readonly record?: GenesisRecord
  readonly policy?: P
  readonly credential?: CredentialBody
}

const CHECKS: readonly CheckName[] = ['nonce', 'genesis', 'policy', 'genesis evidence', 'credential', 'quote', 'same TD']

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
const listed = (lists: readonly Uint8Array[], others: readonly Uint8Array[]): boolean =>
  lists.length === others.length && lists.every((each, i) => equals(each, others[i]!))

const sameTd = (a: SeenTd, b: SeenTd): boolean =>
  equals(a.mrTd, b.mrTd) &&
  listed(a.rtmr, b.rtmr) &&
  equals(a.mrConfigId, b.mrConfigId) &&
  equals(a.mrOwner, b.mrOwner) &&
  equals(a.mrOwnerConfig, b.mrOwnerConfig) &&
  listed(a.appIds, b.appIds) &&
  equals(a.platformId, b.platformId)

/** Never throws on a hostile answer. Every check is made that those before it leave possible. */
export const checkAnswer = <P extends ClusterPolicy>(answer: OutsiderAnswer, context: OutsiderContext<P>): CheckedAnswer<P> => {
  const { clusterId, nonce } = context
  const made = new Map<CheckName, Check>()
  /** Runs a step whose result is undefined when it does not hold; a throw is a "no" with its message. */
  const step = <T>(name: CheckName, run: (say: (words: string) => undefined) => T | undefined): T | undefined => {
    let words = ''
    let result: T | undefined
    try {
      result = run((text) => {
        words = text
        return undefined
      })
    } catch (error) {
      words = messageOf(error)
    }
    made.set(name, { name, holds: result !== undefined, words })
    return result
  }

  const root = step('nonce', (say) => {
    if (!equals(answer.nonce, nonce)) return say('the answer is to another question')
    const found = rootOf(nonce, answer.leaf)
    say(found === undefined ? 'the path is not one of such a tree' : `leaf ${answer.leaf.index + 1} of ${answer.leaf.size}`)
    return found
  })

  const founded = step('genesis', (say) => {
    const genesis = decodeGenesisBundle(answer.genesis)
    const record = verifyGenesisSignature(genesis)
    if (record === undefined) return say("the record is not signed by the cluster's key")
    if (!equals(record.clusterPublicKey, clusterId)) return say('it is of another cluster')
    say(`signed by the cluster's key; made ${timeOf(record.createdAt)}`)
    return { genesis, record }
  })

  const policy =
    founded &&
    step('policy', (say) => {
      const opened = context.openPolicy(founded.genesis.policy)
      if (!equals(opened.hash, founded.record.policyHash)) return say('it is not the one that the genesis names')
      if (context.policyHash !== undefined && !equals(opened.hash, context.policyHash))
        return say('it is not the one that you gave')
      say(
        context.policyHash === undefined ? 'the one that the genesis names' : 'the one that you gave, and that the genesis names',
      )
      return opened
    })

  if (founded !== undefined && policy !== undefined) {
    step('genesis evidence', (say) => {
      const { genesis, record } = founded
      const expected = { contexts: ['genesis/1'] as const, clusterId, fields: [genesis.record] }
      const verdict = policy.judge(decodeEvidence(genesis.evidence), expected, { atMs: context.genesisAtMs ?? record.createdAt })
      if (!verdict.accepted) return say(`${verdict.code}: ${verdict.reasons.join('; ')}`)
      say('the first TD met the policy')
      return true
    })
  }

  const credential =
    policy &&
    step('credential', (say) => {
      const verified = verifyCredential(answer.credential, {
        clusterId,
        // Only the first epoch's key is known by the cluster id alone; no other exists yet.
        signingPublicKey: (epoch) => (epoch === 0 ? clusterId : undefined),
        lifetimeMs: policy.credentialLifetimeMs,
        nowMs: context.nowMs,
      })
      if (!verified.ok) return say(verified.fault.replaceAll('_', ' '))
      const { body } = verified
      const by = equals(body.issuer, body.peerId) ? 'itself (it was alone)' : 'another member'
      say(`issued by ${by} ${timeOf(body.issuedAt)}, until ${timeOf(body.expiresAt)}`)
      return body
    })

  const td =
    policy &&
    credential &&
    root &&
    step('quote', (say) => {
      const evidence: Evidence = decodeEvidence(answer.evidence)
      const { peerId } = credential
      const { fields } = outsiderBinding(clusterId, peerId, root)
      const verdict = policy.judge(evidence, { contexts: ['evidence/1'], clusterId, peerId, fields })
      if (!verdict.accepted) return say(`${verdict.code}: ${verdict.reasons.join('; ')}`)
      say('made for your nonce; meets the policy')
      return context.describe(verdict.judged as Parameters<typeof context.describe>[0])
    })

  if (td !== undefined && credential !== undefined) {
    step('same TD', (say) => {
      const same = sameTd(td, credential.judged)
      say(same ? 'the credential is about what was quoted' : 'the credential is about another TD than the quote')
      return same || undefined
    })
  }

  return {
    checks: CHECKS.map((name) => made.get(name) ?? { name, holds: undefined, words: 'cannot be told' }),
    ...founded,
    ...(policy !== undefined && { policy }),
    ...(credential !== undefined && { credential }),
  }
}

const timeOf = (ms: number): string => {
  const date = new Date(ms)
  return Number.isNaN(date.getTime()) ? 'at no time' : date.toISOString()
}
