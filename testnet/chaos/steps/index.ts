import type { StepKind } from '../step.ts'
import { attackSteps } from './attack.ts'
import { expectSteps } from './expect.ts'
import { machineSteps } from './machine.ts'
import { networkSteps } from './network.ts'
import { nodeSteps } from './nodes.ts'

/** All that a scenario can say. */
export const STEPS: Readonly<Record<string, StepKind>> = {
  ...nodeSteps,
  ...networkSteps,
  ...machineSteps,
  ...attackSteps,
  ...expectSteps,
}
