import type { AnchorRecord } from '../../../src/anchor/index.ts'
import { localFunder, type Network, StellarAnchor } from '../../../src/anchor/index.ts'
import type { StellarAnchorInit } from '../../../src/anchor/stellar/stellar.ts'
import { type Clock, silentLog, systemClock, systemRandom } from '../../../src/base/index.ts'
import { Keyring } from '../../../src/keys/index.ts'
import { StandIn, TestKey } from './stand-in.ts'

export const PASSPHRASE = 'a network of tests'
export const funder = new TestKey('funder')

export const code = (expected: string) => (error: unknown) => error instanceof Error && 'code' in error && error.code === expected

export const newCluster = (keys = Keyring.generate(systemRandom)) => {
  const record: AnchorRecord = {
    clusterId: keys.clusterId,
    genesisHash: systemRandom.bytes(32),
    quoteHash: systemRandom.bytes(32),
    policyHash: systemRandom.bytes(32),
  }
  return { keys, record }
}

/** Time that passes only when somebody sleeps; deadlines are real. */
export const hastyClock = (onSleep: (ms: number) => void = () => {}): Clock => {
  let ahead = 0
  return {
    ...systemClock,
    now: () => systemClock.now() + ahead,
    sleep: async (ms, signal) => {
      signal?.throwIfAborted()
      ahead += ms
      onSleep(ms)
      // A turn of the event loop, so that servers in this process can answer.
      await new Promise((resolve) => setImmediate(resolve))
    },
  }
}

/** Stand-ins that are stopped after each test. */
export class Ledgers {
  readonly #servers: StandIn[] = []
  urls: string[] = []

  async open(stand = new StandIn(PASSPHRASE)): Promise<StandIn> {
    this.#servers.push(stand)
    this.urls.push(await stand.listen())
    return stand
  }

  async close(): Promise<void> {
    await Promise.all(this.#servers.splice(0).map((server) => server.stop()))
    this.urls = []
  }

  anchor(init: Partial<StellarAnchorInit> & Partial<Pick<Network, 'horizons' | 'rpcs' | 'archives'>> = {}): StellarAnchor {
    const { horizons = this.urls, rpcs = [], archives = [], ...rest } = init
    const network: Network = { witness: 'devnet', passphrase: PASSPHRASE, horizons, rpcs, archives }
    return new StellarAnchor({
      network,
      clock: hastyClock(),
      log: silentLog,
      pins: { checkpoints: [], validators: [] },
      required: true,
      funder: async () => localFunder(funder.seed),
      ...rest,
    })
  }
}
