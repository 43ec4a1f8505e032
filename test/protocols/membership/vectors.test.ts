import assert from 'node:assert/strict'
import {
  emptyTable,
  greet,
  judgeGossip,
  judgeRecord,
  membersTopic,
  merge,
  openGossip,
  openRecord,
  recordRules,
  republishIntervalMs,
  syncIntervalMs,
  type Table,
} from '../../../protocols/membership/index.ts'
import { decodeSync, encodeGossip, encodeSync } from '../../../protocols/membership/messages.ts'
import { RefusalError } from '../../../protocols/wire/index.ts'
import { unhex } from '../support.ts'
import { membership } from '../vectors.ts'

const { nowMs, lifetimeMs, reader } = membership
const now = { wallMs: nowMs, monotonicMs: 0 }
const clusterId = unhex(membership.topic.clusterId)
const rules = recordRules({
  clusterId,
  self: unhex(reader),
  lifetimeMs,
  signingPublicKey: (epoch) => (epoch === 0 ? clusterId : undefined),
})

describe('the vectors of membership', () => {
  let table: Table = emptyTable
  before(async () => {
    for (const envelope of membership.table) {
      const { judged } = judgeRecord(await openRecord(unhex(envelope)), nowMs, rules)
      ;({ table } = merge(table, judged!, now))
    }
  })

  it('give the topic', () => {
    assert.equal(membersTopic(clusterId), membership.topic.topic)
  })

  it('give what a validator makes of a record', async () => {
    for (const { why, peer, bytes, gossip } of membership.records) {
      const opened = await openGossip(encodeGossip({ kind: 'record', envelope: unhex(bytes) }))
      const { verdict, fault } = judgeGossip(opened, unhex(peer), table, now, rules, undefined)
      assert.equal(fault === undefined ? verdict : `${verdict}: ${fault}`, gossip, why)
    }
  })

  it('give what the gate makes of it', async () => {
    for (const { why, peer, bytes, gate } of membership.records) {
      const greeting = greet(await openRecord(unhex(bytes)), unhex(peer), table, now, rules)
      assert.equal(greeting.kind === 'member' ? 'member' : greeting.code, gate, why)
      assert.equal(greeting.kind === 'challenge', gate === 'lapsed', why)
    }
  })

  it('give gossip messages', async () => {
    for (const { outcome, bytes, ...rest } of membership.gossip) {
      const found = await openGossip(unhex(bytes)).then(
        ({ kind }) => kind,
        (error: { code: string }) => error.code,
      )
      assert.equal(found, outcome, JSON.stringify(rest))
    }
  })

  it('give messages of the protocol, which are written as they were read', () => {
    for (const { outcome, bytes, ...rest } of membership.sync) {
      let found: string
      try {
        const message = decodeSync(unhex(bytes))
        found = message.kind
        if (!('why' in rest)) assert.deepEqual(encodeSync(message), unhex(bytes))
      } catch (error) {
        found = error instanceof RefusalError ? `refused: ${error.code}` : (error as { code: string }).code
      }
      assert.equal(found, outcome, JSON.stringify(rest))
    }
  })

  it('give the intervals', () => {
    for (const { members, republishMs, syncMs } of membership.intervals) {
      assert.deepEqual([republishIntervalMs(members), syncIntervalMs(members)], [republishMs, syncMs])
    }
  })
})
