/** What all exchanges together may take of an onboarder, and one host or peer of that. */
import {
  BUSY_RETRY_AFTER_MAX_MS,
  BUSY_RETRY_AFTER_MS,
  HOST_BURST,
  HOST_REFILL_MS,
  MAX_HOSTS,
  MAX_OPEN_EXCHANGES,
  MAX_OPEN_EXCHANGES_PER_HOST,
  MAX_PEERS,
  MAX_TURN_WAIT_MS,
  MAX_TURN_WORK_MS,
  MAX_TURNS_AT_ONCE,
  MAX_TURNS_WAITING,
  PEER_BURST,
  PEER_REFILL_MS,
} from './constants.ts'
import { type BucketRate, TokenBuckets } from './token-buckets.ts'
import { type OnboardTimer, Turns, type TurnsInit } from './turns.ts'

export interface AdmissionLimits {
  /** Exchanges open at once: of all hosts, and of one. */
  maxOpen: number
  maxOpenPerHost: number
  /** Challenges, by host and by peer. */
  host: BucketRate
  peer: BucketRate
  /** Judging and sealing. */
  turns: Omit<TurnsInit, 'timer'>
}

export const STANDARD_LIMITS: AdmissionLimits = {
  maxOpen: MAX_OPEN_EXCHANGES,
  maxOpenPerHost: MAX_OPEN_EXCHANGES_PER_HOST,
  host: { burst: HOST_BURST, refillMs: HOST_REFILL_MS, maxKeys: MAX_HOSTS },
  peer: { burst: PEER_BURST, refillMs: PEER_REFILL_MS, maxKeys: MAX_PEERS },
  turns: {
    atOnce: MAX_TURNS_AT_ONCE,
    maxWaiting: MAX_TURNS_WAITING,
    maxWaitMs: MAX_TURN_WAIT_MS,
    maxWorkMs: MAX_TURN_WORK_MS,
  },
}

/** What one open exchange may ask for. */
export interface Allowance {
  /**
   * Pays for a Challenge and what may follow it.
   * @returns 0, or in how many milliseconds this peer or its host may come again
   */
  pay(): number
  /** Does the dear part when its turn has come. Throws OverloadError when that is too far off. */
  inTurn<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T>
  /** When it is worth to come back, in milliseconds from now. */
  retryAfterMs(): number
}

export class Admission {
  readonly #timer: OnboardTimer
  readonly #limits: AdmissionLimits
  readonly #hosts: TokenBuckets
  readonly #peers: TokenBuckets
  readonly #turns: Turns
  readonly #openOfHost = new Map<string, number>()
  #open = 0

  constructor(timer: OnboardTimer, limits: Partial<AdmissionLimits> = {}) {
    this.#timer = timer
    this.#limits = { ...STANDARD_LIMITS, ...limits }
    this.#hosts = new TokenBuckets(this.#limits.host)
    this.#peers = new TokenBuckets(this.#limits.peer)
    this.#turns = new Turns({ timer, ...this.#limits.turns })
  }

  /** A place for one exchange, until {@link leave}; undefined where there is none left, for anybody or for this host. */
  enter(host: string, peer: string): Allowance | undefined {
    const ofHost = this.#openOfHost.get(host) ?? 0
    if (this.#open >= this.#limits.maxOpen || ofHost >= this.#limits.maxOpenPerHost) return undefined
    this.#open++
    this.#openOfHost.set(host, ofHost + 1)
    return {
      pay: () => this.#pay(host, peer),
      inTurn: (signal, work) => this.#turns.run(signal, work),
      retryAfterMs: () => this.retryAfterMs(),
    }
  }

  leave(host: string): void {
    this.#open--
    const ofHost = this.#openOfHost.get(host)! - 1
    if (ofHost === 0) this.#openOfHost.delete(host)
    else this.#openOfHost.set(host, ofHost)
  }

  retryAfterMs(): number {
    return Math.min(BUSY_RETRY_AFTER_MAX_MS, Math.ceil(BUSY_RETRY_AFTER_MS + this.#turns.backlogMs))
  }

  /** The peer's first: one that asks too often by itself takes nothing from others behind the same address. */
  #pay(host: string, peer: string): number {
    const nowMs = this.#timer.monotonicMs()
    const waitMs = this.#peers.take(peer, nowMs)
    return Math.ceil(waitMs > 0 ? waitMs : this.#hosts.take(host, nowMs))
  }
}
