import { createHash } from 'node:crypto'
import { type Check, checkAnswer, decodeOutsiderAnswer } from '../../protocols/evidence/index.ts'
import {
  decodeEvidence,
  decodeGenesisBundle,
  FILE_NETWORK,
  type GenesisBundle,
  type GenesisRecord,
  genesisHash,
  verifyGenesisSignature,
} from '../../protocols/records/index.ts'
import { equals, formatClusterId, utf8 } from '../../protocols/wire/index.ts'
import { type Anchor, NETWORKS, type ProofLevel, type WitnessLevel } from '../anchor/index.ts'
import { createVerifier, describePolicy, insecurities, type Policy, parseQuote, policyHash } from '../attest/index.ts'
import { type Clock, messageOf, type Random, silentLog } from '../base/index.ts'
import { type AnchorSettings, anchorOf } from './anchors.ts'
import { type NodePolicy, openNodePolicy } from './cluster-policy.ts'
import { judgedRecord } from './membership.ts'
import { peerIdText } from './status.ts'

export interface ClusterVerification {
  /** 32 bytes, learnt in a way that is trusted. */
  readonly clusterId: Uint8Array
  /** That was sent with the question. */
  readonly nonce: Uint8Array
  /** What came back. */
  readonly answer: string
  /** Insist on this policy. */
  readonly policy?: Policy | undefined
  /** Accept a policy of the cluster's own that gives a protection away. @default false */
  readonly acceptInsecure?: boolean
  /** What of the ledger is trusted: checkpoints, validators, a network without a name. With pins the genesis must be proven up to one. */
  readonly anchor?: Pick<AnchorSettings, 'checkpoints' | 'validators' | 'horizon' | 'stellarPassphrase'> | undefined
  readonly clock: Clock
  readonly random: Random
}

/** One line of a verification; `holds` is undefined for what could not be told. */
export interface ClusterCheck {
  readonly name: Check['name'] | 'answer' | 'anchor' | 'protection'
  readonly holds: boolean | undefined
  readonly words: string
}

export interface VerifiedCluster {
  /** Whether everything holds; that the genesis is public only where pins insist on it. */
  readonly ok: boolean
  readonly cluster: string
  /** Of the member that answered; null where its credential does not hold. */
  readonly peerId: string | null
  readonly checks: readonly ClusterCheck[]
  /** What the policy gives away, in words. */
  readonly insecure: readonly string[]
  /** The policy in words. */
  readonly policy: readonly string[]
  readonly witness: WitnessLevel | null
  readonly proof: ProofLevel | null
  readonly tcbStatus: string | null
}

/** Judges a cluster from outside by what one of its members answered to a nonce. Never throws on a hostile answer. */
export const verifyCluster = async (given: ClusterVerification): Promise<VerifiedCluster> => {
  const { clusterId, clock } = given
  const cluster = formatClusterId(clusterId)
  const none = { cluster, peerId: null, insecure: [], policy: [], witness: null, proof: null, tcbStatus: null }
  let answer: ReturnType<typeof decodeOutsiderAnswer>
  try {
    answer = decodeOutsiderAnswer(given.answer)
  } catch (error) {
    return { ...none, ok: false, checks: [{ name: 'answer', holds: false, words: messageOf(error) }] }
  }
  const founded = readGenesis(answer.genesis)
  const anchor =
    founded === undefined
      ? { check: { name: 'anchor', holds: undefined, words: 'cannot be told' } as const, witness: null, proof: null }
      : await checkAnchor(founded.genesis, founded.record, given)
  const checked = checkAnswer<NodePolicy>(answer, {
    clusterId,
    nonce: given.nonce,
    policyHash: given.policy === undefined ? undefined : policyHash(given.policy),
    genesisAtMs: anchor.closedAtMs,
    nowMs: clock.now(),
    openPolicy: (canonical) => openNodePolicy(canonical, (policy) => createVerifier({ policy, clock })),
    describe: judgedRecord,
  })
  const { policy, credential } = checked
  const insecure = policy === undefined ? undefined : insecurities(policy.policy)
  const after = checked.checks.findIndex(({ name }) => name === 'genesis evidence') + 1
  const checks: ClusterCheck[] = [
    { name: 'answer', holds: true, words: 'of its form' },
    ...checked.checks.slice(0, after),
    checkProtection(insecure, given),
    anchor.check,
    ...checked.checks.slice(after),
  ]
  return {
    ...none,
    ok: checks.every(({ name, holds }) => holds ?? name === 'anchor'),
    checks,
    ...(policy !== undefined && { insecure: insecure ?? [], policy: describePolicy(policy.policy) }),
    witness: anchor.witness,
    proof: anchor.proof,
    ...(credential !== undefined && { peerId: peerIdText(credential.peerId), tcbStatus: credential.judged.tcbStatus }),
  }
}

/** A policy that protects nothing is only accepted from who says so: a script must not take a rehearsal for the real thing. */
const checkProtection = (
  insecure: readonly string[] | undefined,
  { policy, acceptInsecure = false }: ClusterVerification,
): ClusterCheck => {
  if (insecure === undefined) return { name: 'protection', holds: undefined, words: 'cannot be told' }
  if (insecure.length === 0) return { name: 'protection', holds: true, words: 'the policy gives nothing away' }
  const wanted = policy !== undefined || acceptInsecure
  return {
    name: 'protection',
    holds: wanted,
    words: wanted ? 'INSECURE, as you wanted it' : 'INSECURE: the policy gives protections away (--insecure accepts that)',
  }
}

interface AnchorVerdict {
  /** Of the ledger that holds the genesis, where it is one that is trusted. */
  readonly closedAtMs?: number | undefined
  readonly check: ClusterCheck
  readonly witness: WitnessLevel | null
  readonly proof: ProofLevel | null
}

/** The genesis, if it is one that its cluster signed; why not is told by its own check. */
const readGenesis = (bytes: Uint8Array): { genesis: GenesisBundle; record: GenesisRecord } | undefined => {
  try {
    const genesis = decodeGenesisBundle(bytes)
    const record = verifyGenesisSignature(genesis)
    return record === undefined ? undefined : { genesis, record }
  } catch {
    return undefined
  }
}

/** How far the genesis is public, by the proof in its bundle alone: no server is asked. */
const checkAnchor = async (genesis: GenesisBundle, record: GenesisRecord, given: ClusterVerification): Promise<AnchorVerdict> => {
  const settings = given.anchor ?? {}
  const pinned = (settings.checkpoints?.length ?? 0) + (settings.validators?.length ?? 0) > 0
  const verdict = (
    holds: boolean | undefined,
    words: string,
    witness: WitnessLevel | null = null,
    proof: ProofLevel | null = null,
  ) => ({
    check: { name: 'anchor', holds, words } as const,
    witness,
    proof,
  })
  // What nobody vouches for is no lie; but whoever pins a ledger wants the genesis proven up to it.
  const unproven = pinned ? false : undefined
  if (equals(record.network, utf8(FILE_NETWORK))) {
    const words = 'not witnessed: the genesis is published in a file at most, which its operator can replace'
    return verdict(unproven, words, 'file')
  }
  const anchor = ledgerOf(record.network, settings, given)
  if (anchor?.verify === undefined) {
    return verdict(unproven, 'not checked: the genesis names a network that is not known here (--stellar-passphrase)')
  }
  if (genesis.anchorProof === undefined) {
    const words = `not proven: no proof came with the genesis (ask the ledger: dstack-mesh anchor verify ${formatClusterId(given.clusterId)} --anchor ${anchor.witness})`
    return verdict(unproven, words, anchor.witness)
  }
  try {
    const proven = await anchor.verify(record.clusterPublicKey, genesis.anchorProof)
    const quote = parseQuote(decodeEvidence(genesis.evidence).quote)
    const quoteHash = Uint8Array.from(createHash('sha256').update(quote.bytes).digest())
    const same =
      equals(proven.genesisHash, genesisHash(genesis.record)) &&
      equals(proven.policyHash, record.policyHash) &&
      equals(proven.quoteHash, quoteHash)
    if (!same) return verdict(false, 'the proof is of another genesis', anchor.witness)
    const proof = proven.proof ?? 'account'
    if (proof === 'ledger') {
      const trusted = verdict(true, `in a ledger of ${anchor.witness} that you trust`, anchor.witness, proof)
      return { ...trusted, closedAtMs: proven.ledger?.closedAtMs }
    }
    const words = pinned
      ? 'the proof reaches no ledger that you named'
      : `consistent, not witnessed: anybody could have made such a ledger (--checkpoint SEQ:HASH names one of ${anchor.witness} that you trust)`
    return verdict(unproven, words, anchor.witness, proof)
  } catch (error) {
    return verdict(false, messageOf(error), anchor.witness)
  }
}

/** The ledger whose passphrase hashes to `network`, if it is known. Throws UsageError on wrong pins. */
const ledgerOf = (network: Uint8Array, settings: AnchorSettings, { clock, random }: ClusterVerification): Anchor | undefined => {
  const names = [...Object.keys(NETWORKS), ...(settings.stellarPassphrase === undefined ? [] : ['stellar'])]
  for (const name of names) {
    const { stellarPassphrase, horizon = ['https://localhost'], ...pins } = settings
    const own = name === 'stellar' ? { stellarPassphrase: stellarPassphrase!, horizon } : {}
    const anchor = anchorOf({ ...pins, ...own, anchor: name }, '')({ clock, random, log: silentLog })
    if (equals(anchor.network, network)) return anchor
  }
  return undefined
}
