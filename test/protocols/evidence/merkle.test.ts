import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { isUnder, leafHash, merkleTree, outsiderBinding, rootOf } from '../../../protocols/evidence/index.ts'
import { reportData } from '../../../protocols/wire/index.ts'

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
const unhex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'hex'))
const vectors = JSON.parse(readFileSync(new URL('../../../protocols/evidence/vectors.json', import.meta.url), 'utf8')) as {
  trees: { nonces: string[]; root: string; paths: { leaf_index: number; path: string[] }[] }[]
  broken: { why: string; nonce: string; leaf_index: number; tree_size: number; path: string[]; root: string }[]
  binding: { clusterId: string; peerId: string; root: string; reportData: string }
}

const nonces = fc.array(fc.uint8Array({ minLength: 16, maxLength: 64 }), { minLength: 1, maxLength: 70 })

describe("the outsiders' tree", () => {
  it('gives the roots and paths of the vectors', () => {
    for (const { nonces, root, paths } of vectors.trees) {
      const tree = merkleTree(nonces.map(unhex))
      assert.equal(hex(tree.root), root)
      for (const { leaf_index: index, path } of paths) {
        assert.deepEqual(tree.pathOf(index).path.map(hex), path)
        assert.ok(isUnder(tree.root, unhex(nonces[index]!), { index, size: nonces.length, path: path.map(unhex) }))
      }
    }
  })

  it('takes none of the broken paths of the vectors', () => {
    for (const { why, nonce, leaf_index: index, tree_size: size, path, root } of vectors.broken) {
      assert.equal(isUnder(unhex(root), unhex(nonce), { index, size, path: path.map(unhex) }), false, why)
    }
  })

  it('binds as the vector says', () => {
    const { clusterId, peerId, root, reportData: expected } = vectors.binding
    assert.equal(hex(reportData(outsiderBinding(unhex(clusterId), unhex(peerId), unhex(root)))), expected)
  })

  it('leads from every nonce to the root', () => {
    fc.assert(
      fc.property(nonces, (leaves) => {
        const tree = merkleTree(leaves)
        return leaves.every((nonce, index) => isUnder(tree.root, nonce, tree.pathOf(index)))
      }),
    )
  })

  it('leads from no other nonce, place, size or path to it', () => {
    fc.assert(
      fc.property(nonces, fc.nat(), fc.nat(), fc.nat({ max: 255 }), (leaves, which, where, flip) => {
        const tree = merkleTree(leaves)
        const index = which % leaves.length
        const nonce = leaves[index]!
        const right = tree.pathOf(index)
        const other = nonce.slice()
        other[where % other.length]! ^= (flip % 255) + 1
        assert.ok(!isUnder(tree.root, other, right))
        assert.ok(!isUnder(tree.root, nonce, { ...right, path: [...right.path, leafHash(nonce)] }))
        if (right.path.length === 0) return
        assert.ok(!isUnder(tree.root, nonce, { ...right, path: right.path.slice(1) }))
        const path = right.path.map((hash) => hash.slice())
        path[where % path.length]![flip % 32]! ^= 1
        assert.ok(!isUnder(tree.root, nonce, { ...right, path }))
        // A node is no leaf: the last two hashes cannot pass for a nonce of 64 bytes.
        assert.ok(!isUnder(tree.root, Buffer.concat([leafHash(nonce), right.path[0]!]), { ...right, path: right.path.slice(1) }))
      }),
    )
  })

  it('takes no place beyond the tree', () => {
    fc.assert(
      fc.property(nonces, fc.nat({ max: 1000 }), (leaves, beyond) => {
        const right = merkleTree(leaves).pathOf(0)
        return rootOf(leaves[0]!, { ...right, index: leaves.length + beyond }) === undefined
      }),
    )
  })
})
