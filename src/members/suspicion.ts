/**
 * The arithmetic of failure detection. Sources: SWIM (Das, Gupta, Motivala 2002), Lifeguard (Dadgar, Phillips, Currey 2018),
 * and HashiCorp memberlist, whose formulas these are.
 */

// Implementation constants: tuning.

/** How slow a node may take itself to be. Higher: a starved node accuses nobody for longer, and notices the dead later. */
export const SLOWNESS_MAX = 8

/** Our own slowness after a sign of it (positive) or against it (negative); 0 is a node that keeps up. */
export const nextSlowness = (slowness: number, sign: number): number => Math.min(SLOWNESS_MAX, Math.max(0, slowness + sign))

/** A timeout as a node has to take it that is itself so slow: whole multiples, as Lifeguard's local health multiplier. */
export const stretched = (timeoutMs: number, slowness: number): number => timeoutMs * (1 + slowness)

/**
 * How long a member stays suspected before it counts as unreachable. With nobody else's word `maxMs`; each confirmation
 * by another member takes off less than the one before; with `expected` of them `minMs`.
 */
export const suspicionMs = (confirmations: number, expected: number, minMs: number, maxMs: number): number => {
  if (confirmations >= expected) return minMs
  return maxMs - (Math.log(confirmations + 1) / Math.log(expected + 1)) * (maxMs - minMs)
}
