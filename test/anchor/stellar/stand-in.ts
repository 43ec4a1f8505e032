import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { TransactionBuilder } from '@stellar/stellar-sdk/base'
import { formatClusterId, parseClusterId, u32be, u64be, verifyEd25519 } from '../../../protocols/wire/index.ts'

// A Horizon of one process for tests: it knows just enough of a ledger to take a genesis in, and lies on command.

export const sha256 = (...parts: readonly Uint8Array[]): Buffer => {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest()
}

/** An ed25519 key from a word. */
export class TestKey {
  readonly #key: KeyObject
  readonly publicKey: Uint8Array
  constructor(readonly word: string) {
    const head = Buffer.from('302e020100300506032b657004220420', 'hex')
    this.#key = createPrivateKey({ key: Buffer.concat([head, sha256(Buffer.from(word))]), format: 'der', type: 'pkcs8' })
    this.publicKey = Uint8Array.from(createPublicKey(this.#key).export({ format: 'der', type: 'spki' }).subarray(-32))
  }
  get seed(): Uint8Array {
    return Uint8Array.from(sha256(Buffer.from(this.word)))
  }
  get id(): string {
    return formatClusterId(this.publicKey)
  }
  sign(bytes: Uint8Array): Uint8Array {
    return Uint8Array.from(sign(null, bytes, this.#key))
  }
}

interface Account {
  sequence: bigint
  frozen: boolean
  homeDomain: string | undefined
  data: Map<string, Buffer>
}

export interface TestLedger {
  sequence: number
  header: Buffer
  hash: Buffer
  transactions: Buffer
  results: Buffer
}

type Json = Record<string, unknown>
/** What a stand-in does with an answer before it is sent: changes it, sends it itself (undefined), or never does. */
export type Trick = (
  answer: { route: string; status: number; body: Json },
  response: ServerResponse,
) => { status: number; body: Json } | undefined

export class StandIn {
  readonly accounts = new Map<string, Account>()
  readonly ledgers: TestLedger[] = []
  readonly found = new Map<string, { ledger: number; result: Buffer; successful: boolean }>()
  readonly asked: string[] = []
  /** Seconds; ledgers close at this time. */
  now = Math.floor(Date.now() / 1_000)
  trick: Trick | undefined
  /** What came in, before it is applied. */
  onSubmit: (() => void) | undefined
  readonly validator = new TestKey('validator')
  #server: Server | undefined

  constructor(readonly passphrase: string) {
    this.close([])
  }

  get network(): Buffer {
    return sha256(Buffer.from(this.passphrase))
  }

  async listen(): Promise<string> {
    this.#server = createServer((request, response) => void this.#answer(request, response))
    await new Promise<void>((resolve) => this.#server!.listen(0, '127.0.0.1', resolve))
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  async stop(): Promise<void> {
    this.#server?.closeAllConnections()
    await new Promise((resolve) => (this.#server === undefined ? resolve(0) : this.#server.close(resolve)))
  }

  fund(id: string): void {
    this.accounts.set(id, { sequence: BigInt(this.ledgers.length) << 32n, frozen: false, homeDomain: undefined, data: new Map() })
  }

  /** Another server's view of the same ledger, as it is now. */
  copy(): StandIn {
    const other = new StandIn(this.passphrase)
    other.ledgers.splice(0, other.ledgers.length, ...this.ledgers)
    for (const [id, account] of this.accounts) other.accounts.set(id, { ...account, data: new Map(account.data) })
    for (const [hash, found] of this.found) other.found.set(hash, found)
    return other
  }

  /** One more ledger with these envelopes and their results (already applied). */
  close(applied: readonly { envelope: Buffer; hash: Buffer; result: Buffer }[]): TestLedger {
    const previous = this.ledgers.at(-1)?.hash ?? Buffer.alloc(32)
    const sequence = this.ledgers.length + 1
    const envelopes = applied.map(({ envelope }) => envelope)
    // GeneralizedTransactionSet v1: a classic phase of one component, a contract phase of none.
    const component = Buffer.concat([u32be(0), u32be(0), u32be(envelopes.length), ...envelopes])
    const transactions = Buffer.concat([u32be(1), previous, u32be(2), u32be(0), u32be(1), component, u32be(0), u32be(0)])
    const results = Buffer.concat([u32be(applied.length), ...applied.map(({ hash, result }) => Buffer.concat([hash, result]))])
    const setHash = sha256(transactions)
    const closeTime = u64be(this.now)
    const signature = this.validator.sign(Buffer.concat([this.network, u32be(4), setHash, closeTime]))
    const header = Buffer.concat([
      u32be(22),
      previous,
      setHash,
      closeTime,
      u32be(0),
      ...[u32be(1), u32be(0), this.validator.publicKey, u32be(64), signature],
      sha256(results),
      Buffer.alloc(32, 7),
      u32be(sequence),
      ...[u64be(10n ** 18n), u64be(0), u32be(0), u64be(0), u32be(100), u32be(5_000_000), u32be(1_000)],
      Buffer.alloc(128),
      u32be(0),
    ])
    const ledger = { sequence, header, hash: sha256(header), transactions, results }
    this.ledgers.push(ledger)
    return ledger
  }

  /** Applies an envelope in a ledger of its own, or refuses it. */
  submit(text: string): { status: number; body: Json } {
    const transaction = TransactionBuilder.fromXDR(text, this.passphrase)
    if (!('source' in transaction)) throw new Error('no fee bumps here')
    const envelope = Buffer.from(text, 'base64')
    const hash = Buffer.from(transaction.hash())
    const known = this.found.get(hash.toString('hex'))
    const source = this.accounts.get(transaction.source)
    const fail = (result: Buffer) => ({
      status: 400,
      body: { title: 'Transaction Failed', extras: { result_xdr: result.toString('base64') } },
    })
    const early = (code: number) => Buffer.concat([u64be(0), i32(code), u32be(0)])
    if (source === undefined) return fail(early(-8))
    if (known === undefined && BigInt(transaction.sequence) !== source.sequence + 1n) return fail(early(-5))
    if (known !== undefined) return fail(early(-5))
    if (Number(transaction.timeBounds?.maxTime) < this.now) return fail(early(-3))
    source.sequence += 1n
    const needed = new Set([transaction.source, ...transaction.operations.flatMap((each) => each.source ?? [])])
    const signed = [...needed].every((id) =>
      transaction.signatures.some((each) => verifyEd25519(parseClusterId(id)!, hash, each.signature.toBytes())),
    )
    if (!signed || transaction.signatures.length !== needed.size) return fail(early(-6))
    const changed = new Map<string, Account>()
    const results: Buffer[] = []
    let failed = false
    for (const operation of transaction.operations) {
      const id = operation.source ?? transaction.source
      const account = changed.get(id) ?? this.accounts.get(id)
      const type = {
        createAccount: 0,
        setOptions: 5,
        manageData: 10,
        beginSponsoringFutureReserves: 16,
        endSponsoringFutureReserves: 17,
      }[operation.type as string]
      if (type === undefined) throw new Error(`not a genesis: ${operation.type}`)
      let code = 0
      // Authority is judged before anything applies.
      if (this.accounts.get(id)?.frozen) {
        failed = true
        results.push(Buffer.from(i32(-1)))
        continue
      }
      if (operation.type === 'createAccount') {
        if (this.accounts.has(operation.destination)) code = -4
        else
          changed.set(operation.destination, {
            sequence: BigInt(this.ledgers.length + 1) << 32n,
            frozen: false,
            homeDomain: undefined,
            data: new Map(),
          })
      } else if (account !== undefined && operation.type === 'manageData') {
        changed.set(id, { ...account, data: new Map([...account.data, [operation.name, Buffer.from(operation.value!)]]) })
      } else if (account !== undefined && operation.type === 'setOptions') {
        changed.set(id, { ...account, homeDomain: operation.homeDomain, frozen: true })
      }
      if (code !== 0) failed = true
      results.push(Buffer.concat([i32(0), u32be(type), i32(code)]))
    }
    if (!failed) for (const [id, account] of changed) this.accounts.set(id, account)
    const fee = u64be(100 * results.length)
    const result = Buffer.concat([fee, i32(failed ? -1 : 0), u32be(results.length), ...results, u32be(0)])
    const ledger = this.close([{ envelope, hash, result }])
    this.close([])
    this.found.set(hash.toString('hex'), { ledger: ledger.sequence, result, successful: !failed })
    if (failed) return fail(result)
    return { status: 200, body: { hash: hash.toString('hex'), ledger: ledger.sequence, result_xdr: result.toString('base64') } }
  }

  /** What the account says of itself. */
  accountJson(id: string): Json | undefined {
    const account = this.accounts.get(id)
    if (account === undefined) return undefined
    return {
      id,
      account_id: id,
      sequence: String(account.sequence),
      subentry_count: account.data.size,
      ...(account.homeDomain !== undefined && { home_domain: account.homeDomain }),
      thresholds: account.frozen
        ? { low_threshold: 1, med_threshold: 1, high_threshold: 1 }
        : { low_threshold: 0, med_threshold: 0, high_threshold: 0 },
      flags: { auth_required: false, auth_revocable: false, auth_immutable: account.frozen, auth_clawback_enabled: false },
      signers: [{ weight: account.frozen ? 0 : 1, key: id, type: 'ed25519_public_key' }],
      data: Object.fromEntries([...account.data].map(([name, value]) => [name, value.toString('base64')])),
    }
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const route = `${request.method} ${request.url}`
    this.asked.push(route)
    let plain: { status: number; body: Json }
    try {
      plain = this.#route(route, Buffer.concat(chunks).toString())
    } catch (error) {
      plain = { status: 400, body: { title: 'Transaction Malformed', detail: String(error) } }
    }
    const answer = this.trick === undefined ? plain : this.trick({ route, ...plain }, response)
    if (answer === undefined) return
    response.writeHead(answer.status, { 'content-type': 'application/json' })
    response.end(JSON.stringify(answer.body))
  }

  #route(route: string, body: string): { status: number; body: Json } {
    const none = { status: 404, body: { title: 'Resource Missing', status: 404 } }
    const [, kind, id, more] = /^GET \/(accounts|transactions|ledgers)\/(\w+)(\/proof)?$/.exec(route) ?? []
    if (route === 'POST /transactions') {
      this.onSubmit?.()
      return this.submit(new URLSearchParams(body).get('tx')!)
    }
    if (route === 'GET /fee_stats') {
      return { status: 200, body: { last_ledger: String(this.ledgers.length), fee_charged: { p95: '100' } } }
    }
    if (route.startsWith('GET /friendbot?addr=')) {
      this.fund(route.slice('GET /friendbot?addr='.length))
      return { status: 200, body: { successful: true } }
    }
    if (kind === 'accounts') {
      const account = this.accountJson(id!)
      return account === undefined ? none : { status: 200, body: account }
    }
    if (kind === 'transactions') {
      const found = this.found.get(id!)
      if (found === undefined) return none
      const { ledger, result, successful } = found
      return { status: 200, body: { hash: id, ledger, successful, result_xdr: result.toString('base64') } }
    }
    const ledger = this.ledgers[Number(id) - 1]
    if (kind !== 'ledgers' || ledger === undefined) return none
    const header_xdr = ledger.header.toString('base64')
    if (more === undefined)
      return { status: 200, body: { hash: ledger.hash.toString('hex'), sequence: ledger.sequence, header_xdr } }
    return {
      status: 200,
      body: { header_xdr, tx_set_xdr: ledger.transactions.toString('base64'), results_xdr: ledger.results.toString('base64') },
    }
  }
}

const i32 = (value: number): Uint8Array => {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value)
  return bytes
}
