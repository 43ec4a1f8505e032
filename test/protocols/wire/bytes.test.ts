import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import fc from 'fast-check'
import {
  fieldList,
  formatClusterId,
  hasMemberPrefix,
  parseClusterId,
  peerPublicKey,
  REPORT_DATA_CONTEXTS,
  reportData,
  u32be,
  u64be,
} from '../../../protocols/wire/index.ts'
import { hex, unhex } from '../support.ts'

const fields = fc.array(fc.uint8Array({ maxLength: 12 }), { maxLength: 4 })

describe('numbers inside hashes and signatures', () => {
  it('are big endian, and of their range only', () => {
    assert.equal(hex(u32be(0x0102_0304)), '01020304')
    assert.equal(hex(u32be(0xffff_ffff)), 'ffffffff')
    assert.equal(hex(u64be(0x0102_0304_0506)), '0000010203040506')
    assert.equal(hex(u64be(2n ** 64n - 1n)), 'ffffffffffffffff')
    for (const bad of [-1, 1.5, 2 ** 32, Number.NaN]) assert.throws(() => u32be(bad), RangeError)
    for (const bad of [-1, 1.5, 2n ** 64n]) assert.throws(() => u64be(bad), RangeError)
  })
})

describe('a list of fields', () => {
  it('is each length in four bytes, then the field', () => {
    assert.equal(hex(fieldList([])), '')
    assert.equal(hex(fieldList([unhex('aabb'), new Uint8Array(0), unhex('cc')])), '00000002aabb0000000000000001cc')
  })

  it('differs for different fields: nothing can be moved from one into the next', () => {
    fc.assert(
      fc.property(fields, fields, (a, b) => {
        assert.equal(hex(fieldList(a)) === hex(fieldList(b)), JSON.stringify(a.map(hex)) === JSON.stringify(b.map(hex)))
      }),
    )
  })
})

describe('report data', () => {
  it('is the prefix, then SHA-384 over context, zero, fields', () => {
    const expected = createHash('sha384').update('member/1\0').update(Buffer.from('00000001ff', 'hex')).digest('hex')
    assert.equal(hex(reportData({ context: 'member/1', fields: [unhex('ff')] })), `64737461636b2d6d6573682f76310000${expected}`)
  })

  it('is 64 bytes, begins with the members’ prefix, and differs for every context', () => {
    const seen = new Set<string>()
    for (const context of REPORT_DATA_CONTEXTS) {
      const data = reportData({ context, fields: [unhex('00')] })
      assert.equal(data.length, 64)
      assert.ok(hasMemberPrefix(data))
      seen.add(hex(data))
    }
    assert.equal(seen.size, REPORT_DATA_CONTEXTS.length)
  })

  it('of an app is on the other side of the wall unless it begins with all 16 bytes', () => {
    const data = reportData({ context: 'onboard/1', fields: [] })
    assert.ok(hasMemberPrefix(data.subarray(0, 16)))
    assert.ok(!hasMemberPrefix(data.subarray(0, 15)))
    for (let index = 0; index < 16; index++) {
      const other = Uint8Array.from(data)
      other[index]! ^= 0x80
      assert.ok(!hasMemberPrefix(other))
    }
  })
})

describe('a cluster id', () => {
  it('has one spelling: what was written is read, and nothing else is', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), fc.nat(55), fc.nat(31), (id, where, letter) => {
        const text = formatClusterId(id)
        assert.match(text, /^G[A-Z2-7]{55}$/)
        assert.deepEqual(parseClusterId(text), id)
        const changed = text.slice(0, where) + 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'[letter]! + text.slice(where + 1)
        if (changed !== text) assert.equal(parseClusterId(changed), undefined)
      }),
    )
  })

  it('is not any text', () => {
    const text = formatClusterId(new Uint8Array(32))
    for (const bad of [
      '',
      text.toLowerCase(),
      text.slice(1),
      `${text}A`,
      ` ${text}`,
      text.replace(/^G/, 'S'),
      'G'.repeat(56),
      `${'é'.repeat(28)}`,
    ]) {
      assert.equal(parseClusterId(bad), undefined)
    }
    for (const length of [0, 31, 33]) assert.throws(() => formatClusterId(new Uint8Array(length)), RangeError)
  })
})

describe("a peer id's public key", () => {
  it('is found in every ed25519 peer id', async () => {
    const key = await generateKeyPair('Ed25519')
    assert.deepEqual(peerPublicKey(peerIdFromPrivateKey(key).toMultihash().bytes), key.publicKey.raw)
  })

  it('is not found in other kinds of peer id', async () => {
    const other = peerIdFromPrivateKey(await generateKeyPair('secp256k1')).toMultihash().bytes
    assert.equal(peerPublicKey(other), undefined)
    const id = peerIdFromPrivateKey(await generateKeyPair('Ed25519')).toMultihash().bytes
    for (let index = 0; index < 6; index++) {
      const changed = Uint8Array.from(id)
      changed[index]! ^= 1
      assert.equal(peerPublicKey(changed), undefined)
    }
    assert.equal(peerPublicKey(id.subarray(1)), undefined)
    assert.equal(peerPublicKey(Uint8Array.from([...id, 0])), undefined)
    assert.equal(peerPublicKey(new Uint8Array(0)), undefined)
  })
})
