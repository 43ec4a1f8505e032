import assert from 'node:assert/strict'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { StreamMessageEvent } from '@libp2p/interface'
import { Uint8ArrayList } from 'uint8arraylist'
import { MalformedError, messagesOf } from '../../../protocols/wire/index.ts'
import { DeadlineError } from '../../../src/base/index.ts'
import { FakeClock, framed, rejection, withHand } from '../support.ts'

const STEP_MS = 10_000
const LIMIT = 300

const start = async () => {
  const { stream, hand } = await withHand()
  const clock = new FakeClock()
  const whole = new AbortController()
  const messages = messagesOf(stream, { maxBytes: LIMIT, stepTimeoutMs: STEP_MS, timer: clock, signal: whole.signal })
  return { stream, hand, clock, whole, messages }
}
const message = (length: number) => Uint8Array.from({ length }, (_, index) => index)

describe('length-prefixed messages', () => {
  it('carry what was written, prefixed by a varint of its length', async () => {
    for (const length of [1, 127, 128, LIMIT]) {
      const { hand, messages } = await start()
      await messages.write(message(length))
      assert.deepEqual(await hand.read(), message(length))
      hand.sendRaw(framed(message(length)))
      assert.deepEqual(await messages.read(LIMIT), message(length))
    }
  })

  it('arrive whole wherever the stream splits them', async () => {
    const { hand, messages } = await start()
    const bytes = framed(message(200))
    for (let cut = 1; cut < bytes.length; cut++) {
      const read = messages.read(LIMIT)
      hand.sendRaw(bytes.subarray(0, cut))
      hand.sendRaw(bytes.subarray(cut))
      assert.deepEqual(await read, message(200))
    }
  })

  it('arrive one by one when the stream brings them together', async () => {
    const { hand, messages } = await start()
    hand.sendRaw(Uint8Array.from([...framed(message(1)), ...framed(message(2)), ...framed(message(130))]))
    for (const length of [1, 2, 130]) assert.deepEqual(await messages.read(LIMIT), message(length))
  })

  it('are copies: changing the receive buffer changes nothing', async () => {
    const { hand, messages } = await start()
    const sent = framed(message(50))
    hand.sendRaw(sent)
    const received = await messages.read(LIMIT)
    sent.fill(0xff)
    assert.deepEqual(received, message(50))
  })

  it('that are empty, too long, or whose prefix is, are malformed', async () => {
    const cases: [string, number[]][] = [
      ['empty', [0]],
      ['one byte above the limit', [...framed(message(101))]],
      ['far above the limit, with nothing behind it', [0xff, 0xff, 0xff, 0x7f]],
      ['a prefix of five bytes', [0x80, 0x80, 0x80, 0x80, 0x01]],
      ['a prefix that never ends', [0xff, 0xff, 0xff, 0xff, 0xff, 0xff]],
      ['a prefix longer than it need be', [0x85, 0x00, 1, 2, 3, 4, 5]],
      ['an empty one, longer than it need be', [0x80, 0x80, 0x00]],
    ]
    for (const [what, bytes] of cases) {
      const { hand, messages } = await start()
      hand.sendRaw(Uint8Array.from(bytes))
      assert.ok((await rejection(messages.read(100))) instanceof MalformedError, what)
    }
  })

  it('have each its own limit', async () => {
    const { hand, messages } = await start()
    hand.send(message(100))
    hand.send(message(100))
    assert.equal((await messages.read(100)).length, 100)
    assert.ok((await rejection(messages.read(99))) instanceof MalformedError)
  })

  it('beyond the largest of the protocol are never kept: the stream is reset', async () => {
    const { hand, messages } = await start()
    hand.sendRaw(new Uint8Array(LIMIT + 5).fill(1))
    const error = await rejection(messages.read(LIMIT).then(() => messages.read(LIMIT)))
    assert.ok(!(error instanceof MalformedError))
    assert.equal((await hand.rest()).end, 'reset')
  })

  it('that stop in the middle are an error, at every byte', async () => {
    const bytes = framed(message(130))
    for (const cut of [0, 1, 2, 3, 131]) {
      const { hand, messages } = await start()
      hand.sendRaw(bytes.subarray(0, cut))
      const read = rejection(messages.read(LIMIT))
      await hand.stream.close()
      assert.equal((await read).name, 'UnexpectedEndError', `cut after ${cut}`)
    }
  })

  it('on a stream that is reset are an error', async () => {
    const { hand, messages } = await start()
    const read = rejection(messages.read(LIMIT))
    hand.stream.abort(new Error('gone'))
    assert.equal((await read).name, 'StreamResetError')
  })

  it('that do not come in time end with the deadline, each with its own', async () => {
    for (const timeoutMs of [undefined, 25_000]) {
      const { hand, messages, clock } = await start()
      const read = rejection(messages.read(LIMIT, timeoutMs))
      hand.sendRaw(framed(message(130)).subarray(0, 100))
      await clock.armed(timeoutMs ?? STEP_MS)
      clock.pass((timeoutMs ?? STEP_MS) - 1)
      assert.equal(clock.running, 1)
      clock.pass(1)
      assert.ok((await read) instanceof DeadlineError)
    }
  })

  it('end with the exchange, and leave no deadline running', async () => {
    const { hand, messages, clock, whole } = await start()
    hand.send(message(3))
    await messages.read(LIMIT)
    assert.equal(clock.running, 0)
    const read = rejection(messages.read(LIMIT))
    whole.abort(new Error('the exchange took too long'))
    assert.equal((await read).message, 'the exchange took too long')
    assert.equal(clock.running, 0)
  })

  it('cost their bytes in memory, however small the pieces are in which they come', async () => {
    setFlagsFromString('--expose-gc')
    const collect = runInNewContext('gc') as () => void
    const heldBytes = (): number => {
      collect()
      const { heapUsed, external } = process.memoryUsage()
      return heapUsed + external
    }
    const { stream } = await withHand()
    const maxBytes = 256 * 1024
    const { signal } = new AbortController()
    const messages = messagesOf(stream, { maxBytes, stepTimeoutMs: STEP_MS, timer: new FakeClock(), signal })
    const sent = framed(message(maxBytes))
    const before = heldBytes()
    // As Yamux hands them over: each frame's bytes as a list of their own.
    for (const byte of sent.slice(0, -1)) stream.dispatchEvent(new StreamMessageEvent(new Uint8ArrayList(Uint8Array.of(byte))))
    const held = heldBytes() - before
    assert.ok(held < 3 * maxBytes, `${held} bytes held for ${maxBytes}`)
    stream.dispatchEvent(new StreamMessageEvent(sent.slice(-1)))
    assert.deepEqual(await messages.read(maxBytes), message(maxBytes))
  })
})
