// What the page says, in words for somebody who has never heard of TDX.
import { duration, plural, shown } from './text.js'

/** States of a member: name, colour, and what it means. */
export const MEMBER_STATES = {
  self: { name: 'this node', tone: 'good', means: 'The node that serves this page.' },
  active: { name: 'active', tone: 'good', means: 'It answers, and its credential holds.' },
  unreachable: {
    name: 'does not answer',
    tone: 'warn',
    means:
      'Neither this node nor the members it asked can reach it: stopped, crashed, or cut off. It stays a member until its credential ends, in case it comes back, but nobody is sent to it.',
  },
  leaving: { name: 'leaving', tone: 'calm', means: 'It said that it leaves. Nobody is sent to it any more.' },
  lapsed: {
    name: 'lapsed',
    tone: 'off',
    means:
      'Its credential ran out before anybody judged it again. It may serve its own apps for a while, but gives nobody the secret. It comes back when a member judges it.',
  },
}

export const NODE_STATES = {
  starting: { name: 'starting', tone: 'calm' },
  anchoring: { name: 'waits for its funder', tone: 'warn' },
  joining: { name: 'joining', tone: 'calm' },
  member: { name: 'member', tone: 'good' },
  lapsed: { name: 'lapsed', tone: 'warn' },
  stopped: { name: 'stopped', tone: 'off' },
}

export const stateOf = (member, nowMs, selfId) => {
  if (member.peerId === selfId) return Date.parse(member.expiresAt) <= nowMs ? 'lapsed' : 'self'
  if (Object.hasOwn(MEMBER_STATES, member.state ?? '')) return member.state
  return Date.parse(member.expiresAt) <= nowMs ? 'lapsed' : 'active'
}

export const TCB_WORDS = {
  UpToDate: 'all security updates installed',
  SWHardeningNeeded: 'updated; software should harden itself too',
  ConfigurationNeeded: 'updated, but not configured as Intel advises',
  ConfigurationAndSWHardeningNeeded: 'configuration and hardening advised',
  OutOfDate: 'security updates are missing',
  OutOfDateConfigurationNeeded: 'updates and configuration are missing',
  Revoked: 'Intel has withdrawn its trust',
}

const WITNESS_WORDS = {
  none: ['nowhere', 'The cluster id is published nowhere: a joiner has it from its operator alone.'],
  file: ['in a file', 'A file on this machine, which whoever runs the machine can replace.'],
  devnet: ['on a rehearsal ledger', 'A ledger of one process, which can rewrite it.'],
  testnet: ['on Stellar testnet', 'A public ledger for tests, wiped about every quarter.'],
  pubnet: ['on Stellar', 'A public ledger that nobody can change afterwards.'],
}
const PROOF_WORDS = {
  account: "Checked by a server's word.",
  transaction: 'Its own signed transaction was checked; the ledger is consistent, but not one you named.',
  ledger: 'Proven up to a ledger that the operator named.',
}

export const witnessWords = (witness, proof) => {
  const [where, means] = Object.hasOwn(WITNESS_WORDS, witness) ? WITNESS_WORDS[witness] : [shown(witness), '']
  return { where, means, proof: Object.hasOwn(PROOF_WORDS, proof ?? '') ? PROOF_WORDS[proof] : '' }
}

/** Why somebody was refused, by the code. */
const REFUSALS = {
  malformed: 'It did not speak the protocol.',
  unsupported: 'It showed a quote of a kind that is not known here.',
  wrong_cluster: 'It asked for another cluster.',
  busy: 'Too many joined at once; it may try again.',
  rate_limited: 'It asked too often.',
  not_member: 'This node was no member itself.',
  lapsed: "This node's own credential had run out: it may let nobody in.",
  stale_epoch: 'It named a key generation that is not known here.',
  bad_binding: 'Its quote was made for something else: perhaps somebody passed on what another machine had signed.',
  bad_signature: 'A signature of its answer does not hold.',
  quote_invalid: 'Its quote is forged, or not rooted in a processor maker that the policy trusts.',
  collateral_expired: 'The lists that say how safe its processor is were too old.',
  collateral_missing: 'It came without the lists that say how safe its processor is.',
  tcb_unacceptable: 'Its processor lacks security updates that the policy demands.',
  measurement_unacceptable: 'It runs other software than the policy admits.',
  app_unacceptable: 'It runs an app that the policy does not list.',
  platform_unacceptable: 'The policy lists machines, and this one is not among them.',
  internal: 'This node failed by itself; that says nothing about the joiner.',
}

const left = (peerId, view) => {
  const member = view.members.get(peerId)
  return member === undefined ? '' : ` (in ${duration(Date.parse(member.expiresAt) - view.nowMs)})`
}

const JOINS = {
  admitted: () => [
    'good',
    'was let in by this node',
    'It proved by a quote what it runs. The secret was sealed to a key that exists only inside it.',
  ],
  refused: ({ code }) => [
    'warn',
    `was refused${code === undefined ? '' : `: ${shown(code)}`}`,
    Object.hasOwn(REFUSALS, code ?? '') ? REFUSALS[code] : '',
  ],
  failed: () => [
    'off',
    'did not finish joining',
    'The exchange broke off before its end: a lost connection, or somebody who only looked.',
  ],
}

const CHANGES = {
  joined: () => ['good', 'became a member', 'A member judged its quote and vouches for it with a credential.'],
  left: () => ['calm', 'left', 'It said goodbye. Nobody is sent to it any more.'],
  revoked: () => [
    'bad',
    'was thrown out',
    'It answered a challenge with what no member may answer. Every member judged that for itself; it is out for good.',
  ],
  ended: () => [
    'off',
    'is no member any more',
    'Its credential ran out, and nobody could judge it again. It comes back by being judged. What it knows it may still know: a secret cannot be taken back.',
  ],
  unreachable: ({ peerId }, view) => [
    'warn',
    'stopped answering',
    `Neither this node nor the members it asked can reach it: stopped, crashed, or cut off. The others go on; it stays a member until its credential ends${left(peerId, view)}, in case it comes back.`,
  ],
  reachable: () => ['good', 'answers again', 'It was away and is back; its credential still held.'],
}

/** How challenges end: as the one who asked says it, and as the one who was asked. */
const ASKED_WORDS = {
  renewed: ['good', 'was judged anew by this node and got a new credential'],
  no_answer: ['calm', 'did not answer a challenge by this node'],
  withheld: ['calm', 'answered a challenge, but could not be judged now'],
  bad_answer: ['bad', 'answered a challenge with what no member may be'],
}
const ANSWERED_WORDS = {
  renewed: ['good', 'judged this node anew'],
  declined: ['calm', 'challenged this node too soon after the last time'],
  silent: ['warn', 'challenged this node, which could make no quote that it would accept itself'],
  refused: ['calm', 'did not renew this node’s credential'],
  no_verdict: ['calm', 'challenged this node and said nothing more'],
}

/** A happening as a tone, a sentence whose subject is a member (or none), and an explanation. */
export const tell = (happened, view) => {
  const own = (table, name) => (Object.hasOwn(table, name) ? table[name] : undefined)
  switch (happened.kind) {
    case 'join':
    case 'member': {
      const word = happened.kind === 'join' ? own(JOINS, happened.outcome) : own(CHANGES, happened.change)
      const [tone, what, why] = word?.(happened, view) ?? ['calm', shown(happened.outcome ?? happened.change), '']
      return { tone, who: happened.peerId, what, why, reasons: happened.reasons ?? [] }
    }
    case 'challenge': {
      const words = happened.side === 'verifier' ? ASKED_WORDS : ANSWERED_WORDS
      const [tone, what] = own(words, happened.outcome) ?? ['calm', `challenge: ${shown(happened.outcome)}`]
      return {
        tone,
        who: happened.peerId,
        what,
        why:
          tone === 'good' ? 'Members ask each other for a fresh quote at random times: that is how credentials are renewed.' : '',
        reasons: [],
      }
    }
    case 'renewed':
      return {
        tone: 'good',
        what: happened.selfIssued
          ? 'This node issued itself a credential'
          : 'This node was judged again and has a new credential',
        why: happened.selfIssued ? 'It was alone: nobody else was there to judge it.' : '',
        reasons: [],
      }
    case 'alarm':
      return {
        tone: happened.on ? 'bad' : 'good',
        ...(happened.peerId !== undefined && { who: happened.peerId }),
        what: `${happened.on ? 'Alarm' : 'Over'}: ${shown(happened.alarm).replaceAll('_', ' ')}${happened.about === undefined ? '' : ` (${shown(happened.about)})`}`,
        why: happened.on && happened.words !== undefined ? shown(happened.words) : '',
        reasons: [],
      }
    default:
      return { tone: 'calm', what: shown(happened.kind), why: '', reasons: [] }
  }
}

/** The first sentences of the page. */
export const lede = ({ state, insecure }, counts) => {
  const others = counts.active - 1
  const held = insecure
    ? 'in emulated VMs: a rehearsal, which protects nothing'
    : 'inside confidential VMs, where not even the machine’s owner can read it'
  switch (state) {
    case 'member': {
      const together =
        others > 0
          ? `This node and ${plural(others, 'other member')} hold one secret together, ${held}. Each proved by a quote what it runs before it was given the secret, and is asked again at random times.`
          : counts.unreachable + counts.lapsed > 0
            ? `Of the members that hold the cluster’s secret, ${held}, this node is the only one that answers. If the others are gone and it stops, the secret is gone: let others join.`
            : `This node alone holds the cluster’s secret, ${held}. If it stops, the secret is gone: let others join.`
      const silent = counts.unreachable > 0 ? ` ${plural(counts.unreachable, 'member does', 'members do')} not answer.` : ''
      return `${together} Apps get the same keys from any of them.${silent}`
    }
    case 'lapsed':
      return 'This node’s credential ran out before another member judged it again. It still serves its own apps for a while, but lets nobody in. It comes back when a member challenges it.'
    case 'joining':
      return 'This node is joining: it looks for a member, proves to it by a quote what it runs, and checks that member in return.'
    case 'anchoring':
      return 'This node waits for its funder to sign the transaction that makes the cluster public.'
    case 'starting':
      return 'This node is starting: it makes its keys and asks its processor for a quote.'
    default:
      return 'This node has stopped.'
  }
}

export const GLOSSARY = [
  [
    'Member',
    'A program inside a confidential VM that holds the cluster’s secret and a valid credential. Every member is equal: there is no server that the others depend on.',
  ],
  [
    'Confidential VM',
    'A virtual machine whose memory the processor encrypts (Intel calls it a trust domain, TD). Whoever owns the machine can stop it, but not look inside.',
  ],
  [
    'Quote',
    'A statement signed by the processor: this software was started, on hardware with these security updates. Members judge each other by quotes.',
  ],
  [
    'Credential',
    'A member’s signed word that another was judged and found good. It ends after a while (the ring around each dot) and has to be earned again.',
  ],
  [
    'When a member dies',
    'The others notice within seconds and keep serving. It stays in the list until its credential ends. Started again, it is a new member: it keeps nothing and must prove itself anew.',
  ],
  [
    'Lapsed',
    'A member that nobody judged in time. It serves its own apps for a while and gives the secret to nobody, until a member judges it again.',
  ],
  [
    'Policy',
    'The cluster’s rule for which software and which machines are let in. It is fixed at the beginning; no operator can change it for one node.',
  ],
  [
    'Witness',
    'Where the cluster’s identity was made public, so that nobody can pretend later that it was another. The cluster id itself is a public key: whoever has it cannot be fooled with another secret.',
  ],
]
