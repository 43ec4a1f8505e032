import assert from 'node:assert/strict'
import { parseQuote, TCB_STATUSES, type TcbStatus, type TdBody } from '../../../src/attest/dcap/index.ts'
import type { QuoteFields } from '../../../src/attest/emulator/index.ts'
import {
  judgeApps,
  judgePlatform,
  judgeTd,
  type PlatformFacts,
  type Policy,
  type PolicyDocument,
  policyFromQuote,
} from '../../../src/attest/policy/index.ts'
import { appOf, bytes, DAY_MS, hex, MEASUREMENTS, NOW_MS, policyFor, sharedPki } from '../support.ts'

const pki = sharedPki()
const platform = pki.platform()
const bodyOf = (fields: QuoteFields = {}): TdBody => parseQuote(platform.quote({ ...MEASUREMENTS, ...fields })).td
const attributes = (...bits: number[]): Uint8Array => {
  const value = new Uint8Array(8)
  for (const bit of bits) value[bit >> 3]! |= 1 << (bit & 7)
  return value
}
const codes = (policy: Policy, td: TdBody) => [...new Set(judgeTd(policy, td).map(({ code }) => code))]

const DEBUG = 0
const SEPT_VE_DISABLE = 28
const MIGRATABLE = 29

describe('TD attributes', () => {
  const policy = policyFor(pki)

  it('are good with SEPT_VE_DISABLE and nothing else: of 64 bits beside it not one may be set', () => {
    assert.deepEqual(codes(policy, bodyOf({ tdAttributes: attributes(SEPT_VE_DISABLE) })), [])
    for (let bit = 0; bit < 64; bit++) {
      if (bit === SEPT_VE_DISABLE) continue
      const findings = judgeTd(policy, bodyOf({ tdAttributes: attributes(SEPT_VE_DISABLE, bit) }))
      assert.deepEqual(
        findings.map(({ code }) => code),
        ['measurement_unacceptable'],
        `bit ${bit}`,
      )
      assert.match(findings[0]!.reason, new RegExp(`bit ${bit} `))
    }
  })

  it('are refused without SEPT_VE_DISABLE', () => {
    const findings = judgeTd(policy, bodyOf({ tdAttributes: attributes() }))
    assert.deepEqual(
      findings.map(({ reason }) => reason),
      ['TD attribute SEPT_VE_DISABLE (bit 28) is not set'],
    )
  })

  it('are refused with any of the 255 other values of the first byte: the TD is under debug or profiled', () => {
    for (let value = 1; value < 256; value++) {
      const tdAttributes = attributes(SEPT_VE_DISABLE)
      tdAttributes[0] = value
      assert.deepEqual(codes(policy, bodyOf({ tdAttributes })), ['measurement_unacceptable'], `value ${value}`)
    }
  })

  it('have names in the reasons, as Linux has them', () => {
    for (const [bit, name] of [
      [0, 'DEBUG'],
      [4, 'HGS_PLUS_PROF'],
      [27, 'LASS'],
      [29, 'MIGRATABLE'],
      [30, 'PKS'],
      [31, 'KL'],
      [62, 'TPA'],
      [63, 'PERFMON'],
      [40, 'reserved'],
    ] as const) {
      const [finding] = judgeTd(policy, bodyOf({ tdAttributes: attributes(SEPT_VE_DISABLE, bit) }))
      assert.equal(finding?.reason, `TD attribute bit ${bit} (${name}) is set`)
    }
  })

  const allowing: [NonNullable<PolicyDocument['tdAttributes']>, number[]][] = [
    [{ debug: true }, [DEBUG]],
    [{ migratable: true }, [MIGRATABLE]],
    [{ debug: true, migratable: true }, [DEBUG, MIGRATABLE]],
    [{ septVeDisable: false }, []],
  ]
  for (const [tdAttributes, allowed] of allowing) {
    it(`that the policy allows, ${JSON.stringify(tdAttributes)}, open no other bit`, () => {
      const lenient = policyFor(pki, { tdAttributes })
      for (let bit = 0; bit < 64; bit++) {
        const expected = bit === SEPT_VE_DISABLE || allowed.includes(bit) ? [] : ['measurement_unacceptable']
        assert.deepEqual(codes(lenient, bodyOf({ tdAttributes: attributes(SEPT_VE_DISABLE, bit) })), expected, `bit ${bit}`)
      }
      const without = tdAttributes.septVeDisable === false ? [] : ['measurement_unacceptable']
      assert.deepEqual(codes(lenient, bodyOf({ tdAttributes: attributes() })), without)
    })
  }

  it('do not help a TD with a service TD bound: it is refused whatever the policy allows', () => {
    const lenient = policyFor(pki, { tdAttributes: { migratable: true } })
    for (let byte = 0; byte < 48; byte++) {
      const mrServiceTd = new Uint8Array(48)
      mrServiceTd[byte] = 1
      const [finding] = judgeTd(lenient, bodyOf({ version: 5, bodyType: 3, mrServiceTd }))
      assert.equal(finding?.reason, 'a service TD is bound to the TD')
    }
    assert.deepEqual(judgeTd(lenient, bodyOf({ version: 5, bodyType: 3 })), [])
  })
})

describe('measurements', () => {
  /** Where the registers that a policy can pin are in the body of a quote. */
  const REGISTERS = {
    mrSeam: 16,
    xfam: 128,
    mrTd: 136,
    mrConfigId: 184,
    mrOwner: 232,
    mrOwnerConfig: 280,
    rtmr0: 328,
    rtmr1: 376,
    rtmr2: 424,
  }
  const HEADER_BYTES = 48

  it('of a policy made from a quote refuse every single bit that differs, and name the register', () => {
    const quote = platform.quote(MEASUREMENTS)
    const options = { rootName: pki.rootName, minEvaluationDataNumber: 18, name: 'this one' }
    const policy = policyFromQuote(parseQuote(quote).td, options)
    assert.deepEqual(judgeTd(policy, parseQuote(quote).td), [])
    for (const [register, offset] of Object.entries(REGISTERS)) {
      for (let bit = 0; bit < (register === 'xfam' ? 64 : 384); bit++) {
        const other = Uint8Array.from(quote)
        other[HEADER_BYTES + offset + (bit >> 3)]! ^= 1 << (bit & 7)
        const findings = judgeTd(policy, parseQuote(other).td)
        assert.deepEqual(
          findings.map(({ code }) => code),
          ['measurement_unacceptable'],
        )
        assert.match(findings[0]!.reason, new RegExp(`^not "this one": ${register} is [0-9a-f]+, not [0-9a-f]+$`))
      }
    }
  })

  it('are alternatives: each must fit as a whole', () => {
    const one = { name: 'one', mrTd: hex(bytes(48, 1)), rtmr1: hex(bytes(48, 3)), rtmr2: hex(bytes(48, 4)) }
    const two = {
      name: 'two',
      mrTd: hex(bytes(48, 1)),
      rtmr1: hex(bytes(48, 3)),
      rtmr2: hex(bytes(48, 5)),
      rtmr0: hex(bytes(48, 9)),
    }
    const policy = policyFor(pki, { measurements: [one, two] })
    assert.deepEqual(judgeTd(policy, bodyOf()), [])
    assert.deepEqual(judgeTd(policy, bodyOf({ rtmr2: bytes(48, 5), rtmr0: bytes(48, 9) })), [])
    // Half of the one and half of the other is neither.
    const findings = judgeTd(policy, bodyOf({ rtmr2: bytes(48, 5) }))
    assert.deepEqual(
      findings.map(({ reason }) => reason.split(':')[0]),
      ['not "one"', 'not "two"'],
    )
  })

  it('that are not pinned may be anything', () => {
    const policy = policyFor(pki)
    assert.deepEqual(
      judgeTd(policy, bodyOf({ rtmr0: bytes(48, 77), mrConfigId: bytes(48, 7), mrOwner: bytes(48, 7), xfam: bytes(8, 7) })),
      [],
    )
  })

  it('of "any" accept all software, and still no debugging', () => {
    const policy = policyFor(pki, { measurements: [{ any: true }] })
    assert.deepEqual(judgeTd(policy, bodyOf({ mrTd: bytes(48, 99) })), [])
    assert.deepEqual(codes(policy, bodyOf({ tdAttributes: attributes(SEPT_VE_DISABLE, DEBUG) })), ['measurement_unacceptable'])
  })

  it('and attributes that are wrong are all told', () => {
    const findings = judgeTd(
      policyFor(pki),
      bodyOf({ tdAttributes: attributes(DEBUG, 63), mrTd: bytes(48, 9), rtmr2: bytes(48, 9) }),
    )
    assert.equal(findings.length, 4)
    assert.match(findings[3]!.reason, /mrTd is .*, rtmr2 is /)
  })
})

describe('apps', () => {
  const keyProvider = bytes(32, 1)
  const a = appOf('a')
  const b = appOf('b')
  const reasons = (policy: Policy, ...apps: (typeof a)[]) => judgeApps(policy, { apps, keyProvider }).map(({ code }) => code)

  it('have the id that their compose file hashes to, where the policy lists none', () => {
    const policy = policyFor(pki)
    assert.deepEqual(reasons(policy, a, b), [])
    for (let byte = 0; byte < 20; byte++) {
      const appId = Uint8Array.from(a.appId)
      appId[byte]! ^= 1
      assert.deepEqual(reasons(policy, { ...a, appId }), ['app_unacceptable'])
    }
    assert.deepEqual(reasons(policy, a, { ...b, appId: bytes(20, 1) }), ['app_unacceptable'])
  })

  it('have the ids and compose files of the list, where the policy has one', () => {
    const other = { ...b, appId: bytes(20, 9) }
    const apps = [
      { appId: hex(a.appId), compose: [`sha256:${hex(a.composeHash)}`] },
      { appId: hex(other.appId), compose: [`sha256:${hex(b.composeHash)}`, `sha256:${hex(bytes(32, 1))}`] },
    ]
    const policy = policyFor(pki, { apps })
    assert.deepEqual(reasons(policy, a), [])
    assert.deepEqual(reasons(policy, a, other), [])
    assert.deepEqual(reasons(policy, b), ['app_unacceptable'], 'its own hash is not on the list')
    assert.deepEqual(reasons(policy, { ...a, composeHash: b.composeHash }), ['app_unacceptable'], "another app's compose file")
    assert.deepEqual(reasons(policy, a, b, { ...other, composeHash: bytes(32, 2) }), ['app_unacceptable', 'app_unacceptable'])
  })
})

describe('a platform', () => {
  const sound: PlatformFacts = {
    status: 'UpToDate',
    advisories: [],
    tcbDateMs: NOW_MS - 100 * DAY_MS,
    tcbEvaluationDataNumber: 18,
    platformId: bytes(32, 1),
    collateralIssuedMs: NOW_MS - DAY_MS,
  }
  const judge = (tcb: PolicyDocument['tcb'], facts: Partial<PlatformFacts>, nowMs = NOW_MS) => {
    const { findings, warnings } = judgePlatform(policyFor(pki, tcb === undefined ? {} : { tcb }), { ...sound, ...facts }, nowMs)
    return { codes: findings.map(({ code }) => code), warnings: warnings.length }
  }
  const fine = { codes: [], warnings: 0 }
  const refused = { codes: ['tcb_unacceptable'], warnings: 0 }

  it('has one of the accepted statuses: the whole table', () => {
    for (const accepted of TCB_STATUSES) {
      for (const status of TCB_STATUSES) {
        assert.deepEqual(
          judge({ accept: [accepted] }, { status }),
          status === accepted ? fine : refused,
          `${status} for ${accepted}`,
        )
      }
    }
    for (const status of TCB_STATUSES) assert.deepEqual(judge(undefined, { status }), status === 'UpToDate' ? fine : refused)
  })

  it('with a status that nobody knows is refused', () => {
    for (const status of ['Revoked', '', 'uptodate', '__proto__', 'toString']) {
      assert.deepEqual(judge({ accept: [...TCB_STATUSES], graceDays: 100 }, { status: status as TcbStatus }), refused)
    }
  })

  it('may be out of date for the days of grace after the date of its level, to the millisecond, with a warning', () => {
    const tcbDateMs = NOW_MS - 14 * DAY_MS
    const warned = { codes: [], warnings: 1 }
    const grace = { graceDays: 14 }
    assert.deepEqual(judge(grace, { status: 'OutOfDate', tcbDateMs }), warned)
    assert.deepEqual(judge(grace, { status: 'OutOfDate', tcbDateMs }, NOW_MS + 1), refused)
    assert.deepEqual(judge({}, { status: 'OutOfDate', tcbDateMs: NOW_MS }), refused, 'no grace by default')
    assert.deepEqual(judge(grace, { status: 'OutOfDateConfigurationNeeded', tcbDateMs }), refused, 'grace is for patches only')
    const lax = { accept: ['ConfigurationNeeded' as const], graceDays: 14 }
    assert.deepEqual(judge(lax, { status: 'OutOfDateConfigurationNeeded', tcbDateMs }), warned)
    assert.deepEqual(judge(lax, { status: 'OutOfDate', tcbDateMs }), refused)
    for (const status of TCB_STATUSES.filter((each) => !each.startsWith('OutOfDate') && each !== 'UpToDate')) {
      assert.deepEqual(judge(grace, { status, tcbDateMs }), refused, status)
    }
  })

  it('to which a denied advisory applies is refused, up to date or not', () => {
    const tcb = { denyAdvisories: ['INTEL-SA-00837', 'INTEL-SA-01036'] }
    assert.deepEqual(judge(tcb, { advisories: ['INTEL-SA-00001'] }), fine)
    assert.deepEqual(judge(tcb, { advisories: ['INTEL-SA-00001', 'INTEL-SA-00837'] }), refused)
    assert.equal(judge(tcb, { status: 'OutOfDate', advisories: tcb.denyAdvisories }).codes.length, 3)
  })

  it('is not judged by an older edition of the TCB data than the policy asks for', () => {
    assert.deepEqual(judge({ minEvaluationDataNumber: 18 }, {}), fine)
    assert.deepEqual(judge({ minEvaluationDataNumber: 19 }, {}), { codes: ['collateral_expired'], warnings: 0 })
  })

  it('is not judged by collateral that was issued too long ago, to the millisecond', () => {
    assert.deepEqual(judge({ collateralMaxAgeDays: 3 }, { collateralIssuedMs: NOW_MS - 3 * DAY_MS }), fine)
    assert.deepEqual(judge({ collateralMaxAgeDays: 3 }, { collateralIssuedMs: NOW_MS - 3 * DAY_MS - 1 }), {
      codes: ['collateral_expired'],
      warnings: 0,
    })
  })

  it('is one of those listed, where the policy lists any', () => {
    const listed = policyFor(pki, { platforms: [`sha256:${hex(bytes(32, 1))}`] })
    assert.deepEqual(judgePlatform(listed, sound, NOW_MS).findings, [])
    const [finding] = judgePlatform(listed, { ...sound, platformId: bytes(32, 2) }, NOW_MS).findings
    assert.equal(finding?.code, 'platform_unacceptable')
  })
})
