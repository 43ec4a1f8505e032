import type { PeerId, PrivateKey } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import {
  FalseOnboarderError,
  type Joined,
  type JoinerStep,
  type Onboard,
  SelfRefusedError,
} from '../../protocols/onboard/index.ts'
import { type RefusalCode, RefusalError } from '../../protocols/wire/index.ts'
import type { Anchor, AnchorReading, ProofLevel } from '../anchor/index.ts'
import { type AppIdentity, type Attester, type Policy, policyHash, tdEvents } from '../attest/index.ts'
import {
  type Clock,
  type Log,
  type MeshError,
  messageOf,
  type Random,
  RefusedError,
  TransientError,
  UsageError,
} from '../base/index.ts'
import { isOverTcp } from './addresses.ts'
import { type NodePolicy, openNodePolicy, type VerifierFactory } from './cluster-policy.ts'
import { Dialer, type Reached } from './dialer.ts'
import { attest, Membership } from './membership.ts'
import type { ClusterKeys, KeyDeriver } from './parts.ts'
import { shuffled } from './public-addresses.ts'
import { genesisWitness, type Witnessed, witness } from './witness.ts'

export interface JoinParts {
  clusterId: Uint8Array
  /** Text multiaddrs to start from. */
  peers: readonly string[]
  /** Insisted on when given. */
  policy: Policy | undefined
  onboard: Onboard
  /** Which address to dial now for one that may be a name. */
  resolve(address: string): Promise<string>
  attester: Attester
  anchor: Anchor
  /** From an earlier join of this cluster; not believed, but checked. */
  keptProof: Uint8Array | undefined
  keys: KeyDeriver
  verifier: VerifierFactory
  apps: readonly AppIdentity[]
  peerKey: PrivateKey
  peerId: Uint8Array
  clock: Clock
  random: Random
  log: Log
  signal: AbortSignal
  timeoutMs: number
  /**
   * It has joined before: its register says all that it is to say, and the genesis and policy are those that it found good then, whoever
   * says otherwise now.
   */
  again?: { genesisHash: Uint8Array; policyHash: Uint8Array } | undefined
}

export interface JoinResult {
  membership: Membership
  /** Those to start from: the given ones, and those that the cluster published. */
  peers: readonly string[]
  /** How far the cluster identity is proven by the anchor; undefined: not at all. */
  proof: ProofLevel | undefined
  /** When the genesis became public (Unix milliseconds), by a witness; undefined: its own word counted. */
  publicSince: number | undefined
  onboarder: { peerId: PeerId; address: string; credential: Uint8Array }
}

// Implementation constants: tuning.

/** For what a name stands for; a server of names may never say. A dial has a time of its own. */
const RESOLVE_TIMEOUT_MS = 10_000
/** One exchange, from the connection to the keyring. */
const ATTEMPT_TIMEOUT_MS = 40_000
const FIRST_PAUSE_MS = 250
const LONGEST_PAUSE_MS = 10_000
/** Addresses that are kept of those that busy peers offered, and of those that the cluster published. */
const OFFERED_MAX = 48

/** Answers that no other try at the same peer will change. */
const FINAL: ReadonlySet<string> = new Set<RefusalCode>([
  'malformed',
  'unsupported',
  'wrong_cluster',
  'bad_binding',
  'bad_signature',
  'quote_invalid',
  'tcb_unacceptable',
  'measurement_unacceptable',
  'app_unacceptable',
  'platform_unacceptable',
])

interface Candidate {
  address: string
  /** Not by our operator but by a peer, which may be anybody. */
  offered: boolean
  tries: number
  /** What it answered last. */
  answer?: string
  final: boolean
  notBeforeMs: number
}

const WITNESSED_BEFORE: Witnessed = { reading: undefined, kept: undefined, answers: false, mustProve: false }

const untried = (address: string, offered: boolean): Candidate => ({ address, offered, tries: 0, final: false, notBeforeMs: 0 })

/**
 * Tries the addresses, and those that busy members offer, each with a deadline of its own and jittered pauses between its tries,
 * until one exchange succeeds, no address can give another answer, or the time is up. Then tells what each peer answered. Several
 * may be dialed at once; exchanges are one after the other.
 */
export const joinCluster = async (parts: JoinParts): Promise<JoinResult> => {
  const { clock, log } = parts
  const witnessed = parts.again === undefined ? await witness(parts) : WITNESSED_BEFORE
  const addresses = startingAddresses(parts, witnessed.reading)
  if (parts.again === undefined) await parts.attester.extend(tdEvents(parts.apps, parts.clusterId))
  const overall = clock.deadline(parts.timeoutMs, parts.signal)
  const candidates: Candidate[] = addresses.map((address) => untried(address, false))
  // It goes by the time of all tries: a dial that has begun may still end while another peer is asked.
  using dialer = new Dialer<Candidate>({
    dial: (candidate, stop) => dial(candidate, parts, AbortSignal.any([overall.signal, stop])),
    failed: (candidate, error) => failed(candidate, candidates, error, parts),
    clock,
  })
  try {
    let [lastDialedOffered, lastAskedOffered] = [true, true]
    for (;;) {
      overall.signal.throwIfAborted()
      const reached = dialer.take(({ offered }) => offered !== lastAskedOffered)
      if (reached !== undefined) {
        lastAskedOffered = reached.target.offered
        const result = await attempt(reached, candidates, witnessed, parts, overall.signal)
        if (result !== undefined) return { ...result, peers: addresses }
        continue
      }
      const open = candidates.filter(({ final }) => !final)
      if (open.length === 0) throw allRefused(candidates)
      const free = dialer.hasPlace ? open.filter((candidate) => dialer.isFree(candidate)) : []
      const next = nextOf(free, lastDialedOffered, parts)
      if (next !== undefined) {
        lastDialedOffered = next.offered
        dialer.begin(next)
        await dialer.ended(overall.signal)
        continue
      }
      const turnAtMs = Math.min(...free.map(({ notBeforeMs }) => notBeforeMs))
      const pauseMs = Number.isFinite(turnAtMs) ? Math.max(1, turnAtMs - clock.monotonicMs()) : LONGEST_PAUSE_MS
      if (free.length === open.length) log.info('join.waiting', { pauseMs: Math.round(pauseMs) })
      await dialer.ended(overall.signal, pauseMs)
    }
  } catch (error) {
    parts.signal.throwIfAborted()
    if (overall.signal.aborted) throw timedOut(candidates, parts.timeoutMs)
    throw error
  } finally {
    overall.clear()
  }
}

/** Those of the configuration and those that the cluster published at genesis. */
const startingAddresses = ({ peers }: JoinParts, reading: AnchorReading | undefined): readonly string[] => {
  // All that the operator gave: whichever is left out may be the only true one.
  const addresses = [...new Set([...peers, ...(reading?.boot ?? []).slice(0, OFFERED_MAX)])]
  if (addresses.length > 0) return addresses
  throw new UsageError('no_peers', 'no member to join through: none is named, and the cluster published no address', {
    next: 'give at least one --peer <multiaddr>',
  })
}

/**
 * Whose turn it is, if anybody's: the one with the fewest tries, given and offered by turns. So however many addresses false
 * peers offer, those that the operator gave are tried as often.
 * Among equals by lot: many that start with one configuration do not all begin at the same member.
 */
const nextOf = (
  open: readonly Candidate[],
  lastWasOffered: boolean,
  { clock, random }: Pick<JoinParts, 'clock' | 'random'>,
): Candidate | undefined => {
  const repeats = ({ offered }: Candidate): number => Number(offered === lastWasOffered)
  const ready = open.filter(({ notBeforeMs }) => notBeforeMs <= clock.monotonicMs())
  return shuffled(ready, random).sort((a, b) => repeats(a) - repeats(b) || a.tries - b.tries)[0]
}

const dial = async (candidate: Candidate, parts: JoinParts, signal: AbortSignal): Promise<Omit<Reached<Candidate>, 'target'>> => {
  candidate.answer ??= 'nothing so far'
  const address = await resolved(candidate.address, parts, signal)
  parts.log.info('join.dialing', { address: candidate.address, ...(address !== candidate.address && { resolved: address }) })
  const connection = await parts.onboard.dial(multiaddr(address), signal)
  parts.log.info('join.dialed', { address: candidate.address, peer: connection.remotePeer.toString() })
  return { address, connection }
}

/** One exchange. undefined: not this time; the candidate knows why. Throws only what no other peer could change. */
const attempt = async (
  { target: candidate, address, connection }: Reached<Candidate>,
  candidates: Candidate[],
  witnessed: Witnessed,
  parts: JoinParts,
  signal: AbortSignal,
): Promise<Omit<JoinResult, 'peers'> | undefined> => {
  const { clock, log, keys, verifier } = parts
  const deadline = clock.deadline(ATTEMPT_TIMEOUT_MS, signal)
  const said = genesisWitness(witnessed, parts.anchor, deadline.signal)
  let joinId: string | undefined
  try {
    const joined = await parts.onboard.join<ClusterKeys, NodePolicy>(
      connection,
      {
        anchoredGenesisHash: parts.again?.genesisHash ?? witnessed.reading?.genesisHash,
        policyHash: parts.again?.policyHash ?? (parts.policy === undefined ? undefined : policyHash(parts.policy)),
        attest: (binding, stop) => attest(parts.attester, binding, stop),
        adopt: (entries) => keys.adopt(entries),
        openPolicy: (canonical) => openNodePolicy(canonical, verifier),
        genesisTime: (genesis, record) => said.publicSince(genesis, record),
        onStep: (step: JoinerStep, id) => {
          joinId = id
          log.info(`join.${step}`, { joinId })
        },
      },
      deadline.signal,
    )
    const { proof, publicSince } = await wipeUnless(joined, () => said.check(joined))
    return {
      membership: membershipOf(joined, witnessed.kept, parts),
      proof,
      publicSince,
      onboarder: { peerId: connection.remotePeer, address, credential: joined.onboarder.credential },
    }
  } catch (error) {
    // Where the exchange itself was sound, it is still open.
    connection.abort(error instanceof Error ? error : new Error('not joined'))
    // Our own collateral may be renewed meanwhile; what this TD is will not change.
    if (error instanceof SelfRefusedError && FINAL.has(error.refusal))
      throw new RefusedError(error.code, error.message, { next: 'run what the policy lists', cause: error })
    failed(candidate, candidates, error, parts, { joinId, peer: connection.remotePeer.toString() })
    return undefined
  } finally {
    deadline.clear()
  }
}

/** Notes why, and when it is its turn again. */
const failed = (
  candidate: Candidate,
  candidates: Candidate[],
  error: unknown,
  parts: JoinParts,
  fields: { joinId?: string | undefined; peer?: string } = {},
): void => {
  const { clock, random, log } = parts
  note(candidate, candidates, error, parts)
  log.warn('join.failed', { ...fields, address: candidate.address, answer: candidate.answer })
  const pauseMs = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(candidate.tries++, 10)) * (0.5 + random.uniform())
  candidate.notBeforeMs = Math.max(candidate.notBeforeMs, clock.monotonicMs() + pauseMs)
}

/** The address to dial now for one that may be a name. */
export const resolved = async (
  address: string,
  { resolve, clock }: Pick<JoinParts, 'resolve' | 'clock'>,
  signal: AbortSignal,
): Promise<string> => {
  using deadline = clock.deadline(RESOLVE_TIMEOUT_MS, signal)
  return await within(resolve(address), deadline.signal)
}

/** A system's resolver cannot be stopped, only left behind. */
const within = <T>(work: Promise<T>, signal: AbortSignal): Promise<T> =>
  new Promise((resolve, reject) => {
    signal.throwIfAborted()
    const onAbort = () => reject(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
  })

/** A keyring that is not taken is wiped. */
const wipeUnless = async <T>(joined: Joined<ClusterKeys, NodePolicy>, check: () => Promise<T>): Promise<T> => {
  try {
    return await check()
  } catch (error) {
    joined.keyring.wipe()
    throw error
  }
}

const membershipOf = (joined: Joined<ClusterKeys, NodePolicy>, kept: Uint8Array | undefined, parts: JoinParts): Membership =>
  new Membership({
    issuer: { peerKey: parts.peerKey, peerId: parts.peerId, keys: joined.keyring, policy: joined.policy, clock: parts.clock },
    // A proof that still held when this node started is good for others too.
    genesis:
      joined.genesis.anchorProof === undefined && kept !== undefined ? { ...joined.genesis, anchorProof: kept } : joined.genesis,
    record: joined.genesisRecord,
    standing: { credential: joined.credential, evidence: joined.evidence },
  })

const note = (
  candidate: Candidate,
  candidates: Candidate[],
  error: unknown,
  { clock, random }: Pick<JoinParts, 'clock' | 'random'>,
): void => {
  if (error instanceof RefusalError) {
    const { code, retryAfterMs, addresses = [] } = error.refusal
    candidate.answer = `refused: ${code}`
    candidate.final = FINAL.has(code)
    // Not all that were told the same come back at the same moment.
    if (retryAfterMs !== undefined) candidate.notBeforeMs = clock.monotonicMs() + retryAfterMs * (1 + random.uniform())
    for (const address of addresses) {
      if (
        candidates.filter(({ offered }) => offered).length < OFFERED_MAX &&
        !candidates.some((known) => known.address === address) &&
        isOverTcp(address)
      ) {
        candidates.push(untried(address, true))
      }
    }
  } else if (error instanceof FalseOnboarderError) {
    candidate.answer = `false: ${error.message}`
    candidate.final = true
  } else {
    candidate.answer = messageOf(error)
  }
}

const answers = (candidates: readonly Candidate[]): string =>
  candidates.map(({ address, answer }) => `  ${address}: ${answer ?? 'not tried'}`).join('\n')

const allRefused = (candidates: readonly Candidate[]): MeshError =>
  new RefusedError('join_refused', `no peer let this node in:\n${answers(candidates)}`, {
    next: "check --cluster and --peer, this machine's clock, and whether the cluster's policy admits this TD (dstack-mesh policy explain)",
  })

const timedOut = (candidates: readonly Candidate[], timeoutMs: number): MeshError =>
  new TransientError('join_timeout', `could not join within ${timeoutMs / 1000} s:\n${answers(candidates)}`, {
    next: 'check that a member listens at one of the addresses, or raise --join-timeout',
  })
