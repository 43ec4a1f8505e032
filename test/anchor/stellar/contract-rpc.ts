import { createServer, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Contract, nativeToScVal, SorobanDataBuilder, StrKey, TransactionBuilder, xdr } from '@stellar/stellar-sdk/base'
import { parseClusterId, u32be, u64be, verifyEd25519 } from '../../../protocols/wire/index.ts'

// A Stellar RPC of one process for tests, with one contract of the seed behind it. It takes a transaction only as a ledger would:
// the real envelope is read, and what it calls, with what, who signed it, its footprint and its fees are compared.

type Json = Record<string, unknown>
interface Call {
  readonly method: string
  readonly params: Json
}
/** What a stand-in does with an answer before it is sent: changes it, sends it itself (undefined), or never does. */
export type RpcTrick = (call: Call, body: Json, response: ServerResponse) => Json | undefined

const i32 = (value: number): Uint8Array => u32be(value >>> 0)
/** What the stand-in wants for the resources of a call, in stroops. */
export const RESOURCE_FEE = 71_234n

export class ContractRpc {
  readonly id = StrKey.encodeContract(Buffer.alloc(32, 9))
  readonly asked: Call[] = []
  /** What the contract holds. */
  shared: string | undefined
  /** Quotes of its events. */
  readonly quotes: string[] = []
  readonly #results = new Map<string, Buffer>()
  trick: RpcTrick | undefined
  /** What came in, before it is applied. */
  onSend: (() => void) | undefined
  #server: Server | undefined

  constructor(
    readonly passphrase: string,
    readonly ledger: {
      /** The account's own sequence number now; undefined: there is none. */
      sequence(id: string): Promise<bigint | undefined> | bigint | undefined
      /** A transaction of this account was taken. */
      taken(id: string): void
      /** Seconds: when the newest ledger closed. */
      now(): number
    },
  ) {}

  async listen(): Promise<string> {
    this.#server = createServer(async (request, response) => {
      const chunks: Buffer[] = []
      for await (const chunk of request) chunks.push(chunk as Buffer)
      const call = JSON.parse(Buffer.concat(chunks).toString()) as Call
      this.asked.push(call)
      const plain = await this.#answer(call)
      const body = this.trick === undefined ? plain : this.trick(call, plain, response)
      if (body !== undefined) response.end(JSON.stringify({ jsonrpc: '2.0', id: 1, ...body }))
    })
    await new Promise<void>((resolve) => this.#server!.listen(0, '127.0.0.1', resolve))
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  async stop(): Promise<void> {
    this.#server?.closeAllConnections()
    await new Promise((resolve) => (this.#server === undefined ? resolve(0) : this.#server.close(resolve)))
  }

  get key(): xdr.LedgerKey {
    return new Contract(this.id).getFootprint()
  }

  async #answer({ method, params }: Call): Promise<Json> {
    try {
      if (method === 'getLedgerEntries') return { result: this.#entries(params.keys as string[]) }
      if (method === 'simulateTransaction') return { result: this.#simulate(params.transaction as string) }
      if (method === 'sendTransaction') return { result: await this.#send(params.transaction as string) }
      if (method === 'getTransaction') return { result: this.#find(params.hash as string) }
      return { error: { code: -32_601, message: 'method not found' } }
    } catch (error) {
      return { error: { code: -32_602, message: String(error) } }
    }
  }

  #entries(keys: string[]): Json {
    if (keys.length !== 1 || keys[0] !== this.key.toXdr('base64')) return { entries: [], latestLedger: 800 }
    const storage =
      this.shared === undefined
        ? null
        : [
            new xdr.ScMapEntry({
              key: xdr.ScVal.scvVec([nativeToScVal('SharedPub', { type: 'symbol' })]),
              val: nativeToScVal(this.shared, { type: 'string' }),
            }),
          ]
    const entry = xdr.LedgerEntryData.contractData(
      new xdr.ContractDataEntry({
        ext: xdr.ExtensionPoint.v0(),
        contract: new Contract(this.id).address().toScAddress(),
        key: xdr.ScVal.scvLedgerKeyContractInstance(),
        durability: xdr.ContractDataDurability.persistent,
        val: xdr.ScVal.scvContractInstance(
          new xdr.ScContractInstance({ executable: xdr.ContractExecutable.contractExecutableStellarAsset(), storage }),
        ),
      }),
    )
    const found = { key: keys[0], xdr: entry.toXdr('base64'), lastModifiedLedgerSeq: 7, liveUntilLedgerSeq: 900 }
    return { entries: [found], latestLedger: 800 }
  }

  /** What is called with which texts; throws for anything but the seed's bootstrap of this contract. */
  #call(text: string) {
    const transaction = TransactionBuilder.fromXDR(text, this.passphrase)
    if (!('source' in transaction)) throw new Error('a fee bump')
    const [operation, ...more] = transaction.operations
    if (operation?.type !== 'invokeHostFunction' || more.length > 0) throw new Error('not one call')
    if (operation.source !== undefined && operation.source !== transaction.source) throw new Error('a call by somebody else')
    const { func, auth } = operation
    if (func.type !== 'hostFunctionTypeInvokeContract') throw new Error(`a host function ${func.type}`)
    const { contractAddress, functionName, args } = func.invokeContract
    const same = (a: { toXdr(): Uint8Array }, b: { toXdr(): Uint8Array }) => Buffer.from(a.toXdr()).equals(Buffer.from(b.toXdr()))
    if (!same(contractAddress, new Contract(this.id).address().toScAddress())) throw new Error('another contract')
    if (functionName.toString() !== 'bootstrap') throw new Error(`no function ${functionName.toString()}`)
    if ((auth ?? []).length > 0) throw new Error('authorisation that nobody asks for')
    const texts = args.map((arg) => {
      if (arg.type !== 'scvString') throw new Error(`an argument of type ${arg.type}`)
      return arg.str.toString()
    })
    if (texts.length !== 2) throw new Error(`${texts.length} arguments`)
    return { transaction, shared: texts[0]!, quote: texts[1]! }
  }

  /** Base64 of what a call needs. */
  data(change: (builder: SorobanDataBuilder) => SorobanDataBuilder = (builder) => builder): string {
    const builder = new SorobanDataBuilder()
      .setFootprint([], [this.key])
      .setResources(1_000_000, 5_000, 500)
      .setResourceFee(RESOURCE_FEE.toString())
    return change(builder).build().toXdr('base64')
  }

  #simulate(text: string): Json {
    const { transaction } = this.#call(text)
    if (transaction.signatures.length > 0) throw new Error('signed before it was simulated')
    if (this.shared !== undefined) return { error: 'HostError: Error(WasmVm, InvalidAction)', latestLedger: 800 }
    const results = [{ auth: [], xdr: xdr.ScVal.scvVoid().toXdr('base64') }]
    return { transactionData: this.data(), minResourceFee: String(RESOURCE_FEE), results, latestLedger: 800 }
  }

  async #send(text: string): Promise<Json> {
    this.onSend?.()
    const { transaction, shared, quote } = this.#call(text)
    const hash = Buffer.from(transaction.hash())
    const word = hash.toString('hex')
    const answer = { hash: word, latestLedger: 800, latestLedgerCloseTime: String(this.ledger.now()) }
    const refuse = (code: number): Json => {
      const result = Buffer.concat([u64be(0), i32(code), u32be(0)])
      return { ...answer, status: 'ERROR', errorResultXdr: result.toString('base64') }
    }
    if (this.#results.has(word)) return { ...answer, status: 'DUPLICATE' }
    const sequence = await this.ledger.sequence(transaction.source)
    if (sequence === undefined) return refuse(-8)
    if (BigInt(transaction.sequence) !== sequence + 1n) return refuse(-5)
    if (Number(transaction.timeBounds?.maxTime) < this.ledger.now()) return refuse(-3)
    const [signature, ...extra] = transaction.signatures
    const good =
      signature !== undefined && verifyEd25519(parseClusterId(transaction.source)!, hash, signature.signature.toBytes())
    if (!good) return refuse(-6)
    if (extra.length > 0) return refuse(-10)
    const envelope = transaction.toEnvelope()
    if (envelope.type !== 'envelopeTypeTx' || envelope.v1.tx.ext.type !== 'sorobanData') throw new Error('no resources')
    const { resources, resourceFee } = envelope.v1.tx.ext.sorobanData
    if (BigInt(resourceFee) < RESOURCE_FEE || BigInt(transaction.fee) < BigInt(resourceFee) + 100n) return refuse(-9)
    const [written] = resources.footprint.readWrite
    const may = written !== undefined && Buffer.from(written.toXdr()).equals(Buffer.from(this.key.toXdr()))
    this.ledger.taken(transaction.source)
    // Taken, and trapped: the contract is taken, or may not be written.
    const trapped = this.shared !== undefined || !may
    if (!trapped) {
      this.shared = shared
      this.quotes.push(quote)
    }
    const inner = trapped ? i32(-2) : Buffer.concat([i32(0), Buffer.alloc(32)])
    const fee = u64be(BigInt(transaction.fee))
    this.#results.set(word, Buffer.concat([fee, i32(trapped ? -1 : 0), u32be(1), i32(0), u32be(24), inner, u32be(0)]))
    return { ...answer, status: 'PENDING' }
  }

  #find(hash: string): Json {
    const result = this.#results.get(hash)
    const when = { latestLedger: 801, latestLedgerCloseTime: String(this.ledger.now()) }
    if (result === undefined) return { status: 'NOT_FOUND', ...when }
    const succeeded = result.readInt32BE(8) === 0
    return { status: succeeded ? 'SUCCESS' : 'FAILED', ledger: 801, resultXdr: result.toString('base64'), ...when }
  }
}
