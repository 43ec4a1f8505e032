import { createPrivateKey, createPublicKey, type KeyObject, sign } from 'node:crypto'
import { open } from 'node:fs/promises'
import { equals, formatClusterId, parseClusterId, verifyEd25519 } from '../../../protocols/wire/index.ts'
import { type Clock, messageOf, type Random, RefusedError, TransientError, UsageError } from '../../base/index.ts'
import type { Handover, HandoverTransaction } from '../anchor.ts'
import { xdrFromBase64 } from '../xdr.ts'
import { type BuiltTransaction, ENVELOPE_BYTES_MAX, envelopeText, openEnvelope } from './genesis.ts'
import { ask } from './http.ts'
import { crc16 } from './strkey.ts'

/** Who pays for a genesis; without any power over the cluster. */
export interface Funder {
  /** 32 bytes. */
  readonly account: Uint8Array
  /** How long a transaction must stay good for this funder to sign it. */
  readonly signingMs: number
  /** 64 bytes over this very transaction. */
  sign(transaction: BuiltTransaction & { passphrase: string; maxTime: number }, signal?: AbortSignal): Promise<Uint8Array>
  /** Makes the account, if that is this funder's way. */
  fund?(): Promise<void>
  wipe(): void
}

/** A machine signs at once; the rest is the ledger's time. */
const MACHINE_SIGNING_MS = 5 * 60_000
/** A person on another machine. */
const HANDOVER_SIGNING_MS = 60 * 60_000
const SECRET_FILE_BYTES_MAX = 1024
const FRIENDBOT_TIMEOUT_MS = 60_000
/** PKCS#8 of an ed25519 seed (RFC 8410), up to the seed. */
const PKCS8_HEAD = Buffer.from('302e020100300506032b657004220420', 'hex')

/** VERSION_BYTE_SEED of SEP-23: a secret begins with S. */
const VERSION_SEED = 18 << 3
const STRKEY_LENGTH = 56
const BASE32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'

const badSecret = (found: string): UsageError =>
  new UsageError('bad_secret', `the funder's secret is not a Stellar secret key: ${found}`, {
    next: 'the file holds one line: S and 55 letters and digits',
  })

/** The 32 bytes of `S…`; text that never becomes a string. The caller wipes both. */
export const parseSecret = (text: Uint8Array): Uint8Array => {
  let end = text.length
  while (end > 0 && [0x0a, 0x0d, 0x20].includes(text[end - 1]!)) end--
  if (end !== STRKEY_LENGTH) throw badSecret(`${end} characters, expected ${STRKEY_LENGTH}`)
  const raw = new Uint8Array(35)
  try {
    let bits = 0
    let value = 0
    let at = 0
    for (const char of text.subarray(0, end)) {
      const digit = BASE32.indexOf(String.fromCharCode(char))
      if (digit < 0) throw badSecret('a character that is not base32')
      value = ((value << 5) | digit) & 0xfff
      bits += 5
      if (bits >= 8) {
        bits -= 8
        raw[at++] = (value >> bits) & 0xff
      }
    }
    if (raw[0] !== VERSION_SEED) throw badSecret('it does not begin with S')
    if (crc16(raw.subarray(0, 33)) !== (raw[33]! | (raw[34]! << 8))) throw badSecret('its check sum is wrong: a typing error?')
    return raw.slice(1, 33)
  } finally {
    raw.fill(0)
  }
}

const keyObject = (seed: Uint8Array): KeyObject => {
  const der = Buffer.alloc(PKCS8_HEAD.length + seed.length)
  der.set(PKCS8_HEAD)
  der.set(seed, PKCS8_HEAD.length)
  try {
    return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
  } finally {
    der.fill(0)
  }
}

/** A funder whose secret is here; wipes the seed that it is given. */
export const localFunder = (seed: Uint8Array): Funder => {
  let key: KeyObject | undefined = keyObject(seed)
  seed.fill(0)
  return {
    account: Uint8Array.from(createPublicKey(key).export({ format: 'der', type: 'spki' }).subarray(-32)),
    signingMs: MACHINE_SIGNING_MS,
    async sign({ hash }) {
      if (key === undefined) throw new UsageError('wiped', "the funder's key is wiped")
      return Uint8Array.from(sign(null, hash, key))
    },
    wipe() {
      key = undefined
    },
  }
}

/** Reads a secret key from a file, or from a file descriptor when it is a number. Throws UsageError. */
export const readSecret = async (source: string | number): Promise<Uint8Array> => {
  const text = Buffer.alloc(SECRET_FILE_BYTES_MAX)
  try {
    const file = await open(typeof source === 'number' ? `/proc/self/fd/${source}` : source, 'r')
    let size = 0
    try {
      for (;;) {
        const { bytesRead } = await file.read(text, size, text.length - size)
        if (bytesRead === 0) break
        size += bytesRead
      }
    } finally {
      await file.close()
    }
    return parseSecret(text.subarray(0, size))
  } catch (cause) {
    if (cause instanceof UsageError) throw cause
    throw new UsageError('secret_unreadable', `cannot read the funder's secret: ${messageOf(cause)}`, {
      next: 'name a file that this user may read',
    })
  } finally {
    text.fill(0)
  }
}

/** A throw-away account that a test network's friendbot fills; its secret is known to nobody afterwards. */
export const friendbotFunder = (friendbot: string, parts: { random: Random; clock: Clock; signal?: AbortSignal }): Funder => {
  const funder = localFunder(parts.random.bytes(32))
  return {
    ...funder,
    async fund() {
      const http = { clock: parts.clock, timeoutMs: FRIENDBOT_TIMEOUT_MS, signal: parts.signal }
      const { status } = await ask(http, `${friendbot}?addr=${formatClusterId(funder.account)}`)
      if (status !== 200) {
        throw new TransientError('friendbot_refused', `friendbot answers with status ${status}`, {
          next: 'try again later, or give --funder-secret-file with an account of your own',
        })
      }
    },
  }
}

/** A funder on another machine: its transaction waits here until it comes back signed. */
export class HandoverFunder implements Funder, Handover {
  readonly account: Uint8Array
  readonly signingMs = HANDOVER_SIGNING_MS
  #waiting:
    | { readonly shown: HandoverTransaction; readonly built: BuiltTransaction; take(signature: Uint8Array): void }
    | undefined

  /** `funder` is `G…`. Throws UsageError. */
  constructor(
    funder: string,
    readonly clock: Clock,
  ) {
    const account = parseClusterId(funder)
    if (account === undefined) {
      throw new UsageError('bad_configuration', `--funder ${JSON.stringify(funder)} is not an account`, {
        next: 'give the public key, G…; the secret key stays with its owner',
      })
    }
    this.account = account
  }

  async sign(transaction: BuiltTransaction & { passphrase: string; maxTime: number }, signal?: AbortSignal): Promise<Uint8Array> {
    const { body, passphrase, maxTime } = transaction
    using deadline = this.clock.deadline(Math.max(0, maxTime * 1_000 - this.clock.now()), signal)
    try {
      return await new Promise<Uint8Array>((resolve, reject) => {
        const giveUp = () =>
          reject(
            signal?.aborted
              ? signal.reason
              : new TransientError('handover_expired', 'the funder did not sign in time', {
                  next: 'start again, and sign what `dstack-mesh anchor prepare` prints before its time is up',
                }),
          )
        if (deadline.signal.aborted) return giveUp()
        deadline.signal.addEventListener('abort', giveUp, { once: true })
        const shown = { envelope: envelopeText(body), passphrase, funder: formatClusterId(this.account), maxTime }
        this.#waiting = { shown, built: transaction, take: resolve }
      })
    } finally {
      this.#waiting = undefined
    }
  }

  waiting(): HandoverTransaction | undefined {
    return this.#waiting?.shown
  }

  async deliver(envelope: string): Promise<void> {
    const opened = await openEnvelope(xdrFromBase64(envelope.trim(), 'transaction', ENVELOPE_BYTES_MAX))
    const waiting = this.#waiting
    if (waiting === undefined) {
      throw new UsageError('nothing_waits', 'no transaction waits for its funder here', {
        next: 'see dstack-mesh status; `dstack-mesh anchor prepare` prints what waits',
      })
    }
    if (!equals(opened.body, waiting.built.body)) {
      throw new RefusedError(
        'transaction_altered',
        'this is not the transaction that this node prepared; it is not signed here',
        {
          next: 'sign exactly what `dstack-mesh anchor prepare` prints',
        },
      )
    }
    const [signature, ...more] = opened.signatures
    if (signature === undefined || more.length > 0 || !verifyEd25519(this.account, waiting.built.hash, signature.signature)) {
      throw new RefusedError('not_signed_by_funder', `expected one signature, by ${formatClusterId(this.account)}`, {
        next: 'sign it with `dstack-mesh anchor sign` and the secret key of that account',
      })
    }
    waiting.take(signature.signature)
  }

  wipe(): void {}
}
