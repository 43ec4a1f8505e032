import type { Timer } from '../wire/index.ts'

/** What an exchange needs of time: wall-clock for what is signed, monotonic for what must wait. */
export interface ChallengeTimer extends Timer {
  /** Milliseconds, never going back. */
  monotonicMs(): number
}
