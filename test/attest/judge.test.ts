import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import fc from 'fast-check'
import type { Evidence } from '../../protocols/records/evidence.ts'
import type { Expectation } from '../../protocols/records/judge.ts'
import { REFUSAL_CODES, type RefusalCode } from '../../protocols/wire/refusal-codes.ts'
import { type Binding, reportData } from '../../protocols/wire/report-data.ts'
import { createEmulatedPki, emulatedTcbInfo, type QuoteFields, type TcbInfo } from '../../src/attest/emulator/index.ts'
import {
  type Collateral,
  collateralFromJson,
  createVerifier,
  INTEL_ROOT,
  parseQuote,
  policyFromQuote,
  tdEvents,
  type Verdict,
  type VerifierInit,
} from '../../src/attest/index.ts'
import { appOf, bytes, DAY_MS, emulatedNode, hex, ManualClock, MEASUREMENTS, NOW_MS, policyFor, sharedPki } from './support.ts'

const pki = sharedPki()
const otherPki = createEmulatedPki({ nowMs: NOW_MS })
const clusterId = bytes(32, 0xc1)
const otherCluster = bytes(32, 0xc2)
const [joiner, onboarder, stranger] = [bytes(38, 1), bytes(38, 2), bytes(38, 3)]
const [joinerNonce, onboarderNonce, kemKey] = [bytes(32, 4), bytes(32, 5), bytes(1216, 6)]
const binding: Binding = {
  context: 'onboard/1',
  fields: [clusterId, joiner, onboarder, joinerNonce, onboarderNonce, kemKey],
}
const expected: Expectation = { contexts: ['onboard/1'], clusterId, peerId: joiner, fields: binding.fields }

const verifier = (init: Partial<VerifierInit> = {}) =>
  createVerifier({ policy: policyFor(pki), clock: new ManualClock(), ...init })
const outcome = (verdict: Verdict): 'accepted' | RefusalCode => (verdict.accepted ? 'accepted' : verdict.code)
const flip = (data: Uint8Array, at: number, mask = 1): Uint8Array => {
  const copy = Uint8Array.from(data)
  copy[at]! ^= mask
  return copy
}

/** What a forger may replace; everything else is as an honest joiner sends it. */
interface Forgery {
  node?: Partial<Parameters<typeof emulatedNode>[0]>
  quoteFields?: QuoteFields
  evidence?: (honest: Evidence) => Partial<Evidence> | Promise<Partial<Evidence>>
  expected?: Partial<Expectation>
  init?: Partial<VerifierInit>
}
const judgeForgery = async (forgery: Forgery, thorough = false): Promise<Verdict> => {
  const node = await emulatedNode({
    clusterId,
    ...forgery.node,
    ...(forgery.quoteFields === undefined ? {} : { quoteFields: forgery.quoteFields }),
  })
  const honest = await node.evidence(binding)
  const evidence = { ...honest, ...(await forgery.evidence?.(honest)) }
  return verifier(forgery.init).judge(evidence, { ...expected, ...forgery.expected }, { thorough })
}

const collateralOf = (...args: Parameters<typeof pki.collateral>) =>
  pki.collateral(...args) as NonNullable<Evidence['collateral']>
const tcbInfo = (change: (info: TcbInfo) => void): TcbInfo => {
  const info = emulatedTcbInfo({ issuedMs: NOW_MS - 3_600_000, expiresMs: NOW_MS + 30 * DAY_MS })
  change(info)
  return info
}
const rebound = (context: string, fields: Uint8Array[]) => async (): Promise<Evidence> =>
  (await emulatedNode({ clusterId })).evidence({ context, fields })
const withField = (index: number, value: Uint8Array): Uint8Array[] => binding.fields.with(index, value)
const oldTcb = { cpuSvn: Uint8Array.of(2, 2, 2, 2, 2, 1, 0, 2, ...bytes(8, 0)), pceSvn: 5 }
const oldSvn = Uint8Array.of(6, 1, 4, ...bytes(13, 0))

describe('evidence of a joiner', () => {
  it('that is honest is accepted, and says who and what it is', async () => {
    const apps = [appOf('a'), appOf('b')]
    const node = await emulatedNode({ clusterId, apps })
    const verdict = verifier().judge(await node.evidence(binding), expected)
    assert.ok(verdict.accepted, JSON.stringify(verdict))
    const { judged } = verdict
    assert.deepEqual(judged.apps, apps)
    assert.equal(judged.tcbStatus, 'UpToDate')
    assert.equal(judged.tcbEvaluationDataNumber, 18)
    assert.equal(judged.tdDigest.length, 48)
    assert.equal(judged.platformId.length, 32)
    assert.equal(judged.collateralIssuedMs, NOW_MS - 3_600_000)
    assert.equal(judged.collateralExpiresMs, NOW_MS + 30 * DAY_MS)
    assert.equal(hex(judged.td.mrTd), hex(MEASUREMENTS.mrTd))
    assert.deepEqual(verdict.warnings, [])
  })

  it('is accepted in every form of quote, and has one digest however often its quote is signed or padded', async () => {
    for (const quoteFields of [{ version: 4 }, { version: 5, bodyType: 2 }, { version: 5, bodyType: 3 }] as const) {
      const platform = pki.platform()
      const digests = new Set<string>()
      for (const padding of [0, 1, 700]) {
        const node = await emulatedNode({ clusterId, platform, quoteFields: { ...quoteFields, padding: bytes(padding, 0) } })
        const verdict = verifier().judge(await node.evidence(binding), expected)
        assert.ok(verdict.accepted, JSON.stringify(verdict))
        digests.add(hex(verdict.judged.tdDigest))
      }
      assert.equal(digests.size, 1)
    }
  })

  it('is about one platform, whatever TD runs on it', async () => {
    const platform = pki.platform()
    const ids = new Set<string>()
    for (const app of ['a', 'b']) {
      const node = await emulatedNode({ clusterId, platform, apps: [appOf(app)] })
      const verdict = verifier().judge(await node.evidence(binding), expected)
      assert.ok(verdict.accepted)
      ids.add(hex(verdict.judged.platformId))
      const listed = policyFor(pki, { platforms: [`sha256:${hex(verdict.judged.platformId)}`] })
      assert.equal(outcome(verifier({ policy: listed }).judge(await node.evidence(binding), expected)), 'accepted')
    }
    assert.equal(ids.size, 1)
  })
})

describe('evidence with one thing forged is refused:', () => {
  const cases: [RefusalCode, string, Forgery][] = [
    // What a quote is.
    ['quote_invalid', 'no quote', { evidence: () => ({ quote: new Uint8Array(0) }) }],
    ['quote_invalid', 'a quote cut off', { evidence: ({ quote }) => ({ quote: quote.slice(0, 3000) }) }],
    ['quote_invalid', "another enclave vendor's quote", { quoteFields: { vendorId: bytes(16, 1) } }],
    ['unsupported', 'a quote of version 3', { evidence: ({ quote }) => ({ quote: flip(quote, 0, 4 ^ 3) }) }],
    ['unsupported', 'an SGX quote', { quoteFields: { teeType: 0 } }],
    ['unsupported', 'another kind of key', { quoteFields: { attestationKeyType: 3 } }],
    ['unsupported', 'a quote of a format to come', { quoteFields: { padding: bytes(8_000, 0) } }],
    // What it was made for.
    ['bad_binding', 'another context', { evidence: rebound('challenge/1', binding.fields) }],
    ['bad_binding', 'a context of nobody', { evidence: rebound('', binding.fields) }],
    ['bad_binding', 'the context changed on the way', { evidence: () => ({ binding: { ...binding, context: 'member/1' } }) }],
    ['bad_binding', 'another cluster', { evidence: rebound('onboard/1', withField(0, otherCluster)) }],
    ['bad_binding', 'another joiner', { evidence: rebound('onboard/1', withField(1, stranger)) }],
    ['bad_binding', 'another onboarder (a relayed quote)', { evidence: rebound('onboard/1', withField(2, stranger)) }],
    [
      'bad_binding',
      'the two sides exchanged (a reflected quote)',
      { evidence: rebound('onboard/1', [clusterId, onboarder, joiner, joinerNonce, onboarderNonce, kemKey]) },
    ],
    ['bad_binding', "an old joiner's nonce", { evidence: rebound('onboard/1', withField(3, bytes(32, 9))) }],
    [
      'bad_binding',
      "an old onboarder's nonce (a replayed quote)",
      { evidence: rebound('onboard/1', withField(4, bytes(32, 9))) },
    ],
    ['bad_binding', 'another KEM key', { evidence: rebound('onboard/1', withField(5, flip(kemKey, 700))) }],
    ['bad_binding', 'a field less', { evidence: rebound('onboard/1', binding.fields.slice(0, 5)) }],
    ['bad_binding', 'a field more', { evidence: rebound('onboard/1', [...binding.fields, bytes(0, 0)]) }],
    ['bad_binding', 'no fields', { evidence: rebound('onboard/1', []) }],
    [
      'bad_binding',
      'a good binding beside a quote over something else',
      {
        evidence: () => ({ binding: { context: 'onboard/1', fields: binding.fields } }),
        quoteFields: { reportData: bytes(64, 1) },
      },
    ],
    [
      'bad_binding',
      "an app's quote over a hash of the binding",
      { quoteFields: { reportData: Uint8Array.of(...reportData(binding).subarray(16), ...bytes(16, 0)) } },
    ],
    [
      'bad_binding',
      'a genesis in the place of a join',
      { evidence: rebound('genesis/1', [clusterId]), expected: { contexts: ['genesis/1', 'onboard/1'] } },
    ],
    // What runs.
    [
      'measurement_unacceptable',
      'other firmware',
      { node: { measurements: { ...MEASUREMENTS, mrTd: flip(MEASUREMENTS.mrTd, 47) } } },
    ],
    [
      'measurement_unacceptable',
      'another kernel',
      { node: { measurements: { ...MEASUREMENTS, rtmr1: flip(MEASUREMENTS.rtmr1, 0) } } },
    ],
    [
      'measurement_unacceptable',
      'another root file system',
      { node: { measurements: { ...MEASUREMENTS, rtmr2: flip(MEASUREMENTS.rtmr2, 20, 0x80) } } },
    ],
    ['measurement_unacceptable', 'a TD under debug', { quoteFields: { tdAttributes: Uint8Array.of(1, 0, 0, 0x10, 0, 0, 0, 0) } }],
    ['measurement_unacceptable', 'a TD without SEPT_VE_DISABLE', { quoteFields: { tdAttributes: bytes(8, 0) } }],
    ['measurement_unacceptable', 'a migratable TD', { quoteFields: { tdAttributes: Uint8Array.of(0, 0, 0, 0x30, 0, 0, 0, 0) } }],
    [
      'measurement_unacceptable',
      'a TD with performance monitoring',
      { quoteFields: { tdAttributes: Uint8Array.of(0, 0, 0, 0x10, 0, 0, 0, 0x80) } },
    ],
    [
      'measurement_unacceptable',
      'a TD with a service TD',
      { quoteFields: { version: 5, bodyType: 3, mrServiceTd: bytes(48, 1) } },
    ],
    // What it says that runs, and for whom.
    ['app_unacceptable', 'no event log', { evidence: () => ({ eventLog: [] }) }],
    [
      'measurement_unacceptable',
      "another TD's event log",
      { evidence: () => ({ eventLog: tdEvents([appOf('other')], clusterId) as Evidence['eventLog'] }) },
    ],
    [
      'measurement_unacceptable',
      'an instance id changed on the way',
      { evidence: ({ eventLog }) => ({ eventLog: eventLog.with(2, { name: 'instance-id', payload: Uint8Array.of(1) }) }) },
    ],
    ['measurement_unacceptable', 'an RTMR3 that was extended after the log', { quoteFields: { rtmr3: bytes(48, 1) } }],
    ['app_unacceptable', 'an app under the id of another', { node: { apps: [{ ...appOf('a'), appId: appOf('b').appId }] } }],
    [
      'app_unacceptable',
      'an app that the policy does not list',
      {
        init: {
          policy: policyFor(pki, {
            apps: [{ appId: hex(appOf('b').appId), compose: [`sha256:${hex(appOf('b').composeHash)}`] }],
          }),
        },
      },
    ],
    // Who vouches for it.
    [
      'quote_invalid',
      'another root of trust, perfect otherwise',
      { node: { pki: otherPki }, evidence: () => ({ collateral: otherPki.collateral(NOW_MS) as Evidence['collateral'] & {} }) },
    ],
    [
      'quote_invalid',
      "another root's quote under our collateral",
      { node: { pki: otherPki }, evidence: () => ({ collateral: collateralOf(NOW_MS) }) },
    ],
    [
      'quote_invalid',
      'an emulated quote where the policy trusts Intel',
      { init: { policy: policyFor(pki, { roots: ['intel'] }) } },
    ],
    ['quote_invalid', 'no certificates', { quoteFields: { chainPem: '' } }],
    [
      'quote_invalid',
      'a chain without its CA',
      { quoteFields: { chainPem: pki.platform().pck.certificate.pem + pki.root.certificate.pem } },
    ],
    [
      'quote_invalid',
      'a machine certified by another machine',
      {
        evidence: async () => {
          const evil = pki.platform()
          const issuer = { name: 'Intel SGX PCK Certificate', ...evil.pck }
          return (await emulatedNode({ clusterId, platform: pki.platform({ issuer }) })).evidence(binding)
        },
      },
    ],
    ['quote_invalid', 'a quote that nobody signed', { evidence: ({ quote }) => ({ quote: flip(quote, 48 + 584 + 4 + 10) }) }],
    ['quote_invalid', 'a quote by a key of its own', { quoteFields: { quoteSigner: otherPki.root.privateKey } }],
    ['quote_invalid', 'an enclave that the machine does not vouch for', { quoteFields: { qeSigner: otherPki.root.privateKey } }],
    ['quote_invalid', 'an attestation key that the enclave does not vouch for', { quoteFields: { qeReportData: bytes(64, 0) } }],
    // What it is judged by.
    [
      'collateral_missing',
      'no collateral',
      { evidence: ({ collateral: _, ...rest }) => ({ ...rest, collateral: undefined as never }) },
    ],
    [
      'collateral_missing',
      "another root's collateral",
      { evidence: () => ({ collateral: otherPki.collateral(NOW_MS) as Evidence['collateral'] & {} }) },
    ],
    [
      'collateral_missing',
      'an improved TCB info',
      {
        evidence: ({ collateral }) => ({
          collateral: { ...collateral!, tcbInfo: collateral!.tcbInfo.replace('OutOfDate', 'UpToDate') },
        }),
      },
    ],
    [
      'collateral_missing',
      'TCB info signed by a machine',
      {
        evidence: () => {
          const { pck } = pki.platform()
          return { collateral: collateralOf(NOW_MS, { signer: { name: 'Intel SGX PCK Certificate', ...pck } }) }
        },
      },
    ],
    [
      'collateral_missing',
      'no revocation list',
      { evidence: ({ collateral }) => ({ collateral: { ...collateral!, pckCrl: new Uint8Array(0) } }) },
    ],
    [
      'collateral_missing',
      'a revocation list of garbage',
      { evidence: ({ collateral }) => ({ collateral: { ...collateral!, rootCaCrl: bytes(300, 0x30) } }) },
    ],
    [
      'collateral_missing',
      'a revoked CA',
      { evidence: () => ({ collateral: collateralOf(NOW_MS, { revokedByRoot: [pki.platformCa.certificate.serial] }) }) },
    ],
    [
      'collateral_missing',
      'collateral of another family',
      {
        evidence: () => ({
          collateral: collateralOf(NOW_MS, {
            tcbInfo: tcbInfo((info) => {
              info.fmspc = '0'.repeat(12)
            }),
          }),
        }),
      },
    ],
    ['collateral_expired', 'expired collateral', { evidence: () => ({ collateral: collateralOf(NOW_MS - 31 * DAY_MS) }) }],
    ['collateral_expired', 'collateral of tomorrow', { evidence: () => ({ collateral: collateralOf(NOW_MS + DAY_MS) }) }],
    [
      'collateral_expired',
      'valid collateral of eight days ago',
      { evidence: () => ({ collateral: collateralOf(NOW_MS - 8 * DAY_MS) }) },
    ],
    [
      'collateral_expired',
      'an edition of the TCB data below the floor',
      { init: { policy: policyFor(pki, { tcb: { minEvaluationDataNumber: 19 } }) } },
    ],
    // How good it is.
    [
      'tcb_unacceptable',
      'a revoked machine',
      {
        evidence: async () => {
          const platform = pki.platform()
          const collateral = collateralOf(NOW_MS, { revokedByCa: [platform.pck.certificate.serial] })
          return (await emulatedNode({ clusterId, platform })).evidence(binding, collateral)
        },
      },
    ],
    [
      'tcb_unacceptable',
      'a machine without its patches',
      { node: { platform: pki.platform(oldTcb) }, quoteFields: { teeTcbSvn: oldSvn } },
    ],
    ['tcb_unacceptable', 'a machine of before all levels', { node: { platform: pki.platform({ cpuSvn: bytes(16, 0) }) } }],
    ['tcb_unacceptable', 'an old TDX module', { quoteFields: { teeTcbSvn: Uint8Array.of(2, 1, 6, ...bytes(13, 0)) } }],
    ['tcb_unacceptable', 'an unknown TDX module', { quoteFields: { teeTcbSvn: Uint8Array.of(6, 9, 6, ...bytes(13, 0)) } }],
    ['tcb_unacceptable', "somebody else's TDX module", { quoteFields: { mrSignerSeam: bytes(48, 1) } }],
    ['tcb_unacceptable', "somebody else's quoting enclave", { quoteFields: { qeMrSigner: bytes(32, 1) } }],
    [
      'tcb_unacceptable',
      'a quoting enclave under debug',
      { quoteFields: { qeAttributes: Buffer.from('1700000000000000e700000000000000', 'hex') } },
    ],
    ['tcb_unacceptable', 'an old quoting enclave', { quoteFields: { qeIsvSvn: 3 } }],
    [
      'tcb_unacceptable',
      'a denied advisory',
      {
        node: { platform: pki.platform(oldTcb) },
        quoteFields: { teeTcbSvn: oldSvn },
        init: { policy: policyFor(pki, { tcb: { accept: ['OutOfDate'], denyAdvisories: ['INTEL-SA-00837'] } }) },
      },
    ],
    [
      'platform_unacceptable',
      'a machine that the policy does not list',
      { init: { policy: policyFor(pki, { platforms: [`sha256:${hex(bytes(32, 1))}`] }) } },
    ],
  ]
  for (const [code, what, forgery] of cases) {
    it(`${code}: ${what}`, async () => {
      const verdict = await judgeForgery(forgery)
      assert.equal(outcome(verdict), code, JSON.stringify(verdict))
      assert.ok(!verdict.accepted && verdict.reasons.length > 0 && verdict.reasons.every((reason) => reason.length > 10))
      // Told in full, the first reason stays the one that decides.
      const thorough = await judgeForgery(forgery, true)
      assert.equal(outcome(thorough), code)
    })
  }

  it('app_unacceptable: a TD that feeds on another cluster', async () => {
    const node = await emulatedNode({ clusterId: otherCluster })
    assert.equal(outcome(verifier().judge(await node.evidence(binding), expected)), 'app_unacceptable')
  })

  it('with, between them, every code that judging gives', () => {
    const never = [
      'malformed',
      'wrong_cluster',
      'busy',
      'rate_limited',
      'not_member',
      'lapsed',
      'stale_epoch',
      'bad_signature',
      'internal',
    ]
    assert.deepEqual(new Set(cases.map(([code]) => code)), new Set(REFUSAL_CODES.filter((code) => !never.includes(code))))
  })

  it('bad_binding, from a member whose other fields the reader does not know', async () => {
    const node = await emulatedNode({ clusterId })
    const about: Expectation = { contexts: ['onboard/1', 'member/1', 'challenge/1'], clusterId, peerId: joiner }
    const judge = async (fields: Uint8Array[], context = 'member/1', expectation = about) =>
      outcome(verifier().judge(await node.evidence({ context, fields }), expectation))
    const { peerId: _, ...nobody } = about
    assert.equal(await judge([clusterId, joiner, bytes(4, 0)]), 'accepted')
    assert.equal(await judge([otherCluster, joiner, bytes(4, 0)]), 'bad_binding')
    assert.equal(await judge([clusterId, stranger, bytes(4, 0)]), 'bad_binding')
    assert.equal(await judge([joiner, clusterId, bytes(4, 0)]), 'bad_binding')
    assert.equal(await judge([clusterId]), 'bad_binding')
    assert.equal(await judge([]), 'bad_binding')
    assert.equal(await judge([clusterId, joiner, bytes(4, 0)], 'evidence/1'), 'bad_binding')
    assert.equal(await judge([clusterId, joiner, bytes(4, 0)], 'member/1', nobody), 'bad_binding', 'nobody said whose')
  })

  it('bad_binding, whichever single byte of what was bound differs', async () => {
    const node = await emulatedNode({ clusterId })
    const evidence = await node.evidence(binding)
    const judge = verifier()
    for (const [index, field] of binding.fields.entries()) {
      for (let at = 0; at < Math.min(field.length, 38); at++) {
        const fields = withField(index, flip(field, at))
        assert.equal(outcome(judge.judge({ ...evidence, binding: { ...binding, fields } }, expected)), 'bad_binding')
        assert.equal(outcome(judge.judge(evidence, { ...expected, fields })), 'bad_binding')
        // The receiver who knows no fields but the first two still sees that the quote is over others.
        const { fields: _, ...loose } = expected
        assert.equal(outcome(judge.judge({ ...evidence, binding: { ...binding, fields } }, loose)), 'bad_binding')
      }
    }
  })

  it('whichever byte of the signed quote differs by a bit', async () => {
    const node = await emulatedNode({ clusterId })
    const evidence = await node.evidence(binding)
    const judge = verifier()
    const codes = new Map<string, number>()
    // Each bit of what the policy judges is in the tests of the policy; the certificates' bytes are in the verifier's.
    for (let byte = 0; byte < 48 + 584; byte++) {
      const code = outcome(judge.judge({ ...evidence, quote: flip(evidence.quote, byte, 1 << (byte % 8)) }, expected))
      codes.set(code, (codes.get(code) ?? 0) + 1)
    }
    assert.equal(codes.get('accepted'), undefined)
    assert.equal(codes.get('internal'), undefined)
    assert.equal(codes.get('bad_binding'), 64, 'the report data')
    assert.equal(codes.get('measurement_unacceptable'), 8 + 4 * 48, 'attributes, three pinned registers, RTMR3')
  })
})

describe('a genesis', () => {
  const record = bytes(200, 0x47)
  const genesis: Binding = { context: 'genesis/1', fields: [record] }
  const about: Expectation = { contexts: ['genesis/1'], clusterId, fields: [record] }
  const evidence = async () => (await emulatedNode({ clusterId })).evidence(genesis)

  it('is judged by its record', async () => {
    assert.equal(outcome(verifier().judge(await evidence(), about)), 'accepted')
    assert.equal(outcome(verifier().judge(await evidence(), { ...about, fields: [flip(record, 0)] })), 'bad_binding')
    assert.equal(outcome(verifier().judge(await evidence(), { ...about, fields: [] })), 'bad_binding')
    const { fields: _, ...without } = about
    assert.equal(outcome(verifier().judge(await evidence(), without)), 'bad_binding', 'nobody said which record')
  })

  it('is judged as of its time, by its own collateral, for ever after', async () => {
    const clock = new ManualClock(NOW_MS + 300 * DAY_MS)
    const own = pki.collateral(clock.now())
    const judge = verifier({ clock, ownCollateral: () => own })
    const old = await evidence()
    assert.equal(outcome(judge.judge(old, about)), 'accepted', 'judged as of now, by our own fresh collateral')
    assert.equal(outcome(judge.judge(old, about, { atMs: NOW_MS })), 'accepted')
    assert.equal(outcome(verifier({ clock }).judge(old, about)), 'collateral_expired')
    assert.equal(outcome(verifier({ clock }).judge(old, about, { atMs: NOW_MS })), 'accepted')
    assert.equal(
      outcome(verifier({ clock }).judge(old, about, { atMs: NOW_MS - DAY_MS })),
      'collateral_expired',
      'not of that time',
    )
    const { collateral: _, ...bare } = old
    assert.equal(outcome(judge.judge(bare, about, { atMs: NOW_MS })), 'collateral_missing')
  })

  it('of another cluster is seen by its key provider', async () => {
    assert.equal(outcome(verifier().judge(await evidence(), { ...about, clusterId: otherCluster })), 'app_unacceptable')
  })
})

describe('collateral at hand', () => {
  const newerInfo = (status: string, number = 19) =>
    tcbInfo((info) => {
      info.tcbEvaluationDataNumber = number
      info.tcbLevels[0]!.tcbStatus = status
    })
  const qe = { tcbEvaluationDataNumber: 19 }
  const own = (overrides: Parameters<typeof pki.collateral>[1] = {}, nowMs = NOW_MS) => pki.collateral(nowMs, overrides)
  const judgeWith = async (collateral: Collateral | undefined, evidenceCollateral?: Collateral) => {
    const node = await emulatedNode({ clusterId })
    const evidence = await node.evidence(binding, evidenceCollateral)
    if (collateral === undefined) return verifier().judge(evidence, expected)
    return verifier({ ownCollateral: () => collateral }).judge(evidence, expected)
  }
  const newerQe = JSON.parse(own().qeIdentity)

  it('judges when it knows more: old collateral in the evidence hides no weakness', async () => {
    const known = own({ tcbInfo: newerInfo('OutOfDate'), qeIdentity: { ...newerQe, ...qe } })
    assert.equal(outcome(await judgeWith(known)), 'tcb_unacceptable')
    assert.equal(outcome(await judgeWith(undefined)), 'accepted')
  })

  it('does not judge when it knows less', async () => {
    const theirs = own({ tcbInfo: newerInfo('OutOfDate'), qeIdentity: { ...newerQe, ...qe } })
    assert.equal(outcome(await judgeWith(own(), theirs)), 'tcb_unacceptable')
  })

  it('of one edition judges when it was issued later', async () => {
    const later = own({
      issuedMs: NOW_MS - 60_000,
      tcbInfo: emulatedTcbInfo({ issuedMs: NOW_MS - 60_000, expiresMs: NOW_MS + DAY_MS }),
    })
    const verdict = await judgeWith(later)
    assert.ok(verdict.accepted)
    assert.equal(verdict.judged.collateralIssuedMs, NOW_MS - 60_000)
  })

  it('revokes, also when newer TCB data comes with an older revocation list', async () => {
    const platform = pki.platform()
    const revoking = own({ revokedByCa: [platform.pck.certificate.serial] })
    const hiding = own({ tcbInfo: newerInfo('UpToDate'), qeIdentity: { ...newerQe, ...qe } })
    const evidence = await (await emulatedNode({ clusterId, platform })).evidence(binding, hiding)
    assert.equal(outcome(verifier().judge(evidence, expected)), 'accepted')
    assert.equal(outcome(verifier({ ownCollateral: () => revoking }).judge(evidence, expected)), 'tcb_unacceptable')
  })

  it('stands in for what the evidence lacks, or has expired, and the log hears of it', async () => {
    const { collateral: _, ...bare } = await (await emulatedNode({ clusterId })).evidence(binding)
    assert.equal(outcome(verifier({ ownCollateral: () => own() }).judge(bare, expected)), 'accepted')
    const verdict = await judgeWith(own(), own({}, NOW_MS - 40 * DAY_MS))
    assert.ok(verdict.accepted)
    assert.match(verdict.warnings.join(), /the evidence's collateral: expired/)
  })

  it('takes over when the newer collateral of the evidence runs out', async () => {
    const clock = new ManualClock()
    const theirs = own({ tcbInfo: newerInfo('UpToDate'), qeIdentity: { ...newerQe, ...qe } })
    const evidence = await (await emulatedNode({ clusterId })).evidence(binding, theirs)
    const judge = verifier({ clock, ownCollateral: () => own({}, clock.now()) })
    const edition = () => {
      const verdict = judge.judge(evidence, expected)
      return verdict.accepted ? verdict.judged.tcbEvaluationDataNumber : verdict.code
    }
    assert.equal(edition(), 19)
    clock.wallMs += 31 * DAY_MS
    assert.equal(edition(), 18)
  })

  it('of another family of machines, or expired, changes nothing', async () => {
    const info = newerInfo('UpToDate')
    const foreign = own({ tcbInfo: { ...info, fmspc: '0'.repeat(12) }, qeIdentity: { ...newerQe, ...qe } })
    assert.equal(outcome(await judgeWith(foreign)), 'accepted')
    assert.equal(outcome(await judgeWith(own({}, NOW_MS - 40 * DAY_MS))), 'accepted')
    const { collateral: _, ...bare } = await (await emulatedNode({ clusterId })).evidence(binding)
    assert.equal(outcome(verifier({ ownCollateral: () => foreign }).judge(bare, expected)), 'collateral_missing')
  })
})

describe('the time of judging', () => {
  const evidenceAt = async (nowMs: number) => (await emulatedNode({ clusterId })).evidence(binding, pki.collateral(nowMs))

  it('goes on when the host sets the clock back: what expired stays so', async () => {
    const clock = new ManualClock()
    const judge = verifier({ clock })
    const old = await evidenceAt(NOW_MS)
    assert.equal(outcome(judge.judge(old, expected)), 'accepted')
    clock.elapsedMs += 31 * DAY_MS
    assert.equal(outcome(judge.judge(old, expected)), 'collateral_expired', 'the wall clock stands still')
    clock.wallMs -= 300 * DAY_MS
    assert.equal(outcome(judge.judge(old, expected)), 'collateral_expired', 'and goes back')
  })

  it('is never before the newest collateral that was verified', async () => {
    const clock = new ManualClock()
    const judge = verifier({ clock, policy: policyFor(pki, { tcb: { collateralMaxAgeDays: 90 } }) })
    const old = await evidenceAt(NOW_MS)
    clock.wallMs += 40 * DAY_MS
    assert.equal(outcome(judge.judge(await evidenceAt(clock.wallMs), expected)), 'accepted')
    clock.wallMs -= 40 * DAY_MS
    assert.equal(outcome(judge.judge(old, expected)), 'collateral_expired')
  })

  it('is not moved by an emulated platform whose clock is ahead', async () => {
    const judge = verifier()
    assert.equal(outcome(judge.judge(await evidenceAt(NOW_MS + 300 * DAY_MS), expected)), 'collateral_expired')
    assert.equal(outcome(judge.judge(await evidenceAt(NOW_MS), expected)), 'accepted')
  })
})

describe('hostile evidence', () => {
  it('never makes the judge throw, and is never accepted (property)', async () => {
    const honest = await (await emulatedNode({ clusterId })).evidence(binding)
    const judge = verifier()
    const noise = fc.uint8Array({ maxLength: 6_000 })
    const text = fc.string({ unit: 'binary', maxLength: 200 })
    const mutated = fc
      .tuple(fc.nat(honest.quote.length - 1), fc.uint8Array({ minLength: 1, maxLength: 16 }))
      .map(([at, patch]) => {
        const quote = Uint8Array.from(honest.quote)
        quote.set(patch.subarray(0, quote.length - at), at)
        return quote
      })
      .filter((quote) => !Buffer.from(quote).equals(honest.quote))
    const event = fc.record({ name: text, payload: noise })
    const collateral = fc.record({
      pckCrlIssuerChain: text,
      rootCaCrl: noise,
      pckCrl: noise,
      tcbInfoIssuerChain: text,
      tcbInfo: fc.json(),
      tcbInfoSignature: noise,
      qeIdentityIssuerChain: text,
      qeIdentity: fc.json(),
      qeIdentitySignature: noise,
    })
    const parts = fc.oneof(
      fc.record({ quote: noise }),
      fc.record({ quote: mutated }),
      fc.record({ eventLog: fc.array(event, { minLength: 1, maxLength: 20 }) }),
      fc.record({ binding: fc.record({ context: text, fields: fc.array(noise, { maxLength: 8 }) }) }),
      fc.record({ collateral }),
      collateral.chain((all) =>
        fc.constantFrom(...Object.keys(all)).map((key) => ({
          collateral: { ...honest.collateral!, [key]: all[key as keyof typeof all] },
        })),
      ),
    )
    fc.assert(
      fc.property(parts, fc.boolean(), (part, thorough) => {
        const verdict = judge.judge({ ...honest, ...part } as Evidence, expected, { thorough })
        assert.ok(!verdict.accepted)
        assert.notEqual(verdict.code, 'internal', verdict.reasons.join())
      }),
      { numRuns: 200 },
    )
  })

  it('of the wrong shape is refused, and where we fail ourselves by a code that proves nothing against anybody', () => {
    for (const [evidence, code] of [
      [{}, 'quote_invalid'],
      [{ quote: 1 }, 'quote_invalid'],
      [null, 'internal'],
    ] as const) {
      assert.equal(outcome(verifier().judge(evidence as unknown as Evidence, expected)), code)
    }
  })

  it('is judged again as before: nothing that was refused helps or hurts the next', async () => {
    const judge = verifier()
    const honest = await (await emulatedNode({ clusterId })).evidence(binding)
    for (let i = 0; i < 50; i++) {
      const bad = { ...honest.collateral!, tcbInfoSignature: flip(honest.collateral!.tcbInfoSignature, i) }
      assert.equal(outcome(judge.judge({ ...honest, collateral: bad }, expected)), 'collateral_missing')
      assert.equal(outcome(judge.judge(honest, expected)), 'accepted')
    }
  })
})

describe('a thorough judge', () => {
  it('tells everything that is wrong, and still the cheapest reason decides', async () => {
    const verdict = await judgeForgery(
      {
        node: { platform: pki.platform(oldTcb), measurements: { ...MEASUREMENTS, rtmr2: bytes(48, 9) } },
        quoteFields: { teeTcbSvn: oldSvn, tdAttributes: bytes(8, 0) },
        expected: { peerId: stranger },
        init: { policy: policyFor(pki, { platforms: [`sha256:${hex(bytes(32, 1))}`] }) },
      },
      true,
    )
    assert.ok(!verdict.accepted)
    assert.equal(verdict.code, 'bad_binding')
    const all = verdict.reasons.join('\n')
    for (const word of ['another peer', 'SEPT_VE_DISABLE', 'rtmr2 is', 'OutOfDate', 'is not in the policy'])
      assert.ok(all.includes(word), word)
  })
})

describe('a genuine quote', () => {
  const folder = new URL('../../../shared/quotes/phala/', import.meta.url)

  it('is traced to Intel, and refused for what it was made for', function () {
    if (!existsSync(folder)) {
      console.log('      (samples of genuine quotes are not beside the checkout: this part did not run)')
      return this.skip()
    }
    const quote = readFileSync(new URL('tdx_quote', folder))
    const collateral = collateralFromJson(JSON.parse(readFileSync(new URL('tdx_quote_collateral.json', folder), 'utf8')))
    const policy = policyFromQuote(parseQuote(quote).td, { rootName: 'intel', minEvaluationDataNumber: 17 })
    const nowMs = Date.UTC(2025, 5, 20)
    const evidence = { quote, collateral, eventLog: [], binding } as unknown as Evidence
    const judge = (given: typeof policy, clockMs = nowMs) =>
      createVerifier({ policy: given, clock: new ManualClock(clockMs) }).judge(evidence, expected, { thorough: true })
    const verdict = judge(policy)
    assert.ok(!verdict.accepted)
    assert.equal(verdict.code, 'bad_binding')
    assert.deepEqual(
      verdict.reasons.map((reason) => reason.split(':')[0]),
      ['the report data of the quote was not made from this binding', 'event log'],
      'nothing else is wrong with it',
    )
    // A clock that is a year behind Intel's signature is corrected by it.
    assert.deepEqual(judge(policy, nowMs - 365 * DAY_MS), verdict)
    const emulated = judge(policyFor(pki, { measurements: [{ any: true }] }))
    assert.match(emulated.accepted ? '' : emulated.reasons.join(), /does not trust the root of trust intel/)
  })

  it('has a root that no emulator can be named by', () => {
    assert.notEqual(hex(pki.rootDer), hex(INTEL_ROOT))
    assert.match(pki.rootName, /^emulator:/)
  })
})
