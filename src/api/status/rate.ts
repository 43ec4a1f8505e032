import { isIPv6 } from 'node:net'
import type { Clock } from '../../base/index.ts'

const IPV4_IN_IPV6 = '::ffff:'

/** An IPv4 address, or the /64 of an IPv6 address: whoever has one address of it has all of them. */
const hostOf = (address: string): string => {
  if (!isIPv6(address)) return address
  if (address.startsWith(IPV4_IN_IPV6)) return address.slice(IPV4_IN_IPV6.length)
  const [head = [], tail = []] = address.split('::').map((half) => half.split(':').filter((group) => group !== ''))
  return [...head, ...Array<string>(Math.max(0, 8 - head.length - tail.length)).fill('0'), ...tail].slice(0, 4).join(':')
}

export interface RateRule {
  /** How often one host may ask at once. */
  readonly burst: number
  /** When one more may follow. */
  readonly everyMs: number
  /** How many hosts are remembered; the one that asked least lately is forgotten first. */
  readonly hosts: number
}

/** How often each host asks: a bucket of tokens for each. */
export class HostRates {
  readonly #buckets = new Map<string, { tokens: number; atMs: number }>()
  readonly #clock: Pick<Clock, 'monotonicMs'>
  readonly #rule: RateRule

  constructor(clock: Pick<Clock, 'monotonicMs'>, rule: RateRule) {
    this.#clock = clock
    this.#rule = rule
  }

  /** 0 when it may ask; otherwise after how many milliseconds it may. */
  waitMs(address: string): number {
    const { burst, everyMs, hosts } = this.#rule
    const host = hostOf(address)
    const nowMs = this.#clock.monotonicMs()
    const bucket = this.#buckets.get(host) ?? { tokens: burst, atMs: nowMs }
    this.#buckets.delete(host)
    const tokens = Math.min(burst, bucket.tokens + (nowMs - bucket.atMs) / everyMs)
    const allowed = tokens >= 1
    this.#buckets.set(host, { tokens: allowed ? tokens - 1 : tokens, atMs: nowMs })
    if (this.#buckets.size > hosts) this.#buckets.delete(this.#buckets.keys().next().value!)
    return allowed ? 0 : (1 - tokens) * everyMs
  }
}
