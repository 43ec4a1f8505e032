import type { Multiaddr } from '@multiformats/multiaddr'

const IPV4_IN_IPV6 = '::ffff:'

/**
 * Whom limits by host count an address for: its IPv4 address, or the /64 of its IPv6 address, since whoever has one address of
 * that has all of them. Any other address is its first value.
 */
export const hostOf = (address: Multiaddr): string => {
  const [first] = address.getComponents()
  const value = first?.value ?? ''
  if (first?.name !== 'ip6') return value
  if (value.startsWith(IPV4_IN_IPV6)) return ipv4In(value.slice(IPV4_IN_IPV6.length))
  const [head = [], tail = []] = value.split('::').map((half) => half.split(':').filter((group) => group !== ''))
  const zeros = Array<string>(Math.max(0, 8 - head.length - tail.length)).fill('0')
  return [...head, ...zeros, ...tail].slice(0, 4).join(':')
}

/** `c000:201`, as multiaddrs print the last 32 bits of such an address, is 192.0.2.1. */
const ipv4In = (tail: string): string => {
  const [high = '', low = ''] = tail.split(':')
  const bits = (Number.parseInt(high, 16) << 16) | Number.parseInt(low, 16)
  return tail.includes('.') ? tail : [24, 16, 8, 0].map((shift) => (bits >>> shift) & 0xff).join('.')
}
