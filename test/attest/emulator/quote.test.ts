import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { collateralToJson } from '../../../src/attest/dcap/collateral.ts'
import { parseQuote, prepareCollateral, verifyQuote } from '../../../src/attest/dcap/index.ts'
import { emulatedQeIdentity, emulatedTcbInfo, type QuoteFields, type TcbInfo } from '../../../src/attest/emulator/index.ts'
import { bytes, hex, NOW_MS, sharedPki } from '../support.ts'

const pki = sharedPki()
const platform = pki.platform()
const verdict = (quote: Uint8Array, collateral = pki.collateral(NOW_MS)) =>
  verifyQuote(quote, prepareCollateral(collateral, pki.rootDer, NOW_MS), NOW_MS)

const forms: [string, QuoteFields, number][] = [
  ['v4', {}, 584],
  ['v5 of TD 1.0', { version: 5, bodyType: 2 }, 584],
  ['v5 of TD 1.5', { version: 5, bodyType: 3 }, 648],
]

describe('an emulated quote', () => {
  for (const [form, fields, bodyBytes] of forms) {
    it(`of the form ${form} passes our verifier as up to date`, () => {
      const result = verdict(platform.quote(fields))
      assert.ok(result.ok, JSON.stringify(result))
      assert.equal(result.status, 'UpToDate')
      assert.equal(result.td.bytes.length, bodyBytes)
      assert.equal(result.tcbEvaluationDataNumber, 18)
      assert.deepEqual(Buffer.from(result.ppid), Buffer.from(platform.sgx.ppid))
      assert.deepEqual(Buffer.from(result.fmspc), Buffer.from('e0e0e0000000', 'hex'))
    })
  }

  it('passes, in every form, a verifier that we did not write', () => {
    // In a process of its own: the library loads others that must not be in ours.
    const script = `
      const { QuoteVerifier } = require('@phala/dcap-qvl')
      const { root, quotes, collateral, now } = JSON.parse(require('fs').readFileSync(0, 'utf8'))
      const verifier = QuoteVerifier.newWithRootCa(Buffer.from(root, 'hex'))
      const results = quotes.map((quote) => verifier.verify(Buffer.from(quote, 'hex'), collateral, now).status)
      console.log(JSON.stringify(results))`
    const input = JSON.stringify({
      root: hex(pki.rootDer),
      quotes: forms.map(([, fields]) => hex(platform.quote(fields))),
      collateral: collateralToJson(pki.collateral(NOW_MS)),
      now: NOW_MS / 1000,
    })
    const output = execFileSync(process.execPath, ['--input-type=commonjs', '-e', script], { input, timeout: 8_000 })
    assert.deepEqual(JSON.parse(output.toString()), ['UpToDate', 'UpToDate', 'UpToDate'])
  })

  it('says in each field what it is told to say', () => {
    const fields = {
      teeTcbSvn: Uint8Array.of(6, 1, 6, ...bytes(13, 9)),
      mrSeam: bytes(48, 21),
      mrSignerSeam: bytes(48, 22),
      seamAttributes: bytes(8, 23),
      tdAttributes: bytes(8, 24),
      xfam: bytes(8, 25),
      mrTd: bytes(48, 26),
      mrConfigId: bytes(48, 27),
      mrOwner: bytes(48, 28),
      mrOwnerConfig: bytes(48, 29),
      reportData: bytes(64, 34),
      teeTcbSvn2: bytes(16, 35),
      mrServiceTd: bytes(48, 36),
    }
    const rtmrs = { rtmr0: bytes(48, 30), rtmr1: bytes(48, 31), rtmr2: bytes(48, 32), rtmr3: bytes(48, 33) }
    const { td, version, qeReport } = parseQuote(
      platform.quote({ version: 5, bodyType: 3, ...fields, ...rtmrs, qeIsvSvn: 7, qeMiscSelect: 0x01020304 }),
    )
    assert.equal(version, 5)
    for (const [name, value] of Object.entries(fields)) {
      assert.deepEqual(Buffer.from(td[name as keyof typeof fields]!), Buffer.from(value), name)
    }
    assert.deepEqual(
      td.rtmr.map((register) => register[0]),
      [30, 31, 32, 33],
    )
    assert.equal(qeReport.isvSvn, 7)
    assert.equal(qeReport.miscSelect, 0x01020304)
  })

  it('keeps its meaning with padding behind it, as real quoting services leave', () => {
    assert.ok(verdict(platform.quote({ padding: new Uint8Array(500) })).ok)
  })

  it('cannot be made of fields of the wrong length', () => {
    assert.throws(() => platform.quote({ mrTd: bytes(47, 0) }), RangeError)
  })

  const forgeries: [string, string, () => Uint8Array][] = [
    [
      'its attestation key did not sign',
      'quote_signature',
      () => platform.quote({ quoteSigner: pki.platform().attestation.privateKey }),
    ],
    ['no PCK vouches for', 'qe_report_signature', () => platform.quote({ qeSigner: pki.root.privateKey })],
    ['another attestation key is vouched for', 'qe_report_data', () => platform.quote({ qeReportData: bytes(64, 1) })],
    ['another enclave made', 'qe_identity_mismatch', () => platform.quote({ qeMrSigner: bytes(32, 1) })],
    [
      'an unknown TDX module measured',
      'tdx_module_mismatch',
      () => platform.quote({ teeTcbSvn: Uint8Array.of(9, 9, ...bytes(14, 9)) }),
    ],
    ['a machine of an older family made', 'tcb_not_supported', () => pki.platform({ cpuSvn: bytes(16, 0) }).quote()],
    ['a machine of another family made', 'platform_mismatch', () => pki.platform({ fmspc: bytes(6, 1) }).quote()],
    [
      'a machine whose certificate the TCB signer issued',
      'certificate_role',
      () => pki.platform({ issuer: pki.tcbSigning }).quote(),
    ],
  ]
  for (const [what, reason, make] of forgeries) {
    it(`that ${what} is refused: ${reason}`, () => {
      const result = verdict(make())
      assert.equal(result.ok ? 'ok' : result.reason, reason)
    })
  }
})

describe('emulated collateral', () => {
  const dates = { issuedMs: NOW_MS - 1000, expiresMs: NOW_MS + 1000 }

  it('is issued an hour ago and lasts 30 days', () => {
    const prepared = prepareCollateral(pki.collateral(NOW_MS), pki.rootDer, NOW_MS)
    assert.equal(prepared.issuedAtMs, NOW_MS - 3_600_000)
    assert.equal(prepared.expiresMs, NOW_MS + 30 * 86_400_000)
  })

  it('carries the documents that a test wants signed', () => {
    const tcbInfo: TcbInfo = { ...emulatedTcbInfo(dates), tcbEvaluationDataNumber: 30 }
    const qeIdentity = { ...emulatedQeIdentity(dates), tcbEvaluationDataNumber: 31 }
    const prepared = prepareCollateral(pki.collateral(NOW_MS, { tcbInfo, qeIdentity }), pki.rootDer, NOW_MS)
    assert.equal(prepared.tcbEvaluationDataNumber, 30)
  })

  it('revokes: a PCK certificate, the CA, the TCB signer', () => {
    const collateral = (overrides: object) => () => prepareCollateral(pki.collateral(NOW_MS, overrides), pki.rootDer, NOW_MS)
    for (const revoked of [pki.platformCa, pki.tcbSigning]) {
      assert.throws(collateral({ revokedByRoot: [revoked.certificate.serial] }), { reason: 'certificate_revoked' })
    }
    const result = verdict(platform.quote(), pki.collateral(NOW_MS, { revokedByCa: [platform.pck.certificate.serial] }))
    assert.equal(result.ok ? 'ok' : result.reason, 'certificate_revoked')
  })

  it('says OutOfDate, with the advisory, of a machine that misses patches', () => {
    const old = pki.platform({ cpuSvn: Uint8Array.of(2, 2, 2, 2, 2, 1, 0, 2, ...bytes(8, 0)), pceSvn: 5 })
    const result = verdict(old.quote({ teeTcbSvn: Uint8Array.of(6, 1, 4, ...bytes(13, 0)) }))
    assert.ok(result.ok, JSON.stringify(result))
    assert.equal(result.status, 'OutOfDate')
    assert.deepEqual(result.advisories, ['INTEL-SA-00837'])
  })
})
