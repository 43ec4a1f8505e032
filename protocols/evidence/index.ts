export * from './answer.ts'
export { type Check, type CheckName, checkAnswer, type OutsiderContext } from './check.ts'
export * from './constants.ts'
export { isUnder, type LeafPath, leafHash, type MerkleTree, merkleTree, rootOf } from './merkle.ts'
