import { randomFillSync } from 'node:crypto'

/** Randomness. Secrets, nonces and jitter come from here and nowhere else. */
export interface Random {
  /** `length` bytes fit for keys and nonces. */
  bytes(length: number): Uint8Array
  /** A number in [0, 1) for jitter and choice; never for secrets. */
  uniform(): number
}

export const systemRandom: Random = {
  // A buffer of its own, never a slice of Node's shared pool: the caller may wipe it.
  bytes: (length) => randomFillSync(new Uint8Array(length)),
  uniform: () => randomFillSync(new Uint32Array(1))[0]! / 2 ** 32,
}
