import { multiaddr } from '@multiformats/multiaddr'
import { toString as bytesToString } from 'uint8arrays/to-string'
import { equals, utf8 } from '../../../protocols/wire/index.ts'
import { messageOf, RefusedError, UsageError } from '../../base/index.ts'
import type { AnchorRecord } from '../anchor.ts'

// The table of data entries of a frozen account (design: policy and anchor, "The Stellar anchor"). Nothing here needs a network.

const VERSION = '1'
const HASH_BYTES = 32
const BOOT_MAX = 4
/** The ledger's limit for a data value. */
const VALUE_BYTES_MAX = 64

export interface GenesisEntries extends Pick<AnchorRecord, 'genesisHash' | 'quoteHash' | 'policyHash'> {
  /** Account (32 bytes) that names the head of the successors; only with governance. */
  readonly next?: Uint8Array
  /** Text multiaddrs. */
  readonly boot: readonly string[]
}

/** Name and value of each entry, in the table's order. */
export const dataEntries = (entries: GenesisEntries): [name: string, value: Uint8Array][] => [
  ['dstack.version', utf8(VERSION)],
  ['dstack.genesis', entries.genesisHash],
  ['dstack.quote', entries.quoteHash],
  ['dstack.policy', entries.policyHash],
  ...(entries.next === undefined ? [] : [['dstack.next', entries.next] as [string, Uint8Array]]),
  ...entries.boot.map((address, index): [string, Uint8Array] => [`dstack.boot.${index}`, utf8(address)]),
]

const bad = (found: string): RefusedError =>
  new RefusedError('anchor_entries', `the account's data is not a cluster's: ${found}`, {
    next: 'it is another kind of account, or of a version that this program does not know: check the cluster id',
  })

/** The entries of an account. Throws RefusedError `anchor_entries` unless they are exactly those of the table. */
export const readEntries = (data: ReadonlyMap<string, Uint8Array>): GenesisEntries => {
  const hash = (name: string): Uint8Array => {
    const value = data.get(name)
    if (value === undefined) throw bad(`${name} is missing`)
    if (value.length !== HASH_BYTES) throw bad(`${name} has ${value.length} bytes, expected ${HASH_BYTES}`)
    return value
  }
  const version = data.get('dstack.version')
  if (version === undefined) throw bad('dstack.version is missing')
  if (!equals(version, utf8(VERSION)))
    throw bad(`dstack.version is ${JSON.stringify(bytesToString(version))}, known is ${VERSION}`)
  const boot: string[] = []
  for (let value = data.get('dstack.boot.0'); value !== undefined; value = data.get(`dstack.boot.${boot.length}`)) {
    const address = new TextDecoder().decode(value)
    const problem = bootProblem(address)
    if (problem !== undefined) throw bad(`dstack.boot.${boot.length} ${problem}`)
    boot.push(address)
  }
  const entries: GenesisEntries = {
    genesisHash: hash('dstack.genesis'),
    quoteHash: hash('dstack.quote'),
    policyHash: hash('dstack.policy'),
    ...(data.has('dstack.next') && { next: hash('dstack.next') }),
    boot,
  }
  const known = new Set(dataEntries(entries).map(([name]) => name))
  const extra = [...data.keys()].find((name) => !known.has(name))
  if (extra !== undefined) throw bad(`${JSON.stringify(extra)} is none of the known entries`)
  if (boot.length > BOOT_MAX) throw bad(`${boot.length} bootstrap addresses, at most ${BOOT_MAX}`)
  return entries
}

const bootProblem = (address: string): string | undefined => {
  if (Buffer.byteLength(address) > VALUE_BYTES_MAX) return `is longer than ${VALUE_BYTES_MAX} bytes`
  let parsed: ReturnType<typeof multiaddr>
  try {
    parsed = multiaddr(address)
  } catch (error) {
    return `is not a multiaddr (${messageOf(error)})`
  }
  if (parsed.getComponents().some(({ name }) => name === 'p2p')) return 'names a peer: a restarted member is another peer'
  // One spelling for one address, so that nothing hides in it.
  return parsed.toString() === address ? undefined : `should be written ${parsed.toString()}`
}

/** Addresses that an operator wants published. Throws UsageError. */
export const checkBoot = (addresses: readonly string[]): readonly string[] => {
  if (addresses.length > BOOT_MAX) {
    throw new UsageError('bad_boot', `${addresses.length} bootstrap addresses; the anchor takes ${BOOT_MAX}`, {
      next: 'publish a /dnsaddr that names them all',
    })
  }
  for (const address of addresses) {
    const problem = bootProblem(address)
    if (problem !== undefined) {
      throw new UsageError('bad_boot', `--boot ${JSON.stringify(address)} ${problem}`, {
        next: 'write it like /dns4/mesh.example.org/tcp/4001; it is permanent',
      })
    }
  }
  return addresses
}

export const sameEntries = (a: GenesisEntries, b: GenesisEntries): boolean => {
  const [left, right] = [dataEntries(a), dataEntries(b)]
  return (
    left.length === right.length &&
    left.every(([name, value], index) => name === right[index]![0] && equals(value, right[index]![1]))
  )
}
