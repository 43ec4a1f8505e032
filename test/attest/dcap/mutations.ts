import assert from 'node:assert/strict'
import type { Collateral } from '../../../src/attest/dcap/index.ts'
import {
  DcapError,
  type PreparedCollateral,
  parseQuote,
  pemOf,
  prepareCollateral,
  verifyQuote,
} from '../../../src/attest/dcap/index.ts'
import { collateral, NOW_MS, pki, platform, prepared, resign, seeded, signDer, signedPart, withDocuments } from './forge.ts'

/** What became of so many mutations. */
export type Tally = Map<string, number>

const BYTES = ['rootCaCrl', 'pckCrl', 'tcbInfoSignature', 'qeIdentitySignature'] as const
const TEXTS = ['pckCrlIssuerChain', 'tcbInfoIssuerChain', 'tcbInfo', 'qeIdentityIssuerChain', 'qeIdentity'] as const

/** Random mutations of quotes and collateral from a seed, each judged, each judgement checked. */
export class Mutations {
  readonly tally: Tally = new Map()
  readonly #next: () => number
  readonly #quotes = [
    platform.quote(),
    platform.quote({ version: 5, bodyType: 2 }),
    platform.quote({ version: 5, bodyType: 3 }),
    platform.quote({ padding: Buffer.alloc(200) }),
  ]
  readonly #tails = pki.platformCa.certificate.pem + pki.root.certificate.pem

  constructor(seed: number) {
    this.#next = seeded(seed)
  }

  below(limit: number): number {
    return Math.floor(this.#next() * limit)
  }

  /** Some bytes flipped, set to an edge, cut out, put in, repeated, or the end cut off. */
  #mutate(bytes: Uint8Array): Buffer {
    let mutated = Buffer.from(bytes)
    for (let edits = 1 + this.below(3); edits > 0; edits--) {
      const at = this.below(mutated.length)
      const length = 1 + this.below(8)
      const head = mutated.subarray(0, at)
      switch (this.below(7)) {
        case 0:
        case 1:
          if (mutated.length > 0) mutated[at] = mutated[at]! ^ (1 << this.below(8))
          break
        case 2:
          mutated.subarray(at, at + length).fill([0, 0xff, 0x7f, 0x80, 0x30, 0x22][this.below(6)]!)
          break
        case 3:
          mutated = Buffer.concat([head, mutated.subarray(at + length)])
          break
        case 4:
          mutated = Buffer.concat([head, Buffer.from(Array.from({ length }, () => this.below(256))), mutated.subarray(at)])
          break
        case 5:
          mutated = Buffer.concat([head, mutated.subarray(at, at + length), mutated.subarray(at)])
          break
        case 6:
          mutated = Buffer.from(head)
          break
      }
    }
    return mutated
  }

  #count(outcome: string): void {
    this.tally.set(outcome, (this.tally.get(outcome) ?? 0) + 1)
  }

  #verify(quote: Uint8Array, with_: PreparedCollateral = prepared) {
    const result = verifyQuote(quote, with_, NOW_MS)
    this.#count(result.ok ? result.status : result.reason)
    return result
  }

  #prepare(given: Collateral): PreparedCollateral | undefined {
    try {
      return prepareCollateral(given, pki.rootDer, NOW_MS)
    } catch (error) {
      // Whatever else is thrown ends the run.
      if (!(error instanceof DcapError)) throw error
      this.#count(error.reason)
      return undefined
    }
  }

  /** A quote that nobody signed anew: accepted only when nothing but padding is another. */
  quote(): void {
    const original = this.#quotes[this.below(this.#quotes.length)]!
    const result = this.#verify(this.#mutate(original))
    if (result.ok) assert.deepEqual(result.quote.bytes, parseQuote(original).bytes)
  }

  /** Header and body of a quote, signed by the true attestation key. */
  signedQuote(): void {
    const original = this.#quotes[this.below(this.#quotes.length)]!
    const mutated = this.#mutate(parseQuote(original).signed)
    const length = parseQuote(original).signed.length
    if (mutated.length === length) this.#verify(resign(platform, original, (signed) => signed.set(mutated)))
  }

  /** A PCK certificate that the true CA signed. */
  pck(): void {
    const der = signDer(this.#mutate(signedPart(platform.pck.certificate.der)), pki.platformCa)
    this.#verify(platform.quote({ chainPem: pemOf(der) + this.#tails }))
  }

  /** One piece of collateral, not signed anew: never accepted when it is another. */
  collateral(): void {
    const given = { ...collateral }
    const at = this.below(BYTES.length + TEXTS.length)
    const field = [...BYTES, ...TEXTS][at]!
    const original = collateral[field]
    const mutated = this.#mutate(typeof original === 'string' ? Buffer.from(original) : original)
    if (mutated.equals(typeof original === 'string' ? Buffer.from(original) : original)) return
    const piece = typeof original === 'string' ? mutated.toString() : Uint8Array.from(mutated)
    const made = this.#prepare({ ...given, [field]: piece })
    // A chain may lack the newline at its end, or have a NUL there: the certificates are the same.
    const sameChain =
      typeof piece === 'string' &&
      field.endsWith('Chain') &&
      piece.trimEnd().replace(/\0$/, '').trimEnd() === (original as string).trimEnd()
    assert.ok(made === undefined || sameChain, `${field} was accepted in another form`)
  }

  /** Documents and revocation lists that the true keys signed. */
  signedCollateral(): void {
    const which = this.below(4)
    const document = which === 0 ? 'tcbInfo' : 'qeIdentity'
    const crl = which === 2 ? ('rootCaCrl' as const) : ('pckCrl' as const)
    const given =
      which < 2
        ? withDocuments({ [document]: this.#mutate(Buffer.from(collateral[document])).toString() })
        : { ...collateral, [crl]: signDer(this.#mutate(signedPart(collateral[crl])), which === 2 ? pki.root : pki.platformCa) }
    const made = this.#prepare(given)
    if (made !== undefined) this.#verify(this.#quotes[0]!, made)
  }

  /** `rounds` of the cheap kind, and one of each dear kind for every hundred. */
  run(rounds: number): void {
    for (let round = 0; round < rounds; round++) {
      if (round % 100 === 0) {
        this.signedQuote()
        this.pck()
        this.collateral()
        this.signedCollateral()
      }
      this.quote()
    }
  }
}

const collect = (): void => {
  const { setFlagsFromString } = process.getBuiltinModule('node:v8')
  const { runInNewContext } = process.getBuiltinModule('node:vm')
  setFlagsFromString('--expose_gc')
  ;(runInNewContext('gc') as () => void)()
}

/** Bytes of heap in use, after garbage collection. */
export const heapBytes = (): number => {
  collect()
  return process.memoryUsage().heapUsed
}
