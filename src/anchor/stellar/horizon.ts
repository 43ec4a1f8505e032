import { equals, formatClusterId } from '../../../protocols/wire/index.ts'
import { type Clock, TransientError } from '../../base/index.ts'
import { parseHeader } from '../proof/header.ts'
import { badXdr, toBase64 } from '../xdr.ts'
import { type Answer, ask, Fields, type Http, malformed } from './http.ts'

/** An account as a server tells it; nothing of it is believed yet. */
export interface AccountView {
  readonly accountId: string
  readonly sequence: bigint
  readonly subentryCount: number
  readonly homeDomain: string | undefined
  readonly thresholds: { readonly low: number; readonly medium: number; readonly high: number }
  readonly flags: {
    readonly required: boolean
    readonly revocable: boolean
    readonly immutable: boolean
    readonly clawback: boolean
  }
  readonly signers: readonly { readonly key: string; readonly weight: number }[]
  readonly data: ReadonlyMap<string, Uint8Array>
}

export interface LatestLedger {
  readonly sequence: number
  readonly closedAtMs: number
}

/** What became of a transaction that was handed in. */
export type Submission =
  /** In a ledger, or refused for good: the server says why. */
  | { readonly kind: 'decided'; readonly result: Uint8Array }
  /** Perhaps on its way in, perhaps not. */
  | { readonly kind: 'unknown'; readonly retryAfterMs: number | undefined; readonly why: string }

export interface FoundTransaction {
  readonly ledger: number
  readonly result: Uint8Array
}

const HOST_TEXT = /^[\s\S]{0,32}$/
const SEQUENCE = /^(?:0|[1-9]\d{0,18})$/
const ACCOUNT = /^G[A-Z2-7]{55}$/
const HASH = /^[0-9a-f]{64}$/
const SIGNERS_MAX = 21
/** A cluster's account has at most nine. */
const DATA_MAX = 64
const RESULT_BYTES_MAX = 64 * 1024
/** Horizon's largest page. */
const PAGE_MAX = 200
const PAGE_BYTES_MAX = 16 * 1024 * 1024
/** Of anybody's transaction. */
const ENVELOPE_BYTES_MAX = 256 * 1024
const HEADER_BYTES_MAX = 8 * 1024
/** Horizon answers a submission when its ledger has closed. */
const SUBMIT_TIMEOUT_MS = 40_000

/** One Horizon server. Methods throw TransientError when it does not answer, RefusedError `anchor_malformed` when it talks nonsense. */
export class Horizon {
  readonly #http: Http
  constructor(
    /** Without a final slash. */
    readonly url: string,
    clock: Clock,
    timeoutMs: number,
    signal?: AbortSignal,
  ) {
    this.#http = { clock, timeoutMs, signal }
  }

  async #get(path: string, limitBytes?: number): Promise<Fields | undefined> {
    const url = this.url + path
    const answer = await ask(this.#http, url, limitBytes === undefined ? {} : { limitBytes })
    // A 404 is an answer, but only in a ledger server's own words.
    if (answer.status === 404) {
      new Fields(answer.json, url)
      return undefined
    }
    if (answer.status !== 200) throw this.#unexpected(answer)
    return new Fields(answer.json, url)
  }

  #unexpected({ status, retryAfterMs }: Answer): TransientError {
    const wait = retryAfterMs === undefined ? '' : `, and asks to wait ${retryAfterMs / 1_000} s`
    return new TransientError('anchor_unreachable', `${new URL(this.url).host} answers with status ${status}${wait}`, {
      next: 'try again later, or name other servers with --horizon',
    })
  }

  /** undefined: there is none. */
  async account(id: Uint8Array): Promise<AccountView | undefined> {
    const accountId = formatClusterId(id)
    const fields = await this.#get(`/accounts/${accountId}`)
    if (fields === undefined) return undefined
    if (fields.text('account_id', ACCOUNT, 'an account') !== accountId)
      throw fields.bad('account_id', 'the account that was asked for')
    return readAccount(fields)
  }

  /** undefined: not in a ledger, as far as this server knows. */
  async transaction(hash: Uint8Array, signal?: AbortSignal): Promise<FoundTransaction | undefined> {
    signal?.throwIfAborted()
    const hex = Buffer.from(hash).toString('hex')
    const fields = await this.#get(`/transactions/${hex}`)
    if (fields === undefined) return undefined
    if (fields.text('hash', HASH, 'a hash') !== hex) throw fields.bad('hash', 'the one that was asked for')
    return { ledger: fields.natural('ledger'), result: fields.bytes('result_xdr', RESULT_BYTES_MAX) }
  }

  async latest(): Promise<LatestLedger> {
    const stats = await this.#get('/fee_stats')
    if (stats === undefined) throw malformed(`${this.url}/fee_stats`, 'the answer', 'there')
    const sequence = Number(stats.text('last_ledger', /^[1-9]\d{0,9}$/, 'a ledger'))
    const header = parseHeader(await this.header(sequence))
    if (header.sequence !== sequence) throw malformed(this.url, 'header_xdr', `of ledger ${sequence}`)
    return { sequence, closedAtMs: header.closeTime * 1_000 }
  }

  /** XDR of a LedgerHeader whose hash is the one that the server gives. */
  async header(sequence: number): Promise<Uint8Array> {
    const fields = await this.#get(`/ledgers/${sequence}`)
    if (fields === undefined) throw this.#unexpected({ status: 404, json: undefined, retryAfterMs: undefined })
    const bytes = bareHeader(fields.bytes('header_xdr', HEADER_BYTES_MAX))
    const header = parseHeader(bytes)
    if (fields.text('hash', HASH, 'a hash') !== Buffer.from(header.hash).toString('hex'))
      throw fields.bad('hash', 'the hash of header_xdr')
    return bytes
  }

  /** What most transactions paid for an operation, in stroops. */
  async operationFee(): Promise<number> {
    const stats = await this.#get('/fee_stats')
    if (stats === undefined) throw malformed(`${this.url}/fee_stats`, 'the answer', 'there')
    return Number(stats.object('fee_charged').text('p95', /^[1-9]\d{0,9}$/, 'a fee'))
  }

  /** The first that had to do with this account: ledger and envelope (XDR). Nothing of it is believed. */
  async firstTransactions(id: Uint8Array): Promise<readonly { ledger: number; envelope: Uint8Array }[]> {
    const path = `/accounts/${formatClusterId(id)}/transactions?order=asc&limit=${PAGE_MAX}`
    const page = await this.#get(path, PAGE_BYTES_MAX)
    if (page === undefined) return []
    return page
      .object('_embedded')
      .list('records', PAGE_MAX)
      .map((each) => ({ ledger: each.natural('ledger'), envelope: each.bytes('envelope_xdr', ENVELOPE_BYTES_MAX) }))
  }

  async submit(envelope: Uint8Array): Promise<Submission> {
    const url = `${this.url}/transactions`
    const answer = await ask(this.#http, url, { form: { tx: toBase64(envelope) }, timeoutMs: SUBMIT_TIMEOUT_MS })
    const { status, json, retryAfterMs } = answer
    if (status === 200) return { kind: 'decided', result: new Fields(json, url).bytes('result_xdr', RESULT_BYTES_MAX) }
    if (status === 400) {
      const extras = new Fields(json, url).raw('extras')
      // `transaction_failed` carries a result; `transaction_malformed` cannot be about what we built.
      if (extras !== undefined) {
        const fields = new Fields(extras, url, 'extras')
        if (fields.raw('result_xdr') !== undefined)
          return { kind: 'decided', result: fields.bytes('result_xdr', RESULT_BYTES_MAX) }
      }
      throw malformed(url, 'the answer', 'one about a transaction')
    }
    return { kind: 'unknown', retryAfterMs, why: `status ${status}` }
  }

  /** Parts of a proof, where a server has them (our devnet ledger does): base64 fields of one ledger. */
  async proof(sequence: number, limitBytes: number): Promise<Fields | undefined> {
    return this.#get(`/ledgers/${sequence}/proof`, limitBytes)
  }
}

const readAccount = (fields: Fields): AccountView => {
  const thresholds = fields.object('thresholds')
  const flags = fields.object('flags')
  const data = fields.object('data')
  const names = data.names()
  if (names.length > DATA_MAX) throw fields.bad('data', `an object of at most ${DATA_MAX} entries`)
  return {
    accountId: fields.text('account_id', ACCOUNT, 'an account'),
    sequence: BigInt(fields.text('sequence', SEQUENCE, 'a sequence number')),
    subentryCount: fields.natural('subentry_count'),
    homeDomain: fields.raw('home_domain') === undefined ? undefined : fields.text('home_domain', HOST_TEXT, 'a home domain'),
    thresholds: {
      low: thresholds.natural('low_threshold', 255),
      medium: thresholds.natural('med_threshold', 255),
      high: thresholds.natural('high_threshold', 255),
    },
    flags: {
      required: flags.flag('auth_required'),
      revocable: flags.flag('auth_revocable'),
      immutable: flags.flag('auth_immutable'),
      clawback: flags.flag('auth_clawback_enabled'),
    },
    signers: fields.list('signers', SIGNERS_MAX).map((signer) => ({
      key: signer.text('key', /^[GTXP][A-Z2-7]{50,120}$/, 'a signer'),
      weight: signer.natural('weight', 255),
    })),
    data: new Map(names.map((name) => [name, data.bytes(name, 64)])),
  }
}

/** The same header, whether a server wraps it with its hash (LedgerHeaderHistoryEntry) or not. */
export const bareHeader = (bytes: Uint8Array): Uint8Array => {
  try {
    parseHeader(bytes)
    return bytes
  } catch {
    // hash ‖ header ‖ ext 0
    const [hash, header, ext] = [bytes.subarray(0, 32), bytes.subarray(32, -4), bytes.subarray(-4)]
    if (bytes.length < 36 || ext.some((byte) => byte !== 0)) throw badXdr('ledger header', 'neither bare nor with its hash')
    if (!equals(parseHeader(header).hash, hash)) throw badXdr('ledger header', 'its hash is another')
    return header
  }
}
