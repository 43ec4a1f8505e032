export type {
  Anchor,
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
