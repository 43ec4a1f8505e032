/** What a cluster makes public about itself, once and for good. Hashes are SHA-256, 32 bytes. */
export interface AnchorRecord {
  /** 32 bytes. */
  clusterId: Uint8Array
  genesisHash: Uint8Array
  /** Of the genesis quote, cut to its signed length. */
  quoteHash: Uint8Array
  policyHash: Uint8Array
}

/** How good a witness an anchor is. */
export type WitnessLevel = 'none' | 'file' | 'devnet' | 'testnet' | 'pubnet'

/** Where the cluster identity is made public. */
export interface Anchor {
  readonly witness: WitnessLevel
  /** What the genesis record names as its network. */
  readonly network: Uint8Array
  /** Publishes once; a second, different record for one cluster must fail. `sign` is the cluster key's. */
  publish(record: AnchorRecord, sign: (context: 'file-anchor', bytes: Uint8Array) => Uint8Array): Promise<void>
  /** The record, or undefined when the anchor has none for this cluster. Throws when it cannot be read or does not hold. */
  read(clusterId: Uint8Array): Promise<AnchorRecord | undefined>
}
