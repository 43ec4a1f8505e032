import { type Clock, messageOf, RefusedError } from '../../base/index.ts'
import { badXdr, concat, toBase64, u32be } from '../xdr.ts'
import { rpc } from './rpc.ts'
import { parseContract } from './strkey.ts'

// The contract of rs-modular-dstack (`simple-cluster`): anybody may be the first to call its bootstrap, and its entries expire. So
// it is a weaker witness than a frozen account.

const CONTRACT_ENTRY_BYTES_MAX = 64 * 1024
const TIMEOUT_MS = 10_000
/** Of Stellar-ledger-entries.x and Stellar-contract.x. */
const LEDGER_KEY_CONTRACT_DATA = 6
const SC_ADDRESS_TYPE_CONTRACT = 1
const SCV_LEDGER_KEY_CONTRACT_INSTANCE = 20
const DURABILITY_PERSISTENT = 1
/** `DataKey::SharedPub`, as the contract's compiler writes it: a list of one symbol. */
const SHARED_KEY = 'SharedPub'

export interface ContractReport {
  readonly contract: string
  /** As the contract holds it; hex in the seed. */
  readonly sharedPublicKey: string
  readonly lastModifiedLedger: number
  /** After this ledger it is gone, unless somebody pays for more time. */
  readonly liveUntilLedger: number | undefined
  readonly latestLedger: number
}

/** LedgerKey (XDR) of a contract's instance, where the seed keeps the shared key. */
export const instanceKey = (id: Uint8Array): Uint8Array =>
  concat([
    u32be(LEDGER_KEY_CONTRACT_DATA),
    u32be(SC_ADDRESS_TYPE_CONTRACT),
    id,
    u32be(SCV_LEDGER_KEY_CONTRACT_INSTANCE),
    u32be(DURABILITY_PERSISTENT),
  ])

/** Asks one Stellar RPC server. Throws RefusedError, TransientError. */
export const readContract = async (
  contract: string,
  url: string,
  clock: Clock,
  signal?: AbortSignal,
): Promise<ContractReport> => {
  const id = parseContract(contract)
  if (id === undefined) throw new RefusedError('bad_contract', `${JSON.stringify(contract)} is not a contract's address`)
  const key = instanceKey(id)
  const reach = { clock, timeoutMs: TIMEOUT_MS, signal }
  const { result, refusal } = await rpc(reach, url, 'getLedgerEntries', { keys: [toBase64(key)] })
  if (result === undefined) throw new RefusedError('contract_unreadable', `the server refuses: ${refusal}`)
  const [entry, ...more] = result.raw('entries') === null ? [] : result.list('entries', 4)
  if (entry === undefined || more.length > 0 || entry.raw('key') !== toBase64(key)) {
    throw new RefusedError('contract_missing', `${contract} does not exist there, or has expired`, {
      next: 'check the address and the network',
    })
  }
  return {
    contract,
    sharedPublicKey: await sharedPublicKey(entry.bytes('xdr', CONTRACT_ENTRY_BYTES_MAX), id),
    lastModifiedLedger: entry.natural('lastModifiedLedgerSeq'),
    liveUntilLedger: entry.raw('liveUntilLedgerSeq') === undefined ? undefined : entry.natural('liveUntilLedgerSeq'),
    latestLedger: result.natural('latestLedger'),
  }
}

const sharedPublicKey = async (bytes: Uint8Array, id: Uint8Array): Promise<string> => {
  const { xdr } = await import('@stellar/stellar-sdk/base')
  let shared: string | undefined
  try {
    const data = xdr.LedgerEntryData.fromXdr(bytes)
    if (data.type !== 'contractData') throw new Error(`an entry of type ${data.type}`)
    const { contract, val } = data.contractData
    if (!Buffer.from(contract.toXdr()).subarray(4).equals(Buffer.from(id))) throw new Error('another contract')
    if (val.type !== 'scvContractInstance') throw new Error(`a value of type ${val.type}`)
    const stored = (val.instance.storage ?? []).find(({ key }) => {
      const [symbol, ...rest] = key.type === 'scvVec' ? (key.vec ?? []) : []
      return symbol?.type === 'scvSymbol' && rest.length === 0 && symbol.sym.toString() === SHARED_KEY
    })
    if (stored?.val.type === 'scvString') shared = stored.val.str.toString()
  } catch (error) {
    throw badXdr('contract entry', messageOf(error))
  }
  if (shared === undefined) {
    throw new RefusedError('contract_empty', 'the contract holds no shared public key: nobody has called its bootstrap', {
      next: 'it may be another kind of contract; the seed keeps the key in its instance storage',
    })
  }
  return shared
}
