import { REPUBLISH_MIN_MS, REPUBLISH_TOTAL_PER_SECOND, SYNC_MIN_MS, SYNC_PER_MEMBER_MS } from './constants.ts'

/** Half of an interval either way, so that members do not fall into step. `uniform` in [0, 1). */
const jittered = (intervalMs: number, uniform: number): number => intervalMs * (0.5 + uniform)

/** Mean time between two publications of the own record (specification, "Intervals"). */
export const republishIntervalMs = (members: number): number =>
  Math.max(REPUBLISH_MIN_MS, (members / REPUBLISH_TOTAL_PER_SECOND) * 1000)

/** Mean time between two exchanges of tables that a member begins without other reason. */
export const syncIntervalMs = (members: number): number => Math.max(SYNC_MIN_MS, members * SYNC_PER_MEMBER_MS)

/** Time until the next publication of the own record, counted from the last one whatever its reason. */
export const nextRepublishMs = (members: number, uniform: number): number => jittered(republishIntervalMs(members), uniform)

export const nextSyncMs = (members: number, uniform: number): number => jittered(syncIntervalMs(members), uniform)
