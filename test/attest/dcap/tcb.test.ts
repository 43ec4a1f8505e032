import assert from 'node:assert/strict'
import type { Collateral } from '../../../src/attest/dcap/index.ts'
import type { PlatformOverrides, QuoteFields, TcbInfo } from '../../../src/attest/emulator/index.ts'
import { accepted, judge, pki, platform, tcbInfo, withDocuments, withQeIdentity, withTcbInfo } from './forge.ts'

const zeros = (length: number) => new Array<number>(length).fill(0)
const svns = (...first: number[]) => Uint8Array.from([...first, ...zeros(16 - first.length)])
const components = (...first: number[]) => [...svns(...first)].map((svn) => ({ svn }))

interface LevelFields {
  sgx?: number[]
  pce?: number
  tdx?: number[]
  status: string
  date?: string
  advisories?: string[]
}
const level = ({ sgx = [1], pce = 1, tdx = [1, 0, 1], status, date = '2024-03-13', advisories }: LevelFields) => ({
  tcb: { sgxtcbcomponents: components(...sgx), pcesvn: pce, tdxtcbcomponents: components(...tdx) },
  tcbDate: `${date}T00:00:00Z`,
  tcbStatus: status,
  ...(advisories ? { advisoryIDs: advisories } : {}),
})
const isvLevel = (isvsvn: number, tcbStatus: string, date = '2024-03-13', advisoryIDs?: string[]) => ({
  tcb: { isvsvn },
  tcbDate: `${date}T00:00:00Z`,
  tcbStatus,
  ...(advisoryIDs ? { advisoryIDs } : {}),
})
const levels = (...fields: LevelFields[]): Collateral =>
  withTcbInfo((info) => {
    info.tcbLevels = fields.map(level)
  })

/** One machine for each set of SVNs. */
const machines = new Map<string, ReturnType<typeof pki.platform>>()
const machine = (fields: PlatformOverrides = {}) => {
  const key = JSON.stringify(fields)
  const known = machines.get(key) ?? pki.platform({ cpuSvn: svns(1), pceSvn: 1, ...fields })
  machines.set(key, known)
  return known
}
const judgeOn = (collateral: Collateral, quote: QuoteFields = {}, sgx: PlatformOverrides = {}) =>
  judge(machine(sgx).quote({ teeTcbSvn: svns(1, 0, 1), ...quote }), collateral)

const LEVEL_STATUSES = [
  'UpToDate',
  'SWHardeningNeeded',
  'ConfigurationNeeded',
  'ConfigurationAndSWHardeningNeeded',
  'OutOfDate',
  'OutOfDateConfigurationNeeded',
]
/** What an outdated part makes of each. */
const OUTDATED = [
  'OutOfDate',
  'OutOfDate',
  'OutOfDateConfigurationNeeded',
  'OutOfDateConfigurationNeeded',
  'OutOfDate',
  'OutOfDateConfigurationNeeded',
]

describe('TCB levels', () => {
  it('give their status; Revoked refuses', () => {
    for (const status of LEVEL_STATUSES) assert.equal(judgeOn(levels({ status })), status)
    assert.equal(judgeOn(levels({ status: 'Revoked' })), 'tcb_revoked')
  })

  it('are reached when every component is', () => {
    const only = levels({ sgx: zeros(16).fill(1), pce: 1, tdx: zeros(16).fill(1), status: 'UpToDate' })
    const full = { cpuSvn: Uint8Array.from(zeros(16).fill(1)), pceSvn: 1 }
    const reached = Uint8Array.from(zeros(16).fill(1)).with(1, 0)
    const withoutVersion = levels({ sgx: zeros(16).fill(1), pce: 1, tdx: zeros(16).fill(1).with(1, 0), status: 'UpToDate' })
    assert.equal(judgeOn(withoutVersion, { teeTcbSvn: reached }, full), 'UpToDate')
    assert.equal(judgeOn(only, { teeTcbSvn: reached }, full), 'tcb_not_supported')
    for (let index = 0; index < 16; index++) {
      assert.equal(
        judgeOn(withoutVersion, { teeTcbSvn: reached }, { ...full, cpuSvn: full.cpuSvn.with(index, 0) }),
        'tcb_not_supported',
      )
      if (index !== 1) assert.equal(judgeOn(withoutVersion, { teeTcbSvn: reached.with(index, 0) }, full), 'tcb_not_supported')
    }
    assert.equal(judgeOn(withoutVersion, { teeTcbSvn: reached }, { ...full, pceSvn: 0 }), 'tcb_not_supported')
  })

  it('leave TDX components 0 and 1 to the module from its version 1 on', () => {
    const high = levels({ tdx: [200, 200, 1], status: 'UpToDate' })
    assert.equal(judgeOn(high, { teeTcbSvn: svns(4, 1, 1) }), 'UpToDate')
    assert.equal(judgeOn(high, { teeTcbSvn: svns(4, 0, 1) }), 'tcb_not_supported')
    assert.equal(judgeOn(high, { teeTcbSvn: svns(4, 1, 0) }), 'tcb_not_supported')
  })

  it('are taken newest first, in whatever order the document has them', () => {
    const ordered: LevelFields[] = [
      { sgx: [1, 1], pce: 0, tdx: [0], status: 'UpToDate' },
      { sgx: [1, 0], pce: 1, tdx: [1], status: 'SWHardeningNeeded' },
      { sgx: [1, 0], pce: 1, tdx: [0, 0, 9], status: 'ConfigurationNeeded' },
      { sgx: [1, 0], pce: 0, tdx: [9], status: 'OutOfDate' },
      { sgx: [0, 1], pce: 9, tdx: [9], status: 'OutOfDateConfigurationNeeded' },
    ]
    const high = { cpuSvn: svns(9, 9), pceSvn: 9 }
    for (let from = 0; from < ordered.length; from++) {
      const rest = ordered.slice(from)
      for (const order of [rest, rest.toReversed(), rest.toSorted((a, b) => a.status.localeCompare(b.status))]) {
        assert.equal(judgeOn(levels(...order), { teeTcbSvn: svns(9, 0, 9) }, high), rest[0]!.status)
      }
    }
  })

  it('count by the TDX side: a newer level that only the SGX side reaches does not', () => {
    const two = (first: string, second: string) =>
      levels({ sgx: [1], tdx: [9], status: first }, { sgx: [0], tdx: [0], status: second })
    assert.equal(judgeOn(two('UpToDate', 'OutOfDate')), 'OutOfDate')
    assert.equal(judgeOn(two('Revoked', 'OutOfDate')), 'OutOfDate')
    assert.equal(judgeOn(two('UpToDate', 'Revoked')), 'tcb_revoked')
  })

  it('tell their advisories and dates, with those of module and quoting enclave', () => {
    const info = tcbInfo()
    info.tcbLevels = [
      level({ sgx: [9], status: 'UpToDate', date: '2025-01-01' }),
      level({ status: 'OutOfDate', date: '2024-02-02', advisories: ['INTEL-SA-2', 'INTEL-SA-1'] }),
    ]
    info.tdxModuleIdentities[1]!.tcbLevels = [
      isvLevel(9, 'UpToDate'),
      isvLevel(1, 'OutOfDate', '2023-03-03', ['INTEL-SA-3', 'INTEL-SA-1']),
    ]
    const qeIdentity = withQeIdentity((identity) => {
      identity.tcbLevels = [isvLevel(4, 'UpToDate', '2024-04-04', ['INTEL-SA-4'])]
    })
    const collateral = {
      ...withDocuments({ tcbInfo: info }),
      qeIdentity: qeIdentity.qeIdentity,
      qeIdentitySignature: qeIdentity.qeIdentitySignature,
    }
    const result = accepted(machine().quote({ teeTcbSvn: svns(2, 1, 1) }), collateral)
    assert.deepEqual(result.advisories, ['INTEL-SA-1', 'INTEL-SA-2', 'INTEL-SA-3', 'INTEL-SA-4'])
    assert.equal(result.tcbDateMs, Date.parse('2023-03-03T00:00:00Z'))
    assert.equal(result.status, 'OutOfDate')
    assert.equal(result.tcbEvaluationDataNumber, 18)
  })
})

describe('the TDX module', () => {
  const withModule = (status: string, moduleStatus: string, svn = 2) =>
    withTcbInfo((info: TcbInfo) => {
      info.tcbLevels = [level({ status })]
      info.tdxModuleIdentities[1]!.tcbLevels = [isvLevel(svn, moduleStatus)]
    })
  const quote = { teeTcbSvn: svns(2, 1, 1) }
  it('that is up to date changes nothing, out of date outdates, revoked refuses', () => {
    for (const [index, status] of LEVEL_STATUSES.entries()) {
      assert.equal(judgeOn(withModule(status, 'UpToDate'), quote), status)
      assert.equal(judgeOn(withModule(status, 'OutOfDate'), quote), OUTDATED[index])
      assert.equal(judgeOn(withModule(status, 'Revoked'), quote), 'tcb_revoked')
    }
    assert.equal(judgeOn(withModule('Revoked', 'UpToDate'), quote), 'tcb_revoked')
    assert.equal(judgeOn(withModule('Revoked', 'OutOfDate'), quote), 'tcb_revoked')
  })
  it('that reaches no level, or one of an unknown status, is refused', () => {
    assert.equal(judgeOn(withModule('UpToDate', 'UpToDate', 3), quote), 'tcb_not_supported')
    for (const status of ['SWHardeningNeeded', 'ConfigurationNeeded', 'OutOfDateConfigurationNeeded', 'uptodate', '']) {
      assert.equal(judgeOn(withModule('UpToDate', status), quote), 'tcb_not_supported')
    }
  })
  it('has its newest reached level, in whatever order', () => {
    const collateral = withTcbInfo((info) => {
      info.tcbLevels = [level({ status: 'UpToDate' })]
      info.tdxModuleIdentities[1]!.tcbLevels = [
        isvLevel(1, 'Revoked'),
        isvLevel(5, 'Revoked'),
        isvLevel(2, 'UpToDate'),
        isvLevel(4, 'OutOfDate'),
      ]
    })
    const at = (svn: number) => judgeOn(collateral, { teeTcbSvn: svns(svn, 1, 1) })
    assert.deepEqual([0, 1, 2, 3, 4, 5, 255].map(at), [
      'tcb_not_supported',
      'tcb_revoked',
      'UpToDate',
      'UpToDate',
      'OutOfDate',
      'tcb_revoked',
      'tcb_revoked',
    ])
  })
  it('has no level of its own in version 0', () => {
    assert.equal(judgeOn(withModule('UpToDate', 'Revoked', 0), { teeTcbSvn: svns(1, 0, 1) }), 'UpToDate')
  })
})

describe('the quoting enclave', () => {
  const withQe = (...list: [isvSvn: number, status: string][]) =>
    withQeIdentity((identity) => {
      identity.tcbLevels = list.map(([svn, status]) => isvLevel(svn, status))
    })
  const at = (collateral: Collateral, qeIsvSvn: number) => judge(platform.quote({ qeIsvSvn }), collateral)
  it('that is up to date changes nothing, else it outdates, revoked refuses', () => {
    assert.equal(at(withQe([4, 'UpToDate']), 4), 'UpToDate')
    for (const status of ['OutOfDate', 'OutOfDateConfigurationNeeded', 'ConfigurationNeeded']) {
      assert.equal(at(withQe([4, status]), 4), 'OutOfDate')
    }
    assert.equal(at(withQe([4, 'Revoked']), 4), 'tcb_revoked')
    assert.equal(at(withQe([5, 'UpToDate']), 4), 'tcb_not_supported')
    const outdated = withQe([1, 'OutOfDate'])
    for (const [index, status] of LEVEL_STATUSES.entries()) {
      const both = { ...levels({ status }), qeIdentity: outdated.qeIdentity, qeIdentitySignature: outdated.qeIdentitySignature }
      assert.equal(judgeOn(both), OUTDATED[index])
    }
  })
  it('has the first level of the document that it reaches: Intel does not sort these', () => {
    assert.equal(at(withQe([6, 'UpToDate'], [4, 'OutOfDate'], [1, 'Revoked']), 7), 'UpToDate')
    assert.equal(at(withQe([6, 'UpToDate'], [4, 'OutOfDate'], [1, 'Revoked']), 5), 'OutOfDate')
    assert.equal(at(withQe([6, 'UpToDate'], [4, 'OutOfDate'], [1, 'Revoked']), 2), 'tcb_revoked')
    assert.equal(at(withQe([1, 'OutOfDate'], [6, 'UpToDate']), 7), 'OutOfDate')
  })
})

describe('a TD 1.5 under a newer module than the one that measured it', () => {
  interface Case {
    level?: LevelFields[]
    module?: string
    qe?: string
    /** SVN, version, loader of the module that runs now. */
    now?: number[]
    quote?: QuoteFields
  }
  const relaunch = ({
    level: list = [{ status: 'UpToDate', tdx: [3, 0, 2] }],
    module = 'OutOfDate',
    qe = 'UpToDate',
    now = [5, 1, 2],
    quote = {},
  }: Case = {}) => {
    const identity = withQeIdentity((document) => {
      document.tcbLevels = [isvLevel(1, qe)]
    })
    const info = withTcbInfo((document) => {
      document.tcbLevels = list.map(level)
      document.tdxModuleIdentities[1]!.tcbLevels = [isvLevel(5, 'UpToDate'), isvLevel(2, module)]
      document.tdxModuleIdentities[0]!.tcbLevels = [isvLevel(7, 'UpToDate')]
    })
    return judgeOn(
      { ...info, qeIdentity: identity.qeIdentity, qeIdentitySignature: identity.qeIdentitySignature },
      { version: 5, bodyType: 3, teeTcbSvn: svns(2, 1, 2), teeTcbSvn2: svns(...now), ...quote },
    )
  }
  it('is advised to start again, when nothing else is out of date', () => {
    assert.equal(relaunch(), 'TDRelaunchAdvised')
    assert.equal(relaunch({ level: [{ status: 'SWHardeningNeeded', tdx: [3, 0, 2] }] }), 'TDRelaunchAdvised')
    for (const status of ['ConfigurationNeeded', 'ConfigurationAndSWHardeningNeeded']) {
      assert.equal(relaunch({ level: [{ status, tdx: [3, 0, 2] }] }), 'TDRelaunchAdvisedConfigurationNeeded')
    }
  })
  it('is out of date all the same as a TD 1.0, or in a v4 quote', () => {
    assert.equal(relaunch({ quote: { bodyType: 2 } }), 'OutOfDate')
    assert.equal(relaunch({ quote: { version: 4 } }), 'OutOfDate')
  })
  it('is out of date when the newer module is not the newest', () => {
    assert.equal(relaunch({ now: [4, 1, 2] }), 'OutOfDate')
    assert.equal(relaunch({ now: [5, 1, 1] }), 'OutOfDate')
    assert.equal(relaunch({ now: [6, 1, 3] }), 'TDRelaunchAdvised')
    assert.equal(relaunch({ now: [6, 3, 2] }), 'OutOfDate')
    assert.equal(relaunch({ now: [7, 3, 2] }), 'TDRelaunchAdvised')
    assert.equal(relaunch({ now: [0, 0, 0] }), 'OutOfDate')
    // Of version 0, by the newest TCB level's own components.
    assert.equal(relaunch({ now: [3, 0, 2] }), 'TDRelaunchAdvised')
    assert.equal(relaunch({ now: [2, 0, 2] }), 'OutOfDate')
    assert.equal(relaunch({ now: [3, 0, 1] }), 'OutOfDate')
  })
  it('is refused when the newer module is unknown', () => {
    assert.equal(relaunch({ now: [9, 5, 9] }), 'tdx_module_mismatch')
  })
  it('keeps its status when the module was not what is out of date', () => {
    assert.equal(relaunch({ module: 'UpToDate' }), 'UpToDate')
    assert.equal(relaunch({ module: 'Revoked' }), 'tcb_revoked')
    assert.equal(relaunch({ module: 'UpToDate', now: [9, 5, 9] }), 'UpToDate')
    assert.equal(relaunch({ level: [{ status: 'OutOfDate', tdx: [3, 0, 2] }] }), 'OutOfDate')
    assert.equal(
      relaunch({ level: [{ status: 'OutOfDateConfigurationNeeded', tdx: [3, 0, 2] }] }),
      'OutOfDateConfigurationNeeded',
    )
    assert.equal(relaunch({ qe: 'OutOfDate' }), 'OutOfDate')
    assert.equal(relaunch({ qe: 'Revoked' }), 'tcb_revoked')
  })
  it('looks at the SGX side of the newest level reached, and at the newest of all', () => {
    const two = (first: string, second: string): LevelFields[] => [
      { sgx: [1], tdx: [9, 0, 9], status: first },
      { sgx: [0], tdx: [1, 0, 1], status: second },
    ]
    assert.equal(relaunch({ level: two('UpToDate', 'OutOfDate'), now: [5, 1, 9] }), 'TDRelaunchAdvised')
    assert.equal(relaunch({ level: two('UpToDate', 'OutOfDate'), now: [5, 1, 8] }), 'OutOfDate')
    assert.equal(relaunch({ level: two('OutOfDate', 'UpToDate'), now: [5, 1, 9] }), 'OutOfDate')
    assert.equal(relaunch({ level: two('Revoked', 'UpToDate'), now: [5, 1, 9] }), 'OutOfDate')
    assert.equal(
      relaunch({ level: two('ConfigurationNeeded', 'UpToDate'), now: [5, 1, 9] }),
      'TDRelaunchAdvisedConfigurationNeeded',
    )
    assert.equal(
      relaunch({ level: two('UpToDate', 'ConfigurationNeeded'), now: [5, 1, 9] }),
      'TDRelaunchAdvisedConfigurationNeeded',
    )
  })
})
