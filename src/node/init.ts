import type { Sealer } from '../../protocols/onboard/index.ts'
import type { Anchor } from '../anchor/index.ts'
import type { Attester, Policy } from '../attest/index.ts'
import type { Clock, Log, Random } from '../base/index.ts'
import type { AnchorFactory } from './anchors.ts'
import type { AppConfig, AppRoutes } from './apps.ts'
import type { VerifierFactory } from './cluster-policy.ts'
import type { KeyDeriver } from './parts.ts'
import type { StatusPortInit } from './status-port.ts'
import type { Tee } from './tee.ts'

/** How a node gets into a cluster. */
export type Entry =
  | {
      readonly kind: 'new'
      readonly policy?: Policy
      /** Where the cluster file is already there: members to join through. */
      readonly peers?: readonly string[]
    }
  | {
      readonly kind: 'join'
      /** `G…`; left out: the cluster that the data folder remembers. */
      readonly cluster?: string
      /** Text multiaddrs of members. */
      readonly peers: readonly string[]
      /** Insist on this policy. */
      readonly policy?: Policy
      /** @default 120000 */
      readonly timeoutMs?: number
    }

/** All that a node is made of. Everything but `entry`, `dataDir` and `apps` has a default. */
export interface NodeInit {
  readonly entry: Entry
  /** Where the node remembers its cluster, and where its control socket is. */
  readonly dataDir: string
  readonly apps: readonly AppConfig[]
  /** Names the cluster to join; `kind: 'new'` makes it. */
  readonly clusterFile?: string
  /** @default ['/ip4/0.0.0.0/tcp/4001'] */
  readonly listen?: readonly string[]
  /** Text multiaddrs that the member record names. @default where the node listens */
  readonly announce?: readonly string[]
  /** Whether members may tell these addresses to strangers that want to join. @default false */
  readonly public?: boolean
  /** Makes quotes. @default the TEE that `tee` names */
  readonly attester?: Attester
  /** @default { kind: 'auto' } */
  readonly tee?: { readonly kind: Tee; readonly emulatorRoot?: string; readonly pccs?: readonly string[] }
  /** Judges evidence under a policy. @default our DCAP verifier */
  readonly verifier?: VerifierFactory
  /** Seals the grant. @default HPKE with X-Wing */
  readonly sealer?: Sealer
  /** @default a file in the data folder */
  readonly anchor?: Anchor | AnchorFactory
  /** Makes and adopts the cluster's keys. @default Keyring */
  readonly keys?: KeyDeriver
  /** Where the status page is. @default nowhere; the command line has a default of its own */
  readonly statusPort?: StatusPortInit
  /** What an app may ask. @default dstack's guest agent */
  readonly appRoutes?: AppRoutes
  /** Whether to count what happens for Prometheus; costs memory. @default whether there is a status port */
  readonly metrics?: boolean
  readonly clock?: Clock
  readonly random?: Random
  readonly log?: Log
}
