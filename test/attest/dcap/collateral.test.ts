import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import type { TBSCertList } from '@peculiar/asn1-x509'
import {
  type Collateral,
  collateralFromJson,
  collateralToJson,
  DCAP_REASONS,
  DcapError,
  INTEL_ROOT,
  prepareCollateral,
  verifyQuote,
} from '../../../src/attest/dcap/index.ts'
import { readQeIdentity, readTcbInfo } from '../../../src/attest/dcap/tcb.ts'
import type { CrlFields, Issuer } from '../../../src/attest/emulator/index.ts'
import {
  collateral,
  DAY_MS,
  flipped,
  judge,
  NOW_MS,
  pki,
  platform,
  prepared,
  qeIdentity,
  tcbInfo,
  withDocuments,
  withQeIdentity,
  withTcbInfo,
} from './forge.ts'

const sound = platform.quote()
const other = (change: Partial<Collateral>): string => judge(sound, { ...collateral, ...change })
const iso = (ms: number) => new Date(ms).toISOString().replace('.000Z', 'Z')

const crl = (issuer: Issuer, fields: Partial<CrlFields> = {}) =>
  pki.crl({ issuer, thisUpdateMs: NOW_MS - DAY_MS, nextUpdateMs: NOW_MS + DAY_MS, ...fields })

describe('revocation lists', () => {
  const lists = [
    { field: 'rootCaCrl', issuer: pki.root, wrong: pki.platformCa },
    { field: 'pckCrl', issuer: pki.platformCa, wrong: pki.root },
  ] as const
  for (const { field, issuer, wrong } of lists) {
    describe(field, () => {
      const list = (fields: Partial<CrlFields>) => other({ [field]: crl(issuer, fields) })
      const altered = (alter: (tbs: TBSCertList) => void) => list({ alter })

      it('is there, and is one', () => {
        assert.equal(list({}), 'UpToDate')
        assert.equal(other({ [field]: new Uint8Array(0) }), 'crl_malformed')
        assert.equal(other({ [field]: new Uint8Array(600) }), 'crl_malformed')
        assert.equal(other({ [field]: Uint8Array.from(randomBytes(600)) }), 'crl_malformed')
        assert.equal(other({ [field]: issuer.certificate.der }), field === 'rootCaCrl' ? 'crl_malformed' : 'crl_signature')
        assert.equal(other({ [field]: collateral[field].subarray(0, -1) }), 'crl_malformed')
        assert.equal(other({ [field]: Buffer.concat([collateral[field], Buffer.of(0)]) }), 'crl_malformed')
      })
      it('is signed by its issuer, whom it names', () => {
        assert.equal(other({ [field]: crl({ ...wrong, name: issuer.name }) }), 'crl_signature')
        assert.equal(other({ [field]: crl(wrong) }), 'crl_signature')
        assert.equal(other({ [field]: crl({ ...issuer, name: wrong.name }) }), 'crl_signature')
        assert.equal(other({ [field]: collateral[field === 'pckCrl' ? 'rootCaCrl' : 'pckCrl'] }), 'crl_signature')
      })
      it('is of now', () => {
        assert.equal(list({ nextUpdateMs: NOW_MS }), 'UpToDate')
        assert.equal(list({ nextUpdateMs: NOW_MS - 1000 }), 'expired')
        assert.equal(list({ thisUpdateMs: NOW_MS }), 'UpToDate')
        assert.equal(list({ thisUpdateMs: NOW_MS + 1000 }), 'not_yet_valid')
        assert.equal(list({ thisUpdateMs: NOW_MS + 1000, nextUpdateMs: NOW_MS - 1000 }), 'crl_malformed')
        assert.equal(
          altered((tbs) => {
            Reflect.deleteProperty(tbs, 'nextUpdate')
          }),
          'crl_malformed',
        )
      })
      it('is of version 2, with number and authority key, and nothing critical', () => {
        assert.equal(
          altered((tbs) => {
            tbs.version = 0
          }),
          'crl_malformed',
        )
        assert.equal(
          altered((tbs) => {
            Reflect.deleteProperty(tbs, 'version')
          }),
          'crl_malformed',
        )
        assert.equal(
          altered((tbs) => {
            tbs.signature.algorithm = '1.2.840.10045.4.3.3'
          }),
          'crl_malformed',
        )
        assert.equal(
          altered((tbs) => {
            tbs.crlExtensions!.splice(0, 1)
          }),
          'crl_malformed',
        )
        assert.equal(
          altered((tbs) => {
            tbs.crlExtensions!.splice(1, 1)
          }),
          'crl_malformed',
        )
        assert.equal(
          altered((tbs) => {
            Reflect.deleteProperty(tbs, 'crlExtensions')
          }),
          'crl_malformed',
        )
        assert.equal(
          altered((tbs) => {
            tbs.crlExtensions!.push(tbs.crlExtensions![0]!)
          }),
          'crl_malformed',
        )
        assert.equal(
          altered((tbs) => {
            tbs.crlExtensions![0]!.critical = true
          }),
          'crl_malformed',
        )
      })
      it('has entries that are understood', () => {
        const revoked = [Uint8Array.from(randomBytes(20), (byte, index) => (index === 0 ? 0x41 : byte))]
        assert.equal(list({ revoked }), 'UpToDate')
        assert.equal(list({ revoked: [Uint8Array.of(0, 1)] }), 'crl_malformed')
        assert.equal(list({ revoked: [new Uint8Array(22).fill(1)] }), 'crl_malformed')
        const entry = (change: (entry: NonNullable<TBSCertList['revokedCertificates']>[number]) => void) =>
          list({ revoked, alter: (tbs) => change(tbs.revokedCertificates![0]!) })
        assert.equal(
          entry(({ crlEntryExtensions }) => {
            crlEntryExtensions![0]!.critical = true
          }),
          'crl_malformed',
        )
        assert.equal(
          entry(({ crlEntryExtensions }) => {
            crlEntryExtensions!.push(crlEntryExtensions![0]!)
          }),
          'crl_malformed',
        )
      })
      it('is refused whole when one of its bits is another', () => {
        const bytes = collateral[field]
        for (let at = 0; at < bytes.length; at += 3) {
          assert.match(other({ [field]: flipped(bytes, at, at % 8) }), /^crl_(malformed|signature)$/, `byte ${at}`)
        }
      })
    })
  }

  it('revoke PCK, CA and TCB signer', () => {
    const revoke = (serial: Uint8Array) => [Uint8Array.of(0x55), serial, Uint8Array.of(0x66)]
    const by = (field: 'revokedByRoot' | 'revokedByCa', serial: Uint8Array) =>
      judge(sound, pki.collateral(NOW_MS, { [field]: revoke(serial) }))
    assert.equal(by('revokedByCa', platform.pck.certificate.serial), 'certificate_revoked')
    assert.equal(by('revokedByRoot', pki.platformCa.certificate.serial), 'certificate_revoked')
    assert.equal(by('revokedByRoot', pki.tcbSigning.certificate.serial), 'certificate_revoked')
    assert.equal(by('revokedByCa', pki.platform().pck.certificate.serial), 'UpToDate')
    // The root's list says nothing about PCKs, nor the CA's about the root's.
    assert.equal(by('revokedByRoot', platform.pck.certificate.serial), 'UpToDate')
    assert.equal(by('revokedByCa', pki.tcbSigning.certificate.serial), 'UpToDate')
  })

  it('are read when they are long, and not when they are endless', function () {
    this.timeout(20_000)
    const serials = (count: number) =>
      Array.from({ length: count }, (_, index) => Uint8Array.of(0x40, index >> 8, index & 0xff, 1))
    assert.equal(judge(sound, { ...collateral, pckCrl: crl(pki.platformCa, { revoked: serials(1000) }) }), 'UpToDate')
    const revoked = [...serials(1000), platform.pck.certificate.serial]
    assert.equal(judge(sound, { ...collateral, pckCrl: crl(pki.platformCa, { revoked }) }), 'certificate_revoked')
    assert.equal(other({ pckCrl: new Uint8Array(1024 * 1024 + 1) }), 'crl_malformed')
  })
})

type Change = [what: string, change: (document: Record<string, unknown>) => void]
const set = (key: string, value: unknown): Change => [
  `${key} = ${JSON.stringify(value)?.slice(0, 60)}`,
  (document) => {
    const path = key.split('.')
    const last = path.pop()!
    const parent = path.reduce((found, step) => found[step] as Record<string, unknown>, document)
    if (value === undefined) Reflect.deleteProperty(parent, last)
    else parent[last] = value
  },
]
const WRONG_TYPES = [undefined, null, true, {}, [], '', 'text', -1, 0.5, 2 ** 32, 1e300]
const not = (key: string, ...fine: unknown[]): Change[] =>
  WRONG_TYPES.filter((value) => !fine.includes(value)).map((value) => set(key, value))
const NOT_DATES = [
  '2025-11-01',
  '2025-11-01T00:00:00',
  '2025-11-01T00:00:00.000Z',
  '2025-11-01T00:00:00+00:00',
  '2025-02-30T00:00:00Z',
  '2025-11-01T24:00:00Z',
  '2025-11-01T00:00:60Z',
  '+25-11-01T00:00:00Z',
  ' 2025-11-01T00:00:00Z',
]
const dates = (key: string): Change[] => [...not(key), ...NOT_DATES.map((value) => set(key, value))]
const hex = (key: string, bytes: number): Change[] => [
  ...not(key),
  ...['00'.repeat(bytes - 1), '00'.repeat(bytes + 1), 'zz'.repeat(bytes), `0x${'00'.repeat(bytes)}`].map((value) =>
    set(key, value),
  ),
]
const isvLevels = (key: string, versions: Change[]): Change[] => [
  ...not(key),
  set(key, new Array(1001).fill({})),
  ...not(`${key}.0`),
  ...not(`${key}.0.tcb`),
  ...not(`${key}.0.tcb.isvsvn`),
  ...dates(`${key}.0.tcbDate`),
  ...not(`${key}.0.tcbStatus`, ...(versions.length === 0 ? ['', 'text'] : [])),
  ...versions,
  set(`${key}.0.advisoryIDs`, null),
  set(`${key}.0.advisoryIDs`, 'INTEL-SA-1'),
  set(`${key}.0.advisoryIDs`, [1]),
  set(`${key}.0.advisoryIDs`, {}),
]

describe('TCB info', () => {
  const components = (key: string): Change[] => [
    ...not(key),
    set(key, new Array(15).fill({ svn: 0 })),
    set(key, new Array(17).fill({ svn: 0 })),
    ...not(`${key}.0`),
    ...not(`${key}.0.svn`),
    set(`${key}.0.svn`, 256),
    set(`${key}.0.svn`, '1'),
  ]
  const changes: Change[] = [
    ...not('id'),
    ...['SGX', 'tdx', 'TD_QE', 'TDX '].map((value) => set('id', value)),
    ...not('version'),
    ...[2, 4, '3'].map((value) => set('version', value)),
    ...not('tcbType'),
    set('tcbType', 1),
    ...dates('issueDate'),
    ...dates('nextUpdate'),
    ...hex('fmspc', 6),
    ...hex('pceId', 2),
    ...not('tcbEvaluationDataNumber'),
    ...not('tdxModule'),
    ...hex('tdxModule.mrsigner', 48),
    ...hex('tdxModule.attributes', 8),
    ...hex('tdxModule.attributesMask', 8),
    ...not('tdxModuleIdentities', undefined),
    ...not('tdxModuleIdentities.0'),
    ...not('tdxModuleIdentities.0.id', '', 'text'),
    ...hex('tdxModuleIdentities.0.mrsigner', 48),
    ...hex('tdxModuleIdentities.0.attributes', 8),
    ...hex('tdxModuleIdentities.0.attributesMask', 8),
    ...isvLevels('tdxModuleIdentities.0.tcbLevels', []),
    set('tdxModuleIdentities.0.tcbLevels.0.tcb.isvsvn', 256),
    ...not('tcbLevels'),
    ...not('tcbLevels.0'),
    ...not('tcbLevels.0.tcb'),
    ...not('tcbLevels.0.tcb.pcesvn'),
    ...components('tcbLevels.0.tcb.sgxtcbcomponents'),
    ...components('tcbLevels.0.tcb.tdxtcbcomponents'),
    ...dates('tcbLevels.0.tcbDate'),
    ...not('tcbLevels.0.tcbStatus'),
    ...['uptodate', 'Unknown', 'TDRelaunchAdvised', '__proto__'].map((value) => set('tcbLevels.0.tcbStatus', value)),
    set('tcbLevels.0.advisoryIDs', null),
    set('tcbLevels.0.advisoryIDs', [null]),
  ]
  it('is refused where a field is missing, of another type or out of its range', () => {
    for (const [what, change] of changes) {
      const document = tcbInfo()
      change(document as never)
      assert.throws(() => readTcbInfo(JSON.stringify(document)), { reason: 'tcb_info_malformed' }, what)
    }
  })
  it('with a field out of its range makes collateral refused', () => {
    assert.equal(
      judge(
        sound,
        withTcbInfo((info) => {
          info.version = 4
        }),
      ),
      'tcb_info_malformed',
    )
    assert.equal(
      judge(
        sound,
        withQeIdentity((identity) => {
          identity.version = 1
        }),
      ),
      'qe_identity_malformed',
    )
  })
  it('is refused where two levels are equal, wherever they stand', () => {
    assert.equal(
      judge(
        sound,
        withTcbInfo(({ tcbLevels }) => tcbLevels.push({ ...tcbLevels[0]!, tcbStatus: 'Revoked' })),
      ),
      'tcb_info_malformed',
    )
    const twice = withTcbInfo(({ tdxModuleIdentities: [, module] }) => module!.tcbLevels.push(module!.tcbLevels[0]!))
    assert.equal(judge(sound, twice), 'tcb_info_malformed')
  })
  it('is for the family and PCE of the platform', () => {
    assert.equal(
      judge(
        sound,
        withTcbInfo((info) => {
          info.fmspc = 'E0E0E0000001'
        }),
      ),
      'platform_mismatch',
    )
    assert.equal(
      judge(
        sound,
        withTcbInfo((info) => {
          info.pceId = '0001'
        }),
      ),
      'platform_mismatch',
    )
    assert.equal(
      judge(
        sound,
        withTcbInfo((info) => {
          info.fmspc = info.fmspc.toLowerCase()
        }),
      ),
      'UpToDate',
    )
    assert.equal(judge(pki.platform({ fmspc: Uint8Array.of(1, 2, 3, 4, 5, 6) }).quote()), 'platform_mismatch')
    assert.equal(judge(pki.platform({ pceId: Uint8Array.of(0, 1) }).quote()), 'platform_mismatch')
  })
  it('may have fields that are not read, and more of the advisories', () => {
    const more = withTcbInfo((info) => Object.assign(info, { comment: { deep: [1, 2, { x: null }] } }))
    assert.equal(judge(sound, more), 'UpToDate')
  })
  it('is signed by the TCB signer over its exact text', () => {
    const { tcbInfo: text, tcbInfoSignature } = collateral
    assert.equal(other({ tcbInfo: `${text} ` }), 'tcb_info_signature')
    assert.equal(other({ tcbInfo: text.replace('"pcesvn":13', '"pcesvn":12') }), 'tcb_info_signature')
    assert.equal(other({ tcbInfo: '' }), 'tcb_info_signature')
    assert.equal(other({ tcbInfoSignature: tcbInfoSignature.subarray(0, 63) }), 'tcb_info_signature')
    assert.equal(other({ tcbInfoSignature: Buffer.concat([tcbInfoSignature, Buffer.of(0)]) }), 'tcb_info_signature')
    assert.equal(other({ tcbInfoSignature: new Uint8Array(64) }), 'tcb_info_signature')
    assert.equal(other({ tcbInfoSignature: collateral.qeIdentitySignature }), 'tcb_info_signature')
    assert.equal(
      other({ tcbInfo: collateral.qeIdentity, tcbInfoSignature: collateral.qeIdentitySignature }),
      'tcb_info_malformed',
    )
  })
  it('is one JSON text: each key once, nothing between the tokens', () => {
    const text = JSON.stringify(tcbInfo())
    const refused = [
      text.replace('{"id"', '{"fmspc":"000000000000","id"'),
      text.replace('"svn":2', '"svn":9,"svn":2'),
      text.replace('{"id"', '{"__proto__":{"version":3},"id"').replace('"version":3,', ''),
      text.replace('"version":3', '"version":3.0'),
      text.replace('"version":3', '"version":3e0'),
      text.replace('"version":3', '"version": 3'),
      text.replace('"TDX"', '"\\u0054DX"'),
      text.replace('"pcesvn":13', '"pcesvn":1e400'),
      text.replace('"pcesvn":13', '"pcesvn":-0'),
      `[${text}]`,
      text.slice(0, -1),
      `${text}${text}`,
      `\ufeff${text}`,
      '['.repeat(100_000),
      `${'['.repeat(50_000)}${']'.repeat(50_000)}`,
      'null',
      '"text"',
      '3',
      '',
    ]
    for (const tampered of refused) {
      assert.equal(judge(sound, withDocuments({ tcbInfo: tampered })), 'tcb_info_malformed', tampered.slice(0, 80))
    }
    // A key that is only called like the prototype is a key like any other.
    assert.equal(judge(sound, withDocuments({ tcbInfo: text.replace('{"id"', '{"__proto__":7,"id"') })), 'UpToDate')
  })
})

describe('QE identity', () => {
  const changes: Change[] = [
    ...not('id'),
    ...['QE', 'QVE', 'td_qe', 'TDX'].map((value) => set('id', value)),
    ...not('version'),
    ...[1, 4, '2'].map((value) => set('version', value)),
    ...dates('issueDate'),
    ...dates('nextUpdate'),
    ...not('tcbEvaluationDataNumber'),
    ...hex('miscselect', 4),
    ...hex('miscselectMask', 4),
    ...hex('attributes', 16),
    ...hex('attributesMask', 16),
    ...hex('mrsigner', 32),
    ...not('isvprodid'),
    ...isvLevels(
      'tcbLevels',
      ['SWHardeningNeeded', 'ConfigurationAndSWHardeningNeeded', 'uptodate', '__proto__'].map((value) =>
        set('tcbLevels.0.tcbStatus', value),
      ),
    ),
  ]
  it('is refused where a field is missing, of another type or out of its range', () => {
    for (const [what, change] of changes) {
      const document = qeIdentity()
      change(document as never)
      assert.throws(() => readQeIdentity(JSON.stringify(document)), { reason: 'qe_identity_malformed' }, what)
    }
  })
  it('has version 2 or 3', () => {
    assert.equal(
      judge(
        sound,
        withQeIdentity((identity) => {
          identity.version = 3
        }),
      ),
      'UpToDate',
    )
  })
  it('is signed by the TCB signer over its exact text', () => {
    assert.equal(other({ qeIdentity: `${collateral.qeIdentity} ` }), 'qe_identity_signature')
    assert.equal(other({ qeIdentitySignature: collateral.tcbInfoSignature }), 'qe_identity_signature')
    assert.equal(other({ qeIdentitySignature: new Uint8Array(0) }), 'qe_identity_signature')
    assert.equal(
      other({ qeIdentity: collateral.tcbInfo, qeIdentitySignature: collateral.tcbInfoSignature }),
      'qe_identity_malformed',
    )
  })
  it('is one JSON text', () => {
    const text = JSON.stringify(qeIdentity())
    for (const tampered of [text.replace('"isvprodid":2', '"isvprodid":1,"isvprodid":2'), `${text}\n`, `[${text}]`]) {
      assert.equal(judge(sound, withDocuments({ qeIdentity: tampered })), 'qe_identity_malformed')
    }
  })
})

describe('time', () => {
  const at = (given: Collateral, nowMs: number) => judge(sound, given, { nowMs })
  it('is inside every window, to the millisecond', () => {
    const second = 1000
    for (const document of [withTcbInfo, withQeIdentity]) {
      const given = document((json) => {
        json.issueDate = iso(NOW_MS - 60 * second)
        json.nextUpdate = iso(NOW_MS + 60 * second)
      })
      assert.equal(at(given, NOW_MS - 60 * second), 'UpToDate')
      assert.equal(at(given, NOW_MS - 60 * second - 1), 'not_yet_valid')
      assert.equal(at(given, NOW_MS + 60 * second), 'UpToDate')
      assert.equal(at(given, NOW_MS + 60 * second + 1), 'expired')
    }
  })
  it('that is no time is never valid', () => {
    for (const nowMs of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -1, 0]) {
      assert.match(at(collateral, nowMs), /^(expired|not_yet_valid)$/)
      const result = verifyQuote(sound, prepared, nowMs)
      assert.ok(!result.ok && /^(expired|not_yet_valid)$/.test(result.reason))
    }
  })
  it('of documents runs forward', () => {
    for (const document of [withTcbInfo, withQeIdentity]) {
      const swapped = document((json) => {
        ;[json.issueDate, json.nextUpdate] = [json.nextUpdate, json.issueDate]
      })
      assert.match(at(swapped, NOW_MS), /_malformed$/)
    }
  })
  it('goes on after collateral was prepared', () => {
    const result = verifyQuote(sound, prepared, prepared.expiresMs + 1)
    assert.equal(!result.ok && result.reason, 'expired')
    assert.equal(verifyQuote(sound, prepared, prepared.expiresMs).ok, true)
    const early = verifyQuote(sound, prepared, prepared.notBeforeMs - 1)
    assert.equal(!early.ok && early.reason, 'not_yet_valid')
  })
  it('that is too early is told, once every signature holds: a late clock can be put right', () => {
    const thrown = (given: Collateral, nowMs: number): DcapError => {
      try {
        prepareCollateral(given, pki.rootDer, nowMs)
      } catch (error) {
        assert.ok(error instanceof DcapError)
        return error
      }
      throw new Error('accepted')
    }
    const early = thrown(collateral, NOW_MS - 100 * DAY_MS)
    assert.equal(early.reason, 'not_yet_valid')
    assert.equal(early.code, 'dcap_not_yet_valid')
    assert.equal(early.notBeforeMs, prepared.notBeforeMs)
    assert.equal(thrown({ ...collateral, tcbInfoSignature: new Uint8Array(64) }, NOW_MS - 100 * DAY_MS).notBeforeMs, undefined)
    assert.equal(thrown(collateral, NOW_MS + 100 * DAY_MS).notBeforeMs, undefined)
  })
})

describe('prepared collateral', () => {
  it('knows what it is for, how old it is and until when it holds', () => {
    const made = pki.collateral(NOW_MS)
    const old = { issueDate: iso(NOW_MS - 5 * DAY_MS), nextUpdate: iso(NOW_MS + 20 * DAY_MS) }
    const result = prepareCollateral(
      {
        ...withDocuments({
          tcbInfo: { ...tcbInfo(), ...old, tcbEvaluationDataNumber: 20 },
          qeIdentity: { ...qeIdentity(), tcbEvaluationDataNumber: 19 },
        }),
        rootCaCrl: crl(pki.root, { thisUpdateMs: NOW_MS - 200 * DAY_MS, nextUpdateMs: NOW_MS + 100 * DAY_MS }),
        pckCrl: crl(pki.platformCa, { thisUpdateMs: NOW_MS - 2 * DAY_MS, nextUpdateMs: NOW_MS + 9 * DAY_MS }),
      },
      pki.rootDer,
      NOW_MS,
    )
    assert.equal(Buffer.from(result.fmspc).toString('hex'), 'e0e0e0000000')
    assert.equal(Buffer.from(result.pceId).toString('hex'), '0000')
    assert.equal(result.tcbEvaluationDataNumber, 19)
    assert.equal(result.issueDateMs, NOW_MS - 3_600_000)
    // Intel renews the root's list once a year: its age says nothing.
    assert.equal(result.issuedAtMs, NOW_MS - 5 * DAY_MS)
    assert.equal(result.notBeforeMs, NOW_MS - 3_600_000)
    assert.equal(result.expiresMs, NOW_MS + 9 * DAY_MS)
    assert.notEqual(result.digest, prepareCollateral(made, pki.rootDer, NOW_MS).digest)
    assert.equal(prepareCollateral(made, pki.rootDer, NOW_MS).digest, prepareCollateral(made, pki.rootDer, NOW_MS).digest)
  })
  it('refuses pieces that are missing or of another type', () => {
    for (const key of Object.keys(collateral) as (keyof Collateral)[]) {
      for (const value of [undefined, null, 7, {}, [], typeof collateral[key] === 'string' ? new Uint8Array(9) : 'text']) {
        assert.equal(other({ [key]: value as never }), 'collateral_malformed', key)
      }
      if (typeof collateral[key] === 'string')
        assert.equal(other({ [key]: ' '.repeat(256 * 1024 + 1) }), 'collateral_malformed', key)
    }
  })
})

describe('collateral as JSON', () => {
  it('comes back as it was', () => {
    const json = collateralToJson(collateral)
    assert.deepEqual(Object.keys(json).sort(), [
      'pck_crl',
      'pck_crl_issuer_chain',
      'qe_identity',
      'qe_identity_issuer_chain',
      'qe_identity_signature',
      'root_ca_crl',
      'tcb_info',
      'tcb_info_issuer_chain',
      'tcb_info_signature',
    ])
    const back = collateralFromJson(JSON.parse(JSON.stringify(json)))
    assert.equal(judge(sound, back), 'UpToDate')
    assert.deepEqual(collateralToJson(back), json)
  })
  it('is refused with a field missing, of another type, inherited or not hex', () => {
    const json = collateralToJson(collateral)
    const refused = { reason: 'collateral_malformed' }
    for (const nothing of [undefined, null, 7, 'text', []]) assert.throws(() => collateralFromJson(nothing), refused)
    assert.throws(() => collateralFromJson(Object.create(json)), refused)
    for (const key of Object.keys(json)) {
      assert.throws(() => collateralFromJson({ ...json, [key]: undefined }), refused)
      assert.throws(() => collateralFromJson({ ...json, [key]: [json[key]] }), refused)
    }
    for (const key of ['root_ca_crl', 'pck_crl', 'tcb_info_signature', 'qe_identity_signature']) {
      for (const text of ['0', 'zz', '0x00', ' 00', `${json[key]}0`]) {
        assert.throws(() => collateralFromJson({ ...json, [key]: text }), refused)
      }
    }
  })
})

it('INTEL_ROOT is Intel’s published root, by its fingerprint', () => {
  const fingerprint = createHash('sha256').update(INTEL_ROOT).digest('hex')
  assert.equal(fingerprint, '44a0196b2b99f889b8e149e95b807a350e7424964399e885a7cbb8ccfab674d3')
})

it('refusals have reasons out of one closed set, and codes made from them', () => {
  assert.equal(new Set(DCAP_REASONS).size, DCAP_REASONS.length)
  for (const reason of DCAP_REASONS) assert.match(new DcapError(reason, 'why').code, /^dcap_[a-z_]+$/)
})
