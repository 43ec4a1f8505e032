import { equals, formatClusterId } from '../../../protocols/wire/index.ts'
import { type Clock, type Log, messageOf, RefusedError, TransientError, UsageError } from '../../base/index.ts'
import type {
  Anchor,
  AnchorLedger,
  AnchorNote,
  AnchorPublication,
  AnchorReading,
  AnchorSigner,
  Handover,
  ProofLevel,
} from '../anchor.ts'
import { parseHeader } from '../proof/header.ts'
import { type Pins, type Proven, verifyProof } from '../proof/proof.ts'
import { judgeAccount } from './account.ts'
import { checkContract, isPublished, publishToContract } from './contract-publish.ts'
import { checkBoot, type GenesisEntries, sameEntries } from './entries.ts'
import type { Funder, HandoverFunder } from './funder.ts'
import { fetchProof } from './ledger-source.ts'
import { type Network, networkId } from './networks.ts'
import { publishGenesis } from './publish.ts'
import { Servers } from './servers.ts'

export interface StellarAnchorInit {
  readonly network: Network
  readonly clock: Clock
  readonly log: Log
  readonly pins: Pins
  /** False: join although no server answers. */
  readonly required: boolean
  /** Bootstrap addresses to publish at genesis. */
  readonly boot?: readonly string[]
  readonly homeDomain?: string
  /** The seed's contract (`C…`) to publish to as well. */
  readonly contract?: string
  /** Opened when a cluster is made; left out: this node makes none. */
  readonly funder?: (signal: AbortSignal | undefined) => Promise<Funder>
  /** The same, where it is on another machine. */
  readonly handover?: HandoverFunder
}

/** The ledger after the genesis names it, and is what a pinned validator signs: worth waiting one close time for. */
const NEXT_LEDGER_WAITS = 7
const NEXT_LEDGER_WAIT_MS = 1_000

/** A question in the middle of an exchange, whose other side waits. */
const CONFIRM_TIMEOUT_MS = 3_000

/** The Stellar account whose id is the cluster id (design: policy and anchor, "The Stellar anchor"). */
export class StellarAnchor implements Anchor {
  readonly witness: Network['witness']
  readonly network: Uint8Array
  readonly required: boolean
  readonly pinned: boolean
  readonly handover?: Handover
  readonly #init: StellarAnchorInit
  #contractNote: AnchorNote | undefined

  constructor(init: StellarAnchorInit) {
    this.#init = init
    this.witness = init.network.witness
    this.network = networkId(init.network.passphrase)
    this.required = init.required
    this.pinned = init.pins.checkpoints.length + init.pins.validators.length > 0
    if (init.handover !== undefined) this.handover = init.handover
    checkBoot(init.boot ?? [])
    if (init.contract !== undefined) checkContract(init.contract)
    // Such a funder signs a genesis and nothing else.
    if (init.contract !== undefined && init.handover !== undefined) {
      throw new UsageError('bad_configuration', 'a funder on another machine does not sign calls of a contract', {
        next: 'give --funder-secret-file or --friendbot with --anchor-contract',
      })
    }
  }

  notes(): readonly AnchorNote[] {
    return this.#contractNote === undefined ? [] : [this.#contractNote]
  }

  #servers(signal: AbortSignal | undefined): Servers {
    return new Servers(this.#init.network.horizons, this.#init.clock, signal)
  }

  async publish(record: AnchorPublication, signer: AnchorSigner, signal?: AbortSignal): Promise<Uint8Array | undefined> {
    const { clock, log, network, boot = [], homeDomain } = this.#init
    const servers = this.#servers(signal)
    const entries = entriesOf(record, boot)
    const call = this.#contractCall(record)
    // A contract that is taken is known before anything is public.
    if (call !== undefined) await isPublished(call, { rpcs: network.rpcs, clock, signal })
    const funder = await this.#openFunder(signal)
    let ledger: number | undefined
    try {
      ledger = await publishGenesis(
        {
          passphrase: network.passphrase,
          clusterId: record.clusterId,
          entries,
          funder,
          signer,
          ...(homeDomain !== undefined && { homeDomain }),
        },
        { servers, clock, log, signal },
      )
      if (call !== undefined) await this.#publishToContract({ ...call, funder }, servers, signal)
    } finally {
      funder.wipe()
    }
    return this.#proveOwn(record, entries, ledger, servers, signal)
  }

  #contractCall({ clusterId, quote }: AnchorPublication) {
    const { contract, network } = this.#init
    if (contract === undefined) return undefined
    if (quote === undefined) throw new UsageError('no_quote', 'a contract is given the quote itself')
    return { contract, passphrase: network.passphrase, sharedPublicKey: Buffer.from(clusterId).toString('hex'), quote }
  }

  /** The account is the anchor, and is public by now: what becomes of the contract is told, and undoes nothing. */
  async #publishToContract(
    call: Parameters<typeof publishToContract>[0],
    servers: Servers,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const { clock, log, network } = this.#init
    const { contract } = call
    try {
      await publishToContract(call, { servers, rpcs: network.rpcs, clock, log, signal })
      log.warn('anchor.contract_published', { contract, witness: `${this.witness}, a weaker witness: ${WEAK_WITNESS}` })
      const words = `also in the contract ${contract} on ${this.witness}, a weaker witness: ${WEAK_WITNESS}`
      this.#contractNote = { code: 'contract_published', words, alarm: false }
    } catch (error) {
      signal?.throwIfAborted()
      log.error('anchor.contract_failed', { contract, reason: messageOf(error) })
      const words = `not in the contract ${contract}: ${messageOf(error)}. The account is public all the same`
      this.#contractNote = { code: 'contract_failed', words, alarm: true }
    }
  }

  async #openFunder(signal: AbortSignal | undefined): Promise<Funder> {
    const { funder, handover } = this.#init
    if (handover !== undefined) return handover
    if (funder !== undefined) return funder(signal)
    throw noFunder()
  }

  /** A cluster that is public needs no proof to live: without one, joiners ask the servers. */
  async #proveOwn(
    record: AnchorPublication,
    entries: GenesisEntries,
    ledger: number | undefined,
    servers: Servers,
    signal: AbortSignal | undefined,
  ): Promise<Uint8Array | undefined> {
    const { clock, log, network } = this.#init
    try {
      const sequence = ledger ?? (await creationLedger(record.clusterId, servers))
      for (let left = NEXT_LEDGER_WAITS; left > 0 && (await servers.latest()).sequence <= sequence; left--) {
        await clock.sleep(NEXT_LEDGER_WAIT_MS, signal)
      }
      const { passphrase, rpcs, archives } = network
      const fetched = await fetchProof(
        { clusterId: record.clusterId, passphrase, sequence, upTo: sequence + 1 },
        { servers, rpcs, archives, clock, signal },
      )
      if (fetched === undefined) {
        log.warn('anchor.no_proof', { reason: 'no server has the ledger of the genesis', ledger: sequence })
        return undefined
      }
      const proven = await verifyProof(fetched.proof, { clusterId: record.clusterId, passphrase }, this.#init.pins)
      if (!sameEntries(proven.entries, entries)) throw new RefusedError('proof_invalid', 'the proof is of another genesis')
      log.info('anchor.proven', { proof: proven.level, ledger: sequence, bytes: fetched.proof.length, from: fetched.from })
      return fetched.proof
    } catch (error) {
      signal?.throwIfAborted()
      log.warn('anchor.no_proof', { reason: messageOf(error) })
      return undefined
    }
  }

  /** Throws RefusedError `anchor_missing` where a ledger that still closes has no such account. */
  async read(clusterId: Uint8Array, signal?: AbortSignal): Promise<AnchorReading> {
    const servers = this.#servers(signal)
    const { value: account, silent } = await servers.account(clusterId)
    for (const reason of silent) this.#init.log.warn('anchor.server_silent', { reason })
    if (account === undefined) throw missing(clusterId, this.witness)
    const entries = judgeAccount(account)
    if (entries.next !== undefined) await checkHead(entries.next, servers)
    return readingOf(clusterId, entries, 'account')
  }

  async verify(clusterId: Uint8Array, proof: Uint8Array): Promise<AnchorReading> {
    const proven = await this.prove(clusterId, proof)
    if (proven.entries.next !== undefined) {
      throw new RefusedError('unsupported', 'a cluster with governance may have moved on: a proof of its genesis is not enough')
    }
    return { ...readingOf(clusterId, proven.entries, proven.level), ledger: proven.ledger }
  }

  async confirms({ sequence, hash }: AnchorLedger, signal?: AbortSignal): Promise<boolean> {
    const { network, clock } = this.#init
    const servers = new Servers(network.horizons, clock, signal, CONFIRM_TIMEOUT_MS)
    let headers: readonly Uint8Array[]
    try {
      headers = (await servers.answers((horizon) => horizon.header(sequence))).value
    } catch (error) {
      // No answer, or a server that forgets old ledgers.
      if (error instanceof TransientError) return false
      throw error
    }
    if (headers.every((header) => equals(parseHeader(header).hash, hash))) return true
    throw new RefusedError('proof_invalid', `the servers show another ledger ${sequence} than the proof`, {
      next: 'whoever gave the proof made it up, or a server lies: ask others with --horizon',
    })
  }

  prove(clusterId: Uint8Array, proof: Uint8Array): Promise<Proven> {
    return verifyProof(proof, { clusterId, passphrase: this.#init.network.passphrase }, this.#init.pins)
  }
}

/** What a contract of the seed is worth. */
export const WEAK_WITNESS = 'anybody may have been the first to write it, one server tells it, and it expires'

const entriesOf = ({ genesisHash, quoteHash, policyHash }: AnchorPublication, boot: readonly string[]): GenesisEntries => ({
  genesisHash,
  quoteHash,
  policyHash,
  boot,
})

/** An account's first sequence number tells in which ledger it was made: that of the genesis, unless a stranger came first. */
export const creationLedger = async (clusterId: Uint8Array, servers: Servers): Promise<number> =>
  Number(((await servers.account(clusterId)).value?.sequence ?? 0n) >> 32n)

const readingOf = (clusterId: Uint8Array, entries: GenesisEntries, proof: ProofLevel): AnchorReading => ({
  clusterId,
  genesisHash: entries.genesisHash,
  quoteHash: entries.quoteHash,
  policyHash: entries.policyHash,
  boot: entries.boot,
  proof,
})

/**
 * A cluster with governance may have successors, and joining past one that is not understood would mean following a policy that
 * was replaced. An account without data names none.
 */
const checkHead = async (next: Uint8Array, servers: Servers): Promise<void> => {
  await servers.fresh()
  const { value: account } = await servers.account(next)
  if (account === undefined) {
    throw new RefusedError(
      'anchor_head_missing',
      `the account that names the successors, ${formatClusterId(next)}, does not exist`,
      {
        next: 'do not join: a genesis with governance creates it',
      },
    )
  }
  // Whoever could sign for it alone could name a successor alone.
  if (account.signers.some(({ key, weight }) => key === account.accountId && weight > 0)) {
    throw new RefusedError('anchor_head_open', 'the account that names the successors still obeys its own key', {
      next: 'do not join: a genesis with governance takes that key its weight',
    })
  }
  const names = [...account.data.keys()]
  if (names.length > 0) {
    throw new RefusedError(
      'unsupported',
      `the cluster has a successor (${names.join(', ')}) that this version does not understand`,
      {
        next: 'use a version of dstack-mesh that does',
      },
    )
  }
}

const missing = (clusterId: Uint8Array, witness: Network['witness']): RefusedError =>
  new RefusedError('anchor_missing', `${formatClusterId(clusterId)} is no account on ${witness}`, {
    next:
      witness === 'pubnet'
        ? 'check the cluster id, and on which network it was made'
        : `check the cluster id, and on which network it was made; if it was there before, ${witness} was reset, which wipes everything: \`--anchor none\` joins on the strength of the cluster id alone`,
  })

const noFunder = (): RefusedError =>
  new RefusedError('no_funder', 'making a cluster on a ledger costs a little, and nobody is named who pays', {
    next: [
      'one of',
      '  --friendbot                    a throw-away account (devnet, testnet)',
      '  --funder-secret-file <file>    a secret key on this machine',
      '  --funder G…                    somebody on another machine: see dstack-mesh anchor prepare',
    ].join('\n'),
  })
