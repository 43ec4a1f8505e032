import assert from 'node:assert/strict'
import { type Clock, systemClock } from '../../src/base/index.ts'
import type { MeshNode } from '../../src/index.ts'
import { policyFor } from '../attest/support.ts'
import { within } from '../mesh/support.ts'
import { InProcess } from './support.ts'

const DAY_MS = 86_400_000
const LIMIT_MS = 60_000

describe('a member whose clock jumps', () => {
  it('is named by the others, and costs nobody a place in a table, its own included', async () => {
    const mesh = await InProcess.open()
    let offMs = 0
    const clock: Clock = { ...systemClock, now: () => systemClock.now() + offMs }
    try {
      const first = await mesh.first()
      const others = [first]
      for (const name of ['second', 'third']) {
        const node = await mesh.node(name, { entry: mesh.entry(first) })
        await node.start()
        others.push(node)
      }
      // Its collateral is dated by Intel's clock, not by its own.
      const jumping = await mesh.node('jumping', { entry: mesh.entry(first), clock })
      await jumping.start()
      const all = [...others, jumping]
      const idOf = (node: MeshNode): string => node.status().peerId!
      const until = (node: MeshNode, what: string, holds: () => boolean) =>
        within(
          LIMIT_MS,
          what,
          new Promise<void>((resolve) => {
            const look = () => {
              if (!holds()) return
              stop()
              resolve()
            }
            const stop = node.events.listen(() => queueMicrotask(look))
            look()
          }),
        )
      const names = (node: MeshNode, alarm: string) => node.status().alarms.filter((each) => each.alarm === alarm)
      await Promise.all(all.map((node) => until(node, 'a complete table', () => node.members().length === all.length)))

      const lost: string[] = []
      for (const node of all) {
        node.events.listen((event) => {
          if (event.kind === 'member' && ['left', 'revoked', 'ended'].includes(event.change)) lost.push(event.peerId)
        })
      }
      for (const jumpMs of [31 * DAY_MS, -31 * DAY_MS, DAY_MS, -DAY_MS]) {
        offMs = jumpMs
        await Promise.all(
          others.map((node) =>
            until(node, `its name, at ${jumpMs}`, () =>
              names(node, 'member_clock').some(({ peerId }) => peerId === idOf(jumping)),
            ),
          ),
        )
        for (const node of others) {
          assert.equal(names(node, 'own_clock').length, 0)
          assert.deepEqual(
            node
              .members()
              .map(({ peerId }) => peerId)
              .sort(),
            all.map(idOf).sort(),
          )
        }
        offMs = 0
        await Promise.all(
          others.map((node) => until(node, 'the end of the alarm', () => names(node, 'member_clock').length === 0)),
        )
        await until(jumping, 'the end of its own alarm', () => names(jumping, 'own_clock').length === 0)
        // What it may have said to itself meanwhile is of no use to anybody now.
        await until(jumping, 'a credential that holds', () => jumping.status().state === 'member')
      }
      assert.deepEqual(
        jumping
          .members()
          .map(({ peerId }) => peerId)
          .sort(),
        all.map(idOf).sort(),
      )
      assert.deepEqual(lost, [])
    } finally {
      await mesh.close()
    }
  }).timeout(300_000)
})

describe('a first member whose clock is set right after it has begun', () => {
  it('gives itself its credential anew, and lets others in', async () => {
    const mesh = await InProcess.open()
    // As of a machine that takes local time for UTC until it has asked.
    let offMs = 7_200_000
    const clock: Clock = { ...systemClock, now: () => systemClock.now() + offMs }
    try {
      const policy = policyFor(mesh.pki, { credentialLifetime: '2m' })
      const first = await mesh.first({ entry: { kind: 'new', policy }, clock, attester: mesh.td({ clock }) })
      offMs = 0
      const joiner = await mesh.node('joiner', { entry: mesh.entry(first, LIMIT_MS) })
      await within(LIMIT_MS, 'the joiner', joiner.start())
      assert.equal(joiner.status().state, 'member')
    } finally {
      await mesh.close()
    }
  }).timeout(120_000)
})

describe('a joiner whose clock is wrong', () => {
  for (const [how, offMs] of [
    ['two hours ahead', 7_200_000],
    ['half an hour behind', -1_800_000],
  ] as const) {
    it(`by being ${how} is told so`, async () => {
      const mesh = await InProcess.open()
      try {
        const first = await mesh.first()
        const clock: Clock = { ...systemClock, now: () => systemClock.now() + offMs }
        const joiner = await mesh.node('joiner', { entry: mesh.entry(first), clock })
        const says = new RegExp(`by this node's clock, which says ${new Date(clock.now()).toISOString().slice(0, 10)}`)
        await assert.rejects(joiner.start(), says)
      } finally {
        await mesh.close()
      }
    })
  }
})
