/** The rule on each side's first message: who is a member, who is to be challenged, who is told nothing. Pure. */
import { equals, type RefusalCode } from '../wire/index.ts'
import { type Effect, type MergeFault, merge } from './merge.ts'
import { type Instant, judgeRecord, type OpenedRecord, onceHeld, type RecordFault, type RecordRules } from './record.ts'
import { entryOf, isActive, isRevoked, type Table } from './table.ts'

export type Greeting = { table: Table; effects: Effect[] } & (
  | { kind: 'member' }
  /** Has held, or would hold if its issuer were one: entitles its holder to be challenged and to nothing else. */
  | { kind: 'challenge'; code: 'lapsed'; fault: RecordFault | MergeFault }
  | { kind: 'refused'; code: RefusalCode; fault: RecordFault | MergeFault | 'another_peer' | 'leaving' }
)

/** Faults of time: members of the cluster made the credential, but not for now. */
const UNTIMELY: ReadonlySet<string> = new Set<RecordFault>(['expired', 'issued_in_the_future', 'sent_in_the_future'])
/** Faults of standing: the credential holds, but nobody here vouches for its issuer. */
const UNVOUCHED: ReadonlySet<string> = new Set<MergeFault>(['self_issued', 'unknown_issuer'])

/**
 * @param opened - the peer's first message
 * @param remotePeer - the peer at the other end, as the connection has authenticated it; multihash bytes
 * @param options.seed - the peer is our onboarder, whom we have just attested, and this is our first exchange
 */
export const greet = (
  opened: OpenedRecord,
  remotePeer: Uint8Array,
  table: Table,
  now: Instant,
  rules: RecordRules,
  options: { seed?: boolean } = {},
): Greeting => {
  const unchanged: { table: Table; effects: Effect[] } = { table, effects: [] }
  const { peerId } = opened.record
  if (!equals(peerId, remotePeer) || equals(peerId, rules.self)) {
    return { ...unchanged, kind: 'refused', code: 'malformed', fault: 'another_peer' }
  }
  const { judged, fault } = judgeRecord(opened, now.wallMs, rules)
  if (judged === undefined) {
    if (isRevoked(table, peerId)) return { ...unchanged, kind: 'refused', code: 'not_member', fault: 'revoked' }
    if (!UNTIMELY.has(fault) || !onceHeld(opened, rules)) {
      return { ...unchanged, kind: 'refused', code: fault === 'malformed' ? 'malformed' : 'not_member', fault }
    }
    // Its record tells nothing that can be used now, but we may know it by a credential that holds.
    if (isActive(table, entryOf(table, peerId), now)) return { ...unchanged, kind: 'member' }
    return { table, effects: [{ kind: 'challenge', peerId, record: opened.record }], kind: 'challenge', code: 'lapsed', fault }
  }
  const { fault: mergeFault, ...step } = merge(table, judged, now, options)
  if (isActive(step.table, entryOf(step.table, peerId), now)) return { ...step, kind: 'member' }
  if (mergeFault !== undefined && UNVOUCHED.has(mergeFault)) {
    const effects: Effect[] = [...step.effects, { kind: 'challenge', peerId, record: opened.record }]
    return { table: step.table, effects, kind: 'challenge', code: 'lapsed', fault: mergeFault }
  }
  if (mergeFault === 'full') return { ...step, kind: 'refused', code: 'busy', fault: mergeFault }
  return { ...step, kind: 'refused', code: 'not_member', fault: mergeFault ?? 'leaving' }
}
