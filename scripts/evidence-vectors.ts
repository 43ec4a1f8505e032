// The vectors of protocols/evidence, for scripts/vectors.ts.
import { leafHash, merkleTree, outsiderBinding } from '../protocols/evidence/index.ts'
import { concat, reportData } from '../protocols/wire/index.ts'

/** What the generator of all vectors has at hand. */
export interface EvidenceKit {
  clusterId: Uint8Array
  peerId: Uint8Array
  filler(label: string, length: number): Uint8Array
  flipped(bytes: Uint8Array, index: number): Uint8Array
  hex(bytes: Uint8Array): string
}

export const evidenceVectors = ({ clusterId, peerId, filler, flipped, hex }: EvidenceKit) => {
  const nonces = Array.from({ length: 9 }, (_, index) => filler(`outsider ${index}`, index === 0 ? 16 : index === 1 ? 64 : 32))
  const trees = [1, 2, 3, 4, 5, 7, 8, 9].map((size) => {
    const leaves = nonces.slice(0, size)
    const tree = merkleTree(leaves)
    return {
      nonces: leaves.map(hex),
      root: hex(tree.root),
      paths: leaves.map((_, index) => ({ leaf_index: index, path: tree.pathOf(index).path.map(hex) })),
    }
  })
  const of5 = merkleTree(nonces.slice(0, 5))
  const { path } = of5.pathOf(2)
  const sound = { nonce: nonces[2]!, leaf_index: 2, tree_size: 5, path, root: of5.root }
  const broken = [
    { why: 'another nonce', ...sound, nonce: nonces[3]! },
    { why: 'another place', ...sound, leaf_index: 3 },
    { why: 'a place beyond the tree', ...sound, leaf_index: 5 },
    { why: 'a tree of another height', ...sound, tree_size: 9 },
    { why: 'a tree of one', ...sound, leaf_index: 0, tree_size: 1 },
    { why: 'no leaf', ...sound, leaf_index: 0, tree_size: 0, path: [] },
    { why: 'a path that is too short', ...sound, path: path.slice(0, -1) },
    { why: 'a path that is too long', ...sound, path: [...path, path[0]!] },
    { why: 'a hash of the path changed', ...sound, path: [path[0]!, flipped(path[1]!, 0), path[2]!] },
    { why: 'another root', ...sound, root: flipped(of5.root, 0) },
    {
      why: 'a node as a leaf',
      ...sound,
      nonce: concat([leafHash(nonces[2]!), path[0]!]),
      leaf_index: 1,
      tree_size: 3,
      path: path.slice(1),
    },
  ].map((each) => ({ ...each, nonce: hex(each.nonce), path: each.path.map(hex), root: hex(each.root) }))
  return {
    trees,
    broken,
    binding: {
      clusterId: hex(clusterId),
      peerId: hex(peerId),
      root: hex(of5.root),
      reportData: hex(reportData(outsiderBinding(clusterId, peerId, of5.root))),
    },
  }
}
