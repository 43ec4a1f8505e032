/** What peers that are no members may hold of a member: connections, time and memory, each with a bound. */
import type { Connection, Libp2p, MultiaddrConnection, PeerId } from '@libp2p/interface'
import { type Clock, hostOf } from '../base/index.ts'

// Implementation constants: tuning. One host's share is far below what all hosts may have together (network.ts), and below
// what the onboarder has open at once: whoever has only one host cannot keep the others out.

const CONNECTIONS_PER_HOST = 96
const HANDSHAKES_PER_HOST = 32
/** Of all hosts together: well below what a node takes of connections (network.ts), so that members' always find a place. */
const STRANGERS_MAX = 256
/** Twice what a join may take. */
const STRANGERS_CONNECTION_MS = 60_000

/**
 * A libp2p connection gater that refuses a host's connections beyond its share, before anything is computed for them, and
 * strangers' beyond what all of them may have as soon as it is known who they are.
 */
export const hostGate = (isMember: (peer: PeerId) => boolean) => {
  const open = new Map<MultiaddrConnection, { host: string; shakingHands: boolean; peer?: PeerId }>()
  return {
    denyInboundConnection(connection: MultiaddrConnection): boolean {
      const host = hostOf(connection.remoteAddr)
      const others = [...open.values()].filter((other) => other.host === host)
      const handshakes = others.filter(({ shakingHands }) => shakingHands).length
      if (connection.status !== 'open' || others.length >= CONNECTIONS_PER_HOST || handshakes >= HANDSHAKES_PER_HOST) return true
      open.set(connection, { host, shakingHands: true })
      connection.addEventListener('close', () => open.delete(connection))
      return false
    },
    denyInboundUpgradedConnection(peer: PeerId, connection: MultiaddrConnection): boolean {
      const entry = open.get(connection)
      if (entry !== undefined) Object.assign(entry, { shakingHands: false, peer })
      if (isMember(peer)) return false
      const strangers = [...open.values()].filter((other) => other.peer !== undefined && !isMember(other.peer))
      return strangers.length > STRANGERS_MAX
    },
  }
}

/**
 * Ends the connections that nothing came of, and forgets who was connected and is no member. What it returns does the same
 * with a connection of who is no member any more.
 */
export const outlastStrangers = (
  node: Libp2p,
  clock: Clock,
  isMember: (peer: PeerId) => boolean,
): ((connection: Connection) => void) => {
  const outlast = (connection: Connection): void => {
    const deadline = clock.deadline(STRANGERS_CONNECTION_MS)
    connection.addEventListener('close', () => deadline.clear())
    deadline.signal.addEventListener('abort', () => {
      if (!isMember(connection.remotePeer)) connection.abort(new Error('nothing came of this connection'))
    })
    if (connection.status !== 'open') deadline.clear()
  }
  node.addEventListener('connection:open', ({ detail: connection }) => {
    if (connection.direction === 'inbound') outlast(connection)
  })
  // libp2p keeps what a peer said about itself, and a stranger can be another peer every time.
  const forget = (peer: PeerId): void => {
    if (isMember(peer) || node.getConnections(peer).length > 0) return
    void Promise.resolve(node.peerStore.delete(peer)).catch(() => {})
  }
  node.addEventListener('peer:disconnect', ({ detail: peer }) => forget(peer))
  // What identify heard may be written after the connection has closed; a dial that failed writes that it did.
  node.addEventListener('peer:update', ({ detail: { peer } }) => forget(peer.id))
  return outlast
}
