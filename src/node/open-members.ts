import { peerIdFromString } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { type ChallengeRoles, type Challenges, NoStandingError } from '../../protocols/challenge/index.ts'
import { type Membership as MembershipService, recordRules } from '../../protocols/membership/index.ts'
import { type MemberRecord, sealMemberRecord } from '../../protocols/records/index.ts'
import { RefusalError } from '../../protocols/wire/index.ts'
import { type Attester, parseQuote, tdDigest } from '../attest/index.ts'
import { type Clock, type Log, messageOf, type Random, remembered } from '../base/index.ts'
import { Members, type MembersEvent, type MembersNetwork, type MemberTable } from '../members/index.ts'
import type { Network } from '../net/index.ts'
import type { NodeEvents } from './events.ts'
import { attest, issue, type Membership, selfIssue, signAsPeer } from './membership.ts'
import { recordAddresses } from './record-addresses.ts'

/** Making one from its text costs more than a ping. As many as a table holds. */
const peerIdOf = remembered(10_000, peerIdFromString)

/** A connection for an exchange of tables that is there by then, or not at all. */
const CONNECT_TIMEOUT_MS = 10_000

export interface MembersParts {
  membership: Membership
  attester: Attester
  table: MemberTable
  network: Pick<Network, 'publish' | 'ping' | 'connect' | 'know' | 'expelled' | 'size'> & {
    services: { membership: MembershipService; challenges: Challenges }
  }
  /** Text multiaddrs at which this node listens, or that its operator announces. */
  addresses(): readonly string[]
  /** Whether they may be told to strangers. */
  public: boolean
  onJudged(peerId: Uint8Array, evaluationDataNumber: number): void
  clock: Clock
  random: Random
  log: Log
  events: NodeEvents
  signal: AbortSignal
}

/** This node as a member among members: begins to serve /dstack/membership and /dstack/challenge. Not started. */
export const openMembers = (parts: MembersParts): Members => {
  const { membership, network, clock, random, log, events } = parts
  const { keys, policy, issuer } = membership
  const signingPublicKey = (epoch: number) => (keys.epochs.includes(epoch) ? keys.signingPublicKey(epoch) : undefined)
  const members = new Members({
    table: parts.table,
    rules: recordRules({
      clusterId: keys.clusterId,
      self: issuer.peerId,
      lifetimeMs: policy.credentialLifetimeMs,
      signingPublicKey,
    }),
    own: {
      remainingMs: () => membership.remainingMs(),
      selfIssued: () => membership.selfIssued,
    },
    facts: () => ({
      clusterId: keys.clusterId,
      peerId: issuer.peerId,
      addresses: recordAddresses(parts.addresses()),
      public: parts.public,
      epoch: Math.max(...keys.epochs),
      credential: membership.credentialBytes,
    }),
    seal: (record: MemberRecord) => sealMemberRecord(record, issuer.peerKey),
    revocations: {
      clusterId: keys.clusterId,
      knowsEpoch: (epoch) => keys.epochs.includes(epoch),
      judge: (evidence, expected) => policy.judge(evidence, expected),
      readTd,
    },
    lifetimeMs: policy.credentialLifetimeMs,
    lapsedServeMs: policy.policy.lapsedServeMs,
    network: overNetwork(parts, () => renewed(members, parts)),
    clock,
    random,
    tell: (event) => tell(event, log, events),
    failed: (what, error) => log.warn('members.failed', { what, reason: messageOf(error) }),
  })
  network.services.membership.serveAs(members.role())
  network.services.challenges.serveAs(challengeRoles(members, parts, signingPublicKey))
  return members
}

/** To be called when this node has another credential. */
export const renewed = (
  members: Members,
  { membership, log, events }: Pick<MembersParts, 'membership' | 'log' | 'events'>,
): void => {
  const { expiresAt } = membership.credential
  const { selfIssued } = membership
  log.info('member.renewed', { selfIssued, expiresAt })
  events.emit({ kind: 'renewed', selfIssued, expiresAt })
  members.renewed()
}

const challengeRoles = (
  members: Members,
  parts: MembersParts,
  signingPublicKey: (epoch: number) => Uint8Array | undefined,
): ChallengeRoles => {
  const { membership, attester } = parts
  const { policy, issuer, keys } = membership
  return {
    member: {
      credentialLifetimeMs: policy.credentialLifetimeMs,
      isMember: (peerId) => members.mayChallenge(peerId),
      signingPublicKey,
      attest: (binding, signal) => attest(attester, binding, signal),
      judge: (evidence, expected) => policy.judge(evidence, expected),
      signAsPeer: (context, bytes) => signAsPeer(issuer.peerKey, context, bytes),
      current: () => ({ expiresAt: membership.credential.expiresAt, selfIssued: membership.selfIssued }),
      keep: ({ credential, evidence }) => {
        membership.renew({ credential, evidence })
        renewed(members, parts)
      },
    },
    verifier: {
      standing: () => members.standing(),
      epoch: () => Math.max(...keys.epochs),
      isChallengeable: (peerId) => members.isKnown(peerId),
      judge: (evidence, expected) => {
        const verdict = policy.judge(evidence, expected)
        if (!verdict.accepted) return verdict
        const subject = expected.peerId!
        parts.onJudged(subject, verdict.judged.tcbEvaluationDataNumber)
        return { accepted: true, issue: () => issue(issuer, subject, verdict.judged) }
      },
    },
  }
}

/** What members do over the network, peers in text form. */
const overNetwork = (parts: MembersParts, renewed: () => void): MembersNetwork => {
  const { network, membership, attester, clock, log, signal } = parts
  const { challenges, membership: exchanges } = network.services
  return {
    publish: (message) => network.publish(message),
    ping: (peer, timeoutMs) => network.ping(peerIdOf(peer), timeoutMs, signal),
    probe: async (via, target, timeoutMs) => {
      using deadline = clock.deadline(timeoutMs, signal)
      return await exchanges.probe(peerIdOf(via), target, { signal: deadline.signal })
    },
    sync: async (peer, { seed, addresses }) => {
      try {
        using deadline = clock.deadline(CONNECT_TIMEOUT_MS, signal)
        await network.connect(peerIdOf(peer), addresses.map(multiaddr), deadline.signal)
        const exchanged = await exchanges.sync(peerIdOf(peer), { seed, signal })
        log.debug('sync.done', { peer, ...exchanged })
        return 'exchanged'
      } catch (error) {
        if (!signal.aborted) log.debug('sync.failed', { peer, reason: messageOf(error) })
        return error instanceof RefusalError && error.refusal.code === 'lapsed' ? 'challenged' : 'failed'
      }
    },
    challenge: async (peer) => {
      try {
        const outcome = await challenges.challenge(peerIdOf(peer), { signal })
        if (outcome.outcome === 'bad_answer') {
          log.error('challenge.proven_bad', { peer, code: outcome.code, reasons: outcome.reasons })
        } else log.info('challenge.made', { peer, outcome: outcome.outcome, code: 'code' in outcome ? outcome.code : undefined })
        return outcome
      } catch (error) {
        if (error instanceof NoStandingError) return undefined
        throw error
      }
    },
    ask: async (peer) => {
      const outcome = await challenges.ask(peerIdOf(peer), { signal })
      log.info('challenge.asked', { peer, outcome: outcome.outcome })
      return outcome
    },
    selfIssue: async () => {
      try {
        const before = membership.credentialBytes
        const standing = await selfIssue(membership.issuer, attester, signal)
        // Another member has judged this node meanwhile: that counts for more.
        if (membership.credentialBytes !== before) return true
        membership.renew(standing)
      } catch (error) {
        if (!signal.aborted) log.error('member.renewal_failed', { reason: messageOf(error) })
        return false
      }
      renewed()
      return true
    },
    admitted: (peer, addresses) => {
      network
        .know(peerIdOf(peer), addresses.map(multiaddr))
        .catch((error) => log.warn('members.failed', { what: 'know', reason: messageOf(error) }))
    },
    expelled: (peer) => network.expelled(peerIdOf(peer)),
    size: (members) => network.size(members),
  }
}

/** What a quote says, not verified. */
const readTd = (quote: Uint8Array) => {
  try {
    const { td } = parseQuote(quote)
    return { tdDigest: tdDigest(td), reportData: td.reportData }
  } catch {
    return undefined
  }
}

const tell = (event: MembersEvent, log: Log, events: NodeEvents): void => {
  events.emit(event)
  switch (event.kind) {
    case 'member':
      if (event.change === 'updated') log.debug('member.updated', { peer: event.peerId })
      else log.info(`member.${event.change}`, { peer: event.peerId })
      break
    case 'challenge':
      if (event.side === 'member') log.info('challenge.answered', { peer: event.peerId, outcome: event.outcome })
      break
    case 'gossip':
      if (event.verdict !== 'accept') {
        log.debug('gossip.refused', { message: event.message, verdict: event.verdict, fault: event.fault })
      }
      break
    case 'alarm':
      if (event.on) log.error('alarm.on', { alarm: event.alarm, peer: event.peerId })
      else log.info('alarm.off', { alarm: event.alarm, peer: event.peerId })
      break
  }
}
