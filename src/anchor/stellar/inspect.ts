import { formatClusterId } from '../../../protocols/wire/index.ts'
import { type Clock, messageOf, RefusedError, TransientError } from '../../base/index.ts'
import type { ProofLevel } from '../anchor.ts'
import { HEADERS_MAX, type Pins, verifyProof } from '../proof/proof.ts'
import { judgeAccount } from './account.ts'
import type { GenesisEntries } from './entries.ts'
import { fetchProof, genesisLedger } from './ledger-source.ts'
import type { Network } from './networks.ts'
import { Servers } from './servers.ts'

// What people ask about an anchor, beyond what a node needs.

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

/** For people and programs; hashes are hex. */
export interface AnchorReport {
  readonly cluster: string
  readonly witness: Network['witness']
  readonly proof: ProofLevel
  readonly genesis: string
  readonly quote: string
  readonly policy: string
  readonly boot: readonly string[]
  readonly homeDomain: string | null
  /** In which ledger the account was made. */
  readonly ledger: number
  readonly servers: readonly { readonly url: string; readonly answer: string }[]
}

const wordsOf = (entries: GenesisEntries) => ({
  genesis: hex(entries.genesisHash),
  quote: hex(entries.quoteHash),
  policy: hex(entries.policyHash),
  boot: entries.boot,
})

/** Asks every server for itself, then all of them together. Throws what is wrong. */
export const inspectAnchor = async (clusterId: Uint8Array, network: Network, clock: Clock): Promise<AnchorReport> => {
  const servers = new Servers(network.horizons, clock)
  const answers = await Promise.all(
    servers.all.map(async (horizon) => {
      try {
        const [account, latest] = await Promise.all([horizon.account(clusterId), horizon.latest()])
        const age = Math.max(0, Math.round((clock.now() - latest.closedAtMs) / 1_000))
        const what = account === undefined ? 'has no such account' : 'has the account'
        return { url: horizon.url, answer: `${what}; newest ledger ${latest.sequence}, closed ${age} s ago` }
      } catch (error) {
        return { url: horizon.url, answer: messageOf(error) }
      }
    }),
  )
  const { value: account } = await servers.account(clusterId)
  if (account === undefined) {
    throw new RefusedError('anchor_missing', `${formatClusterId(clusterId)} is no account on ${network.witness}`, {
      next:
        network.witness === 'pubnet'
          ? 'check the cluster id'
          : `check the cluster id; or ${network.witness} was reset, which wipes everything`,
    })
  }
  return {
    cluster: formatClusterId(clusterId),
    witness: network.witness,
    proof: 'account',
    ...wordsOf(judgeAccount(account)),
    homeDomain: account.homeDomain ?? null,
    ledger: Number(account.sequence >> 32n),
    servers: answers,
  }
}

export interface ProofReport
  extends Pick<AnchorReport, 'cluster' | 'witness' | 'proof' | 'genesis' | 'quote' | 'policy' | 'boot'> {
  /** Of the genesis. */
  readonly transaction: string
  readonly funder: string
  /** `SEQ:HASH` of the ledger that holds it. */
  readonly checkpoint: string
  readonly closedAt: string
  /** The last ledger that the proof reaches. */
  readonly upTo: number
  readonly bytes: number
  /** Who gave what. */
  readonly from: readonly string[]
}

/**
 * Checks a proof that is at hand, or one put together from what the servers give, up to the pinned ledgers. The bytes are worth
 * keeping. Throws what does not hold.
 */
export const proveAnchor = async (
  clusterId: Uint8Array,
  network: Network,
  options: { readonly clock: Clock; readonly pins: Pins; readonly kept?: { readonly proof: Uint8Array; readonly from: string } },
): Promise<{ readonly report: ProofReport; readonly proof: Uint8Array }> => {
  const { clock, pins, kept } = options
  const { passphrase } = network
  const expected = { clusterId, passphrase }
  const report = async (proof: Uint8Array, from: readonly string[]): Promise<{ report: ProofReport; proof: Uint8Array }> => {
    const proven = await verifyProof(proof, expected, pins)
    const { sequence, hash, closedAtMs } = proven.ledger
    return {
      proof,
      report: {
        cluster: formatClusterId(clusterId),
        witness: network.witness,
        proof: proven.level,
        ...wordsOf(proven.entries),
        transaction: hex(proven.transactionHash),
        funder: formatClusterId(proven.funder),
        checkpoint: `${sequence}:${hex(hash)}`,
        closedAt: new Date(closedAtMs).toISOString(),
        upTo: proven.upTo,
        bytes: proof.length,
        from,
      },
    }
  }
  if (kept !== undefined) {
    const found = await report(kept.proof, [kept.from])
    // Good enough, unless a pin says more than this proof reaches.
    if (found.report.proof === 'ledger' || pins.checkpoints.every(({ sequence }) => sequence <= found.report.upTo)) return found
  }
  const servers = new Servers(network.horizons, clock)
  const { value: account } = await servers.account(clusterId)
  if (account === undefined && kept !== undefined) throw wasReset(clusterId, network)
  const { rpcs, archives } = network
  const parts = { servers, rpcs, archives, clock, signal: undefined }
  const { sequence: newest } = await servers.latest()
  const fetchFrom = async (sequence: number) => {
    const reachable = pins.checkpoints
      .map((pin) => pin.sequence)
      .filter((each) => each >= sequence && each - sequence < HEADERS_MAX)
    return fetchProof({ ...expected, sequence, upTo: Math.min(newest, Math.max(sequence + 1, ...reachable)) }, parts)
  }
  const created = Number((account?.sequence ?? 0n) >> 32n)
  let fetched = account === undefined ? undefined : await fetchFrom(created)
  if (fetched === undefined && account !== undefined) {
    const later = await genesisLedger(expected, servers)
    if (later !== undefined && later !== created) fetched = await fetchFrom(later)
  }
  if (fetched === undefined) {
    throw new TransientError('no_proof', `no server has what proves the genesis of ${formatClusterId(clusterId)}`, {
      next: "Horizon does not, Stellar RPC keeps a ledger for days only, and a history archive has it when its checkpoint of 64 ledgers is over: name one with --stellar-archive, or take the file anchor-proof from a member's data folder and name it with --proof",
    })
  }
  return report(fetched.proof, fetched.from)
}

const wasReset = (clusterId: Uint8Array, { witness }: Network): RefusedError =>
  new RefusedError(
    'anchor_reset',
    `${formatClusterId(clusterId)} was on ${witness}, and is not there any more: ${witness} was reset`,
    {
      next: 'the cluster itself is unharmed; its identity is no longer public. Make important clusters on pubnet',
    },
  )
