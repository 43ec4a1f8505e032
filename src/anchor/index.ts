export type {
  Anchor,
  AnchorLedger,
  AnchorNote,
  AnchorPublication,
  AnchorReading,
  AnchorRecord,
  AnchorSigner,
  Handover,
  HandoverTransaction,
  ProofLevel,
  WitnessLevel,
} from './anchor.ts'
export { fileAnchor } from './file.ts'
export { noAnchor } from './none.ts'
export { type Pins, parseCheckpoint } from './proof/proof.ts'
export { type ContractReport, readContract } from './stellar/contract.ts'
export { friendbotFunder, HandoverFunder, localFunder, readSecret } from './stellar/funder.ts'
export { type AnchorReport, inspectAnchor, type ProofReport, proveAnchor } from './stellar/inspect.ts'
export { NETWORKS, type Network, witnessOf } from './stellar/networks.ts'
export { type SignedPrepared, signPrepared } from './stellar/sign-prepared.ts'
export { StellarAnchor, WEAK_WITNESS } from './stellar/stellar.ts'
