export type { Anchor, AnchorRecord, WitnessLevel } from './anchor.ts'
export { fileAnchor } from './file.ts'
export { noAnchor } from './none.ts'
