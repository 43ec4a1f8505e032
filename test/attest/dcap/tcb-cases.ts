import type { Collateral } from '../../../src/attest/dcap/index.ts'
import type { IsvLevel, TcbLevel } from '../../../src/attest/emulator/index.ts'
import { pki, qeIdentity, seeded, tcbInfo, withDocuments } from './forge.ts'

const STATUSES = [
  'UpToDate',
  'SWHardeningNeeded',
  'ConfigurationNeeded',
  'ConfigurationAndSWHardeningNeeded',
  'OutOfDate',
  'OutOfDateConfigurationNeeded',
]
const ISV_STATUSES = ['UpToDate', 'UpToDate', 'OutOfDate', 'OutOfDate', 'Revoked']
/** Most quotes are of module version 1; 5 is a version that no TCB info knows. */
const MODULE_VERSIONS = [0, 0, 0, 1, 1, 1, 1, 1, 1, 3, 5]

/** The draws of one case. Their order is what makes a seed mean the same here as where Intel's verdicts were taken. */
class Draw {
  readonly uniform: () => number
  constructor(seed: number) {
    this.uniform = seeded(seed * 7919 + 13)
  }
  below(limit: number): number {
    return Math.floor(this.uniform() * limit)
  }
  of<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)]!
  }
  list<T>(length: number, make: (index: number) => T): T[] {
    return Array.from({ length }, (_, index) => make(index))
  }
  /** `drawn` components below `limit`, then zeros. */
  components(limit: number, drawn: number): { svn: number }[] {
    return this.list(16, (index) => ({ svn: index < drawn ? this.below(limit) : 0 }))
  }
  /** Rather high, so that some level is reached. */
  high(limit: number): number {
    return Math.max(this.below(limit), this.below(limit)) + (this.uniform() < 0.5 ? 1 : 0)
  }
  status(): string {
    return this.uniform() < 0.06 ? 'Revoked' : this.of(STATUSES)
  }
}

const tcbDate = '2024-03-13T00:00:00Z'
const withoutEqual = <T extends { tcb: unknown }>(levels: T[]): T[] => {
  const keys = levels.map(({ tcb }) => JSON.stringify(tcb))
  return levels.filter((_, index) => keys.indexOf(keys[index]!) === index)
}

/** A random TCB info, QE identity and platform, and a quote of that platform. */
export const tcbCase = (seed: number): { quote: Uint8Array; collateral: Collateral } => {
  const draw = new Draw(seed)
  const spread = 1 + draw.below(4)
  const limit = 2 + draw.below(4)
  // Now and then what is badly formed is left in: equal levels, statuses that a module or an enclave cannot have.
  const odd = draw.uniform() < 0.1
  const tidy = <T extends { tcb: unknown }>(levels: T[]): T[] => (odd ? levels : withoutEqual(levels))

  const level = (): TcbLevel => {
    const sgxtcbcomponents = draw.components(limit, spread)
    const pcesvn = draw.below(6)
    const tdxtcbcomponents = draw.components(limit, 3 + draw.below(2))
    return { tcb: { sgxtcbcomponents, pcesvn, tdxtcbcomponents }, tcbDate, tcbStatus: draw.status() }
  }
  const isvLevels = (svns: number): IsvLevel[] => {
    const levels = draw.list(1 + draw.below(3), () => ({
      tcb: { isvsvn: draw.below(svns) },
      tcbDate,
      tcbStatus: odd ? draw.status() : draw.of(ISV_STATUSES),
    }))
    return tidy(levels).sort((a, b) => b.tcb.isvsvn - a.tcb.isvsvn)
  }

  const tcbLevels = tidy(draw.list(1 + draw.below(5), level))
  const modules = ['TDX_01', 'TDX_03'].slice(0, draw.uniform() < 0.8 ? 2 : 1)
  const info = tcbInfo()
  const collateral = withDocuments({
    tcbInfo: {
      ...info,
      tcbLevels,
      tdxModuleIdentities: modules.map((id) => ({ id, ...info.tdxModule, tcbLevels: isvLevels(4) })),
    },
    qeIdentity: { ...qeIdentity(), tcbLevels: isvLevels(5) },
  })

  const cpuSvn = Uint8Array.from(draw.list(16, (index) => (index < spread ? draw.high(limit + 1) : 0)))
  const platform = pki.platform({ cpuSvn, pceSvn: draw.high(7) })
  const svns = () => {
    const first = [draw.high(6), draw.of(MODULE_VERSIONS), draw.high(limit), draw.high(limit), draw.high(limit)]
    return Uint8Array.from({ length: 16 }, (_, index) => first[index] ?? 0)
  }
  const version = draw.of([4, 4, 5, 5] as const)
  const td15 = version === 5 && draw.uniform() < 0.7
  const teeTcbSvn = svns()
  const quote = platform.quote({
    version,
    bodyType: td15 ? 3 : 2,
    teeTcbSvn,
    ...(td15 ? { teeTcbSvn2: svns() } : {}),
    qeIsvSvn: draw.high(7),
  })
  return { quote, collateral }
}
