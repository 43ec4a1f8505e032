export {
  Members,
  type MembersEvent,
  type MembersInit,
  type MembersNetwork,
  type SeenMember,
  type SyncOutcome,
} from './members.ts'
export { nextSlowness, SLOWNESS_MAX, stretched, suspicionMs } from './suspicion.ts'
export { Sweep, type SweepEffect, type SweepEvent, TICK_MS } from './sweep.ts'
export { type Member, MemberTable } from './table.ts'
