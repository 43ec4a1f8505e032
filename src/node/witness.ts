import { createHash } from 'node:crypto'
import { FalseOnboarderError, type Joined } from '../../protocols/onboard/index.ts'
import { decodeEvidence, genesisHash } from '../../protocols/records/index.ts'
import { equals } from '../../protocols/wire/index.ts'
import type { Anchor, AnchorReading, ProofLevel } from '../anchor/index.ts'
import { parseQuote } from '../attest/index.ts'
import { type Log, messageOf, TransientError } from '../base/index.ts'
import type { NodePolicy } from './cluster-policy.ts'
import type { ClusterKeys } from './parts.ts'

/** What is known about a cluster before any of its members is dialled. */
export interface Witnessed {
  readonly reading: AnchorReading | undefined
  /** The proof from an earlier join, where it still holds. */
  readonly kept: Uint8Array | undefined
  /** Nobody told of the cluster: a member must prove that it is public, up to a pinned ledger. */
  readonly mustProve: boolean
}

/**
 * Asks the anchor, unless a proof from an earlier join still holds: what is frozen is so for good. Throws what the anchor refuses;
 * where it cannot be reached, goes on only if the configuration does not require it, or pins what a member can prove.
 */
export const witness = async (parts: {
  readonly anchor: Anchor
  readonly clusterId: Uint8Array
  readonly keptProof: Uint8Array | undefined
  readonly log: Log
  readonly signal: AbortSignal
}): Promise<Witnessed> => {
  const { anchor, clusterId, keptProof, log, signal } = parts
  if (keptProof !== undefined && anchor.verify !== undefined) {
    try {
      const reading = await anchor.verify(clusterId, keptProof)
      log.info('anchor.kept_proof', { witness: anchor.witness, proof: reading.proof })
      return { reading, kept: keptProof, mustProve: false }
    } catch (error) {
      log.warn('anchor.kept_proof_refused', { reason: messageOf(error) })
    }
  }
  try {
    const reading = await anchor.read(clusterId, signal)
    if (reading === undefined) log.warn('anchor.no_record', { witness: anchor.witness })
    else log.info('anchor.read', { witness: anchor.witness, proof: reading.proof, boot: reading.boot })
    return { reading, kept: undefined, mustProve: false }
  } catch (error) {
    signal.throwIfAborted()
    const mayProve = anchor.pinned === true
    if (!(error instanceof TransientError) || (anchor.required !== false && !mayProve)) throw error
    log.warn('anchor.unreachable', { witness: anchor.witness, reason: error.message })
    return { reading: undefined, kept: undefined, mustProve: anchor.required !== false }
  }
}

type JoinedCluster = Pick<Joined<ClusterKeys, NodePolicy>, 'genesis' | 'genesisRecord' | 'policy'>

const notAnchored = (found: string): FalseOnboarderError => new FalseOnboarderError('genesis_not_anchored', found)

/**
 * Compares the genesis that an onboarder gave with what the anchor says, and checks the proof that came with it. How far the
 * cluster identity is proven; undefined: not at all. Throws FalseOnboarderError.
 */
export const checkWitness = async (
  { reading, mustProve }: Pick<Witnessed, 'reading' | 'mustProve'>,
  { genesis, genesisRecord, policy }: JoinedCluster,
  anchor: Anchor,
): Promise<ProofLevel | undefined> => {
  const isLedger = anchor.verify !== undefined
  if ((isLedger || reading !== undefined) && !equals(genesisRecord.network, anchor.network)) {
    throw notAnchored('the genesis names another network')
  }
  if (reading !== undefined) {
    // The hash of the record was compared during the exchange.
    if (!equals(reading.policyHash, policy.hash)) throw notAnchored('the anchor names another policy')
    const quote = parseQuote(decodeEvidence(genesis.evidence).quote)
    const quoteHash = Uint8Array.from(createHash('sha256').update(quote.bytes).digest())
    if (!equals(reading.quoteHash, quoteHash)) throw notAnchored('the anchor names another quote')
  }
  let proven: AnchorReading | undefined
  if (genesis.anchorProof !== undefined && anchor.verify !== undefined) {
    try {
      proven = await anchor.verify(genesisRecord.clusterPublicKey, genesis.anchorProof)
    } catch (error) {
      throw notAnchored(messageOf(error))
    }
    if (!equals(proven.genesisHash, genesisHash(genesis.record)) || !equals(proven.policyHash, policy.hash)) {
      throw notAnchored('the proof is of another genesis')
    }
  }
  if (mustProve && proven?.proof !== 'ledger') {
    throw notAnchored('the anchor cannot be reached, and the onboarder proves nothing up to a pinned ledger')
  }
  return proven?.proof ?? reading?.proof
}
