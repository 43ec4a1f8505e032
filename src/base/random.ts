import { randomFillSync } from 'node:crypto'

/** Randomness. Secrets, nonces and jitter come from here and nowhere else. */
export interface Random {
  /** `length` bytes fit for keys and nonces. */
  bytes(length: number): Uint8Array
  /** A number in [0, 1) for jitter and choice; never for secrets. */
  uniform(): number
}

export const systemRandom: Random = {
  // A buffer of its own, so that wiping it wipes all: not a slice of Node's shared pool, and not a short array, which V8's
  // collector would copy about without clearing where it was.
  bytes: (length) => randomFillSync(new Uint8Array(new ArrayBuffer(length))),
  uniform: () => randomFillSync(new Uint32Array(1))[0]! / 2 ** 32,
}
