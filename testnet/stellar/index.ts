/**
 * The devnet: a Stellar ledger of one process, for rehearsals. Real XDR, signatures, sequence numbers, fees and reserves;
 * Horizon's and Stellar RPC's answers; headers that a light check verifies. And no trust at all: who runs it can rewrite it.
 */
import type { AddressInfo } from 'node:net'
import { systemClock, systemRandom } from '../../src/index.ts'
import type { PastLedger } from './chain.ts'
import { Devnet, type DevnetComponents, type DevnetInit } from './devnet.ts'
import { serve } from './server.ts'

export { DEVNET_PASSPHRASE, type DevnetComponents, type DevnetInit, WARNING } from './devnet.ts'

export interface DevnetOptions extends DevnetInit {
  /** 0 = any free one. */
  readonly port: number
  /** @default '127.0.0.1' */
  readonly host?: string | undefined
}

export interface RunningDevnet {
  /** `http://host:port`, where Horizon is; Stellar RPC is at `/rpc` below it. */
  readonly url: string
  readonly passphrase: string
  /** The key that signs ledger values, as a Stellar address. */
  readonly nodeId: string
  /** Sequence number and hash (hex) of the last ledger. */
  readonly head: { readonly ledger: number; readonly hash: string }
  /** Closes a ledger at once, with what waits. For tests that want to say when. */
  closeLedger(): { readonly ledger: number; readonly hash: string }
  stop(): Promise<void>
}

const headOf = ({ ledger, hash }: Pick<PastLedger, 'ledger' | 'hash'>): RunningDevnet['head'] => ({
  ledger,
  hash: Buffer.from(hash).toString('hex'),
})

/**
 * Starts a devnet, new or from its state file.
 * @throws UsageError when the state file is damaged, another network's, or in use.
 */
export const startDevnet = async (
  { port, host = '127.0.0.1', ...init }: DevnetOptions,
  components: DevnetComponents = { clock: systemClock, random: systemRandom },
): Promise<RunningDevnet> => {
  const devnet = await Devnet.open(init, components)
  try {
    const app = await serve(devnet, components.clock, host, port)
    const { address, family, port: bound } = app.server.address() as AddressInfo
    const { chain } = devnet
    return {
      url: `http://${family === 'IPv6' ? `[${address}]` : address}:${bound}`,
      passphrase: chain.network.passphrase,
      nodeId: chain.node.address,
      get head() {
        return headOf({ ledger: chain.head.header.ledgerSeq, hash: chain.head.hash })
      },
      closeLedger: () => headOf(devnet.closeLedger()),
      async stop() {
        devnet.stop()
        await app.close()
      },
    }
  } catch (error) {
    devnet.stop()
    throw error
  }
}
