export { type CollateralDates, collateralDates } from './dates.ts'
export { type CollateralEndpoint, collateralEndpoint, fetchCollateral, INTEL_PCS } from './endpoint.ts'
export { type PckCa, type Platform, platformOf } from './platform.ts'
export {
  type CollateralAlarm,
  type CollateralSource,
  type CollateralStatus,
  CollateralStore,
  type CollateralStoreInit,
} from './store.ts'
export { newer } from './version.ts'
