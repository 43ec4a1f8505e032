/**
 * The few kinds of error, chosen by what the reader must do about them. Each says what was being done, what was found,
 * what was expected (the message) and what to do next (`next`). None ever carries a secret.
 */
export abstract class MeshError extends Error {
  /** A stable word for programs. */
  readonly code: string
  /** What the reader can do about it, in one sentence. */
  readonly next: string | undefined
  constructor(code: string, message: string, options: { next?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.next = options.next
  }
}

/** Fix the call or the configuration, then try again. The CLI exits with 2. */
export class UsageError extends MeshError {
  override readonly name = 'UsageError'
}

/** The world was not ready (network, quoting service, busy peers): trying again later may help. */
export class TransientError extends MeshError {
  override readonly name = 'TransientError'
}

/** Something was checked and does not hold: trying again will not help, and nothing was accepted. */
export class RefusedError extends MeshError {
  override readonly name = 'RefusedError'
}

/** The message of whatever was thrown, for a log line. */
export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
