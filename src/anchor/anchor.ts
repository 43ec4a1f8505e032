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

/**
 * How far a ledger's word was checked: `account`: a server's word; `transaction`: the cluster's own signed transaction, in a
 * ledger that is consistent in itself; `ledger`: that ledger is one that this node's configuration pins.
 */
export type ProofLevel = 'account' | 'transaction' | 'ledger'

/** A closed ledger; the time is that of its header. */
export interface AnchorLedger {
  readonly sequence: number
  /** 32 bytes. */
  readonly hash: Uint8Array
  readonly closedAtMs: number
}

/** What is to be made public. */
export interface AnchorPublication extends AnchorRecord {
  /** The genesis quote, cut to its signed length, for anchors that hold more than its hash. */
  readonly quote?: Uint8Array
}

/** What people should know about an anchor besides its witness level. */
export interface AnchorNote {
  readonly code: string
  readonly words: string
  /** Something is wrong. */
  readonly alarm: boolean
}

export interface AnchorReading extends AnchorRecord {
  /** Bootstrap addresses that the cluster published at genesis: text multiaddrs without `/p2p/`. */
  readonly boot?: readonly string[]
  readonly proof?: ProofLevel
  /** With a proof: the ledger that holds the genesis, as far as `proof` says. */
  readonly ledger?: AnchorLedger
}

/** What signs for the cluster when its identity is made public; the keyring's part. */
export interface AnchorSigner {
  signAsCluster(context: 'file-anchor', bytes: Uint8Array): Uint8Array
  /** 64 bytes over the transaction's hash; the transaction is XDR without its envelope, the network id 32 bytes. */
  signStellarTransaction(networkId: Uint8Array, transaction: Uint8Array): Uint8Array
}

/** A transaction that waits for its funder, who is on another machine. */
export interface HandoverTransaction {
  /** Base64 XDR of the envelope, without signatures. */
  readonly envelope: string
  readonly passphrase: string
  /** `G…` */
  readonly funder: string
  /** Unix seconds: worthless after this. */
  readonly maxTime: number
}

/** Where a node waits for its funder's signature. */
export interface Handover {
  /** What waits now, if anything does. */
  waiting(): HandoverTransaction | undefined
  /** Takes the signed envelope back (base64 XDR). Throws RefusedError when it is another transaction, or not signed by the funder. */
  deliver(envelope: string): Promise<void>
}

/** Where the cluster identity is made public. */
export interface Anchor {
  readonly witness: WitnessLevel
  /** What the genesis record names as its network. */
  readonly network: Uint8Array
  /** False: a node may join although the anchor cannot be reached. @default true */
  readonly required?: boolean
  /** True: proofs can reach the level `ledger` here. */
  readonly pinned?: boolean
  /** Only where a funder signs elsewhere. */
  readonly handover?: Handover
  /**
   * Publishes once; a second, different record for one cluster must fail. Resolves to a proof to keep with the genesis bundle
   * and to give to joiners, where the anchor has one.
   */
  publish(record: AnchorPublication, signer: AnchorSigner, signal?: AbortSignal): Promise<Uint8Array | undefined>
  /**
   * The record, or undefined when the anchor has none for this cluster. Throws TransientError when it cannot be reached, any
   * other error when what it says does not hold.
   */
  read(clusterId: Uint8Array, signal?: AbortSignal): Promise<AnchorReading | undefined>
  /** What a proof proves, without a network. Throws RefusedError when it does not hold. */
  verify?(clusterId: Uint8Array, proof: Uint8Array): Promise<AnchorReading>
  /**
   * Whether the anchor itself shows this very ledger: then its time is more than the word of whoever gave a proof. False where
   * that cannot be told. Throws RefusedError `proof_invalid` when it shows another one.
   */
  confirms?(ledger: AnchorLedger, signal?: AbortSignal): Promise<boolean>
  /** What there is to say now. */
  notes?(): readonly AnchorNote[]
}
