import assert from 'node:assert/strict'
import { createHash, generateKeyPairSync, randomBytes } from 'node:crypto'
import { parseQuote, verifyQuote } from '../../../src/attest/dcap/index.ts'
import {
  accepted,
  assemble,
  flipped,
  judge,
  NOW_MS,
  otherSignature,
  pki,
  platform,
  prepared,
  resign,
  withTcbInfo,
} from './forge.ts'

const quotes = {
  v4: platform.quote(),
  'v5 TD 1.0': platform.quote({ version: 5, bodyType: 2 }),
  'v5 TD 1.5': platform.quote({ version: 5, bodyType: 3 }),
}
const kinds = Object.entries(quotes)

const changed = (quote: Uint8Array, change: (bytes: Buffer) => void): Buffer => {
  const bytes = Buffer.from(quote)
  change(bytes)
  return bytes
}
const u16 = (at: number, value: number) => (bytes: Buffer) => bytes.writeUInt16LE(value, at)
const u32 = (at: number, value: number) => (bytes: Buffer) => bytes.writeUInt32LE(value, at)

/** Places in a v4 quote. */
const AUTH_LENGTH = 632
const OUTER_TYPE = AUTH_LENGTH + 4 + 128
const QE_REPORT = OUTER_TYPE + 6
const QE_AUTH_LENGTH = QE_REPORT + 384 + 64
const INNER_TYPE = QE_AUTH_LENGTH + 2 + 32

describe('quotes', () => {
  it('are taken apart to the byte', () => {
    const fields = Object.fromEntries(
      ['mrSeam', 'mrTd', 'mrConfigId', 'mrOwner', 'mrOwnerConfig', 'rtmr0', 'rtmr1', 'rtmr2', 'rtmr3', 'mrServiceTd'].map(
        (name) => [name, Uint8Array.from(randomBytes(48))],
      ),
    )
    const teeTcbSvn2 = Uint8Array.from(randomBytes(16))
    const reportData = Uint8Array.from(randomBytes(64))
    const tdAttributes = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8)
    const quote = platform.quote({ version: 5, bodyType: 3, ...fields, teeTcbSvn2, reportData, tdAttributes })
    const { td, version, bytes } = parseQuote(quote)
    const { rtmr0, rtmr1, rtmr2, rtmr3, ...plain } = fields
    for (const [name, value] of Object.entries({ ...plain, teeTcbSvn2, reportData, tdAttributes })) {
      assert.deepEqual(Buffer.from(td[name as 'mrTd']), Buffer.from(value!), name)
    }
    assert.deepEqual(
      td.rtmr.map((value) => Buffer.from(value)),
      [rtmr0, rtmr1, rtmr2, rtmr3].map((value) => Buffer.from(value!)),
    )
    assert.equal(version, 5)
    assert.equal(td.bytes.length, 648)
    assert.deepEqual(Buffer.from(bytes), Buffer.from(quote))
    assert.equal(parseQuote(quotes.v4).td.bytes.length, 584)
    assert.equal(parseQuote(quotes.v4).td.teeTcbSvn2, undefined)
  })

  it('are copied: what happens to the input later changes nothing', () => {
    const input = Uint8Array.from(quotes.v4)
    const { bytes, td } = parseQuote(input)
    input.fill(0xff)
    assert.deepEqual(Buffer.from(bytes), Buffer.from(quotes.v4))
    assert.deepEqual(Buffer.from(td.bytes), Buffer.from(quotes.v4.subarray(48, 632)))
    assert.equal(bytes.buffer.byteLength, quotes.v4.length)
  })

  it('are judged by their bytes, whatever an object claims of them', () => {
    const lie = { ...parseQuote(quotes.v4), td: parseQuote(platform.quote({ mrTd: new Uint8Array(48).fill(1) })).td }
    const result = verifyQuote(lie, prepared, NOW_MS)
    assert.ok(result.ok)
    assert.deepEqual(Buffer.from(result.td.mrTd), Buffer.alloc(48))
  })

  it('are refused, never thrown at, when they are no bytes at all', () => {
    for (const nothing of [undefined, null, 7, 'text', {}, [], new ArrayBuffer(5000), { bytes: 'text' }]) {
      assert.equal(judge(nothing as never), 'quote_malformed')
      assert.throws(() => parseQuote(nothing as never), { reason: 'quote_malformed' })
    }
  })

  describe('the header', () => {
    it('has version 4 or 5', () => {
      for (const version of [0, 1, 2, 3, 6, 0x0400, 0xffff])
        assert.equal(judge(changed(quotes.v4, u16(0, version))), 'unsupported')
      assert.equal(judge(changed(quotes.v4, u16(0, 5))), 'unsupported')
      assert.notEqual(judge(changed(quotes['v5 TD 1.0'], u16(0, 4))), 'UpToDate')
    })
    it('is of an ECDSA P-256 key and of TDX', () => {
      assert.equal(judge(platform.quote({ attestationKeyType: 3 })), 'unsupported')
      assert.equal(judge(platform.quote({ attestationKeyType: 0 })), 'unsupported')
      assert.equal(judge(platform.quote({ teeType: 0 })), 'unsupported')
      assert.equal(judge(platform.quote({ teeType: 0x82 })), 'unsupported')
      assert.equal(judge(platform.quote({ teeType: 0x8100_0000 })), 'unsupported')
    })
    it('is of Intel’s quoting enclave', () => {
      assert.equal(judge(platform.quote({ vendorId: new Uint8Array(16) })), 'quote_malformed')
    })
    it('says nothing else that is judged, but all of it is signed', () => {
      assert.equal(judge(platform.quote({ qeSvn: 77, pceSvn: 88, userData: new Uint8Array(20).fill(9) })), 'UpToDate')
      for (const at of [8, 10, 28, 47]) assert.equal(judge(flipped(quotes.v4, at)), 'quote_signature')
    })
  })

  describe('the body of a v5 quote', () => {
    it('is a TD report of its type’s size', () => {
      const v5 = quotes['v5 TD 1.0']
      for (const type of [0, 1, 4, 0xffff]) assert.equal(judge(changed(v5, u16(48, type))), 'unsupported')
      assert.equal(judge(changed(v5, u16(48, 3))), 'quote_malformed')
      for (const size of [0, 583, 585, 648, 0xffff_ffff]) assert.equal(judge(changed(v5, u32(50, size))), 'quote_malformed')
      assert.equal(judge(changed(quotes['v5 TD 1.5'], u16(48, 2))), 'quote_malformed')
    })
  })

  describe('lengths', () => {
    for (const [kind, quote] of kinds) {
      it(`leave no prefix of a ${kind} quote whole`, () => {
        for (let length = 0; length < quote.length; length++) assert.equal(judge(quote.subarray(0, length)), 'quote_malformed')
      })
    }
    it('agree with each other', () => {
      const length = quotes.v4.length - AUTH_LENGTH - 4
      for (const value of [0, 63, 64, 128, length - 1, length + 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff]) {
        assert.equal(judge(changed(quotes.v4, u32(AUTH_LENGTH, value))), 'quote_malformed', `signature data ${value}`)
      }
      for (const at of [OUTER_TYPE + 2, INNER_TYPE + 2]) {
        const sound = Buffer.from(quotes.v4).readUInt32LE(at)
        for (const value of [0, 1, sound - 1, sound + 1, 0x8000_0000, 0xffff_ffff]) {
          assert.equal(judge(changed(quotes.v4, u32(at, value))), 'quote_malformed', `at ${at}: ${value}`)
        }
      }
      for (const value of [31, 33, 0xffff]) {
        assert.match(judge(changed(quotes.v4, u16(QE_AUTH_LENGTH, value))), /^(quote_malformed|unsupported)$/)
      }
    })
    it('of padding do not matter, nor does what is in it', () => {
      for (const padding of [Buffer.alloc(39), Buffer.alloc(1), randomBytes(3065)]) {
        const padded = platform.quote({ padding })
        const { quote } = accepted(padded)
        assert.equal(quote.bytes.length, padded.length - padding.length)
      }
    })
    it('over 8 KB announce a format to come; over 16 KB nobody reads', () => {
      const padded = (bytes: number) => judge(Buffer.concat([quotes.v4, Buffer.alloc(bytes - quotes.v4.length)]))
      assert.equal(padded(8 * 1024), 'UpToDate')
      assert.equal(padded(8 * 1024 + 1), 'unsupported')
      assert.equal(padded(16 * 1024), 'unsupported')
      assert.equal(padded(16 * 1024 + 1), 'quote_malformed')
    })
  })

  describe('the certification data', () => {
    it('is of types 6 and 5', () => {
      for (const type of [0, 1, 2, 3, 4, 5, 7]) assert.equal(judge(platform.quote({ certificationType: type })), 'unsupported')
      for (const type of [0, 1, 2, 3, 4, 6, 7])
        assert.equal(judge(platform.quote({ innerCertificationType: type })), 'unsupported')
    })
    it('has a QE report signed by the PCK', () => {
      const other = pki.platform()
      assert.equal(judge(platform.quote({ qeSigner: other.pck.privateKey })), 'qe_report_signature')
      assert.equal(judge(flipped(quotes.v4, QE_REPORT)), 'qe_report_signature')
      assert.equal(judge(flipped(quotes.v4, QE_REPORT + 64)), 'qe_report_signature')
      assert.equal(judge(flipped(quotes.v4, QE_REPORT + 384)), 'qe_report_signature')
      assert.equal(judge(platform.quote({ chainPem: other.chainPem })), 'qe_report_signature')
    })
    it('binds attestation key and authentication data in the report data', () => {
      assert.equal(judge(platform.quote({ qeReportData: new Uint8Array(64) })), 'qe_report_data')
      assert.equal(judge(flipped(quotes.v4, QE_AUTH_LENGTH + 2)), 'qe_report_data')
      assert.equal(judge(flipped(quotes.v4, AUTH_LENGTH + 4 + 64)), 'qe_report_data')
      const { attestationKey, qeAuthData } = parseQuote(quotes.v4)
      const binding = createHash('sha256').update(attestationKey).update(qeAuthData).digest()
      assert.equal(judge(platform.quote({ qeReportData: Buffer.concat([binding, Buffer.alloc(32)]) })), 'UpToDate')
      assert.equal(
        judge(platform.quote({ qeReportData: Buffer.concat([binding, Buffer.alloc(31), Buffer.of(1)]) })),
        'qe_report_data',
      )
      assert.equal(judge(platform.quote({ qeAuth: new Uint8Array(0) })), 'UpToDate')
      assert.equal(judge(platform.quote({ qeAuth: new Uint8Array(1000) })), 'UpToDate')
    })
    it('has an attestation key on the curve', () => {
      const { attestationKey, certification, qeAuthData } = parseQuote(quotes.v4)
      const point = flipped(attestationKey, 63)
      const binding = createHash('sha256').update(point).update(qeAuthData).digest()
      const bound = parseQuote(platform.quote({ qeReportData: Buffer.concat([binding, Buffer.alloc(32)]) }))
      const swapped = Buffer.concat([point, bound.certification.subarray(64)])
      assert.equal(swapped.length, certification.length)
      assert.equal(judge(assemble(bound, { certification: swapped })), 'quote_malformed')
    })
  })

  describe('the signature', () => {
    it('is the attestation key’s, over header and body', () => {
      const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
      assert.equal(judge(platform.quote({ quoteSigner: privateKey })), 'quote_signature')
      assert.equal(judge(platform.quote({ quoteSigner: platform.pck.privateKey })), 'quote_signature')
      for (const [, quote] of kinds) {
        const { signed, signature } = parseQuote(quote)
        assert.equal(judge(flipped(quote, signed.length - 1)), 'quote_signature')
        assert.equal(judge(assemble(parseQuote(quote), { signature: signature.map(() => 0) })), 'quote_signature')
        assert.equal(judge(assemble(parseQuote(quote), { signature: signature.map(() => 0xff) })), 'quote_signature')
        const swapped = Buffer.concat([signature.subarray(32), signature.subarray(0, 32)])
        assert.equal(judge(assemble(parseQuote(quote), { signature: swapped })), 'quote_signature')
      }
    })
    it('does not name a quote: padding and s → n − s leave the TD body as it is', () => {
      const quote = parseQuote(quotes['v5 TD 1.5'])
      const twin = assemble(quote, { signature: otherSignature(quote.signature) })
      const results = [quotes['v5 TD 1.5'], twin, Buffer.concat([twin, randomBytes(100)])].map((bytes) => accepted(bytes))
      const bodies = new Set(results.map(({ td }) => Buffer.from(td.bytes).toString('hex')))
      const texts = new Set(results.map((result) => Buffer.from(result.quote.bytes).toString('hex')))
      assert.equal(bodies.size, 1)
      assert.equal(texts.size, 2)
    })
    it('holds for another body of the same enclave, and only then', () => {
      const quote = resign(platform, quotes.v4, (signed) => signed.fill(7, 568, 632))
      assert.deepEqual(Buffer.from(accepted(quote).td.reportData), Buffer.alloc(64, 7))
      assert.equal(judge(assemble(parseQuote(quotes.v4), { signed: parseQuote(quote).signed })), 'quote_signature')
    })
  })

  describe('the quoting enclave', () => {
    it('is the one of the QE identity', () => {
      assert.equal(judge(platform.quote({ qeMrSigner: new Uint8Array(32) })), 'qe_identity_mismatch')
      assert.equal(judge(platform.quote({ qeIsvProdId: 1 })), 'qe_identity_mismatch')
      assert.equal(judge(platform.quote({ qeMiscSelect: 1 })), 'qe_identity_mismatch')
      assert.equal(judge(platform.quote({ qeMiscSelect: 0x8000_0000 })), 'qe_identity_mismatch')
      const attributes = (hex: string) => judge(platform.quote({ qeAttributes: Buffer.from(hex, 'hex') }))
      assert.equal(attributes('1500000000000000e700000000000000'), 'UpToDate')
      // Bit 2 (64-bit mode) and XFRM are outside the mask; debug (bit 1) is inside.
      assert.equal(attributes('1100000000000000ffffffffffffffff'), 'UpToDate')
      assert.equal(attributes('1700000000000000e700000000000000'), 'qe_identity_mismatch')
      assert.equal(attributes('0500000000000000e700000000000000'), 'qe_identity_mismatch')
      assert.equal(attributes('1500000000000080e700000000000000'), 'qe_identity_mismatch')
    })
    it('may have any MRENCLAVE', () => {
      assert.equal(judge(platform.quote({ qeMrEnclave: randomBytes(32) })), 'UpToDate')
    })
  })

  describe('the TDX module', () => {
    const one = (fill: number, length: number) => new Uint8Array(length).fill(fill)
    it('is signed by whom its identity says, and sealed as it says', () => {
      assert.equal(judge(platform.quote({ mrSignerSeam: one(1, 48) })), 'tdx_module_mismatch')
      assert.equal(judge(platform.quote({ seamAttributes: Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 1) })), 'tdx_module_mismatch')
      const signer = withTcbInfo((info) => {
        info.tdxModuleIdentities[1]!.mrsigner = '01'.repeat(48)
      })
      assert.equal(judge(platform.quote({ mrSignerSeam: one(1, 48) }), signer), 'UpToDate')
      assert.equal(judge(platform.quote(), signer), 'tdx_module_mismatch')
      // Attributes other than zero are refused even where the identity has them.
      const attributes = withTcbInfo((info) => {
        info.tdxModuleIdentities[1]!.attributes = '01'.repeat(8)
      })
      assert.equal(judge(platform.quote({ seamAttributes: one(1, 8) }), attributes), 'tdx_module_mismatch')
      assert.equal(judge(platform.quote(), attributes), 'tdx_module_mismatch')
    })
    it('of version 0 is judged by the base module alone', () => {
      const version0 = Uint8Array.of(6, 0, 6, ...new Array<number>(13).fill(0))
      const base = withTcbInfo((info) => {
        info.tdxModule = { ...info.tdxModule, mrsigner: '02'.repeat(48) }
      })
      assert.equal(judge(platform.quote({ teeTcbSvn: version0, mrSignerSeam: one(2, 48) }), base), 'UpToDate')
      assert.equal(judge(platform.quote({ teeTcbSvn: version0 }), base), 'tdx_module_mismatch')
      assert.equal(judge(platform.quote(), base), 'UpToDate')
    })
    it('of a version that the TCB info does not know is refused', () => {
      for (const version of [2, 4, 0x10, 0xff]) {
        const teeTcbSvn = Uint8Array.of(6, version, 6, ...new Array<number>(13).fill(0))
        assert.equal(judge(platform.quote({ teeTcbSvn })), 'tdx_module_mismatch')
      }
      const none = withTcbInfo((info) => {
        Reflect.deleteProperty(info, 'tdxModuleIdentities')
      })
      assert.equal(judge(platform.quote(), none), 'tdx_module_mismatch')
    })
    it('is found by its name in either case, two hex digits', () => {
      const renamed = (id: string, version: number) => {
        const info = withTcbInfo((document) => {
          document.tdxModuleIdentities[1]!.id = id
        })
        return judge(platform.quote({ teeTcbSvn: Uint8Array.of(6, version, 6, ...new Array<number>(13).fill(0)) }), info)
      }
      assert.equal(renamed('tdx_01', 1), 'UpToDate')
      assert.equal(renamed('TDX_0a', 10), 'UpToDate')
      assert.equal(renamed('TDX_A', 10), 'tdx_module_mismatch')
      assert.equal(renamed('TDX_10', 10), 'tdx_module_mismatch')
      assert.equal(renamed('__proto__', 1), 'tdx_module_mismatch')
    })
  })

  it('of a TD in debug mode are verified, and say so: TD attributes are the policy’s', () => {
    const { status, td } = accepted(platform.quote({ tdAttributes: Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0) }))
    assert.equal(status, 'UpToDate')
    assert.equal(td.tdAttributes[0], 1)
  })
})
