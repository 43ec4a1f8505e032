import type { TdBody } from '../dcap/index.ts'
import { registersOf } from './judge-td.ts'
import { type Policy, parsePolicy } from './policy.ts'

/**
 * The strictest policy that this very TD meets: every register pinned, all else at its default. RTMR3 is not pinned: it says
 * which apps run and which cluster feeds them, and is judged by replay.
 */
export const policyFromQuote = (
  td: TdBody,
  options: {
    /** `intel`, or an emulated root's name. */
    rootName: string
    /** Of the collateral at hand: nothing older will judge. */
    minEvaluationDataNumber: number
    name?: string
  },
): Policy =>
  parsePolicy(
    JSON.stringify({
      version: 1,
      roots: [options.rootName],
      tee: ['tdx'],
      measurements: [{ ...(options.name === undefined ? {} : { name: options.name }), ...registersOf(td) }],
      tcb: { accept: ['UpToDate'], minEvaluationDataNumber: options.minEvaluationDataNumber },
    }),
  )
