import type { CollateralAlarm } from '../attest/index.ts'
import type { RenewalAlarm } from '../members/index.ts'
import type { AnchorAlarm } from './anchor-watch.ts'

/** Every alarm that a node can raise. docs/operating.md has a heading for each. */
export type AlarmCode = RenewalAlarm | AnchorAlarm | `collateral_${CollateralAlarm['kind']}`

/** An alarm for people: what is wrong, and what to do first. */
export interface AlarmWords {
  readonly words: string
  readonly next: string
}

const ASK_OTHERS = 'compare with other servers of the ledger (anchor show --horizon …); the cluster itself is unharmed'
const CHECK_SERVICES = 'check the way to the collateral services (--pccs, the firewall); the log says what each answered'

/** The compiler sees to it that none is left out. */
const WORDS: Readonly<Record<AlarmCode, AlarmWords>> = {
  renewal_late: {
    words: 'Less than a quarter of this node’s credential is left, and nobody has judged it anew.',
    next: 'see whether other members answer, and whether this machine’s quoting service runs',
  },
  lapsed: {
    words: 'The credential of this node ran out. It goes on serving its apps for a while, and lets nobody in.',
    next: 'do not restart it while no other member is active: it comes back by itself once it has been judged',
  },
  serving_ended: {
    words: 'The credential ran out so long ago that the policy lets this node serve its apps no longer.',
    next: 'as for lapsed: it still holds the secret, and serves again with its next credential',
  },
  own_clock: {
    words: 'The clock of this machine is far from what the other members say. It judges nobody until that ends.',
    next: 'set the clock (NTP); if it is right, look at the others’',
  },
  member_clock: {
    words: 'The clock of this member is far from what the others say. Nobody is thrown out for that.',
    next: 'set the clock of that machine (NTP)',
  },
  anchor_changed: {
    words: 'The ledger’s servers show another genesis for this cluster. A frozen account cannot change: they lie, or are broken.',
    next: ASK_OTHERS,
  },
  anchor_reset: {
    words: 'The ledger no longer knows the cluster: a test network begins anew now and then.',
    next: 'nothing, as long as members are there: joiners need a peer, and --anchor none or a pinned ledger',
  },
  anchor_views_differ: {
    words: 'Two servers of the ledger tell different things about this cluster: one lags, or lies.',
    next: 'wait a minute; then leave the bad one out (--horizon)',
  },
  anchor_malformed: {
    words: 'A server of the ledger gave an answer that has not the form of one.',
    next: 'leave that server out (--horizon), or update: its interface may have changed',
  },
  anchor_not_frozen: {
    words: 'The servers show the cluster’s account as one that somebody can still change. No genesis leaves it so.',
    next: ASK_OTHERS,
  },
  anchor_extra_signer: { words: 'The servers show a signer on the cluster’s account that is not the cluster.', next: ASK_OTHERS },
  anchor_thresholds: {
    words: 'The servers show other thresholds on the cluster’s account than a genesis sets.',
    next: ASK_OTHERS,
  },
  anchor_flags: { words: 'The servers show flags on the cluster’s account that no genesis sets.', next: ASK_OTHERS },
  anchor_entries: {
    words: 'The servers show other data on the cluster’s account than a genesis writes, or hide some.',
    next: ASK_OTHERS,
  },
  anchor_head_missing: {
    words: 'The servers do not show the account that should name this cluster’s successors.',
    next: ASK_OTHERS,
  },
  anchor_head_open: {
    words: 'The servers show the account that should name this cluster’s successors as one that can still be changed.',
    next: ASK_OTHERS,
  },
  anchor_unsupported: {
    words: 'The servers name a successor of this cluster, which this version does not understand.',
    next: ASK_OTHERS,
  },
  anchor_refused: {
    words: 'What the servers of the ledger say about this cluster does not hold; the reason is in the log at anchor.alarm.',
    next: ASK_OTHERS,
  },
  collateral_expiring: {
    words: 'The lists that say how safe processors are run out in less than seven days, and no service gives newer ones.',
    next: CHECK_SERVICES,
  },
  collateral_expired: {
    words: 'The lists that say how safe processors are have run out: no quote can be judged by them, and nobody can join.',
    next: CHECK_SERVICES,
  },
  collateral_older_offered: {
    words:
      'A collateral service offered older lists than this node has: it lags, or hides a newly found weakness. They were refused.',
    next: 'if it lasts, refresh that service or leave it out (--pccs)',
  },
  collateral_newer_elsewhere: {
    words: 'Another member judges by newer lists than this node’s collateral services gave it.',
    next: 'refresh your collateral service (PCCS): it lags',
  },
  collateral_cache_unreadable: {
    words: 'The collateral on disk cannot be used; it is fetched anew.',
    next: 'nothing, unless it comes back: then look at the disk',
  },
  collateral_cache_unwritable: {
    words: 'The disk is full or read-only: new collateral is kept in memory alone.',
    next: 'make room before the next start',
  },
}
export const ALARM_CODES = Object.keys(WORDS) as readonly AlarmCode[]

export const wordsOf = (alarm: AlarmCode): AlarmWords => WORDS[alarm]
