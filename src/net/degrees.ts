/** How many others a member is connected to, and relays to, from the size of the table. */

// Implementation constants: tuning.

/** Up to so many other members, each connects to all of them. */
const CONNECT_ALL_MAX = 12
/** Beyond the wanted number connections of pings and exchanges are kept for reuse, up to so many times it. */
const KEPT_TIMES = 2

/**
 * Connections that a node with `others` other members dials for: all up to 12, then `max(12, 2 log2 others)`. A random graph in
 * which everybody has so many is connected.
 */
export const wantedConnections = (others: number): number =>
  others <= CONNECT_ALL_MAX ? others : Math.max(CONNECT_ALL_MAX, Math.ceil(2 * Math.log2(others)))

export const keptConnections = (others: number): number => KEPT_TIMES * wantedConnections(others)

export interface Degrees {
  D: number
  Dlo: number
  Dhi: number
  Dscore: number
  Dout: number
}

/**
 * Whom a member relays to, from the number of other members. Every message crosses each of these links, and members' records are
 * most of what a mesh at rest says: with gossipsub's own values (6, and up to 12, so 8 on average) two thirds more than with 4.
 * That reaches 1,000 members in five steps; who publishes sends to all whom it is connected to, and what gets lost is offered
 * again with each heartbeat. Below five members they are more than there are, and a node would look for more at every heartbeat.
 */
export const degrees = (others: number): Degrees => {
  const D = Math.max(1, Math.min(4, others))
  const Dlo = Math.min(3, D)
  return { D, Dlo, Dhi: Math.max(D, Math.ceil(1.5 * D)), Dscore: Math.min(3, D), Dout: Math.min(2, D >> 1, Dlo - 1) }
}
