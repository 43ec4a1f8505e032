import assert from 'node:assert/strict'
import fc from 'fast-check'
import { systemRandom } from '../../../src/base/index.ts'
import { type Line, macOf, Switch } from '../../../testnet/chaos/lab/switch.ts'

const bytesOf = (mac: string): number[] => mac.split(':').map((byte) => Number.parseInt(byte, 16))
const BROADCAST = 'ff:ff:ff:ff:ff:ff'

/** A frame whose last two bytes tell one from another. */
const frame = (to: string, number = 0, bytes = 60): Uint8Array => {
  const made = new Uint8Array(bytes)
  made.set(bytesOf(to))
  made[bytes - 2] = number >> 8
  made[bytes - 1] = number & 255
  return made
}
const numberOf = (bytes: Uint8Array): number => (bytes.at(-2)! << 8) | bytes.at(-1)!

const fabricOf = (hosts: number): Switch => {
  const fabric = new Switch(systemRandom)
  for (let host = 1; host <= hosts; host++) fabric.plug(host)
  return fabric
}

/** All that has arrived by `nowMs`. */
const arrivedAt = (fabric: Switch, nowMs: number): { to: number; number: number }[] => {
  const frames: { to: number; number: number }[] = []
  for (let next = fabric.next(nowMs); next !== undefined; next = fabric.next(nowMs))
    frames.push({ to: next.to, number: numberOf(next.frame) })
  return frames
}

describe('the switch of a lab', () => {
  it('gives a frame to whom it is for, at once and once', () => {
    const fabric = fabricOf(3)
    fabric.handle(1, frame(macOf(3), 7), 0)
    assert.deepEqual(arrivedAt(fabric, 0), [{ to: 3, number: 7 }])
    assert.equal(fabric.dueAt(), undefined)
  })

  it('gives a broadcast to everybody else', () => {
    const fabric = fabricOf(3)
    fabric.handle(2, frame(BROADCAST, 1), 0)
    assert.deepEqual(arrivedAt(fabric, 0), [
      { to: 1, number: 1 },
      { to: 3, number: 1 },
    ])
  })

  it('drops what is for nobody, for its sender, or too short', () => {
    const fabric = fabricOf(2)
    fabric.handle(1, frame(macOf(9)), 0)
    fabric.handle(1, frame(macOf(1)), 0)
    fabric.handle(1, new Uint8Array(11), 0)
    assert.equal(fabric.dueAt(), undefined)
  })

  it('keeps the order of frames for any delay and jitter, and brings each within the bounds', () => {
    fc.assert(
      fc.property(fc.nat(500), fc.nat(500), fc.array(fc.nat(50), { maxLength: 40 }), (delayMs, jitterMs, pauses) => {
        const fabric = fabricOf(2)
        fabric.setLine(1, 2, { delayMs, jitterMs })
        let now = 0
        for (const [number, pause] of pauses.entries()) {
          now += pause
          fabric.handle(1, frame(macOf(2), number), now)
        }
        const earliest = fabric.dueAt()
        if (earliest !== undefined) assert.ok(earliest >= delayMs - jitterMs)
        assert.deepEqual(
          arrivedAt(fabric, now + delayMs + jitterMs).map(({ number }) => number),
          pauses.map((_, number) => number),
        )
      }),
    )
  })

  it('lets the frames of a reordering line overtake those that are delayed', () => {
    const fabric = fabricOf(2)
    fabric.setLine(1, 2, { delayMs: 100 })
    fabric.handle(1, frame(macOf(2), 1), 0)
    fabric.setLine(1, 2, { reorder: 1 })
    fabric.handle(1, frame(macOf(2), 2), 1)
    assert.deepEqual(
      arrivedAt(fabric, 100).map(({ number }) => number),
      [2, 1],
    )
  })

  it('loses and duplicates about as often as it is told', () => {
    for (const [change, low, high] of [
      [{ loss: 0.3 }, 6_500, 7_500],
      [{ loss: 1 }, 0, 0],
      [{ duplicate: 0.3 }, 12_500, 13_500],
      [{ duplicate: 1 }, 20_000, 20_000],
    ] as [Partial<Line>, number, number][]) {
      const fabric = fabricOf(2)
      fabric.setLine(1, 2, change)
      for (let i = 0; i < 10_000; i++) fabric.handle(1, frame(macOf(2)), 0)
      const count = arrivedAt(fabric, 0).length
      // Ten standard deviations.
      assert.ok(count >= low && count <= high, `${JSON.stringify(change)}: ${count}`)
    }
  })

  it('cuts one direction alone, with what is on its way, and goes on when it is healed', () => {
    const fabric = fabricOf(2)
    fabric.setLine(1, 2, { delayMs: 10 })
    fabric.handle(1, frame(macOf(2), 1), 0)
    fabric.setLine(1, 2, { down: true })
    fabric.handle(1, frame(macOf(2), 2), 1)
    fabric.handle(2, frame(macOf(1), 3), 1)
    assert.deepEqual(arrivedAt(fabric, 50), [{ to: 1, number: 3 }])
    fabric.setLine(1, 2, { down: false })
    fabric.handle(1, frame(macOf(2), 4), 50)
    assert.deepEqual(arrivedAt(fabric, 60), [{ to: 2, number: 4 }])
    assert.deepEqual(fabric.counts, { passed: 2, lost: 0, cut: 2 })
  })

  it('sends no faster than the rate, and drops what would wait for longer than a second', () => {
    const fabric = fabricOf(2)
    fabric.setLine(1, 2, { rate: 10_000 })
    for (let i = 0; i < 30; i++) fabric.handle(1, frame(macOf(2), i, 1_000), 0)
    assert.deepEqual(arrivedAt(fabric, 99), [])
    assert.equal(arrivedAt(fabric, 500).length, 5)
    assert.equal(arrivedAt(fabric, 10_000).length, 5)
    assert.equal(fabric.counts.lost, 20)
  })

  it('gives frames in the order of their times, whatever the order of their coming', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(1_000), { minLength: 1, maxLength: 200 }), (delays) => {
        const fabric = fabricOf(201)
        for (const [index, delayMs] of delays.entries()) {
          fabric.setLine(index + 2, 1, { delayMs })
          fabric.handle(index + 2, frame(macOf(1), index), 0)
        }
        assert.deepEqual(
          arrivedAt(fabric, 1_000).map(({ number }) => delays[number]),
          delays.toSorted((a, b) => a - b),
        )
      }),
    )
  })

  it('holds a bounded number of frames', () => {
    const fabric = fabricOf(2)
    fabric.setLine(1, 2, { delayMs: 1_000_000 })
    for (let i = 0; i < 100_500; i++) fabric.handle(1, frame(macOf(2)), 0)
    assert.equal(fabric.counts.lost, 500)
  })
})
