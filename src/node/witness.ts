import { createHash } from 'node:crypto'
import { FalseOnboarderError, type Joined } from '../../protocols/onboard/index.ts'
import { decodeEvidence, type GenesisBundle, type GenesisRecord, genesisHash } from '../../protocols/records/index.ts'
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
  /** The anchor answered just now, so it can be asked about a ledger too. */
  readonly answers: boolean
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
      return { reading, kept: keptProof, answers: false, mustProve: false }
    } catch (error) {
      log.warn('anchor.kept_proof_refused', { reason: messageOf(error) })
    }
  }
  try {
    const reading = await anchor.read(clusterId, signal)
    if (reading === undefined) log.warn('anchor.no_record', { witness: anchor.witness })
    else log.info('anchor.read', { witness: anchor.witness, proof: reading.proof, boot: reading.boot })
    return { reading, kept: undefined, answers: reading !== undefined, mustProve: false }
  } catch (error) {
    signal.throwIfAborted()
    const mayProve = anchor.pinned === true
    if (!(error instanceof TransientError) || (anchor.required !== false && !mayProve)) throw error
    log.warn('anchor.unreachable', { witness: anchor.witness, reason: error.message })
    return { reading: undefined, kept: undefined, answers: false, mustProve: anchor.required !== false }
  }
}

type JoinedCluster = Pick<Joined<ClusterKeys, NodePolicy>, 'genesis' | 'genesisRecord' | 'policy'>

const notAnchored = (found: string): FalseOnboarderError => new FalseOnboarderError('genesis_not_anchored', found)

/** What an anchor says about a genesis that an onboarder gives. */
export interface GenesisWitness {
  /**
   * When the genesis became public: the close time of its ledger, where that ledger is pinned or the servers show it too. A proof
   * alone does not do: whoever made up its ledger made up its time. Throws FalseOnboarderError when the proof does not hold.
   */
  publicSince(genesis: GenesisBundle, record: GenesisRecord): Promise<number | undefined>
  /** Compares all the rest. How far the cluster identity is proven; undefined: not at all. Throws FalseOnboarderError. */
  check(joined: JoinedCluster): Promise<{ readonly proof: ProofLevel | undefined; readonly publicSince: number | undefined }>
}

/** For one onboarder. */
export const genesisWitness = (
  { reading, answers, mustProve }: Pick<Witnessed, 'reading' | 'answers' | 'mustProve'>,
  anchor: Anchor,
  signal?: AbortSignal,
): GenesisWitness => {
  let asked: Promise<{ proven: AnchorReading | undefined; publicSince: number | undefined }> | undefined
  const ask = async (genesis: GenesisBundle, record: GenesisRecord) => {
    const isLedger = anchor.verify !== undefined
    if ((isLedger || reading !== undefined) && !equals(record.network, anchor.network)) {
      throw notAnchored('the genesis names another network')
    }
    const proven = await provenBy(genesis, record, anchor)
    return { proven, publicSince: await timeOf([proven, reading], answers ? anchor : undefined, signal) }
  }
  return {
    async publicSince(genesis, record) {
      asked = ask(genesis, record)
      return (await asked).publicSince
    },
    async check({ genesis, genesisRecord, policy }) {
      if (reading !== undefined) {
        // The hash of the record was compared during the exchange.
        if (!equals(reading.policyHash, policy.hash)) throw notAnchored('the anchor names another policy')
        const quote = parseQuote(decodeEvidence(genesis.evidence).quote)
        const quoteHash = Uint8Array.from(createHash('sha256').update(quote.bytes).digest())
        if (!equals(reading.quoteHash, quoteHash)) throw notAnchored('the anchor names another quote')
      }
      const { proven, publicSince } = await (asked ?? ask(genesis, genesisRecord))
      if (mustProve && proven?.proof !== 'ledger') {
        throw notAnchored('the anchor cannot be reached, and the onboarder proves nothing up to a pinned ledger')
      }
      return { proof: proven?.proof ?? reading?.proof, publicSince }
    },
  }
}

/** What the proof in the bundle proves; undefined: there is none. */
const provenBy = async (
  { anchorProof, record: bytes }: GenesisBundle,
  { clusterPublicKey, policyHash }: GenesisRecord,
  anchor: Anchor,
): Promise<AnchorReading | undefined> => {
  if (anchorProof === undefined || anchor.verify === undefined) return undefined
  let proven: AnchorReading
  try {
    proven = await anchor.verify(clusterPublicKey, anchorProof)
  } catch (error) {
    throw notAnchored(messageOf(error))
  }
  if (!equals(proven.genesisHash, genesisHash(bytes)) || !equals(proven.policyHash, policyHash)) {
    throw notAnchored('the proof is of another genesis')
  }
  return proven
}

const timeOf = async (
  readings: readonly (AnchorReading | undefined)[],
  answering: Anchor | undefined,
  signal: AbortSignal | undefined,
): Promise<number | undefined> => {
  const known = readings.flatMap((each) => (each?.ledger === undefined ? [] : [{ proof: each.proof, ledger: each.ledger }]))
  const pinned = known.find(({ proof }) => proof === 'ledger')
  if (pinned !== undefined) return pinned.ledger.closedAtMs
  const [first] = known
  if (first === undefined || answering?.confirms === undefined) return undefined
  try {
    return (await answering.confirms(first.ledger, signal)) ? first.ledger.closedAtMs : undefined
  } catch (error) {
    signal?.throwIfAborted()
    throw notAnchored(messageOf(error))
  }
}
