import { multiaddr } from '@multiformats/multiaddr'

/** An IP address or a name with a port and nothing else: libp2p would also dial the socket files of this machine. */
export const isOverTcp = (text: string): boolean => {
  try {
    const [host, port, ...more] = multiaddr(text).getComponents()
    return ['ip4', 'ip6', 'dns', 'dns4', 'dns6'].includes(host?.name ?? '') && port?.name === 'tcp' && more.length === 0
  } catch {
    return false
  }
}
