import { type Collateral, DcapError } from '../dcap/index.ts'
import { readQeIdentity, readTcbInfo } from '../dcap/tcb.ts'

/** What collateral says of its own age, unverified: for who shows it, not for who judges by it. Times are Unix milliseconds. */
export interface CollateralDates {
  /** The older one of TCB info and QE identity; likewise below. */
  readonly issuedAtMs: number
  readonly nextUpdateMs: number
  readonly tcbEvaluationDataNumber: number
}

/** Undefined where it cannot be read. */
export const collateralDates = ({ tcbInfo, qeIdentity }: Collateral): CollateralDates | undefined => {
  try {
    const both = [readTcbInfo(tcbInfo), readQeIdentity(qeIdentity)]
    return {
      issuedAtMs: Math.min(...both.map(({ issueDateMs }) => issueDateMs)),
      nextUpdateMs: Math.min(...both.map(({ nextUpdateMs }) => nextUpdateMs)),
      tcbEvaluationDataNumber: Math.min(...both.map((part) => part.tcbEvaluationDataNumber)),
    }
  } catch (error) {
    if (error instanceof DcapError) return undefined
    throw error
  }
}
