export { describePolicy, insecurities, isInsecure } from './describe.ts'
export { policyFromQuote } from './from-quote.ts'
export { POLICY_LIMIT_BYTES, PolicyError } from './json.ts'
export { type Finding, judgeApps, judgePlatform, judgeTd, type PlatformFacts, registersOf } from './judge-td.ts'
export {
  canonicalPolicy,
  MEASUREMENT_NAMES,
  type MeasurementName,
  type MeasurementRule,
  type Policy,
  type PolicyDocument,
  parsePolicy,
  policyHash,
} from './policy.ts'
