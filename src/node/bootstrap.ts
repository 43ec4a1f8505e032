import { createHash } from 'node:crypto'
import type { PrivateKey } from '@libp2p/interface'
import {
  encodeEvidence,
  encodeGenesisRecord,
  type GenesisBundle,
  genesisBinding,
  genesisHash,
} from '../../protocols/records/index.ts'
import { formatClusterId, REPORT_DATA_BYTES } from '../../protocols/wire/index.ts'
import type { Anchor } from '../anchor/index.ts'
import {
  type AppIdentity,
  type Attester,
  type Policy,
  parseQuote,
  policyFromQuote,
  prepareCollateral,
  quoteRoot,
  rootNameOf,
  tdEvents,
} from '../attest/index.ts'
import { type Clock, type Log, UsageError } from '../base/index.ts'
import { type NodePolicy, nodePolicy, type VerifierFactory } from './cluster-policy.ts'
import { attest, Membership, selfIssue, selfRefused } from './membership.ts'
import type { ClusterKeys, KeyDeriver } from './parts.ts'

export interface BootstrapParts {
  attester: Attester
  anchor: Anchor
  keys: KeyDeriver
  verifier: VerifierFactory
  /** Left out: admit exactly this TD's measurements. */
  policy: Policy | undefined
  apps: readonly AppIdentity[]
  peerKey: PrivateKey
  /** Multihash bytes. */
  peerId: Uint8Array
  clock: Clock
  log: Log
  signal: AbortSignal
  /** Whatever can fail for reasons outside the cluster is done here: afterwards the genesis is public for good. */
  beforePublishing(clusterId: Uint8Array): Promise<void>
}

/**
 * Makes a cluster: secret, RTMR3, quote over the genesis record, own judgement, anchor, self-issued credential, in this order
 * (architecture, "Bootstrap"). On failure the secret is wiped and nothing was published.
 */
export const bootstrap = async (parts: BootstrapParts): Promise<Membership> => {
  const { attester, clock, log, signal } = parts
  const keys = parts.keys.generate()
  try {
    log.info('bootstrap.secret', { cluster: formatClusterId(keys.clusterId) })
    await attester.extend(tdEvents(parts.apps, keys.clusterId))
    const policy = nodePolicy(parts.policy ?? (await ownPolicy(attester, clock, signal)), parts.verifier)
    if (policy.policy.governance !== undefined) {
      throw new UsageError('unsupported', 'the policy has governance, which this version cannot carry', {
        next: 'leave `governance` out',
      })
    }

    const { genesis, record } = await makeGenesis(parts, keys, policy)
    await parts.beforePublishing(keys.clusterId)
    const quote = parseQuote(genesis.quote)
    const anchorProof = await parts.anchor.publish(
      {
        clusterId: keys.clusterId,
        genesisHash: genesisHash(genesis.bundle.record),
        quoteHash: Uint8Array.from(createHash('sha256').update(quote.bytes).digest()),
        policyHash: policy.hash,
        quote: quote.bytes,
      },
      keys,
      signal,
    )
    log.info('bootstrap.anchored', { witness: parts.anchor.witness })

    const issuer = { peerKey: parts.peerKey, peerId: parts.peerId, keys, policy, clock }
    const standing = await selfIssue(issuer, attester, signal)
    const bundle = anchorProof === undefined ? genesis.bundle : { ...genesis.bundle, anchorProof }
    return new Membership({ issuer, genesis: bundle, record, standing })
  } catch (error) {
    keys.wipe()
    throw error
  }
}

/** The strictest policy that admits this TD; costs one quote more, whose report data is all zero. */
const ownPolicy = async (attester: Attester, clock: Clock, signal: AbortSignal): Promise<Policy> => {
  const quote = parseQuote(await attester.quote(new Uint8Array(REPORT_DATA_BYTES), signal))
  const root = quoteRoot(quote)
  const collateral = prepareCollateral(await attester.collateral(signal), root, clock.now())
  return policyFromQuote(quote.td, { rootName: rootNameOf(root), minEvaluationDataNumber: collateral.tcbEvaluationDataNumber })
}

const makeGenesis = async (parts: BootstrapParts, keys: ClusterKeys, policy: NodePolicy) => {
  const publicKeys = keys.publicKeys()
  const record = {
    network: parts.anchor.network,
    clusterPublicKey: publicKeys.cluster,
    k256RootPublicKey: publicKeys.k256Root,
    caRootPublicKey: publicKeys.caRoot,
    policyHash: policy.hash,
    createdAt: parts.clock.now(),
  }
  const bytes = encodeGenesisRecord(record)
  const evidence = await attest(parts.attester, genesisBinding(bytes), parts.signal)
  parts.log.info('bootstrap.quoted', { bytes: evidence.quote.length })

  // A node that would not admit itself stops here.
  const verdict = policy.judge(
    evidence,
    { contexts: ['genesis/1'], clusterId: keys.clusterId, fields: [bytes] },
    { atMs: record.createdAt },
  )
  if (!verdict.accepted) throw selfRefused(verdict)
  parts.log.info('bootstrap.judged', { tcbStatus: verdict.judged.tcbStatus })

  const bundle: GenesisBundle = {
    record: bytes,
    signature: keys.signAsCluster('genesis', bytes),
    policy: policy.canonical,
    evidence: encodeEvidence(evidence),
  }
  return { genesis: { bundle, quote: evidence.quote }, record }
}
