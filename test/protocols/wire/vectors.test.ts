import assert from 'node:assert/strict'
import {
  clusterSignedBytes,
  decodeRefusal,
  encodeRefusal,
  fieldList,
  formatClusterId,
  MalformedError,
  messagesOf,
  parseClusterId,
  peerPublicKey,
  peerSignedBytes,
  type Refusal,
  reportData,
  u32be,
  u64be,
  verifyEd25519,
} from '../../../protocols/wire/index.ts'
import { FakeClock, hex, unhex, withHand } from '../support.ts'
import { wire } from '../vectors.ts'

describe('the vectors of wire', () => {
  it('give cluster ids', () => {
    for (const { bytes, text } of wire.clusterIds.valid) {
      assert.equal(formatClusterId(unhex(bytes)), text)
      assert.deepEqual(parseClusterId(text), unhex(bytes))
    }
    for (const { why, text } of wire.clusterIds.invalid) assert.equal(parseClusterId(text), undefined, why)
  })

  it('give lists of fields, numbers and report data', () => {
    for (const { fields, bytes } of wire.fieldLists) assert.equal(hex(fieldList(fields.map(unhex))), bytes)
    for (const { u32, u64, bytes } of wire.numbers) {
      assert.equal(hex(u32 === undefined ? u64be(BigInt(u64!)) : u32be(u32)), bytes)
    }
    for (const { context, fields, reportData: expected } of wire.reportData) {
      assert.equal(hex(reportData({ context, fields: fields.map(unhex) })), expected)
    }
  })

  it('give public keys of peer ids', () => {
    for (const { peerId, publicKey } of wire.peerIds) {
      const found = peerPublicKey(unhex(peerId))
      assert.equal(found === undefined ? null : hex(found), publicKey)
    }
  })

  it('give signatures', () => {
    for (const { by, context, publicKey, bytes, signed, signature, valid, ...rest } of wire.signatures) {
      const signedBytes = by === 'cluster' ? clusterSignedBytes : peerSignedBytes
      assert.equal(hex(signedBytes(context as 'credential', unhex(bytes))), signed)
      assert.equal(verifyEd25519(unhex(publicKey), unhex(signed), unhex(signature)), valid, JSON.stringify(rest))
    }
  })

  it('give refusals', () => {
    for (const { message, refusal } of wire.refusals.valid) {
      assert.equal(hex(encodeRefusal(refusal as Refusal)), message)
      assert.deepEqual(decodeRefusal(unhex(message)), refusal)
    }
    for (const { message, refusal, why } of wire.refusals.tolerated) assert.deepEqual(decodeRefusal(unhex(message)), refusal, why)
    for (const { message, why } of wire.refusals.malformed) {
      assert.throws(() => decodeRefusal(unhex(message)), MalformedError, why)
    }
  })

  it('give streams of messages', async () => {
    for (const { why, limit, stream: bytes, outcome, messages: expected } of wire.frames) {
      const { stream, hand } = await withHand()
      const timer = new FakeClock()
      const messages = messagesOf(stream, { maxBytes: 200, stepTimeoutMs: 1_000, timer, signal: new AbortController().signal })
      const read: string[] = []
      const reading = (async () => {
        for (;;) read.push(hex(await messages.read(limit)))
      })().catch((error: Error) => error)
      hand.sendRaw(unhex(bytes))
      await hand.stream.close()
      const ended = await reading
      assert.deepEqual(read, expected ?? [], why)
      assert.equal(ended.name, outcome === 'malformed' ? 'MalformedError' : 'UnexpectedEndError', why)
    }
  })
})
