import { join } from 'node:path'
import { parseClusterId } from '../../protocols/wire/index.ts'
import {
  type Anchor,
  fileAnchor,
  friendbotFunder,
  HandoverFunder,
  localFunder,
  NETWORKS,
  type Network,
  noAnchor,
  parseCheckpoint,
  readSecret,
  StellarAnchor,
  witnessOf,
} from '../anchor/index.ts'
import { type Clock, type Log, type Random, UsageError } from '../base/index.ts'
import type { Settings } from './settings.ts'

/** What of a node's settings is about its anchor. */
export type AnchorSettings = Pick<
  Settings,
  | 'anchor'
  | 'anchorContract'
  | 'anchorOptional'
  | 'boot'
  | 'checkpoints'
  | 'friendbot'
  | 'funder'
  | 'funderSecretFile'
  | 'homeDomain'
  | 'horizon'
  | 'stellarArchive'
  | 'stellarPassphrase'
  | 'stellarRpc'
  | 'validators'
>

/** What an anchor is opened with. */
export interface AnchorParts {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
}
export type AnchorFactory = (parts: AnchorParts) => Anchor

const wrong = (message: string, next: string): UsageError => new UsageError('bad_configuration', message, { next })

const LEDGER_ONLY = [
  'anchorContract',
  'anchorOptional',
  'boot',
  'checkpoints',
  'friendbot',
  'funder',
  'funderSecretFile',
  'homeDomain',
  'horizon',
  'stellarArchive',
  'stellarPassphrase',
  'stellarRpc',
  'validators',
] as const

/** The anchor that settings name: `file:<path>` (default: in the data folder), `none`, or a ledger. Throws UsageError. */
export const anchorOf = (settings: AnchorSettings, dataDir: string): AnchorFactory => {
  const { anchor } = settings
  const network = networkOf(settings)
  if (network !== undefined) return ledgerAnchor(settings, network)
  const pointless = LEDGER_ONLY.find((key) => settings[key] !== undefined)
  if (pointless !== undefined) throw wrong(`${pointless} is for an anchor on a ledger`, 'give --anchor devnet, testnet or pubnet')
  if (anchor === undefined) return () => fileAnchor(join(dataDir, 'anchor.jsonl'))
  if (anchor === 'none') return () => noAnchor
  if (anchor.startsWith('file:') && anchor.length > 'file:'.length) return () => fileAnchor(anchor.slice('file:'.length))
  throw wrong(`${JSON.stringify(anchor)} is not an anchor`, 'write devnet, testnet, pubnet, stellar, file:<path>, or none')
}

/** The ledger network that settings name, if they do. Throws UsageError. */
export const networkOf = (settings: AnchorSettings): Network | undefined => {
  const { anchor, horizon, stellarRpc, stellarArchive, stellarPassphrase } = settings
  const urls = {
    horizons: horizon?.map((url) => serverUrl(url, '--horizon')),
    rpcs: stellarRpc?.map((url) => serverUrl(url, '--stellar-rpc')),
    archives: stellarArchive?.map((url) => serverUrl(url, '--stellar-archive')),
  }
  if (anchor === 'stellar') {
    if (stellarPassphrase === undefined || urls.horizons === undefined) {
      throw wrong('--anchor stellar is any network, by its passphrase and servers', 'give --stellar-passphrase and --horizon')
    }
    const witness = witnessOf(stellarPassphrase)
    return secure({
      witness,
      passphrase: stellarPassphrase,
      horizons: urls.horizons,
      // A network of an operator's own: Stellar's quickstart image has its friendbot beside Horizon, as devnet does.
      ...(witness === 'devnet' && { friendbot: `${urls.horizons[0]}/friendbot` }),
      rpcs: urls.rpcs ?? [],
      archives: urls.archives ?? [],
    })
  }
  if (stellarPassphrase !== undefined) throw wrong('a passphrase is for a network without a name', 'give --anchor stellar')
  const known = Object.entries(NETWORKS).find(([name]) => name === anchor)?.[1]
  if (known === undefined) return undefined
  const network: Network = known
  return secure({
    ...network,
    ...(urls.horizons !== undefined && { horizons: urls.horizons, ...devnetBeside(network, urls.horizons) }),
    ...(urls.rpcs !== undefined && { rpcs: urls.rpcs }),
    ...(urls.archives !== undefined && { archives: urls.archives }),
  })
}

/** A devnet ledger is all servers in one, wherever it listens. */
const devnetBeside = (network: Network, [first]: readonly string[]): Partial<Network> =>
  network.witness === 'devnet' ? { rpcs: [`${first}/rpc`], friendbot: `${first}/friendbot` } : {}

const serverUrl = (text: string, flag: string): string => {
  const url = URL.canParse(text) ? new URL(text) : undefined
  const isServer = url?.protocol === 'https:' || url?.protocol === 'http:'
  if (url === undefined || !isServer || url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    throw wrong(`${flag} ${JSON.stringify(text)} is not a server's address`, 'write it like https://horizon.example.org')
  }
  return url.href.replace(/\/+$/, '')
}

const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/

/** Whoever is on the way of plain HTTP is one more liar; a rehearsal may do without. */
const secure = (network: Network): Network => {
  const open = [...network.horizons, ...network.rpcs, ...network.archives].find(
    (url) => url.startsWith('http:') && !LOOPBACK.test(new URL(url).hostname),
  )
  if (open !== undefined && network.witness !== 'devnet') {
    throw wrong(`${open} is not encrypted`, `servers of ${network.witness} are reached by https, or on this machine`)
  }
  return network
}

const ledgerAnchor = (settings: AnchorSettings, network: Network): AnchorFactory => {
  const { funder, funderSecretFile, friendbot, boot, homeDomain, anchorContract } = settings
  const pins = {
    checkpoints: (settings.checkpoints ?? []).map(parseCheckpoint),
    validators: (settings.validators ?? []).map(validatorKey),
  }
  if ([funder, funderSecretFile, friendbot].filter((each) => each !== undefined && each !== false).length > 1) {
    throw wrong('--funder, --funder-secret-file and --friendbot each name who pays', 'give one of them')
  }
  if (friendbot === true && network.friendbot === undefined) {
    throw wrong(`${network.witness} has no friendbot here`, 'give --funder-secret-file or --funder')
  }
  return ({ clock, random, log }) => {
    const open = async (signal: AbortSignal | undefined) =>
      friendbot === true
        ? friendbotFunder(network.friendbot!, { random, clock, ...(signal !== undefined && { signal }) })
        : localFunder(await readSecret(funderSecretFile!))
    return new StellarAnchor({
      network,
      clock,
      log,
      pins,
      required: settings.anchorOptional !== true,
      ...(boot !== undefined && { boot }),
      ...(homeDomain !== undefined && { homeDomain }),
      ...(anchorContract !== undefined && { contract: anchorContract }),
      ...(funder !== undefined && { handover: new HandoverFunder(funder, clock) }),
      ...((friendbot === true || funderSecretFile !== undefined) && { funder: open }),
    })
  }
}

const validatorKey = (text: string): Uint8Array => {
  const key = parseClusterId(text)
  if (key === undefined)
    throw wrong(`--validator ${JSON.stringify(text)} is not a validator's key`, 'write it as G… with 56 characters')
  return key
}
