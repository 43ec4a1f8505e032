import {
  encodeOutsiderAnswer,
  merkleTree,
  OUTSIDER_QUOTE_PAUSE_MS,
  OUTSIDERS_MAX,
  outsiderBinding,
  parseNonce,
} from '../../protocols/evidence/index.ts'
import { encodeEvidence, encodeGenesisBundle } from '../../protocols/records/index.ts'
import type { Attester } from '../attest/index.ts'
import { type Clock, type Log, messageOf, TransientError } from '../base/index.ts'
import { attest, type Membership } from './membership.ts'

interface Waiting {
  readonly nonce: Uint8Array
  resolve(answer: string): void
  reject(error: Error): void
}

/** How long outsiders wait for members' quotes to be done, before they are told to come back. */
const MEMBERS_FIRST_MS = 20_000

export interface OutsidersParts {
  readonly membership: () => Membership | undefined
  readonly attester: () => Attester | undefined
  /** Resolves when no member waits for a quote of this TD. */
  readonly idle: (signal: AbortSignal) => Promise<void>
  readonly clock: Clock
  readonly log: Log
  readonly signal: AbortSignal
}

/**
 * Shows people from outside what this member is: one quote for all that wait, at most one in ten seconds, after the members' own
 * needs (protocols/evidence). A quote is dear, and no outsider may have one made at will.
 */
export class Outsiders {
  readonly #parts: OutsidersParts
  #waiting: Waiting[] = []
  #nextMs = Number.NEGATIVE_INFINITY
  #running = false

  constructor(parts: OutsidersParts) {
    this.#parts = parts
  }

  /** The answer's JSON. undefined: `nonce` is none. Throws TransientError when it cannot be had now. */
  ask(nonce: string, signal: AbortSignal): Promise<string> | undefined {
    const bytes = parseNonce(nonce)
    return bytes === undefined ? undefined : this.#ask(bytes, signal)
  }

  #ask(nonce: Uint8Array, signal: AbortSignal): Promise<string> {
    if (this.#parts.membership() === undefined) throw new TransientError('not_member', 'this node is no member yet')
    if (this.#waiting.length >= OUTSIDERS_MAX) throw new TransientError('busy', 'too many ask at once')
    signal.throwIfAborted()
    const { promise, resolve, reject } = Promise.withResolvers<string>()
    const waiting: Waiting = { nonce, resolve, reject }
    this.#waiting.push(waiting)
    const onAbort = () => {
      this.#waiting = this.#waiting.filter((each) => each !== waiting)
      reject(signal.reason)
    }
    signal.addEventListener('abort', onAbort, { once: true })
    if (!this.#running) void this.#run()
    return promise.finally(() => signal.removeEventListener('abort', onAbort))
  }

  /** One quote after the other, as long as somebody waits. Never rejects. */
  async #run(): Promise<void> {
    const { clock, log, signal } = this.#parts
    this.#running = true
    try {
      while (this.#waiting.length > 0) {
        const pauseMs = this.#nextMs - clock.monotonicMs()
        if (pauseMs > 0) await clock.sleep(pauseMs, signal)
        using patience = clock.deadline(MEMBERS_FIRST_MS, signal)
        await this.#parts.idle(patience.signal)
        await this.#answerAll()
      }
    } catch (error) {
      log.warn('evidence.failed', { reason: messageOf(error) })
      const failure = new TransientError('no_quote', 'no quote can be made now')
      for (const { reject } of this.#waiting.splice(0)) reject(failure)
    } finally {
      this.#running = false
    }
  }

  async #answerAll(): Promise<void> {
    const { membership, attester, clock, log, signal } = this.#parts
    const member = membership()
    const tee = attester()
    if (member === undefined || tee === undefined) throw new Error('no member any more')
    const askers = this.#waiting.splice(0)
    if (askers.length === 0) return
    this.#nextMs = clock.monotonicMs() + OUTSIDER_QUOTE_PAUSE_MS
    try {
      const tree = merkleTree(askers.map(({ nonce }) => nonce))
      const binding = outsiderBinding(member.keys.clusterId, member.issuer.peerId, tree.root)
      const evidence = encodeEvidence(await attest(tee, binding, signal))
      const shown = { evidence, credential: member.credentialBytes, genesis: encodeGenesisBundle(member.genesis) }
      for (const [index, { nonce, resolve }] of askers.entries()) {
        resolve(encodeOutsiderAnswer({ nonce, leaf: tree.pathOf(index), ...shown }))
      }
      log.info('evidence.shown', { askers: askers.length })
    } catch (error) {
      this.#waiting.push(...askers)
      throw error
    }
  }
}

/** Knows whether a member waits for a quote: outsiders then wait longer. */
export class MembersFirst {
  #open = 0
  #idle = Promise.withResolvers<void>()

  constructor() {
    this.#idle.resolve()
  }

  /** The same attester, whose quotes are counted while they are made. */
  counting(attester: Attester): Attester {
    return {
      tee: attester.tee,
      extend: (events) => attester.extend(events),
      eventLog: () => attester.eventLog(),
      collateral: (signal) => attester.collateral(signal),
      quote: async (reportData, signal) => {
        if (this.#open++ === 0) this.#idle = Promise.withResolvers()
        try {
          return await attester.quote(reportData, signal)
        } finally {
          if (--this.#open === 0) this.#idle.resolve()
        }
      },
    }
  }

  /** Resolves when none is being made; rejects with the signal's reason. */
  async idle(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    const aborted = Promise.withResolvers<never>()
    const onAbort = () => aborted.reject(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      while (this.#open > 0) await Promise.race([this.#idle.promise, aborted.promise])
    } finally {
      signal.removeEventListener('abort', onAbort)
    }
  }
}
