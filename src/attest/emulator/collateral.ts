import { sign } from 'node:crypto'
import type { Collateral } from '../dcap/index.ts'
import type { Issuer } from './certificates.ts'

/** Family of the emulated processor: a value that Intel has given to none. */
export const EMULATED_FMSPC = 'E0E0E0000000'
export const EMULATED_PCE_ID = '0000'
/** What the emulated platform's certificate, TDX module and quoting enclave say, and what the newest TCB levels ask for. */
export const EMULATED_CPU_SVN: readonly number[] = [2, 2, 2, 2, 3, 1, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0]
export const EMULATED_PCE_SVN = 13
/** TDX module 1.x ("TDX_01") with security version 6. */
export const EMULATED_TEE_TCB_SVN: readonly number[] = [6, 1, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
export const EMULATED_QE_SVN = 4
export const QE_MR_SIGNER = 'DC9E2A7C6F948F17474E34A7FC43ED030F7C1563F1BABDDF6340C82E0E54A8C5'

export interface TcbLevel {
  tcb: {
    sgxtcbcomponents: { svn: number }[]
    pcesvn: number
    tdxtcbcomponents: { svn: number }[]
  }
  tcbDate: string
  tcbStatus: string
  advisoryIDs?: string[]
}
export interface IsvLevel {
  tcb: { isvsvn: number }
  tcbDate: string
  tcbStatus: string
  advisoryIDs?: string[]
}
interface ModuleFields {
  mrsigner: string
  attributes: string
  attributesMask: string
}

/** Intel's TCB info, version 3 (PCS v4 "Get TDX TCB Info"). */
export interface TcbInfo {
  id: string
  version: number
  issueDate: string
  nextUpdate: string
  fmspc: string
  pceId: string
  tcbType: number
  tcbEvaluationDataNumber: number
  tdxModule: ModuleFields
  tdxModuleIdentities: (ModuleFields & { id: string; tcbLevels: IsvLevel[] })[]
  tcbLevels: TcbLevel[]
}

/** Intel's identity of the TD quoting enclave (PCS v4 "Get TD QE Identity"). */
export interface QeIdentity {
  id: string
  version: number
  issueDate: string
  nextUpdate: string
  tcbEvaluationDataNumber: number
  miscselect: string
  miscselectMask: string
  attributes: string
  attributesMask: string
  mrsigner: string
  isvprodid: number
  tcbLevels: IsvLevel[]
}

/** Both in Unix milliseconds. */
export interface Dates {
  issuedMs: number
  expiresMs: number
}

/** `2024-03-13T00:00:00Z`: Intel writes whole seconds. */
export const isoSeconds = (ms: number): string => `${new Date(ms).toISOString().slice(0, 19)}Z`

const components = (values: readonly number[]) => values.map((svn) => ({ svn }))
/** TDX components of a level: the module's security and major version (not compared for TDX_01 and up), and the late microcode's. */
const tdxComponents = (module: number, microcode: number) => components([module, 0, microcode, ...new Array<number>(13).fill(0)])
const intelModule: ModuleFields = {
  mrsigner: '0'.repeat(96),
  attributes: '0'.repeat(16),
  attributesMask: 'F'.repeat(16),
}

/** What the emulated Intel says of its one processor family: the platform as it is made is up to date, an older one is not. */
export const emulatedTcbInfo = ({ issuedMs, expiresMs }: Dates): TcbInfo => ({
  id: 'TDX',
  version: 3,
  issueDate: isoSeconds(issuedMs),
  nextUpdate: isoSeconds(expiresMs),
  fmspc: EMULATED_FMSPC,
  pceId: EMULATED_PCE_ID,
  tcbType: 0,
  tcbEvaluationDataNumber: 18,
  tdxModule: intelModule,
  tdxModuleIdentities: [
    {
      id: 'TDX_03',
      ...intelModule,
      tcbLevels: [{ tcb: { isvsvn: 3 }, tcbDate: '2024-11-13T00:00:00Z', tcbStatus: 'UpToDate' }],
    },
    {
      id: 'TDX_01',
      ...intelModule,
      tcbLevels: [
        { tcb: { isvsvn: 4 }, tcbDate: '2024-03-13T00:00:00Z', tcbStatus: 'UpToDate' },
        { tcb: { isvsvn: 2 }, tcbDate: '2023-08-09T00:00:00Z', tcbStatus: 'OutOfDate', advisoryIDs: ['INTEL-SA-01036'] },
      ],
    },
  ],
  tcbLevels: [
    {
      tcb: { sgxtcbcomponents: components(EMULATED_CPU_SVN), pcesvn: 13, tdxtcbcomponents: tdxComponents(5, 6) },
      tcbDate: '2024-03-13T00:00:00Z',
      tcbStatus: 'UpToDate',
    },
    {
      tcb: {
        sgxtcbcomponents: components([2, 2, 2, 2, 2, 1, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0]),
        pcesvn: 5,
        tdxtcbcomponents: tdxComponents(3, 4),
      },
      tcbDate: '2022-08-10T00:00:00Z',
      tcbStatus: 'OutOfDate',
      advisoryIDs: ['INTEL-SA-00837'],
    },
  ],
})

export const emulatedQeIdentity = ({ issuedMs, expiresMs }: Dates): QeIdentity => ({
  id: 'TD_QE',
  version: 2,
  issueDate: isoSeconds(issuedMs),
  nextUpdate: isoSeconds(expiresMs),
  tcbEvaluationDataNumber: 18,
  miscselect: '00000000',
  miscselectMask: 'FFFFFFFF',
  attributes: '11000000000000000000000000000000',
  attributesMask: 'FBFFFFFFFFFFFFFF0000000000000000',
  mrsigner: QE_MR_SIGNER,
  isvprodid: 2,
  tcbLevels: [{ tcb: { isvsvn: EMULATED_QE_SVN }, tcbDate: '2024-03-13T00:00:00Z', tcbStatus: 'UpToDate' }],
})

/** The nine pieces, the two documents signed over their exact text (raw r ‖ s). A string is taken as the text. */
export const signCollateral = (parts: {
  signer: Issuer
  signerChain: string
  tcbInfo: object | string
  qeIdentity: object | string
  pckCrlIssuerChain: string
  rootCaCrl: Uint8Array
  pckCrl: Uint8Array
}): Collateral => {
  const text = (document: object | string) => (typeof document === 'string' ? document : JSON.stringify(document))
  const signature = (signed: string) =>
    Uint8Array.from(sign('sha256', Buffer.from(signed), { key: parts.signer.privateKey, dsaEncoding: 'ieee-p1363' }))
  const tcbInfo = text(parts.tcbInfo)
  const qeIdentity = text(parts.qeIdentity)
  return {
    pckCrlIssuerChain: parts.pckCrlIssuerChain,
    rootCaCrl: parts.rootCaCrl,
    pckCrl: parts.pckCrl,
    tcbInfoIssuerChain: parts.signerChain,
    tcbInfo,
    tcbInfoSignature: signature(tcbInfo),
    qeIdentityIssuerChain: parts.signerChain,
    qeIdentity,
    qeIdentitySignature: signature(qeIdentity),
  }
}
