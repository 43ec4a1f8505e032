import { multiaddr } from '@multiformats/multiaddr'
import { MEMBER_ADDRESS_BYTES_MAX, MEMBER_ADDRESSES_MAX } from '../../protocols/records/constants.ts'

const LOOPBACK = /^\/ip4\/127\.|^\/ip6\/::1\//
/** Good on one link only, and they say nothing of which. */
const LINK_LOCAL = /^\/ip4\/169\.254\.|^\/ip6\/fe[89ab]/i

/**
 * Of a node's addresses those that a member record holds: no more than may be, and none that leads others to themselves, unless
 * there are no others (a mesh on one machine).
 * @param addresses - text multiaddrs without `/p2p/`
 */
export const recordAddresses = (addresses: readonly string[]): string[] => {
  const fitting = addresses.filter((address) => multiaddr(address).bytes.length <= MEMBER_ADDRESS_BYTES_MAX)
  const told = fitting.filter((address) => !LOOPBACK.test(address) && !LINK_LOCAL.test(address))
  return (told.length > 0 ? told : fitting).slice(0, MEMBER_ADDRESSES_MAX)
}
