import { createHash } from 'node:crypto'
import type { WitnessLevel } from '../anchor.ts'

/** A ledger network: which one, and who is asked about it. */
export interface Network {
  readonly witness: Exclude<WitnessLevel, 'none' | 'file'>
  readonly passphrase: string
  /** Horizon servers; each is asked, and those that answer must agree. */
  readonly horizons: readonly string[]
  /** Stellar RPC servers: for what Horizon does not serve of a proof. */
  readonly rpcs: readonly string[]
  /** History archives: for the same, where RPC servers have forgotten the ledger. */
  readonly archives: readonly string[]
  /** Gives a throw-away account money; test networks only. */
  readonly friendbot?: string
}

/** Where `dstack-mesh devnet` listens unless it is told otherwise. */
const DEVNET_URL = 'http://127.0.0.1:8000'

export const NETWORKS = {
  devnet: {
    witness: 'devnet',
    passphrase: 'dstack-mesh devnet ; one process can rewrite it',
    horizons: [DEVNET_URL],
    rpcs: [`${DEVNET_URL}/rpc`],
    archives: [],
    friendbot: `${DEVNET_URL}/friendbot`,
  },
  testnet: {
    witness: 'testnet',
    passphrase: 'Test SDF Network ; September 2015',
    horizons: ['https://horizon-testnet.stellar.org', 'https://horizon-testnet.stellar.lobstr.co'],
    rpcs: ['https://soroban-testnet.stellar.org'],
    archives: [1, 2, 3].map((each) => `https://history.stellar.org/prd/core-testnet/core_testnet_00${each}`),
    friendbot: 'https://friendbot.stellar.org',
  },
  pubnet: {
    witness: 'pubnet',
    passphrase: 'Public Global Stellar Network ; September 2015',
    horizons: ['https://horizon.stellar.org', 'https://horizon.stellar.lobstr.co'],
    rpcs: ['https://mainnet.sorobanrpc.com'],
    archives: [1, 2, 3].map((each) => `https://history.stellar.org/prd/core-live/core_live_00${each}`),
  },
} as const satisfies Record<string, Network>

/** What a passphrase of an operator's own is worth: no more than a devnet, unless it is that of a network we know. */
export const witnessOf = (passphrase: string): Network['witness'] =>
  Object.values(NETWORKS).find((known) => known.passphrase === passphrase)?.witness ?? 'devnet'

/** 32 bytes: SHA-256 of the passphrase. */
export const networkId = (passphrase: string): Uint8Array =>
  Uint8Array.from(createHash('sha256').update(passphrase, 'utf8').digest())
