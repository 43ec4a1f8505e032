import { createHash } from 'node:crypto'
import type { xdr as xdrTypes } from '@stellar/stellar-sdk/base'
import { equals, formatClusterId, verifyEd25519 } from '../../../protocols/wire/index.ts'
import { messageOf, RefusedError, UsageError } from '../../base/index.ts'
import type { ProofLevel } from '../anchor.ts'
import type { GenesisEntries } from '../stellar/entries.ts'
import { openEnvelope, readGenesis, transactionHash } from '../stellar/genesis.ts'
import { networkId } from '../stellar/networks.ts'
import { outcomeOf } from '../stellar/results.ts'
import { badXdr, concat, u32be, u64be, varOpaque, XdrReader } from '../xdr.ts'
import { type LedgerHeader, parseHeader } from './header.ts'

// The light check (design: policy and anchor, "Light check"): the genesis transaction is in a ledger, by our own hashing.
//
//   struct AnchorProof {                      // XDR, RFC 4506
//     uint32 version;                         // 1
//     opaque envelope<8192>;                  // TransactionEnvelope of the genesis
//     opaque results<131072>;                 // TransactionResultSet of its ledger
//     opaque headers<8192><64>;               // LedgerHeader of its ledger and of those that follow it, without a gap
//     opaque transactions<131072>;            // (Generalized)TransactionSet of its ledger, or nothing
//     opaque following<131072>;               // that of the next ledger, or nothing: what a validator signs
//   };

export interface AnchorProof {
  readonly envelope: Uint8Array
  readonly results: Uint8Array
  readonly headers: readonly Uint8Array[]
  /** Empty: left out. The results name the transaction too; the set adds nothing that they do not bind. */
  readonly transactions: Uint8Array
  /** Empty: left out. */
  readonly following: Uint8Array
}

/** Ledgers that this node's configuration takes for granted. */
export interface Pins {
  readonly checkpoints: readonly Checkpoint[]
  /** ed25519 public keys, 32 bytes each. */
  readonly validators: readonly Uint8Array[]
}

export interface Checkpoint {
  readonly sequence: number
  /** 32 bytes: of that ledger's header. */
  readonly hash: Uint8Array
}

export interface Proven {
  readonly level: Exclude<ProofLevel, 'account'>
  readonly entries: GenesisEntries
  /** 32 bytes. */
  readonly funder: Uint8Array
  readonly transactionHash: Uint8Array
  readonly ledger: { readonly sequence: number; readonly hash: Uint8Array; readonly closedAtMs: number }
  /** Sequence of the last header. */
  readonly upTo: number
}

const VERSION = 1
export const PROOF_BYTES_MAX = 128 * 1024
const ENVELOPE_BYTES_MAX = 8 * 1024
const HEADER_BYTES_MAX = 8 * 1024
/** One checkpoint of a history archive: from any ledger the next one is at most 63 away. */
export const HEADERS_MAX = 64
/** Since this protocol a ledger is made of a GeneralizedTransactionSet. */
export const GENERALIZED_SINCE = 20
/** EnvelopeType of Stellar-ledger-entries.x. */
const ENVELOPE_TYPE_SCPVALUE = 4

/** Throws RangeError when it would be larger than {@link PROOF_BYTES_MAX}: leave sets out then. */
export const encodeProof = (proof: AnchorProof): Uint8Array => {
  const bytes = concat([
    u32be(VERSION),
    varOpaque(proof.envelope),
    varOpaque(proof.results),
    u32be(proof.headers.length),
    ...proof.headers.map(varOpaque),
    varOpaque(proof.transactions),
    varOpaque(proof.following),
  ])
  if (bytes.length > PROOF_BYTES_MAX) throw new RangeError(`a proof of ${bytes.length} bytes, at most ${PROOF_BYTES_MAX}`)
  return bytes
}

/** Throws RefusedError `bad_xdr`. */
export const decodeProof = (bytes: Uint8Array): AnchorProof => {
  if (bytes.length > PROOF_BYTES_MAX) throw badXdr('proof', `${bytes.length} bytes, at most ${PROOF_BYTES_MAX}`)
  const reader = new XdrReader(bytes, 'proof')
  const version = reader.u32()
  if (version !== VERSION) throw reader.fail(`version ${version}, known is ${VERSION}`)
  const envelope = reader.varOpaque(ENVELOPE_BYTES_MAX)
  const results = reader.varOpaque(PROOF_BYTES_MAX)
  const headers = Array.from({ length: reader.count(HEADERS_MAX) }, () => reader.varOpaque(HEADER_BYTES_MAX))
  const transactions = reader.varOpaque(PROOF_BYTES_MAX)
  const following = reader.varOpaque(PROOF_BYTES_MAX)
  reader.end()
  return { envelope, results, headers, transactions, following }
}

const sha256 = (...parts: readonly Uint8Array[]): Uint8Array => {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return Uint8Array.from(hash.digest())
}

const disproven = (found: string): RefusedError =>
  new RefusedError('proof_invalid', `the anchor's proof does not hold: ${found}`, {
    next: 'whoever gave it is mistaken or lies: get it from another member, or from the ledger with `dstack-mesh anchor verify`',
  })

/**
 * Checks a proof for one cluster on one network, without asking anybody. Throws RefusedError: `bad_xdr` for what cannot be read,
 * `not_a_genesis`, `proof_invalid` for what does not hold, `anchor_checkpoint` for a ledger that is not the pinned one.
 */
export const verifyProof = async (
  bytes: Uint8Array,
  expected: { readonly clusterId: Uint8Array; readonly passphrase: string },
  pins: Pins,
): Promise<Proven> => {
  const proof = decodeProof(bytes)
  const network = networkId(expected.passphrase)

  const { genesis, hash } = await checkEnvelope(proof.envelope, expected)
  const headers = checkChain(proof.headers)
  const [header] = headers
  if (header === undefined) throw disproven('it has no ledger header')
  await checkResults(proof.results, header, hash)
  if (proof.transactions.length > 0) await checkTransactions(proof.transactions, header, proof.envelope)

  // Hashes chain backwards only: a pin before this ledger says nothing about it.
  const atCheckpoint = pins.checkpoints.filter(({ sequence }) => checkCheckpoint(headers, sequence, pins)).length > 0
  const level = atCheckpoint || signedByPinned(proof.following, headers, network, pins) ? 'ledger' : 'transaction'
  return {
    level,
    entries: genesis.entries,
    funder: genesis.funder,
    transactionHash: hash,
    ledger: { sequence: header.sequence, hash: header.hash, closedAtMs: header.closeTime * 1_000 },
    upTo: headers.at(-1)!.sequence,
  }
}

/** A genesis of this cluster on this network, signed by the cluster. */
const checkEnvelope = async (envelope: Uint8Array, expected: { clusterId: Uint8Array; passphrase: string }) => {
  const { body, signatures } = await openEnvelope(envelope)
  const genesis = await readGenesis(body, expected.passphrase)
  if (!equals(genesis.clusterId, expected.clusterId)) {
    throw disproven(`it is about ${formatClusterId(genesis.clusterId)}, not ${formatClusterId(expected.clusterId)}`)
  }
  const hash = transactionHash(networkId(expected.passphrase), body)
  if (!signatures.some(({ signature }) => verifyEd25519(expected.clusterId, hash, signature))) {
    throw disproven('the transaction is not signed by the cluster, on this network')
  }
  return { genesis, hash }
}

const checkChain = (all: readonly Uint8Array[]): readonly LedgerHeader[] => {
  const headers = all.map(parseHeader)
  for (const [index, header] of headers.entries()) {
    const before = headers[index - 1]
    if (before === undefined) continue
    if (header.sequence !== before.sequence + 1 || !equals(header.previousHash, before.hash)) {
      throw disproven(`ledger ${header.sequence} does not follow ledger ${before.sequence}`)
    }
  }
  return headers
}

/** The results name the transaction, once, as a success. Throws RefusedError. */
export const checkResults = async (results: Uint8Array, header: LedgerHeader, hash: Uint8Array): Promise<void> => {
  if (!equals(sha256(results), header.resultsHash)) throw disproven('the results are not those of the ledger')
  const { xdr } = await import('@stellar/stellar-sdk/base')
  let pairs: readonly xdrTypes.TransactionResultPair[]
  try {
    pairs = xdr.TransactionResultSet.fromXdr(results).results
  } catch (error) {
    throw badXdr('transaction results', messageOf(error))
  }
  const own = pairs.filter(({ transactionHash }) => equals(transactionHash.toBytes(), hash))
  if (own.length !== 1) throw disproven(`the transaction is ${own.length} times among the results`)
  const { verdict, words } = outcomeOf(own[0]!.result)
  if (verdict !== 'success') throw disproven(`the transaction failed: ${words}`)
}

const checkTransactions = async (transactions: Uint8Array, header: LedgerHeader, envelope: Uint8Array): Promise<void> => {
  const envelopes = await readTransactionSet(transactions, header)
  if (!envelopes.some((each) => equals(each, envelope))) throw disproven('the transaction is not in the set of the ledger')
}

/** The envelopes of a set whose hash a header names. Throws RefusedError. */
export const readTransactionSet = async (bytes: Uint8Array, header: LedgerHeader): Promise<readonly Uint8Array[]> => {
  const { xdr } = await import('@stellar/stellar-sdk/base')
  let envelopes: readonly Uint8Array[]
  let hash: Uint8Array
  try {
    if (header.version >= GENERALIZED_SINCE) {
      hash = sha256(bytes)
      envelopes = xdr.GeneralizedTransactionSet.fromXdr(bytes).value.phases.flatMap(phaseEnvelopes)
    } else {
      const set = xdr.TransactionSet.fromXdr(bytes)
      envelopes = set.txs.map((envelope) => envelope.toXdr())
      // Contents without their number; reading them strictly is what makes it unambiguous.
      hash = sha256(set.previousLedgerHash.toBytes(), ...envelopes)
    }
  } catch (error) {
    throw badXdr('transaction set', messageOf(error))
  }
  if (!equals(hash, header.transactionSetHash)) throw disproven('the transaction set is not that of the ledger')
  return envelopes
}

const phaseEnvelopes = (phase: xdrTypes.TransactionPhase): readonly Uint8Array[] => {
  const envelopes =
    phase.type === 'v0Components'
      ? phase.v0Components.flatMap((component) => component.value.txs)
      : phase.parallelTxsComponent.executionStages.flat(2)
  return envelopes.map((envelope) => envelope.toXdr())
}

/** True when the pinned ledger is among the headers, and the one that is pinned. */
const checkCheckpoint = (headers: readonly LedgerHeader[], sequence: number, pins: Pins): boolean => {
  const header = headers.find((each) => each.sequence === sequence)
  if (header === undefined) return false
  if (pins.checkpoints.every((pin) => pin.sequence !== sequence || equals(pin.hash, header.hash))) return true
  throw new RefusedError('anchor_checkpoint', `ledger ${sequence} of the proof is not the one that is pinned`, {
    next: 'check --checkpoint; if it is right, the proof is of another chain: do not join',
  })
}

/**
 * A validator signs a leader value: the hash of a transaction set and a close time, not a header, and not what came of the
 * transactions. But the next ledger's set names the hash of this ledger's header; so a pinned validator that signed it had
 * closed this ledger, results and all.
 */
const signedByPinned = (following: Uint8Array, headers: readonly LedgerHeader[], network: Uint8Array, pins: Pins): boolean => {
  const [header, next] = headers
  if (following.length === 0 || header === undefined || next?.signed === undefined) return false
  const { validator, signature } = next.signed
  if (!pins.validators.some((pinned) => equals(pinned, validator))) return false
  const reader = new XdrReader(following, 'following transaction set')
  const generalized = next.version >= GENERALIZED_SINCE
  if (generalized) reader.arm(1)
  if (!equals(reader.opaque(32), header.hash)) throw disproven('the next transaction set builds on another ledger')
  const hash = generalized ? sha256(following) : legacyHash(following)
  if (!equals(hash, next.transactionSetHash)) throw disproven('the next transaction set is not that of its ledger')
  if (!verifyEd25519(validator, leaderValue(network, next), signature)) throw disproven("the validator's signature does not hold")
  return true
}

/** What the leader of a ledger signs. */
export const leaderValue = (
  network: Uint8Array,
  { transactionSetHash, closeTime }: Pick<LedgerHeader, 'transactionSetHash' | 'closeTime'>,
): Uint8Array => concat([network, u32be(ENVELOPE_TYPE_SCPVALUE), transactionSetHash, u64be(closeTime)])

/** Contents without their number, which stands after the previous ledger's hash. */
const legacyHash = (set: Uint8Array): Uint8Array => sha256(set.subarray(0, 32), set.subarray(36))

/** `SEQ:HASH`, as `anchor show` prints it. Throws UsageError. */
export const parseCheckpoint = (text: string): Checkpoint => {
  const match = /^([1-9]\d{0,9}):([0-9a-f]{64})$/.exec(text)
  const sequence = Number(match?.[1])
  if (match === null || sequence > 0xffff_ffff) {
    throw new UsageError('bad_configuration', `${JSON.stringify(text)} is not a checkpoint`, {
      next: "write it like 51234567:<64 hex digits>: a ledger's sequence number and the hash of its header, from a source that you trust",
    })
  }
  return { sequence, hash: Uint8Array.from(Buffer.from(match[2]!, 'hex')) }
}
