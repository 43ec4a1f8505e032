/** The two sides of /dstack/membership/1.0.0 over one stream. Numbers refer to the steps of the specification (README.md). */
import type { Stream } from '@libp2p/interface'
import type { MemberRecord } from '../records/index.ts'
import {
  asError,
  EXCHANGE_TIMEOUT_MS,
  endStream,
  equals,
  lastWord,
  MalformedError,
  type Messages,
  messagesOf,
  type Refusal,
  type RefusalCode,
  STEP_TIMEOUT_MS,
  type Timer,
} from '../wire/index.ts'
import { difference, digestPages, recordMessages, revocationDifference, wantPages } from './compare.ts'
import {
  HELLO_LIMIT_BYTES,
  MEMBERS_MAX,
  MEMBERSHIP_LIMIT_BYTES,
  PROBE_TIMEOUT_MS,
  REVOCATION_PROOFS_MAX,
  SYNC_LIMIT_BYTES,
  WAITING_RECORDS_MAX,
} from './constants.ts'
import { greet } from './gate.ts'
import { isRejected, type JudgeRevocation, tryJudge } from './gossip.ts'
import { merge, revocationId, revoke, type Step } from './merge.ts'
import { type Digest, decodeSync, encodeSync, encodeSyncRefusal, type Sync } from './messages.ts'
import { peerKey } from './peer-map.ts'
import { type Instant, type JudgedRecord, judgeRecord, openRecord, type RecordRules } from './record.ts'
import { entryOf, isActive, type Table, tellable } from './table.ts'

/** What a node brings to an exchange. Steps are synchronous, so a table may be changed by others between two of them. */
export interface MembershipRole {
  readonly rules: RecordRules
  now(): Instant
  table(): Table
  /** Puts the step's table in the place of the one it was made from, and acts on its effects. */
  keep(step: Step): void
  /** The own record's envelope, with the credential that ends last. */
  ownRecord(): Uint8Array
  /** The peer at the other end has said this of itself; nothing of it has been checked but the envelope. */
  heard?(record: MemberRecord): void
  judgeRevocation: JudgeRevocation
  /** Whether this member answers now; ends with `signal`. */
  ping(peerId: Uint8Array, signal: AbortSignal): Promise<boolean>
}

export interface SyncTools {
  timer: Timer
  stepTimeoutMs?: number | undefined
  exchangeTimeoutMs?: number | undefined
}

/** This side said no, or would have; `reasons` are for the local log only. */
export class RefusedPeer extends Error {
  override readonly name = 'RefusedPeer'
  readonly code: RefusalCode
  constructor(
    readonly refusal: Refusal,
    readonly reason: string,
  ) {
    super(reason)
    this.code = refusal.code
  }
}

/** Numbers of an exchange, for logs and measurements. */
export interface Exchanged {
  /** Records that came. */
  received: number
  /** Of these, those that the table took. */
  taken: number
  sent: number
}

/** Both peer ids as the connection has authenticated them; multihash bytes. */
export interface SyncPeers {
  self: Uint8Array
  remote: Uint8Array
}

/**
 * The side that opens the stream: exchanges tables. Throws RefusalError (the peer said no; `lapsed`: it challenges us now),
 * {@link RefusedPeer}, MalformedError, or the deadline's error. What has been taken until then stays.
 * @param options.seed - a joiner's first exchange, with its onboarder
 */
export const syncOver = (
  stream: Stream,
  peers: SyncPeers,
  role: MembershipRole,
  tools: SyncTools,
  options: { seed?: boolean; signal?: AbortSignal } = {},
): Promise<Exchanged> =>
  overStream(stream, tools, options.signal, async (messages) => {
    await greetings(messages, peers, role, options)

    // 3. I→R Digests
    await tellAll(messages, digestPages(role.table(), role.now(), parties(peers)))

    // 4. R→I Revocations, Records, Want
    const taker = new Taker(role, options)
    const wanted = await taker.takeUntil(messages, 'want')

    // 5. I→R Revocations, Records, End
    const { envelopes, revocations } = whatIsWanted(role, peers, wanted)
    await tellAll(messages, [...revocations, ...recordMessages(envelopes), { kind: 'end' }])
    return { ...taker.counts, sent: envelopes.length }
  })

/** The side that opens the stream: asks the other to ping a third member. Throws as {@link syncOver}. */
export const probeOver = (
  stream: Stream,
  peers: SyncPeers,
  target: Uint8Array,
  role: MembershipRole,
  tools: SyncTools,
  signal?: AbortSignal,
): Promise<boolean> =>
  overStream(stream, tools, signal, async (messages) => {
    await greetings(messages, peers, role, {})
    // 3'. I→R Probe, R→I Probed
    await messages.write(encodeSync({ kind: 'probe', peerId: target }))
    const answer = decodeSync(await messages.read(SYNC_LIMIT_BYTES))
    if (answer.kind !== 'probed') throw new MalformedError(`expected Probed, got ${answer.kind}`)
    return answer.reached
  })

/**
 * The side that is dialed. Resolves when the exchange is through; throws {@link RefusedPeer} after the refusal has been sent,
 * RefusalError when the other side refused us, or the stream's or deadline's error.
 * @param admit - asked once the peer has shown itself a member; a refusal from it is sent
 */
export const serveOver = (
  stream: Stream,
  peers: SyncPeers,
  role: MembershipRole | undefined,
  tools: SyncTools,
  admit: (request: 'digests' | 'probe') => Refusal | undefined,
  signal?: AbortSignal,
): Promise<Exchanged | { reached: boolean }> =>
  overStream(stream, tools, signal, async (messages, exchange) => {
    if (role === undefined) throw new RefusedPeer({ code: 'not_member' }, 'this node is no member yet')

    // 1. I→R Hello, and nothing is told before it holds
    await readHello(messages, peers, role, {})
    // 2. R→I Hello
    await messages.write(encodeSync({ kind: 'hello', envelope: role.ownRecord() }))

    const first = decodeSync(await messages.read(SYNC_LIMIT_BYTES))
    if (first.kind !== 'digests' && first.kind !== 'probe')
      throw new MalformedError(`expected Digests or Probe, got ${first.kind}`)
    const refusal = admit(first.kind)
    if (refusal !== undefined) throw new RefusedPeer(refusal, `asks too often for ${first.kind}`)

    if (first.kind === 'probe') {
      // 3'. R→I Probed
      const reached = await probe(first.peerId, role, tools, exchange)
      await messages.write(encodeSync({ kind: 'probed', reached }))
      return { reached }
    }

    // 3. I→R Digests, the other pages
    const theirs = await readDigests(messages, first)
    const table = role.table()
    const records = difference(table, theirs.digests, role.now(), parties(peers))
    const revocations = revocationDifference(table, theirs.revocations)

    // 4. R→I Revocations, Records, Want
    await tellAll(messages, [
      ...revocations.send.map((revocation): Sync => ({ kind: 'revocation', revocation })),
      ...recordMessages(records.send),
      ...wantPages(records.want, revocations.want),
    ])

    // 5. I→R Revocations, Records, End
    const taker = new Taker(role, {})
    await taker.takeUntil(messages, 'end')
    return { ...taker.counts, sent: records.send.length }
  })

const parties = ({ self, remote }: SyncPeers): Uint8Array[] => [self, remote]

/** Runs an exchange, refuses where it says so, and ends the stream whatever happens. */
const overStream = async <T>(
  stream: Stream,
  tools: SyncTools,
  parent: AbortSignal | undefined,
  run: (messages: Messages, signal: AbortSignal) => Promise<T>,
): Promise<T> => {
  const exchange = tools.timer.deadline(tools.exchangeTimeoutMs ?? EXCHANGE_TIMEOUT_MS, parent)
  const messages = messagesOf(stream, {
    maxBytes: MEMBERSHIP_LIMIT_BYTES,
    stepTimeoutMs: tools.stepTimeoutMs ?? STEP_TIMEOUT_MS,
    timer: tools.timer,
    signal: exchange.signal,
  })
  try {
    const result = await run(messages, exchange.signal)
    await endStream(stream, exchange.signal)
    return result
  } catch (error) {
    if (error instanceof MalformedError || error instanceof RefusedPeer) {
      const refused = error instanceof RefusedPeer ? error : new RefusedPeer({ code: 'malformed' }, error.message)
      await lastWord(stream, messages, encodeSyncRefusal(refused.refusal), exchange.signal)
      throw refused
    }
    stream.abort(asError(error))
    throw error
  } finally {
    exchange.clear()
  }
}

/** 1. I→R Hello. 2. R→I Hello, or Refusal. */
const greetings = async (
  messages: Messages,
  peers: SyncPeers,
  role: MembershipRole,
  options: { seed?: boolean },
): Promise<void> => {
  await messages.write(encodeSync({ kind: 'hello', envelope: role.ownRecord() }))
  await readHello(messages, peers, role, options)
}

const readHello = async (
  messages: Messages,
  peers: SyncPeers,
  role: MembershipRole,
  options: { seed?: boolean },
): Promise<void> => {
  const hello = decodeSync(await messages.read(HELLO_LIMIT_BYTES))
  if (hello.kind !== 'hello') throw new MalformedError(`expected Hello, got ${hello.kind}`)
  // Most often it is the record that everybody has heard: then its signature has been looked at.
  const known = entryOf(role.table(), peers.remote)?.newest
  const opened = known !== undefined && equals(known.envelope, hello.envelope) ? known : await openRecord(hello.envelope)
  if (equals(opened.record.peerId, peers.remote)) role.heard?.(opened.record)
  const greeting = greet(opened, peers.remote, role.table(), role.now(), role.rules, options)
  role.keep({ table: greeting.table, effects: greeting.effects })
  if (greeting.kind !== 'member') throw new RefusedPeer({ code: greeting.code }, greeting.fault)
}

/** Pings a member for another one; who is no member here is not pinged. */
const probe = async (peerId: Uint8Array, role: MembershipRole, tools: SyncTools, exchange: AbortSignal): Promise<boolean> => {
  if (equals(peerId, role.rules.self)) return true
  if (!isActive(role.table(), entryOf(role.table(), peerId), role.now())) return false
  const deadline = tools.timer.deadline(PROBE_TIMEOUT_MS, exchange)
  try {
    return await role.ping(peerId, deadline.signal)
  } catch {
    return false
  } finally {
    deadline.clear()
  }
}

type Digests = Extract<Sync, { kind: 'digests' }>
type Want = Pick<Extract<Sync, { kind: 'want' }>, 'peerIds' | 'revocations'>
const NOTHING_WANTED = { peerIds: [], revocations: [], more: false }

/** A page that says that more follow must bring something, or there would be no end of pages. */
const demandMore = (kind: string, page: { more: boolean }, count: number, total: number): void => {
  if (page.more && count === 0) throw new MalformedError(`${kind}: an empty page, and more to follow`)
  if (total > MEMBERS_MAX) throw new MalformedError(`${kind}: more than ${MEMBERS_MAX} members`)
}

const readDigests = async (messages: Messages, first: Digests): Promise<{ digests: Digest[]; revocations: Uint8Array[] }> => {
  const digests: Digest[] = []
  const seen = new Set<string>()
  for (let page = first; ; ) {
    for (const digest of page.digests) {
      const key = peerKey(digest.peerId)
      if (seen.has(key)) throw new MalformedError('Digests: the same peer twice')
      seen.add(key)
      digests.push(digest)
    }
    demandMore('Digests', page, page.digests.length, digests.length)
    if (!page.more) return { digests, revocations: page.revocations }
    await messages.write(NEXT)
    const next = decodeSync(await messages.read(SYNC_LIMIT_BYTES))
    if (next.kind !== 'digests') throw new MalformedError(`expected Digests, got ${next.kind}`)
    page = next
  }
}

/**
 * One side's turn: the next message only when the last has been dealt with, so that neither side ever has to hold more than one,
 * however large the tables and however slow the other side.
 */
const tellAll = async (messages: Messages, turn: readonly Sync[]): Promise<void> => {
  for (const [index, message] of turn.entries()) {
    await messages.write(encodeSync(message))
    if (index === turn.length - 1) return
    const answer = decodeSync(await messages.read(SYNC_LIMIT_BYTES))
    if (answer.kind !== 'next') throw new MalformedError(`expected Next, got ${answer.kind}`)
  }
}
const NEXT = encodeSync({ kind: 'next' })

/** Of what the other side wants, what may be told. */
const whatIsWanted = (role: MembershipRole, peers: SyncPeers, wanted: Want): { envelopes: Uint8Array[]; revocations: Sync[] } => {
  const { proofs } = role.table()
  const keys = new Set(wanted.peerIds.map(peerKey))
  return {
    envelopes: tellable(role.table(), role.now(), parties(peers))
      .filter(({ peerId }) => keys.has(peerKey(peerId)))
      .map(({ newest }) => newest.envelope),
    revocations: wanted.revocations.flatMap((id) => {
      const revocation = proofs.get(peerKey(id))
      return revocation === undefined ? [] : [{ kind: 'revocation', revocation }]
    }),
  }
}

/** Takes what the other side tells, message by message. */
class Taker {
  readonly #role: MembershipRole
  readonly #options: { seed?: boolean }
  /** Their issuers may come in a later message, or not at all. */
  #waiting: JudgedRecord[] = []
  #revocations = 0
  readonly counts = { received: 0, taken: 0 }

  constructor(role: MembershipRole, options: { seed?: boolean }) {
    this.#role = role
    this.#options = options
  }

  /** Until the message that ends the other side's turn; what it wants, where that is said there. */
  async takeUntil(messages: Messages, last: 'want' | 'end'): Promise<Want> {
    const peerIds: Uint8Array[] = []
    for (;;) {
      const bytes = await messages.read(MEMBERSHIP_LIMIT_BYTES)
      const message = decodeSync(bytes)
      if (bytes.length > SYNC_LIMIT_BYTES && message.kind !== 'revocation') {
        throw new MalformedError(`${message.kind} of ${bytes.length} bytes`)
      }
      // Once it has begun to say what it wants, it has told what it has.
      if (message.kind === 'records' && peerIds.length === 0) await this.#takeRecords(message.envelopes)
      else if (message.kind === 'revocation' && peerIds.length === 0) this.#takeRevocation(message.revocation)
      else if (message.kind === last) {
        const page = message.kind === 'want' ? message : NOTHING_WANTED
        peerIds.push(...page.peerIds)
        demandMore('Want', page, page.peerIds.length, peerIds.length)
        if (!page.more) {
          this.#retry()
          return { peerIds, revocations: page.revocations }
        }
      } else throw new MalformedError(`expected records or ${last}, got ${message.kind}`)
      await messages.write(NEXT)
    }
  }

  async #takeRecords(envelopes: readonly Uint8Array[]): Promise<void> {
    if (envelopes.length === 0) throw new MalformedError('Records: none')
    this.counts.received += envelopes.length
    if (this.counts.received > MEMBERS_MAX) throw new MalformedError(`Records: more than ${MEMBERS_MAX}`)
    for (const envelope of envelopes) {
      const opened = await openRecord(envelope)
      const { judged, fault } = judgeRecord(opened, this.#role.now().wallMs, this.#role.rules)
      // No honest member has such a record in its table.
      if (fault !== undefined && isRejected(fault)) throw new MalformedError(`Records: ${fault}`)
      if (judged !== undefined) this.#take(judged)
    }
  }

  #take(judged: JudgedRecord): boolean {
    const { fault, ...step } = merge(this.#role.table(), judged, this.#role.now(), this.#options)
    if (fault === 'unknown_issuer') {
      if (this.#waiting.length < WAITING_RECORDS_MAX) this.#waiting.push(judged)
      return false
    }
    this.#role.keep(step)
    if (fault === undefined) this.counts.taken++
    return fault === undefined
  }

  /** An issuer may have come after whom it let in. */
  #retry(): void {
    for (let progress = true; progress; ) {
      progress = false
      for (const judged of this.#waiting.splice(0)) progress = this.#take(judged) || progress
    }
  }

  #takeRevocation(revocation: Uint8Array): void {
    if (++this.#revocations > REVOCATION_PROOFS_MAX) throw new MalformedError(`Revocations: more than ${REVOCATION_PROOFS_MAX}`)
    const table = this.#role.table()
    if (table.proofs.has(revocationId(revocation))) return
    const judgement = tryJudge(this.#role.judgeRevocation, revocation, this.#options)
    if (judgement === undefined) throw new MalformedError('Revocation: malformed')
    if (judgement.counts) this.#role.keep(revoke(table, judgement, revocation, this.#role.now()))
    else if (judgement.fault === 'unproven' || judgement.fault === 'sound' || judgement.fault === 'wrong_cluster') {
      throw new MalformedError(`Revocation: ${judgement.fault}`)
    }
  }
}
