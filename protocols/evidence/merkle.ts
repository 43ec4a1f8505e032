/** The tree over the nonces that wait for one quote: RFC 6962, 2.1, with SHA-256. */
import { createHash } from 'node:crypto'
import { equals } from '../wire/index.ts'
import { LEAF_PREFIX, NODE_PREFIX } from './constants.ts'

const sha256 = (prefix: number, ...parts: readonly Uint8Array[]): Uint8Array => {
  const hash = createHash('sha256').update(Uint8Array.of(prefix))
  for (const part of parts) hash.update(part)
  return Uint8Array.from(hash.digest())
}

/** 32 bytes. */
export const leafHash = (nonce: Uint8Array): Uint8Array => sha256(LEAF_PREFIX, nonce)
const nodeHash = (left: Uint8Array, right: Uint8Array): Uint8Array => sha256(NODE_PREFIX, left, right)

/** Where a nonce stands in a tree, and the hashes that lead from it to the root, the lowest first. */
export interface LeafPath {
  readonly index: number
  readonly size: number
  readonly path: readonly Uint8Array[]
}

export interface MerkleTree {
  /** 32 bytes. */
  readonly root: Uint8Array
  pathOf(index: number): LeafPath
}

/** @param nonces - at least one */
export const merkleTree = (nonces: readonly Uint8Array[]): MerkleTree => {
  if (nonces.length === 0) throw new RangeError('a tree has at least one leaf')
  const levels: Uint8Array[][] = [nonces.map(leafHash)]
  for (let level = levels[0]!; level.length > 1; ) {
    const above: Uint8Array[] = []
    // One without a neighbour rises as it is: that gives the tree of RFC 6962, whose left part is the largest power of two.
    for (let i = 0; i < level.length; i += 2) above.push(i + 1 < level.length ? nodeHash(level[i]!, level[i + 1]!) : level[i]!)
    levels.push(above)
    level = above
  }
  return {
    root: levels.at(-1)![0]!,
    pathOf(index) {
      const path = levels.flatMap((level, height) => level[(index >>> height) ^ 1] ?? [])
      return { index, size: nonces.length, path }
    },
  }
}

/** The root to which a path leads from a nonce (RFC 9162, 2.1.3.2), or undefined where it cannot be one of such a tree. */
export const rootOf = (nonce: Uint8Array, { index, size, path }: LeafPath): Uint8Array | undefined => {
  if (index >= size) return undefined
  let at = index
  let last = size - 1
  let hash = leafHash(nonce)
  for (const sibling of path) {
    if (last === 0) return undefined
    if (at % 2 === 1 || at === last) {
      hash = nodeHash(sibling, hash)
      while (at % 2 === 0 && at !== 0) {
        at = Math.floor(at / 2)
        last = Math.floor(last / 2)
      }
    } else hash = nodeHash(hash, sibling)
    at = Math.floor(at / 2)
    last = Math.floor(last / 2)
  }
  return last === 0 ? hash : undefined
}

/** Whether `nonce` is a leaf of the tree with this root. */
export const isUnder = (root: Uint8Array, nonce: Uint8Array, path: LeafPath): boolean => {
  const found = rootOf(nonce, path)
  return found !== undefined && equals(found, root)
}
