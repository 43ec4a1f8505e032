import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import {
  collateralFromJson,
  DcapError,
  INTEL_ROOT,
  parseQuote,
  pemOf,
  prepareCollateral,
  quoteRoot,
  verifyQuote,
} from '../../../src/attest/dcap/index.ts'
import { flipped } from './forge.ts'

/** Quotes of real hardware are not part of this repository. They are looked for beside it. */
const folder = new URL('../../../../shared/quotes/', import.meta.url)

describe('quotes of real hardware', function () {
  if (!existsSync(folder)) {
    it('DID NOT RUN: there is no folder ../shared/quotes beside the repository')
    return
  }
  this.timeout(20_000)
  const read = (name: string) => readFileSync(new URL(name, folder))
  const sample = (name: string) => ({
    quote: read(`phala/${name}`),
    collateral: collateralFromJson(JSON.parse(read(`phala/${name}_collateral.json`).toString())),
  })
  const judgeAt = ({ quote, collateral }: ReturnType<typeof sample>, nowMs: number): string => {
    try {
      const result = verifyQuote(quote, prepareCollateral(collateral, INTEL_ROOT, nowMs), nowMs)
      return result.ok ? result.status : result.reason
    } catch (error) {
      assert.ok(error instanceof DcapError)
      return error.reason
    }
  }

  for (const { name, from, to, verdict } of [
    { name: 'tdx_quote', from: '2025-06-19T10:32:27Z', to: '2025-07-19T10:00:35Z', verdict: 'UpToDate' },
    { name: 'tdx_quote_outdated', from: '2026-02-18T10:58:51Z', to: '2026-03-20T10:41:15Z', verdict: 'tcb_not_supported' },
  ]) {
    it(`judges phala/${name} as Intel’s verifier does, and only while its collateral is valid`, () => {
      const given = sample(name)
      assert.equal(judgeAt(given, Date.parse(from) - 1), 'not_yet_valid')
      assert.equal(judgeAt(given, Date.parse(from)), verdict)
      assert.equal(judgeAt(given, Date.parse(to)), verdict)
      assert.equal(judgeAt(given, Date.parse(to) + 1), 'expired')
    })
  }

  it('refuses a real quote with one bit of its signed structures changed', () => {
    const { quote, collateral } = sample('tdx_quote')
    const nowMs = Date.parse('2025-07-01T00:00:00Z')
    const prepared = prepareCollateral(collateral, INTEL_ROOT, nowMs)
    const { bytes } = parseQuote(quote)
    for (let at = 0; at < bytes.length; at++) {
      assert.equal(verifyQuote(flipped(quote, at, at % 8), prepared, nowMs).ok, false, `byte ${at}`)
    }
    for (let at = bytes.length; at < quote.length; at += 7) assert.ok(verifyQuote(flipped(quote, at), prepared, nowMs).ok)
  })

  for (const name of [
    'phala/tdx_quote',
    'phala/tdx_quote_outdated',
    'google/tdx_prod_quote_SPR_E4.dat',
    'google/cos-113-tdx-quote.dat',
  ]) {
    it(`takes ${name} apart, down to Intel’s root`, () => {
      const quote = parseQuote(read(name))
      assert.equal(pemOf(quoteRoot(quote)), pemOf(INTEL_ROOT))
      assert.ok(read(name).subarray(0, quote.bytes.length).equals(quote.bytes))
    })
  }
})
