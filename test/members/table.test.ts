import assert from 'node:assert/strict'
import type { CredentialBody } from '../../protocols/records/index.ts'
import { MemberTable } from '../../src/members/index.ts'

const member = (peerId: string, expiresAt: number) => ({
  peerId,
  credential: { expiresAt } as CredentialBody,
  addresses: [],
})

describe('the member table', () => {
  it('counts a member for as long as its credential holds, and keeps the one that ends last', () => {
    const table = new MemberTable()
    table.admit(member('a', 100), 0)
    table.admit(member('a', 50), 0)
    assert.equal(table.active(99)[0]?.credential.expiresAt, 100)
    assert.ok(table.has('a', 99))
    assert.ok(!table.has('a', 100))
    assert.ok(!table.has('b', 0))
    assert.deepEqual(table.active(100), [])
  })

  it('makes room for new members by forgetting those whose credentials ended, and takes no more than it may', () => {
    const table = new MemberTable()
    for (let i = 0; i < 10_000; i++) table.admit(member(`old ${i}`, i === 0 ? 1_000 : 100), 0)
    table.admit(member('early', 1_000), 99)
    assert.ok(!table.has('early', 99))
    table.admit(member('new', 1_000), 100)
    assert.deepEqual(
      table.active(100).map(({ peerId }) => peerId),
      ['old 0', 'new'],
    )
  })
})
