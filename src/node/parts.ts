/** The parts that a node is composed of, as small interfaces; implementors bring their own, ours are the defaults. */
import type { AdoptedKeyring, EpochSecret } from '../../protocols/onboard/index.ts'
import type { Random } from '../base/index.ts'
import type { AppKeys } from '../keys/index.ts'
import { Keyring } from '../keys/index.ts'

/** A cluster's keys, as the node uses them. {@link Keyring} is one. */
export type ClusterKeys = Pick<
  Keyring,
  'clusterId' | 'epochs' | 'signAsCluster' | 'signStellarTransaction' | 'withSecrets' | 'volumeKey' | 'withCaRoot' | 'domainKey'
> &
  AdoptedKeyring & {
    app(appId: Uint8Array, epoch?: number): AppKeys
  }

/** Makes and adopts cluster keys. */
export interface KeyDeriver {
  generate(): ClusterKeys
  /** Copies the secrets. Throws when they are no keyring. */
  adopt(entries: readonly EpochSecret[]): ClusterKeys
}

export const keyDeriver = (random: Random): KeyDeriver => ({
  generate: () => Keyring.generate(random),
  adopt: (entries) => Keyring.fromSecrets(entries),
})
