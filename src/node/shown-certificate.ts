import { type Clock, type Log, messageOf } from '../base/index.ts'

/** Another is made after this; each holds twice as long, so that whoever was shown one has a day left of it. */
const SHOWN_MS = 24 * 3_600_000
const LIFETIME_S = (2 * SHOWN_MS) / 1_000
/** dstack's JavaScript SDK calls a socket dead whose Info takes half a second; hardware may take longer for a quote. */
const PATIENCE_MS = 300
const QUOTE_TIMEOUT_MS = 30_000

/** The certificate in v0's Info: made when it is first asked for, then kept. Its key is nobody's. */
export class ShownCertificate {
  readonly #make: (notAfter: number, signal: AbortSignal) => Promise<readonly string[]>
  readonly #clock: Clock
  readonly #log: Log
  #pem = ''
  #freshUntilMs = Number.NEGATIVE_INFINITY
  #making: Promise<void> | undefined

  /** `make` gives a chain, PEM, that holds until `notAfter` (Unix seconds). */
  constructor(
    make: (notAfter: number, signal: AbortSignal) => Promise<readonly string[]>,
    components: { clock: Clock; log: Log },
  ) {
    this.#make = make
    this.#clock = components.clock
    this.#log = components.log
  }

  /** The chain, leaf first; the one before, or nothing, while another takes long to make or cannot be made. */
  async pem(): Promise<string> {
    if (this.#clock.monotonicMs() < this.#freshUntilMs) return this.#pem
    this.#making ??= this.#makeAnother().finally(() => {
      this.#making = undefined
    })
    using patience = this.#clock.deadline(PATIENCE_MS)
    const late = new Promise<void>((resolve) => {
      patience.signal.addEventListener('abort', () => resolve(), { once: true })
    })
    await Promise.race([this.#making, late])
    return this.#pem
  }

  async #makeAnother(): Promise<void> {
    using deadline = this.#clock.deadline(QUOTE_TIMEOUT_MS)
    const madeMs = this.#clock.monotonicMs()
    try {
      const chain = await this.#make(Math.floor(this.#clock.now() / 1_000) + LIFETIME_S, deadline.signal)
      this.#pem = chain.join('')
      this.#freshUntilMs = madeMs + SHOWN_MS
    } catch (error) {
      this.#log.warn('app.certificate_failed', { reason: messageOf(error) })
    }
  }
}
